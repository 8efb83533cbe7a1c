//! The limits of the listener.

use std::time::Duration;

/// Settings of the listener.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest body in bytes; a larger one gets 413. Default: 1 MiB.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive; a slower one gets 408. Default: 5 s.
    pub body_timeout: Duration,
    /// How many bodies are read and verified at the same time, which bounds memory together with
    /// `max_body_bytes`; others wait up to `body_timeout` and then get 503. Default: 64.
    pub max_in_flight: usize,
    /// How long a delivery is remembered, so that a second one of the same id is ignored.
    /// Default: 10 minutes.
    pub duplicate_window: Duration,
    /// How many deliveries are remembered; the oldest goes first. Default: 10,000.
    pub duplicate_capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(5),
            max_in_flight: 64,
            duplicate_window: Duration::from_mins(10),
            duplicate_capacity: 10_000,
        }
    }
}
