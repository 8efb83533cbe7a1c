//! Leader election on one Lease, so that only one process writes.
//!
//! A holder that cannot renew stops before its lease can end: the time is taken before the request
//! is sent, by the monotonic clock, and the deadline to renew is shorter than the lease. Others
//! take the lease only after they saw it unchanged for its whole length by their own clock.

use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::connect::Agent;
use crate::error::Error;

/// Which Lease, and its times.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who holds it: unique for each process, for example pod name and a random part.
    pub identity: String,
    /// How long the lease holds without being renewed.
    pub duration: Duration,
    /// How long after the last renewal the holder stops. Shorter than `duration`.
    pub renew_deadline: Duration,
    /// Pause between attempts.
    pub retry: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            namespace: "syncline".into(),
            name: "syncline".into(),
            identity: String::new(),
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// Holds the lease and renews it. Dropping it gives the lease up.
pub struct Guard {
    lost: watch::Receiver<bool>,
    renewing: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
    transitions: i32,
}

/// What was last seen of somebody else's lease.
struct Seen {
    resource_version: String,
    since: Instant,
}

/// The outcome of one attempt to hold the lease.
enum Attempt {
    Held { lease: Box<Lease>, since: Instant },
    Other,
}

impl Agent {
    /// Waits until this process holds the lease.
    ///
    /// Fails only for what does not pass by itself: a missing right or namespace, or settings that
    /// cannot work.
    pub async fn acquire_lease(&self, settings: Settings) -> Result<Guard, Error> {
        if settings.identity.is_empty()
            || settings.renew_deadline >= settings.duration
            || settings.retry >= settings.renew_deadline
        {
            let what = "lease: an identity is needed, and retry < renew deadline < duration";
            return Err(Error::Configuration(what.to_owned()));
        }
        let mut candidate = Candidate {
            api: Api::namespaced(self.lease.clone(), &settings.namespace),
            agent: self.clone(),
            settings,
            seen: None,
        };
        let mut told = String::new();
        loop {
            match candidate.attempt(None).await {
                Ok(Attempt::Held { lease, since }) => return Ok(candidate.guard(*lease, since)),
                Ok(Attempt::Other) => {}
                Err(error) => {
                    use syncline_core::reason::Reason;
                    if matches!(error.reason(), Reason::Denied | Reason::NamespaceMissing) {
                        return Err(error);
                    }
                    let text = error.to_string();
                    if text != told {
                        tracing::warn!(%error, "the lease could not be read or taken and is tried again");
                        told = text;
                    }
                }
            }
            tokio::time::sleep(candidate.settings.retry).await;
        }
    }
}

impl Guard {
    /// Returns when the lease is lost: everything that writes must stop at once.
    pub async fn lost(&self) {
        let mut lost = self.lost.clone();
        // A task that ended without a word no longer renews either.
        let _ = lost.wait_for(|lost| *lost).await;
    }

    /// Whether the lease is still held.
    pub fn is_held(&self) -> bool {
        !*self.lost.borrow() && self.task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Whether the last attempt to renew it succeeded: `false` as soon as the API server refuses
    /// one or takes longer than the pause between two, long before the lease is lost.
    pub fn is_renewing(&self) -> bool {
        *self.renewing.borrow() && self.is_held()
    }

    /// Follows [`Self::is_renewing`]; ends with the lease.
    pub fn renewing(&self) -> watch::Receiver<bool> {
        self.renewing.clone()
    }

    /// How often the lease changed hands until it came here: grows with every holder.
    pub fn transitions(&self) -> i32 {
        self.transitions
    }

    /// Gives the lease up, so that the next one need not wait for its end. Returns when that is
    /// written or was given up.
    pub async fn release(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The task writes the release and ends, where the runtime lives long enough.
        self.stop.send_replace(true);
    }
}

struct Candidate {
    api: Api<Lease>,
    agent: Agent,
    settings: Settings,
    seen: Option<Seen>,
}

impl Candidate {
    fn guard(self, lease: Lease, since: Instant) -> Guard {
        let (lost_sender, lost) = watch::channel(false);
        let (stop, stopped) = watch::channel(false);
        let (renewing_sender, renewing) = watch::channel(true);
        let transitions = lease
            .spec
            .as_ref()
            .and_then(|spec| spec.lease_transitions)
            .unwrap_or_default();
        let task = tokio::spawn(async move {
            self.keep(lease, since, stopped, &renewing_sender).await;
            renewing_sender.send_replace(false);
            lost_sender.send_replace(true);
        });
        Guard {
            lost,
            renewing,
            stop,
            task: Some(task),
            transitions,
        }
    }

