//! The loops that drive the agent: each takes what comes and hands it on.

use std::sync::Arc;

use futures::FutureExt as _;
use syncline_cluster::kinds::Kind;
use syncline_cluster::{named as objects, own, watch};
use syncline_core::trigger::Cause;
use syncline_web_ui::Topic;
use syncline_webhook::Delivery;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::Agent;
use crate::poller::Target;
use crate::{applications, charts, deletion, health, history, images, named, repositories, sync};

/// How often old rows of history are removed.
const RETENTION_INTERVAL: std::time::Duration = std::time::Duration::from_secs(3600);

/// Most events of live objects that are taken together.
const EVENTS_TOGETHER: usize = 256;

/// Takes events of our own kinds, in order.
pub(super) async fn own_events(agent: Arc<Agent>, mut events: mpsc::Receiver<own::OwnEvent>) {
    while let Some(event) = events.recv().await {
        applications::take(&agent, event).await;
    }
}

/// Takes events of live objects, in order; those that wait already are taken together.
pub(super) async fn live_events(agent: Arc<Agent>, mut events: mpsc::Receiver<watch::Event>) {
    let mut together = Vec::new();
    while events.recv_many(&mut together, EVENTS_TOGETHER).await > 0 {
        health::take(&agent, std::mem::take(&mut together));
    }
}

/// Takes changes of objects that our own objects name, in order.
pub(super) async fn named_events(agent: Arc<Agent>, mut events: mpsc::Receiver<objects::Event>) {
    while let Some(event) = events.recv().await {
        named::take(&agent, event);
    }
}

/// Registers the webhooks when a Repository changes, when their Secrets may have changed, and again
/// as long as a Secret cannot be read. A task of its own: a slow answer holds up no event.
pub(super) async fn keep_webhooks(agent: Arc<Agent>) {
    let settings = &agent.settings;
    let mut delay = settings.retry_first;
    loop {
        let changed = agent.webhooks_changed.notified();
        let wait = if agent.register_webhooks().await {
            delay = settings.retry_first;
            settings.secret_ttl
        } else {
            delay
        };
        tokio::select! {
            () = changed => delay = settings.retry_first,
            () = tokio::time::sleep(wait) => delay = (delay * 2).min(settings.retry_most),
        }
    }
}

/// A verified delivery is a look now; what it says is not believed.
pub(super) async fn webhook_deliveries(
    agent: Arc<Agent>,
    mut deliveries: mpsc::Receiver<Delivery>,
) {
    while let Some(delivery) = deliveries.recv().await {
        agent.metrics.deliveries.inc();
        for repository in delivery.repositories {
            let target = Target::Repository(repository);
            agent
                .poller
                .look_now(&target, Cause::Webhook, agent.clock.monotonic());
        }
    }
}

/// Looks at repositories and registries as they become due, a bounded number at a time.
pub(super) async fn poll(agent: Arc<Agent>) {
    all_listed(&agent).await;
    let permits = Arc::new(Semaphore::new(agent.settings.poll_workers));
    let mut looks = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let (target, cause) = agent.poller.take(|| agent.clock.monotonic()).await;
        while looks.try_join_next().is_some() {}
        let agent = Arc::clone(&agent);
        looks.spawn(async move {
            let look = async {
                let _held = match &target {
                    Target::ImagePolicy(name) => {
                        return images::look(&agent, name, cause, permit).await;
                    }
                    Target::Repository(_) | Target::Chart(_) => permit,
                };
                match &target {
                    Target::Repository(name) => repositories::look(&agent, name, cause).await,
                    Target::Chart(name) => charts::look(&agent, name).await,
                    Target::ImagePolicy(_) => None,
                }
            };
            // A panic is confined to its target (inv_i15).
            let delay = std::panic::AssertUnwindSafe(look)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| {
                    tracing::error!(?target, "a look ended in a panic");
                    Some(agent.settings.retry_slow)
                });
            agent.poller.done(&target, delay, agent.clock.monotonic());
        });
    }
}

/// Writes the status of the applications that changed by events, one write of each at a time; what
/// comes meanwhile is in the next.
pub(super) async fn report(agent: Arc<Agent>) {
    let permits = Arc::new(Semaphore::new(agent.settings.status_writers));
    let mut writes = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let name = agent.reports.take(|| agent.clock.monotonic()).await;
        while writes.try_join_next().is_some() {}
        let agent = Arc::clone(&agent);
        writes.spawn(async move {
            let write = crate::report::application(&agent, &name);
            // A panic is confined to its application (inv_i15).
            let written = std::panic::AssertUnwindSafe(write).catch_unwind().await;
            if written.is_err() {
                tracing::error!(app.name = %name, "a report ended in a panic");
            }
            agent.reports.done(&name, None);
            drop(permit);
        });
    }
}

