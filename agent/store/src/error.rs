//! What can fail in the store.

use std::path::PathBuf;

/// Why history cannot be opened, read or pruned. Writing reports nothing to its caller.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory of the database could not be created.
    #[error("create the directory `{}` for the history", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database could not be opened: no right, a read-only mount, a lock, a full disk.
    #[error("open the history at `{place}`")]
    Open {
        /// Path, or `memory`.
        place: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("migrate the history at `{place}`")]
    Migrate {
        /// Path, or `memory`.
        place: String,
        /// Why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A damaged file could not be moved aside, so no new one can begin in its place.
    #[error("move the damaged history `{}` aside", path.display())]
    MoveAside {
        /// The damaged file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A question could not be answered.
    #[error("read {what} from the history")]
    Read {
        /// What was asked for.
        what: &'static str,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// A row holds something that this version does not understand.
    #[error("read the history row `{id}`: {column} is not understood")]
    Row {
        /// The id of the row.
        id: String,
        /// The column.
        column: &'static str,
    },
    /// Old rows could not be deleted.
    #[error("delete old rows from the history")]
    Prune(#[source] sqlx::Error),
}

/// What the failure of a statement means for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The file is not a database, or is damaged.
    Damaged,
    /// The statement or its values are wrong, so that it fails each time.
    Statement,
    /// A lock, a full disk, an input or output error: may pass.
    Passing,
}

/// Sorts an error by the primary result code of SQLite (<https://www.sqlite.org/rescode.html>).
pub(crate) fn classify(error: &sqlx::Error) -> Failure {
    const ERROR: i32 = 1;
    const CORRUPT: i32 = 11;
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    const RANGE: i32 = 25;
    const NOT_A_DATABASE: i32 = 26;
    match error {
        sqlx::Error::Database(database) => {
            let code = database
                .code()
                .and_then(|code| code.parse::<i32>().ok())
                .unwrap_or(ERROR);
            // The extended code keeps the primary one in its lowest byte.
            match code & 0xff {
                CORRUPT | NOT_A_DATABASE => Failure::Damaged,
                ERROR | TOO_BIG | CONSTRAINT | MISMATCH | RANGE => Failure::Statement,
                _ => Failure::Passing,
            }
        }
        sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
            Failure::Statement
        }
        _ => Failure::Passing,
    }
}
