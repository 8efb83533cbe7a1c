//! A pool of renderers: one process per render at a time, each bounded in time and memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::child::{Answers, Child, State};
use crate::counters::{Counters, Tally};
use crate::error::Error;
use crate::job::{Job, Rendered};
use crate::settings::Settings;

/// Renders with up to [`Settings::workers`] processes, which it starts when they are needed.
///
/// Cheap to clone; the processes end with the last clone.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    /// Given in the order in which they are asked for.
    turns: Semaphore,
    tally: Tally,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one used last stands last.
    children: Vec<Child>,
    /// Whether a task stops those that stay idle.
    watched: bool,
}

impl Pool {
    /// A pool without any process yet.
    pub fn new(settings: Settings) -> Self {
        let turns = Semaphore::new(settings.workers.max(1));
        Self {
            shared: Arc::new(Shared {
                settings,
                turns,
                tally: Tally::default(),
                idle: Mutex::default(),
            }),
        }
    }

    /// Renders, with `ask` answering for the files of the commit.
    ///
    /// Waits for a free process; those that wait are served in their order. `ask` is called many
    /// times and must not block for long. A render that fails, or is dropped, has no effect on any
    /// other: a dropped one ends its process. Equal files and jobs give equal objects in the same
    /// order, unless a chart uses random or the time.
    pub async fn render(&self, job: &Job, ask: Answers<'_>) -> Result<Rendered, Error> {
        let tally = &self.shared.tally;
        let waiting = tally.wait();
        let turn = self.shared.turns.acquire().await;
        let _turn = turn.expect("the semaphore is never closed");
        drop(waiting);
        let began = Instant::now();
        let outcome = self.render_now(job, ask).await;
        tally.ended(&outcome, began.elapsed());
        outcome
    }

    /// What happened since the pool was made.
    pub fn counters(&self) -> Counters {
        self.shared.tally.read()
    }

    async fn render_now(&self, job: &Job, ask: Answers<'_>) -> Result<Rendered, Error> {
        let settings = &self.shared.settings;
        let mut child = match self.take() {
            Some(child) => child,
            None => {
                let child = Child::start(settings).await?;
                self.shared.tally.started();
                child
            }
        };
        let id = child.id();
        let outcome = tokio::select! {
            outcome = child.render(job, ask, settings) => outcome,
            () = sleep(settings.deadline) => Err(Error::Deadline(settings.deadline)),
            () = over_memory(id, settings) => Err(Error::Memory(settings.memory_limit_mib)),
        };
        if leaves_the_process_usable(&outcome) {
            match after(&mut child, settings) {
                State::Ready => {
                    self.put_back(child);
                    return outcome;
                }
                State::Spent => self.shared.tally.recycled(),
                State::Dead => {}
            }
        }
        child.kill().await;
        outcome
    }

    /// How many processes wait for work.
    pub fn idle(&self) -> usize {
        self.shared.idle().children.len()
    }

    /// Resident memory of the processes that wait for work, in KiB, where the system tells it.
    pub fn resident_kib(&self) -> u64 {
        self.shared
            .idle()
            .children
            .iter()
            .filter_map(Child::id)
            .filter_map(resident_kib)
            .sum()
    }

    fn take(&self) -> Option<Child> {
        let mut idle = self.shared.idle();
        while let Some(mut child) = idle.children.pop() {
            if child.state(&self.shared.settings) == State::Ready {
                return Some(child);
            }
        }
        None
    }

    fn put_back(&self, mut child: Child) {
        child.idle_since = Instant::now();
        let mut idle = self.shared.idle();
        idle.children.push(child);
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(stop_idle(
                Arc::downgrade(&self.shared),
                self.shared.settings.idle_stop,
            ));
        }
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn leaves_the_process_usable(outcome: &Result<Rendered, Error>) -> bool {
    matches!(
        outcome,
        Ok(_) | Err(Error::Refused(_) | Error::Ask(_) | Error::Needs(_) | Error::InputTooLarge(_))
    )
}

/// What the process is worth after a render that it survived.
fn after(child: &mut Child, settings: &Settings) -> State {
    let state = child.state(settings);
    let resident = child.id().and_then(resident_kib).unwrap_or_default();
    if state == State::Ready && resident / 1024 > settings.recycle_above_mib {
        return State::Spent;
    }
    state
}

/// Ends the processes that were idle for long enough, and itself when none is left.
async fn stop_idle(pool: Weak<Shared>, after: Duration) {
    let mut wait = after;
    loop {
        sleep(wait).await;
        let Some(shared) = pool.upgrade() else { return };
        let mut idle = shared.idle();
        // Dropping a child kills its process.
        idle.children
            .retain(|child| child.idle_since.elapsed() < after);
        let Some(oldest) = idle.children.first() else {
            idle.watched = false;
            return;
        };
        wait = after
            .saturating_sub(oldest.idle_since.elapsed())
            .max(Duration::from_millis(1));
    }
}

/// Ends when the process holds more memory than it may.
async fn over_memory(id: Option<u32>, settings: &Settings) {
    loop {
        sleep(settings.memory_interval).await;
        if id
            .and_then(resident_kib)
            .is_some_and(|kib| kib / 1024 > settings.memory_limit_mib)
        {
            return;
        }
    }
}

/// Resident memory of a process in KiB, where the system tells it.
fn resident_kib(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
