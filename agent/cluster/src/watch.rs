//! A pool of watches over the objects that carry our label: one for each kind and area.
//!
//! Kinds with health are watched in full and reduced on arrival, all others by metadata only. What
//! a watch misses while it is down is found when it comes back. A deletion is only reported after
//! a GET said so; an object that merely lost our label is reported as it is now.
//!
//! ```text
//!  ensure(account, kind, area) -> task: list, then watch from there -> one bounded channel -> agent
//!         cut, silent, regular end -> watch again from the last version, no list
//!         expired (410), failing   -> list again, with growing pauses
//! ```
//!
//! # Order of the events of one watch
//! - Each complete list ends with [`Change::Restarted`]. Before it come [`Change::Applied`] for
//!   every object that is new or changed since it was last reported, and what became of each that
//!   was reported before and is not in the list. Whoever has taken a `Restarted` out of the channel
//!   has seen everything that existed when the list was read.
//! - After it come the changes as they happen, those of one object in their order.
//! - [`Change::Failing`] is said when a watch stops working, once for each time; from then on it is
//!   not current until the next `Restarted`. An interruption that a second attempt mends is not
//!   said: nothing is lost by it.
//! - A watch that takes the place of another (other account, other API version, the whole cluster
//!   instead of a namespace) begins after the last event of that one and knows what it reported, so
//!   an object that went in between is reported as gone.
//!
//! Watches of different keys have no order between them.

mod follow;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use syncline_core::object::ObjectKey;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::connect::Account;
use crate::discovery::{Resource, Scope};
use crate::error::Error;
use crate::live::Live;
use follow::{Condition, Known, Watch};

/// How the pool works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many watches there may be at most.
    pub budget: usize,
    /// How many events may wait for the reader.
    pub capacity: usize,
    /// First pause after a failure, or after a watch that was cut early.
    pub backoff_least: Duration,
    /// Longest pause after failures. A watch that lived longer is opened again at once.
    pub backoff_most: Duration,
    /// How long the API server keeps one watch request open at most; each asks for a little less,
    /// so that many do not end at once.
    pub server_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            budget: 500,
            capacity: 1024,
            backoff_least: Duration::from_millis(500),
            backoff_most: Duration::from_secs(30),
            server_timeout: Duration::from_secs(290),
        }
    }
}

/// Where a watch looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// The whole cluster.
    Cluster,
    /// One namespace.
    Namespace(String),
}

/// What a watch looks at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchKey {
    /// API group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Where.
    pub area: Area,
}

impl WatchKey {
    /// The watch of a kind in an area; a kind of the cluster's own scope is watched as a whole.
    pub fn new(resource: &Resource, area: Area) -> Self {
        let area = if resource.scope == Scope::Cluster {
            Area::Cluster
        } else {
            area
        };
        Self {
            group: resource.group.clone(),
            kind: resource.kind.clone(),
            area,
        }
    }
}

impl WatchKey {
    /// The watch of the same kind over the whole cluster.
    fn everywhere(&self) -> Self {
        Self {
            area: Area::Cluster,
            ..self.clone()
        }
    }
}

impl fmt::Display for WatchKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        match &self.area {
            Area::Cluster => write!(f, "{}{dot}{}", self.kind, self.group),
            Area::Namespace(namespace) => {
                write!(f, "{}{dot}{} in {namespace}", self.kind, self.group)
            }
        }
    }
}

/// Something that a watch saw.
#[derive(Debug)]
pub struct Event {
    /// Which watch.
    pub watch: WatchKey,
    /// What it saw.
    pub change: Change,
}

/// What a watch saw. For the order see the module.
#[derive(Debug)]
pub enum Change {
    /// The object exists and is like this. It may have lost our label.
    Applied(Box<Live>),
    /// The object is gone; the API server was asked.
    Deleted(ObjectKey),
    /// Everything that exists was reported, at the start or after an interruption.
    Restarted,
    /// The watch does not work; it is tried again with growing pauses. Said once until it works
    /// again, which the next `Restarted` says.
    Failing(Error),
}

/// What [`Pool::ensure`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// The watch was there, or the one of the whole cluster covers it.
    Running,
    /// It was started.
    Started,
    /// The budget is used up: the kind has to be checked slowly.
    OverBudget,
    /// The kind cannot be watched.
    Unwatchable,
}

