//! An object as a parser or renderer made it, before anybody has looked at what it says.

use std::fmt;

use serde_json::Value;

use crate::object::Origin;

/// An object with its place in Git and what is known of how it was written.
///
/// It may be a Secret with its values in the clear: make it a [`Body`](super::Body) before anything
/// is said about it.
#[derive(Clone, Default, PartialEq)]
pub struct Raw {
    /// The object.
    pub value: Value,
    /// Where Git names it.
    pub origin: Origin,
    /// JSON pointers of the scalars that were written plain (without quotes and tag) and whose
    /// text is exactly one `${...}`: substitution gives them a type again.
    pub plain: Vec<String>,
    /// JSON pointers of the fields that a second render made different.
    pub unstable: Vec<String>,
}

impl Raw {
    /// An object of which nothing more is known.
    pub fn new(value: Value, origin: Origin) -> Self {
        Self {
            value,
            origin,
            plain: Vec::new(),
            unstable: Vec::new(),
        }
    }

    /// Takes a `List` apart, also one inside another; anything else is taken as it is. Pointers
    /// become those of the item, and its line is that of `lines` at its place, where it has one.
    ///
    /// Items of a typed list (`ConfigMapList`) get their kind from it where they name none.
    pub(super) fn take_apart(self, lines: &[usize], into: &mut Vec<Self>) {
        let Some(item_kind) = item_kind(&self.value) else {
            into.push(self);
            return;
        };
        let Value::Object(mut list) = self.value else {
            return;
        };
        let api_version = list.get("apiVersion").cloned();
        let Some(Value::Array(items)) = list.remove("items") else {
            return;
        };
        for (index, mut item) in items.into_iter().enumerate() {
            if let (Value::Object(item), false) = (&mut item, item_kind.is_empty()) {
                if !item.contains_key("kind") {
                    item.insert("kind".into(), Value::from(item_kind.as_str()));
                }
                if let (false, Some(api_version)) = (item.contains_key("apiVersion"), &api_version)
                {
                    item.insert("apiVersion".into(), api_version.clone());
                }
            }
            let item = Self {
                value: item,
                origin: Origin {
                    line: lines.get(index).copied().or(self.origin.line),
                    ..self.origin.clone()
                },
                plain: within(&self.plain, index),
                unstable: within(&self.unstable, index),
            };
            item.take_apart(&[], into);
        }
    }
}

/// Takes all `List`s apart, see [`to_manifests`](super::to_manifests).
pub fn take_apart(objects: Vec<Raw>) -> Vec<Raw> {
    let mut single = Vec::with_capacity(objects.len());
    for object in objects {
        object.take_apart(&[], &mut single);
    }
    single
}

/// Prints where the object stands, and nothing of it.
impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// The kind of the items if the object is a list, empty for one of any kinds. What has a name, or
/// no list of items, is an object of its own.
fn item_kind(value: &Value) -> Option<String> {
    let list = value.as_object()?;
    let has_items = matches!(list.get("items"), Some(Value::Array(_) | Value::Null));
    let has_name = list
        .get("metadata")
        .is_some_and(|metadata| !metadata["name"].is_null());
    match list.get("kind") {
        Some(Value::String(kind)) if has_items && !has_name => {
            kind.strip_suffix("List").map(str::to_owned)
        }
        _ => None,
    }
}

/// The pointers below an item of a list, from that item on.
fn within(pointers: &[String], index: usize) -> Vec<String> {
    if pointers.is_empty() {
        return Vec::new();
    }
    let item = format!("/items/{index}/");
    let below = pointers
        .iter()
        .filter_map(|pointer| pointer.strip_prefix(&item));
    below.map(|rest| format!("/{rest}")).collect()
}
