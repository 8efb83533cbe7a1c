//! Who holds each field that differs between two states of a live object.

use std::collections::BTreeSet;

use serde_json::Value;

use super::lost::{Holder, item_name, item_set};
use super::set::FieldSet;
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
    let sets = sets.map(|entry| (entry, FieldSet::parse(&entry["fieldsV1"])));
    let sets: Vec<(&Value, FieldSet)> = sets.filter(|(_, set)| !set.is_empty()).collect();
    let parts: Vec<Part<'_>> = sets.iter().map(|(entry, set)| (*entry, set)).collect();
    let mut found = Vec::new();
    walk(Some(live), Some(other), String::new(), &parts, &mut found);
    found
}

/// An entry, and the part of its set that speaks of a place.
type Part<'a> = (&'a Value, &'a FieldSet);

fn walk(
    live: Option<&Value>,
    other: Option<&Value>,
    path: String,
    parts: &[Part<'_>],
    found: &mut Vec<FieldOwners>,
) {
    if live == other || found.len() >= MOST_FIELDS || parts.is_empty() {
        return;
    }
    match (live, other) {
        (Some(Value::Object(one)), Some(Value::Object(two))) => {
            let names: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for name in names {
                let at = match path.as_str() {
                    "" => name.clone(),
                    parent => format!("{parent}.{name}"),
                };
                let key = format!("f:{name}");
                let inner = below(parts, |set| set.children.get(&key));
                walk(one.get(name), two.get(name), at, &inner, found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(two))) => {
            let mut done = BTreeSet::new();
            for (index, item) in one.iter().enumerate() {
                let same = match name_of(item) {
                    Some(name) => two.iter().find(|other| name_of(other) == Some(name)),
                    None => two.get(index),
                };
                let called = item_name(item, index);
                if same != Some(item) {
                    let inner = below(parts, |set| item_set(item, set));
                    walk(Some(item), same, format!("{path}[{called}]"), &inner, found);
                }
                done.insert(called);
            }
            for (index, item) in two.iter().enumerate() {
                let called = item_name(item, index);
                if done.insert(called.clone()) {
                    let inner = below(parts, |set| item_set(item, set));
                    walk(None, Some(item), format!("{path}[{called}]"), &inner, found);
                }
            }
        }
        _ => {
            let mut holders: Vec<Holder> =
                parts.iter().map(|(entry, _)| Holder::of(entry)).collect();
            holders.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.manager.cmp(&b.manager)));
            holders.dedup();
            found.push(FieldOwners { path, holders });
        }
    }
}

/// What the sets say of a part; one that has nothing below it speaks of all that is there.
fn below<'a>(
    parts: &[Part<'a>],
    pick: impl Fn(&'a FieldSet) -> Option<&'a FieldSet>,
) -> Vec<Part<'a>> {
    let inner = parts.iter().filter_map(|&(entry, set)| {
        let is_whole = set.children.is_empty();
        let part = if is_whole { Some(set) } else { pick(set) };
        Some((entry, part?))
    });
    inner.collect()
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
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