/// The pool. Dropping it ends all watches.
pub struct Pool {
    instance: Arc<str>,
    settings: Arc<Settings>,
    sender: mpsc::Sender<Event>,
    state: Mutex<State>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct State {
    running: HashMap<WatchKey, Running>,
    over_budget: BTreeSet<WatchKey>,
}

/// Counted since the start of the process.
#[derive(Default)]
struct Counters {
    lists: AtomicU64,
    restarts: AtomicU64,
}

struct Running {
    task: Option<JoinHandle<()>>,
    account: Account,
    version: String,
    condition: Arc<Condition>,
    known: Arc<Mutex<Known>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Running {
    /// Whether it still works for this account and version, or will without help.
    fn serves(&self, account: &Account, resource: &Resource) -> bool {
        let other = self.account.uid() != account.uid();
        let broken = self.account.is_revoked() || (other && self.condition.is_denied());
        !broken && self.is_alive() && self.version == resource.version
    }

    fn is_alive(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Whether it stands in for the watches of single namespaces.
    fn covers(&self) -> bool {
        self.is_alive() && !self.account.is_revoked() && !self.condition.is_denied()
    }
}

impl Pool {
    /// An empty pool for the objects of one installation, and the channel of its events.
    pub fn new(instance: &str, settings: Settings) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(settings.capacity.max(1));
        let pool = Self {
            instance: instance.into(),
            settings: Arc::new(settings),
            sender,
            state: Mutex::default(),
            counters: Arc::default(),
        };
        (pool, receiver)
    }

    /// Starts the watch of a kind in an area as an account, where there is none yet. One that runs
    /// as an account which may not, or which is gone, is replaced.
    ///
    /// A namespaced kind may be watched in the whole cluster, as an account that may (a reader);
    /// then its single namespaces need no watch of their own as long as that one is not denied, and
    /// one that has is ended when the other is current.
    pub fn ensure(&self, account: &Account, resource: &Resource, area: Area) -> Ensured {
        if !resource.supports("watch") || !resource.supports("list") {
            return Ensured::Unwatchable;
        }
        let key = WatchKey::new(resource, area);
        let mut state = self.lock();
        if key.area != Area::Cluster
            && let Some(whole) = state.running.get(&key.everywhere())
            && whole.covers()
        {
            if whole.condition.is_current() {
                state.running.remove(&key);
            }
            return Ensured::Running;
        }
        let replaced = match state.running.get(&key) {
            Some(watch) if watch.serves(account, resource) => return Ensured::Running,
            Some(_) => state.running.remove(&key),
            None if state.running.len() >= self.settings.budget => {
                state.over_budget.insert(key);
                return Ensured::OverBudget;
            }
            None => None,
        };
        state.over_budget.remove(&key);
        let known = match &replaced {
            Some(watch) => Arc::clone(&watch.known),
            None => Arc::new(Mutex::new(state.known_of_namespaces(&key))),
        };
        let condition = Arc::new(Condition::default());
        let watch = Watch {
            key: key.clone(),
            resource: resource.clone(),
            account: account.clone(),
            instance: Arc::clone(&self.instance),
            settings: Arc::clone(&self.settings),
            sender: self.sender.clone(),
            condition: Arc::clone(&condition),
            counters: Arc::clone(&self.counters),
            backoff: Backoff::new(self.settings.backoff_least, self.settings.backoff_most),
            known: Arc::clone(&known),
            failures: 0,
        };
        let before = replaced.and_then(|mut watch| watch.task.take());
        let running = Running {
            task: Some(tokio::spawn(watch.run(before))),
            account: account.clone(),
            version: resource.version.clone(),
            condition,
            known,
        };
        state.running.insert(key, running);
        Ensured::Started
    }

    /// Ends all watches that are not in the set, and forgets those that found no room.
    pub fn retain(&self, wanted: &HashSet<WatchKey>) {
        let mut state = self.lock();
        state.running.retain(|key, _| wanted.contains(key));
        state.over_budget.retain(|key| wanted.contains(key));
    }

    /// Whether the watch runs, or the one of the whole cluster in its place. It may be failing.
    pub fn covers(&self, key: &WatchKey) -> bool {
        let state = self.lock();
        let alive = state.running.get(key).is_some_and(Running::is_alive);
        alive || state.whole_cluster(key).is_some()
    }

    /// Whether everything that exists was put into the channel by the watch, or the one of the
    /// whole cluster in its place, and changes follow. Events may still be in the channel: who has
    /// to have seen them waits for [`Change::Restarted`].
    pub fn is_current(&self, key: &WatchKey) -> bool {
        let state = self.lock();
        let own = state.running.get(key).filter(|watch| watch.is_alive());
        [own, state.whole_cluster(key)]
            .into_iter()
            .flatten()
            .any(|watch| watch.condition.is_current())
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.lock().running.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The watches that do not work at the moment, in order.
    pub fn failing(&self) -> Vec<WatchKey> {
        let state = self.lock();
        let failing = state
            .running
            .iter()
            .filter(|(_, w)| w.condition.is_failing());
        let mut keys: Vec<_> = failing.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    /// The watches that found no room in the budget, in order: what they would see is checked
    /// slowly. [`Pool::ensure`] starts one when it is called again and there is room.
    pub fn over_budget(&self) -> Vec<WatchKey> {
        self.lock().over_budget.iter().cloned().collect()
    }

    /// How often a watch was opened again before its regular end: cut, silent, expired or failed.
    pub fn restarts(&self) -> u64 {
        self.counters.restarts.load(Ordering::Relaxed)
    }

    /// How many lists were begun.
    pub fn lists(&self) -> u64 {
        self.counters.lists.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The watch of the whole cluster that stands in for one of a namespace.
    fn whole_cluster(&self, key: &WatchKey) -> Option<&Running> {
        let whole = self.running.get(&key.everywhere());
        whole.filter(|watch| key.area != Area::Cluster && watch.covers())
    }

    /// What the watches of single namespaces reported, for one of the whole cluster.
    fn known_of_namespaces(&self, key: &WatchKey) -> Known {
        let mut known = Known::default();
        if key.area == Area::Cluster {
            for (other, watch) in &self.running {
                if other.group == key.group && other.kind == key.kind {
                    let theirs = watch.known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.extend(&theirs);
                }
            }
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, kind: &str, scope: Scope) -> Resource {
        Resource {
            group: group.into(),
            version: "v1".into(),
            kind: kind.into(),
            plural: String::new(),
            scope,
            verbs: vec![],
        }
    }

    #[test]
    fn a_kind_of_the_cluster_is_one_watch_whatever_the_namespace() {
        let role = resource("rbac.authorization.k8s.io", "ClusterRole", Scope::Cluster);
        let key = WatchKey::new(&role, Area::Namespace("shop".into()));
        assert_eq!(key.area, Area::Cluster);
        assert_eq!(key.to_string(), "ClusterRole.rbac.authorization.k8s.io");
    }
}
