//! One watch: list, then watch from there, until nobody reads it or its account is gone.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{ListParams, WatchParams};
use kube::core::WatchEvent;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::reason::{Class, Reason};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Area, Change, Counters, Event, Settings, WatchKey};
use crate::backoff::Backoff;
use crate::connect::Account;
use crate::discovery::Resource;
use crate::error::{Error, classify};
use crate::live::Live;
use crate::live::wire::{WireList, WireObject};
use crate::objects::{PAGE, built, path};

/// How close to its regular end a watch may end without being counted as cut.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest time that the API server is asked to keep a watch open: it takes at most 5 minutes.
const LONGEST: Duration = Duration::from_secs(290);

/// How a watch is doing, for the pool to read.
#[derive(Default)]
pub(super) struct Condition {
    denied: AtomicBool,
    failing: AtomicBool,
    listed: AtomicBool,
}

impl Condition {
    pub(super) fn is_denied(&self) -> bool {
        self.denied.load(Ordering::Relaxed)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(super) fn is_current(&self) -> bool {
        self.listed.load(Ordering::Acquire) && !self.is_failing()
    }
}

/// What was reported: namespace and name of an object, at which version.
#[derive(Default)]
pub(super) struct Known(HashMap<(Option<String>, String), Seen>);

#[derive(Clone)]
struct Seen {
    version: String,
    /// The number of the last list that it was in.
    list: u64,
}

impl Known {
    /// Takes in what another watch reported.
    pub(super) fn extend(&mut self, other: &Self) {
        let theirs = other.0.iter();
        self.0
            .extend(theirs.map(|(name, seen)| (name.clone(), seen.clone())));
    }
}

/// One watch.
pub(super) struct Watch {
    pub(super) key: WatchKey,
    pub(super) resource: Resource,
    pub(super) account: Account,
    pub(super) instance: Arc<str>,
    pub(super) settings: Arc<Settings>,
    pub(super) sender: mpsc::Sender<Event>,
    pub(super) condition: Arc<Condition>,
    pub(super) counters: Arc<Counters>,
    pub(super) backoff: Backoff,
    pub(super) known: Arc<Mutex<Known>>,
    /// Attempts in a row that failed.
    pub(super) failures: u32,
}

/// Nobody reads the events any more, or the account is gone.
struct Ended;

/// Why a list did not get to its end.
enum Stopped {
    Ended,
    Failed(Error),
}

impl From<Ended> for Stopped {
    fn from(_: Ended) -> Self {
        Self::Ended
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// How a watch goes on.
enum Next {
    /// From this version.
    Watch(String),
    /// By listing everything anew.
    List,
}

impl Watch {
    /// Runs to its end. The watch that it takes the place of is ended first, so that none of its
    /// events comes later than one of this.
    pub(super) async fn run(mut self, before: Option<JoinHandle<()>>) {
        if let Some(before) = before {
            before.abort();
            // It was cancelled, or had ended.
            let _ = before.await;
        }
        let Err(Ended) = self.follow().await;
    }

    async fn follow(&mut self) -> Result<Infallible, Ended> {
        let mut next = Next::List;
        loop {
            let version = match next {
                Next::Watch(version) => version,
                Next::List => self.list().await?,
            };
            next = self.watch(version).await?;
        }
    }

    /// Lists as often as it takes; answers with the version of the list.
    async fn list(&mut self) -> Result<String, Ended> {
        loop {
            match self.try_list().await {
                Ok(version) => return Ok(version),
                Err(Stopped::Ended) => return Err(Ended),
                Err(Stopped::Failed(error)) => {
                    self.failed(error).await?;
                }
            }
        }
    }

    async fn try_list(&mut self) -> Result<String, Stopped> {
        let list = self.counters.lists.fetch_add(1, Ordering::Relaxed) + 1;
        let path = path(&self.resource, self.namespace());
        let mut params = ListParams::default().labels(&self.selector()).limit(PAGE);
        let version = loop {
            let request = if self.resource.is_read_in_full() {
                path.list(&params)
            } else {
                path.list_metadata(&params)
            };
            let request = self.account.watches.request::<WireList>(built(request)?);
            let page = self.account.run(request).await?;
            for object in page.items.into_iter().flatten() {
                self.reported(object, Some(list)).await?;
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => break page.metadata.resource_version.unwrap_or_default(),
            }
        };
        if version.is_empty() {
            return Err(Error::Answer("no resource version".to_owned()).into());
        }
        let missing: Vec<_> = {
            let known = self.known();
            let missing = known.0.iter().filter(|(_, seen)| seen.list != list);
            missing.map(|(name, _)| name.clone()).collect()
        };
        for (namespace, name) in missing {
            self.verify(self.resource.key(namespace, name)).await?;
        }
        self.failures = 0;
        self.condition.denied.store(false, Ordering::Relaxed);
        self.condition.failing.store(false, Ordering::Relaxed);
        self.send(Change::Restarted).await?;
        self.condition.listed.store(true, Ordering::Release);
        Ok(version)
    }

    /// Watches from a version until the watch ends in whatever way.
    async fn watch(&mut self, mut version: String) -> Result<Next, Ended> {
        let begin = Instant::now();
        let timeout = self.timeout();
        let params = WatchParams::default()
            .labels(&self.selector())
            .timeout(u32::try_from(timeout.as_secs()).unwrap_or(1).max(1));
        let path = path(&self.resource, self.namespace());
        let request = if self.resource.is_read_in_full() {
            path.watch(&params, &version)
        } else {
            path.watch_metadata(&params, &version)
        };
        let opened = match built(request) {
            Ok(request) => {
                let request = self.account.watches.request_events::<WireObject>(request);
                self.account.run(request).await
            }
            Err(error) => Err(error),
        };
        let events = match opened {
            Ok(events) => events,
            Err(error) => return self.failed_from(error, version).await,
        };
        self.failures = 0;
        self.condition.denied.store(false, Ordering::Relaxed);
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    version.clone_from(&object.metadata.resource_version);
                    self.reported(object, None).await?;
                }
                Ok(WatchEvent::Deleted(object)) => {
                    version.clone_from(&object.metadata.resource_version);
                    let live = Live::from_metadata(&self.resource, object.metadata);
                    self.verify(live.key).await?;
                }
                Ok(WatchEvent::Bookmark(bookmark)) => {
                    version = bookmark.metadata.resource_version;
                }
                Ok(WatchEvent::Error(status)) => {
                    let error = Error::Refused(Box::new(classify(&status)));
                    return self.failed_from(error, version).await;
                }
                Err(kube::Error::ReadEvents(error)) => {
                    tracing::debug!(watch = %self.key, %error, "a watch was cut");
                    break;
                }
                Err(error) => {
                    self.failed(error.into()).await?;
                    return Ok(Next::List);
                }
            }
        }
        let lived = begin.elapsed();
        let regular = lived + MARGIN >= timeout;
        if !regular {
            self.counters.restarts.fetch_add(1, Ordering::Relaxed);
        }
        if regular || lived >= self.settings.backoff_most {
            self.backoff.reset();
        } else {
            self.backoff.wait().await;
        }
        Ok(Next::Watch(version))
    }

