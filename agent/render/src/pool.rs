//! A pool of renderers: one process per render at a time, each bounded in time and memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::child::{Answers, Child};
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
    turns: Semaphore,
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
                idle: Mutex::default(),
            }),
        }
    }

    /// Renders, with `ask` answering for the files of the commit.
    ///
    /// Waits for a free process. `ask` is called many times and must not block for long. A render
    /// that fails, or is dropped, has no effect on any other. Equal files and jobs give equal
    /// objects in the same order, unless a chart uses random or the time.
    pub async fn render(&self, job: &Job, ask: Answers<'_>) -> Result<Rendered, Error> {
        let settings = &self.shared.settings;
        let _turn = self
            .shared
            .turns
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let mut child = match self.take() {
            Some(child) => child,
            None => Child::start(settings).await?,
        };
        let id = child.id();
        let outcome = tokio::select! {
            outcome = child.render(job, ask, settings) => outcome,
            () = sleep(settings.deadline) => Err(Error::Deadline(settings.deadline)),
            () = over_memory(id, settings) => Err(Error::Memory(settings.memory_limit_mib)),
        };
        if leaves_the_process_usable(&outcome) && !child.is_spent(settings) {
            self.put_back(child);
        } else {
            child.kill().await;
        }
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
            if !child.is_spent(&self.shared.settings) {
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
        Ok(_) | Err(Error::Refused(_) | Error::Ask(_) | Error::InputTooLarge(_))
    )
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
