//! The parts of an OpenAPI v3 document that say what an object may hold. Everything else is skipped
//! while it is read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default)]
    pub(super) components: Components,
}

#[derive(Default, Deserialize)]
pub(super) struct Components {
    #[serde(default)]
    pub(super) schemas: BTreeMap<String, Raw>,
}

/// One schema, as it is written.
#[derive(Default, Deserialize)]
pub(super) struct Raw {
    #[serde(rename = "$ref")]
    pub(super) reference: Option<String>,
    /// A text, as in OpenAPI 3.0; anything else is not understood.
    #[serde(rename = "type")]
    pub(super) kind: Option<Value>,
    pub(super) format: Option<String>,
    #[serde(default)]
    pub(super) properties: BTreeMap<String, Self>,
    #[serde(rename = "additionalProperties")]
    pub(super) additional: Option<Additional>,
    pub(super) items: Option<Box<Self>>,
    #[serde(default)]
    pub(super) required: Vec<String>,
    #[serde(default, rename = "enum")]
    pub(super) allowed: Vec<Value>,
    #[serde(default, rename = "allOf")]
    pub(super) all_of: Vec<Self>,
    #[serde(default, rename = "oneOf")]
    pub(super) one_of: Vec<Self>,
    #[serde(default, rename = "anyOf")]
    pub(super) any_of: Vec<Self>,
    #[serde(default, deserialize_with = "is_there")]
    pub(super) default: Presence,
    #[serde(default, rename = "x-kubernetes-preserve-unknown-fields")]
    pub(super) preserve: bool,
    #[serde(default, rename = "x-kubernetes-int-or-string")]
    pub(super) int_or_string: bool,
    #[serde(default, rename = "x-kubernetes-embedded-resource")]
    pub(super) embedded: bool,
    #[serde(default, rename = "x-kubernetes-group-version-kind")]
    pub(super) kinds: Vec<GroupVersionKind>,
}

/// `additionalProperties`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Additional {
    Allowed(bool),
    Schema(Box<Raw>),
}

/// Whether a field stands there, whatever its value.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Presence {
    #[default]
    Absent,
    Present,
}

#[derive(Deserialize)]
pub(super) struct GroupVersionKind {
    #[serde(default)]
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

fn is_there<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Presence, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| Presence::Present)
}
