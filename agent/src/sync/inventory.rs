//! The inventory of an application: in which kinds and namespaces its objects are, and that what is
//! known of them is up to date.
//!
//! A watch that has shown everything once is as good as a list and costs nothing. What is not
//! watched is listed.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use futures::{StreamExt as _, stream};
use serde_json::json;
use syncline_cluster::discovery::Scope;
use syncline_cluster::kinds::Kind;
use syncline_cluster::watch::{Area, Ensured, WatchKey};
use syncline_cluster::{Account, Discovery, Resource};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{Failure, ObjectOutcome};
use syncline_core::plan::Plan;
use syncline_core::reason::Reason;
use syncline_core::record::Name;

use super::{Start, Stopped};
use crate::agent::Agent;
use crate::failpoint;
use crate::health;
use crate::state::Rendered;

/// Kinds and namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Kinds, as `Kind.group`.
    pub(crate) kinds: BTreeSet<String>,
    /// Namespaces.
    pub(crate) namespaces: BTreeSet<String>,
}

impl Extent {
    /// Whether there is a kind that was not served when the cluster was looked at.
    pub(super) fn misses(&self, known: &Known) -> bool {
        let mut kinds = self.kinds.iter();
        kinds.any(|kind| !known.resources.contains_key(kind))
    }

    /// Adds the kind and namespace of an object.
    pub(crate) fn add(&mut self, key: &ObjectKey) {
        let kind = key.group_kind();
        if !self.kinds.contains(&kind) {
            self.kinds.insert(kind);
        }
        if let Some(namespace) = &key.namespace
            && !self.namespaces.contains(namespace)
        {
            self.namespaces.insert(namespace.clone());
        }
    }
}

/// What is known of an extent.
#[derive(Default)]
pub(crate) struct Known {
    /// The kinds that the cluster serves.
    pub(crate) resources: BTreeMap<String, Resource>,
    /// Kinds and namespaces that could not be read; nothing of theirs is pruned.
    pub(crate) unread: Vec<Failure>,
    /// Those of them that the account may not list.
    pub(crate) closed: HashSet<WatchKey>,
}

impl Known {
    /// The kinds of an extent that the cluster serves.
    pub(crate) async fn of(discovery: &Discovery, extent: &Extent) -> Self {
        let mut known = Self::default();
        for kind in &extent.kinds {
            let (short, group) = kind.split_once('.').unwrap_or((kind, ""));
            match discovery.preferred(group, short).await {
                Ok(resource) => {
                    known.resources.insert(kind.clone(), resource);
                }
                // Not served: nothing of it can be live. Desired objects of it fail one by one.
                Err(syncline_cluster::Error::UnknownKind { .. }) => {}
                Err(error) => known.unread.push(Failure {
                    reason: error.reason(),
                    detail: format!("{kind}: {error}"),
                }),
            }
        }
        known
    }

    /// What there is to be listed of an extent.
    pub(crate) fn parts(&self, extent: &Extent) -> Vec<Part> {
        let mut parts = Vec::new();
        for resource in self.resources.values().filter(|r| r.supports("list")) {
            let areas: Vec<Area> = match resource.scope {
                Scope::Cluster => vec![Area::Cluster],
                Scope::Namespaced => {
                    let namespaces = extent.namespaces.iter().cloned();
                    namespaces.map(Area::Namespace).collect()
                }
            };
            parts.extend(areas.into_iter().map(|area| Part {
                resource: resource.clone(),
                area,
                watch: None,
            }));
        }
        parts
    }

    /// Notes that a part could not be read: nothing of it is pruned.
    fn close(&mut self, part: Part, error: &syncline_cluster::Error, down: bool) {
        let key = WatchKey::new(&part.resource, part.area);
        self.unread.push(Failure {
            // A group that is down comes back; a missing right does not by itself.
            reason: if down {
                Reason::ApiUnavailable
            } else {
                Reason::InventoryUnreadable
            },
            detail: format!("{key}: {error}"),
        });
        self.closed.insert(key);
    }

    /// Whether all that is near an object could be read.
    pub(crate) fn covers(&self, key: &ObjectKey) -> bool {
        let area = key.namespace.clone().map_or(Area::Cluster, Area::Namespace);
        !self.closed.contains(&WatchKey {
            group: key.group.clone(),
            kind: key.kind.clone(),
            area,
        })
    }
}

