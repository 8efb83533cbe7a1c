//! What tells runs of hooks from each other.

use serde_json::Value;

use crate::hooks::Hook;
use crate::owner::public_hash;
use crate::rollout::Ledger;

/// How many digits a run has: its object may carry it in its name.
const RUN_DIGITS: usize = 16;

/// The id of a run of a hook in a rollout; `last` is the run before it in the same rollout. Each
/// rollout has its own, so that one that leads back to an older commit runs its hooks again.
pub fn run_id(ledger: &Ledger, hook: &Hook, last: Option<&str>) -> String {
    let all = vec![
        Value::from(ledger.identity.as_str()),
        Value::from(ledger.commit.as_str()),
        Value::from(ledger.started_at.as_millisecond()),
        Value::from(format!("{:?} {}", hook.moment, hook.manifest.key)),
        Value::from(hook.hash.to_string()),
        Value::from(last),
    ];
    let mut hash = public_hash(&Value::from(all));
    hash.truncate(RUN_DIGITS);
    hash
}
