//! What is read once for all who look at the same application.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syncline_core::record::Name;
use tokio::time::Instant;

/// Answers by application, each kept for a short time; one of each is read at a time.
pub(super) struct Shared<V> {
    age: Duration,
    slots: Mutex<HashMap<Name, Arc<Slot<V>>>>,
}

struct Slot<V> {
    /// The lock makes those who ask at the same time wait for one answer.
    last: tokio::sync::Mutex<Option<(Instant, Arc<V>)>>,
}

impl<V> Shared<V> {
    /// Answers are kept for `age`.
    pub(super) fn new(age: Duration) -> Self {
        Self {
            age,
            slots: Mutex::default(),
        }
    }

    /// The last answer, where it is young enough, else that of `read`. Who asks while another one
    /// reads gets that answer; where the reader goes, the next one reads.
    pub(super) async fn get(&self, name: &Name, read: impl Future<Output = V>) -> Arc<V> {
        let slot = self.slot(name);
        let mut last = slot.last.lock().await;
        if let Some((at, value)) = last.as_ref()
            && at.elapsed() < self.age
        {
            return Arc::clone(value);
        }
        let value = Arc::new(read.await);
        *last = Some((Instant::now(), Arc::clone(&value)));
        value
    }

    /// The place of an application; forgets those that nobody asks for any more.
    fn slot(&self, name: &Name) -> Arc<Slot<V>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|known, slot| {
            known == name || Arc::strong_count(slot) > 1 || slot.is_young(self.age)
        });
        Arc::clone(slots.entry(name.clone()).or_insert_with(|| {
            Arc::new(Slot {
                last: tokio::sync::Mutex::default(),
            })
        }))
    }
}

impl<V> Slot<V> {
    fn is_young(&self, age: Duration) -> bool {
        let last = self.last.try_lock();
        last.is_ok_and(|last| last.as_ref().is_some_and(|(at, _)| at.elapsed() < age))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_who_ask_at_the_same_time_share_one_read_and_it_is_kept_for_a_while() {
        let shared = Shared::new(Duration::from_secs(2));
        let reads = AtomicU32::new(0);
        let name = Name::new("shop", "web");
        let ask = || {
            shared.get(&name, async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                reads.fetch_add(1, Ordering::SeqCst)
            })
        };
        let answers = futures::future::join_all((0..5).map(|_| ask())).await;
        assert!(answers.iter().all(|answer| **answer == 0));
        assert_eq!(*ask().await, 0);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(*ask().await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_reader_goes_the_next_one_reads() {
        let shared = Shared::new(Duration::from_secs(2));
        let name = Name::new("shop", "web");
        let gone = shared.get(&name, std::future::pending::<u32>());
        assert!(
            tokio::time::timeout(Duration::from_secs(1), gone)
                .await
                .is_err()
        );
        assert_eq!(*shared.get(&name, async { 7 }).await, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_asks_for_any_more_is_forgotten() {
        let shared = Shared::new(Duration::from_secs(2));
        shared.get(&Name::new("shop", "a"), async { 1 }).await;
        tokio::time::advance(Duration::from_secs(3)).await;
        shared.get(&Name::new("shop", "b"), async { 2 }).await;
        assert_eq!(shared.slots.lock().unwrap().len(), 1);
    }
}
