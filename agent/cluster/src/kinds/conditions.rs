//! The conditions `Ready`, `Reconciling` and `Stalled`, so that `kubectl wait` and kstatus work.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use syncline_core::reason::{Class, Reason};

/// Longest message that the API conventions allow.
const MAX_MESSAGE: usize = 32 * 1024;

/// One condition, in the form of the Kubernetes API conventions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Reconciling` or `Stalled`.
    #[schemars(length(min = 1, max = 316))]
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// The `metadata.generation` that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Since when the status is what it is.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// A reason of Syncline's table.
    #[schemars(length(min = 1, max = 128))]
    pub reason: String,
    /// What is the case and what to do, for people.
    #[schemars(length(max = 32768))]
    #[serde(default)]
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Not known yet.
    Unknown,
}

/// The three conditions for a reason, in a fixed order.
///
/// - a good state is `Ready`;
/// - one on its way, or one that is likely to pass, is not `Ready` and `Reconciling`;
/// - one that needs a person is not `Ready` and `Stalled`.
///
/// `Reconciling` and `Stalled` are only listed while they hold. The transition time of a condition
/// changes only with its status, as the API conventions ask; it has no fraction of a second.
pub fn conditions(
    previous: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
    reason: Reason,
    message: &str,
) -> Vec<Condition> {
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let message = cut(message, MAX_MESSAGE);
    let condition = |type_: &str, status: ConditionStatus| {
        let since = previous
            .iter()
            .find(|c| c.type_ == type_ && c.status == status)
            .map_or(now, |c| c.last_transition_time);
        Condition {
            type_: type_.to_owned(),
            status,
            observed_generation: generation,
            last_transition_time: since,
            reason: reason.name().to_owned(),
            message: message.to_owned(),
        }
    };
    match reason.class() {
        Class::Good => vec![condition("Ready", ConditionStatus::True)],
        Class::Progress => vec![
            condition("Ready", ConditionStatus::Unknown),
            condition("Reconciling", ConditionStatus::True),
        ],
        Class::Transient => vec![
            condition("Ready", ConditionStatus::False),
            condition("Reconciling", ConditionStatus::True),
        ],
        Class::Hold | Class::Input | Class::Denied => vec![
            condition("Ready", ConditionStatus::False),
            condition("Stalled", ConditionStatus::True),
        ],
    }
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn words(conditions: &[Condition]) -> Vec<(&str, ConditionStatus)> {
        conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status))
            .collect()
    }

    #[test]
    fn each_class_of_reason_shows_as_kstatus_expects() {
        use ConditionStatus::{False, True, Unknown};
        for (reason, expected) in [
            (Reason::Synced, vec![("Ready", True)]),
            (
                Reason::Syncing,
                vec![("Ready", Unknown), ("Reconciling", True)],
            ),
            (
                Reason::ApiUnavailable,
                vec![("Ready", False), ("Reconciling", True)],
            ),
            (
                Reason::InvalidSpec,
                vec![("Ready", False), ("Stalled", True)],
            ),
            (Reason::Denied, vec![("Ready", False), ("Stalled", True)]),
            (Reason::PruneHeld, vec![("Ready", False), ("Stalled", True)]),
        ] {
            let found = conditions(&[], Some(3), at(5), reason, "why");
            assert_eq!(words(&found), expected, "{reason}");
            assert!(
                found
                    .iter()
                    .all(|c| c.reason == reason.name() && c.message == "why")
            );
            assert!(found.iter().all(|c| c.observed_generation == Some(3)));
        }
    }

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let first = conditions(&[], Some(1), at(10), Reason::InvalidSpec, "a");
        let second = conditions(&first, Some(2), at(20), Reason::Denied, "b");
        assert!(second.iter().all(|c| c.last_transition_time == at(10)));
        let third = conditions(&second, Some(3), at(30), Reason::ApiUnavailable, "c");
        assert_eq!(third[0].last_transition_time, at(10), "Ready stays False");
        assert_eq!(third[1].last_transition_time, at(30), "Reconciling is new");
        let fourth = conditions(&third, Some(3), at(40), Reason::Synced, "");
        assert_eq!(fourth[0].last_transition_time, at(40));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let found = conditions(&[], None, at(0), Reason::Internal, &"ä".repeat(MAX_MESSAGE));
        assert_eq!(found[0].message.len(), MAX_MESSAGE);
    }

    #[test]
    fn a_condition_is_written_as_kubernetes_reads_it() {
        let found = conditions(&[], Some(1), at(0), Reason::Synced, "");
        let json = serde_json::to_value(&found[0]).unwrap();
        assert_eq!(json["type"], "Ready");
        assert_eq!(json["status"], "True");
        assert_eq!(json["lastTransitionTime"], "1970-01-01T00:00:00Z");
    }
}
