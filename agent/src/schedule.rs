//! What is due at a time: each key once at a time, and again when it was asked for meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// The schedule.
#[derive(Debug)]
pub(crate) struct Schedule<K> {
    state: Mutex<State<K>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<K> {
    waiting: BTreeSet<(Instant, K)>,
    entries: HashMap<K, Entry>,
}

/// A key that waits or runs.
#[derive(Debug)]
enum Entry {
    Waiting(Instant),
    /// It runs; when it was asked for again, and whether it is to end with this run.
    Running {
        again: Option<Instant>,
        forgotten: bool,
    },
}

impl<K> Default for Schedule<K> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: BTreeSet::new(),
                entries: HashMap::new(),
            }),
            changed: Notify::new(),
        }
    }
}

impl<K: Clone + Ord + Hash> Schedule<K> {
    /// Asks for a key at a time, or earlier where it is due earlier. One that runs is taken again.
    pub(crate) fn ask(&self, key: &K, due: Instant) {
        let mut guard = self.lock();
        let state = &mut *guard;
        match state.entries.get_mut(key) {
            Some(Entry::Running { again, .. }) => {
                *again = Some(again.map_or(due, |known| known.min(due)));
            }
            Some(Entry::Waiting(known)) if *known <= due => {}
            Some(Entry::Waiting(known)) => {
                state.waiting.remove(&(*known, key.clone()));
                *known = due;
                state.waiting.insert((due, key.clone()));
            }
            None => {
                state.entries.insert(key.clone(), Entry::Waiting(due));
                state.waiting.insert((due, key.clone()));
            }
        }
        drop(guard);
        self.changed.notify_one();
    }

    /// Whether it waits or runs.
    pub(crate) fn knows(&self, key: &K) -> bool {
        self.lock().entries.contains_key(key)
    }

    /// It is no longer wanted; what runs ends with this run, unless it is asked for again.
    pub(crate) fn forget(&self, key: &K) {
        let mut guard = self.lock();
        let state = &mut *guard;
        match state.entries.get_mut(key) {
            Some(Entry::Running { again, forgotten }) => {
                *again = None;
                *forgotten = true;
            }
            Some(Entry::Waiting(due)) => {
                state.waiting.remove(&(*due, key.clone()));
                state.entries.remove(key);
            }
            None => {}
        }
    }

    /// The next key that is due; waits for one. The caller says [`Schedule::done`].
    pub(crate) async fn take(&self, now: impl Fn() -> Instant) -> K {
        loop {
            let changed = self.changed.notified();
            let next = {
                let mut guard = self.lock();
                let state = &mut *guard;
                match state.waiting.first() {
                    Some((due, _)) if *due <= now() => {
                        if let Some((_, key)) = state.waiting.pop_first() {
                            let running = Entry::Running {
                                again: None,
                                forgotten: false,
                            };
                            state.entries.insert(key.clone(), running);
                            return key;
                        }
                        None
                    }
                    first => first.map(|(due, _)| *due),
                }
            };
            match next {
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
                None => changed.await,
            }
        }
    }

    /// A run ended; `next` is when the key is due again by itself.
    pub(crate) fn done(&self, key: &K, next: Option<Instant>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let Some(Entry::Running { again, forgotten }) = state.entries.remove(key) else {
            return;
        };
        let next = next.filter(|_| !forgotten);
        let due = match (again, next) {
            (Some(again), Some(next)) => Some(again.min(next)),
            (again, next) => again.or(next),
        };
        if let Some(due) = due {
            state.entries.insert(key.clone(), Entry::Waiting(due));
            state.waiting.insert((due, key.clone()));
        }
        drop(guard);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_earliest_comes_first_and_what_runs_is_taken_again_when_it_was_asked_for() {
        let schedule = Schedule::default();
        let begin = Instant::now();
        schedule.ask(&"late", begin + 5 * SECOND);
        schedule.ask(&"soon", begin + 2 * SECOND);
        schedule.ask(&"late", begin + 3 * SECOND);
        assert_eq!(schedule.take(Instant::now).await, "soon");
        assert_eq!(begin.elapsed(), 2 * SECOND);
        schedule.ask(&"soon", begin);
        assert_eq!(schedule.take(Instant::now).await, "late");
        assert_eq!(begin.elapsed(), 3 * SECOND);
        schedule.done(&"late", None);
        schedule.done(&"soon", None);
        assert_eq!(schedule.take(Instant::now).await, "soon");
        schedule.done(&"soon", Some(begin + 9 * SECOND));
        assert_eq!(schedule.take(Instant::now).await, "soon");
        assert_eq!(begin.elapsed(), 9 * SECOND);
        schedule.done(&"soon", None);
        assert!(!schedule.knows(&"soon") && !schedule.knows(&"late"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_does_not_come_again_by_itself() {
        let schedule = Schedule::default();
        let begin = Instant::now();
        schedule.ask(&"waits", begin);
        schedule.forget(&"waits");
        assert!(!schedule.knows(&"waits"));
        schedule.ask(&"runs", begin);
        assert_eq!(schedule.take(Instant::now).await, "runs");
        schedule.forget(&"runs");
        schedule.done(&"runs", Some(begin));
        assert!(!schedule.knows(&"runs"));
        schedule.ask(&"runs", begin);
        assert_eq!(schedule.take(Instant::now).await, "runs");
        schedule.forget(&"runs");
        schedule.ask(&"runs", begin);
        schedule.done(&"runs", None);
        assert_eq!(schedule.take(Instant::now).await, "runs");
    }
}
