//! The one writer of a branch: what all policies want at the same time is one commit.
//!
//! ```text
//! fetch the tip -> decide for each policy -> commit -> prove -> push
//!       ^                    ^                  refused: without that policy anew
//!       +--- somebody else was first: everything anew on the new tip
//! ```
//!
//! Edits are made on the tip, never carried over. A branch moves forward only, and no commit is
//! empty. After a push without an answer the commit is looked for before anything is made again.

mod batch;
mod findings;
pub(in crate::images) mod tip;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use syncline_core::application::Repository;
use syncline_core::digest::Digest;
use syncline_core::image::update::History;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use syncline_source::SigningKey;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::rollback::{self, Rollback};
use super::{Attempt, Settled, fail};
use crate::agent::Agent;
use crate::conversion::ImageUpdate;
use crate::jitter::later;
use crate::schedule::Schedule;

/// A branch of a repository, however its URL is spelled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Branch {
    identity: String,
    branch: String,
}

impl Branch {
    fn of(repository: &Repository) -> Self {
        Self {
            identity: repository.url.identity(),
            branch: repository.branch.clone(),
        }
    }
}

/// What waits for the writer of each branch.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    schedule: Schedule<Branch>,
    orders: Mutex<BTreeMap<Branch, Orders>>,
    /// What the commits of each branch say to us, as of the last turn.
    histories: Mutex<BTreeMap<Branch, Arc<History>>>,
    /// The keys that sign, by Repository, and the fingerprints of the Secrets that they are from.
    keys: Mutex<BTreeMap<Name, (Digest, SigningKey)>>,
}

/// What waits for one branch.
#[derive(Debug, Default)]
struct Orders {
    updates: Vec<Order>,
    rollbacks: Vec<(Repository, Rollback)>,
}

/// What a policy wants looked into.
#[derive(Debug)]
struct Order {
    repository: Repository,
    policy: ImageUpdate,
    cause: Cause,
    answer: oneshot::Sender<Attempt<Settled>>,
}

impl Writers {
    /// How many wait for a writer.
    pub(crate) fn waiting(&self) -> usize {
        let orders = self.lock();
        orders.values().map(|orders| orders.updates.len()).sum()
    }

    /// What the commits of a branch say to us, as of the last turn of its writer.
    pub(super) fn history(&self, repository: &Repository) -> Option<Arc<History>> {
        let histories = self.histories.lock();
        let histories = histories.unwrap_or_else(PoisonError::into_inner);
        histories.get(&Branch::of(repository)).cloned()
    }

    fn keep_history(&self, repository: &Repository, history: &Arc<History>) {
        let histories = self.histories.lock();
        let mut histories = histories.unwrap_or_else(PoisonError::into_inner);
        histories.insert(Branch::of(repository), Arc::clone(history));
    }

    fn key(&self, repository: &Name, print: Digest) -> Option<SigningKey> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, key) = keys.get(repository)?;
        (*known == print).then(|| key.clone())
    }

    fn keep_key(&self, repository: &Name, print: Digest, key: SigningKey) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(repository.clone(), (print, key));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Branch, Orders>> {
        // Nothing panics while it is held.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the writer of the branch do what a policy wants, together with what others want within the
/// window, and answers with how that ended.
pub(super) async fn update(
    agent: &Agent,
    repository: &Repository,
    policy: &ImageUpdate,
    cause: Cause,
) -> Attempt<Settled> {
    let (answer, answered) = oneshot::channel();
    let order = Order {
        repository: repository.clone(),
        policy: policy.clone(),
        cause,
        answer,
    };
    let branch = Branch::of(repository);
    // A person waits for it.
    let write = repository.write.as_ref().filter(|_| cause != Cause::User);
    let window = write.map(|write| write.window);
    let due = agent.clock.monotonic() + window.unwrap_or_default();
    agent
        .writers
        .lock()
        .entry(branch.clone())
        .or_default()
        .updates
        .push(order);
    agent.writers.schedule.ask(&branch, due);
    match answered.await {
        Ok(ended) => ended,
        // It ended in a panic, which is in the log.
        Err(_) => fail(Reason::Internal, "the writer of the branch ended early"),
    }
}

/// Has the writer of the branch make a rollback.
pub(super) fn rollback(agent: &Agent, repository: Repository, rollback: Rollback, delay: Duration) {
    let branch = Branch::of(&repository);
    let due = agent.clock.monotonic() + delay;
    {
        let mut orders = agent.writers.lock();
        let waiting = &mut orders.entry(branch.clone()).or_default().rollbacks;
        // It may be asked for by each event until it is answered.
        if waiting.iter().any(|(_, known)| known.is(&rollback)) {
            return;
        }
        waiting.push((repository, rollback));
    }
    agent.writers.schedule.ask(&branch, due);
}

/// Writes to branches as they become due, a bounded number of branches at a time.
pub(crate) async fn write_branches(agent: Arc<Agent>) {
    let permits = Arc::new(Semaphore::new(agent.settings.image_writers));
    let mut writes = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let branch = agent
            .writers
            .schedule
            .take(|| agent.clock.monotonic())
            .await;
        while writes.try_join_next().is_some() {}
        let agent = Arc::clone(&agent);
        writes.spawn(async move {
            let write = write(&agent, &branch);
            // A panic is confined to its branch (inv_i15).
            let written = std::panic::AssertUnwindSafe(write).catch_unwind().await;
            if written.is_err() {
                tracing::error!(?branch, "a write to a branch ended in a panic");
            }
            agent.writers.schedule.done(&branch, None);
            drop(permit);
        });
    }
}

/// Does what waits for a branch. What comes meanwhile waits for the next turn.
async fn write(agent: &Arc<Agent>, branch: &Branch) {
    let orders = agent.writers.lock().remove(branch).unwrap_or_default();
    agent
        .metrics
        .image_orders
        .set(agent.writers.waiting() as i64);
    // What they undo holds updates back.
    for (repository, rollback) in orders.rollbacks {
        rollback::write(agent, &repository, rollback).await;
    }
    // Each Repository has credentials and an author of its own.
    let mut by_repository: BTreeMap<Name, Vec<Order>> = BTreeMap::new();
    for order in orders.updates {
        let name = order.repository.name.clone();
        by_repository.entry(name).or_default().push(order);
    }
    for orders in by_repository.into_values() {
        batch::write(agent, orders).await;
    }
}

/// How long to wait before everything is made anew that somebody else was faster with.
pub(super) fn pause(agent: &Agent, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let longest = agent.settings.push_pause.saturating_mul(1 << doublings);
    let half = longest.min(agent.settings.push_pause_most) / 2;
    // Two agents that met must not meet again: a new key each time.
    later(half, 100, ulid::Ulid::new())
}