    /// A little less than the setting, each time another.
    fn timeout(&self) -> Duration {
        let most = self.settings.server_timeout.min(LONGEST);
        Backoff::new(most, most).delay().max(most.mul_f32(0.8))
    }

    async fn failed_from(&mut self, error: Error, version: String) -> Result<Next, Ended> {
        let expired = error.code() == Some(410);
        match self.failed(error).await? {
            Told::Nobody if !expired => Ok(Next::Watch(version)),
            _ => Ok(Next::List),
        }
    }

    /// Reports an object that was listed or changed, unless it was reported at this version.
    async fn reported(&mut self, object: WireObject, list: Option<u64>) -> Result<(), Ended> {
        let live = Live::from_wire(&self.resource, object);
        let name = (live.key.namespace.clone(), live.key.name.clone());
        let version = live.resource_version.clone();
        let last = {
            let mut known = self.known();
            match known.0.get_mut(&name) {
                Some(seen) if seen.version == version => {
                    seen.list = list.unwrap_or(seen.list);
                    return Ok(());
                }
                seen => seen.map_or(0, |seen| seen.list),
            }
        };
        self.send(Change::Applied(Box::new(live))).await?;
        // Only now: a watch that is ended while it waits has not reported it.
        let list = list.unwrap_or(last);
        self.known().0.insert(name, Seen { version, list });
        Ok(())
    }

