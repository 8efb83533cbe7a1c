//! Where history is kept, and its limits.

use std::path::PathBuf;
use std::time::Duration;

use syncline_core::redacted::Redacted;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file on a local disk. Network file systems do not lock well enough for SQLite.
    File(PathBuf),
    /// Nowhere: history ends with the process.
    Memory,
    /// A database of PostgreSQL that nobody else writes, by its URL
    /// `postgres://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/ca.crt`.
    ///
    /// Without `sslmode` it is `verify-full`, but for a server on this machine.
    Postgres(Redacted),
}

/// Settings of the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the database is. Default: `history.db` in the working directory.
    pub location: Location,
    /// How many records may wait to be written. Default: 1,024.
    pub queue_capacity: usize,
    /// How many outcomes, changes, drifts, KiB of manifests, kept objects and paths read the waiting
    /// records may hold together, which bounds their memory. Default: 200,000.
    pub queue_objects: usize,
    /// How many records one transaction writes at most. Default: 64.
    pub batch: usize,
    /// How long a statement waits for the lock of another process. Default: 5 s.
    pub busy_timeout: Duration,
    /// How long a question waits for a connection, and the start for a server. Default: 5 s.
    pub connection_timeout: Duration,
    /// How long a server may take for one statement. Default: 30 s.
    pub statement_timeout: Duration,
    /// The first wait after a write that failed; it doubles with each failure. Default: 500 ms.
    pub retry_first: Duration,
    /// The longest wait between two attempts to write. Default: 30 s.
    pub retry_longest: Duration,
    /// How long [`crate::History::flush`] waits. Default: 5 s.
    pub flush_timeout: Duration,
    /// How many connections read at the same time. Default: 4.
    pub readers: u32,
    /// The longest page of a list; a larger one asked for is cut. Default: 500.
    pub page: u32,
    /// How many syncs of one application are kept. Default: 500.
    pub retention_syncs_per_application: u32,
    /// How many updates of one image policy are kept. Default: 500.
    pub retention_updates_per_policy: u32,
    /// How many changes of health of one application are kept. Default: 500.
    pub retention_health_per_application: u32,
    /// How many calls through the API are kept. Default: 100,000.
    pub retention_audit: u32,
    /// How many deliveries of webhooks are kept. Default: 10,000.
    pub retention_deliveries: u32,
    /// The age at which every record goes. Default: 365 days.
    pub retention_age: Duration,
    /// How many rows one statement of the retention deletes. Default: 500.
    pub retention_batch: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: Location::File(PathBuf::from("history.db")),
            queue_capacity: 1024,
            queue_objects: 200_000,
            batch: 64,
            busy_timeout: Duration::from_secs(5),
            connection_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            retry_first: Duration::from_millis(500),
            retry_longest: Duration::from_secs(30),
            flush_timeout: Duration::from_secs(5),
            readers: 4,
            page: 500,
            retention_syncs_per_application: 500,
            retention_updates_per_policy: 500,
            retention_health_per_application: 500,
            retention_audit: 100_000,
            retention_deliveries: 10_000,
            retention_age: Duration::from_hours(365 * 24),
            retention_batch: 500,
        }
    }
}
