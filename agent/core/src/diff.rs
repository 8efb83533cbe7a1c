//! What differs between two states of an object, for people: paths with the values before and
//! after, in which no secret can stand.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::masking::Masked;

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
    pub before: Option<Masked<String>>,
    /// As it will be, as compact JSON; `None` where it goes.
    pub after: Option<Masked<String>>,
}

/// The fields that differ, in the order of their paths; items of lists are matched by their name
/// where they have one.
pub fn changes(before: &Masked<Value>, after: &Masked<Value>) -> Vec<Change> {
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

fn shown(value: &Value) -> Masked<String> {
    let text = value.to_string();
    Masked::derived(match text.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_name_fields_and_items_by_their_names() {
        let before = Masked::derived(json!({"spec": {"replicas": 1, "containers": [
            {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}], "args": ["x"]}}));
        let after = Masked::derived(json!({"spec": {"replicas": 2, "containers": [
            {"name": "b", "image": "b:2"}, {"name": "a", "image": "a:1"}], "args": ["x", "y"]}}));
        let found = changes(&before, &after);
        let lines: Vec<_> = found
            .iter()
            .map(|c| {
                format!(
                    "{} {:?} {:?}",
                    c.path,
                    c.before.as_deref(),
                    c.after.as_deref()
                )
            })
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
        let masked = Masked::derived;
        let many: serde_json::Map<_, _> = (0..200).map(|n| (format!("k{n}"), json!(n))).collect();
        assert_eq!(
            changes(&masked(json!({})), &masked(many.into())).len(),
            MOST_CHANGES
        );
        let long = changes(
            &masked(json!({"a": 1})),
            &masked(json!({"a": "ä".repeat(1000)})),
        );
        assert!(long[0].after.as_ref().unwrap().chars().count() <= MOST_CHARACTERS + 1);
    }
}
