//! Following one named object: watch it, read it, and tell what is otherwise than it was told.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::WatchParams;
use kube::core::WatchEvent;
use serde_json::Value;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Answer, Content, Event, Part, Shared, Target};
use crate::backoff::Backoff;
use crate::connect::Account;
use crate::discovery::{Resource, Scope};
use crate::error::{Error, classify};
use crate::objects::{built, path, reduce};
use crate::secret::SecretData;

/// How close to its regular end a watch may end without being counted as cut.
const MARGIN: Duration = Duration::from_secs(5);
/// The longest time that the API server is asked to keep a watch open: it takes at most 5 minutes.
const LONGEST: Duration = Duration::from_secs(290);
/// After so many failures in a row what was known of an object is too old to be told.
const MOST_FAILURES: u32 = 3;

/// How following an object goes, for the pool to read.
#[derive(Default)]
pub(super) struct Condition {
    watched: AtomicBool,
    no_room: AtomicBool,
}

impl Condition {
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Acquire)
    }

    pub(super) fn has_no_room(&self) -> bool {
        self.no_room.load(Ordering::Relaxed)
    }
}

/// Follows one object.
pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    pub(super) target: Target,
    pub(super) condition: Arc<Condition>,
    /// Somebody wants it to be looked at now.
    pub(super) again: Arc<Notify>,
    pub(super) backoff: Backoff,
    /// Failures in a row.
    pub(super) failures: u32,
    /// What was told last, and at which version of the object.
    pub(super) told: Option<(Answer, Option<String>)>,
    /// Where a watch that was cut goes on.
    pub(super) version: Option<String>,
}

/// Nobody reads the events any more.
struct Ended;

/// Why a round came to its end.
enum Stopped {
    Ended,
    Failed(Error),
    /// The account may not watch it.
    Unwatchable(Error),
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

impl Follower {
    pub(super) async fn run(mut self) {
        loop {
            let ended = self.round().await;
            self.condition.watched.store(false, Ordering::Release);
            let next = match ended {
                Ok(()) => Ok(()),
                Err(Stopped::Ended) => Err(Ended),
                Err(Stopped::Failed(error)) => self.failed(error).await,
                Err(Stopped::Unwatchable(error)) => self.unwatchable(error).await,
            };
            if next.is_err() {
                return;
            }
        }
    }

    /// Follows the object as long as it goes well.
    async fn round(&mut self) -> Result<(), Stopped> {
        let (account, resource, key) = self.resolve().await?;
        let room = Arc::clone(&self.shared.room).try_acquire_owned();
        self.condition
            .no_room
            .store(room.is_err(), Ordering::Relaxed);
        let Ok(_room) = room else {
            self.version = None;
            self.look(&account, &resource, &key).await?;
            self.failures = 0;
            self.pause(self.shared.settings.poll_interval).await;
            return Ok(());
        };
        if !resource.supports("watch") {
            let kind = resource.kind.clone();
            return Err(Stopped::Unwatchable(Error::Malformed(format!(
                "the kind `{kind}` cannot be watched"
            ))));
        }
        loop {
            self.watch(&account, &resource, &key).await?;
        }
    }

    async fn resolve(&self) -> Result<(Account, Resource, ObjectKey), Error> {
        let Target {
            namespace,
            account,
            key,
            ..
        } = &self.target;
        let cluster = &self.shared.cluster;
        let account = cluster.account(namespace, account).await?;
        let (group, version, kind) = (&key.group, &key.version, &key.kind);
        let resource = cluster.discovery().resolve(group, version, kind).await?;
        let key = resource.key(key.namespace.clone(), &key.name);
        Ok((account, resource, key))
    }

    /// One watch, from where the last one ended, until it ends in whatever way.
    async fn watch(
        &mut self,
        account: &Account,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<(), Stopped> {
        let begin = Instant::now();
        let timeout = self.timeout();
        let params = WatchParams::default()
            .fields(&format!("metadata.name={}", key.name))
            .timeout(u32::try_from(timeout.as_secs()).unwrap_or(1).max(1));
        let namespace = key.namespace.as_deref();
        let namespace = namespace.filter(|_| resource.scope == Scope::Namespaced);
        let from = self.version.take();
        let request = path(resource, namespace).watch(&params, from.as_deref().unwrap_or_default());
        let request = account.watches.request_events::<Value>(built(request)?);
        let events = match account.run(request).await {
            Ok(events) => events,
            Err(error) if error.reason() == Reason::Denied => {
                return Err(Stopped::Unwatchable(error));
            }
            Err(error) if error.code() == Some(410) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match from {
            Some(version) => self.version = Some(version),
            // Only now: what changes while it is read is in the events.
            None => self.look(account, resource, key).await?,
        }
        self.condition.watched.store(true, Ordering::Release);
        self.failures = 0;
        let mut events = pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    let version = version_of(&object);
                    self.version.clone_from(&version);
                    if !self.is_old(version.as_deref()) {
                        self.present(resource, object).await?;
                    }
                }
                Ok(WatchEvent::Deleted(object)) => {
                    self.version = version_of(&object);
                    self.look(account, resource, key).await?;
                }
                Ok(WatchEvent::Bookmark(bookmark)) => {
                    self.version = Some(bookmark.metadata.resource_version);
                }
                Ok(WatchEvent::Error(status)) => {
                    self.version = None;
                    let error = Error::Refused(Box::new(classify(&status)));
                    if error.code() == Some(410) {
                        return Ok(());
                    }
                    return Err(error.into());
                }
                Err(kube::Error::ReadEvents(error)) => {
                    tracing::debug!(object = %self.target, %error, "a watch was cut");
                    break;
                }
                Err(error) => {
                    self.version = None;
                    return Err(Error::from(error).into());
                }
            }
        }
        let lived = begin.elapsed();
        if lived + MARGIN >= timeout || lived >= self.shared.settings.backoff_most {
            self.backoff.reset();
        } else {
            self.backoff.wait().await;
        }
        Ok(())
    }

