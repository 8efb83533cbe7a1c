//! What a pool did so far, for the metrics of the agent.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::error::Error;
use crate::job::Rendered;

/// What a pool did since it was made. All but `waiting` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Renders that ended, well or not; those that were dropped are not among them.
    pub renders: u64,
    /// Renders that ended with an error. One that asks for what is not at hand did not fail.
    pub failed: u64,
    /// Renders whose process was ended because they took too long.
    pub killed_deadline: u64,
    /// Renders whose process was ended because they took too much memory.
    pub killed_memory: u64,
    /// Renders whose process ended by itself, or broke the protocol.
    pub died: u64,
    /// Processes that were replaced because of their renders or their memory.
    pub recycled: u64,
    /// Processes that were started.
    pub started: u64,
    /// Renders that wait for a process now.
    pub waiting: u64,
    /// Seconds in which renders were under way, added up, without those of waiting.
    pub seconds_total: f64,
}

/// The same, while it is counted.
#[derive(Default)]
pub(crate) struct Tally {
    renders: AtomicU64,
    failed: AtomicU64,
    killed_deadline: AtomicU64,
    killed_memory: AtomicU64,
    died: AtomicU64,
    recycled: AtomicU64,
    started: AtomicU64,
    waiting: AtomicU64,
    microseconds: AtomicU64,
}

/// A render that waits, until this is dropped.
pub(crate) struct Waiting<'a>(&'a AtomicU64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Tally {
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Relaxed);
        Waiting(&self.waiting)
    }

    pub(crate) fn started(&self) {
        self.started.fetch_add(1, Relaxed);
    }

    pub(crate) fn recycled(&self) {
        self.recycled.fetch_add(1, Relaxed);
    }

    pub(crate) fn ended(&self, outcome: &Result<Rendered, Error>, took: Duration) {
        self.renders.fetch_add(1, Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(micros, Relaxed);
        let Err(error) = outcome else { return };
        if !matches!(error, Error::Needs(_)) {
            self.failed.fetch_add(1, Relaxed);
        }
        let cause = match error {
            Error::Deadline(_) => &self.killed_deadline,
            Error::Memory(_) => &self.killed_memory,
            Error::Died(_) | Error::Protocol(_) => &self.died,
            _ => return,
        };
        cause.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Counters {
        let of = |count: &AtomicU64| count.load(Relaxed);
        Counters {
            renders: of(&self.renders),
            failed: of(&self.failed),
            killed_deadline: of(&self.killed_deadline),
            killed_memory: of(&self.killed_memory),
            died: of(&self.died),
            recycled: of(&self.recycled),
            started: of(&self.started),
            waiting: of(&self.waiting),
            seconds_total: Duration::from_micros(of(&self.microseconds)).as_secs_f64(),
        }
    }
}
