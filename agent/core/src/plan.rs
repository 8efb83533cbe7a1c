//! What a sync does to each object: from the desired set and the live objects to a list of actions.
//!
//! ```text
//! desired + live + who holds which field + what a person allowed -> actions, holds, drift
//! ```
//!
//! The same value is shown, stored and sent. The safety rules of deletion live in `prune` and
//! `hold`, each as a named test: nothing is pruned on a guess.

mod desired;
mod hash;
mod hold;
mod prune;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::application::{Ignore, SyncPolicy};
use crate::diff::Change;
use crate::digest::Digest;
use crate::directives::{Apply, Propagation, Replace};
use crate::handover::Other;
use crate::manifest::ManifestSet;
use crate::names;
use crate::object::{ObjectKey, Origin};
use crate::outcome::{ActionKind, Failure};
use crate::owner::Owner;
use crate::reason::Reason;
use crate::record::{Drift, MaskedManifest, Name};

pub use desired::wave_of;
pub use hash::{Consent, Writes};
pub use prune::{is_kept_on_deletion, is_protected};

/// What is known of a live object: its metadata, never its content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.managedFields`, an entry each.
    pub managed_fields: Vec<Value>,
    /// Kind and name of the owner reference that is a controller.
    pub controller: Option<String>,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
}

impl Live {
    /// The owner record, if it is well formed and names this object.
    pub fn owner(&self, key: &ObjectKey) -> Option<Owner> {
        Owner::read(self.annotations.get(names::ANNOTATION_OWNER)?, key)
    }

    /// The hash of the desired object that was applied last.
    pub fn applied(&self) -> Option<Digest> {
        self.annotations
            .get(names::ANNOTATION_APPLIED)?
            .parse()
            .ok()
    }
}

/// What a person approved for one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// A commit between the last applied and this one carries `Syncline-Prune: <application>`, or
    /// the trailer that approves whole plans.
    pub in_git: bool,
    /// The value of the annotation `syncline.dev/approve`.
    pub plan_hash: Option<String>,
    /// The writes of a plan that was approved as a whole: its prunes wait no more.
    pub whole: Consent,
}

/// What is known beyond the objects themselves; gathered only where a decision needs it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Of an object that we want and whose record names another application: that one. Of an object
    /// that left Git here and that another application wants: that one.
    pub others: BTreeMap<ObjectKey, Other>,
    /// Of an object without owner record: the other GitOps tool that is at work on it.
    pub tools: BTreeMap<ObjectKey, String>,
    /// Objects whose replicas an autoscaler sets.
    pub autoscaled: BTreeSet<ObjectKey>,
    /// Applications of the repository that are not rendered at its newest commit yet: they may take
    /// over what leaves Git here.
    pub unrendered: Vec<Name>,
    /// Kinds and namespaces that cannot be read: nothing of theirs is known to be gone.
    pub unread: Vec<Failure>,
    /// Objects that could not be read, and why: they may exist, so they are not touched.
    pub unreadable: BTreeMap<ObjectKey, Failure>,
    /// Objects whose entry of ours is not the one that our last write left: somebody wrote under our
    /// name, perhaps other values in the same fields.
    pub forged: BTreeSet<ObjectKey>,
    /// What the plan before this one held, from [`Plan::held`].
    pub held: BTreeMap<ObjectKey, Reason>,
}

/// All that a plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The complete desired set.
    pub desired: &'a ManifestSet,
    /// The keyed hash of each desired object.
    pub hashes: &'a BTreeMap<ObjectKey, Digest>,
    /// The hash of each object that was applied before and stood.
    pub before: &'a BTreeMap<ObjectKey, Digest>,
    /// Desired objects that are known to need nothing.
    pub standing: &'a BTreeSet<ObjectKey>,
    /// The other live objects: desired ones that do not stand, and ours that left Git.
    pub live: &'a BTreeMap<ObjectKey, Live>,
    /// Who we are.
    pub owner: &'a Owner,
    /// What a sync of this application may do.
    pub policy: &'a SyncPolicy,
    /// Fields that are left to others.
    pub ignore: &'a [Ignore],
    /// Field managers of tools that people use; a `*` at the end stands for any end.
    pub manual_tools: &'a [String],
    /// What a person approved.
    pub approval: &'a Approval,
    /// What else is known.
    pub facts: &'a Facts,
    /// Namespace of the agent: nothing in it is ever pruned, nor itself.
    pub agent_namespace: &'a str,
}

/// One action on one object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Action {
    /// The object.
    pub key: ObjectKey,
    /// What is done.
    pub kind: ActionKind,
    /// Where Git names it.
    pub origin: Option<Origin>,
    /// Why, where that is not plain: a skip, a hold, drift that is left alone.
    pub because: Option<Failure>,
    /// Its wave, from its annotation in Git; of an object that left Git, from the live one.
    pub wave: i32,
    /// The order inside a wave: all of a stage is done before the next begins.
    pub stage: u8,
    /// Fields that others took away and that this action puts back.
    pub lost: Vec<String>,
    /// What happens to the ownership of fields, a sentence each: taken, removed, released, left.
    pub notes: Vec<String>,
    /// What changes in Git's own words; secrets are masked.
    pub changes: Vec<Change>,
    /// What is created or updated, for history.
    #[serde(skip)]
    pub manifest: Option<MaskedManifest>,
    /// When the object is written.
    #[serde(skip)]
    pub apply: Apply,
    /// Whether the object may be deleted and made anew where a field cannot be changed.
    #[serde(skip)]
    pub replace: Replace,
    /// What happens to the dependents of a pruned object.
    #[serde(skip)]
    pub propagation: Propagation,
    /// uid and resourceVersion that the write insists on.
    #[serde(skip)]
    pub proof: Option<(String, String)>,
    /// What `metadata.managedFields` has to be before the apply.
    #[serde(skip)]
    pub rewrite: Option<Vec<Value>>,
    /// Managers of which the rewrite leaves no field that Git names: the object is being adopted.
    #[serde(skip)]
    pub adopted: Vec<String>,
}

