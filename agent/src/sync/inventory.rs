//! The inventory of an application: which live objects are its own, and where to look for them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use serde_json::json;
use syncline_cluster::kinds::Kind;
use syncline_cluster::watch::{Area, Ensured, WatchKey, watched_in_full};
use syncline_cluster::{Account, Live, Resource};
use syncline_core::application::Application;
use syncline_core::health::ObjectHealth;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{Failure, ObjectOutcome};
use syncline_core::plan::{self, Plan};
use syncline_core::reason::Reason;

use super::{Start, Stopped};
use crate::agent::Agent;
use crate::state::Rendered;

/// What was read of the cluster.
pub(super) struct Inventory {
    /// Objects with our label, and desired ones that exist without it.
    pub(super) objects: BTreeMap<ObjectKey, plan::Live>,
    /// The kinds of all of them.
    pub(super) resources: BTreeMap<String, Resource>,
    /// Health of what no watch has shown yet.
    pub(super) health: BTreeMap<ObjectKey, ObjectHealth>,
    /// Kinds and namespaces that could not be read; nothing of theirs is pruned.
    pub(super) unread: Vec<Failure>,
}

/// What the plan needs of a live object.
pub(crate) fn reduced(live: &Live) -> plan::Live {
    plan::Live {
        uid: live.uid.clone(),
        resource_version: live.resource_version.clone(),
        annotations: live.annotations.clone(),
        managed_fields: live.managed_fields.clone(),
        controller: live
            .controller()
            .map(|owner| format!("{} {}", owner.kind, owner.name)),
        deleting: live.deleted.is_some(),
    }
}

/// Lists what carries our label, in the kinds and namespaces that the Application names or the
/// desired set has, and looks up desired objects that are not among it.
pub(super) async fn read(
    agent: &Agent,
    start: &Start,
    account: &Account,
    rendered: &Rendered,
) -> Result<Inventory, Stopped> {
    let mut inventory = Inventory {
        objects: BTreeMap::new(),
        resources: BTreeMap::new(),
        health: BTreeMap::new(),
        unread: Vec::new(),
    };
    let (groups, namespaces) = wanted(start, rendered);
    for group_kind in &groups {
        let (kind, group) = group_kind.split_once('.').unwrap_or((group_kind, ""));
        match agent.cluster.discovery().preferred(group, kind).await {
            Ok(resource) => {
                inventory.resources.insert(group_kind.clone(), resource);
            }
            // Not served: nothing of it can be live. Desired objects of it fail one by one.
            Err(syncline_cluster::Error::UnknownKind { .. }) => {}
            Err(error) => inventory.unread.push(Failure {
                reason: error.reason(),
                detail: format!("{group_kind}: {error}"),
            }),
        }
    }
    let mut lists = Vec::new();
    for resource in inventory.resources.values().filter(|r| r.supports("list")) {
        if resource.scope == syncline_cluster::discovery::Scope::Cluster {
            lists.push((resource.clone(), None));
        } else {
            lists.extend(
                namespaces
                    .iter()
                    .map(|ns| (resource.clone(), Some(ns.clone()))),
            );
        }
    }
    let selector = format!("{}={}", names::LABEL_MANAGED, start.owner.instance);
    let unseen = unseen(agent, start, rendered);
    let found: Vec<_> = stream::iter(lists)
        .map(|(resource, namespace)| {
            let selector = selector.clone();
            let group_kind = resource.key(None, "").group_kind();
            let in_full = unseen.contains(&group_kind) && watched_in_full(&resource);
            async move {
                let area = namespace.as_deref();
                let list = if in_full {
                    account.list(&resource, area, &selector).await
                } else {
                    account.list_metadata(&resource, area, &selector).await
                };
                (resource, namespace, list)
            }
        })
        .buffered(agent.settings.apply_concurrency)
        .collect()
        .await;
    for (resource, namespace, list) in found {
        match list {
            Ok(list) => {
                for live in list {
                    let health = crate::health::observe(live.object.as_ref());
                    inventory.health.insert(live.key.clone(), health);
                    inventory.objects.insert(live.key.clone(), reduced(&live));
                }
            }
            Err(error) if error.reason() == Reason::ApiUnavailable => {
                return Err(Stopped::cluster("list the live objects", &error));
            }
            Err(error) => inventory.unread.push(Failure {
                reason: error.reason(),
                detail: format!(
                    "{} in {}: {error}",
                    resource.kind,
                    namespace.as_deref().unwrap_or("the cluster")
                ),
            }),
        }
    }
    for failure in &inventory.unread {
        tracing::warn!(reason = %failure.reason, detail = failure.detail, "a part of the inventory cannot be read");
    }
    look_up_desired(agent, account, rendered, &mut inventory).await?;
    Ok(inventory)
}

