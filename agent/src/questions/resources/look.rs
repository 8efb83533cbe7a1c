//! A look at the objects of an application and at what the cluster made below them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::Value;
use syncline_cluster::{Account, Listed, Live, Selection};
use syncline_core::health::{Health, ObjectHealth};
use syncline_core::logs;
use syncline_core::names;
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::record::Name;
use syncline_core::resources::{Made, Managed, Node, Root, SyncState, Wanted, lists, ready, tree};
use syncline_core::secret_inputs::SecretInputs;
use syncline_web_ui::views::{MissingRight, ObjectName, ResourcesView};

use super::rights::Lacks;
use super::secrets;
use crate::agent::Agent;
use crate::state::{ApplicationState, State};

/// How many lists of one look are under way at the same time.
const CONCURRENCY: usize = 4;
/// Most lists of one look.
const MOST_LISTS: usize = 150;

/// What is known of an application before anything is read.
pub(super) struct Subject {
    name: Name,
    account: String,
    managed: Vec<Managed>,
    selectors: BTreeMap<ObjectKey, String>,
}

/// What a look showed.
pub(super) struct Look {
    /// When it was.
    pub(super) read_at: Timestamp,
    /// Who looked, or why nobody could.
    pub(super) account: Result<Account, String>,
    /// The tree.
    pub(super) nodes: Vec<Node>,
    /// Rights that the account lacks.
    pub(super) missing: Vec<MissingRight>,
    /// What else is not in the tree, and why.
    pub(super) notes: Vec<String>,
}

impl Look {
    /// As the API tells it.
    pub(super) fn view(&self) -> ResourcesView {
        ResourcesView {
            read_at: self.read_at,
            items: self.nodes.iter().map(Into::into).collect(),
            missing: self.missing.clone(),
            notes: self.notes.clone(),
        }
    }

    /// The line of an object.
    pub(super) fn find(&self, object: &ObjectName) -> Option<usize> {
        self.nodes.iter().position(|node| {
            let key = &node.key;
            (&key.group, &key.kind, &key.namespace, &key.name)
                == (&object.group, &object.kind, &object.namespace, &object.name)
        })
    }
}

/// What the agent knows; `None` where there is no such application.
pub(super) fn subject(agent: &Agent, name: &Name) -> Option<Subject> {
    let state = agent.state.lock();
    let entry = state.applications.get(name)?;
    let spec = entry.spec.as_ref().ok();
    let named = entry.objects.iter();
    let named = named.map(|(key, kept)| (key, Some(kept.origin.clone())));
    let left = entry.left.iter().chain(&entry.hooks).map(|key| (key, None));
    let mut managed = Vec::new();
    let mut selectors = BTreeMap::new();
    for (key, origin) in named.chain(left) {
        managed.push(known(&state, entry, name, key, origin));
        let seen = state.live.seen(key);
        if let Some(selector) = seen.and_then(|seen| seen.selector.clone()) {
            selectors.insert(key.clone(), selector);
        }
    }
    Some(Subject {
        name: name.clone(),
        account: spec.map(|spec| spec.account.clone()).unwrap_or_default(),
        managed,
        selectors,
    })
}

fn known(
    state: &State,
    entry: &ApplicationState,
    name: &Name,
    key: &ObjectKey,
    origin: Option<Origin>,
) -> Managed {
    let seen = state.live.seen(key);
    let kept = entry.objects.get(key);
    let sync = match (kept, seen) {
        (None, _) if entry.hooks.contains(key) => SyncState::Hook,
        (None, _) => SyncState::Left,
        _ if entry.failed.contains(key) => SyncState::Failed,
        _ if entry.unwritten.contains(key) => SyncState::Waiting,
        (Some(kept), _) if kept.written.is_none() => SyncState::Waiting,
        (Some(_), None) => SyncState::Missing,
        (Some(kept), Some(seen)) if seen.stands(kept, name) => SyncState::Synced,
        _ => SyncState::Drifted,
    };
    let health = state.live.health(key).cloned();
    Managed {
        key: key.clone(),
        uid: seen.map(|seen| seen.uid.clone()),
        health: health.unwrap_or_else(|| ObjectHealth::new(Health::Missing, "")),
        sync,
        origin,
        created: None,
        deleting: seen.is_some_and(|seen| seen.deleting),
        ready: None,
        containers: Vec::new(),
    }
}

