//! Opens the database, brings the schema up to date and starts the writer.

pub(crate) mod postgres;
pub(crate) mod sqlite;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::migrate::Migrator;
use syncline_core::reason::Reason;
use tokio::task::JoinHandle;

use crate::condition::Condition;
use crate::database::{DatabaseKind, Pool, Session};
use crate::error::Error;
use crate::history::History;
use crate::queue::Queue;
use crate::reach::Database;
use crate::rows::{reason_text, time_text};
use crate::settings::Settings;
use crate::statement::Statement;
use crate::writer;

/// The oldest version of the schema whose agent may write what this version writes. A migration
/// that takes this from the version before sets it to its own number.
const WRITABLE_FROM: i64 = 6;

/// All versions of the schema, in the binary. Those of a newer version that are there already are
/// left alone.
fn migrations(kind: DatabaseKind) -> Migrator {
    let mut migrator = kind.pick(
        sqlx::migrate!("../../migrations/sqlite"),
        sqlx::migrate!("../../migrations/postgres"),
    );
    migrator.set_ignore_missing(true);
    migrator
}

fn newest_migration(kind: DatabaseKind) -> Option<i64> {
    migrations(kind).iter().map(|step| step.version).max()
}

/// The versions that a database names.
#[derive(Clone, Copy, Debug, Default)]
struct SchemaFound {
    /// Its newest migration; `None` for an empty database.
    newest: Option<i64>,
    /// From which version on an agent may write; `None` where it does not say.
    writable_from: Option<i64>,
}

impl SchemaFound {
    /// Whether it has all migrations of this agent.
    fn is_current(self, kind: DatabaseKind) -> bool {
        self.newest >= newest_migration(kind)
    }

    /// Its version, where this agent may not write it.
    fn read_only(self, kind: DatabaseKind) -> Option<i64> {
        let ours = newest_migration(kind);
        let newer = self.newest.filter(|newest| Some(*newest) > ours)?;
        let writable = self.writable_from.is_some_and(|from| Some(from) <= ours);
        (!writable).then_some(newer)
    }
}

/// Whether a database is opened for the first time in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    First,
    Again,
}

#[derive(Clone, Debug)]
pub(crate) struct Pools {
    pub(crate) readers: Pool,
    pub(crate) writer: Pool,
}

/// What opening gives.
pub(crate) struct Opened {
    pub(crate) pools: Pools,
    pub(crate) condition: Condition,
    pub(crate) damaged: Option<PathBuf>,
    /// Whether it holds nothing of what was there before.
    pub(crate) empty: bool,
}

/// Writes what every history has, after its migrations.
async fn finish(session: &mut Session, start: Start) -> Result<(), sqlx::Error> {
    let beginning = Statement::new(
        "insert into history (id, began_at, writable_from) values ('history', $1, $2)
         on conflict (id) do update set writable_from = excluded.writable_from
         where history.writable_from < excluded.writable_from",
    )
    .bind(time_text(Timestamp::now()))
    .bind(WRITABLE_FROM);
    session.execute(&beginning).await?;
    if start == Start::Again {
        // What runs here is ours.
        return Ok(());
    }
    // When it stopped is not known, so `finished_at` stays empty.
    let interrupted = Statement::new(
        "update syncs
         set result = 'interrupted', failure_reason = $1, failure_detail = $2
         where result = 'running'",
    )
    .bind(reason_text(Reason::Interrupted))
    .bind("the agent stopped while this sync ran");
    session.execute(&interrupted).await?;
    Ok(())
}

/// The open database.
#[derive(Debug)]
pub struct Store {
    history: History,
    database: Arc<Database>,
    writer: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the history, or begins a new one. Must be called inside a tokio runtime.
    ///
    /// A damaged file is moved aside ([`Store::damaged`]) and a new history begins; one that a
    /// newer version wrote for itself alone is only read ([`Store::condition`]). Syncs that still
    /// ran when the agent stopped become `interrupted`. Fails where no file can hold a history.
    ///
    /// PostgreSQL is not waited for: it is reached in the background, again and again, and records
    /// wait until then. Fails where its URL is not understood.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        let database = Arc::new(Database::new(settings)?);
        let queue = Arc::new(Queue::new(settings.queue_capacity, settings.queue_objects));
        let mut writes = true;
        if database.kind() == DatabaseKind::Sqlite {
            database.open().await?;
            writes = database.condition() == Condition::Writing;
        }
        let history = History::new(Arc::clone(&queue), Arc::clone(&database), settings.clone());
        let writer = if writes {
            let task = writer::run(queue, Arc::clone(&database), settings.clone());
            Some(tokio::spawn(task))
        } else {
            queue.close();
            None
        };
        Ok(Self {
            history,
            database,
            writer,
        })
    }

    /// A handle to record with and to ask.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// What is done with records.
    pub fn condition(&self) -> Condition {
        self.database.condition()
    }

    /// Where the newest damaged file went since the start; `None` where there was none.
    pub fn damaged(&self) -> Option<PathBuf> {
        self.database.damaged()
    }

    /// Writes what waits, at most for `Settings::flush_timeout`, and closes the database. Returns
    /// how many records could not be written.
    pub async fn close(mut self) -> usize {
        let timeout = self.history.settings().flush_timeout;
        let unwritten = self.history.flush().await;
        self.history.close();
        if let Some(mut writer) = self.writer.take()
            && tokio::time::timeout(timeout, &mut writer).await.is_err()
        {
            writer.abort();
        }
        if let Ok(readers) = self.database.readers() {
            readers.close(timeout).await;
        }
        unwritten
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }
}
