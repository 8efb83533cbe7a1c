//! Keeps the records of a flood few, so that they do not push out the others.

use std::time::Duration;

use jiff::Timestamp;

/// Lets so many through at once and after that one in a while; the others are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sieve {
    burst: u32,
    every: Duration,
    left: u32,
    /// Up to when time was turned into room.
    filled: Timestamp,
    kept_back: u64,
}

impl Sieve {
    /// A full one.
    pub fn new(burst: u32, every: Duration, now: Timestamp) -> Self {
        Self {
            burst,
            every,
            left: burst,
            filled: now,
            kept_back: 0,
        }
    }

    /// Whether something goes through; answers then with how many before it did not.
    pub fn pass(&mut self, now: Timestamp) -> Option<u64> {
        let passed = Duration::try_from(now.duration_since(self.filled)).unwrap_or_default();
        let every = self.every.as_millis().max(1);
        let room = u32::try_from(passed.as_millis() / every).unwrap_or(u32::MAX);
        if room > 0 {
            self.left = self.left.saturating_add(room).min(self.burst);
            self.filled = now;
        }
        if self.left == 0 {
            self.kept_back += 1;
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_passes_once_in_a_while_and_is_counted() {
        let minute = Duration::from_secs(60);
        let begin: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let mut sieve = Sieve::new(2, minute, begin);
        assert_eq!(
            [(); 4].map(|()| sieve.pass(begin)),
            [Some(0), Some(0), None, None]
        );
        let later = begin + minute;
        assert_eq!(sieve.pass(later), Some(2));
        assert_eq!(sieve.pass(later), None);
        // A calm night makes room for one burst and not for more.
        let morning = later + 600 * minute;
        assert_eq!(
            [(); 3].map(|()| sieve.pass(morning)),
            [Some(1), Some(0), None]
        );
        // A clock that is put back lets nothing more through.
        assert_eq!(sieve.pass(begin), None);
    }
}
