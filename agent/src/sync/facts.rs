//! What a plan has to know beyond the objects themselves: who else wants them, which other tool is
//! at work on them, what an autoscaler sets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use serde_json::Value;
use syncline_cluster::{Account, Discovery, Resource};
use syncline_core::application::Application;
use syncline_core::digest::Digest;
use syncline_core::handover::{Holder, Other, Right};
use syncline_core::manifest::ManifestSet;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::other_tool::{self, Mark, ToolState};
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::owner::Owner;
use syncline_core::ownership;
use syncline_core::plan::{Facts, Live};
use syncline_core::reason::Reason;
use syncline_core::record::Name;

use super::inventory::{Known, is_group_down};
use super::{Start, Stopped};
use crate::agent::Agent;
use crate::health;
use crate::live::reduced;
use crate::state::{Rendered, State};

/// Reads every object that does not simply stand: desired ones, which may exist without our label,
/// and those of ours that left Git. Of the latter, those that cannot be read at the moment are
/// outcomes: they are not pruned now.
pub(super) async fn live(
    agent: &Agent,
    start: &Start,
    account: &Account,
    rendered: &Rendered,
    known: &Known,
    standing: &BTreeSet<ObjectKey>,
) -> Result<Objects, Stopped> {
    let left: BTreeSet<ObjectKey> = {
        let state = agent.state.lock();
        let entry = state.applications.get(&start.application.name);
        entry.map(|entry| entry.left.clone()).unwrap_or_default()
    };
    let wanted = rendered.set.iter().map(|manifest| &manifest.key);
    let wanted = wanted.filter(|key| !standing.contains(*key));
    let keys: Vec<(Resource, ObjectKey)> = wanted
        .chain(left.iter().filter(|key| known.covers(key)))
        .filter_map(|key| {
            let resource = known.resources.get(&key.group_kind())?;
            // What cannot be read by its name is never there: it is a question, no object.
            resource
                .supports("get")
                .then(|| (resource.clone(), key.clone()))
        })
        .collect();
    let discovery = agent.cluster.discovery();
    let found = read(discovery, account, keys, agent.settings.apply_concurrency).await;
    let mut objects = Objects::default();
    let found = found.into_iter().map(|answer| {
        let live = answer.found.as_ref().ok().and_then(Option::as_ref);
        let seen = live.map(|live| health::seen(agent, live));
        (answer, seen)
    });
    let found: Vec<_> = found.collect();
    let mut state = agent.state.lock();
    for (Answer { found, key, down }, seen) in found {
        match found {
            Ok(Some(found)) => {
                if let Some(seen) = seen.filter(|seen| seen.owner.is_some()) {
                    state.see(&key, seen);
                }
                objects.live.insert(key, reduced(&found));
            }
            Ok(None) => {
                state.gone(&key);
            }
            Err(error) if error.reason() == Reason::ApiUnavailable && !down => {
                return Err(Stopped::cluster("read a live object", &error));
            }
            Err(error) if down && left.contains(&key) => objects.unknown.push(ObjectOutcome {
                error: Some(Failure {
                    reason: Reason::PruneFailed,
                    detail: format!("{key}: {error}"),
                }),
                key,
                origin: None,
                action: ActionKind::Prune,
                note: String::new(),
                changes: Vec::new(),
                manifest: None,
            }),
            Err(error) => {
                let place = rendered.set.get(&key).map(|manifest| &manifest.origin);
                let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
                let failure = Failure {
                    reason: error.reason(),
                    detail: format!("{place}{key}: {error}"),
                };
                objects.unreadable.insert(key, failure);
            }
        }
    }
    Ok(objects)
}

/// What the API server says of one object.
pub(crate) struct Answer {
    pub(crate) key: ObjectKey,
    /// The object; none where it does not exist.
    pub(crate) found: Result<Option<syncline_cluster::Live>, syncline_cluster::Error>,
    /// The failure is that of its API group alone.
    pub(crate) down: bool,
}

