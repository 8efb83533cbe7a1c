//! What the pool may use.

use std::path::PathBuf;
use std::time::Duration;

/// How many renderers run, and when one is ended. Set by the agent's own settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The renderer program.
    pub program: PathBuf,
    /// Renders at the same time; one process each.
    pub workers: usize,
    /// How long one render may take, with all answers to its questions.
    pub deadline: Duration,
    /// How long a new process may take to say hello.
    pub start_deadline: Duration,
    /// Resident memory of one process in MiB; above it the process is ended and its render fails.
    pub memory_limit_mib: u64,
    /// How often the memory of a rendering process is looked at.
    pub memory_interval: Duration,
    /// Renders after which a process is replaced.
    pub recycle_after: u32,
    /// Resident memory in MiB above which a process is replaced after a render.
    pub recycle_above_mib: u64,
    /// How long a process without work is kept.
    pub idle_stop: Duration,
    /// Bytes of all files that one render reads.
    pub input_limit_bytes: usize,
    /// Bytes of all objects that one render makes.
    pub output_limit_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            program: PathBuf::from("syncline-renderer"),
            workers: 2,
            deadline: Duration::from_secs(30),
            start_deadline: Duration::from_secs(15),
            memory_limit_mib: 512,
            memory_interval: Duration::from_millis(50),
            recycle_after: 1_000,
            recycle_above_mib: 192,
            idle_stop: Duration::from_mins(1),
            input_limit_bytes: 64 << 20,
            output_limit_bytes: 64 << 20,
        }
    }
}
