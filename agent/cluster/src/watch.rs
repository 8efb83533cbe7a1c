//! A pool of watches over the objects that carry our label: one for each kind and area.
//!
//! Kinds with health are watched in full and reduced on arrival, all others by metadata only. What
//! a watch misses while it is down is found when it comes back. A deletion is only reported after
//! a GET said so; an object that merely lost our label is reported as it is now.
//!
//! ```text
//!  ensure(account, kind, area) -> task: list + watch -> Live -> one bounded channel -> the agent
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::Api;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::watcher;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::reason::Reason;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::backoff::Backoff;
use crate::connect::Account;
use crate::discovery::{Resource, Scope};
use crate::error::Error;
use crate::live::Live;

/// How the pool works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many watches there may be at most.
    pub budget: usize,
    /// How many events may wait for the reader.
    pub capacity: usize,
    /// First pause after a failure.
    pub backoff_least: Duration,
    /// Longest pause after failures.
    pub backoff_most: Duration,
    /// How long the API server keeps one watch request open; a connection that is silent for
    /// longer counts as dead.
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

/// What a watch saw.
#[derive(Debug)]
pub enum Change {
    /// The object exists and is like this. It may have lost our label.
    Applied(Box<Live>),
    /// The object is gone; the API server was asked.
    Deleted(ObjectKey),
    /// Everything that exists was reported, at the start or after an interruption.
    Restarted,
    /// The watch does not work; it is tried again with growing pauses. Said once.
    Failing(Error),
}

/// What [`Pool::ensure`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ensured {
    /// The watch was there.
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
    selector: String,
    settings: Settings,
    sender: mpsc::Sender<Event>,
    running: Mutex<HashMap<WatchKey, Running>>,
}

struct Running {
    task: AbortHandle,
    account: Account,
    version: String,
    health: Arc<WatchHealth>,
}

#[derive(Default)]
struct WatchHealth {
    denied: AtomicBool,
    failing: AtomicBool,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Pool {
    /// An empty pool for the objects of one installation, and the channel of its events.
    pub fn new(instance: &str, settings: Settings) -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(settings.capacity.max(1));
        let selector = format!("{}={instance}", names::LABEL_MANAGED);
        (
            Self {
                selector,
                settings,
                sender,
                running: Mutex::default(),
            },
            receiver,
        )
    }

    /// Starts the watch of a kind in an area as an account, where there is none yet. One that runs
    /// as an account which may not, or which is gone, is replaced.
    pub fn ensure(&self, account: &Account, resource: &Resource, area: Area) -> Ensured {
        if !resource.supports("watch") {
            return Ensured::Unwatchable;
        }
        let key = WatchKey::new(resource, area);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watch) = running.get(&key) {
            let other = watch.account.uid() != account.uid();
            let broken = watch.account.is_revoked()
                || (other && watch.health.denied.load(Ordering::Relaxed));
            if !broken && !watch.task.is_finished() && watch.version == resource.version {
                return Ensured::Running;
            }
        } else if running.len() >= self.settings.budget {
            return Ensured::OverBudget;
        }
        let health = Arc::new(WatchHealth::default());
        let watch = Watch {
            key: key.clone(),
            resource: resource.clone(),
            account: account.clone(),
            sender: self.sender.clone(),
            health: Arc::clone(&health),
            backoff: Backoff::new(self.settings.backoff_least, self.settings.backoff_most),
            known: HashMap::new(),
            selector: self.selector.clone(),
        };
        let task = tokio::spawn(watch.run(self.settings.server_timeout)).abort_handle();
        let version = resource.version.clone();
        running.insert(
            key,
            Running {
                task,
                account: account.clone(),
                version,
                health,
            },
        );
        Ensured::Started
    }

    /// Ends all watches that are not in the set.
    pub fn retain(&self, wanted: &HashSet<WatchKey>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|key, _| wanted.contains(key));
    }

    /// How many watches there are.
    pub fn len(&self) -> usize {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The watches that do not work at the moment, in order.
    pub fn failing(&self) -> Vec<WatchKey> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let failing = running
            .iter()
            .filter(|(_, w)| w.health.failing.load(Ordering::Relaxed));
        let mut keys: Vec<_> = failing.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        keys
    }
}

/// Whether a kind is watched in full, because its health is in its status. Never a Secret.
pub fn watched_in_full(resource: &Resource) -> bool {
    match (resource.group.as_str(), resource.kind.as_str()) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job" | "CronJob")
        | ("", "Pod" | "PersistentVolumeClaim" | "PersistentVolume" | "Service" | "Namespace")
        | ("networking.k8s.io", "Ingress")
        | ("autoscaling", "HorizontalPodAutoscaler")
        | ("policy", "PodDisruptionBudget")
        | ("apiextensions.k8s.io", "CustomResourceDefinition")
        | ("apiregistration.k8s.io", "APIService") => true,
        ("syncline.dev", _) => true,
        // Custom resources: groups with a dot that are not Kubernetes' own.
        (group, _) => group.contains('.') && !group.ends_with(".k8s.io"),
    }
}

/// One watch.
struct Watch {
    key: WatchKey,
    resource: Resource,
    account: Account,
    sender: mpsc::Sender<Event>,
    health: Arc<WatchHealth>,
    backoff: Backoff,
    /// What was reported: object -> resource version.
    known: HashMap<ObjectKey, String>,
    selector: String,
}

/// Nobody reads the events any more, or the account is gone.
struct Ended;

