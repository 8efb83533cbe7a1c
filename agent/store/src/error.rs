//! What can fail in the store.

use std::path::PathBuf;

use sqlx::postgres::PgDatabaseError;

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
        /// Path, `memory`, or `host:port/database`.
        place: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("migrate the history at `{place}`")]
    Migrate {
        /// Path, `memory`, or `host:port/database`.
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
    /// The URL of the database is not understood. It has a password, so no part of it is told.
    #[error(
        "the URL of the database is not like `postgres://user:password@host:5432/database`: {0}"
    )]
    Url(&'static str),
    /// The database was not reached in time.
    #[error("the history at `{place}` is not reached yet")]
    Away {
        /// `host:port/database`.
        place: String,
    },
}

/// An error and its causes, in one line.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some say the same as the error around them.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// What the failure of a statement means for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The file is not a database, or is damaged.
    Damaged,
    /// The statement or its values are wrong, so that it fails each time.
    Statement,
    /// A lock, a full disk, an input or output error, a server that is away: may pass.
    Passing,
    /// The tables are gone: somebody began the database anew.
    Tables,
}

/// Sorts an error by what the database says: by the primary result code of SQLite
/// (<https://www.sqlite.org/rescode.html>), by the SQLSTATE of PostgreSQL
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(crate) fn classify(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => classify_state(error.code()),
            None => classify_code(database.code().as_deref()),
        },
        sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
            Failure::Statement
        }
        _ => Failure::Passing,
    }
}

/// Whether the server was not reached, or went away.
pub(crate) fn is_of_connection(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::Protocol(_)
    )
}

fn classify_state(state: &str) -> Failure {
    match state {
        // No such table, no such schema.
        "42P01" | "3F000" => Failure::Tables,
        // A right can be given, and memory comes back.
        "42501" => Failure::Passing,
        // Data, constraints, syntax, limits, what a trigger raises.
        _ if ["0A", "22", "23", "42", "54", "P0"].contains(&state.get(..2).unwrap_or_default()) => {
            Failure::Statement
        }
        _ => Failure::Passing,
    }
}

fn classify_code(code: Option<&str>) -> Failure {
    const ERROR: i32 = 1;
    const CORRUPT: i32 = 11;
    const TOO_BIG: i32 = 18;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    const RANGE: i32 = 25;
    const NOT_A_DATABASE: i32 = 26;
    let code = code
        .and_then(|code| code.parse::<i32>().ok())
        .unwrap_or(ERROR);
    // The extended code keeps the primary one in its lowest byte.
    match code & 0xff {
        CORRUPT | NOT_A_DATABASE => Failure::Damaged,
        ERROR | TOO_BIG | CONSTRAINT | MISMATCH | RANGE => Failure::Statement,
        _ => Failure::Passing,
    }
}
