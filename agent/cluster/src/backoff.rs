//! Waiting longer after each failure, with jitter, so that many watches do not come back at once.

use std::time::Duration;

/// Doubles from `least` to `most`; each wait is between half and all of it.
pub(crate) struct Backoff {
    least: Duration,
    most: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(least: Duration, most: Duration) -> Self {
        Self {
            least,
            most,
            next: least,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.least;
    }

    /// The next wait.
    pub(crate) fn delay(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.most);
        let mut byte = [0_u8; 1];
        // Without random numbers the wait is just not spread.
        let share = getrandom::fill(&mut byte).map_or(1.0, |()| 0.5 + f32::from(byte[0]) / 510.0);
        whole.mul_f32(share)
    }

    pub(crate) async fn wait(&mut self) {
        let delay = self.delay();
        tokio::time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_bound_and_start_again_after_a_success() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, second * 4);
        for whole in [1, 2, 4, 4] {
            let delay = backoff.delay();
            assert!(
                delay <= second * whole && delay >= second * whole / 2,
                "{delay:?}"
            );
        }
        backoff.reset();
        assert!(backoff.delay() <= second);
    }
}
