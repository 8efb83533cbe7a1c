//! Conditions of a status.

use serde_json::Value;

use super::quoted;

/// One entry of `status.conditions`.
pub(super) struct Condition<'a> {
    value: &'a Value,
}

impl Condition<'_> {
    pub(super) fn is_true(&self) -> bool {
        self.value["status"] == "True"
    }

    pub(super) fn is_false(&self) -> bool {
        self.value["status"] == "False"
    }

    /// Neither true nor false.
    pub(super) fn is_unknown(&self) -> bool {
        self.value["status"] == "Unknown"
    }

    /// Whether it speaks of an older `spec` than the object has now.
    pub(super) fn is_outdated(&self, object: &Value) -> bool {
        let about = self.value["observedGeneration"].as_i64();
        let now = object["metadata"]["generation"].as_i64();
        matches!((about, now), (Some(about), Some(now)) if about < now)
    }

    pub(super) fn reason(&self) -> &str {
        self.value["reason"].as_str().unwrap_or_default()
    }

    /// The message, or the reason where there is none, or `otherwise`.
    pub(super) fn message_or(&self, otherwise: &str) -> String {
        let message = quoted(self.value["message"].as_str().unwrap_or_default());
        match (message.is_empty(), self.reason()) {
            (false, _) => message,
            (true, "") => otherwise.to_owned(),
            (true, reason) => quoted(reason),
        }
    }
}

/// The condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    in_list(&object["status"]["conditions"], kind)
}

/// The condition of a type in a list of conditions.
pub(super) fn in_list<'a>(conditions: &'a Value, kind: &str) -> Option<Condition<'a>> {
    conditions
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
        .map(|value| Condition { value })
}
