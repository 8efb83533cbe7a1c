//! The one clock: everything in the agent that asks for the time asks here, so that tests can
//! move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time of day and the monotonic time, both moved by the same offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_millis: Arc<AtomicI64>,
}

impl Clock {
    /// The time of day.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_millis(self.offset_millis.load(Ordering::SeqCst))
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
    fn both_times_move_together() {
        let clock = Clock::default();
        let (day, instant) = (clock.now(), clock.monotonic());
        clock.advance(Duration::from_secs(3600));
        assert!(clock.now().duration_since(day) >= SignedDuration::from_secs(3600));
        assert!(clock.monotonic() - instant >= Duration::from_secs(3600));
    }
}
