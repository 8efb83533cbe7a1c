//! The writes of a plan: applies stage by stage, prunes with proof, one outcome per object.

use futures::{StreamExt as _, stream};
use syncline_cluster::{Account, ApplyMode, Deleted, Resource};

use syncline_core::manifest::Manifest;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::owner::Owner;
use syncline_core::plan::{Action, Plan};
use syncline_core::reason::Reason;

use super::Start;
use super::inventory::{Inventory, reduced};
use crate::agent::Agent;
use crate::state::Rendered;

/// Applies what is to be created and updated, a stage after the other; all errors are collected.
pub(super) async fn apply(
    agent: &Agent,
    start: &Start,
    account: &Account,
    rendered: &Rendered,
    plan: &Plan,
) -> Vec<ObjectOutcome> {
    let writes: Vec<&Action> = plan
        .actions
        .iter()
        .filter(|action| matches!(action.kind, ActionKind::Create | ActionKind::Update))
        .collect();
    if start.application.create_namespace && !writes.is_empty() {
        // A namespace that is missing and cannot be made shows in every object of it.
        if let Err(error) = account.ensure_namespace(&start.application.namespace).await {
            tracing::warn!(%error, "the namespace could not be created");
        }
    }
    let mut outcomes = Vec::with_capacity(writes.len());
    for stage in writes.chunk_by(|a, b| a.stage == b.stage) {
        let applies: Vec<_> = stage
            .iter()
            .map(|action| apply_one(agent, start, account, rendered, action))
            .collect();
        let done: Vec<ObjectOutcome> = stream::iter(applies)
            .buffered(agent.settings.apply_concurrency)
            .collect()
            .await;
        let defined = done.iter().any(|outcome| {
            outcome.error.is_none() && outcome.key.kind == "CustomResourceDefinition"
        });
        if defined {
            agent.cluster.discovery().invalidate().await;
        }
        outcomes.extend(done);
    }
    outcomes
}

async fn apply_one(
    agent: &Agent,
    start: &Start,
    account: &Account,
    rendered: &Rendered,
    action: &Action,
) -> ObjectOutcome {
    let note = match action.lost.as_slice() {
        [] => String::new(),
        lost if action.kind == ActionKind::Update => format!("put back {}", lost.join(", ")),
        _ => String::new(),
    };
    let error = match rendered.set.get(&action.key) {
        Some(manifest) => write(agent, start, account, rendered, manifest).await.err(),
        None => Some(Failure {
            reason: Reason::Internal,
            detail: action.key.to_string(),
        }),
    };
    ObjectOutcome {
        key: action.key.clone(),
        origin: action.origin.clone(),
        action: action.kind,
        note: if error.is_none() { note } else { String::new() },
        error,
    }
}

async fn write(
    agent: &Agent,
    start: &Start,
    account: &Account,
    rendered: &Rendered,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let key = &manifest.key;
    let failure = |error: &syncline_cluster::Error| Failure {
        reason: error.reason(),
        detail: format!("{}: {key}: {error}", manifest.origin),
    };
    let resource = resource(agent, rendered, key)
        .await
        .map_err(|error| failure(&error))?;
    let mut wire = manifest.body.to_wire();
    if let Some(applied) = rendered.applied.get(key) {
        wire["metadata"]["annotations"][names::ANNOTATION_APPLIED] = applied.as_str().into();
    }
    let manager = names::field_manager(&start.owner.instance);
    let live = account
        .apply(&resource, key, &wire, &manager, ApplyMode::Force, None)
        .await
        .map_err(|error| failure(&error))?;
    let mut state = agent.state.lock();
    if let Some(entry) = state.applications.get_mut(&start.application.name) {
        let health = crate::health::observe(live.object.as_ref());
        entry.observed.insert(key.clone(), health);
        entry
            .written
            .insert(key.clone(), live.resource_version.clone());
    }
    Ok(())
}