    /// A little less than the setting, each time another.
    fn timeout(&self) -> Duration {
        let most = self.shared.settings.server_timeout.min(LONGEST);
        Backoff::new(most, most).delay().max(most.mul_f32(0.8))
    }

    /// Reads the object.
    async fn look(
        &mut self,
        account: &Account,
        resource: &Resource,
        key: &ObjectKey,
    ) -> Result<(), Stopped> {
        match account.read(resource, key).await? {
            Some(object) => self.present(resource, object).await?,
            None => self.tell(Answer::Absent, None).await?,
        }
        Ok(())
    }

    async fn present(&mut self, resource: &Resource, mut object: Value) -> Result<(), Ended> {
        let version = version_of(&object);
        let content = match self.target.part {
            Part::Whole => {
                object["apiVersion"] = resource.api_version().into();
                object["kind"] = resource.kind.as_str().into();
                reduce(resource, &mut object);
                Content::Whole(Arc::new(object))
            }
            Part::Data => {
                let data = SecretData::of_object(&object);
                Content::Data(data.fingerprint(self.shared.key.expose()))
            }
        };
        self.tell(Answer::Present(content), version).await
    }

    /// Says how the object is, where that is news.
    async fn tell(&mut self, answer: Answer, version: Option<String>) -> Result<(), Ended> {
        let known = self.told.as_ref().map(|(answer, _)| answer);
        let news = known != Some(&answer);
        self.told = Some((answer.clone(), version));
        if !news {
            return Ok(());
        }
        let target = self.target.clone();
        let event = Event { target, answer };
        self.shared.sender.send(event).await.map_err(|_| Ended)
    }

    /// Whether a version is not newer than the one that was told. Resource versions of one kind are
    /// ordered numbers (KEP-5504).
    fn is_old(&self, version: Option<&str>) -> bool {
        let told = self.told.as_ref().and_then(|(_, told)| told.as_deref());
        let number = |version: Option<&str>| version?.parse::<u128>().ok();
        match (number(version), number(told)) {
            (Some(version), Some(told)) => version <= told,
            _ => false,
        }
    }

    /// The account may not watch the object, or nobody may: it is read every so often. The data of
    /// a ConfigMap or Secret are read by the syncs that need them, so they are not read here.
    async fn unwatchable(&mut self, error: Error) -> Result<(), Ended> {
        self.version = None;
        let settings = &self.shared.settings;
        let (poll, slow) = (settings.poll_interval, settings.denied_interval);
        if self.target.part == Part::Data {
            self.tell(unreadable(&error), None).await?;
            self.pause(slow).await;
            return Ok(());
        }
        tracing::debug!(object = %self.target, %error, "a named object is read every so often");
        let looked = async {
            let (account, resource, key) = self.resolve().await?;
            self.look(&account, &resource, &key).await
        };
        match looked.await {
            Ok(()) => {
                self.failures = 0;
                self.pause(poll).await;
                Ok(())
            }
            Err(Stopped::Ended) => Err(Ended),
            Err(Stopped::Failed(error) | Stopped::Unwatchable(error)) => self.failed(error).await,
        }
    }

    /// Says a failure where it is worth it, and waits.
    async fn failed(&mut self, error: Error) -> Result<(), Ended> {
        self.version = None;
        self.failures = self.failures.saturating_add(1);
        let passing = error.reason().class() == Class::Transient;
        if !passing || self.told.is_none() || self.failures >= MOST_FAILURES {
            self.tell(unreadable(&error), None).await?;
        }
        if passing {
            let pause = self.backoff.delay();
            self.pause(pause.max(error.retry_after().unwrap_or_default()))
                .await;
        } else {
            self.pause(self.shared.settings.denied_interval).await;
        }
        Ok(())
    }

    /// Waits, but not once somebody asks, or the kinds of the cluster are others.
    async fn pause(&self, length: Duration) {
        let mut kinds = self.shared.cluster.discovery().changes();
        kinds.mark_unchanged();
        tokio::select! {
            () = tokio::time::sleep(length) => {}
            () = self.again.notified() => {}
            Ok(()) = kinds.changed() => {}
        }
    }
}

fn unreadable(error: &Error) -> Answer {
    Answer::Unreadable(Failure {
        reason: error.reason(),
        detail: error.to_string(),
    })
}

fn version_of(object: &Value) -> Option<String> {
    let version = object["metadata"]["resourceVersion"].as_str();
    version.map(str::to_owned)
}