    /// Asks the API server whether an object is really gone, as often as it takes.
    async fn verify(&mut self, key: ObjectKey) -> Result<(), Ended> {
        loop {
            match self.account.get(&self.resource, &key).await {
                Ok(None) => {
                    self.send(Change::Deleted(key.clone())).await?;
                    self.known().0.remove(&(key.namespace, key.name));
                    return Ok(());
                }
                Ok(Some(live)) => {
                    // It was created anew, or it lost our label: the selector no longer sees it.
                    let ours = live.labels.get(names::LABEL_MANAGED).map(String::as_str)
                        == Some(&*self.instance);
                    let name = (live.key.namespace.clone(), live.key.name.clone());
                    let version = live.resource_version.clone();
                    self.send(Change::Applied(Box::new(live))).await?;
                    let mut known = self.known();
                    if ours {
                        let list = known.0.get(&name).map_or(0, |seen| seen.list);
                        known.0.insert(name, Seen { version, list });
                    } else {
                        known.0.remove(&name);
                    }
                    return Ok(());
                }
                Err(error) => {
                    self.failed(error).await?;
                }
            }
        }
    }

    /// Says a failure where it is worth it, and waits.
    async fn failed(&mut self, error: Error) -> Result<Told, Ended> {
        self.counters.restarts.fetch_add(1, Ordering::Relaxed);
        if self.account.is_revoked() {
            let gone = Error::AccountMissing {
                namespace: self.account.namespace().to_owned(),
                name: self.account.name().to_owned(),
            };
            self.condition.failing.store(true, Ordering::Relaxed);
            self.send(Change::Failing(gone)).await?;
            return Err(Ended);
        }
        self.failures = self.failures.saturating_add(1);
        let denied = error.reason() == Reason::Denied;
        self.condition.denied.store(denied, Ordering::Relaxed);
        // An expired version only means that everything is listed anew, and a connection that is
        // cut once is nothing to speak of: both show when the next attempt fails as well.
        let expired = error.code() == Some(410);
        let passing = error.reason().class() == Class::Transient
            && self.condition.listed.load(Ordering::Relaxed)
            && self.failures < 2;
        let pause = self
            .backoff
            .delay()
            .max(error.retry_after().unwrap_or_default());
        if !expired && !passing && !self.condition.failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(watch = %self.key, %error, "a watch failed and is started again");
            self.send(Change::Failing(error)).await?;
        }
        tokio::time::sleep(pause).await;
        Ok(if self.condition.is_failing() {
            Told::Agent
        } else {
            Told::Nobody
        })
    }

    async fn send(&self, change: Change) -> Result<(), Ended> {
        let event = Event {
            watch: self.key.clone(),
            change,
        };
        self.sender.send(event).await.map_err(|_| Ended)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn namespace(&self) -> Option<&str> {
        match &self.key.area {
            Area::Cluster => None,
            Area::Namespace(namespace) => Some(namespace),
        }
    }

    fn selector(&self) -> String {
        format!("{}={}", names::LABEL_MANAGED, self.instance)
    }
}

/// Who knows of a failure.
enum Told {
    /// It was said, or had been: only a list mends it.
    Agent,
    /// It may pass by itself.
    Nobody,
}
