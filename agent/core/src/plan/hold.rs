//! Which prunes wait for a person (inv_i08, inv_i09).
//!
//! A prune waits when it is large, when it takes what holds data, when more than half of the
//! workloads would be replaced by others, or when somebody said so.

use std::collections::{BTreeMap, BTreeSet};

use super::hash::Consent;
use super::prune::is_precious;
use super::{Action, Inputs};
use crate::application::PruneApproval;
use crate::directives::{self, Prune};
use crate::object::ObjectKey;
use crate::outcome::{ActionKind, Failure};
use crate::reason::Reason;

/// More than this many objects must go before their share of the application is a reason to ask.
const SHRINK_AT_LEAST: usize = 5;

/// What waits for a person.
pub(super) struct Held {
    /// Why; `None` where nothing waits.
    pub(super) because: Option<Failure>,
    /// What an approval is bound to: the objects that wait and no others, so that it stays while
    /// those that do not wait go.
    pub(super) hash: String,
    /// See [`super::Plan::held`].
    pub(super) objects: BTreeMap<ObjectKey, Reason>,
}

/// Turns prunes that need a person into skips, unless they are approved.
pub(super) fn hold(inputs: &Inputs<'_>, created: usize, prunes: &mut [Action]) -> Held {
    let cause = Cause::of(inputs, created, prunes);
    let as_whole = |prune: &Action| Some((prune.key.clone(), cause.of_the_whole(inputs, prune)?));
    let mut objects: BTreeMap<_, _> = prunes.iter().filter_map(as_whole).collect();
    wait_for_renders(inputs, prunes);
    let waiting: Vec<&Action> = prunes
        .iter()
        .filter(|prune| cause.holds(inputs, prune))
        .collect();
    let hash = Consent::of_actions(waiting.iter().copied(), inputs.hashes).hash();
    let because = match waiting.first() {
        Some(first) if !is_approved(inputs, &hash) => {
            Some(cause.said(inputs, waiting.len(), first, &hash))
        }
        _ => None,
    };
    if because.is_some() {
        for prune in prunes.iter_mut().filter(|prune| cause.holds(inputs, prune)) {
            prune.kind = ActionKind::Skip;
            prune.because = Some(Failure {
                reason: Reason::PruneHeld,
                detail: format!(
                    "{} left Git and waits for approval of plan {hash}",
                    prune.key
                ),
            });
        }
    }
    let going = prunes
        .iter()
        .filter(|prune| prune.kind == ActionKind::Prune);
    for prune in going {
        objects.remove(&prune.key);
    }
    Held {
        because,
        hash,
        objects,
    }
}

fn is_approved(inputs: &Inputs<'_>, hash: &str) -> bool {
    let approval = inputs.approval;
    approval.in_git || approval.plan_hash.as_deref() == Some(hash)
}

/// While an application of the repository is not rendered, it may still take over what left Git.
fn wait_for_renders(inputs: &Inputs<'_>, prunes: &mut [Action]) {
    let unrendered = &inputs.facts.unrendered;
    let Some(first) = unrendered.first() else {
        return;
    };
    let whom = match unrendered.len() {
        1 => format!("application {first}"),
        count => format!("{count} applications, among them {first}"),
    };
    for prune in prunes.iter_mut().filter(|p| p.kind == ActionKind::Prune) {
        prune.kind = ActionKind::Skip;
        prune.because = Some(Failure {
            reason: Reason::WaitsForRender,
            detail: format!("{} left Git and waits for {whom}", prune.key),
        });
    }
}

/// Why prunes of this plan wait, apart from what their own kind or annotation asks for.
struct Cause {
    empty: bool,
    shrinks: bool,
    replaces: bool,
    /// Groups of which a definition goes: with it would go what it defines.
    definitions: Vec<String>,
    /// How many objects go, net of new ones, and of how many.
    share: (usize, usize),
}

impl Cause {
    fn of(inputs: &Inputs<'_>, created: usize, prunes: &[Action]) -> Self {
        let going: Vec<&ObjectKey> = prunes
            .iter()
            .filter(|prune| may_wait(inputs, prune))
            .map(|prune| &prune.key)
            .collect();
        let ours = inputs.live.iter();
        let ours = ours.filter(|(key, live)| live.owner(key).as_ref() == Some(inputs.owner));
        let owned = inputs.standing.len() + ours.clone().count();
        let net = going.len().saturating_sub(created);
        // New is also what a sync made that did not come to its end; not what comes back to Git.
        let is_new = |key: &ObjectKey| {
            let known = inputs.before.contains_key(key) || inputs.standing.contains(key);
            let back = inputs.facts.held.contains_key(key);
            inputs.desired.get(key).is_some() && !known && !back
        };
        let new = inputs.desired.iter().map(|manifest| &manifest.key);
        let new: Vec<_> = new.filter(|key| is_workload(key) && is_new(key)).collect();
        let old = inputs.standing.iter().chain(ours.map(|(key, _)| key));
        let old = old.filter(|key| is_workload(key) && !is_new(key)).count();
        let definitions = going
            .iter()
            .filter(|key| key.kind == "CustomResourceDefinition");
        let definitions = definitions.filter_map(|key| key.name.split_once('.'));
        Self {
            definitions: definitions.map(|(_, group)| group.to_owned()).collect(),
            empty: inputs.desired.is_empty(),
            shrinks: net > SHRINK_AT_LEAST && net * 2 > owned,
            replaces: replaced(&going, &new) * 2 > old,
            share: (net, owned),
        }
    }

