//! How the history is: what is done with records, and what went wrong.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::database::DatabaseKind;

/// What is done with records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The database has not been reached since the start. Records wait.
    Opening,
    /// They are written.
    Writing,
    /// They cannot be written at the moment, and wait.
    Failing {
        /// Since when.
        since: Timestamp,
        /// What the database said last.
        error: String,
    },
    /// A newer version of Syncline wrote the database, and this one may not: it is shown as far as
    /// it is understood, and nothing is added.
    ReadOnly {
        /// The version of the schema that was found.
        schema: i64,
    },
}

/// The history at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which database.
    pub kind: DatabaseKind,
    /// Where it is, without user and password: a path, `memory`, or `host:port/database`.
    pub place: String,
    /// What is done with records.
    pub condition: Condition,
    /// Where the newest damaged file went since the start; `None` where none was found.
    pub damaged: Option<PathBuf>,
    /// How many records wait.
    pub queued: usize,
    /// How many records were lost since the start.
    pub dropped: u64,
}