/// Reads objects one by one.
pub(crate) async fn read(
    discovery: &Discovery,
    account: &Account,
    keys: Vec<(Resource, ObjectKey)>,
    concurrency: usize,
) -> Vec<Answer> {
    stream::iter(keys)
        .map(|(resource, key)| async move {
            // In full where health depends on it: then the answer is as good as an event.
            let found = account.get(&resource, &key).await;
            let down = match &found {
                Err(error) => is_group_down(discovery, &key.group, error).await,
                Ok(_) => false,
            };
            Answer { key, found, down }
        })
        .buffered(concurrency)
        .collect()
        .await
}

/// What was read of single objects.
#[derive(Default)]
pub(super) struct Objects {
    /// Those that are there.
    pub(super) live: BTreeMap<ObjectKey, Live>,
    /// Those that could not be read.
    pub(super) unreadable: BTreeMap<ObjectKey, Failure>,
    /// What left Git and cannot be read at the moment: it is not pruned now.
    pub(super) unknown: Vec<ObjectOutcome>,
}

/// Gathers what the decisions about these objects need.
pub(super) async fn gather(
    agent: &Agent,
    start: &Start,
    account: &Account,
    rendered: &Rendered,
    known: &Known,
    objects: &Objects,
) -> Facts {
    let live = &objects.live;
    let discovery = agent.cluster.discovery();
    let (now, quiet) = (agent.clock.now(), agent.settings.tool_quiet_period);
    let tools = tools(discovery, account, &rendered.set, live, now, quiet).await;
    if !tools.is_empty() {
        tracing::info!(app.name = %start.application.name, count = tools.len(), "other tools are at work on objects");
    }
    let autoscaled = autoscaled(&start.owner.instance, account, &rendered.set, live).await;
    let facts = Facts {
        tools,
        autoscaled,
        unrendered: unrendered(&agent.state.lock(), &start.application.name),
        unread: known.unread.clone(),
        unreadable: objects.unreadable.clone(),
        ..Facts::default()
    };
    let (application, owner) = (&start.application, &start.owner);
    let (set, hashes) = (&rendered.set, &rendered.hashes);
    remembered(agent, application, owner, set, hashes, live, facts)
}

/// Adds what only the memory of the agent knows.
pub(crate) fn remembered(
    agent: &Agent,
    application: &Application,
    owner: &Owner,
    set: &ManifestSet,
    hashes: &BTreeMap<ObjectKey, Digest>,
    live: &BTreeMap<ObjectKey, Live>,
    facts: Facts,
) -> Facts {
    let state = agent.state.lock();
    let mut others = BTreeMap::new();
    for (key, object) in live {
        let other = match hashes.get(key) {
            Some(hash) => object
                .owner(key)
                .filter(|other| other.instance == owner.instance)
                .filter(|other| other != owner)
                .map(|other| holder(&state, application, &other.application, key, *hash)),
            None => other_heir(&state, &application.name, key),
        };
        if let Some(other) = other {
            others.insert(key.clone(), other);
        }
    }
    Facts {
        others,
        forged: forged(agent, &state, &application.name, live),
        held: held(&state, &application.name, set, live),
        ..facts
    }
}

/// Objects whose entry of ours is not the one that our last write left.
fn forged(
    agent: &Agent,
    state: &State,
    name: &Name,
    live: &BTreeMap<ObjectKey, Live>,
) -> BTreeSet<ObjectKey> {
    let manager = names::field_manager(agent.instance.id());
    let Some(entry) = state.applications.get(name) else {
        return BTreeSet::new();
    };
    let is_forged = |(key, object): &(&ObjectKey, &Live)| {
        let kept = entry.objects.get(*key);
        let written = kept.and_then(|kept| kept.written.as_ref());
        written.is_some_and(|written| {
            let fields = ownership::digests(&object.managed_fields, &manager);
            written.uid == object.uid && written.fields.ours != fields.ours
        })
    };
    live.iter()
        .filter(is_forged)
        .map(|(key, _)| key.clone())
        .collect()
}

/// What the last plan held. An earlier run of the agent left the hash of it and no more: then all
/// that left Git waits.
fn held(
    state: &State,
    name: &Name,
    set: &ManifestSet,
    live: &BTreeMap<ObjectKey, Live>,
) -> BTreeMap<ObjectKey, Reason> {
    let Some(entry) = state.applications.get(name) else {
        return BTreeMap::new();
    };
    match (&entry.held, &entry.plan_hash) {
        (Some(held), _) => held.clone(),
        (None, None) => BTreeMap::new(),
        (None, Some(_)) => {
            let left = live.keys().filter(|key| set.get(key).is_none());
            left.map(|key| (key.clone(), Reason::PruneHeld)).collect()
        }
    }
}

