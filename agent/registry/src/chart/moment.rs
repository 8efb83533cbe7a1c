//! Answers that are good for a moment: one question per key and moment, however many ask.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::ChartError;

/// Answers by key. The last good answer stays after its moment, for a conditional question.
pub(super) struct Moments<K, V> {
    slots: Mutex<HashMap<K, Arc<tokio::sync::Mutex<Slot<V>>>>>,
    most: usize,
    good: Duration,
    failed: Duration,
}

struct Slot<V> {
    last: Option<V>,
    /// Until when the last answer is given again, and the failure where it was one.
    until: Option<(Instant, Option<ChartError>)>,
}

impl<K: Clone + Eq + Hash, V: Clone> Moments<K, V> {
    /// `most` is how many keys are remembered, beyond those that are asked right now.
    pub(super) fn new(most: usize, good: Duration, failed: Duration) -> Self {
        Self {
            slots: Mutex::default(),
            most,
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
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        if let Some((until, failure)) = &slot.until
            && *until > Instant::now()
        {
            match (failure, &slot.last) {
                (Some(failure), _) => return Err(failure.clone()),
                (None, Some(last)) => return Ok(last.clone()),
                (None, None) => {}
            }
        }
        match ask(slot.last.clone()).await {
            Ok(answer) => {
                slot.until = Some((Instant::now() + self.good, None));
                slot.last = Some(answer.clone());
                Ok(answer)
            }
            Err(failure) => {
                slot.until = Some((Instant::now() + self.failed, Some(failure.clone())));
                Err(failure)
            }
        }
    }

    fn slot(&self, key: K) -> Arc<tokio::sync::Mutex<Slot<V>>> {
        // Every change is one insert or removal, so the map is whole after a panic too.
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= self.most && !slots.contains_key(&key) {
            // Nobody else holds it, so nobody waits for its answer.
            let idle = slots
                .iter()
                .find(|(_, slot)| Arc::strong_count(slot) == 1)
                .map(|(key, _)| key.clone());
            if let Some(idle) = idle {
                slots.remove(&idle);
            }
        }
        let slot = slots.entry(key).or_insert_with(|| {
            Arc::new(tokio::sync::Mutex::new(Slot {
                last: None,
                until: None,
            }))
        });
        Arc::clone(slot)
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
        assert_eq!(moments.slots.lock().unwrap().len(), 3);
    }
}