/// Where what is known comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Watches where they are up to date, lists where not.
    Cheap,
    /// Lists of everything.
    Full,
}

/// Part of an extent: one kind in one namespace, or in the cluster.
pub(crate) struct Part {
    resource: Resource,
    area: Area,
    watch: Option<WatchKey>,
}

/// Makes sure that the state knows every live object of an application in an extent.
///
/// Fails where the API server does not answer; what may not be read is in [`Known::unread`].
pub(crate) async fn look(
    agent: &Agent,
    name: &Name,
    account: &Account,
    extent: &Extent,
    look: Look,
) -> Result<Known, Stopped> {
    let mut known = Known::of(agent.cluster.discovery(), extent).await;
    let reader = reader(agent).await;
    let mut parts = known.parts(extent);
    for part in &mut parts {
        part.watch = watch(agent, account, reader.as_ref(), &part.resource, &part.area);
    }
    agent.metrics.watches.set(agent.watches.len() as i64);
    let unwatched: BTreeSet<String> = parts
        .iter()
        .filter(|part| part.watch.is_none())
        .map(|part| part.resource.key(None, "").group_kind())
        .collect();
    if let Some(entry) = agent.state.lock().applications.get_mut(name) {
        entry.unwatched.extend(unwatched);
    }
    until_current(agent, &parts).await;
    let stale: Vec<Part> = {
        let state = agent.state.lock();
        let current = |part: &Part| {
            let watch = part.watch.as_ref();
            look == Look::Cheap
                && watch.is_some_and(|watch| {
                    state.current.contains(watch) && agent.watches.is_current(watch)
                })
        };
        parts.into_iter().filter(|part| !current(part)).collect()
    };
    list(agent, name, account, stale, &mut known).await?;
    for failure in &known.unread {
        tracing::warn!(reason = %failure.reason, detail = failure.detail, "a part of the inventory cannot be read");
    }
    Ok(known)
}

/// The account that watches the whole cluster, where there is one.
async fn reader(agent: &Agent) -> Option<Account> {
    let name = agent.settings.reader_account.as_ref()?;
    let found = agent.cluster.account(&agent.settings.namespace, name).await;
    found
        .inspect_err(|error| tracing::warn!(%error, "the reader account cannot be used"))
        .ok()
}

/// Starts the watch that shows a part: of the whole cluster where the reader may, else as the
/// application's account. `None` where it is not watched.
fn watch(
    agent: &Agent,
    account: &Account,
    reader: Option<&Account>,
    resource: &Resource,
    area: &Area,
) -> Option<WatchKey> {
    let is_secret = resource.key(None, "").is_secret();
    if let Some(reader) = reader.filter(|_| !is_secret) {
        let key = WatchKey::new(resource, Area::Cluster);
        let ensured = agent.watches.ensure(reader, resource, Area::Cluster);
        let failing = agent.watches.failing().contains(&key);
        if matches!(ensured, Ensured::Running | Ensured::Started) && !failing {
            return Some(key);
        }
    }
    match agent.watches.ensure(account, resource, area.clone()) {
        Ensured::Running | Ensured::Started => Some(WatchKey::new(resource, area.clone())),
        Ensured::OverBudget | Ensured::Unwatchable => None,
    }
}

/// Waits until each watch has shown everything once, or fails; at most as long as a request may
/// take.
async fn until_current(agent: &Agent, parts: &[Part]) {
    let settled = || {
        let failing = agent.watches.failing();
        let state = agent.state.lock();
        let mut watches = parts.iter().filter_map(|part| part.watch.as_ref());
        watches.all(|watch| state.current.contains(watch) || failing.contains(watch))
    };
    let wait = async {
        loop {
            let changed = agent.seen.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if settled() {
                return;
            }
            changed.await;
        }
    };
    // What did not come in time is listed, and that says why.
    let _ = tokio::time::timeout(agent.settings.request_timeout, wait).await;
}

/// Whether an error is that of a single API group: the server that it is delegated to is away, and
/// the API server itself answers. Its objects are unknown then, and all others are synced.
pub(super) async fn is_group_down(
    discovery: &Discovery,
    group: &str,
    error: &syncline_cluster::Error,
) -> bool {
    !group.is_empty() && error.code() == Some(503) && discovery.refresh().await.is_ok()
}

