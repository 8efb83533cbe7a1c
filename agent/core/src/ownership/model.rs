//! A small model of server-side apply: objects of maps, lists with keys and plain values, and what
//! an update, a forced apply and a write of managed fields do to values and owners.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::named;
use super::set::FieldSet;

mod runs;

/// Manager, operation and subresource of an entry.
type Writer = (String, &'static str, &'static str);

/// A live object: its value, and who set what.
#[derive(Clone, Debug, Default)]
struct Object {
    live: Value,
    owners: BTreeMap<Writer, FieldSet>,
}

impl Object {
    fn managed_fields(&self) -> Vec<Value> {
        let entry = |((manager, operation, subresource), set): (&Writer, &FieldSet)| {
            json!({"manager": manager, "operation": operation, "subresource": subresource,
                   "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": set.to_value()})
        };
        self.owners.iter().map(entry).collect()
    }

    fn rewrite(&mut self, entries: &[Value]) {
        let known = |text: &Value| match text.as_str() {
            Some("Apply") => "Apply",
            Some("Update") => "Update",
            Some("scale") => "scale",
            _ => "",
        };
        let entry = |entry: &Value| {
            let manager = entry["manager"].as_str().unwrap().to_owned();
            let writer = (
                manager,
                known(&entry["operation"]),
                known(&entry["subresource"]),
            );
            (writer, FieldSet::parse(&entry["fieldsV1"]))
        };
        self.owners = entries.iter().map(entry).collect();
    }

    fn update(&mut self, manager: &str, subresource: &'static str, after: Value) {
        let old = fields(&self.live, Containers::Members);
        let new = fields(&after, Containers::Members);
        let gone = old.difference(&new);
        let mut changed = new.difference(&old);
        changed.add(&differing(&self.live, &after).intersection(&new));
        let writer = (manager.to_owned(), "Update", subresource);
        self.owners.entry(writer.clone()).or_default().add(&changed);
        for (other, set) in &mut self.owners {
            *set = set.difference(&gone);
            if *other != writer {
                *set = set.difference(&changed);
            }
        }
        self.owners.retain(|_, set| !set.is_empty());
        self.live = after;
    }

    /// A forced apply.
    fn apply(&mut self, manager: &str, config: &Value) {
        let new = fields(config, Containers::Parents);
        if self.owners.is_empty() && !self.live.is_null() {
            let all = fields(&self.live, Containers::Members);
            let before = ("before-first-apply".to_owned(), "Update", "");
            self.owners.insert(before, all);
        }
        let writer = (manager.to_owned(), "Apply", "");
        let taken = differing(&self.live, config).intersection(&new);
        let mut kept = new.clone();
        for (other, set) in &mut self.owners {
            if *other != writer {
                *set = set.difference(&taken);
                kept.add(set);
            }
        }
        let held = self.owners.remove(&writer).unwrap_or_default();
        merge(&mut self.live, config);
        prune(&mut self.live, &held.difference(&new), &kept);
        self.owners.insert(writer, new);
        let there = fields(&self.live, Containers::Members);
        for set in self.owners.values_mut() {
            *set = set.intersection(&there);
        }
        self.owners.retain(|_, set| !set.is_empty());
    }
}

/// How maps and lists stand in a set: an update owns them, an apply only what is in them.
#[derive(Clone, Copy, PartialEq)]
enum Containers {
    Members,
    Parents,
}

fn item_key(item: &Value) -> Option<String> {
    Some(format!("k:{}", json!({"name": item.get("name")?})))
}

/// The parts of a map or of a list with keys, by their keys; `None` for a plain value.
fn parts(value: &Value) -> Option<Vec<(String, &Value)>> {
    match value {
        Value::Object(map) => Some(map.iter().map(|(k, v)| (format!("f:{k}"), v)).collect()),
        Value::Array(items) => {
            let part = |item| Some((item_key(item)?, item));
            items.iter().map(part).collect()
        }
        _ => None,
    }
}

fn fields(value: &Value, containers: Containers) -> FieldSet {
    let mut set = FieldSet::default();
    for (key, part) in parts(value).unwrap_or_default() {
        let mut below = fields(part, containers);
        below.member = below.children.is_empty()
            || key.starts_with("k:")
            || (containers == Containers::Members
                && !matches!(key.as_str(), "f:spec" | "f:metadata"));
        set.children.insert(key, below);
    }
    set
}

/// The plain values of `after` that `before` has with another value or not at all.
fn differing(before: &Value, after: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    let old: BTreeMap<_, _> = parts(before).unwrap_or_default().into_iter().collect();
    for (key, part) in parts(after).unwrap_or_default() {
        let was = old.get(&key).copied().unwrap_or(&Value::Null);
        let mut below = differing(was, part);
        below.member = parts(part).is_none_or(|parts| parts.is_empty()) && was != part;
        if !below.is_empty() {
            set.children.insert(key, below);
        }
    }
    set
}

fn merge(live: &mut Value, config: &Value) {
    match (&mut *live, config) {
        (Value::Object(map), Value::Object(config)) => {
            for (key, value) in config {
                merge(map.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(items), Value::Array(config)) => {
            for item in config {
                match items.iter_mut().find(|own| own["name"] == item["name"]) {
                    Some(own) => merge(own, item),
                    None => items.push(item.clone()),
                }
            }
        }
        _ => *live = config.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

/// Removes what is gone unless somebody keeps it, or something in it that is a map.
fn prune(value: &mut Value, gone: &FieldSet, kept: &FieldSet) {
    let nothing = FieldSet::default();
    let goes = |key: &str, part: &mut Value| {
        let Some(gone) = gone.children.get(key) else {
            return false;
        };
        let kept = kept.children.get(key);
        // A list item stays only for an owner of the item itself.
        let stays = kept.is_some_and(|kept| kept.member || !key.starts_with("k:"));
        if gone.member && !stays {
            return true;
        }
        prune(part, gone, kept.unwrap_or(&nothing));
        kept.is_none() && is_empty(part)
    };
    match value {
        Value::Object(map) => map.retain(|key, part| !goes(&format!("f:{key}"), part)),
        Value::Array(items) => items.retain_mut(|item| {
            let key = item_key(item);
            !key.is_some_and(|key| goes(&key, item))
        }),
        _ => {}
    }
}

/// The value at a path of keys.
fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(value, |value, key| named::below(value, key))
}

/// Every plain value with its path; names of items left out.
fn leaves(value: &Value) -> Vec<(Vec<String>, Value)> {
    let mut found = Vec::new();
    for (key, part) in parts(value).unwrap_or_default() {
        if key == "f:name" {
            continue;
        }
        if parts(part).is_none() {
            found.push((vec![key], part.clone()));
            continue;
        }
        for (mut path, leaf) in leaves(part) {
            path.insert(0, key.clone());
            found.push((path, leaf));
        }
    }
    found
}

fn strs(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}