    fn holds(&self, inputs: &Inputs<'_>, prune: &Action) -> bool {
        if !may_wait(inputs, prune) {
            return false;
        }
        if said(inputs, prune) == Prune::Confirm || self.empty {
            return true;
        }
        match inputs.policy.prune_approval {
            PruneApproval::Always => true,
            PruneApproval::Never => false,
            PruneApproval::WhenRisky => {
                is_precious(&prune.key)
                    || self.definitions.contains(&prune.key.group)
                    || self.of_the_whole(inputs, prune).is_some()
            }
        }
    }

    /// Why an object waits that would go if it were the only one; what once waited goes on.
    fn of_the_whole(&self, inputs: &Inputs<'_>, prune: &Action) -> Option<Reason> {
        if self.shrinks {
            Some(Reason::PruneHeld)
        } else if self.replaces && is_workload(&prune.key) {
            Some(Reason::ReplaceHeld)
        } else {
            inputs.facts.held.get(&prune.key).copied()
        }
    }

    fn said(&self, inputs: &Inputs<'_>, held: usize, first: &Action, hash: &str) -> Failure {
        let (net, owned) = self.share;
        let (reason, detail) = if self.empty {
            let detail = format!(
                "the path holds no manifest any more; all {held} objects stay until plan {hash} is \
                 approved"
            );
            (Reason::EmptyPath, detail)
        } else if self.shrinks {
            let detail = format!(
                "{net} of {owned} objects would go; {held} stay until plan {hash} is approved"
            );
            (Reason::PruneHeld, detail)
        } else {
            let detail = format!(
                "{held} stay until plan {hash} is approved, among them {}",
                first.key
            );
            let reason = self
                .of_the_whole(inputs, first)
                .unwrap_or(Reason::PruneHeld);
            (reason, detail)
        };
        Failure { reason, detail }
    }
}

/// Whether a prune is one that a person may be asked about: not what its own annotation or the
/// approval of a whole plan covers, nor what is on its way out already.
fn may_wait(inputs: &Inputs<'_>, prune: &Action) -> bool {
    let deleting = inputs.live.get(&prune.key).is_none_or(|live| live.deleting);
    prune.kind == ActionKind::Prune
        && !deleting
        && said(inputs, prune) != Prune::Always
        && !inputs.approval.whole.covers(prune, inputs.hashes)
}

fn said(inputs: &Inputs<'_>, prune: &Action) -> Prune {
    let live = inputs.live.get(&prune.key);
    live.map_or(Prune::Default, |live| {
        directives::read(&live.annotations, &live.labels).prune
    })
}

/// Kinds that run pods.
fn is_workload(key: &ObjectKey) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        (
            "apps",
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"
        ) | ("batch", "Job" | "CronJob")
            | ("", "Pod" | "ReplicationController")
    )
}

/// How many workloads go whose place others take: none where nothing comes, and without those that
/// only get another generated end of their name.
fn replaced(going: &[&ObjectKey], new: &[&ObjectKey]) -> usize {
    let base = |key: &ObjectKey| {
        let name = base_name(&key.name).to_owned();
        (key.kind.clone(), key.namespace.clone(), name)
    };
    let renamed: BTreeSet<_> = new.iter().map(|key| base(key)).collect();
    if renamed.is_empty() {
        return 0;
    }
    let going = going.iter().filter(|key| is_workload(key));
    going.filter(|key| !renamed.contains(&base(key))).count()
}

/// A name without the hash that a generator put at its end (`migrate-7f9c2b4d1a`).
fn base_name(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((base, end))
            if end.len() >= 5
                && end
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                && end.bytes().any(|b| b.is_ascii_digit()) =>
        {
            base
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::base_name;

    #[test]
    fn a_generated_end_of_a_name_is_told_from_a_word() {
        for (name, base) in [
            ("migrate-7f9c2b4d1a", "migrate"),
            ("web-config-5t6f8", "web-config"),
            ("web-frontend", "web-frontend"),
            ("shop-v2", "shop-v2"),
            ("web", "web"),
        ] {
            assert_eq!(base_name(name), base);
        }
    }
}
