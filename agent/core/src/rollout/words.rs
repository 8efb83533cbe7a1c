//! What is waited for, in sentences.

use crate::application::Pause;
use crate::hooks::HookId;
use crate::object::ObjectKey;

use super::{LeftState, Object, ObjectState};

/// How many sentences there are at most; the others are counted.
const MOST: usize = 8;

/// The first few of many.
pub(super) fn bounded(mut all: Vec<String>) -> Vec<String> {
    let more = all.len().saturating_sub(MOST);
    if more > 0 {
        all.truncate(MOST);
        all.push(format!("and {more} more"));
    }
    all
}

/// How a desired object is.
pub(super) fn object(key: &ObjectKey, object: &Object) -> String {
    let wave = object.wave;
    match &object.state {
        ObjectState::Changed | ObjectState::Drifted | ObjectState::Gone => {
            format!("{key} of wave {wave} is not applied yet")
        }
        ObjectState::Stands(health) if health.message.is_empty() => {
            let word = health.health;
            format!("{key} of wave {wave} is {word}")
        }
        ObjectState::Stands(health) => format!("{key} of wave {wave}: {}", health.message),
        ObjectState::Failed(failure) => {
            format!("{key} of wave {wave} cannot be applied: {}", failure.detail)
        }
        ObjectState::Unknown(why) => format!("{key} of wave {wave}: {why}"),
    }
}

/// How an object is that goes.
pub(super) fn left(key: &ObjectKey, state: &LeftState) -> String {
    match state {
        LeftState::There => format!("{key} left Git and is not deleted yet"),
        LeftState::Going => format!("{key} is being deleted"),
        LeftState::Failed(failure) => format!("{key} cannot be deleted: {}", failure.detail),
    }
}

/// That a hook runs.
pub(super) fn runs(hook: &HookId) -> String {
    format!("{} runs", self::hook(hook))
}

/// The name of a hook.
pub(super) fn hook(hook: &HookId) -> String {
    let moment = hook.moment.as_str();
    format!("the {moment} hook {}", hook.key)
}

/// That a condition is not met.
pub(super) fn condition(pause: &Pause, key: &ObjectKey, why: Option<&str>) -> String {
    let wave = pause.after;
    match why {
        None => format!("the pause after wave {wave} waits until its condition on {key} holds"),
        Some(why) => format!("the pause after wave {wave} cannot ask {key}: {why}"),
    }
}
