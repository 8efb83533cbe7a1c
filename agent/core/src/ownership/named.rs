//! Lays a set of fields beside a desired object: what Git names of it, and what it does not.

use serde_json::{Map, Value};

use super::set::{FieldSet, item_keys};

/// How well a list item fits the keys of an entry: the number of keys that are equal; `None` where
/// it is another item.
///
/// Keys that the server defaulted may be missing from the item. Of the kinds of Kubernetes only
/// the protocol of a port is one.
pub(super) fn fit(item: &Value, keys: &Map<String, Value>) -> Option<usize> {
    let mut equal = 0;
    for (key, value) in keys {
        match item.get(key) {
            Some(own) if own == value => equal += 1,
            Some(_) => return None,
            None if key == "protocol" && value != "TCP" => return None,
            None => {}
        }
    }
    (equal > 0).then_some(equal)
}

/// What the desired value holds under a key of `managedFields`.
pub(super) fn below<'a>(desired: &'a Value, key: &str) -> Option<&'a Value> {
    match desired {
        Value::Object(fields) => fields.get(key.strip_prefix("f:")?),
        Value::Array(items) => {
            if let Some(keys) = item_keys(key) {
                let fitting = items
                    .iter()
                    .filter_map(|item| Some((fit(item, &keys)?, item)));
                return fitting
                    .max_by_key(|(equal, _)| *equal)
                    .map(|(_, item)| item);
            }
            if let Some(value) = key.strip_prefix("v:") {
                let value: Value = serde_json::from_str(value).ok()?;
                return items.iter().find(|item| **item == value);
            }
            items.get(key.strip_prefix("i:")?.parse::<usize>().ok()?)
        }
        _ => None,
    }
}

/// The members of a set that the desired value does not name. The keys of a list item that Git
/// names are named with it.
pub(super) fn unnamed(set: &FieldSet, desired: &Value) -> FieldSet {
    let children = set.children.iter().map(|(key, child)| {
        let rest = match below(desired, key) {
            None => child.clone(),
            Some(value @ (Value::Object(_) | Value::Array(_))) => {
                let mut rest = unnamed(child, value);
                for name in item_keys(key).iter().flat_map(|keys| keys.keys()) {
                    rest.children.remove(&format!("f:{name}"));
                }
                rest
            }
            // A value that Git gives as a whole: there is nothing below it.
            Some(_) => FieldSet::default(),
        };
        (key.clone(), rest)
    });
    FieldSet::of(false, children)
}

/// Readable paths of members that the desired value does not name: one for each part that Git
/// names nothing of, taken apart only where some of it stays.
pub(super) fn describe(set: &FieldSet, desired: &Value, staying: &FieldSet) -> Vec<String> {
    let mut paths = Vec::new();
    describe_below(set, Some(desired), Some(staying), "", &mut paths);
    paths
}

fn describe_below(
    set: &FieldSet,
    desired: Option<&Value>,
    staying: Option<&FieldSet>,
    parent: &str,
    paths: &mut Vec<String>,
) {
    for (key, child) in &set.children {
        let path = readable(parent, key);
        let value = desired.and_then(|value| below(value, key));
        let stays = staying.and_then(|set| set.children.get(key));
        if (value.is_some() || stays.is_some()) && !child.children.is_empty() {
            describe_below(child, value, stays, &path, paths);
        } else {
            paths.push(path);
        }
    }
}

/// The path of a part as people read it: `spec.containers[web].image`.
fn readable(parent: &str, key: &str) -> String {
    if let Some(field) = key.strip_prefix("f:") {
        return if parent.is_empty() {
            field.to_owned()
        } else {
            format!("{parent}.{field}")
        };
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let item = if let Some(keys) = item_keys(key) {
        match keys.get("name") {
            Some(name) => text(name),
            None => keys.values().map(text).collect::<Vec<_>>().join("/"),
        }
    } else {
        let bare = key.get(2..).unwrap_or(key);
        serde_json::from_str(bare).map_or_else(|_| bare.to_owned(), |value| text(&value))
    };
    format!("{parent}[{item}]")
}
