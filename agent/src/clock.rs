//! The one clock: everything in the agent that asks for the time asks here, so that tests can
//! move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time of day and the monotonic time. [`Clock::advance`] moves both.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_millis: Arc<AtomicI64>,
    /// How far the time of day alone is from that of the machine.
    day: SignedDuration,
}

impl Clock {
    /// A clock that shows a time of day now, and goes on from there.
    pub fn showing(time: Timestamp) -> Self {
        Self {
            day: time.duration_since(Timestamp::now()),
            ..Self::default()
        }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        let now = Timestamp::now() + self.day;
        now + SignedDuration::from_millis(self.offset_millis.load(Ordering::SeqCst))
    }

    /// The monotonic time, for intervals and deadlines.
    pub fn monotonic(&self) -> Instant {
        let offset = self.offset_millis.load(Ordering::SeqCst).unsigned_abs();
        Instant::now() + Duration::from_millis(offset)
    }

    /// Moves the clock forward. What waits for a moment looks again at its next event.
    pub fn advance(&self, by: Duration) {
        self.offset_millis
            .fetch_add(by.as_millis() as i64, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_can_show_another_day_without_making_anything_due() {
        let day: Timestamp = "2030-03-31T00:59:00Z".parse().unwrap();
        let clock = Clock::showing(day);
        let shown = clock.now();
        assert!(shown >= day && shown.duration_since(day) < SignedDuration::from_secs(60));
        assert!(clock.monotonic() - Instant::now() < Duration::from_secs(60));
    }

    #[test]
    fn both_times_move_together() {
        let clock = Clock::default();
        let (day, instant) = (clock.now(), clock.monotonic());
        clock.advance(Duration::from_secs(3600));
        assert!(clock.now().duration_since(day) >= SignedDuration::from_secs(3600));
        assert!(clock.monotonic() - instant >= Duration::from_secs(3600));
    }
}
