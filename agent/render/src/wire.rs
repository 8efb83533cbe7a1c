//! The messages between the agent and the renderer: one JSON value per line.
//!
//! `renderer/protocol.go` describes their order. Fields that this side does not know are passed
//! over, so a newer renderer may say more; what this side cannot do without raises [`VERSION`].

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use syncline_core::object::Origin;

use crate::error::Refusal;
use crate::job::{Answer, Ask, Job, Release};

/// The version of the protocol that this side speaks.
pub(crate) const VERSION: u32 = 1;

/// What the renderer says.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Message {
    Hello(Hello),
    Ask(Question),
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
}

#[derive(Deserialize)]
pub(crate) struct Question {
    kind: Kind,
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Read,
    List,
}

impl Question {
    /// The question, unless its path is not one of a repository.
    pub(crate) fn into_ask(self) -> Option<Ask> {
        let inside = self.path.is_empty()
            || self
                .path
                .split('/')
                .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'));
        if !inside {
            return None;
        }
        Some(match self.kind {
            Kind::Read => Ask::Read(self.path),
            Kind::List => Ask::List(self.path),
        })
    }
}

#[derive(Deserialize)]
pub(crate) struct Object {
    pub(crate) body: Value,
    pub(crate) origin: Place,
    #[serde(default)]
    pub(crate) hook: String,
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

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Request<'a> {
    Kustomize {
        path: &'a str,
    },
    #[serde(rename_all = "camelCase")]
    Helm {
        path: &'a str,
        release_name: &'a str,
        namespace: &'a str,
        values_files: &'a [String],
        values: &'a Value,
        kube_version: &'a str,
        api_versions: &'a [String],
        upgrade: bool,
    },
}

/// The line that asks for a render.
pub(crate) fn request(job: &Job) -> Vec<u8> {
    line(&match job {
        Job::Kustomize { path } => Request::Kustomize { path },
        Job::Helm {
            path,
            release_name,
            namespace,
            values_files,
            values,
            kube_version,
            api_versions,
            upgrade,
        } => Request::Helm {
            path,
            release_name,
            namespace,
            values_files,
            values,
            kube_version,
            api_versions,
            upgrade: *upgrade == Release::Upgrade,
        },
    })
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Reply<'a> {
    File(String),
    Directory(Vec<Listed<'a>>),
    Missing(bool),
    Refused(bool),
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    directory: bool,
}

/// The line that answers a question; `None` refuses it.
pub(crate) fn reply(answer: Option<&Answer>) -> Vec<u8> {
    line(&match answer {
        Some(Answer::File(content)) => {
            Reply::File(base64::engine::general_purpose::STANDARD.encode(content))
        }
        Some(Answer::Directory(entries)) => Reply::Directory(
            entries
                .iter()
                .map(|entry| Listed {
                    name: &entry.name,
                    directory: entry.is_directory,
                })
                .collect(),
        ),
        Some(Answer::Missing) => Reply::Missing(true),
        None => Reply::Refused(true),
    })
}

fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("messages have string keys and plain values");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leaves_the_repository_is_no_question() {
        for path in ["/etc/passwd", "../x", "a/../b", "a//b", "a/.", "a\0b", "a/"] {
            let question = Question {
                kind: Kind::Read,
                path: path.into(),
            };
            assert_eq!(question.into_ask(), None, "{path:?}");
        }
        let root = Question {
            kind: Kind::List,
            path: String::new(),
        };
        assert_eq!(root.into_ask(), Some(Ask::List(String::new())));
    }

    #[test]
    fn a_field_of_a_newer_renderer_is_passed_over() {
        let line = r#"{"done":{"objects":3,"notes":"hello"}}"#;
        let Ok(Message::Done(done)) = serde_json::from_str(line) else {
            panic!("not understood")
        };
        assert_eq!(done.objects, 3);
    }
}
