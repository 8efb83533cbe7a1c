//! What a sync does to each object: from the desired set and the live objects to a list of actions.
//!
//! The safety rules of deletion live here, each as a named test: nothing is pruned on a guess.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::application::SyncPolicy;
use crate::manifest::{Manifest, ManifestSet};
use crate::names;
use crate::object::{ObjectKey, Origin};
use crate::outcome::{ActionKind, Failure};
use crate::owner::{Owner, applied_hash, public_hash};
use crate::ownership;
use crate::reason::Reason;
use crate::record::Drift;

/// What is known of a live object: its metadata, never its content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Live {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
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
}

/// What a person approved for one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// A commit between the last applied and this one carries `Syncline-Prune: <application>`.
    pub in_git: bool,
    /// The value of the annotation `syncline.dev/approve`.
    pub plan_hash: Option<String>,
}

/// All that a plan is made of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The complete desired set.
    pub desired: &'a ManifestSet,
    /// Every live object that is desired or carries our label, in the kinds and namespaces read.
    pub live: &'a BTreeMap<ObjectKey, Live>,
    /// Who we are.
    pub owner: &'a Owner,
    /// Key of the `applied` hash.
    pub key: &'a [u8],
    /// What a sync of this application may do.
    pub policy: &'a SyncPolicy,
    /// What a person approved.
    pub approval: &'a Approval,
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
    /// The order: all of a stage is done before the next begins.
    pub stage: u8,
    /// Fields that others took away and that this action puts back.
    pub lost: Vec<String>,
    /// uid and resourceVersion that a prune insists on.
    #[serde(skip)]
    pub proof: Option<(String, String)>,
}

/// The actions of a sync, ordered by stage and key; prunes last, in reverse order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// One per object.
    pub actions: Vec<Action>,
    /// Why objects that left Git are kept until a person approves; `None` where nothing is held.
    pub hold: Option<Failure>,
    /// What an approval is bound to: changes with every object that waits for it.
    pub hash: String,
    /// What had been changed by others.
    pub drift: Vec<Drift>,
}

impl Plan {
    /// How many actions there are of a kind.
    pub fn count(&self, kind: ActionKind) -> usize {
        self.actions
            .iter()
            .filter(|action| action.kind == kind)
            .count()
    }
}

/// More than this many objects must go before their share of the application is a reason to ask.
const SHRINK_AT_LEAST: usize = 5;

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
    let mut drift = Vec::new();
    let mut actions: Vec<Action> = inputs
        .desired
        .iter()
        .map(|manifest| desired_action(inputs, manifest, &mut drift))
        .collect();
    actions.sort_by(|a, b| a.stage.cmp(&b.stage).then_with(|| a.key.cmp(&b.key)));

    let mut prunes: Vec<Action> = inputs
        .live
        .iter()
        .filter(|(key, _)| inputs.desired.get(key).is_none())
        .filter(|(key, live)| live.owner(key).as_ref() == Some(inputs.owner))
        .map(|(key, live)| prune_action(inputs, key, live))
        .collect();
    prunes.sort_by(|a, b| b.stage.cmp(&a.stage).then_with(|| b.key.cmp(&a.key)));

    let (hold, hash) = hold(inputs, &mut prunes);
    actions.extend(prunes);
    Plan {
        actions,
        hold,
        hash,
        drift,
    }
}

