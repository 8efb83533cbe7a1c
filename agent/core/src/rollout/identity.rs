//! What tells rollouts, and runs of hooks, from each other.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::digest::Digest;
use crate::hooks::Hook;
use crate::object::ObjectKey;
use crate::owner::public_hash;
use crate::rollout::Ledger;

/// How many digits a run has: its object may carry it in its name.
const RUN_DIGITS: usize = 16;

/// The identity of the rollout that leads to these objects, by their hashes, with these hooks.
/// Another commit that changes none of them has the same one.
pub fn identity(objects: &BTreeMap<ObjectKey, Digest>, hooks: &[Hook]) -> String {
    let objects = objects
        .iter()
        .map(|(key, hash)| Value::from(format!("{key} {hash}")));
    let mut hooks: Vec<String> = hooks
        .iter()
        .map(|hook| {
            let id = hook.id();
            let (moment, key, hash) = (id.moment, id.key, hook.hash);
            format!("{moment:?} {key} {hash} {}", hook.weight)
        })
        .collect();
    hooks.sort();
    let hooks = hooks.into_iter().map(Value::from).collect::<Vec<_>>();
    let all = Value::from(vec![
        Value::from(objects.collect::<Vec<_>>()),
        Value::from(hooks),
    ]);
    let mut hash = public_hash(&all);
    hash.truncate(32);
    hash
}

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
