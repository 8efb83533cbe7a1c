//! The messages between the agent and the renderer: one JSON value per line.
//!
//! `renderer/protocol.go` describes their order. Fields that this side does not know are passed
//! over, so a newer renderer may say more; what this side cannot do without raises [`VERSION`].

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_core::manifest::Raw;
use syncline_core::object::Origin;

use crate::error::Refusal;
use crate::job::{Answer, Ask, Entry, Job};

/// The version of the protocol that this side speaks.
pub(crate) const VERSION: u32 = 2;

/// What the renderer says.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Message {
    Hello(Hello),
    Ask(Ask),
    Object(Object),
    Done(Done),
    Failed(Failed),
}

#[derive(Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    #[serde(default)]
    pub(crate) helm: String,
    #[serde(default)]
    pub(crate) kustomize: String,
    #[serde(default)]
    pub(crate) isolation: Vec<String>,
}

/// Whether a question is one that can be answered: its path stays inside its source.
pub(crate) fn is_sound(ask: &Ask) -> bool {
    match ask {
        Ask::Read(location) | Ask::List(location) => {
            location.path.is_empty()
                || location
                    .path
                    .split('/')
                    .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
        }
        Ask::Chart(_) | Ask::Lookup(_) => true,
    }
}

#[derive(Deserialize)]
pub(crate) struct Object {
    body: Value,
    origin: Place,
    #[serde(default)]
    pub(crate) hook: String,
    #[serde(default)]
    plain: Vec<String>,
    #[serde(default)]
    unstable: Vec<String>,
}

impl From<Object> for Raw {
    fn from(object: Object) -> Self {
        Self {
            value: object.body,
            origin: object.origin.into(),
            plain: object.plain,
            unstable: object.unstable,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Place {
    file: String,
    document: usize,
    #[serde(default)]
    line: usize,
}

impl From<Place> for Origin {
    fn from(place: Place) -> Self {
        let line = Some(place.line).filter(|line| *line > 0);
        Self {
            file: place.file,
            document: place.document,
            line,
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Done {
    pub(crate) objects: usize,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    #[serde(default)]
    pub(crate) notes: String,
}

#[derive(Deserialize)]
pub(crate) struct Failed {
    code: String,
    message: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    line: usize,
    #[serde(default)]
    column: usize,
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        Self {
            code: failed.code,
            message: failed.message,
            file: Some(failed.file).filter(|file| !file.is_empty()),
            line: Some(failed.line).filter(|line| *line > 0),
            column: Some(failed.column).filter(|column| *column > 0),
        }
    }
}

/// The line that asks for a render.
pub(crate) fn request(job: &Job) -> Vec<u8> {
    line(job)
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Reply<'a> {
    File(String),
    Directory(&'a [Entry]),
    Object(&'a Value),
    Missing(bool),
    Later(bool),
    Refused(bool),
}

/// The line that answers a question; `None` refuses it.
pub(crate) fn reply(answer: Option<&Answer>) -> Vec<u8> {
    line(&match answer {
        Some(Answer::File(content)) => {
            Reply::File(base64::engine::general_purpose::STANDARD.encode(content))
        }
        Some(Answer::Directory(entries)) => Reply::Directory(entries),
        Some(Answer::Object(object)) => Reply::Object(object),
        Some(Answer::Missing) => Reply::Missing(true),
        Some(Answer::Later) => Reply::Later(true),
        None => Reply::Refused(true),
    })
}

fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have string keys and plain values");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests;