impl Action {
    /// Whether somebody changed the object and that stays, because `selfHeal` is off.
    pub fn is_left(&self) -> bool {
        let because = self.because.as_ref();
        because.is_some_and(|because| because.reason == Reason::DriftFound)
    }

    fn new(key: &ObjectKey, kind: ActionKind) -> Self {
        Self {
            key: key.clone(),
            kind,
            origin: None,
            because: None,
            wave: 0,
            stage: stage(key),
            lost: Vec::new(),
            notes: Vec::new(),
            changes: Vec::new(),
            manifest: None,
            apply: Apply::default(),
            replace: Replace::default(),
            propagation: Propagation::default(),
            proof: None,
            rewrite: None,
            adopted: Vec::new(),
        }
    }

    /// Its place among the others; prunes go the other way.
    fn place(&self) -> (i32, u8, &ObjectKey) {
        (self.wave, self.stage, &self.key)
    }

    /// Whether something is sent for it.
    pub fn is_write(&self) -> bool {
        matches!(
            self.kind,
            ActionKind::Create | ActionKind::Update | ActionKind::Prune
        )
    }
}

/// The actions of a sync, ordered by wave, stage and key; prunes last, in reverse order. What stands has
/// no action.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// One per object that does not simply stand.
    pub actions: Vec<Action>,
    /// How many objects stand.
    pub standing: usize,
    /// Why objects that left Git are kept until a person approves; `None` where nothing is held.
    pub hold: Option<Failure>,
    /// What an approval is bound to: changes with every object that waits for it.
    pub hash: String,
    /// Objects that wait for a person because of what the commit did to the application as a whole,
    /// and why. The next plan no longer sees that, so it is told.
    #[serde(skip)]
    pub held: BTreeMap<ObjectKey, Reason>,
    /// What had been changed by others.
    pub drift: Vec<Drift>,
    /// What people should know and what stops nothing.
    pub warnings: Vec<String>,
}

impl Plan {
    /// How many actions there are of a kind; what stands counts as unchanged.
    pub fn count(&self, kind: ActionKind) -> usize {
        let standing = if kind == ActionKind::Unchanged {
            self.standing
        } else {
            0
        };
        let actions = self.actions.iter().filter(|action| action.kind == kind);
        standing + actions.count()
    }

    /// Whether anything is sent.
    pub fn has_writes(&self) -> bool {
        self.actions.iter().any(Action::is_write)
    }
}

/// The stage of a kind: namespaces, definitions, accounts and roles, the rest, webhooks.
pub fn stage(key: &ObjectKey) -> u8 {
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 1,
        ("", "ServiceAccount" | "ResourceQuota" | "LimitRange")
        | ("rbac.authorization.k8s.io" | "scheduling.k8s.io" | "storage.k8s.io", _) => 2,
        ("admissionregistration.k8s.io" | "apiregistration.k8s.io", _) => 4,
        _ => 3,
    }
}

/// Makes the plan. Pure: the same inputs give the same plan.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let mut plan = Plan {
        actions: Vec::new(),
        standing: 0,
        hold: None,
        hash: String::new(),
        held: BTreeMap::new(),
        drift: Vec::new(),
        warnings: Vec::new(),
    };
    for manifest in inputs.desired {
        if inputs.standing.contains(&manifest.key) {
            plan.standing += 1;
        } else {
            let action = desired::action(inputs, manifest, &mut plan);
            plan.actions.push(action);
        }
    }
    plan.actions.sort_by(|a, b| a.place().cmp(&b.place()));
    let mut prunes: Vec<Action> = inputs
        .live
        .iter()
        .filter(|(key, _)| inputs.desired.get(key).is_none())
        .filter(|(key, live)| live.owner(key).as_ref() == Some(inputs.owner))
        .map(|(key, live)| prune::action(inputs, key, live, &mut plan.warnings))
        .collect();
    prunes.sort_by(|a, b| b.place().cmp(&a.place()));
    let created = plan.count(ActionKind::Create);
    let held = hold::hold(inputs, created, &mut prunes);
    (plan.hold, plan.hash, plan.held) = (held.because, held.hash, held.objects);
    plan.actions.extend(prunes);
    plan
}

/// How long to wait before an object is repaired again: doubled with each round, so that two
/// controllers do not fight hot.
pub fn repair_delay(
    rounds: u32,
    first: std::time::Duration,
    most: std::time::Duration,
) -> std::time::Duration {
    if rounds == 0 {
        return std::time::Duration::ZERO;
    }
    first.saturating_mul(1 << (rounds - 1).min(16)).min(most)
}

#[cfg(test)]
mod tests;