/// One list of a look.
enum Task {
    /// Objects of the application: how old each is, and how much of it is ready.
    Own { key: ObjectKey, in_full: bool },
    /// What is below them.
    Below(Wanted),
}

/// Reads as the application's account what the agent does not know by itself. What cannot be read is
/// named; the rest is the answer.
pub(super) async fn look(agent: &Arc<Agent>, subject: Subject) -> Look {
    let read_at = agent.clock.now();
    let mut lacks = Lacks::default();
    let Subject {
        name,
        account,
        mut managed,
        selectors,
    } = subject;
    let account = agent.cluster.account(&name.namespace, &account).await;
    let account = account.map_err(|error| error.to_string());
    let mut made = Vec::new();
    match &account {
        Ok(account) => {
            let tasks = tasks(&managed, &selectors);
            if tasks.len() > MOST_LISTS {
                lacks.note(format!(
                    "its objects are of too many kinds and namespaces: {MOST_LISTS} lists of {} are \
                     read",
                    tasks.len()
                ));
            }
            let found = read(agent, account, tasks, &mut lacks).await;
            complete(&mut managed, found.own);
            made = found.made;
        }
        Err(why) => lacks.note(format!("the service account cannot be used: {why}")),
    }
    let hidden = secrets::known(agent, &name).unwrap_or_default();
    let made = made.iter().filter_map(Made::read);
    let made = made.map(|one| masked(one, &hidden)).collect();
    Look {
        read_at,
        account,
        nodes: tree(managed, made),
        missing: lacks.missing.into_iter().collect(),
        notes: lacks.notes.into_iter().collect(),
    }
}

/// The message of a container may repeat what it printed.
fn masked(mut made: Made, hidden: &SecretInputs) -> Made {
    let health = crate::live::masked(made.health);
    made.health = ObjectHealth::new(health.health, logs::masked(&health.message, hidden));
    made
}

fn tasks(managed: &[Managed], selectors: &BTreeMap<ObjectKey, String>) -> Vec<Task> {
    let live = managed.iter().filter(|one| one.uid.is_some());
    let kinds: BTreeMap<(String, String, Option<String>), &ObjectKey> = live
        .map(|one| {
            let key = &one.key;
            let place = key.namespace.clone();
            ((key.group.clone(), key.kind.clone(), place), key)
        })
        .collect();
    let own = kinds.into_values().map(|key| Task::Own {
        key: key.clone(),
        in_full: is_counted(key),
    });
    let roots = managed.iter().filter(|one| one.uid.is_some());
    let roots = roots.map(|one| Root {
        key: &one.key,
        selector: selectors.get(&one.key).map(String::as_str),
    });
    // What is below comes first: it is what people look for.
    let below = lists(roots).into_iter().map(Task::Below);
    below.chain(own).collect()
}

/// Whether objects of a kind say how much of them is ready.
fn is_counted(key: &ObjectKey) -> bool {
    matches!(key.group.as_str(), "apps" | "batch") || key.group_kind() == "Pod"
}

#[derive(Default)]
struct Found {
    own: Vec<OwnLive>,
    made: Vec<Value>,
}

/// What a list showed of an object of the application.
struct OwnLive {
    key: ObjectKey,
    created: Option<Timestamp>,
    deleting: bool,
    object: Option<Value>,
}

async fn read(agent: &Agent, account: &Account, tasks: Vec<Task>, lacks: &mut Lacks) -> Found {
    let limit = agent.settings.look_timeout;
    let deadline = tokio::time::Instant::now() + limit;
    let mut found = Found::default();
    let tasks = tasks.into_iter().take(MOST_LISTS);
    let lists = futures::stream::iter(tasks).map(|task| list(agent, account, task));
    let mut lists = std::pin::pin!(lists.buffer_unordered(CONCURRENCY));
    loop {
        match tokio::time::timeout_at(deadline, lists.next()).await {
            Ok(Some(part)) => {
                found.own.extend(part.own);
                found.made.extend(part.made);
                lacks.missing.extend(part.lacks.missing);
                lacks.notes.extend(part.lacks.notes);
            }
            Ok(None) => return found,
            Err(_) => {
                lacks.note(format!("not everything was read within {limit:?}"));
                return found;
            }
        }
    }
}

