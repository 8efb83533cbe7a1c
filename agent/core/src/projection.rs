//! The part of a live object that we have a say in: what Git names, and what an earlier version of
//! it named. Defaults and the fields of others are left out, so that what is left can be compared
//! with Git field by field.

use serde_json::{Map, Value};

/// Cuts a live object down to the fields that `desired` names and those that `owned` (an entry's
/// `fieldsV1`, null for none) says are ours.
///
/// Items of lists are matched by the keys that the API server knows them by, else by their names,
/// else by their places.
pub fn project(live: &Value, desired: &Value, owned: &Value) -> Value {
    part(live, Some(desired), owned)
}

fn part(live: &Value, desired: Option<&Value>, owned: &Value) -> Value {
    match (live, desired) {
        // A leaf of ours: all that is below it.
        (_, None) if owned.as_object().is_none_or(Map::is_empty) => live.clone(),
        (Value::Object(fields), None | Some(Value::Object(_))) => {
            let mut kept = Map::new();
            for (name, value) in fields {
                let ours = &owned[format!("f:{name}")];
                let wanted = desired.and_then(|desired| desired.get(name));
                if wanted.is_some() || ours.is_object() {
                    kept.insert(name.clone(), part(value, wanted, ours));
                }
            }
            kept.into()
        }
        (Value::Array(items), None | Some(Value::Array(_))) => {
            list(items, desired.and_then(Value::as_array), owned)
        }
        // Another type than before: nothing can be compared inside.
        _ => live.clone(),
    }
}

fn list(live: &[Value], desired: Option<&Vec<Value>>, owned: &Value) -> Value {
    let keys: Vec<(Value, &Value)> = owned
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, below)| {
            let key = serde_json::from_str(key.strip_prefix("k:")?).ok()?;
            Some((key, below))
        })
        .collect();
    let desired: &[Value] = desired.map_or(&[], Vec::as_slice);
    let named = |items: &[Value]| items.iter().all(|item| item["name"].is_string());
    if keys.is_empty() && !(named(live) && named(desired)) {
        let pairs = live.iter().enumerate();
        let parts = pairs.map(|(index, item)| match desired.get(index) {
            Some(desired) => part(item, Some(desired), &Value::Null),
            None => item.clone(),
        });
        return parts.collect();
    }
    let kept = live.iter().filter_map(|item| {
        let ours = keys.iter().find(|(key, _)| agrees(item, key));
        let wanted = desired.iter().find(|desired| match ours {
            Some((key, _)) => may_be(desired, key),
            None => item["name"].is_string() && desired["name"] == item["name"],
        });
        let below = ours.map_or(&Value::Null, |(_, below)| *below);
        (ours.is_some() || wanted.is_some()).then(|| part(item, wanted, below))
    });
    kept.collect()
}

/// Whether an item has all fields of a key.
fn agrees(item: &Value, key: &Value) -> bool {
    let mut fields = key.as_object().into_iter().flatten();
    fields.all(|(name, value)| item.get(name) == Some(value))
}

/// Whether an item of Git can be the one of a key: the API server may have filled fields in.
fn may_be(item: &Value, key: &Value) -> bool {
    let fields = || key.as_object().into_iter().flatten();
    let mut all = fields();
    let mut some = fields();
    all.all(|(name, value)| item.get(name).is_none_or(|it| it == value))
        && some.any(|(name, value)| item.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_and_the_fields_of_others_are_left_out() {
        let live = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "uid": "u", "labels": {"app": "web", "other": "x"}},
            "spec": {"replicas": 3, "strategy": {"type": "RollingUpdate"}, "template": {"spec": {
                "restartPolicy": "Always",
                "containers": [
                    {"name": "sidecar", "image": "s:1"},
                    {"name": "web", "image": "web:1", "imagePullPolicy": "Always",
                     "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                ]}}},
            "status": {"replicas": 3},
        });
        let desired = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "labels": {"app": "web"}},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [
                {"name": "web", "image": "web:2", "ports": [{"containerPort": 80}]}]}}},
        });
        let container = json!({"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]});
        assert_eq!(
            project(&live, &desired, &Value::Null),
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "labels": {"app": "web"}},
                "spec": {"replicas": 3, "template": {"spec": {"containers": [container]}}},
            })
        );
    }

    #[test]
    fn what_an_earlier_version_named_is_shown_as_going() {
        let live = json!({"data": {"a": "1", "b": "2", "c": "3"}, "spec": {"ports": [
            {"port": 80, "protocol": "TCP", "targetPort": 8080, "nodePort": 3000},
            {"port": 443, "protocol": "TCP", "targetPort": 8443, "nodePort": 3001},
            {"port": 53, "protocol": "UDP", "targetPort": 53}]}});
        let desired =
            json!({"data": {"a": "2"}, "spec": {"ports": [{"port": 80, "targetPort": 80}]}});
        let leaf = json!({});
        let port = json!({".": leaf, "f:port": leaf, "f:targetPort": leaf});
        let owned = json!({
            "f:data": {"f:a": leaf, "f:b": leaf},
            "f:spec": {"f:ports": {
                r#"k:{"port":80,"protocol":"TCP"}"#: port,
                r#"k:{"port":443,"protocol":"TCP"}"#: port,
            }},
        });
        assert_eq!(
            project(&live, &desired, &owned),
            json!({"data": {"a": "1", "b": "2"}, "spec": {"ports": [
                {"port": 80, "targetPort": 8080}, {"port": 443, "targetPort": 8443}]}})
        );
    }

    #[test]
    fn a_list_without_names_is_compared_by_place_and_another_type_as_a_whole() {
        let live = json!({"args": ["a", "b"], "rules": [{"x": 1, "y": 2}], "was": {"a": 1}});
        let desired = json!({"args": ["a"], "rules": [{"x": 1}], "was": "text"});
        assert_eq!(
            project(&live, &desired, &Value::Null),
            json!({"args": ["a", "b"], "rules": [{"x": 1}], "was": {"a": 1}})
        );
        let whole = json!({"f:atomic": {}});
        let live = json!({"atomic": [{"a": 1}], "other": 1});
        assert_eq!(
            project(&live, &json!({}), &whole),
            json!({"atomic": [{"a": 1}]})
        );
    }
}
