//! Why a workload is not healthy: a look at its pods, as the account of its application.
//!
//! A workload that stays unhealthy is looked at after a delay, again with growing pauses, and when
//! its own status changes. A healthy one costs no request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use syncline_cluster::Live;
use syncline_core::health::{Health, ObjectHealth, cause};
use syncline_core::object::ObjectKey;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use tokio::time::Instant;

use super::judge_running;
use crate::agent::Agent;
use crate::live::{Seen, masked};
use crate::schedule::Schedule;
use crate::state::State;

/// The label by which the pods of one ReplicaSet are told from those of another.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Which workloads are looked at, and how often they were.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    schedule: Schedule<ObjectKey>,
    rounds: Mutex<HashMap<ObjectKey, Round>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Round {
    number: u32,
    /// Until then a change of status is no reason to look: the account may not.
    quiet: Option<Instant>,
}

impl Looks {
    /// Takes a new state of an object of ours in: a workload that stays unhealthy for `delay` is
    /// looked at, a healthy one no more.
    pub(crate) fn follow(&self, key: &ObjectKey, seen: &Seen, now: Instant, delay: Duration) {
        let unhealthy = !matches!(seen.health.health, Health::Healthy | Health::Suspended);
        if !unhealthy || seen.deleting || seen.selector.is_none() {
            return self.end(key);
        }
        let round = self.rounds().get(key).copied();
        match round {
            Some(Round { quiet, .. }) if quiet.is_some_and(|until| now < until) => {}
            Some(_) => self.schedule.ask(key, now + delay / 2),
            None if self.schedule.knows(key) => {}
            None => self.schedule.ask(key, now + delay),
        }
    }

    /// The object is healthy or gone.
    pub(super) fn end(&self, key: &ObjectKey) {
        self.schedule.forget(key);
        self.rounds().remove(key);
    }

    /// The next workload that is due; waits for one. The caller says [`Looks::done`].
    pub(crate) async fn take(&self, now: impl Fn() -> Instant) -> ObjectKey {
        self.schedule.take(now).await
    }

    /// A look ended; the next one is due after the pause, or never.
    pub(crate) fn done(&self, key: &ObjectKey, pause: Option<Duration>, now: Instant) {
        self.schedule.done(key, pause.map(|pause| now + pause));
        if !self.schedule.knows(key) {
            self.rounds().remove(key);
        }
    }

    /// Counts a look; answers with how many there were before.
    fn count(&self, key: &ObjectKey) -> u32 {
        let mut rounds = self.rounds();
        let round = rounds.entry(key.clone()).or_default();
        round.quiet = None;
        round.number += 1;
        round.number - 1
    }

    fn quiet(&self, key: &ObjectKey, until: Instant) {
        if let Some(round) = self.rounds().get_mut(key) {
            round.quiet = Some(until);
        }
    }

    fn rounds(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, Round>> {
        // Nothing panics while it is held.
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A workload that is looked at.
struct Subject {
    application: Name,
    account: String,
    uid: String,
    health: ObjectHealth,
    selector: String,
}

fn subject(state: &State, key: &ObjectKey) -> Option<Subject> {
    let seen = state.live.seen(key)?;
    if matches!(seen.health.health, Health::Healthy | Health::Suspended) {
        return None;
    }
    let application = seen.owner.as_ref().filter(|_| !seen.deleting)?;
    let entry = state.applications.get(application)?;
    let spec = entry.spec.as_ref().ok()?;
    Some(Subject {
        application: application.clone(),
        account: spec.account.clone(),
        uid: seen.uid.clone(),
        health: seen.health.clone(),
        selector: seen.selector.clone()?,
    })
}

/// Looks at the pods of a workload and says what they say. Answers with the pause until the next
/// look; `None` where there is no reason for one.
pub(crate) async fn look(agent: &Arc<Agent>, key: &ObjectKey) -> Option<Duration> {
    let subject = subject(&agent.state.lock(), key)?;
    let before = agent.looks.count(key);
    let settings = &agent.settings;
    let next = pause(
        settings.health_look_delay,
        settings.health_look_most,
        before,
    );
    let (told, pause) = match pods(agent, key, &subject).await {
        Ok(pods) => (masked(cause(&subject.health, &pods)), next),
        Err(error) if error.reason() == Reason::Denied => {
            let until = agent.clock.monotonic() + settings.retry_slow;
            agent.looks.quiet(key, until);
            (without_right(&subject), settings.retry_slow)
        }
        Err(error) => {
            tracing::debug!(object = %key, %error, "the pods of a workload cannot be listed");
            return Some(next);
        }
    };
    let now = agent.clock.now();
    let due = agent.clock.monotonic();
    let mut state = agent.state.lock();
    let own = &subject.health;
    if state.live.explain(key, &subject.uid, own, told) {
        for name in state.live.claims(key).to_vec() {
            if judge_running(&mut state, &name, now) {
                agent.reports.ask(&name, due);
            }
        }
    }
    Some(pause)
}

/// Half of `delay` at first, doubled each time, at most `most`.
fn pause(delay: Duration, most: Duration, before: u32) -> Duration {
    let pause = (delay / 2).saturating_mul(1 << before.min(16));
    pause.min(most)
}

/// What is said where the account may not list pods: the sentence of the workload is not lost.
fn without_right(subject: &Subject) -> ObjectHealth {
    let said = subject.health.message.as_str();
    let account = &subject.account;
    let why = format!(
        "why is not known, because the service account `{account}` may not list pods in its namespace"
    );
    let message = match said {
        "" => why,
        said => format!("{said}; {why}"),
    };
    ObjectHealth::new(subject.health.health, message)
}

async fn pods(
    agent: &Agent,
    key: &ObjectKey,
    subject: &Subject,
) -> Result<Vec<Value>, syncline_cluster::Error> {
    let application = &subject.application;
    let account = agent
        .cluster
        .account(&application.namespace, &subject.account)
        .await?;
    let resource = agent.cluster.discovery().resolve("", "v1", "Pod").await?;
    let most = agent.settings.health_look_pods;
    let namespace = key.namespace.as_deref();
    let found = account
        .list_first(&resource, namespace, &subject.selector, most)
        .await?;
    let current = newest(key, found);
    Ok(current.into_iter().filter_map(|pod| pod.object).collect())
}

/// The pods of the newest ReplicaSet of a Deployment: those that have the template of the pod that
/// was made last. All pods of any other workload.
fn newest(key: &ObjectKey, pods: Vec<Live>) -> Vec<Live> {
    if key.kind != "Deployment" {
        return pods;
    }
    let hash = |pod: &Live| pod.labels.get(TEMPLATE_HASH).cloned();
    let last = pods.iter().max_by_key(|pod| pod.created).and_then(hash);
    let current = pods.into_iter().filter(|pod| hash(pod) == last);
    current.collect()
}

#[cfg(test)]
mod tests;
