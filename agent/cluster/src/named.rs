//! Objects that people name: a watch of one object each, as the service account of who names it.
//!
//! ```text
//!  start(target) -> task: open a watch on `metadata.name`, then read the object, then follow
//!          may not watch, no room in the budget -> read every so often
//!          may not read                         -> looked at again slowly
//! ```
//!
//! What is there is told in full, or, for the data of a ConfigMap or Secret, as a keyed hash only:
//! nothing of a Secret is kept. The watch is opened before the object is read, so that nothing is
//! missed between the two. A deletion is only told after a GET said so.

mod follow;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use syncline_core::digest::Digest;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::backoff::Backoff;
use crate::connect::Cluster;
use crate::secret::SecretBytes;
use follow::{Condition, Follower};

/// How the pool works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many objects may be watched; those beyond are read every `poll_interval`.
    pub budget: usize,
    /// How many events may wait for the reader.
    pub capacity: usize,
    /// How often an object is read that cannot be watched.
    pub poll_interval: Duration,
    /// After how long a right that was missing is tried again.
    pub denied_interval: Duration,
    /// First pause after a failure.
    pub backoff_least: Duration,
    /// Longest pause after failures.
    pub backoff_most: Duration,
    /// How long the API server keeps one watch request open at most.
    pub server_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            budget: 500,
            capacity: 1024,
            poll_interval: Duration::from_secs(60),
            denied_interval: Duration::from_secs(600),
            backoff_least: Duration::from_millis(500),
            backoff_most: Duration::from_secs(30),
            server_timeout: Duration::from_secs(290),
        }
    }
}

/// What is told of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// All of it, but for the values of a Secret and `managedFields`. Every new version is a change.
    Whole,
    /// Of a ConfigMap or Secret: that its data are others.
    Data,
}

/// One object, read as one service account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Namespace of the service account.
    pub namespace: String,
    /// Name of the service account.
    pub account: String,
    /// Which object. A namespace is ignored for a kind of the cluster's own scope.
    pub key: ObjectKey,
    /// Its version counts here: expressions on another one see other fields.
    version: String,
    /// What is told of it.
    pub part: Part,
}

impl Target {
    /// An object as an account reads it.
    pub fn new(namespace: &str, account: &str, key: ObjectKey, part: Part) -> Self {
        Self {
            namespace: namespace.to_owned(),
            account: account.to_owned(),
            version: key.version.clone(),
            key,
            part,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// How an object is.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It exists.
    Present(Content),
    /// It does not exist; the API server was asked.
    Absent,
    /// It cannot be read, and nothing is known of it.
    Unreadable(Failure),
}

/// What is known of an object that exists.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// The object.
    Whole(Arc<Value>),
    /// Keyed hash of its data.
    Data(Digest),
}

/// An object is otherwise than it was told last.
#[derive(Debug)]
pub struct Event {
    /// Which.
    pub target: Target,
    /// How it is.
    pub answer: Answer,
}

/// The pool. Dropping it ends all watches.
pub struct Pool {
    shared: Arc<Shared>,
    running: Mutex<HashMap<Target, Running>>,
}

/// What all watches of a pool have in common.
struct Shared {
    cluster: Cluster,
    /// Key of the hashes of data.
    key: SecretBytes,
    settings: Settings,
    sender: mpsc::Sender<Event>,
    room: Arc<Semaphore>,
}

struct Running {
    task: JoinHandle<()>,
    condition: Arc<Condition>,
    again: Arc<Notify>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pool {
    /// An empty pool and the channel of its events. `key` makes the hashes of data unreadable for
    /// those who do not have it.
    pub fn new(
        cluster: Cluster,
        key: SecretBytes,
        settings: Settings,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(settings.capacity.max(1));
        let room = Arc::new(Semaphore::new(settings.budget.min(Semaphore::MAX_PERMITS)));
        let shared = Arc::new(Shared {
            cluster,
            key,
            settings,
            sender,
            room,
        });
        let running = Mutex::default();
        (Self { shared, running }, receiver)
    }

    /// Begins to follow an object, where it is not followed yet. The first event of it says how it
    /// is. Needs a running tokio runtime.
    pub fn start(&self, target: &Target) {
        let mut running = self.lock();
        if running
            .get(target)
            .is_some_and(|running| !running.task.is_finished())
        {
            return;
        }
        let (condition, again) = (Arc::new(Condition::default()), Arc::new(Notify::new()));
        let settings = &self.shared.settings;
        let follower = Follower {
            shared: Arc::clone(&self.shared),
            target: target.clone(),
            condition: Arc::clone(&condition),
            again: Arc::clone(&again),
            backoff: Backoff::new(settings.backoff_least, settings.backoff_most),
            failures: 0,
            told: None,
            version: None,
        };
        let task = tokio::spawn(follower.run());
        running.insert(
            target.clone(),
            Running {
                task,
                condition,
                again,
            },
        );
    }

    /// No longer follows an object.
    pub fn stop(&self, target: &Target) {
        self.lock().remove(target);
    }

    /// Looks again at once at an object that is only looked at every so often.
    pub fn look_again(&self, target: &Target) {
        if let Some(running) = self.lock().get(target) {
            running.again.notify_one();
        }
    }

    /// Whether a change of the object is told at once. It is not before its watch is open, without
    /// the right to `watch`, and where there was no room in the budget.
    pub fn is_watched(&self, target: &Target) -> bool {
        self.lock()
            .get(target)
            .is_some_and(|running| running.condition.is_watched())
    }

    /// Whether the object found no room in the budget.
    pub fn is_over_budget(&self, target: &Target) -> bool {
        self.lock()
            .get(target)
            .is_some_and(|running| running.condition.has_no_room())
    }

    /// How many objects are followed.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Target, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
