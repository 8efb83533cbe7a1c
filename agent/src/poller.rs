//! The one poller: Git references, registry tags, and whatever else is looked at every so often.
//!
//! Each key is looked at once at a time; a webhook or a person can ask for a look now. Looks are
//! spread over the interval, and a failing one is asked less and less often. What is new, or was
//! slow to answer last time, never takes all of the workers: hosts that hang do not hold up the rest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syncline_core::record::Name;
use syncline_core::trigger::Cause;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::jitter::around;
use crate::queue::most_slow;

/// A look that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Target {
    /// The branch of a Repository.
    Repository(Name),
    /// The tags of the image of an ImagePolicy.
    ImagePolicy(Name),
    /// The chart that an Application names in a chart repository.
    Chart(Name),
}

#[derive(Debug)]
struct Entry {
    interval: Duration,
    due: Instant,
    cause: Cause,
    /// When the look that runs began.
    begun: Option<Instant>,
    /// The look that runs has its answer and keeps no worker any more.
    answered: bool,
    again: Option<Cause>,
    /// It is not watched any more; the look that runs is the last one.
    forgotten: bool,
    /// The last look was not slow.
    quick: bool,
}

impl Entry {
    fn new(interval: Duration, due: Instant, cause: Cause) -> Self {
        Self {
            interval,
            due,
            cause,
            begun: None,
            answered: false,
            again: None,
            forgotten: false,
            quick: false,
        }
    }

    /// The other side has answered, or has not in time.
    fn answer(&mut self, now: Instant) {
        let slow = |begun| now.saturating_duration_since(begun) > SLOW;
        self.quick = !self.begun.is_some_and(slow);
        self.answered = true;
    }
}

/// The schedule; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Poller {
    entries: Arc<Mutex<BTreeMap<Target, Entry>>>,
    changed: Arc<Notify>,
    /// By how many percent intervals differ.
    jitter: u8,
    /// Most looks at a time at what is new or was slow.
    most_slow: usize,
}

impl Poller {
    /// One for so many workers, whose intervals differ by up to so many percent.
    pub(crate) fn new(workers: usize, jitter: u8) -> Self {
        Self {
            entries: Arc::default(),
            changed: Arc::default(),
            jitter,
            most_slow: most_slow(workers),
        }
    }

    /// Looks at a target now and then every `interval`; a change of the interval keeps the rest.
    /// Where a look still runs that began before the target was forgotten, the first one follows it.
    pub(crate) fn watch(&self, target: Target, interval: Duration, cause: Cause, now: Instant) {
        let interval = around(interval, self.jitter, &target);
        let mut entries = self.lock();
        entries
            .entry(target)
            .and_modify(|entry| {
                entry.interval = interval;
                entry.due = entry.due.min(now + interval);
                if std::mem::take(&mut entry.forgotten) {
                    entry.again = Some(cause);
                }
            })
            .or_insert(Entry::new(interval, now, cause));
        drop(entries);
        self.changed.notify_waiters();
    }

    /// When a target is looked at next; `None` while it is, or where it is not watched.
    pub(crate) fn due(&self, target: &Target) -> Option<Instant> {
        let entries = self.lock();
        let entry = entries.get(target).filter(|entry| entry.begun.is_none())?;
        Some(entry.due)
    }

    /// Stops looking.
    pub(crate) fn forget(&self, target: &Target) {
        let mut entries = self.lock();
        match entries.get_mut(target) {
            Some(entry) if entry.begun.is_some() => entry.forgotten = true,
            _ => drop(entries.remove(target)),
        }
    }

    /// Looks now. Where a look runs, another follows it: what asked may be newer than what the
    /// running one sees.
    pub(crate) fn look_now(&self, target: &Target, cause: Cause, now: Instant) {
        if let Some(entry) = self.lock().get_mut(target) {
            if entry.begun.is_some() {
                entry.again = Some(cause);
            } else {
                entry.due = now;
                entry.cause = cause;
            }
        }
        self.changed.notify_waiters();
    }

