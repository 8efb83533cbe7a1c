//! What Git names and our entry no longer has, and who has it now.

use jiff::Timestamp;
use serde_json::Value;

use super::named::fit;
use super::set::{FieldSet, item_keys};

/// Who holds a field now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The field manager; `unknown client` where no entry names the field (it was removed).
    pub manager: String,
    /// When its entry was written last.
    pub time: Option<Timestamp>,
}

impl Holder {
    /// The writer of an entry.
    pub(super) fn of(entry: &Value) -> Self {
        Self {
            manager: entry["manager"]
                .as_str()
                .unwrap_or("unknown client")
                .to_owned(),
            time: entry["time"].as_str().and_then(|time| time.parse().ok()),
        }
    }
}

/// The fields of the desired object that our entry no longer has, as readable paths in order.
///
/// List items are matched by the keys that the entry itself names, so no schema is needed. A part
/// that the entry holds as a whole (an atomic list or map) is not looked into.
pub fn lost(desired: &Value, entry: &Value) -> Vec<String> {
    lost_of(desired, &FieldSet::parse(entry))
}

pub(super) fn lost_of(desired: &Value, set: &FieldSet) -> Vec<String> {
    let mut paths = Vec::new();
    for (name, value) in desired.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                let inner = set.children.get("f:metadata");
                // Name and namespace are the identity, and nobody owns them.
                for (field, value) in value.as_object().into_iter().flatten() {
                    if field != "name" && field != "namespace" {
                        lost_field(field, value, inner, "metadata", &mut paths);
                    }
                }
            }
            _ => lost_field(name, value, Some(set), "", &mut paths),
        }
    }
    paths
}

fn lost_field(
    name: &str,
    value: &Value,
    set: Option<&FieldSet>,
    parent: &str,
    paths: &mut Vec<String>,
) {
    let path = if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    };
    match set.and_then(|set| set.children.get(&format!("f:{name}"))) {
        Some(inner) => lost_value(value, inner, &path, paths),
        // An empty map or list is not always recorded: its absence says nothing.
        None if is_empty(value) => {}
        None => paths.push(path),
    }
}

fn lost_value(value: &Value, set: &FieldSet, path: &str, paths: &mut Vec<String>) {
    if set.children.is_empty() {
        return; // A leaf, or owned as a whole.
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                lost_field(name, value, Some(set), path, paths);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let at = format!("{path}[{}]", item_name(item, index));
                match item_set(item, set) {
                    Some(inner) => lost_value(item, inner, &at, paths),
                    None => paths.push(at),
                }
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null => true,
        _ => false,
    }
}

/// How people call an item of a list: its name where it has one, else its number.
pub(super) fn item_name(item: &Value, index: usize) -> String {
    match item.get("name").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => index.to_string(),
    }
}

/// The part of a list's set that speaks of one desired item; of several that fit, the one with
/// most equal keys.
pub(super) fn item_set<'a>(item: &Value, set: &'a FieldSet) -> Option<&'a FieldSet> {
    let mut best: Option<(usize, &FieldSet)> = None;
    for (key, inner) in &set.children {
        if let Some(value) = key.strip_prefix("v:") {
            if serde_json::from_str::<Value>(value).is_ok_and(|v| v == *item) {
                return Some(inner);
            }
        } else if let Some(equal) = item_keys(key).and_then(|keys| fit(item, &keys))
            && best.is_none_or(|(most, _)| equal > most)
        {
            best = Some((equal, inner));
        }
    }
    best.map(|(_, inner)| inner)
}

/// Who holds lost fields now: the managers, beside ours, whose entries name one of the paths,
/// newest first. Where nobody does (the field was removed), one unknown client.
pub fn holders(
    desired: &Value,
    managed_fields: &[Value],
    ours: &str,
    lost_paths: &[String],
) -> Vec<Holder> {
    let mut found: Vec<Holder> = managed_fields
        .iter()
        .filter(|entry| !(entry["manager"] == ours && entry["operation"] == "Apply"))
        .filter(|entry| {
            // The paths that this manager does not have are lost to it as well.
            let missing = lost(desired, &entry["fieldsV1"]);
            lost_paths.iter().any(|path| !covers(&missing, path))
        })
        .map(Holder::of)
        .collect();
    found.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.manager.cmp(&b.manager)));
    if found.is_empty() {
        found.push(Holder {
            manager: "unknown client".to_owned(),
            time: None,
        });
    }
    found
}

/// Whether one of the missing paths is the path itself or a parent of it.
fn covers(missing: &[String], path: &str) -> bool {
    missing.iter().any(|m| {
        path == m
            || path
                .strip_prefix(m.as_str())
                .is_some_and(|rest| rest.starts_with(['.', '[']))
    })
}
