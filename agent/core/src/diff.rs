//! What differs between two states of an object, for people: paths with the values before and
//! after, in which no value of a Secret can stand.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::manifest::Body;
use crate::names;
use crate::owner::applied_hash;
use crate::secret_inputs::SecretInputs;

/// Most changes of one object that are shown.
const MOST_CHANGES: usize = 50;
/// Most characters of one value that are shown.
const MOST_CHARACTERS: usize = 500;

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Path of the field, for example `spec.template.spec.containers[web].image`.
    pub path: String,
    /// As it was, as compact JSON; `None` where it was not there.
    pub before: Option<String>,
    /// As it will be, as compact JSON; `None` where it goes.
    pub after: Option<String>,
}

/// The object with each value of a Secret, and each scalar that contains one of `secrets`, replaced
/// by a keyed hash of it: equal values look equal, and nothing else can be learnt. The owner record
/// and the `applied` hash are left out.
///
/// Two states that are compared are masked with the secrets of both, so that a secret that left
/// the newer one stays hidden in the older one.
pub fn masked(body: &Body, key: &[u8], secrets: &SecretInputs) -> Value {
    let mut object = body.visible().clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        without_ours(metadata, "labels", &[names::LABEL_MANAGED]);
        let ours = [names::ANNOTATION_OWNER, names::ANNOTATION_APPLIED];
        without_ours(metadata, "annotations", &ours);
        if !body.secret().is_empty()
            && let Some(Value::Object(annotations)) = metadata.get_mut("annotations")
        {
            for value in annotations.values_mut() {
                *value = hidden(&value.to_string(), key).into();
            }
        }
    }
    if !body.secret().is_empty() {
        let data = body.secret().iter();
        object["data"] = data
            .map(|(name, value)| (name.clone(), Value::from(hidden(value.expose(), key))))
            .collect::<Map<_, _>>()
            .into();
    }
    secrets.replace(&object, &|text| hidden(text, key))
}

fn without_ours(metadata: &mut Map<String, Value>, field: &str, names: &[&str]) {
    if let Some(Value::Object(map)) = metadata.get_mut(field) {
        map.retain(|name, _| !names.contains(&name.as_str()));
        if map.is_empty() {
            metadata.remove(field);
        }
    }
}

fn hidden(value: &str, key: &[u8]) -> String {
    let hash = applied_hash(key, &Value::from(value)).to_string();
    format!("(hidden, {})", &hash[..8])
}

/// The fields that differ, in the order of their paths; items of lists are matched by their name
/// where they have one. Both sides must be masked.
pub fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(Some(before), Some(after), String::new(), &mut found);
    found.truncate(MOST_CHANGES);
    found
}

fn compare(before: Option<&Value>, after: Option<&Value>, path: String, found: &mut Vec<Change>) {
    if before == after || found.len() > MOST_CHANGES {
        return;
    }
    match (before, after) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let at = match path.as_str() {
                    "" => name.clone(),
                    parent => format!("{parent}.{name}"),
                };
                compare(old.get(name), new.get(name), at, found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (named(old), named(new)) {
            (Some(old), Some(new)) => {
                let mut names: Vec<&str> = old.iter().chain(&new).map(|(n, _)| *n).collect();
                names.sort_unstable();
                names.dedup();
                let item = |list: &[(&str, &'_ Value)], name: &str| {
                    list.iter().position(|(n, _)| *n == name)
                };
                for name in names {
                    let before = item(&old, name).map(|at| old[at].1);
                    let after = item(&new, name).map(|at| new[at].1);
                    compare(before, after, format!("{path}[{name}]"), found);
                }
            }
            _ => {
                for index in 0..old.len().max(new.len()) {
                    let at = format!("{path}[{index}]");
                    compare(old.get(index), new.get(index), at, found);
                }
            }
        },
        _ => found.push(Change {
            path,
            before: before.map(shown),
            after: after.map(shown),
        }),
    }
}

/// The items with their names, where each has one of its own.
fn named(items: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let named: Vec<(&str, &Value)> = items
        .iter()
        .filter_map(|item| Some((item.get("name")?.as_str()?, item)))
        .collect();
    let mut names: Vec<_> = named.iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    names.dedup();
    (names.len() == items.len()).then_some(named)
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_name_fields_and_items_by_their_names() {
        let before = json!({"spec": {"replicas": 1, "containers": [
            {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}], "args": ["x"]}});
        let after = json!({"spec": {"replicas": 2, "containers": [
            {"name": "b", "image": "b:2"}, {"name": "a", "image": "a:1"}], "args": ["x", "y"]}});
        let found = changes(&before, &after);
        let lines: Vec<_> = found
            .iter()
            .map(|c| format!("{} {:?} {:?}", c.path, c.before, c.after))
            .collect();
        assert_eq!(
            lines,
            [
                r#"spec.args[1] None Some("\"y\"")"#,
                r#"spec.containers[b].image Some("\"b:1\"") Some("\"b:2\"")"#,
                r#"spec.replicas Some("1") Some("2")"#,
            ]
        );
        assert!(changes(&before, &before).is_empty());
    }

    #[test]
    fn a_long_list_of_changes_and_a_long_value_are_cut() {
        let many: Map<_, _> = (0..200).map(|n| (format!("k{n}"), json!(n))).collect();
        assert_eq!(changes(&json!({}), &many.into()).len(), MOST_CHANGES);
        let long = changes(&json!({"a": 1}), &json!({"a": "ä".repeat(1000)}));
        assert!(long[0].after.as_ref().unwrap().chars().count() <= MOST_CHARACTERS + 1);
    }

    #[test]
    fn inv_i30_a_change_of_a_secret_shows_that_it_changed_and_not_to_what() {
        let secret = |value: &str| {
            let object = json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "db", "annotations": {"note": value}},
                "stringData": {"password": value, "user": "app"}});
            let secrets = SecretInputs::default();
            masked(&Body::take(object).unwrap(), b"key", &secrets)
        };
        let found = changes(&secret("hunter22"), &secret("swordfish"));
        let paths: Vec<_> = found.iter().map(|c| c.path.as_str()).collect();
        assert_eq!(paths, ["data.password", "metadata.annotations.note"]);
        let text = format!("{found:?}");
        for value in ["hunter22", "swordfish", "aHVudGVyMjI", "c3dvcmRmaXNo"] {
            assert!(!text.contains(value), "{text}");
        }
    }

    #[test]
    fn inv_i30_a_secret_that_went_into_a_render_is_hidden_in_every_object_and_its_change_is_seen() {
        let mut secrets = SecretInputs::default();
        for value in ["hunter22", "swordfish"] {
            secrets.add(&crate::redacted::Redacted::new(value));
        }
        let deployment = |value: &str| {
            let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "annotations": {"url": format!("a:{value}@b")}},
                "spec": {"args": [format!("--password={value}"), format!("-p={value}")],
                    value: 1, "same": "hunter22", "replicas": 2}});
            masked(&Body::take(object).unwrap(), b"key", &secrets)
        };
        let (before, after) = (deployment("hunter22"), deployment("swordfish"));
        let found = changes(&before, &after);
        let text = format!("{before} {after} {found:?}");
        for value in ["hunter22", "swordfish"] {
            assert!(!text.contains(value), "{text}");
        }
        let paths: Vec<_> = found.iter().map(|c| c.path.as_str()).collect();
        assert!(paths.contains(&"spec.args[0]") && paths.contains(&"metadata.annotations.url"));
        assert!(!paths.contains(&"spec.same") && !paths.contains(&"spec.replicas"));
        assert_eq!(before, deployment("hunter22"), "equal values look equal");
    }
}