/// The kind of an object. One whose CRD is applied in the same sync is waited for.
async fn resource(
    agent: &Agent,
    rendered: &Rendered,
    key: &ObjectKey,
) -> Result<Resource, syncline_cluster::Error> {
    let discovery = agent.cluster.discovery();
    let defined_here = rendered.set.iter().any(|manifest| {
        let spec = &manifest.body.visible()["spec"];
        manifest.key.kind == "CustomResourceDefinition"
            && spec["group"] == key.group.as_str()
            && spec["names"]["kind"] == key.kind.as_str()
    });
    if defined_here {
        let patience = agent.settings.crd_timeout;
        return discovery
            .wait_for(&key.group, &key.version, &key.kind, patience)
            .await;
    }
    discovery.resolve(&key.group, &key.version, &key.kind).await
}

/// Deletes what left Git, each with a live proof, one after the other in the plan's order. What
/// could not be read in whole is not pruned.
pub(super) async fn prune(
    agent: &Agent,
    start: &Start,
    account: &Account,
    inventory: &Inventory,
    plan: &Plan,
) -> Vec<ObjectOutcome> {
    let mut outcomes = Vec::new();
    for action in plan
        .actions
        .iter()
        .filter(|action| action.kind == ActionKind::Prune)
    {
        let resource = inventory.resources.get(&action.key.group_kind());
        let done = match resource {
            Some(resource) => {
                delete_with_proof(
                    account,
                    resource,
                    &action.key,
                    &start.owner,
                    action.proof.as_ref(),
                )
                .await
            }
            None => Err(Failure {
                reason: Reason::PruneFailed,
                detail: format!("{}: its kind is not served at the moment", action.key),
            }),
        };
        let (note, error) = match done {
            Ok(Deleted::Gone) => (String::new(), None),
            Ok(Deleted::Started) => ("being deleted".to_owned(), None),
            Err(failure) => (String::new(), Some(failure)),
        };
        if error.is_none() {
            let mut state = agent.state.lock();
            if let Some(entry) = state.applications.get_mut(&start.application.name) {
                entry.observed.remove(&action.key);
            }
        }
        outcomes.push(ObjectOutcome {
            key: action.key.clone(),
            origin: None,
            action: ActionKind::Prune,
            error,
            note,
        });
    }
    outcomes
}

/// Deletes one object after a live read says that it is still ours and still the same one
/// (inv_i03): the delete carries that uid and version.
pub(crate) async fn delete_with_proof(
    account: &Account,
    resource: &Resource,
    key: &ObjectKey,
    owner: &Owner,
    planned: Option<&(String, String)>,
) -> Result<Deleted, Failure> {
    let failed = |reason: Reason, why: String| Failure {
        reason,
        detail: format!("{key}: {why}"),
    };
    let live = match account.get(resource, key).await {
        Ok(Some(live)) => live,
        Ok(None) => return Ok(Deleted::Gone),
        Err(error) => return Err(failed(error.reason(), error.to_string())),
    };
    if planned.is_some_and(|(uid, _)| *uid != live.uid) {
        return Err(failed(
            Reason::Conflict,
            "another object has taken its name".to_owned(),
        ));
    }
    let now = reduced(&live);
    if now.owner(key).as_ref() != Some(owner) || now.controller.is_some() {
        return Err(failed(
            Reason::OwnedBy,
            "it no longer belongs to this application".to_owned(),
        ));
    }
    if now.deleting {
        return Ok(Deleted::Started);
    }
    account
        .delete(resource, key, &live.uid, &live.resource_version)
        .await
        .map_err(|error| {
            let reason = match error.reason() {
                Reason::ApiUnavailable | Reason::Conflict => Reason::PruneFailed,
                other => other,
            };
            failed(reason, error.to_string())
        })
}

/// The outcomes of what the plan leaves alone for a reason.
pub(super) fn skipped(plan: &Plan) -> Vec<ObjectOutcome> {
    plan.actions
        .iter()
        .filter(|action| action.kind == ActionKind::Skip)
        .map(|action| ObjectOutcome {
            key: action.key.clone(),
            origin: action.origin.clone(),
            action: ActionKind::Skip,
            error: action.because.clone(),
            note: String::new(),
        })
        .collect()
}
