//! Fields that are left to others: taken out of what is sent, and found in sets of fields.

use serde_json::{Map, Value};

use crate::application::Ignore;
use crate::field_path::FieldPath;
use crate::names;

use super::matches;
use super::named::{below, describe, fit, unnamed};
use super::set::{FieldSet, item_keys};

/// Takes out of the desired object the fields that the rules name, so that they are neither sent
/// nor hashed. The caller chooses the rules that select the object. Doing it twice changes nothing
/// more.
///
/// A step into a list is the `name` of an item, the number of an item, or `*` for each item. Numbers
/// count what is left when the items that are ignored as a whole are gone. A path that ends with
/// a number or `*` takes nothing out: an item without a name is no field of its own. A map or list
/// that becomes empty goes as well, and so does what held only that: an empty map would be a value
/// that we own. What was empty before stays.
pub fn without_ignored(desired: &mut Value, ignore: &[&Ignore]) {
    let paths = ignore.iter().flat_map(|rule| &rule.fields);
    let mut paths: Vec<&[String]> = paths.map(FieldPath::steps).collect();
    paths.sort_by_key(|path| path.len());
    for what in [Taking::Items, Taking::Fields] {
        for path in &paths {
            take_out(desired, path, what);
        }
    }
}

/// What is taken out: items first, from the outermost list on, so that numbers stay what they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    Items,
    Fields,
}

fn take_out(value: &mut Value, steps: &[String], what: Taking) {
    let Some((step, rest)) = steps.split_first() else {
        return;
    };
    match value {
        Value::Object(fields) => {
            let Some(inner) = fields.get_mut(step) else {
                return;
            };
            let goes = rest.is_empty() && what == Taking::Fields;
            if goes || emptied(inner, |inner| take_out(inner, rest, what)) {
                fields.remove(step);
            }
        }
        Value::Array(items) => {
            let named = |item: &Value| item.get("name").and_then(Value::as_str) == Some(step);
            if rest.is_empty() {
                items.retain(|item| !named(item));
            } else if step == "*" {
                for item in items {
                    take_out(item, rest, what);
                }
            } else if let Some(item) = items.iter_mut().find(|item| named(item)) {
                take_out(item, rest, what);
            } else if let Some(item) = step.parse().ok().and_then(|at: usize| items.get_mut(at)) {
                take_out(item, rest, what);
            }
        }
        _ => {}
    }
}

/// Whether a change leaves a map or list empty that was not.
fn emptied(value: &mut Value, change: impl FnOnce(&mut Value)) -> bool {
    let empty = |value: &Value| match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    let before = empty(value);
    change(value);
    !before && empty(value)
}

/// Takes out of the desired object the fields that managers named by `ignore` hold on the live
/// object, so that a forced apply does not take them. Done just before sending; it is no part of
/// what is hashed, because it follows the live object.
///
/// Our own labels and annotations, the identity of the object and the keys of list items stay.
pub fn without_held(desired: &mut Value, managed_fields: &[Value], ignore: &[&Ignore]) {
    let held = held(managed_fields, ignore);
    if !held.is_empty() {
        take_held(desired, &held, &Map::new());
    }
}

/// Fields of an object that differ from Git or not, because a rule leaves them to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredFields {
    /// Readable paths; never empty.
    pub fields: Vec<String>,
    /// The pattern of the manager that the rule names; `None` where it names the fields.
    pub manager: Option<String>,
}

/// What the rules leave to others in a live object: the fields that they name, as far as it has them,
/// and of those that Git names the ones that a manager holds that they name. The caller chooses the
/// rules that select the object.
pub fn ignored_fields(
    live: &Value,
    desired: &Value,
    managed_fields: &[Value],
    ignore: &[&Ignore],
) -> Vec<IgnoredFields> {
    let mut found = Vec::new();
    for rule in ignore {
        let named = rule.fields.iter();
        let named = named.filter_map(|path| readable(live, path.steps(), String::new()));
        let fields: Vec<String> = named.collect();
        if !fields.is_empty() {
            let manager = None;
            found.push(IgnoredFields { fields, manager });
        }
        if rule.manager.is_some() {
            let held = held(managed_fields, &[rule]);
            let named = held.difference(&unnamed(&held, desired));
            let fields = describe(&named, desired, &FieldSet::default());
            if !fields.is_empty() {
                let manager = rule.manager.clone();
                found.push(IgnoredFields { fields, manager });
            }
        }
    }
    found
}

/// The path of what an object has below `path` at these steps, as people read it:
/// `spec.containers[web].image`.
fn readable(value: &Value, steps: &[String], path: String) -> Option<String> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(path);
    };
    match value {
        Value::Object(fields) => {
            let at = match path.as_str() {
                "" => step.clone(),
                parent => format!("{parent}.{step}"),
            };
            readable(fields.get(step)?, rest, at)
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let named = item.get("name").and_then(Value::as_str) == Some(step);
            let is_meant = step == "*" || named || step.parse() == Ok(index);
            if is_meant {
                readable(item, rest, format!("{path}[{step}]"))
            } else {
                None
            }
        }),
        _ => None,
    }
}