impl Watch {
    async fn run(mut self, server_timeout: Duration) {
        let mut events = self.stream(server_timeout);
        let mut seen: HashMap<ObjectKey, String> = HashMap::new();
        while let Some(event) = events.next().await {
            let done = match event {
                Ok(watcher::Event::Init) => {
                    seen.clear();
                    Ok(())
                }
                Ok(watcher::Event::InitApply(live)) => {
                    let version = live.resource_version.clone();
                    let fresh = self.known.get(&live.key) != Some(&version);
                    seen.insert(live.key.clone(), version);
                    if fresh {
                        self.send(Change::Applied(Box::new(live))).await
                    } else {
                        Ok(())
                    }
                }
                Ok(watcher::Event::InitDone) => self.settle(std::mem::take(&mut seen)).await,
                Ok(watcher::Event::Apply(live)) => {
                    self.recovered();
                    self.known
                        .insert(live.key.clone(), live.resource_version.clone());
                    self.send(Change::Applied(Box::new(live))).await
                }
                Ok(watcher::Event::Delete(live)) => {
                    self.recovered();
                    self.verify(live.key).await
                }
                Err(error) => self.failed(Error::from(error)).await,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn stream(
        &self,
        server_timeout: Duration,
    ) -> BoxStream<'static, Result<watcher::Event<Live>, watcher::Error>> {
        let client = self.account.client.clone();
        let api = self.resource.api();
        let resource = self.resource.clone();
        let seconds = u32::try_from(server_timeout.as_secs())
            .unwrap_or(290)
            .clamp(1, 290);
        let config = watcher::Config::default()
            .labels(&self.selector)
            .timeout(seconds);
        if watched_in_full(&self.resource) {
            let api: Api<DynamicObject> = match &self.key.area {
                Area::Cluster => Api::all_with(client, &api),
                Area::Namespace(namespace) => Api::namespaced_with(client, namespace, &api),
            };
            let events = watcher(api, config);
            let reduce = move |object: DynamicObject| {
                Live::from_parts(&resource, object.metadata, object.data)
            };
            events
                .map(move |event| event.map(|event| converted(event, &reduce)))
                .boxed()
        } else {
            let api: Api<PartialObjectMeta<DynamicObject>> = match &self.key.area {
                Area::Cluster => Api::all_with(client, &api),
                Area::Namespace(namespace) => Api::namespaced_with(client, namespace, &api),
            };
            let events = watcher(api, config);
            let reduce = move |object: PartialObjectMeta<DynamicObject>| {
                Live::from_metadata(&resource, object.metadata)
            };
            events
                .map(move |event| event.map(|event| converted(event, &reduce)))
                .boxed()
        }
    }

    /// A list is complete: what was known and is not in it may be gone.
    async fn settle(&mut self, seen: HashMap<ObjectKey, String>) -> Result<(), Ended> {
        self.recovered();
        let missing: Vec<_> = self
            .known
            .keys()
            .filter(|key| !seen.contains_key(key))
            .cloned()
            .collect();
        self.known.extend(seen);
        for key in missing {
            self.verify(key).await?;
        }
        self.send(Change::Restarted).await
    }

    /// Asks the API server whether an object is really gone, as often as it takes.
    async fn verify(&mut self, key: ObjectKey) -> Result<(), Ended> {
        loop {
            match self.account.get(&self.resource, &key).await {
                Ok(None) => {
                    self.known.remove(&key);
                    return self.send(Change::Deleted(key)).await;
                }
                Ok(Some(live)) => {
                    // It was created anew, or it lost our label: the selector no longer sees it.
                    self.known.insert(key, live.resource_version.clone());
                    return self.send(Change::Applied(Box::new(live))).await;
                }
                Err(error) => self.failed(error).await?,
            }
        }
    }

    fn recovered(&mut self) {
        self.backoff.reset();
        self.health.failing.store(false, Ordering::Relaxed);
        self.health.denied.store(false, Ordering::Relaxed);
    }

    async fn failed(&mut self, error: Error) -> Result<(), Ended> {
        if self.account.is_revoked() {
            let (namespace, name) = (self.account.namespace(), self.account.name());
            let gone = Error::AccountMissing {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            self.health.failing.store(true, Ordering::Relaxed);
            self.send(Change::Failing(gone)).await?;
            return Err(Ended);
        }
        // An expired version only means that everything is listed anew, and a connection that is
        // cut once is nothing to speak of: both show when the next attempt fails as well.
        let expired = error.code() == Some(410);
        let denied = error.reason() == Reason::Denied;
        self.health.denied.store(denied, Ordering::Relaxed);
        if !expired && !self.health.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(watch = %self.key, %error, "a watch failed and is started again");
            self.send(Change::Failing(error)).await?;
        }
        self.backoff.wait().await;
        Ok(())
    }

    async fn send(&self, change: Change) -> Result<(), Ended> {
        let event = Event {
            watch: self.key.clone(),
            change,
        };
        self.sender.send(event).await.map_err(|_| Ended)
    }
}

fn converted<K>(event: watcher::Event<K>, reduce: &impl Fn(K) -> Live) -> watcher::Event<Live> {
    match event {
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitDone => watcher::Event::InitDone,
        watcher::Event::InitApply(object) => watcher::Event::InitApply(reduce(object)),
        watcher::Event::Apply(object) => watcher::Event::Apply(reduce(object)),
        watcher::Event::Delete(object) => watcher::Event::Delete(reduce(object)),
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
    fn only_kinds_with_health_are_watched_in_full_and_never_a_secret() {
        for (group, kind, full) in [
            ("apps", "Deployment", true),
            ("example.com", "Thing", true),
            ("", "Secret", false),
            ("", "ConfigMap", false),
            ("rbac.authorization.k8s.io", "Role", false),
        ] {
            assert_eq!(
                watched_in_full(&resource(group, kind, Scope::Namespaced)),
                full,
                "{kind}"
            );
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
