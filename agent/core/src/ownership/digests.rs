//! Short hashes of `managedFields`: the fast look at whether anybody changed anything.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::kept::FieldDigests;

use super::no_subresource;

/// The digests of an object's `managedFields`. The order of the entries and the way in which their
/// sets are written do not count.
///
/// `ours` is over every entry under our name, with its time: who writes under our name shows, with
/// any operation. `others` is over the sets outside of `status` and `metadata` of everybody else's
/// entries without a subresource, with the names of their managers and without their times.
pub fn digests(managed_fields: &[Value], ours: &str) -> FieldDigests {
    let (mine, others): (Vec<_>, Vec<_>) = managed_fields
        .iter()
        .partition(|entry| entry["manager"] == ours);
    let mine = mine.into_iter().map(|entry| {
        let mut bytes = Vec::new();
        for field in ["operation", "subresource", "time"] {
            text(entry[field].as_str().unwrap_or_default(), &mut bytes);
        }
        feed(&entry["fieldsV1"], &[], &mut bytes);
        bytes
    });
    let others = others
        .into_iter()
        .filter(|entry| no_subresource(entry))
        .filter_map(|entry| {
            let mut bytes = Vec::new();
            text(entry["manager"].as_str().unwrap_or_default(), &mut bytes);
            feed(&entry["fieldsV1"], &["f:status", "f:metadata"], &mut bytes).then_some(bytes)
        });
    FieldDigests {
        ours: hash(mine.collect()),
        others: hash(others.collect()),
    }
}

fn hash(mut entries: Vec<Vec<u8>>) -> Digest {
    entries.sort();
    let mut hash = Sha256::new();
    for entry in entries {
        hash.update((entry.len() as u64).to_be_bytes());
        hash.update(entry);
    }
    Digest::from_hash(&hash.finalize())
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u64).to_be_bytes());
    bytes.extend(text.as_bytes());
}

/// Writes a set in its one normal form: the same fields give the same bytes. Answers whether
/// anything was in it beside the keys that were left out.
fn feed(fields: &Value, except: &[&str], bytes: &mut Vec<u8>) -> bool {
    let map = fields.as_object();
    let mut keys: Vec<&String> = map
        .into_iter()
        .flat_map(|map| map.keys())
        .filter(|key| *key != "." && !except.contains(&key.as_str()))
        .collect();
    keys.sort();
    let member = keys.is_empty() || fields.get(".").is_some();
    bytes.push(if member { b'+' } else { b'-' });
    for key in &keys {
        text(key, bytes);
        feed(&fields[key.as_str()], &[], bytes);
    }
    bytes.push(b';');
    !keys.is_empty()
}