fn desired_action(inputs: &Inputs<'_>, manifest: &Manifest, drift: &mut Vec<Drift>) -> Action {
    let key = &manifest.key;
    let action = |kind, because, lost| Action {
        key: key.clone(),
        kind,
        origin: Some(manifest.origin.clone()),
        because,
        stage: stage(key),
        lost,
        proof: None,
    };
    let Some(live) = inputs.live.get(key) else {
        return action(ActionKind::Create, None, Vec::new());
    };
    match live.owner(key) {
        Some(owner) if owner == *inputs.owner => {}
        Some(owner) => {
            let by = if owner.instance == inputs.owner.instance {
                format!("application {}", owner.application)
            } else {
                format!(
                    "another Syncline ({}, application {})",
                    owner.instance, owner.application
                )
            };
            let detail = format!("{key} belongs to {by}");
            let because = Failure {
                reason: Reason::OwnedBy,
                detail,
            };
            return action(ActionKind::Skip, Some(because), Vec::new());
        }
        // Nobody's: it is taken over.
        None => return action(ActionKind::Update, None, Vec::new()),
    }
    let wire = manifest.body.to_wire();
    let manager = names::field_manager(&inputs.owner.instance);
    let entry = ownership::applied_entry(&live.managed_fields, &manager).unwrap_or(&Value::Null);
    let lost = ownership::lost(&wire, entry);
    let applied = live.annotations.get(names::ANNOTATION_APPLIED);
    let changed = applied.is_none_or(|hash| *hash != applied_hash(inputs.key, &wire));
    if !lost.is_empty() {
        if !changed && !inputs.policy.self_heal {
            let because = Failure {
                reason: Reason::DriftFound,
                detail: format!("{key}: {}", lost.join(", ")),
            };
            return action(ActionKind::Unchanged, Some(because), Vec::new());
        }
        // A field that is new in Git is lost as well; only an unchanged object has drifted.
        if !changed {
            let who = ownership::holders(&wire, &live.managed_fields, &manager, &lost);
            drift.push(Drift {
                object: key.to_string(),
                fields: lost.clone(),
                manager: who
                    .iter()
                    .map(|h| h.manager.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                time: who.iter().find_map(|h| h.time),
            });
        }
        return action(ActionKind::Update, None, lost);
    }
    let kind = if changed {
        ActionKind::Update
    } else {
        ActionKind::Unchanged
    };
    action(kind, None, Vec::new())
}

fn prune_action(inputs: &Inputs<'_>, key: &ObjectKey, live: &Live) -> Action {
    let because = |reason, detail: String| Some(Failure { reason, detail });
    let policy = live
        .annotations
        .get(names::ANNOTATION_PRUNE)
        .map(String::as_str);
    let keep = live
        .annotations
        .get("helm.sh/resource-policy")
        .map(String::as_str)
        == Some("keep");
    let why = if !inputs.policy.prune {
        because(
            Reason::Synced,
            format!("{key} left Git and stays: `spec.sync.prune` is false"),
        )
    } else if policy == Some("never") || keep {
        because(
            Reason::Synced,
            format!("{key} left Git and stays, as its annotation says"),
        )
    } else if is_protected(key, inputs.agent_namespace) {
        because(Reason::Protected, format!("{key} is never pruned"))
    } else if let Some(controller) = &live.controller {
        because(
            Reason::OwnedBy,
            format!("{key} was adopted by {controller}"),
        )
    } else {
        None
    };
    Action {
        key: key.clone(),
        kind: if why.is_some() {
            ActionKind::Skip
        } else {
            ActionKind::Prune
        },
        origin: None,
        because: why,
        stage: stage(key),
        lost: Vec::new(),
        proof: Some((live.uid.clone(), live.resource_version.clone())),
    }
}

/// The agent's own namespace and kinds and the namespaces of Kubernetes itself (inv_i07).
fn is_protected(key: &ObjectKey, agent_namespace: &str) -> bool {
    if key.namespace.as_deref() == Some(agent_namespace) {
        return true;
    }
    match (key.group.as_str(), key.kind.as_str()) {
        ("", "Namespace") => {
            key.name == "default" || key.name.starts_with("kube-") || key.name == agent_namespace
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            key.name.ends_with(&format!(".{}", names::GROUP))
        }
        _ => false,
    }
}

/// Kinds whose removal is never done without a person: they hold data, or other objects.
fn is_precious(key: &ObjectKey) -> bool {
    matches!(
        (key.group.as_str(), key.kind.as_str()),
        (
            "",
            "PersistentVolumeClaim" | "PersistentVolume" | "Namespace"
        ) | ("apps", "StatefulSet")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
            | (names::GROUP, "Application")
    )
}

/// Whether an object stays when its Application is deleted: what holds data or other objects does,
/// unless it carries `syncline.dev/prune: always`; what is never pruned does as well.
pub fn is_kept_on_deletion(key: &ObjectKey, live: &Live, agent_namespace: &str) -> bool {
    let policy = live
        .annotations
        .get(names::ANNOTATION_PRUNE)
        .map(String::as_str);
    let holds_data = is_precious(key) && key.kind != "StatefulSet" && key.group != names::GROUP;
    is_protected(key, agent_namespace)
        || policy == Some("never")
        || (holds_data && policy != Some("always"))
}

fn prune_hash<'a>(prunes: impl Iterator<Item = &'a Action>) -> String {
    let names: BTreeSet<String> = prunes
        .map(|action| {
            let uid = action
                .proof
                .as_ref()
                .map(|(uid, _)| uid.as_str())
                .unwrap_or_default();
            format!("{} {uid}", action.key)
        })
        .collect();
    public_hash(&Value::from_iter(names))[..16].to_owned()
}

