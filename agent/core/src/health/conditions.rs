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
    object["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
        .map(|value| Condition { value })
}
