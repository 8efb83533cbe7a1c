//! Spread in time: what many would do at the same moment they do at slightly different ones.
//!
//! Nothing here is random: the same key gets the same answer, so that what happens can be explained.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash};
use std::time::Duration;

/// A delay that is up to `percent` longer.
pub(crate) fn later(delay: Duration, percent: u8, key: impl Hash) -> Duration {
    delay + delay.mul_f64(part(key) * f64::from(percent) / 100.0)
}

/// An interval that is up to `percent` shorter or longer.
pub(crate) fn around(interval: Duration, percent: u8, key: impl Hash) -> Duration {
    let offset = (part(key) * 2.0 - 1.0) * f64::from(percent) / 100.0;
    interval.mul_f64(1.0 + offset)
}

/// A number from 0 up to 1.
fn part(key: impl Hash) -> f64 {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    (hash % 1024) as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_retry_is_never_early_and_an_interval_is_near_what_it_says() {
        for key in 0..100 {
            let (retry, look) = (later(MINUTE, 25, key), around(MINUTE, 10, key));
            assert!(
                (MINUTE..=MINUTE.mul_f64(1.25)).contains(&retry),
                "{retry:?}"
            );
            let near = MINUTE.mul_f64(0.9)..=MINUTE.mul_f64(1.1);
            assert!(near.contains(&look), "{look:?}");
        }
    }

    #[test]
    fn different_keys_get_different_times_and_the_same_key_the_same() {
        let mut times: Vec<_> = (0..100).map(|key| around(MINUTE, 10, key)).collect();
        times.sort_unstable();
        times.dedup();
        assert!(times.len() > 50, "{}", times.len());
        assert_eq!(later(MINUTE, 25, "a"), later(MINUTE, 25, "a"));
    }

    #[test]
    fn without_spread_the_times_are_exact() {
        assert_eq!(later(MINUTE, 0, "a"), MINUTE);
        assert_eq!(around(MINUTE, 0, "a"), MINUTE);
    }
}