/// The applications of the repository that commits touched and that are not rendered yet. One that
/// failed to render is waited for only where that commit came since this one was settled.
pub(crate) fn unrendered(state: &State, name: &Name) -> Vec<Name> {
    let settled = state
        .applications
        .get(name)
        .map_or(0, |entry| entry.settled);
    let Some(repository) = state.source_of(name) else {
        return Vec::new();
    };
    let others = repository.unrendered.iter();
    let untried = |other: &Name, head: u64| {
        let entry = state.applications.get(other);
        entry.is_some_and(|entry| entry.failed_head < head)
    };
    others
        .filter(|(other, head)| *other != name && (**head > settled || untried(other, **head)))
        .map(|(other, _)| other.clone())
        .collect()
}

/// What the application that has an object wants of it.
fn holder(state: &State, ours: &Application, owner: &Name, key: &ObjectKey, hash: Digest) -> Other {
    let same_namespace = owner.namespace == ours.name.namespace;
    let entry = state.applications.get(owner);
    let (holder, same_account, allows) = match entry {
        None => (Holder::LeftIt, true, false),
        Some(entry) => {
            let account = entry.spec.as_ref().map_or("", |spec| &spec.account);
            let repository = state.source_of(owner);
            let pending = repository.is_some_and(|r| r.unrendered.contains_key(owner));
            let wanted = match &entry.ahead {
                Some(ahead) => ahead.objects.get(key).copied(),
                None => entry.objects.get(key).map(|kept| kept.applied),
            };
            let unknown = entry.kept.is_none() && entry.ahead.is_none();
            let holder = match wanted {
                _ if entry.deleting.is_some() => Holder::LeftIt,
                _ if pending || unknown => Holder::Unrendered,
                Some(wanted) if wanted == hash => Holder::WantsTheSame,
                Some(_) => Holder::WantsAnother,
                None => Holder::LeftIt,
            };
            let allows = entry.annotations.get(names::ANNOTATION_ADOPT);
            let allows = allows.map(String::as_str) == Some("allowed");
            (holder, account == ours.account, allows)
        }
    };
    let adopts = ours.adopt_from.as_deref() == Some(owner.name.as_str());
    let granted = (same_namespace && (same_account || adopts)) || allows;
    Other {
        application: owner.clone(),
        holder,
        right: if granted {
            Right::Granted
        } else {
            Right::Missing
        },
    }
}

/// Another application that wants what left Git here.
fn other_heir(state: &State, ours: &Name, key: &ObjectKey) -> Option<Other> {
    let granted = heir(state, ours, key);
    let right = if granted.is_some() {
        Right::Granted
    } else {
        Right::Missing
    };
    let mut claims = claims(state, key);
    let application = granted.or_else(|| claims.find(|name| *name != ours).cloned())?;
    Some(Other {
        application,
        holder: Holder::LeftIt,
        right,
    })
}

/// The applications that want an object, or will when they may.
fn claims<'a>(state: &'a State, key: &'a ObjectKey) -> impl Iterator<Item = &'a Name> {
    let ahead = state.applications.iter().filter(|(_, entry)| {
        let ahead = entry.ahead.as_ref();
        ahead.is_some_and(|ahead| ahead.objects.contains_key(key))
    });
    let ahead = ahead.map(|(name, _)| name);
    state.live.claims(key).iter().chain(ahead)
}

/// The application that may take over what an application leaves, and wants it.
pub(crate) fn heir(state: &State, name: &Name, key: &ObjectKey) -> Option<Name> {
    let ours = state.applications.get(name)?;
    let account = ours.spec.as_ref().ok().map(|spec| &spec.account);
    let open = ours.annotations.get(names::ANNOTATION_ADOPT);
    let open = open.map(String::as_str) == Some("allowed");
    let mut claims = claims(state, key).filter(|other| *other != name);
    let may = |other: &&Name| {
        let entry = state.applications.get(*other);
        let entry = entry.filter(|entry| entry.deleting.is_none());
        let spec = entry.and_then(|entry| entry.spec.as_ref().ok());
        spec.is_some_and(|spec| {
            let adopts = spec.adopt_from.as_deref() == Some(name.name.as_str());
            let near = other.namespace == name.namespace;
            open || (near && (adopts || account == Some(&spec.account)))
        })
    };
    claims.find(may).cloned()
}

