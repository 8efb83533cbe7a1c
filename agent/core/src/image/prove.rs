//! Decides from what is rendered before and after an edit whether exactly the expected images
//! change.
//!
//! Accepted are
//! - images that become the expected version, wherever an object names one;
//! - texts that follow from it: they differ in the tag or digest alone, such as the label
//!   `app.kubernetes.io/version`, a variable `VERSION`, or the name of a Job with the tag in it;
//! - checksums in annotations and labels, which follow from what is accepted already.
//!
//! Everything else is refused: another image, a number, a field that comes or goes, an object that
//! comes or goes. So is a selector of a workload, even if it follows: the cluster refuses to change
//! it. Fields that a second render makes different by itself are not held against the edit.

mod compare;
mod consequence;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::{Map, Value};

use crate::image::reference::{ImageName, Reference, Version};
use crate::manifest::Raw;
use crate::object::{ObjectKey, group_version};
use crate::outcome::Failure;
use crate::reason::Reason;

pub use compare::prove;

/// How many differences a message names.
const MOST_NAMED: usize = 5;

/// An image that an object names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUse {
    /// The object.
    pub object: ObjectKey,
    /// Where in it, such as `spec.template.spec.containers[0].image`.
    pub path: String,
    /// As it stands there; put together where name and tag stand apart.
    pub written: String,
    /// The same, read.
    pub reference: Reference,
}

/// What an edit is meant to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The image.
    pub image: ImageName,
    /// What the place named before.
    pub old: Reference,
    /// What it names now.
    pub new: Version,
}

impl Expected {
    /// Whether a reference is the image in the new version. A digest makes the tag beside it a
    /// remark.
    fn is_met_by(&self, reference: &Reference) -> bool {
        let tag_fits = reference.tag.as_ref() == Some(&self.new.tag);
        let version_fits = match &self.new.digest {
            Some(digest) => {
                reference.digest.as_ref() == Some(digest) && (tag_fits || reference.tag.is_none())
            }
            None => tag_fits && reference.digest.is_none(),
        };
        reference.name == self.image && version_fits
    }
}

/// An image of an object that changes as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageChange {
    /// The object, by the name that it has afterwards.
    pub object: ObjectKey,
    /// Where in it.
    pub path: String,
    /// Before.
    pub old: Reference,
    /// After.
    pub new: Reference,
}

/// A field or object that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The object.
    pub object: ObjectKey,
    /// Where in it; empty where the whole object comes or goes.
    pub path: String,
    /// Before, as compact JSON, cut; `None` where it was not there. Hidden in a Secret.
    pub before: Option<String>,
    /// After, in the same way.
    pub after: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.object)?;
        let gone = "nothing";
        let before = self.before.as_deref().unwrap_or(gone);
        let after = self.after.as_deref().unwrap_or(gone);
        match (self.path.as_str(), &self.before, &self.after) {
            ("", None, _) => f.write_str(" would be new"),
            ("", _, None) => f.write_str(" would be gone"),
            (path, ..) => write!(f, " `{path}`: {before} -> {after}"),
        }
    }
}

/// Exactly what was expected, and what follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    /// The images that change; never empty.
    pub changed: Vec<ImageChange>,
    /// What follows from them.
    pub followed: Vec<Difference>,
    /// Uses of the expected images that stay at another version.
    pub left: Vec<ImageUse>,
}

impl Proof {
    /// Whether an image changes as this wants it. An application need not show every expectation of
    /// a commit, but some application has to.
    pub fn shows(&self, expected: &Expected) -> bool {
        self.changed
            .iter()
            .any(|change| expected.is_met_by(&change.new))
    }
}

/// Why an edit does not stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disproof {
    /// No image changes: what was edited is not what these objects come from. With the uses of the
    /// expected images, as they stay.
    Unchanged(Vec<ImageUse>),
    /// Something else changes.
    Unexpected(Vec<Difference>),
}

