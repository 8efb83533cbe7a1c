//! Who holds each field that differs between two states of a live object.

use std::collections::BTreeSet;

use serde_json::Value;

use super::lost::Holder;
use super::set::item_keys;
use crate::masking::Masked;

/// Most fields of one object that are named.
const MOST_FIELDS: usize = 200;

/// A field that differs, with who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOwners {
    /// Readable path: `spec.template.spec.containers[web].image`.
    pub path: String,
    /// The managers whose entries have the field, newest first; never empty.
    pub holders: Vec<Holder>,
}

/// The fields of a live object in which another state of it differs, as far as somebody is known to
/// hold them. Items of lists are found by the keys that the entries themselves name.
pub fn owners(
    live: &Masked<Value>,
    other: &Masked<Value>,
    managed_fields: &[Value],
) -> Vec<FieldOwners> {
    let sets = managed_fields.iter();
    let sets = sets.map(|entry| (entry, &entry["fieldsV1"])).collect();
    let mut found = Vec::new();
    walk(Some(live), Some(other), String::new(), sets, &mut found);
    found
}

/// An entry, and the part of its set that speaks of a place.
type Sets<'a> = Vec<(&'a Value, &'a Value)>;

fn walk(
    live: Option<&Value>,
    other: Option<&Value>,
    path: String,
    sets: Sets<'_>,
    found: &mut Vec<FieldOwners>,
) {
    if live == other || found.len() >= MOST_FIELDS || sets.is_empty() {
        return;
    }
    let below = |pick: &dyn Fn(&Value) -> Option<Value>| -> Vec<(usize, Value)> {
        let all = sets.iter().enumerate();
        all.filter_map(|(at, (_, set))| Some((at, pick(set)?)))
            .collect()
    };
    let mut go =
        |live: Option<&Value>, other: Option<&Value>, path: String, part: Vec<(usize, Value)>| {
            let part = part.iter().map(|(at, set)| (sets[*at].0, set)).collect();
            walk(live, other, path, part, found);
        };
    match (live, other) {
        (Some(Value::Object(one)), Some(Value::Object(two))) => {
            let names: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for name in names {
                let at = match path.as_str() {
                    "" => name.clone(),
                    parent => format!("{parent}.{name}"),
                };
                let key = format!("f:{name}");
                let part = below(&|set| part_of(set, &key));
                go(one.get(name), two.get(name), at, part);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(two))) => {
            let name = |item: &Value| item.get("name").cloned().filter(Value::is_string);
            let mut done = BTreeSet::new();
            for (index, item) in one.iter().enumerate() {
                let same = match name(item) {
                    Some(name) => two.iter().find(|other| other.get("name") == Some(&name)),
                    None => two.get(index),
                };
                let called = called(item, index);
                let part = below(&|set| item_of(set, item));
                go(Some(item), same, format!("{path}[{called}]"), part);
                done.insert(called);
            }
            for (index, item) in two.iter().enumerate() {
                let called = called(item, index);
                if done.insert(called.clone()) {
                    let part = below(&|set| item_of(set, item));
                    go(None, Some(item), format!("{path}[{called}]"), part);
                }
            }
        }
        _ => {
            let entries = sets.iter();
            let mut holders: Vec<Holder> = entries.map(|(entry, _)| Holder::of(entry)).collect();
            holders.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.manager.cmp(&b.manager)));
            holders.dedup();
            found.push(FieldOwners { path, holders });
        }
    }
}

/// How people call an item of a list.
fn called(item: &Value, index: usize) -> String {
    let name = item.get("name").and_then(Value::as_str);
    name.map_or_else(|| index.to_string(), str::to_owned)
}

/// What a set says of a field; a set that has nothing below it speaks of all that is there.
fn part_of(set: &Value, key: &str) -> Option<Value> {
    if set.as_object().is_some_and(serde_json::Map::is_empty) {
        return Some(set.clone());
    }
    set.get(key).cloned()
}

/// What a set says of an item of a list.
fn item_of(set: &Value, item: &Value) -> Option<Value> {
    let fields = set.as_object()?;
    if fields.is_empty() {
        return Some(set.clone());
    }
    let found = fields.iter().find(|(key, _)| {
        if let Some(value) = key.strip_prefix("v:") {
            return serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item);
        }
        item_keys(key).is_some_and(|keys| {
            let mut keys = keys.iter();
            keys.all(|(name, value)| item.get(name) == Some(value))
        })
    });
    found.map(|(_, set)| set.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(live: Value, other: Value, fields: &[Value]) -> Vec<String> {
        let (live, other) = (Masked::derived(live), Masked::derived(other));
        let found = owners(&live, &other, fields).into_iter().map(|field| {
            let holders: Vec<_> = field.holders.iter().map(|h| h.manager.as_str()).collect();
            format!("{} {}", field.path, holders.join("+"))
        });
        found.collect()
    }

    #[test]
    fn each_field_that_differs_has_the_managers_whose_entries_name_it_newest_first() {
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "time": time, "operation": "Update", "fieldsV1": fields});
        let web = r#"k:{"name":"web"}"#;
        let port = r#"k:{"containerPort":80,"protocol":"TCP"}"#;
        let fields = [
            entry(
                "syncline-a",
                "2026-01-01T00:00:00Z",
                json!({"f:spec": {"f:replicas": {}, "f:containers": {web: {".": {}, "f:image": {},
                    "f:ports": {port: {"f:hostPort": {}}}}}, "f:args": {}}}),
            ),
            entry(
                "kubectl-edit",
                "2026-01-02T00:00:00Z",
                json!({"f:spec": {"f:replicas": {}, "f:finalizers": {"v:\"x\"": {}}}}),
            ),
        ];
        let live = json!({"spec": {"replicas": 5, "args": ["a"], "nobody": 1, "same": 1,
            "finalizers": ["x"],
            "containers": [{"name": "web", "image": "w:1",
                "ports": [{"containerPort": 80, "protocol": "TCP", "hostPort": 1}]}]}});
        let desired = json!({"spec": {"replicas": 2, "args": ["b"], "nobody": 2, "same": 1,
            "new": 1,
            "containers": [{"name": "web", "image": "w:2",
                "ports": [{"containerPort": 80, "protocol": "TCP", "hostPort": 2}]}]}});
        assert_eq!(
            names(live, desired, &fields),
            [
                "spec.args[0] syncline-a",
                "spec.containers[web].image syncline-a",
                "spec.containers[web].ports[0].hostPort syncline-a",
                "spec.finalizers kubectl-edit",
                "spec.replicas kubectl-edit+syncline-a",
            ]
        );
    }
}