/// Kinds of desired objects that no watch has shown yet, as after a start.
fn unseen(agent: &Agent, start: &Start, rendered: &Rendered) -> BTreeSet<String> {
    let state = agent.state.lock();
    let Some(entry) = state.applications.get(&start.application.name) else {
        return BTreeSet::new();
    };
    rendered
        .set
        .iter()
        .filter(|manifest| !entry.observed.contains_key(&manifest.key))
        .map(|manifest| manifest.key.group_kind())
        .collect()
}

/// Ends the watches of kinds and namespaces in which no application has an object any more.
pub(crate) fn end_idle_watches(agent: &Agent) {
    let wanted: HashSet<WatchKey> = {
        let state = agent.state.lock();
        let keys = state.claims.keys();
        keys.map(|key| WatchKey {
            group: key.group.clone(),
            kind: key.kind.clone(),
            area: key.namespace.clone().map_or(Area::Cluster, Area::Namespace),
        })
        .collect()
    };
    agent.watches.retain(&wanted);
    agent.metrics.watches.set(agent.watches.len() as i64);
}

/// Reads desired objects that the lists did not show: they may exist without our label.
async fn look_up_desired(
    agent: &Agent,
    account: &Account,
    rendered: &Rendered,
    inventory: &mut Inventory,
) -> Result<(), Stopped> {
    let absent: Vec<(Resource, ObjectKey)> = rendered
        .set
        .iter()
        .filter(|manifest| !inventory.objects.contains_key(&manifest.key))
        .filter_map(|manifest| {
            let resource = inventory.resources.get(&manifest.key.group_kind())?;
            Some((resource.clone(), manifest.key.clone()))
        })
        .collect();
    let found: Vec<_> = stream::iter(absent)
        .map(|(resource, key)| async move { (account.get(&resource, &key).await, key) })
        .buffered(agent.settings.apply_concurrency)
        .collect()
        .await;
    for (live, key) in found {
        match live {
            Ok(Some(live)) => {
                inventory.objects.insert(key, reduced(&live));
            }
            Ok(None) => {}
            Err(error) if error.reason() == Reason::ApiUnavailable => {
                return Err(Stopped::cluster("read a live object", &error));
            }
            // The apply says the same of this one object.
            Err(_) => {}
        }
    }
    Ok(())
}

/// Kinds and namespaces: those that the Application lists and those of the desired set.
fn wanted(start: &Start, rendered: &Rendered) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut groups, mut namespaces) = (start.groups.clone(), start.namespaces.clone());
    namespaces.insert(start.application.namespace.clone());
    for manifest in &rendered.set {
        groups.insert(manifest.key.group_kind());
        namespaces.extend(manifest.key.namespace.clone());
    }
    (groups, namespaces)
}