    /// Renews until told to stop, then releases; returns at the deadline otherwise.
    async fn keep(
        mut self,
        mut lease: Lease,
        mut since: Instant,
        mut stop: watch::Receiver<bool>,
        renewing: &watch::Sender<bool>,
    ) {
        let say = |now: bool| {
            renewing.send_if_modified(|before| std::mem::replace(before, now) != now);
        };
        loop {
            let deadline = since + self.settings.renew_deadline;
            let stopped = async { stop.wait_for(|stop| *stop).await.map(|_| ()) };
            if tokio::time::timeout(self.settings.retry, stopped)
                .await
                .is_ok()
            {
                return self.give_up(lease, deadline).await;
            }
            let patience = self.settings.retry;
            let answer = {
                let mut attempt = pin!(self.attempt(Some(&lease)));
                let patience = tokio::time::timeout(patience, &mut attempt);
                if let Ok(answer) = patience.await {
                    Ok(answer)
                } else {
                    say(false);
                    // One that hangs is given up early enough for another on a new connection.
                    let left = deadline.saturating_duration_since(Instant::now());
                    tokio::time::timeout(left / 2, attempt).await
                }
            };
            say(matches!(answer, Ok(Ok(_))));
            match answer {
                Ok(Ok(Attempt::Held {
                    lease: renewed,
                    since: at,
                })) => {
                    lease = *renewed;
                    since = at;
                }
                Ok(Ok(Attempt::Other)) => {
                    tracing::error!("the lease was taken by another process");
                    return;
                }
                Ok(Err(error)) if Instant::now() < deadline => {
                    tracing::warn!(%error, "the lease could not be renewed and is tried again");
                }
                Err(_) if Instant::now() < deadline => {
                    tracing::warn!("a renewal of the lease hangs and is tried again");
                }
                Ok(Err(_)) | Err(_) => {
                    tracing::error!("the lease could not be renewed in time");
                    return;
                }
            }
        }
    }

    async fn give_up(&self, mut lease: Lease, deadline: Instant) {
        if let Some(spec) = lease.spec.as_mut() {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        let params = PostParams::default();
        let release = self.api.replace(&self.settings.name, &params, &lease);
        let _ = tokio::time::timeout_at(deadline, self.agent.requests.run(release)).await;
    }

    /// Takes or renews the lease, with one read less where it is held already.
    async fn attempt(&mut self, held: Option<&Lease>) -> Result<Attempt, Error> {
        let since = Instant::now();
        if let Some(lease) = held {
            match self.write(lease.clone(), since).await {
                Err(error) if error.code() == Some(409) => {}
                settled => return settled,
            }
        }
        let name = &self.settings.name;
        let Some(lease) = self.agent.requests.run(self.api.get_opt(name)).await? else {
            return self.create(since).await;
        };
        let spec = lease.spec.as_ref();
        let holder = spec
            .and_then(|spec| spec.holder_identity.as_deref())
            .unwrap_or_default();
        if !holder.is_empty() && holder != self.settings.identity {
            if held.is_some() {
                return Ok(Attempt::Other);
            }
            let version = lease.metadata.resource_version.clone().unwrap_or_default();
            let unchanged = match &self.seen {
                Some(seen) if seen.resource_version == version => seen.since,
                _ => {
                    self.seen = Some(Seen {
                        resource_version: version,
                        since,
                    });
                    return Ok(Attempt::Other);
                }
            };
            let seconds = spec
                .and_then(|spec| spec.lease_duration_seconds)
                .unwrap_or_default();
            let length = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
            if unchanged.elapsed() < length.max(self.settings.duration) {
                return Ok(Attempt::Other);
            }
        }
        match self.write(lease, since).await {
            Err(error) if error.code() == Some(409) => Ok(Attempt::Other),
            settled => settled,
        }
    }

    async fn write(&self, mut lease: Lease, since: Instant) -> Result<Attempt, Error> {
        let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
        let now = MicroTime(Timestamp::now());
        if spec.holder_identity.as_deref() != Some(self.settings.identity.as_str()) {
            spec.holder_identity = Some(self.settings.identity.clone());
            spec.acquire_time = Some(now.clone());
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or_default() + 1);
        }
        spec.lease_duration_seconds = Some(self.seconds());
        spec.renew_time = Some(now);
        lease.metadata.managed_fields = None;
        let params = PostParams::default();
        let replace = self.api.replace(&self.settings.name, &params, &lease);
        let lease = self.agent.requests.run(replace).await?;
        Ok(Attempt::Held {
            lease: Box::new(lease),
            since,
        })
    }

    async fn create(&self, since: Instant) -> Result<Attempt, Error> {
        let now = MicroTime(Timestamp::now());
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.settings.identity.clone()),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_duration_seconds: Some(self.seconds()),
                lease_transitions: Some(0),
                ..LeaseSpec::default()
            }),
        };
        match self
            .agent
            .requests
            .run(self.api.create(&PostParams::default(), &lease))
            .await
        {
            Ok(lease) => Ok(Attempt::Held {
                lease: Box::new(lease),
                since,
            }),
            Err(error) if error.code() == Some(409) => Ok(Attempt::Other),
            Err(error) => Err(error),
        }
    }

    /// The length of the lease in whole seconds, rounded up, for others to wait.
    fn seconds(&self) -> i32 {
        let seconds = self.settings.duration.as_millis().div_ceil(1000);
        i32::try_from(seconds).unwrap_or(i32::MAX)
    }
}