/// Lists parts and takes the objects in.
async fn list(
    agent: &Agent,
    name: &Name,
    account: &Account,
    parts: Vec<Part>,
    known: &mut Known,
) -> Result<(), Stopped> {
    let selector = format!("{}={}", names::LABEL_MANAGED, agent.instance.id());
    let (discovery, concurrency) = (agent.cluster.discovery(), agent.settings.apply_concurrency);
    let found = list_parts(discovery, account, parts, &selector, concurrency, known).await?;
    for (part, list) in found {
        let list = list.into_iter().map(|live| {
            let seen = health::seen(agent, &live);
            let (now, delay) = (agent.clock.monotonic(), agent.settings.health_look_delay);
            agent.looks.follow(&live.key, &seen, now, delay);
            (live.key, seen)
        });
        let list: Vec<_> = list.collect();
        let mut state = agent.state.lock();
        let mut there = HashSet::new();
        for (key, seen) in list {
            state.see(&key, seen);
            there.insert(key);
        }
        let missing: Vec<ObjectKey> = {
            let Some(entry) = state.applications.get(name) else {
                return Ok(());
            };
            let all = entry.objects.keys().chain(&entry.left);
            let all = all.chain(&entry.hooks);
            all.filter(|key| is_in(key, &part) && !there.contains(*key))
                .cloned()
                .collect()
        };
        for key in missing {
            state.gone(&key);
        }
    }
    Ok(())
}

/// Lists parts. Those that cannot be read are noted as such.
///
/// Fails where the API server does not answer.
pub(crate) async fn list_parts(
    discovery: &Discovery,
    account: &Account,
    parts: Vec<Part>,
    selector: &str,
    concurrency: usize,
    known: &mut Known,
) -> Result<Vec<(Part, Vec<syncline_cluster::Live>)>, Stopped> {
    let lists: Vec<_> = stream::iter(parts)
        .map(|part| async move {
            let namespace = match &part.area {
                Area::Cluster => None,
                Area::Namespace(namespace) => Some(namespace.as_str()),
            };
            let list = if part.resource.is_read_in_full() {
                account.list(&part.resource, namespace, selector).await
            } else {
                let resource = &part.resource;
                account.list_metadata(resource, namespace, selector).await
            };
            let down = match &list {
                Err(error) => is_group_down(discovery, &part.resource.group, error).await,
                Ok(_) => false,
            };
            (part, list, down)
        })
        .buffered(concurrency)
        .collect()
        .await;
    let mut found = Vec::new();
    for (part, list, down) in lists {
        match list {
            Ok(list) => found.push((part, list)),
            Err(error) if error.reason() == Reason::ApiUnavailable && !down => {
                return Err(Stopped::cluster("list the live objects", &error));
            }
            Err(error) => known.close(part, &error, down),
        }
    }
    Ok(found)
}

fn is_in(key: &ObjectKey, part: &Part) -> bool {
    let area = match &part.area {
        Area::Cluster => true,
        Area::Namespace(namespace) => key.namespace.as_ref() == Some(namespace),
    };
    key.kind == part.resource.kind && key.group == part.resource.group && area
}

/// Kinds and namespaces in which there may be objects of the application: those on the parent, and
/// those of what it is known to want.
pub(crate) fn extent(agent: &Agent, start: &Start) -> Extent {
    let state = agent.state.lock();
    let mut extent = Extent {
        kinds: start.listed.kinds.clone(),
        namespaces: start.listed.namespaces.clone(),
    };
    if let Some(entry) = state.applications.get(&start.application.name) {
        let all = entry.objects.keys().chain(&entry.left);
        for key in all.chain(&entry.hooks) {
            extent.add(key);
        }
    }
    if !extent.kinds.is_empty() {
        extent
            .namespaces
            .insert(start.application.namespace.clone());
    }
    extent
}

/// Ends the watches of kinds and namespaces in which no application has an object any more.
pub(crate) fn end_idle_watches(agent: &Agent) {
    let has_reader = agent.settings.reader_account.is_some();
    let wanted: HashSet<WatchKey> = {
        let state = agent.state.lock();
        let all = || state.applications.values();
        let left = all().flat_map(|entry| entry.left.iter().chain(&entry.hooks));
        let keys = state.live.claimed().chain(left).map(|key| WatchKey {
            group: key.group.clone(),
            kind: key.kind.clone(),
            area: key.namespace.clone().map_or(Area::Cluster, Area::Namespace),
        });
        keys.flat_map(|key| {
            let cluster = WatchKey {
                area: Area::Cluster,
                ..key.clone()
            };
            std::iter::once(key).chain(Some(cluster).filter(|_| has_reader))
        })
        .collect()
    };
    agent.watches.retain(&wanted);
    agent
        .state
        .lock()
        .current
        .retain(|key| wanted.contains(key));
    agent.metrics.watches.set(agent.watches.len() as i64);
}

