//! An object as it is read off the wire: what [`super::Live`] does not keep is skipped, so no
//! value of a Secret and no large field is ever built.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::SKIPPED_FIELDS;
use super::room::Room;

/// Most memory that one field of a spec takes; a larger one is left out as a whole, as the fields
/// that are always large are.
const MAX_FIELD_BYTES: usize = 256 * 1024;

/// A whole object, or its metadata alone.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct WireObject {
    pub(crate) metadata: Metadata,
    pub(crate) spec: Spec,
    pub(crate) status: Option<Value>,
}

/// A page of a list.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct WireList {
    pub(crate) metadata: ListMetadata,
    /// `null` where the list is empty.
    pub(crate) items: Option<Vec<WireObject>>,
}

#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ListMetadata {
    pub(crate) resource_version: Option<String>,
    #[serde(rename = "continue")]
    pub(crate) continue_: Option<String>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) uid: String,
    pub(crate) resource_version: String,
    pub(super) generation: Option<i64>,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
    pub(super) managed_fields: Option<Vec<Value>>,
    pub(super) owner_references: Option<Vec<WireOwner>>,
    pub(super) finalizers: Option<Vec<String>>,
    pub(super) creation_timestamp: Option<Timestamp>,
    pub(super) deletion_timestamp: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WireOwner {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) controller: Option<bool>,
}

/// A spec without its large fields; empty where it is not a map.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Spec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpecVisitor)
    }
}

struct SpecVisitor;

impl<'de> Visitor<'de> for SpecVisitor {
    type Value = Spec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a spec")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spec, A::Error> {
        let mut kept = Map::new();
        while let Some(field) = map.next_key::<String>()? {
            if SKIPPED_FIELDS.contains(&field.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else {
                let mut left = MAX_FIELD_BYTES;
                let value = map.next_value_seed(Room(&mut left))?;
                kept.extend(value.map(|value| (field, value)));
            }
        }
        Ok(Spec(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spec, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Spec::default())
    }

    fn visit_unit<E>(self) -> Result<Spec, E> {
        Ok(Spec::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Spec, E> {
        Ok(Spec::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Spec, E> {
        Ok(Spec::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Spec, E> {
        Ok(Spec::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Spec, E> {
        Ok(Spec::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Spec, E> {
        Ok(Spec::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_is_read_whether_its_items_are_null_or_absent() {
        for text in [
            r#"{"metadata": {"resourceVersion": "7"}, "items": null}"#,
            r#"{"metadata": {"resourceVersion": "7"}}"#,
        ] {
            let list: WireList = serde_json::from_str(text).unwrap();
            assert!(list.items.is_none(), "{text}");
            assert_eq!(list.metadata.resource_version.as_deref(), Some("7"));
        }
    }
}