/// Objects without an owner on which another GitOps tool is at work, or was within `quiet`.
pub(crate) async fn tools(
    discovery: &Discovery,
    account: &Account,
    desired: &ManifestSet,
    live: &BTreeMap<ObjectKey, Live>,
    now: Timestamp,
    quiet: Duration,
) -> BTreeMap<ObjectKey, String> {
    let mut states: BTreeMap<Mark, ToolState> = BTreeMap::new();
    let mut tools = BTreeMap::new();
    for (key, object) in live {
        if desired.get(key).is_none() || object.owner(key).is_some() {
            continue;
        }
        let mut marks = Vec::new();
        for mark in other_tool::marks(&object.labels, &object.annotations) {
            let state = match states.get(&mark) {
                Some(state) => *state,
                None => {
                    let state = tool_state(discovery, account, &mark).await;
                    states.insert(mark.clone(), state);
                    state
                }
            };
            marks.push((mark, state));
        }
        if let Some(tool) = other_tool::at_work(&marks, &object.managed_fields, now, quiet) {
            tools.insert(key.clone(), tool);
        }
    }
    tools
}

/// Looks whether the other tool's own object is there and works.
async fn tool_state(discovery: &Discovery, account: &Account, mark: &Mark) -> ToolState {
    let Ok(resource) = discovery.preferred(mark.group, mark.kind).await else {
        return ToolState::Unknown;
    };
    let key = resource.key(mark.namespace.clone(), mark.name.clone());
    match account.get_full(&resource, &key).await {
        Ok(Some(object)) => other_tool::state_of(mark, &object),
        // What may not be read may be at work: its writes tell.
        Ok(None) | Err(_) => ToolState::Unknown,
    }
}

/// Objects whose replicas Git no longer names and an autoscaler sets. Asks the cluster only where
/// an object of ours gives its replicas up.
pub(crate) async fn autoscaled(
    instance: &str,
    account: &Account,
    desired: &ManifestSet,
    live: &BTreeMap<ObjectKey, Live>,
) -> BTreeSet<ObjectKey> {
    let manager = names::field_manager(instance);
    let gives_up = live.iter().filter(|(key, object)| {
        let entry = ownership::applied_entry(&object.managed_fields, &manager);
        let held = entry.is_some_and(|entry| !entry["f:spec"]["f:replicas"].is_null());
        let manifest = desired.get(key);
        held && manifest.is_some_and(|m| m.body.visible()["spec"]["replicas"].is_null())
    });
    let candidates: Vec<&ObjectKey> = gives_up.map(|(key, _)| key).collect();
    let mut found = BTreeSet::new();
    if candidates.is_empty() {
        return found;
    }
    let mut targets: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut aim = |namespace: Option<&str>, spec: &Value| {
        let target = &spec["scaleTargetRef"];
        let (Some(kind), Some(name)) = (target["kind"].as_str(), target["name"].as_str()) else {
            return;
        };
        let namespace = namespace.unwrap_or_default().to_owned();
        targets.insert((namespace, kind.to_owned(), name.to_owned()));
    };
    for manifest in desired {
        if matches!(
            manifest.key.kind.as_str(),
            "HorizontalPodAutoscaler" | "ScaledObject"
        ) {
            aim(
                manifest.key.namespace.as_deref(),
                &manifest.body.visible()["spec"],
            );
        }
    }
    let namespaces: BTreeSet<_> = candidates
        .iter()
        .filter_map(|k| k.namespace.clone())
        .collect();
    for namespace in namespaces {
        for object in account.autoscalers(&namespace).await {
            aim(Some(&namespace), &object["spec"]);
        }
    }
    for key in candidates {
        let namespace = key.namespace.clone().unwrap_or_default();
        if targets.contains(&(namespace, key.kind.clone(), key.name.clone())) {
            found.insert(key.clone());
        }
    }
    found
}
