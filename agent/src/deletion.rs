//! The end of an Application: its objects go by the same proofs as a prune, or stay and are listed.

use std::sync::Arc;

use syncline_cluster::kinds::Kind;
use syncline_cluster::{Account, Deleted};
use syncline_core::application::{Application, DeletionPolicy};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::owner::Owner;
use syncline_core::plan::{is_kept_on_deletion, stage};
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;

use crate::agent::Agent;
use crate::report;
use crate::sync::{account_of, delete_with_proof, reduced};

/// What stands between the deletion and its end.
struct Unfinished(String);

/// Goes one step towards the end of a deleted Application; comes back by the queue while objects
/// are still there.
#[tracing::instrument(name = "delete", skip_all, fields(app.name = %name))]
pub(crate) async fn delete(agent: &Arc<Agent>, name: &Name) {
    let (spec, since, has_finalizer) = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return;
        };
        let Some(since) = entry.deleting else { return };
        (entry.spec.clone(), since, entry.has_finalizer)
    };
    if !has_finalizer {
        return;
    }
    let now = agent.clock.now();
    let result = match &spec {
        Ok(spec) if spec.deletion == DeletionPolicy::Prune => remove_objects(agent, spec).await,
        // What cannot be read says nothing about the objects: they stay.
        Ok(_) | Err(_) => Ok(()),
    };
    if let Err(Unfinished(what)) = result {
        let waited = now.duration_since(since).unsigned_abs();
        if waited < agent.settings.deletion_timeout {
            if let Some(entry) = agent.state.lock().applications.get_mut(name) {
                entry.statement.say(Reason::Deleting, what, now);
            }
            report::application(agent, name).await;
            let due = agent.clock.monotonic() + agent.settings.retry_first;
            agent.queue.push(name, Cause::Retry, now, due);
            return;
        }
        // inv_i12: never stuck and never silent.
        tracing::warn!(
            detail = what,
            "the Application goes, its objects are left behind"
        );
        report::event(agent, name, Reason::Orphaned, &what).await;
    }
    match agent
        .cluster
        .agent()
        .release(Kind::Application, name, names::FINALIZER)
        .await
    {
        Ok(()) => tracing::info!("the Application is deleted"),
        Err(error) => {
            tracing::warn!(%error, "the finalizer could not be removed");
            let due = agent.clock.monotonic() + agent.settings.retry_first;
            agent.queue.push(name, Cause::Retry, now, due);
        }
    }
}

/// Deletes what belongs to the application, but for what holds data; later stages first.
async fn remove_objects(agent: &Arc<Agent>, spec: &Application) -> Result<(), Unfinished> {
    let unfinished = |error: &dyn std::fmt::Display| Unfinished(error.to_string());
    let account: Account = account_of(agent, spec)
        .await
        .map_err(|error| unfinished(&error))?;
    let owner = Owner {
        instance: agent.instance.id().to_owned(),
        application: spec.name.clone(),
    };
    let (groups, mut namespaces) = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(&spec.name) else {
            return Ok(());
        };
        let groups = entry.listed(names::ANNOTATION_CONTAINS);
        (groups, entry.listed(names::ANNOTATION_NAMESPACES))
    };
    namespaces.insert(spec.namespace.clone());
    let selector = format!("{}={}", names::LABEL_MANAGED, owner.instance);
    let mut found: Vec<(syncline_cluster::Resource, ObjectKey)> = Vec::new();
    let mut kept = Vec::new();
    for group_kind in &groups {
        let (kind, group) = group_kind.split_once('.').unwrap_or((group_kind, ""));
        let resource = match agent.cluster.discovery().preferred(group, kind).await {
            Ok(resource) => resource,
            Err(syncline_cluster::Error::UnknownKind { .. }) => continue,
            Err(error) => return Err(unfinished(&error)),
        };
        let scopes: Vec<Option<&str>> = match resource.scope {
            syncline_cluster::Scope::Cluster => vec![None],
            syncline_cluster::Scope::Namespaced => namespaces
                .iter()
                .map(|namespace| Some(namespace.as_str()))
                .collect(),
        };
        for namespace in scopes {
            let list = account.list_metadata(&resource, namespace, &selector).await;
            for live in list.map_err(|error| unfinished(&error))? {
                let seen = reduced(&live);
                if seen.owner(&live.key).as_ref() != Some(&owner) || seen.controller.is_some() {
                    continue;
                }
                if is_kept_on_deletion(&live.key, &seen, &agent.settings.namespace) {
                    kept.push(live.key.to_string());
                } else {
                    found.push((resource.clone(), live.key));
                }
            }
        }
    }
    found.sort_by_key(|(_, key)| std::cmp::Reverse((stage(key), key.clone())));
    let mut waiting = Vec::new();
    for (resource, key) in found {
        match delete_with_proof(&account, &resource, &key, &owner, None).await {
            Ok(Deleted::Gone) => {}
            Ok(Deleted::Started) => waiting.push(format!("{key} is being deleted")),
            Err(failure) => waiting.push(failure.detail),
        }
    }
    if !waiting.is_empty() {
        return Err(Unfinished(waiting.join("; ")));
    }
    if !kept.is_empty() {
        let what = format!(
            "these objects stay, because they hold data: {}",
            kept.join(", ")
        );
        tracing::info!(detail = what, "objects stay");
        report::event(agent, &spec.name, Reason::Orphaned, &what).await;
    }
    Ok(())
}
