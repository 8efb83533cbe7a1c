//! Triggers become syncs: one queue keyed by application.
//!
//! Triggers of one application are merged while it waits, and at most one sync of it runs; one that
//! arrives meanwhile makes it run once more. Applications are taken in the order in which they
//! became due, so a busy one does not starve the others; those whose last sync was slow (a chart
//! repository or an API that hangs) never take all of the workers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use tokio::sync::Notify;
use tokio::time::Instant;

/// A sync that takes longer is slow.
const SLOW: Duration = Duration::from_secs(5);

/// How many of the workers may be busy at a time with what was slow: a quarter is kept for the rest.
pub(crate) fn most_slow(workers: usize) -> usize {
    workers.saturating_sub(workers.div_ceil(4)).max(1)
}

/// A merged wish to sync an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trigger {
    /// The strongest cause: the one that tells a person most.
    pub(crate) cause: Cause,
    /// When the first of the merged triggers arrived.
    pub(crate) queued_at: Timestamp,
}

#[derive(Debug)]
struct Waiting {
    trigger: Trigger,
    due: Instant,
    order: u64,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<Name, Waiting>,
    /// What runs, and since when.
    running: BTreeMap<Name, Instant>,
    /// The applications whose last sync was slow.
    slow: BTreeSet<Name>,
    next_order: u64,
    closed: bool,
}

/// The queue; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
    /// Most syncs at a time of what was slow.
    most_slow: usize,
}