/// Looks at the pods of workloads that are not healthy, a bounded number at a time.
pub(super) async fn look_at_pods(agent: Arc<Agent>) {
    let permits = Arc::new(Semaphore::new(agent.settings.health_look_workers));
    let mut looks = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let key = agent.looks.take(|| agent.clock.monotonic()).await;
        while looks.try_join_next().is_some() {}
        let agent = Arc::clone(&agent);
        looks.spawn(async move {
            let look = health::looks::look(&agent, &key);
            // A panic is confined to its workload (inv_i15).
            let pause = std::panic::AssertUnwindSafe(look).catch_unwind().await;
            let pause = pause.unwrap_or_else(|_| {
                tracing::error!(object = %key, "a look at pods ended in a panic");
                None
            });
            agent.looks.done(&key, pause, agent.clock.monotonic());
            drop(permit);
        });
    }
}

/// Waits until all of our own objects have been seen: before that, one that another names may
/// only seem to be missing.
async fn all_listed(agent: &Agent) {
    let mut listed = agent.listed.subscribe();
    // It ends with the agent only.
    let _ = listed
        .wait_for(|listed| listed.len() == Kind::ALL.len())
        .await;
}

/// One worker: syncs or deletes one application after the other.
pub(super) async fn work(agent: Arc<Agent>) {
    all_listed(&agent).await;
    while let Some((name, trigger)) = agent.queue.take(|| agent.clock.monotonic()).await {
        agent.metrics.queued.set(agent.queue.depth().0 as i64);
        let deleting = agent
            .state
            .lock()
            .applications
            .get(&name)
            .is_some_and(|entry| entry.deleting.is_some());
        let run = async {
            if deleting {
                deletion::delete(&agent, &name).await;
            } else {
                Box::pin(sync::sync(&agent, &name, &trigger)).await;
            }
        };
        // A panic is confined to its application (inv_i15).
        if std::panic::AssertUnwindSafe(run)
            .catch_unwind()
            .await
            .is_err()
        {
            tracing::error!(app.name = %name, "a sync ended in a panic");
            if let Some(entry) = agent.state.lock().applications.get_mut(&name) {
                entry.running = None;
            }
            let due = agent.clock.monotonic() + agent.settings.retry_slow;
            agent
                .queue
                .push(&name, Cause::Retry, agent.clock.now(), due);
        }
        agent.queue.done(&name, agent.clock.monotonic());
    }
}

/// What changes without any event: a workload is late, a webhook's secret was exchanged.
pub(super) async fn look_around(agent: Arc<Agent>) {
    let mut interval = tokio::time::interval(agent.settings.late_interval);
    let (mut refused, mut read_at) = (0, agent.clock.monotonic());
    let mut told = None;
    loop {
        interval.tick().await;
        health::judge_late(&agent).await;
        health::check_slowly(&agent);
        let counts = agent.deliveries.read();
        agent.metrics.webhook_refused.set(counts.rejected as i64);
        let now = agent.clock.monotonic();
        let waited = now.saturating_duration_since(read_at);
        if counts.rejected > refused && waited >= agent.settings.account_check_interval {
            // Perhaps the secret is a new one. At rest no Secret is read.
            refused = counts.rejected;
            read_at = now;
            agent.forget_webhook_secrets();
            agent.webhooks_changed.notify_one();
        }
        let (cache, renderer) = (agent.renders.counters(), agent.renderer.counters());
        agent.metrics.rendering(cache, renderer);
        agent.metrics.registries(agent.hosts.states());
        let status = agent.history.status();
        agent.metrics.history(&status);
        let notice = history::notice(&status);
        if notice != told {
            agent.feed.publish(Topic::Agent, String::new());
            told = notice;
        }
    }
}

pub(super) async fn retention(agent: Arc<Agent>) {
    let mut interval = tokio::time::interval(RETENTION_INTERVAL);
    loop {
        interval.tick().await;
        if let Err(error) = agent.history.prune_old(agent.clock.now()).await {
            tracing::warn!(%error, "old history could not be removed");
        }
    }
}