    /// The next target whose time has come; waits for one. The caller says [`Poller::done`].
    pub(crate) async fn take(&self, now: impl Fn() -> Instant) -> (Target, Cause) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let next = {
                let mut entries = self.lock();
                let slow =
                    |entry: &&Entry| entry.begun.is_some() && !entry.answered && !entry.quick;
                let room = entries.values().filter(slow).count() < self.most_slow;
                let next = entries
                    .iter_mut()
                    .filter(|(_, entry)| entry.begun.is_none() && (entry.quick || room))
                    .min_by_key(|(_, entry)| entry.due);
                match next {
                    Some((target, entry)) if entry.due <= now() => {
                        entry.begun = Some(now());
                        entry.answered = false;
                        return (
                            target.clone(),
                            std::mem::replace(&mut entry.cause, Cause::Poll),
                        );
                    }
                    other => other.map(|(_, entry)| entry.due),
                }
            };
            match next {
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

    /// A look has its answer, goes on with it and gives its worker back; [`Poller::done`] follows.
    pub(crate) fn answered(&self, target: &Target, now: Instant) {
        if let Some(entry) = self.lock().get_mut(target) {
            entry.answer(now);
        }
        self.changed.notify_waiters();
    }

    /// A look ended; the next one is due after the interval, or after `delay` where that is given
    /// (back-off, or a time that the other side named).
    pub(crate) fn done(&self, target: &Target, delay: Option<Duration>, now: Instant) {
        let mut entries = self.lock();
        if entries.get(target).is_some_and(|entry| entry.forgotten) {
            entries.remove(target);
        }
        if let Some(entry) = entries.get_mut(target) {
            if !entry.answered {
                entry.answer(now);
            }
            entry.begun = None;
            match entry.again.take() {
                Some(cause) => {
                    entry.due = now;
                    entry.cause = cause;
                }
                None => entry.due = now + delay.unwrap_or(entry.interval),
            }
        }
        drop(entries);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Target, Entry>> {
        // A panic elsewhere leaves a plain map that is still consistent.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn target() -> Target {
        Target::Repository(Name::new("team", "config"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_is_looked_at_at_once_and_then_every_interval() {
        let poller = Poller::new(8, 0);
        poller.watch(target(), MINUTE, Cause::StartUp, Instant::now());
        let begin = Instant::now();
        assert_eq!(poller.take(Instant::now).await, (target(), Cause::StartUp));
        poller.done(&target(), None, Instant::now());
        assert_eq!(poller.take(Instant::now).await, (target(), Cause::Poll));
        assert_eq!(Instant::now() - begin, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_webhook_during_a_look_leads_to_another_one() {
        let poller = Poller::new(8, 0);
        poller.watch(target(), MINUTE, Cause::StartUp, Instant::now());
        let begin = Instant::now();
        poller.take(Instant::now).await;
        poller.look_now(&target(), Cause::Webhook, Instant::now());
        poller.done(&target(), None, Instant::now());
        assert_eq!(poller.take(Instant::now).await, (target(), Cause::Webhook));
        assert_eq!(Instant::now(), begin);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_forgotten_and_comes_back_during_a_look_is_looked_at_after_it() {
        let poller = Poller::new(8, 0);
        let begin = Instant::now();
        poller.watch(target(), MINUTE, Cause::Poll, begin);
        poller.take(Instant::now).await;
        poller.forget(&target());
        poller.watch(target(), MINUTE, Cause::StartUp, begin);
        poller.done(&target(), Some(5 * MINUTE), begin);
        assert_eq!(poller.take(Instant::now).await, (target(), Cause::StartUp));
        assert_eq!(Instant::now(), begin);

        poller.forget(&target());
        poller.done(&target(), None, begin);
        assert_eq!(poller.due(&target()), None);
        let never = poller.take(Instant::now);
        assert!(tokio::time::timeout(10 * MINUTE, never).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn many_targets_that_begin_together_do_not_stay_together() {
        let poller = Poller::new(8, 10);
        let begin = Instant::now();
        let targets: Vec<_> = (0..20)
            .map(|number| Target::Repository(Name::new("team", format!("config-{number}"))))
            .collect();
        for target in &targets {
            poller.watch(target.clone(), MINUTE, Cause::StartUp, begin);
        }
        for _ in &targets {
            let (target, _) = poller.take(Instant::now).await;
            poller.done(&target, None, Instant::now());
        }
        assert_eq!(Instant::now(), begin);
        let mut looks = Vec::new();
        for _ in &targets {
            let (target, _) = poller.take(Instant::now).await;
            looks.push(Instant::now() - begin);
            poller.done(&target, Some(60 * MINUTE), Instant::now());
        }
        let near = MINUTE.mul_f64(0.9)..=MINUTE.mul_f64(1.1) + Duration::from_millis(1);
        assert!(looks.iter().all(|look| near.contains(look)), "{looks:?}");
        looks.dedup();
        assert!(looks.len() > 10, "{looks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_is_due_at_a_known_time_unless_it_is_being_looked_at() {
        let poller = Poller::new(8, 0);
        assert_eq!(poller.due(&target()), None);
        poller.watch(target(), MINUTE, Cause::StartUp, Instant::now());
        assert_eq!(poller.due(&target()), Some(Instant::now()));
        poller.take(Instant::now).await;
        assert_eq!(poller.due(&target()), None);
        poller.done(&target(), Some(5 * MINUTE), Instant::now());
        assert_eq!(poller.due(&target()), Some(Instant::now() + 5 * MINUTE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_target_waits_for_its_delay() {
        let poller = Poller::new(8, 0);
        poller.watch(target(), MINUTE, Cause::StartUp, Instant::now());
        let begin = Instant::now();
        poller.take(Instant::now).await;
        poller.done(&target(), Some(5 * MINUTE), Instant::now());
        poller.take(Instant::now).await;
        assert_eq!(Instant::now() - begin, 5 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_hang_do_not_hold_up_what_answers() {
        let poller = Poller::new(4, 0);
        let quick = Target::Repository(Name::new("team", "quick"));
        poller.watch(quick.clone(), MINUTE, Cause::StartUp, Instant::now());
        poller.take(Instant::now).await;
        poller.done(&quick, None, Instant::now());
        let begin = Instant::now();
        for number in 0..4 {
            let name = Name::new("team", format!("hangs-{number}"));
            poller.watch(Target::Repository(name), MINUTE, Cause::StartUp, begin);
        }
        let mut hanging = Vec::new();
        for _ in 0..3 {
            hanging.push(poller.take(Instant::now).await.0);
        }
        assert!(!hanging.contains(&quick));
        poller.look_now(&quick, Cause::Webhook, Instant::now());
        assert_eq!(
            poller.take(Instant::now).await,
            (quick.clone(), Cause::Webhook)
        );
        assert_eq!(Instant::now(), begin);
        poller.done(&quick, None, Instant::now());

        // The fourth has its turn when one of them has ended.
        poller.done(&hanging[0], Some(10 * MINUTE), Instant::now());
        let (fourth, _) = poller.take(Instant::now).await;
        assert!(fourth != quick && !hanging.contains(&fourth), "{fourth:?}");
        assert_eq!(Instant::now(), begin);
    }

    #[tokio::test(start_paused = true)]
    async fn one_worker_looks_at_what_is_slow_as_well() {
        let poller = Poller::new(1, 0);
        poller.watch(target(), MINUTE, Cause::StartUp, Instant::now());
        assert_eq!(poller.take(Instant::now).await, (target(), Cause::StartUp));
        tokio::time::sleep(2 * SLOW).await;
        poller.done(&target(), None, Instant::now());
        assert_eq!(poller.take(Instant::now).await, (target(), Cause::Poll));
    }
}
