//! Answers that are good for a moment: one question per key and moment, however many ask.

use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

use super::error::ChartError;
use crate::flight::Flights;

/// Answers by key. The last good answer stays after its moment, for a conditional question.
pub(super) struct Moments<K, V> {
    flights: Flights<K, Kept<V>>,
    good: Duration,
    failed: Duration,
}

struct Kept<V> {
    /// The last good answer.
    last: Option<V>,
    /// Until when the last answer is given again.
    until: Instant,
    /// The last answer, where it was a failure.
    failure: Option<ChartError>,
}

impl<K: Clone + Eq + Hash, V: Clone> Moments<K, V> {
    /// `most` is how many keys are remembered, beyond those that are asked right now.
    pub(super) fn new(most: usize, good: Duration, failed: Duration) -> Self {
        Self {
            flights: Flights::new(most),
            good,
            failed,
        }
    }

    /// The answer of this moment. Who asks while another asks waits for that answer; the question
    /// gets the last good answer, if there is one.
    pub(super) async fn get<F: Future<Output = Result<V, ChartError>>>(
        &self,
        key: K,
        ask: impl FnOnce(Option<V>) -> F,
    ) -> Result<V, ChartError> {
        let slot = self.flights.slot(&key);
        let mut slot = slot.lock().await;
        if let Some(kept) = slot.as_ref().filter(|kept| kept.until > Instant::now()) {
            match (&kept.failure, &kept.last) {
                (Some(failure), _) => return Err(failure.clone()),
                (None, Some(last)) => return Ok(last.clone()),
                (None, None) => {}
            }
        }
        let last = slot.as_ref().and_then(|kept| kept.last.clone());
        let answer = ask(last.clone()).await;
        let (last, failure, good_for) = match &answer {
            Ok(answer) => (Some(answer.clone()), None, self.good),
            Err(failure) => (last, Some(failure.clone()), self.failed),
        };
        *slot = Some(Kept {
            last,
            until: Instant::now() + good_for,
            failure,
        });
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Duration = Duration::from_mins(1);
    const FAILED: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn many_who_ask_at_once_ask_one_question() {
        let moments = Moments::new(2, GOOD, FAILED);
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let one = || {
            moments.get("key", |_| async {
                tokio::task::yield_now().await;
                Ok(asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
            })
        };
        let (a, b, c) = tokio::join!(one(), one(), one());
        assert_eq!((a, b, c), (Ok(0), Ok(0), Ok(0)));
    }

    #[tokio::test]
    async fn a_failure_is_believed_briefly_and_the_last_good_answer_is_kept_for_the_question() {
        let moments = Moments::new(2, Duration::ZERO, GOOD);
        let failure = ChartError::Internal("down".into());
        assert_eq!(moments.get(1, |_| async { Ok("a") }).await, Ok("a"));
        let failed = moments
            .get(1, |last| {
                assert_eq!(last, Some("a"));
                async { Err(failure.clone()) }
            })
            .await;
        assert_eq!(failed, Err(failure.clone()));
        let again = moments.get(1, |_| async { Ok("never asked") }).await;
        assert_eq!(again, Err(failure));
    }

    #[tokio::test]
    async fn the_memory_is_bounded() {
        let moments = Moments::new(3, GOOD, FAILED);
        for key in 0..10 {
            assert_eq!(moments.get(key, |_| async { Ok(key) }).await, Ok(key));
        }
        assert_eq!(moments.flights.len(), 3);
    }
}