/// Writes the kinds and namespaces on the Application, before the first object is written, so that
/// a later agent finds all that this one may leave behind (inv_i10).
pub(super) async fn widen(agent: &Agent, start: &Start, extent: &Extent) -> Result<(), Stopped> {
    write_lists(agent, &start.application.name, extent)
        .await
        .map_err(|error| Stopped::cluster("note the inventory on the Application", &error))?;
    Ok(failpoint::reached("inventory.union_written").await?)
}

/// Takes kinds and namespaces off the Application that hold nothing of it any more.
pub(super) async fn narrow(
    agent: &Agent,
    start: &Start,
    rendered: &Rendered,
    known: &Known,
    plan: &Plan,
    pruned: &[ObjectOutcome],
) {
    if !known.unread.is_empty() {
        return;
    }
    let mut extent = Extent::default();
    extent
        .namespaces
        .insert(start.application.namespace.clone());
    let gone: BTreeSet<_> = pruned
        .iter()
        .filter(|o| o.error.is_none() && o.note.is_empty())
        .map(|o| &o.key)
        .collect();
    let kept = plan.actions.iter().map(|action| &action.key);
    let kept = kept.filter(|key| !gone.contains(key));
    for key in kept.chain(rendered.keys()) {
        extent.add(key);
    }
    if let Some(entry) = agent.state.lock().applications.get(&start.application.name) {
        let left = entry.left.iter().chain(&entry.hooks);
        for key in left.filter(|key| !gone.contains(key)) {
            extent.add(key);
        }
    }
    if let Err(error) = write_lists(agent, &start.application.name, &extent).await {
        // A list that is too wide costs a few reads and nothing else.
        tracing::warn!(%error, "the inventory list could not be narrowed");
    }
    // Nothing depends on the narrower list.
    let _ = failpoint::reached("inventory.shrunk").await;
}

/// Makes the kinds and namespaces on the Application those of an extent.
pub(super) async fn write_lists(
    agent: &Agent,
    name: &Name,
    extent: &Extent,
) -> Result<(), syncline_cluster::Error> {
    let join =
        |set: &BTreeSet<String>| set.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let (kinds, namespaces) = (join(&extent.kinds), join(&extent.namespaces));
    let (hooks, same, has_finalizer) = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return Ok(());
        };
        let said = |annotation: &str| entry.annotations.get(annotation).map(String::as_str);
        let hooks = match &entry.rendered {
            Some(rendered) => rendered.has_deletion_hooks().then_some("true"),
            None => said(names::ANNOTATION_DELETION_HOOKS),
        };
        let hooks = hooks.map(str::to_owned);
        let same = said(names::ANNOTATION_CONTAINS) == Some(kinds.as_str())
            && said(names::ANNOTATION_NAMESPACES) == Some(namespaces.as_str())
            && said(names::ANNOTATION_DELETION_HOOKS) == hooks.as_deref();
        (hooks, same, entry.has_finalizer)
    };
    if same && has_finalizer {
        return Ok(());
    }
    let annotations = json!({
        names::ANNOTATION_CONTAINS: kinds,
        names::ANNOTATION_NAMESPACES: namespaces,
        names::ANNOTATION_DELETION_HOOKS: hooks,
    });
    agent
        .cluster
        .agent()
        .mark(Kind::Application, name, annotations, names::FINALIZER)
        .await?;
    let mut state = agent.state.lock();
    if let Some(entry) = state.applications.get_mut(name) {
        let annotations = &mut entry.annotations;
        annotations.insert(names::ANNOTATION_CONTAINS.to_owned(), kinds);
        annotations.insert(names::ANNOTATION_NAMESPACES.to_owned(), namespaces);
        let name = names::ANNOTATION_DELETION_HOOKS;
        match hooks {
            Some(hooks) => annotations.insert(name.to_owned(), hooks),
            None => annotations.remove(name),
        };
        entry.has_finalizer = true;
    }
    Ok(())
}
