//! Remembers deliveries for a while, in bounded memory.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// The identity of a delivery, of one size whatever the sender wrote.
pub(crate) type Key = [u8; 32];

/// The key of a delivery id.
pub(crate) fn key(id: &str) -> Key {
    Sha256::digest(id.as_bytes()).into()
}

/// Deliveries of the last while.
#[derive(Debug)]
pub(crate) struct Duplicates {
    window: Duration,
    capacity: usize,
    seen: HashSet<Key>,
    order: VecDeque<(Instant, Key)>,
}

impl Duplicates {
    pub(crate) fn new(window: Duration, capacity: usize) -> Self {
        Self {
            window,
            capacity,
            seen: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// Remembers a delivery; `false` where it is remembered already.
    pub(crate) fn insert(&mut self, now: Instant, key: Key) -> bool {
        self.expire(now);
        if self.capacity == 0 {
            return true;
        }
        if !self.seen.insert(key) {
            return false;
        }
        if self.order.len() == self.capacity
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        self.order.push_back((now, key));
        true
    }

    /// Forgets a delivery that led to nothing, so that a second one may.
    pub(crate) fn forget(&mut self, key: &Key) {
        if self.seen.remove(key) {
            self.order.retain(|(_, other)| other != key);
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front() {
            if now.duration_since(*at) < self.window {
                break;
            }
            self.seen.remove(key);
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_remembered_for_the_window() {
        let mut duplicates = Duplicates::new(Duration::from_secs(10), 100);
        let start = Instant::now();
        assert!(duplicates.insert(start, key("a")));
        assert!(!duplicates.insert(start + Duration::from_secs(9), key("a")));
        assert!(duplicates.insert(start + Duration::from_secs(10), key("a")));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut duplicates = Duplicates::new(Duration::from_secs(10), 100);
        let now = Instant::now();
        for number in 0..10_000 {
            assert!(duplicates.insert(now, key(&number.to_string())));
        }
        assert_eq!((duplicates.seen.len(), duplicates.order.len()), (100, 100));
        assert!(!duplicates.insert(now, key("9999")));
        assert!(duplicates.insert(now, key("0")));
    }

    #[test]
    fn a_forgotten_delivery_is_new_again() {
        let mut duplicates = Duplicates::new(Duration::from_secs(10), 2);
        let now = Instant::now();
        assert!(duplicates.insert(now, key("a")));
        duplicates.forget(&key("a"));
        assert!(duplicates.insert(now, key("a")));
        assert_eq!((duplicates.seen.len(), duplicates.order.len()), (1, 1));
    }
}