/// Whether a prune is one that a person may be asked about: not what its own annotation approves,
/// nor what is on its way out already.
fn may_wait(inputs: &Inputs<'_>, action: &Action) -> bool {
    action.kind == ActionKind::Prune
        && inputs.live.get(&action.key).is_some_and(|live| {
            let policy = live.annotations.get(names::ANNOTATION_PRUNE);
            !live.deleting && policy.map(String::as_str) != Some("always")
        })
}

/// Turns prunes that need a person into skips, unless they are approved (inv_i08, inv_i09). Answers
/// also with the hash that the approval is bound to: of the objects that wait and no others, so
/// that it stays while those that do not wait go.
fn hold(inputs: &Inputs<'_>, prunes: &mut [Action]) -> (Option<Failure>, String) {
    let going = prunes.iter().filter(|a| may_wait(inputs, a)).count();
    let owned = inputs
        .live
        .iter()
        .filter(|(k, live)| live.owner(k).as_ref() == Some(inputs.owner))
        .count();
    let new = inputs
        .desired
        .iter()
        .filter(|m| !inputs.live.contains_key(&m.key))
        .count();
    let net = going.saturating_sub(new);
    let shrinks = inputs.desired.is_empty() || (net > SHRINK_AT_LEAST && net * 2 > owned);
    let waits = |action: &Action| may_wait(inputs, action) && (shrinks || is_precious(&action.key));
    let hash = prune_hash(prunes.iter().filter(|action| waits(action)));
    let approval = inputs.approval;
    if approval.in_git || approval.plan_hash.as_deref() == Some(hash.as_str()) {
        return (None, hash);
    }
    let mut held = 0;
    for action in prunes.iter_mut().filter(|action| waits(action)) {
        held += 1;
        action.kind = ActionKind::Skip;
        action.because = Some(Failure {
            reason: Reason::PruneHeld,
            detail: format!(
                "{} left Git and waits for approval of plan {hash}",
                action.key
            ),
        });
    }
    let first = prunes.iter().find(|a| {
        a.because
            .as_ref()
            .is_some_and(|b| b.reason == Reason::PruneHeld)
    });
    let Some(first) = first else {
        return (None, hash);
    };
    let detail = if inputs.desired.is_empty() {
        format!(
            "the path holds no manifest any more; all {held} objects stay until plan {hash} is approved"
        )
    } else if shrinks {
        format!("{net} of {owned} objects would go; {held} stay until plan {hash} is approved")
    } else {
        format!(
            "{held} stay until plan {hash} is approved, among them {}",
            first.key
        )
    };
    let reason = if inputs.desired.is_empty() {
        Reason::EmptyPath
    } else {
        Reason::PruneHeld
    };
    (Some(Failure { reason, detail }), hash)
}

/// Whether an event on a live object means drift of what was applied. `desired` is the wire form.
///
/// Fast: the owner record, the `applied` hash and the field set of our entry are looked at.
pub fn has_drifted(desired: &Value, applied: &str, live: &Live, manager: &str) -> Vec<String> {
    let entry = ownership::applied_entry(&live.managed_fields, manager).unwrap_or(&Value::Null);
    let mut lost = ownership::lost(desired, entry);
    if lost.is_empty()
        && live
            .annotations
            .get(names::ANNOTATION_APPLIED)
            .map(String::as_str)
            != Some(applied)
    {
        lost.push(format!(
            "metadata.annotations.{}",
            names::ANNOTATION_APPLIED
        ));
    }
    lost
}

/// The time after which a drift of the same object counts as a new one, and how long to wait
/// before it is repaired again: doubled with each round, so that two controllers do not fight hot.
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
#[path = "plan/tests.rs"]
mod tests;