/// Writes the kinds and namespaces on the Application, before the first object is written, so that
/// a later agent finds all that this one may leave behind (inv_i10).
pub(super) async fn widen(
    agent: &Agent,
    start: &Start,
    rendered: &Rendered,
) -> Result<(), Stopped> {
    let (groups, namespaces) = wanted(start, rendered);
    write_lists(agent, start, &groups, &namespaces)
        .await
        .map_err(|error| Stopped::cluster("note the inventory on the Application", &error))
}

/// Takes kinds and namespaces off the Application that hold nothing of it any more.
pub(super) async fn narrow(
    agent: &Agent,
    start: &Start,
    rendered: &Rendered,
    inventory: &Inventory,
    plan: &Plan,
    pruned: &[ObjectOutcome],
) {
    if !inventory.unread.is_empty() {
        return;
    }
    let (mut groups, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
    namespaces.insert(start.application.namespace.clone());
    let gone: BTreeSet<_> = pruned
        .iter()
        .filter(|o| o.error.is_none() && o.note.is_empty())
        .map(|o| &o.key)
        .collect();
    let kept = plan
        .actions
        .iter()
        .map(|action| &action.key)
        .filter(|key| !gone.contains(key));
    for key in kept.chain(rendered.set.iter().map(|manifest| &manifest.key)) {
        groups.insert(key.group_kind());
        namespaces.extend(key.namespace.clone());
    }
    if let Err(error) = write_lists(agent, start, &groups, &namespaces).await {
        // A list that is too wide costs a few reads and nothing else.
        tracing::warn!(%error, "the inventory list could not be narrowed");
    }
}

async fn write_lists(
    agent: &Agent,
    start: &Start,
    groups: &BTreeSet<String>,
    namespaces: &BTreeSet<String>,
) -> Result<(), syncline_cluster::Error> {
    let join =
        |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let (groups, namespaces) = (join(groups), join(namespaces));
    let name = &start.application.name;
    let (same, has_finalizer) = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return Ok(());
        };
        let is = |annotation: &str, value: &str| {
            entry.annotations.get(annotation).map(String::as_str) == Some(value)
        };
        let same = is(names::ANNOTATION_CONTAINS, &groups)
            && is(names::ANNOTATION_NAMESPACES, &namespaces);
        (same, entry.has_finalizer)
    };
    if same && has_finalizer {
        return Ok(());
    }
    let annotations = json!({
        names::ANNOTATION_CONTAINS: groups,
        names::ANNOTATION_NAMESPACES: namespaces,
    });
    agent
        .cluster
        .agent()
        .mark(Kind::Application, name, annotations, names::FINALIZER)
        .await?;
    let mut state = agent.state.lock();
    if let Some(entry) = state.applications.get_mut(name) {
        entry
            .annotations
            .insert(names::ANNOTATION_CONTAINS.to_owned(), groups);
        entry
            .annotations
            .insert(names::ANNOTATION_NAMESPACES.to_owned(), namespaces);
        entry.has_finalizer = true;
    }
    Ok(())
}

/// Makes sure that changes of all desired objects are seen.
pub(crate) async fn watch_inventory(
    agent: &Arc<Agent>,
    application: Application,
    rendered: &Rendered,
) {
    let Ok(account) = super::account_of(agent, &application).await else {
        return;
    };
    let mut wanted = BTreeSet::new();
    for manifest in &rendered.set {
        wanted.insert((manifest.key.group_kind(), manifest.key.namespace.clone()));
    }
    for (group_kind, namespace) in wanted {
        let (kind, group) = group_kind.split_once('.').unwrap_or((&group_kind, ""));
        let Ok(resource) = agent.cluster.discovery().preferred(group, kind).await else {
            continue;
        };
        let area = match namespace {
            Some(namespace) => Area::Namespace(namespace),
            None => Area::Cluster,
        };
        if agent.watches.ensure(&account, &resource, area) == Ensured::OverBudget {
            tracing::warn!(kind = resource.kind, "the budget of watches is used up");
        }
    }
    agent.metrics.watches.set(agent.watches.len() as i64);
}