#[derive(Default)]
struct Part {
    own: Vec<OwnLive>,
    made: Vec<Value>,
    lacks: Lacks,
}

async fn list(agent: &Agent, account: &Account, task: Task) -> Part {
    let mut part = Part::default();
    let (group, version, kind, namespace) = match &task {
        Task::Own { key, .. } => (
            key.group.as_str(),
            key.version.as_str(),
            key.kind.as_str(),
            key.namespace.as_deref(),
        ),
        Task::Below(wanted) => (
            wanted.group,
            wanted.version,
            wanted.kind,
            Some(wanted.namespace.as_str()),
        ),
    };
    let resource = match agent
        .cluster
        .discovery()
        .resolve(group, version, kind)
        .await
    {
        Ok(resource) if resource.supports("list") => resource,
        // What the cluster does not serve has no objects.
        Ok(_) | Err(syncline_cluster::Error::UnknownKind { .. }) => return part,
        Err(error) => {
            part.lacks
                .note(format!("the kind {kind} cannot be read: {error}"));
            return part;
        }
    };
    let ours = format!("{}={}", names::LABEL_MANAGED, agent.instance.id());
    let most = agent.settings.look_objects;
    let selection = |labels| Selection {
        namespace,
        labels,
        fields: "",
        most,
    };
    let failed =
        |lacks: &mut Lacks, error| lacks.add(account, "list", &resource, namespace, &error);
    match &task {
        Task::Own { in_full: false, .. } => {
            match account.list_metadata(&resource, namespace, &ours).await {
                Ok(all) => part.own.extend(all.into_iter().map(OwnLive::from)),
                Err(error) => failed(&mut part.lacks, error),
            }
        }
        Task::Own { .. } => match account.list_some(&resource, selection(&ours)).await {
            Ok(Listed { items, .. }) => part.own.extend(items.into_iter().filter_map(own)),
            Err(error) => failed(&mut part.lacks, error),
        },
        Task::Below(wanted) => {
            match account
                .list_some(&resource, selection(&wanted.selector))
                .await
            {
                Ok(Listed { items, more }) => {
                    if more {
                        part.lacks.note(format!(
                            "there are more than {most} {} in the namespace `{}`: the others are \
                             not looked at",
                            resource.plural, wanted.namespace
                        ));
                    }
                    part.made.extend(items);
                }
                Err(error) => failed(&mut part.lacks, error),
            }
        }
    }
    part
}

impl From<Live> for OwnLive {
    fn from(live: Live) -> Self {
        Self {
            created: live.created,
            deleting: live.deleted.is_some(),
            object: None,
            key: live.key,
        }
    }
}

fn own(object: Value) -> Option<OwnLive> {
    let made = Made::read(&object)?;
    Some(OwnLive {
        key: made.key,
        created: made.created,
        deleting: made.deleting,
        object: Some(object),
    })
}

/// Completes the objects of the application by what lists showed of them.
fn complete(managed: &mut [Managed], found: Vec<OwnLive>) {
    let mut found: BTreeMap<ObjectKey, OwnLive> = found
        .into_iter()
        .map(|live| (live.key.clone(), live))
        .collect();
    for one in managed {
        let Some(live) = found.remove(&one.key) else {
            continue;
        };
        one.created = live.created;
        one.deleting = live.deleting;
        let Some(object) = &live.object else { continue };
        one.ready = ready(object);
        if let Some(made) = Made::read(object) {
            one.containers = made.containers;
            one.uid = Some(made.uid);
        }
    }
}

/// The namespaces of the lines of a tree.
pub(super) fn namespaces(nodes: &[Node]) -> BTreeSet<String> {
    let namespaces = nodes.iter().filter_map(|node| node.key.namespace.clone());
    namespaces.collect()
}
