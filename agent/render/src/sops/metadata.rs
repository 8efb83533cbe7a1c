//! The `sops` map of a file.

use serde_json::{Map, Value};

use super::SopsError;
use super::rules::Rules;

/// What the metadata of a file say.
#[derive(Debug)]
pub(super) struct Metadata {
    /// The groups of recipients; with more than one, each holds a share of the key.
    pub(super) groups: Vec<Group>,
    pub(super) mac: String,
    pub(super) last_modified: String,
    pub(super) mac_only_encrypted: bool,
    pub(super) rules: Rules,
    /// How many groups are needed.
    pub(super) threshold: usize,
}

/// Recipients of which any one is enough.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) age: Vec<Recipient>,
    pub(super) pgp: Vec<Recipient>,
    /// Names of the cloud services that have a recipient here.
    pub(super) cloud: Vec<&'static str>,
}

/// A recipient, and the key as encrypted for it.
#[derive(Debug)]
pub(super) struct Recipient {
    /// Its public part: an age recipient or the fingerprint of a PGP key.
    pub(super) name: String,
    pub(super) sealed: String,
}

const CLOUD: [&str; 5] = ["kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"];

impl Metadata {
    pub(super) fn read(value: &Value) -> Result<Self, SopsError> {
        let Value::Object(map) = value else {
            return Err(SopsError::format("`sops` is not a map"));
        };
        let field = |name: &str| {
            let text = map.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        let needed = |name: &str| {
            field(name)
                .map(str::to_owned)
                .ok_or_else(|| SopsError::format(format!("the metadata lack `{name}`")))
        };
        let groups: Vec<Group> = match map.get("key_groups").and_then(Value::as_array) {
            Some(groups) if !groups.is_empty() => groups
                .iter()
                .filter_map(Value::as_object)
                .map(group)
                .collect(),
            _ => vec![group(map)],
        };
        let threshold = match map.get("shamir_threshold") {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let threshold = threshold.and_then(|number| usize::try_from(number).ok());
        let threshold = threshold.filter(|number| *number > 0);
        Ok(Self {
            mac: needed("mac")?,
            last_modified: needed("lastmodified")?,
            mac_only_encrypted: match map.get("mac_only_encrypted") {
                Some(Value::Bool(value)) => *value,
                Some(Value::String(text)) => text == "true",
                _ => false,
            },
            rules: Rules::read(field)?,
            threshold: threshold.unwrap_or(groups.len()).min(groups.len()),
            groups,
        })
    }

    pub(super) fn recipients(&self) -> impl Iterator<Item = &str> {
        self.groups
            .iter()
            .flat_map(|group| group.age.iter().chain(&group.pgp))
            .map(|recipient| recipient.name.as_str())
    }

    /// The cloud services that hold a key of the file, each once.
    pub(super) fn cloud(&self) -> Vec<&'static str> {
        let held = |name: &&str| self.groups.iter().any(|group| group.cloud.contains(name));
        CLOUD.into_iter().filter(|name| held(name)).collect()
    }
}

fn group(map: &Map<String, Value>) -> Group {
    let list = |name: &str| {
        let entries = map.get(name).and_then(Value::as_array);
        entries.into_iter().flatten().filter_map(Value::as_object)
    };
    let recipients = |name: &str, public: &str| {
        let text = |entry: &Map<String, Value>, field: &str| {
            entry.get(field).and_then(Value::as_str).map(str::to_owned)
        };
        list(name)
            .filter_map(|entry| {
                Some(Recipient {
                    name: text(entry, public)?,
                    sealed: text(entry, "enc")?,
                })
            })
            .collect()
    };
    Group {
        age: recipients("age", "recipient"),
        pgp: recipients("pgp", "fp"),
        cloud: CLOUD
            .into_iter()
            .filter(|name| list(name).next().is_some())
            .collect(),
    }
}

/// Puts a value into metadata that are written flat, as `age__list_0__map_enc`.
///
/// A name that does not fit is left out: what matters is missed later.
pub(super) fn insert_flat(metadata: &mut Value, name: &str, text: String) {
    let mut place = metadata;
    let mut rest = name;
    loop {
        let next = [rest.find("__list_"), rest.find("__map_")];
        let end = next.into_iter().flatten().min().unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        place = match place {
            Value::Object(map) => map.entry(key).or_insert(Value::Null),
            Value::Array(list) => {
                // The entries stand in order; a gap is no index.
                let Ok(index) = key.parse::<usize>() else {
                    return;
                };
                if index > list.len() {
                    return;
                }
                if index == list.len() {
                    list.push(Value::Null);
                }
                &mut list[index]
            }
            _ => return,
        };
        if let Some(after) = after.strip_prefix("__list_") {
            if place.is_null() {
                *place = Value::Array(Vec::new());
            }
            rest = after;
        } else if let Some(after) = after.strip_prefix("__map_") {
            if place.is_null() {
                *place = Value::Object(Map::new());
            }
            rest = after;
        } else {
            *place = Value::String(text);
            return;
        }
    }
}