impl Disproof {
    /// As a failure of an application. It quotes what objects say; mask it where secrets were put
    /// into a render.
    pub fn failure(&self, application: &str) -> Failure {
        let detail = match self {
            Self::Unchanged(uses) => match uses.first() {
                None => format!("`{application}` does not run the image, so nothing would change"),
                Some(first) => format!(
                    "nothing that `{application}` runs would change: {} `{}` stays {}",
                    first.object, first.path, first.written
                ),
            },
            Self::Unexpected(differences) => {
                let named: Vec<String> = differences
                    .iter()
                    .take(MOST_NAMED)
                    .map(ToString::to_string)
                    .collect();
                let more = match differences.len().saturating_sub(MOST_NAMED) {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                format!(
                    "more than the image would change in `{application}`: {}{more}",
                    named.join("; ")
                )
            }
        };
        Failure {
            reason: Reason::EditUnproved,
            detail,
        }
    }
}

/// All images that objects name: `image` (or a key that ends in `Image`) anywhere in them, in pod
/// templates as in custom resources, volumes of kind `image`, `repository` and `tag` side by side,
/// and the lists `images` of kustomizations. What ConfigMaps and Secrets hold is text.
pub fn images<'a>(objects: impl IntoIterator<Item = &'a Raw>) -> Vec<ImageUse> {
    let mut found = Vec::new();
    for object in objects {
        let key = key_of(&object.value);
        collect(&key, &object.value, &mut Vec::new(), &mut found);
    }
    found
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn collect(object: &ObjectKey, value: &Value, path: &mut Vec<Step>, into: &mut Vec<ImageUse>) {
    if is_text(object, path) {
        return;
    }
    let mut take = |found: Option<(String, Reference)>, path: &[Step]| {
        into.extend(found.map(|(written, reference)| ImageUse {
            object: object.clone(),
            path: shown(path),
            written,
            reference,
        }));
    };
    match value {
        Value::Object(map) => {
            take(composed(map), path);
            for (key, value) in map {
                path.push(Step::Key(key.clone()));
                collect(object, value, path, into);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                collect(object, item, path, into);
                path.pop();
            }
        }
        Value::String(text) => take(single(text, path), path),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether what stands at a path is text that no controller reads as an image.
fn is_text(object: &ObjectKey, path: &[Step]) -> bool {
    let holds_text = object.group.is_empty() && matches!(&*object.kind, "ConfigMap" | "Secret");
    matches!(path.first(), Some(Step::Key(first)) if holds_text || first == "metadata")
}

/// The image of a text at a place that is for one.
fn single(text: &str, path: &[Step]) -> Option<(String, Reference)> {
    let is_place = match path {
        [.., Step::Key(outer), Step::Key(key)] if key == "reference" => outer == "image",
        [.., Step::Key(list), Step::Index(_)] => list == "images",
        [.., Step::Key(key)] => key.to_ascii_lowercase().ends_with("image"),
        _ => false,
    };
    let (_, reference) = text.rsplit_once('=').unwrap_or(("", text));
    if !is_place {
        return None;
    }
    let read = Reference::parse(reference).ok()?;
    Some((text.to_owned(), read))
}

/// The keys of a map that together name one image.
const VERSION_KEYS: [&str; 3] = ["tag", "newTag", "digest"];

/// The image that a map names in parts.
fn composed(map: &Map<String, Value>) -> Option<(String, Reference)> {
    let text = |key: &str| {
        let text = map.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let tag = text("tag").or_else(|| text("newTag"));
    let digest = text("digest");
    if tag.is_none() && digest.is_none() {
        return None;
    }
    let is_kustomize = map.contains_key("newTag") || map.contains_key("newName");
    let name = if is_kustomize {
        text("newName").or_else(|| text("name"))
    } else {
        text("repository").or_else(|| text("image"))
    };
    let mut written = match text("registry") {
        Some(registry) if !is_kustomize => format!("{}/{}", registry.trim_end_matches('/'), name?),
        _ => name?.to_owned(),
    };
    for (separator, part) in [(':', tag), ('@', digest)] {
        if let Some(part) = part {
            written.push(separator);
            written.push_str(part);
        }
    }
    let reference = Reference::parse(&written).ok()?;
    Some((written, reference))
}

/// The identity that an object gives itself. One that is to be named by the server has the
/// beginning of its name.
fn key_of(object: &Value) -> ObjectKey {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let api_version = text(&object["apiVersion"]);
    let (group, version) = group_version(&api_version);
    let metadata = &object["metadata"];
    let name = match text(&metadata["name"]) {
        name if name.is_empty() => text(&metadata["generateName"]),
        name => name,
    };
    ObjectKey {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: text(&object["kind"]),
        namespace: metadata["namespace"].as_str().map(str::to_owned),
        name,
    }
}

/// A path as people write it.
fn shown(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Index(index) => text.extend(["[", &index.to_string(), "]"]),
            Step::Key(key) if key.contains(['.', '/', '[']) => {
                text.extend(["[", &format!("{key:?}"), "]"]);
            }
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
        }
    }
    text
}
