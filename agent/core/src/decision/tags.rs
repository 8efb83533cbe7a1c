//! What a person decides of the tags of an image, and the change of the ImagePolicy that says so.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Refusal, annotations, reason};
use crate::image::Tag;
use crate::image::hold::{self, Said};
use crate::names;
use crate::record::Name;
use crate::shell;

/// What a person decides of one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagDecision {
    /// It is not chosen.
    Skip(Said),
    /// It may be chosen again.
    Release(String),
    /// It is chosen, and no other.
    Pin(Said),
    /// The newest that the policy allows is chosen again.
    Unpin,
}

impl TagDecision {
    /// A tag that is not chosen.
    ///
    /// # Errors
    /// `Invalid` for what is no tag, and a reason that is empty or too long.
    pub fn skip(tag: &str, why: &str, now: Timestamp) -> Result<Self, Refusal> {
        said(tag, why, now).map(Self::Skip)
    }

    /// The tag that is chosen, and no other.
    ///
    /// # Errors
    /// As [`Self::skip`].
    pub fn pin(tag: &str, why: &str, now: Timestamp) -> Result<Self, Refusal> {
        said(tag, why, now).map(Self::Pin)
    }

    /// The merge patch of the ImagePolicy. `before` are its annotations, `held` the values that are
    /// held because of what the branch says.
    ///
    /// # Errors
    /// `NotNow` where it is so already.
    pub fn patch(
        &self,
        before: &BTreeMap<String, String>,
        held: &[String],
    ) -> Result<Value, Refusal> {
        let text = |name| before.get(name).map(String::as_str);
        let skips = hold::skips(text(names::ANNOTATION_SKIP));
        let written = |skips: &[Said]| match skips {
            [] => Value::Null,
            skips => hold::written(skips).into(),
        };
        let change = match self {
            Self::Skip(said) => {
                let mut skips = skips;
                skips.retain(|other| other.value != said.value);
                skips.push(said.clone());
                json!({(names::ANNOTATION_SKIP): written(&skips)})
            }
            Self::Release(value) => {
                let (gone, left): (Vec<_>, Vec<_>) =
                    skips.into_iter().partition(|said| said.holds(value));
                let mut change = json!({});
                if !gone.is_empty() {
                    change[names::ANNOTATION_SKIP] = written(&left);
                }
                // What Git took back is let go by its full name, with the digest.
                let held = held.iter().filter(|held| hold::is_same(held, value));
                let held: Vec<&String> = held.collect();
                if !held.is_empty() {
                    let tags = released(text(names::ANNOTATION_RELEASE), held);
                    change[names::ANNOTATION_RELEASE] = tags.into();
                }
                if change == json!({}) {
                    return Err(Refusal::NotNow(format!("`{value}` is not held")));
                }
                change
            }
            Self::Pin(said) => json!({(names::ANNOTATION_PIN_TAG): said.to_string()}),
            Self::Unpin => {
                let Some(pinned) = hold::pin(text(names::ANNOTATION_PIN_TAG)) else {
                    return Err(Refusal::NotNow("no tag is pinned".to_owned()));
                };
                // That the newest comes back is no quarrel of two writers.
                let tags = released(text(names::ANNOTATION_RELEASE), [&pinned.value]);
                json!({
                    (names::ANNOTATION_PIN_TAG): null,
                    (names::ANNOTATION_RELEASE): tags,
                })
            }
        };
        Ok(annotations(change))
    }

    /// The command that does the same.
    pub fn command(&self, policy: &Name) -> String {
        let of = |verb: &str| format!("syncline images {verb} {policy}");
        let with = |verb: &str, said: &Said| {
            let (tag, reason) = (shell::word(&said.value), shell::word(&said.reason));
            format!("{} {tag} --reason {reason}", of(verb))
        };
        match self {
            Self::Skip(said) => with("skip", said),
            Self::Release(value) => format!("{} {}", of("release"), shell::word(value)),
            Self::Pin(said) => with("pin", said),
            Self::Unpin => of("unpin"),
        }
    }
}

/// The annotation `syncline.dev/release` with more tags.
fn released<'a>(before: Option<&'a str>, more: impl IntoIterator<Item = &'a String>) -> String {
    let before = before.unwrap_or_default().split(',').map(str::trim);
    let mut tags: Vec<&str> = before.filter(|tag| !tag.is_empty()).collect();
    for tag in more {
        if !tags.contains(&tag.as_str()) {
            tags.push(tag);
        }
    }
    tags.join(",")
}

fn said(tag: &str, why: &str, now: Timestamp) -> Result<Said, Refusal> {
    let tag = tag.trim();
    let tag = Tag::parse(tag).map_err(|error| Refusal::Invalid(format!("`{tag}`: {error}")))?;
    Ok(Said {
        value: tag.to_string(),
        since: Some(now),
        reason: reason(why)?
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    })
}