/// What managers named by `ignore` hold, through subresources as well, outside of what they could
/// never be left: status, identity, our own marks.
pub(super) fn held(managed_fields: &[Value], ignore: &[&Ignore]) -> FieldSet {
    let mut held = FieldSet::default();
    for entry in managed_fields {
        if is_ignored(entry["manager"].as_str().unwrap_or_default(), ignore) {
            held.add(&FieldSet::parse(&entry["fieldsV1"]));
        }
    }
    if held.is_empty() {
        return held;
    }
    held.children.remove("f:status");
    if let Some(metadata) = held.children.get_mut("f:metadata") {
        *metadata = labels_and_annotations(metadata);
    }
    held.difference(&our_marks(&held))
}

/// Whether `ignore` names a manager.
pub(super) fn is_ignored(manager: &str, ignore: &[&Ignore]) -> bool {
    let mut patterns = ignore.iter().filter_map(|rule| rule.manager.as_deref());
    patterns.any(|pattern| matches(pattern, manager))
}

/// The part of a set of metadata that people write: labels and annotations.
pub(super) fn labels_and_annotations(metadata: &FieldSet) -> FieldSet {
    let written = metadata
        .children
        .iter()
        .filter(|(key, _)| matches!(key.as_str(), "f:labels" | "f:annotations"))
        .map(|(key, child)| (key.clone(), child.clone()));
    FieldSet::of(false, written)
}

/// The labels and annotations that Syncline itself writes, as far as a set has them.
pub(super) fn our_marks(set: &FieldSet) -> FieldSet {
    let mut ours = FieldSet::default();
    for path in [
        ["metadata", "labels", names::LABEL_MANAGED],
        ["metadata", "annotations", names::ANNOTATION_OWNER],
        ["metadata", "annotations", names::ANNOTATION_APPLIED],
    ] {
        ours.add(&select(set, &path, &Value::Null, Within::Maps));
    }
    ours
}

fn take_held(value: &mut Value, held: &FieldSet, keys: &Map<String, Value>) {
    match value {
        Value::Object(fields) => fields.retain(|name, inner| {
            let theirs = held.children.get(&format!("f:{name}"));
            match (theirs, &mut *inner) {
                (None, _) => true,
                (Some(_), _) if keys.contains_key(name) => true,
                (Some(theirs), Value::Object(_) | Value::Array(_))
                    if !theirs.children.is_empty() =>
                {
                    !emptied(inner, |inner| take_held(inner, theirs, &Map::new()))
                }
                (Some(theirs), _) => !theirs.member,
            }
        }),
        Value::Array(items) => items.retain_mut(|item| {
            for (key, theirs) in &held.children {
                if let Some(keys) = item_keys(key) {
                    if fit(item, &keys).is_some() {
                        take_held(item, theirs, &keys);
                    }
                } else if let Some(text) = key.strip_prefix("v:")
                    && serde_json::from_str::<Value>(text).is_ok_and(|value| value == *item)
                {
                    return false;
                }
            }
            true
        }),
        _ => {}
    }
}

/// What a path may lead through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Any map, and list items that the desired object names: of an item that Git does not name
    /// nothing is left over for the sake of one field.
    Maps,
    /// Only parts that the desired object names.
    Named,
}

/// The part of a set at and below a path, written as [`without_ignored`] says. Numbers of items
/// are those of the desired object.
///
/// A path that leads out of the set is in the answer as well, for [`FieldSet::apart_from`]: a map
/// cannot go while one of its fields has to stay, whoever holds that.
pub(super) fn select<S: AsRef<str>>(
    set: &FieldSet,
    steps: &[S],
    desired: &Value,
    within: Within,
) -> FieldSet {
    let Some((step, rest)) = steps.split_first() else {
        return set.clone();
    };
    let step = step.as_ref();
    let mut found = false;
    let mut children = Vec::new();
    for (key, child) in &set.children {
        let keys = item_keys(key);
        let here = match &keys {
            None => key.strip_prefix("f:") == Some(step),
            Some(keys) => {
                let number: Option<usize> = step.parse().ok();
                let item = number.and_then(|at| desired.as_array()?.get(at));
                step == "*"
                    || keys.get("name").and_then(Value::as_str) == Some(step)
                    || item.is_some_and(|item| fit(item, keys).is_some())
            }
        };
        if here {
            found = true;
            let value = below(desired, key);
            let passes = within == Within::Maps && keys.is_none();
            if rest.is_empty() || passes || value.is_some() {
                let value = value.unwrap_or(&Value::Null);
                children.push((key.clone(), select(child, rest, value, within)));
            }
        }
    }
    if !found {
        let beyond = FieldSet {
            member: true,
            ..FieldSet::default()
        };
        children.push((format!("f:{step}"), beyond));
    }
    FieldSet::of(false, children.into_iter())
}
