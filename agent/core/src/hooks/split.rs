//! Takes the hooks out of the objects of an application.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Reading, Terms, read};
use crate::manifest::{Raw, take_apart};
use crate::outcome::Failure;
use crate::reason::Reason;

/// A hook as it was rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// When and how it runs.
    pub terms: Terms,
    /// Its object.
    pub object: Raw,
}

/// The objects of an application, hooks apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What is applied and stays.
    pub objects: Vec<Raw>,
    /// What runs, and what says that it is a hook and never runs here: that has no moments.
    pub hooks: Vec<Found>,
    /// What is said of those that never run, for people.
    pub notes: Vec<String>,
}

/// Takes the hooks out; those of `List`s as well. Lists with a hook inside are taken apart.
///
/// Fails with every object of which the annotations are not understood.
pub fn split(objects: Vec<Raw>) -> Result<Split, Vec<Failure>> {
    let mut split = Split::default();
    let mut failures = Vec::new();
    for object in take_apart(objects) {
        let said = match object.value.pointer("/metadata/annotations") {
            Some(Value::Object(annotations)) => annotations
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
            _ => BTreeMap::new(),
        };
        match read(&said) {
            Ok(Reading::Ordinary) => split.objects.push(object),
            Ok(Reading::Hook(terms)) => split.hooks.push(Found { terms, object }),
            Ok(Reading::Never(why)) => {
                split.notes.push(format!("{}: {why}", place(&object)));
                let terms = Terms::default();
                split.hooks.push(Found { terms, object });
            }
            Err(invalid) => failures.push(Failure {
                reason: Reason::InvalidHook,
                detail: format!("{}: {invalid}", place(&object)),
            }),
        }
    }
    if failures.is_empty() {
        Ok(split)
    } else {
        Err(failures)
    }
}

/// Where it stands and what it is called.
fn place(object: &Raw) -> String {
    let text = |pointer| object.value.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("object");
    let name = text("/metadata/name").or_else(|| text("/metadata/generateName"));
    format!("{}: {kind} {}", object.origin, name.unwrap_or_default())
}
