//! The conditions of an object, whatever its kind.

use jiff::Timestamp;
use serde_json::Value;

/// A condition in the status of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its type, for example `Available`.
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Its reason in one word; may be empty.
    pub reason: String,
    /// Its sentence; may be empty.
    pub message: String,
    /// Since when it has this status, where it says so.
    pub since: Option<Timestamp>,
}

/// The conditions in the order of the object; what is no condition is left out.
pub fn conditions(object: &Value) -> Vec<Condition> {
    let all = object["status"]["conditions"].as_array();
    let conditions = all.into_iter().flatten().filter_map(|condition| {
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        let since = condition["lastTransitionTime"].as_str();
        Some(Condition {
            kind: condition["type"].as_str()?.to_owned(),
            status: condition["status"].as_str()?.to_owned(),
            reason: text("reason"),
            message: text("message"),
            since: since.and_then(|since| since.parse().ok()),
        })
    });
    conditions.collect()
}
