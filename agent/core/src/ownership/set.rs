//! A set of fields, as `managedFields` writes it: nested maps with the keys `f:<field>`,
//! `k:{<keys of a list item>}`, `v:<value of a set>`, `i:<index>` and `.` (the item itself).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A node of the set: whether the field itself belongs to it, and what belongs to it below.
///
/// Two sets are equal when they hold the same fields, however their JSON was written. A node
/// without a member at or below it never stays in a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// The field itself is a member; never true of the root.
    pub(super) member: bool,
    /// What lies below, by the key of `managedFields`.
    pub(super) children: BTreeMap<String, Self>,
}

impl FieldSet {
    /// Reads the `fieldsV1` of an entry; what is no map is an empty set.
    pub fn parse(fields: &Value) -> Self {
        let mut root = Self::node(fields);
        root.member = false;
        root
    }

    fn node(fields: &Value) -> Self {
        let mut node = Self::default();
        for (key, inner) in fields.as_object().into_iter().flatten() {
            if key == "." {
                node.member = true;
            } else {
                node.children.insert(key.clone(), Self::node(inner));
            }
        }
        // A leaf is written as an empty map.
        node.member |= node.children.is_empty();
        node
    }

    /// The set as `fieldsV1`.
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        if self.member && !self.children.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (key, child) in &self.children {
            map.insert(key.clone(), child.to_value());
        }
        Value::Object(map)
    }

    /// Whether nothing belongs to it.
    pub fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Whether the field at a path of keys is a member itself.
    pub fn contains(&self, path: &[&str]) -> bool {
        match path.split_first() {
            None => self.member,
            Some((key, rest)) => self
                .children
                .get(*key)
                .is_some_and(|child| child.contains(rest)),
        }
    }

    /// Every member as a path of keys, in order.
    pub fn paths(&self) -> Vec<Vec<&str>> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect<'a>(&'a self, at: &mut Vec<&'a str>, paths: &mut Vec<Vec<&'a str>>) {
        if self.member {
            paths.push(at.clone());
        }
        for (key, child) in &self.children {
            at.push(key);
            child.collect(at, paths);
            at.pop();
        }
    }

    /// Adds the members of another set.
    pub fn add(&mut self, other: &Self) {
        self.member |= other.member;
        for (key, child) in &other.children {
            self.children.entry(key.clone()).or_default().add(child);
        }
    }

    /// The members that are not in another set.
    pub fn difference(&self, other: &Self) -> Self {
        let below = self.children.iter().map(|(key, child)| {
            let rest = match other.children.get(key) {
                Some(theirs) => child.difference(theirs),
                None => child.clone(),
            };
            (key.clone(), rest)
        });
        Self::of(self.member && !other.member, below)
    }

    /// The members that are in another set as well.
    pub fn intersection(&self, other: &Self) -> Self {
        let below = self.children.iter().filter_map(|(key, child)| {
            let theirs = other.children.get(key)?;
            Some((key.clone(), child.intersection(theirs)))
        });
        Self::of(self.member && other.member, below)
    }

    /// The members that are neither in `part`, nor above one of its members, nor a key of a list
    /// item that holds one: what can go while `part` stays where it is.
    pub fn apart_from(&self, part: &Self) -> Self {
        if part.is_empty() {
            return self.clone();
        }
        let below = self.children.iter().map(|(key, child)| {
            let mut rest = match part.children.get(key) {
                Some(staying) => child.apart_from(staying),
                None => child.clone(),
            };
            if part.children.contains_key(key) {
                for name in item_keys(key).iter().flat_map(|keys| keys.keys()) {
                    rest.children.remove(&format!("f:{name}"));
                }
            }
            (key.clone(), rest)
        });
        Self::of(false, below)
    }

    /// A node of children, the empty ones left out.
    pub(super) fn of(member: bool, children: impl Iterator<Item = (String, Self)>) -> Self {
        Self {
            member,
            children: children.filter(|(_, child)| !child.is_empty()).collect(),
        }
    }
}

/// The keys of a list item, from a key such as `k:{"name":"web"}`; `None` for other keys.
pub(super) fn item_keys(key: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(key.strip_prefix("k:")?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(value: Value) -> FieldSet {
        FieldSet::parse(&value)
    }

    #[test]
    fn a_set_is_read_and_written_back() {
        let fields = json!({
            "f:spec": {"f:list": {".": {}, "k:{\"name\":\"a\"}": {".": {}, "f:name": {}}},
                       "f:values": {"v:\"x\"": {}}, "f:items": {"i:0": {}}},
        });
        assert_eq!(set(fields.clone()).to_value(), fields);
        let paths = set(fields);
        assert!(paths.contains(&["f:spec", "f:list"]) && !paths.contains(&["f:spec"]));
        assert_eq!(paths.paths().len(), 5);
    }

    #[test]
    fn two_ways_of_writing_a_leaf_are_one_set() {
        assert_eq!(set(json!({"f:a": {".": {}}})), set(json!({"f:a": {}})));
        assert_ne!(
            set(json!({"f:a": {"f:b": {}}})),
            set(json!({"f:a": {".": {}, "f:b": {}}}))
        );
        for nothing in [json!({}), Value::Null, json!("text")] {
            assert!(set(nothing).is_empty());
        }
    }

    #[test]
    fn sets_are_added_cut_and_taken_apart() {
        let left = set(json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}}));
        let right = set(json!({"f:a": {"f:b": {}}, "f:d": {}}));
        assert_eq!(
            left.difference(&right),
            set(json!({"f:a": {".": {}, "f:c": {}}}))
        );
        assert_eq!(left.intersection(&right), set(json!({"f:a": {"f:b": {}}})));
        let mut sum = left.clone();
        sum.add(&right);
        assert_eq!(
            sum,
            set(json!({"f:a": {".": {}, "f:b": {}, "f:c": {}}, "f:d": {}}))
        );
        assert!(left.difference(&left).is_empty());
    }

    #[test]
    fn what_stays_keeps_its_parents_and_the_keys_of_its_item() {
        let item = json!({"f:l": {".": {}, "k:{\"name\":\"a\"}": {".": {}, "f:name": {}, "f:x": {}, "f:y": {}}}});
        let part = json!({"f:l": {"k:{\"name\":\"a\"}": {"f:x": {}}}});
        let rest = set(item.clone()).apart_from(&set(part));
        assert_eq!(
            rest.to_value(),
            json!({"f:l": {"k:{\"name\":\"a\"}": {"f:y": {}}}})
        );
        assert_eq!(
            set(item.clone()).apart_from(&FieldSet::default()),
            set(item)
        );
    }
}