impl Queue {
    /// One for so many workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            state: Arc::default(),
            changed: Arc::default(),
            most_slow: most_slow(workers),
        }
    }

    /// Asks for a sync of an application at `due`. An earlier wish that waits is merged into this
    /// one: the sooner time, the stronger cause, the first arrival.
    pub(crate) fn push(
        &self,
        application: &Name,
        cause: Cause,
        queued_at: Timestamp,
        due: Instant,
    ) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        let order = state.next_order;
        state.next_order += 1;
        match state.waiting.get_mut(application) {
            // Whatever runs sooner asks for a later time again where it still needs one.
            Some(waiting) if cause == Cause::Time && waiting.due <= due => {}
            Some(waiting) => {
                if due < waiting.due {
                    // Nobody has waited for what is not due yet.
                    waiting.trigger.queued_at = queued_at;
                    waiting.due = due;
                }
                // A retry that waits says less than whatever came since.
                if waiting.trigger.cause == Cause::Retry {
                    waiting.trigger = Trigger { cause, queued_at };
                } else if cause != Cause::Retry {
                    waiting.trigger.cause = waiting.trigger.cause.max(cause);
                }
            }
            None => {
                let trigger = Trigger { cause, queued_at };
                state.waiting.insert(
                    application.clone(),
                    Waiting {
                        trigger,
                        due,
                        order,
                    },
                );
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Forgets the wishes of an application that no longer exists.
    pub(crate) fn forget(&self, application: &Name) {
        let mut state = self.lock();
        state.waiting.remove(application);
        state.slow.remove(application);
    }

    /// The next application whose time has come and that does not run; waits for one. `None` after
    /// [`Queue::close`]. The caller says [`Queue::done`] when its sync ended.
    pub(crate) async fn take(&self, now: impl Fn() -> Instant) -> Option<(Name, Trigger)> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let next_due = {
                let mut state = self.lock();
                if state.closed {
                    return None;
                }
                match state.take_due(now(), self.most_slow) {
                    Ok(taken) => return Some(taken),
                    Err(next_due) => next_due,
                }
            };
            match next_due {
                Some(due) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                None => changed.await,
            }
        }
    }

    /// The sync of an application ended.
    pub(crate) fn done(&self, application: &Name, now: Instant) {
        let mut state = self.lock();
        let begun = state.running.remove(application);
        if begun.is_some_and(|begun| now.saturating_duration_since(begun) > SLOW) {
            state.slow.insert(application.clone());
        } else {
            state.slow.remove(application);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// No further sync begins; those that run go on.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether the agent is about to end.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until no sync runs.
    pub(crate) async fn idle(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().running.is_empty() {
                return;
            }
            changed.await;
        }
    }

    /// How many applications wait, and how many run.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let state = self.lock();
        (state.waiting.len(), state.running.len())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic elsewhere leaves plain collections that are still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the application that is due and came first, or says when the next one is due.
    fn take_due(
        &mut self,
        now: Instant,
        most_slow: usize,
    ) -> Result<(Name, Trigger), Option<Instant>> {
        let running = self.running.keys();
        let room = running.filter(|name| self.slow.contains(*name)).count() < most_slow;
        let ready = self.waiting.iter().filter(|(name, _)| {
            !self.running.contains_key(*name) && (room || !self.slow.contains(*name))
        });
        let Some(name) = ready
            .clone()
            .filter(|(_, waiting)| waiting.due <= now)
            .min_by_key(|(_, waiting)| waiting.order)
            .map(|(name, _)| name.clone())
        else {
            return Err(ready.map(|(_, waiting)| waiting.due).min());
        };
        self.running.insert(name.clone(), now);
        match self.waiting.remove(&name) {
            Some(waiting) => Ok((name, waiting.trigger)),
            None => Err(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(text: &str) -> Name {
        Name::new("team", text)
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn triggers_of_one_application_are_merged() {
        let queue = Queue::new(8);
        let now = Instant::now();
        queue.push(
            &name("a"),
            Cause::Retry,
            at(1),
            now + Duration::from_secs(60),
        );
        queue.push(&name("a"), Cause::Poll, at(2), now);
        queue.push(&name("a"), Cause::Webhook, at(3), now);
        queue.push(&name("a"), Cause::Retry, at(4), now);
        let (taken, trigger) = queue.take(Instant::now).await.unwrap();
        assert_eq!(taken, name("a"));
        assert_eq!(
            trigger,
            Trigger {
                cause: Cause::Webhook,
                queued_at: at(2)
            }
        );
        assert_eq!(queue.depth(), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_to_happen_later_does_not_make_what_happens_now_look_late() {
        let queue = Queue::new(8);
        let now = Instant::now();
        let later = now + Duration::from_secs(3600);
        queue.push(&name("a"), Cause::Time, at(3600), later);
        queue.push(&name("a"), Cause::Poll, at(2), now);
        queue.push(&name("a"), Cause::Time, at(3600), later);
        let (_, trigger) = queue.take(Instant::now).await.unwrap();
        let expected = Trigger {
            cause: Cause::Poll,
            queued_at: at(2),
        };
        assert_eq!(trigger, expected);
        assert_eq!(Instant::now(), now);
    }

    #[tokio::test(start_paused = true)]
    async fn one_sync_of_an_application_runs_at_a_time_and_others_overtake_it() {
        let queue = Queue::new(8);
        let now = Instant::now();
        queue.push(&name("a"), Cause::Poll, at(1), now);
        assert_eq!(queue.take(Instant::now).await.unwrap().0, name("a"));
        queue.push(&name("a"), Cause::Poll, at(2), now);
        queue.push(&name("b"), Cause::Poll, at(3), now);
        assert_eq!(queue.take(Instant::now).await.unwrap().0, name("b"));
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.take(Instant::now).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        queue.done(&name("a"), Instant::now());
        assert_eq!(waiting.await.unwrap().unwrap().0, name("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trigger_is_not_taken_before_it_is_due() {
        let queue = Queue::new(8);
        let begin = Instant::now();
        queue.push(
            &name("a"),
            Cause::Retry,
            at(1),
            begin + Duration::from_secs(30),
        );
        queue.take(Instant::now).await.unwrap();
        assert!(Instant::now() - begin >= Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_queue_gives_nothing_and_waits_for_what_runs() {
        let queue = Queue::new(8);
        queue.push(&name("a"), Cause::Poll, at(1), Instant::now());
        queue.take(Instant::now).await.unwrap();
        queue.push(&name("b"), Cause::Poll, at(1), Instant::now());
        queue.close();
        assert!(queue.take(Instant::now).await.is_none());
        let idle = tokio::spawn({
            let queue = queue.clone();
            async move { queue.idle().await }
        });
        tokio::task::yield_now().await;
        assert!(!idle.is_finished());
        queue.done(&name("a"), Instant::now());
        idle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn slow_applications_do_not_hold_up_the_others() {
        let queue = Queue::new(2);
        let (a, b) = (name("a"), name("b"));
        for slow in [&a, &b] {
            queue.push(slow, Cause::Poll, at(1), Instant::now());
            queue.take(Instant::now).await.unwrap();
        }
        tokio::time::sleep(2 * SLOW).await;
        let begin = Instant::now();
        for slow in [&a, &b] {
            queue.done(slow, Instant::now());
            queue.push(slow, Cause::Poll, at(2), begin);
        }
        queue.push(&name("quick"), Cause::Poll, at(3), begin);
        assert_eq!(queue.take(Instant::now).await.unwrap().0, a);
        assert_eq!(queue.take(Instant::now).await.unwrap().0, name("quick"));
        queue.done(&a, Instant::now());
        assert_eq!(queue.take(Instant::now).await.unwrap().0, b);
        assert_eq!(Instant::now(), begin);
    }
}
