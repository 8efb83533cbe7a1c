//! Waiting for a condition, with a deadline and the reason why it did not come true.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// The pause before the next look at a condition: short at first, so that a measured time is exact,
/// and longer the longer it takes, so that a long wait costs little.
fn pause(waited: Duration) -> Duration {
    (waited / 20).clamp(Duration::from_millis(2), Duration::from_millis(100))
}

/// Asks `probe` until it answers `Ok`, at most for `deadline`.
///
/// `what` completes the sentence "waited for ...". The error carries what the last look said.
pub async fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let left = deadline.saturating_sub(start.elapsed());
        // A look that hangs must not outlive the deadline.
        let seen = match tokio::time::timeout(left.max(Duration::from_millis(100)), probe()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error,
            Err(_) => anyhow::anyhow!("the last look did not end"),
        };
        if start.elapsed() >= deadline {
            return Err(seen).with_context(|| format!("waited {deadline:?} for {what}"));
        }
        tokio::time::sleep(pause(start.elapsed())).await;
    }
}

/// [`wait_for`] for code that is not asynchronous.
pub fn wait_blocking<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        let seen = match probe() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if start.elapsed() >= deadline {
            return Err(seen).with_context(|| format!("waited {deadline:?} for {what}"));
        }
        std::thread::sleep(pause(start.elapsed()));
    }
}
