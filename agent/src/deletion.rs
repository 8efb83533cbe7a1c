//! The end of an Application: its objects go by the same proofs as a prune, or stay and are listed.

mod hooks;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_cluster::kinds::Kind;
use syncline_cluster::{Account, Deleted, Resource};
use syncline_core::application::{Application, DeletionPolicy};
use syncline_core::directives::{self, Propagation};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::owner::Owner;
use syncline_core::plan::{is_kept_on_deletion, stage};
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;

use crate::agent::Agent;
use crate::jitter::later;
use crate::live::reduced;
use crate::state::State;
use crate::sync::{Extent, Look, account_of, delete_with_proof, heir, look};
use crate::{dependencies, failpoint, report};

/// What stands between the deletion and its end.
struct Unfinished {
    what: String,
    /// Since when the deletion has been at it; since it was asked for where that is not known.
    since: Option<Timestamp>,
    /// How much longer than everything else it may take.
    patience: Duration,
}

impl Unfinished {
    fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            since: None,
            patience: Duration::ZERO,
        }
    }
}

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
    if let Err(frozen) = agent.freeze.check() {
        // Its end asks again.
        if let Some(entry) = agent.state.lock().applications.get_mut(name) {
            let detail = format!("the deletion waits; {}", frozen.detail);
            entry.statement.say(frozen.reason, detail, now);
        }
        report::application(agent, name).await;
        return;
    }
    let result = match &spec {
        Ok(spec) if spec.deletion == DeletionPolicy::Prune => remove_objects(agent, spec).await,
        // What cannot be read says nothing about the objects: they stay.
        Ok(_) | Err(_) => Ok(()),
    };
    if let Err(unfinished) = result {
        let what = unfinished.what;
        let since = unfinished.since.unwrap_or(since);
        let since = agent.freeze.possible_since(since);
        let waited = now.duration_since(since).unsigned_abs();
        if waited < agent.settings.deletion_timeout + unfinished.patience {
            {
                let mut state = agent.state.lock();
                let needed = dependencies::still_needed(&state, name);
                let what = needed.map_or(what.clone(), |needed| format!("{what}; {needed}"));
                if let Some(entry) = state.applications.get_mut(name) {
                    entry.statement.say(Reason::Deleting, what, now);
                }
            }
            report::application(agent, name).await;
            let settings = &agent.settings;
            let delay = later(settings.retry_first, settings.retry_jitter, name);
            let due = agent.clock.monotonic() + delay;
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
    let _ = failpoint::reached("finalizer.before_remove").await;
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
///
/// Before that, the other applications of its repository are rendered, and those that want an
/// object and may have it take it over.
async fn remove_objects(agent: &Arc<Agent>, spec: &Application) -> Result<(), Unfinished> {
    wait_for_others(agent, spec)?;
    let name = &spec.name;
    let account: Account = account_of(agent, spec)
        .await
        .map_err(|error| Unfinished::new(error.to_string()))?;
    let owner = Owner {
        instance: agent.instance.id().to_owned(),
        application: name.clone(),
    };
    let mut hooks = hooks::Hooks::of(agent, spec, &owner, &account).await?;
    let phase = hooks.before().await?;
    if phase == hooks::Phase::Objects {
        let removed = remove_owned(agent, spec, &owner, &account).await;
        removed.map_err(|unfinished| Unfinished {
            since: hooks.since(),
            ..unfinished
        })?;
    }
    hooks.after(phase).await
}

/// Before anything goes, those are rendered that may take it over.
fn wait_for_others(agent: &Agent, spec: &Application) -> Result<(), Unfinished> {
    let name = &spec.name;
    let others = {
        let state = agent.state.lock();
        let repository = Name::new(&name.namespace, &spec.repository);
        let repository = state.repositories.get(&repository);
        let others = repository.into_iter().flat_map(|r| r.unrendered.keys());
        let unread = repository.is_some_and(|r| r.head.is_none());
        let all = state.applications_of(&Name::new(&name.namespace, &spec.repository));
        // Before the first look at the repository nothing is known of what they want.
        let unknown = all.iter().filter(|name| unread && is_unknown(&state, name));
        let others: BTreeSet<_> = others.chain(unknown).filter(|n| *n != name).collect();
        others.into_iter().map(Name::to_string).collect::<Vec<_>>()
    };
    if others.is_empty() {
        return Ok(());
    }
    Err(Unfinished::new(format!(
        "it waits until these applications are rendered, which may take objects over: {}",
        others.join(", ")
    )))
}

/// Deletes everything that is the application's in the cluster, objects of its hooks as well.
async fn remove_owned(
    agent: &Arc<Agent>,
    spec: &Application,
    owner: &Owner,
    account: &Account,
) -> Result<(), Unfinished> {
    let name = &spec.name;
    let unfinished = |error: &dyn std::fmt::Display| Unfinished::new(error.to_string());
    let extent = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return Ok(());
        };
        let mut extent = Extent {
            kinds: entry.listed(names::ANNOTATION_CONTAINS),
            namespaces: entry.listed(names::ANNOTATION_NAMESPACES),
        };
        extent.namespaces.insert(spec.namespace.clone());
        extent
    };
    let known = look(agent, name, account, &extent, Look::Full)
        .await
        .map_err(|stopped| unfinished(&stopped.summary().detail))?;
    if let Some(failure) = known.unread.first() {
        return Err(Unfinished::new(failure.detail.clone()));
    }
    let mut waiting = Vec::new();
    let mut kept = Vec::new();
    let mut found: Vec<(i32, Resource, ObjectKey, Propagation)> = Vec::new();
    for (key, heir) in owned(agent, name) {
        if let Some(heir) = heir {
            waiting.push(format!("{key} passes to application {heir}"));
            continue;
        }
        let Some(resource) = known.resources.get(&key.group_kind()) else {
            continue;
        };
        let live = account.get_metadata(resource, &key).await;
        let Some(live) = live.map_err(|error| unfinished(&error))? else {
            continue;
        };
        let seen = reduced(&live);
        if seen.owner(&key).as_ref() != Some(owner) || seen.controller.is_some() {
            continue;
        }
        if is_kept_on_deletion(&key, &seen, &agent.settings.namespace) {
            kept.push(key.to_string());
        } else {
            let said = directives::read(&seen.annotations, &seen.labels);
            found.push((said.wave, resource.clone(), key, said.propagation));
        }
    }
    // In the reverse of the order in which they came: a wave only after the one above is gone.
    found.sort_by_key(|(wave, _, key, _)| std::cmp::Reverse((*wave, stage(key), key.clone())));
    let mut above = None;
    for (wave, resource, key, propagation) in found {
        if above.is_some_and(|above| above != wave) && !waiting.is_empty() {
            waiting.push(format!("{key} of wave {wave} goes after that"));
            break;
        }
        above = Some(wave);
        let frozen = agent.freeze.check();
        frozen.map_err(|frozen| Unfinished::new(frozen.detail))?;
        let deleted = delete_with_proof(account, &resource, &key, owner, None, propagation);
        match deleted.await {
            Ok(Deleted::Gone) => {
                agent.state.lock().gone(&key);
            }
            Ok(Deleted::Started) => waiting.push(format!("{key} is being deleted")),
            Err(failure) => waiting.push(failure.detail),
        }
    }
    if !waiting.is_empty() {
        return Err(Unfinished::new(waiting.join("; ")));
    }
    if !kept.is_empty() {
        let what = format!("these objects stay: {}", kept.join(", "));
        tracing::info!(detail = what, "objects stay");
        report::event(agent, name, Reason::Orphaned, &what).await;
    }
    Ok(())
}

/// Whether nobody knows yet what an application wants.
fn is_unknown(state: &State, name: &Name) -> bool {
    let entry = state.applications.get(name);
    entry.is_some_and(|entry| entry.kept.is_none() && entry.deleting.is_none())
}

/// The live objects of an application; with each the application that takes it over, if one does.
fn owned(agent: &Agent, name: &Name) -> Vec<(ObjectKey, Option<Name>)> {
    let state = agent.state.lock();
    let Some(entry) = state.applications.get(name) else {
        return Vec::new();
    };
    let mut all: Vec<_> = Vec::new();
    let keys = entry.objects.keys().chain(&entry.left);
    for key in keys.chain(&entry.hooks) {
        let owner = state.live.seen(key).and_then(|seen| seen.owner.as_ref());
        if owner == Some(name) {
            all.push((key.clone(), heir(&state, name, key)));
        }
    }
    all
}
