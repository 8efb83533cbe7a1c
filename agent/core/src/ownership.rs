//! Who set which field of a live object: reasoning about `managedFields` (KEP-555).
//!
//! Kubernetes keeps for each manager the set of fields that it owns, as nested maps with the keys
//! `f:<field>`, `k:{<keys of a list item>}`, `v:<value of a set>` and `.` (the item itself). A field
//! of ours that somebody else changed leaves our set; so what the desired object names and our set
//! does not, is *lost*.

use jiff::Timestamp;
use serde_json::Value;

/// Who holds a field now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The field manager; `unknown client` where no entry names the field (it was removed).
    pub manager: String,
    /// When its entry was written last.
    pub time: Option<Timestamp>,
}

/// The set of fields of one manager that applies: its entry without a subresource.
pub fn applied_entry<'a>(managed_fields: &'a [Value], manager: &str) -> Option<&'a Value> {
    managed_fields
        .iter()
        .find(|entry| {
            entry["manager"] == manager && entry["operation"] == "Apply" && no_subresource(entry)
        })
        .map(|entry| &entry["fieldsV1"])
}

fn no_subresource(entry: &Value) -> bool {
    entry
        .get("subresource")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .is_empty()
}

/// The fields of the desired object that our entry no longer has, as readable paths in order.
///
/// List items are matched by the keys that the entry itself names, so no schema is needed. A part
/// that the entry holds as a whole (an atomic list or map) is not looked into.
pub fn lost(desired: &Value, entry: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    let Some(fields) = desired.as_object() else {
        return paths;
    };
    for (name, value) in fields {
        match name.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                // Name and namespace are the identity, and nobody owns them.
                for (field, value) in value.as_object().into_iter().flatten() {
                    if field != "name" && field != "namespace" {
                        let set = entry.get("f:metadata").unwrap_or(&Value::Null);
                        lost_field(field, value, set, "metadata", &mut paths);
                    }
                }
            }
            _ => lost_field(name, value, entry, "", &mut paths),
        }
    }
    paths
}

fn lost_field(name: &str, value: &Value, set: &Value, parent: &str, paths: &mut Vec<String>) {
    let path = if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    };
    match set.get(format!("f:{name}")) {
        Some(inner) => lost_value(value, inner, &path, paths),
        // An empty map or list is not always recorded: its absence says nothing.
        None if is_empty(value) => {}
        None => paths.push(path),
    }
}

fn lost_value(value: &Value, set: &Value, path: &str, paths: &mut Vec<String>) {
    if set
        .as_object()
        .is_none_or(|map| map.keys().all(|key| key == "."))
    {
        return; // A leaf, or owned as a whole.
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                lost_field(name, value, set, path, paths);
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
fn item_name(item: &Value, index: usize) -> String {
    match item.get("name").and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => index.to_string(),
    }
}

/// The part of a list's set that speaks of one desired item. Keys that the server defaulted (the
/// protocol of a port) may be missing from the item; the key with most equal members wins.
fn item_set<'a>(item: &Value, set: &'a Value) -> Option<&'a Value> {
    let mut best: Option<(usize, &Value)> = None;
    for (key, inner) in set.as_object()? {
        if let Some(value) = key.strip_prefix("v:") {
            if serde_json::from_str::<Value>(value).is_ok_and(|v| v == *item) {
                return Some(inner);
            }
        } else if let Some(keys) = key.strip_prefix("k:")
            && let Ok(Value::Object(keys)) = serde_json::from_str::<Value>(keys)
        {
            let fits = keys
                .iter()
                .all(|(k, v)| item.get(k).is_none_or(|own| own == v));
            let equal = keys
                .iter()
                .filter(|(k, v)| item.get(*k) == Some(*v))
                .count();
            if fits && equal > 0 && best.is_none_or(|(most, _)| equal > most) {
                best = Some((equal, inner));
            }
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
        .map(|entry| Holder {
            manager: entry["manager"]
                .as_str()
                .unwrap_or("unknown client")
                .to_owned(),
            time: entry["time"].as_str().and_then(|time| time.parse().ok()),
        })
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {
                "replicas": 2,
                "template": {"spec": {"containers": [{
                    "name": "web", "image": "web:1",
                    "ports": [{"containerPort": 80}],
                    "env": [{"name": "A", "value": "1"}],
                    "command": ["serve"]
                }]}}
            }
        })
    }

    fn entry() -> Value {
        json!({
            "f:metadata": {"f:labels": {"f:app": {}}},
            "f:spec": {
                "f:replicas": {},
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                    ".": {}, "f:name": {}, "f:image": {}, "f:command": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                    "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}
                }}}}
            }
        })
    }

    #[test]
    fn nothing_is_lost_while_the_entry_has_every_field() {
        assert_eq!(lost(&deployment(), &entry()), Vec::<String>::new());
    }

    #[test]
    fn a_scaled_deployment_lost_its_replicas_and_the_manager_is_named() {
        let mut ours = entry();
        ours["f:spec"].as_object_mut().unwrap().remove("f:replicas");
        let paths = lost(&deployment(), &ours);
        assert_eq!(paths, ["spec.replicas"]);
        let managed = vec![
            json!({"manager": "syncline-x", "operation": "Apply", "fieldsV1": ours}),
            json!({"manager": "kubectl", "operation": "Update", "subresource": "scale",
                   "time": "2026-11-21T10:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
            json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
                   "time": "2026-11-21T11:00:00Z", "fieldsV1": {"f:status": {"f:replicas": {}}}}),
        ];
        let who = holders(&deployment(), &managed, "syncline-x", &paths);
        assert_eq!(who.len(), 1);
        assert_eq!(who[0].manager, "kubectl");
        assert_eq!(who[0].time, Some("2026-11-21T10:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_removed_item_and_a_changed_field_of_an_item_are_lost() {
        let mut ours = entry();
        let container =
            &mut ours["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"];
        container.as_object_mut().unwrap().remove("f:image");
        container["f:env"] = json!({"k:{\"name\":\"B\"}": {".": {}}});
        assert_eq!(
            lost(&deployment(), &ours),
            [
                "spec.template.spec.containers[web].env[A]",
                "spec.template.spec.containers[web].image"
            ]
        );
        assert_eq!(
            holders(&deployment(), &[], "syncline-x", &["x".to_owned()])[0].manager,
            "unknown client"
        );
    }

    #[test]
    fn without_an_entry_every_field_is_lost() {
        assert_eq!(lost(&deployment(), &json!({})), ["metadata.labels", "spec"]);
    }

    #[test]
    fn sets_and_empty_values_are_understood() {
        let desired =
            json!({"metadata": {"finalizers": ["a", "b"], "annotations": {}}, "spec": {}});
        let entry = json!({"f:metadata": {"f:finalizers": {"v:\"a\"": {}}}});
        assert_eq!(lost(&desired, &entry), ["metadata.finalizers[1]"]);
    }

    #[test]
    fn only_our_own_apply_entry_counts() {
        let fields = vec![
            json!({"manager": "syncline-x", "operation": "Update", "fieldsV1": {"f:a": {}}}),
            json!({"manager": "syncline-x", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:b": {}}}),
            json!({"manager": "syncline-x", "operation": "Apply", "fieldsV1": {"f:c": {}}}),
        ];
        assert_eq!(
            applied_entry(&fields, "syncline-x"),
            Some(&json!({"f:c": {}}))
        );
        assert_eq!(applied_entry(&fields, "other"), None);
    }
}
