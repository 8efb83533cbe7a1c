//! Brings a manifest into the form in which it is hashed and sent.
//!
//! What only the cluster writes (`status`, `uid`, ...) and what only we write (owner record) is
//! dropped with a warning; nulls and `1.0` would read as drift for ever and go silently.
//! `stringData` has become `data` before, when the [`Body`] was taken.

use serde_json::{Map, Value};

use super::{Manifest, mistakes};
use crate::names;
use crate::outcome::Failure;

/// A manifest ready to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalised {
    /// The manifest.
    pub manifest: Manifest,
    /// What was dropped, one sentence each with file and line.
    pub warnings: Vec<String>,
}

/// `kubectl apply` keeps a copy of the object in this annotation; server-side apply needs none.
pub(super) const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

const CLUSTER_METADATA: [&str; 9] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    // Nobody knows a uid beforehand, and an owner that does not exist means deletion.
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Normalises a manifest. Doing it twice changes nothing more.
///
/// Fails, with all findings, where the API server would refuse the object without naming a place
/// in Git: text fields that are numbers or booleans, and lists that hold one key twice.
pub fn normalise(mut manifest: Manifest) -> Result<Normalised, Vec<Failure>> {
    let mut warnings = Vec::new();
    let place = format!("{}: {}", manifest.origin, manifest.key);
    let mut warn =
        |what: &str, why: &str| warnings.push(format!("{place}: {what} is ignored: {why}"));

    let body = manifest.body.visible_mut();
    drop_nulls(body);
    whole_floats_to_integers(body);
    if let Value::Object(object) = body {
        if object.remove("status").is_some() {
            warn("`status`", "the cluster writes it");
        }
        if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
            for field in CLUSTER_METADATA {
                if metadata.remove(field).is_some() {
                    warn(&format!("`metadata.{field}`"), "the cluster writes it");
                }
            }
            let ours = "Syncline writes it";
            for annotation in [names::ANNOTATION_OWNER, names::ANNOTATION_APPLIED] {
                if remove_entry(metadata, "annotations", annotation) {
                    warn(&format!("the annotation `{annotation}`"), ours);
                }
            }
            if remove_entry(metadata, "annotations", LAST_APPLIED) {
                warn(
                    &format!("the annotation `{LAST_APPLIED}`"),
                    "it is a copy of the object",
                );
            }
            if remove_entry(metadata, "labels", names::LABEL_MANAGED) {
                warn(&format!("the label `{}`", names::LABEL_MANAGED), ours);
            }
        }
    }
    let failures = mistakes::find(&manifest);
    if failures.is_empty() {
        Ok(Normalised { manifest, warnings })
    } else {
        Err(failures)
    }
}

/// Removes `metadata.<field>.<key>`, and the field with its last key.
fn remove_entry(metadata: &mut Map<String, Value>, field: &str, key: &str) -> bool {
    let Some(Value::Object(entries)) = metadata.get_mut(field) else {
        return false;
    };
    let removed = entries.remove(key).is_some();
    if removed && entries.is_empty() {
        metadata.remove(field);
    }
    removed
}

/// Drops the keys of maps that have no value, at every depth. Items of lists stay: their place
/// has a meaning.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// `1.0` and `1e3` become `1` and `1000`, as the API server stores them.
pub(super) fn whole_floats_to_integers(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(whole_floats_to_integers),
        Value::Array(items) => items.iter_mut().for_each(whole_floats_to_integers),
        Value::Number(number) if number.is_f64() => {
            // Beyond 2^63 there is no integer to write it as.
            let whole = number
                .as_f64()
                .filter(|f| f.fract() == 0.0 && f.abs() < 9.2e18);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
