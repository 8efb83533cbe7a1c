//! What a person says yes to: the writes of a plan, and the one hash that stands for them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Action, Plan};
use crate::digest::Digest;
use crate::hooks::Hook;
use crate::object::ObjectKey;
use crate::outcome::ActionKind;
use crate::owner::public_hash;
use crate::reason::Reason;

/// How many digits the hash has.
const DIGITS: usize = 16;

/// The writes that one approval covers: each by what is done, the object, and its content or, of
/// what is deleted, its uid. Resource versions are no part of it: an object that somebody touched
/// without a change of the plan asks for no second approval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    writes: BTreeSet<Write>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Write {
    kind: &'static str,
    object: String,
    /// The desired hash, or the uid of what goes.
    content: String,
}

/// How many writes there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Objects that are made.
    pub create: usize,
    /// Objects that are changed.
    pub update: usize,
    /// Objects that are deleted.
    pub prune: usize,
    /// Hooks that run.
    pub hooks: usize,
}

impl Consent {
    /// All that a plan would do, with the prunes that only an approval or another application
    /// keeps from being done, and with the hooks that run.
    pub fn of<'h>(
        plan: &Plan,
        hashes: &BTreeMap<ObjectKey, Digest>,
        hooks: impl IntoIterator<Item = &'h Hook>,
    ) -> Self {
        let mut consent = Self::of_actions(&plan.actions, hashes);
        consent.writes.extend(hooks.into_iter().map(run));
        consent
    }

    /// The writes among some actions.
    pub(super) fn of_actions<'a>(
        actions: impl IntoIterator<Item = &'a Action>,
        hashes: &BTreeMap<ObjectKey, Digest>,
    ) -> Self {
        let actions = actions.into_iter();
        Self {
            writes: actions.filter_map(|action| write(action, hashes)).collect(),
        }
    }

    /// What an approval names: the same for the same writes, in whatever order they were found.
    pub fn hash(&self) -> String {
        let writes = self.writes.iter();
        let writes =
            writes.map(|write| Value::from(vec![write.kind, &write.object, &write.content]));
        let mut hash = public_hash(&writes.collect());
        hash.truncate(DIGITS);
        hash
    }

    /// Whether there is nothing to say yes to.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The writes, counted.
    pub fn count(&self) -> Writes {
        let count = |kind| {
            let writes = self.writes.iter();
            writes.filter(|write| write.kind == kind).count()
        };
        Writes {
            create: count(ActionKind::Create.as_str()),
            update: count(ActionKind::Update.as_str()),
            prune: count(ActionKind::Prune.as_str()),
            hooks: count("hook"),
        }
    }

    /// Whether an action is one of those that were approved, to the same effect.
    pub fn covers(&self, action: &Action, hashes: &BTreeMap<ObjectKey, Digest>) -> bool {
        write(action, hashes).is_some_and(|write| self.writes.contains(&write))
    }

    /// Whether the run of a hook was approved, with what it runs.
    pub fn covers_hook(&self, hook: &Hook) -> bool {
        self.writes.contains(&run(hook))
    }

    /// The first write of a plan that was not approved. What was done already is missing from the
    /// plan and asks for nothing; an object that is put back to what was applied `before` asks for
    /// nothing either.
    pub fn beyond<'p>(
        &self,
        plan: &'p Plan,
        hashes: &BTreeMap<ObjectKey, Digest>,
        before: &BTreeMap<ObjectKey, Digest>,
    ) -> Option<&'p Action> {
        let is_repair = |action: &Action| {
            let hash = hashes.get(&action.key);
            action.kind != ActionKind::Prune && hash.is_some() && hash == before.get(&action.key)
        };
        let mut writes = plan.actions.iter().filter(|action| action.is_write());
        writes.find(|action| !self.covers(action, hashes) && !is_repair(action))
    }
}

/// A hook as what is approved of it.
fn run(hook: &Hook) -> Write {
    Write {
        kind: "hook",
        object: format!("{:?} {}", hook.moment, hook.manifest.key),
        content: hook.hash.to_string(),
    }
}

/// An action as what is approved of it; `None` for one that does nothing.
fn write(action: &Action, hashes: &BTreeMap<ObjectKey, Digest>) -> Option<Write> {
    let uid = || action.proof.as_ref().map(|(uid, _)| uid.clone());
    let content = || hashes.get(&action.key).map(ToString::to_string);
    let (kind, content) = match action.kind {
        ActionKind::Create | ActionKind::Update => (action.kind, content()),
        ActionKind::Prune => (action.kind, uid()),
        ActionKind::Skip if is_postponed(action) => (ActionKind::Prune, uid()),
        ActionKind::Skip | ActionKind::Unchanged => return None,
    };
    Some(Write {
        kind: kind.as_str(),
        object: action.key.to_string(),
        content: content.unwrap_or_default(),
    })
}

/// Whether it is a prune that waits for a person.
fn is_postponed(action: &Action) -> bool {
    let because = action.because.as_ref().map(|because| because.reason);
    action.origin.is_none() && because == Some(Reason::PruneHeld)
}
