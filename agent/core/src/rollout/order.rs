//! The order of objects: what holds later waves up, and what may be written.

use std::collections::{BTreeMap, BTreeSet};

use super::{Inputs, Ledger, LeftState, Object, ObjectState, Past, Phase};
use crate::application::OnFailure;
use crate::hooks::{Hook, Moment, Occasion};
use crate::object::ObjectKey;
use crate::plan::Plan;

/// Namespaces and definitions come before the hooks.
const LAST_EARLY_STAGE: u8 = 1;

/// The waves of the desired objects, and of the hooks that run among them.
pub(super) fn waves(inputs: &Inputs<'_>) -> BTreeSet<i32> {
    let hooks = inputs.hooks.iter();
    let hooks = hooks.filter(|hook| hook.moment == Moment::During);
    let hooks = hooks.map(|hook| hook.weight);
    let objects = inputs.objects.values().map(|object| object.wave);
    objects.chain(hooks).collect()
}

/// Whether the order of anything matters: else everything is written at once.
pub(super) fn is_staged(inputs: &Inputs<'_>) -> bool {
    let left: BTreeSet<i32> = inputs.left.values().map(|left| left.wave).collect();
    waves(inputs).len() > 1
        || left.len() > 1
        || !inputs.pauses.is_empty()
        // Whether it fails is known of a rollout only.
        || inputs.on_failure == OnFailure::Revert
        || inputs.hooks.iter().any(is_of_rollouts)
}

/// Whether a hook runs in rollouts, and not when the Application is deleted.
pub(super) fn is_of_rollouts(hook: &Hook) -> bool {
    !matches!(hook.moment, Moment::BeforeDelete | Moment::AfterDelete)
}

/// The hooks that a rollout to this identity would run, unless it fails. None, where the last one was
/// the same: what it did not run yet, it was allowed to when it began. `past` and what the plan writes
/// say whether one begins where none is remembered.
pub fn planned_hooks<'h>(
    last: Option<&Ledger>,
    identity: &str,
    past: Past,
    plan: &Plan,
    hooks: &'h [Hook],
) -> Vec<&'h Hook> {
    let (first, begins) = match last {
        Some(last) => (
            last.first && last.phase != Phase::Done,
            last.identity != identity,
        ),
        None => match past {
            Past::Nothing => (true, true),
            Past::Unknown | Past::Same => (false, plan.has_writes()),
            Past::Other => (false, true),
        },
    };
    let runs = |hook: &&Hook| {
        let occasion = match hook.occasion {
            Occasion::Any => true,
            Occasion::Install => first,
            Occasion::Upgrade => !first,
        };
        let runs = matches!(hook.moment, Moment::Before | Moment::During | Moment::After);
        begins && occasion && runs
    };
    hooks.iter().filter(runs).collect()
}

/// The wave up to which Git's content has been written.
fn reached(ledger: &Ledger) -> Option<i32> {
    match ledger.phase {
        Phase::Before => None,
        Phase::Waves | Phase::Failing | Phase::Failed => ledger.wave,
        Phase::Prune | Phase::Settle | Phase::After | Phase::Done => Some(i32::MAX),
    }
}

/// The lowest wave up to a limit that is not wholly good.
pub(super) fn first_bad(inputs: &Inputs<'_>, limit: i32) -> Option<i32> {
    let bad = inputs.objects.values();
    bad.filter(|object| object.wave <= limit && !object.state.is_good())
        .map(|object| object.wave)
        .min()
}

/// The namespaces and definitions that do not stand.
pub(super) fn early<'a>(
    inputs: &Inputs<'a>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a Object)> + use<'a> {
    inputs.objects.iter().filter(|(_, object)| {
        object.stage <= LAST_EARLY_STAGE && !matches!(object.state, ObjectState::Stands(_))
    })
}

/// What may be written: what drifted at any time; what is new when its wave has come and the waves
/// below it are good.
pub(super) fn writable(ledger: &Ledger, inputs: &Inputs<'_>) -> BTreeSet<ObjectKey> {
    let reached = reached(ledger);
    let bad = first_bad(inputs, i32::MAX);
    let is_open = |object: &Object| match ledger.phase {
        Phase::Before => object.stage <= LAST_EARLY_STAGE,
        Phase::Failing | Phase::Failed => false,
        Phase::Waves | Phase::Prune | Phase::Settle | Phase::After | Phase::Done => {
            let has_come = reached.is_some_and(|reached| object.wave <= reached);
            has_come && bad.is_none_or(|bad| object.wave <= bad)
        }
    };
    let may = |object: &Object| match object.state {
        ObjectState::Drifted => true,
        ObjectState::Gone if !ledger.is_active() => {
            reached.is_some_and(|reached| object.wave <= reached)
        }
        ObjectState::Gone | ObjectState::Changed => is_open(object),
        ObjectState::Stands(_) | ObjectState::Failed(_) | ObjectState::Unknown(_) => false,
    };
    let objects = inputs.objects.iter();
    let objects = objects.filter(|(_, object)| may(object));
    objects.map(|(key, _)| key.clone()).collect()
}

/// What drifted: the only thing that is written while an older rollout has something to end.
pub(super) fn drifted(inputs: &Inputs<'_>) -> BTreeSet<ObjectKey> {
    let objects = inputs.objects.iter();
    let objects = objects.filter(|(_, object)| object.state == ObjectState::Drifted);
    objects.map(|(key, _)| key.clone()).collect()
}

/// What left Git, and is there, from a wave on upwards.
pub(super) fn prunable(inputs: &Inputs<'_>, from: i32) -> BTreeSet<ObjectKey> {
    let left = inputs.left.iter();
    let left = left.filter(|(_, left)| left.wave >= from && left.state == LeftState::There);
    left.map(|(key, _)| key.clone()).collect()
}

/// After which wave each pause comes: a pause after a wave that no object has comes after the one
/// below it, and where there is none, never.
pub(super) fn pauses_after(inputs: &Inputs<'_>, wave: i32) -> Vec<usize> {
    let waves = waves(inputs);
    let comes_after: BTreeMap<usize, i32> = inputs
        .pauses
        .iter()
        .enumerate()
        .filter_map(|(index, pause)| Some((index, *waves.range(..=pause.after).next_back()?)))
        .collect();
    let here = comes_after.into_iter().filter(|(_, after)| *after == wave);
    here.map(|(index, _)| index).collect()
}
