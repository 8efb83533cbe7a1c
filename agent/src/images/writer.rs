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
pub(in crate::images) mod tip;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use syncline_core::application::Repository;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::{Attempt, Settled, fail};
use crate::agent::Agent;
use crate::conversion::ImageUpdate;
use crate::jitter::later;
use crate::schedule::Schedule;

/// How long the first order of a branch waits for others.
const WINDOW: Duration = Duration::from_secs(1);

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
    orders: Mutex<BTreeMap<Branch, Vec<Order>>>,
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
        self.lock().values().map(Vec::len).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Branch, Vec<Order>>> {
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
    let due = agent.clock.monotonic() + WINDOW;
    agent
        .writers
        .lock()
        .entry(branch.clone())
        .or_default()
        .push(order);
    agent.writers.schedule.ask(&branch, due);
    match answered.await {
        Ok(ended) => ended,
        // It ended in a panic, which is in the log.
        Err(_) => fail(Reason::Internal, "the writer of the branch ended early"),
    }
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
    // Each Repository has credentials and an author of its own.
    let mut by_repository: BTreeMap<Name, Vec<Order>> = BTreeMap::new();
    for order in orders {
        let name = order.repository.name.clone();
        by_repository.entry(name).or_default().push(order);
    }
    for orders in by_repository.into_values() {
        batch::write(agent, orders).await;
    }
}

/// How long to wait before everything is made anew that somebody else was faster with.
fn pause(agent: &Agent, attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    let longest = agent.settings.push_pause.saturating_mul(1 << doublings);
    let half = longest.min(agent.settings.push_pause_most) / 2;
    // Two agents that met must not meet again: a new key each time.
    later(half, 100, ulid::Ulid::new())
}
