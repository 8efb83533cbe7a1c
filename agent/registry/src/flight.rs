//! One question at a time for each key, however many ask; what came is kept beside it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is kept of a key. Whoever holds the lock asks; the others wait for what comes.
pub(crate) type Slot<V> = Arc<tokio::sync::Mutex<Option<V>>>;

/// A slot for each key, so many of them.
pub(crate) struct Flights<K, V> {
    slots: Mutex<HashMap<K, Slot<V>>>,
    most: usize,
}

impl<K: Clone + Eq + Hash, V> Flights<K, V> {
    /// `most` is how many keys are remembered, beyond those that are asked right now.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            slots: Mutex::default(),
            most,
        }
    }

    /// The slot of a key. Where there are too many, any other one is forgotten that nobody holds.
    pub(crate) fn slot(&self, key: &K) -> Slot<V> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(key) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.most {
            let idle = slots
                .iter()
                .find(|(_, slot)| Arc::strong_count(slot) == 1)
                .map(|(key, _)| key.clone());
            if let Some(idle) = idle {
                slots.remove(&idle);
            }
        }
        Arc::clone(slots.entry(key.clone()).or_default())
    }

    /// How many keys are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Slot<V>>> {
        // Every change is one insert or removal, so the map is whole after a panic too.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_gets_what_came() {
        let flights = Flights::<&str, u32>::new(2);
        let asked = std::sync::atomic::AtomicU32::new(0);
        let one = || async {
            let slot = flights.slot(&"key");
            let mut slot = slot.lock().await;
            if let Some(value) = *slot {
                return value;
            }
            tokio::task::yield_now().await;
            let value = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            *slot = Some(value);
            value
        };
        assert_eq!(tokio::join!(one(), one(), one()), (0, 0, 0));
    }

    #[tokio::test]
    async fn the_memory_is_bounded_and_what_is_held_stays() {
        let flights = Flights::<u32, u32>::new(3);
        let held = flights.slot(&0);
        *held.lock().await = Some(7);
        for key in 1..10 {
            flights.slot(&key);
        }
        assert_eq!(flights.lock().len(), 3);
        assert_eq!(*flights.slot(&0).lock().await, Some(7));
    }
}
