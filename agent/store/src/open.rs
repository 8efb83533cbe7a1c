//! Opens the database: checks the file, brings the schema up to date, starts the writer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use syncline_core::reason::Reason;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::error::{Error, Failure, classify};
use crate::history::History;
use crate::queue::Queue;
use crate::rows::{reason_text, time_text};
use crate::settings::{Location, Settings};
use crate::writer;

/// All versions of the schema, in the binary.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// What can be done with the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Records are kept.
    ReadWrite,
    /// A newer version of Syncline wrote the database: it is shown as far as this version
    /// understands it, and nothing is added.
    ReadOnly {
        /// The version of the schema that was found.
        schema: i64,
    },
}

/// The open database.
#[derive(Debug)]
pub struct Store {
    history: History,
    mode: Mode,
    damaged: Option<PathBuf>,
    writer: Option<JoinHandle<()>>,
}

impl Store {
    /// Opens the history, or begins a new one. Must be called inside a tokio runtime.
    ///
    /// A damaged file is moved aside ([`Store::damaged`]) and a new history begins; one that a
    /// newer version wrote is only read ([`Store::mode`]). Syncs that still ran when the agent
    /// stopped become `interrupted`. Fails where no history can be kept at all.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        let mut damaged = None;
        if let Location::File(path) = &settings.location {
            create_directory(path)?;
            match inspect(settings, path).await {
                Ok(Condition::Usable) => {}
                Ok(Condition::Newer(schema)) => {
                    return Ok(Self::open_read_only(settings, path, schema));
                }
                Ok(Condition::Damaged(finding)) => {
                    damaged = Some(move_aside(path, &finding)?);
                }
                Err(source) => {
                    return Err(Error::Open {
                        place: place(settings),
                        source,
                    });
                }
            }
        }
        let writer_pool = match begin(settings).await {
            // Damage that the check does not see, for example in the index of the log.
            Err(error) if damaged.is_none() && is_damage(&error) => {
                let Location::File(path) = &settings.location else {
                    return Err(error);
                };
                damaged = Some(move_aside(path, &error.to_string())?);
                begin(settings).await?
            }
            other => other?,
        };
        let readers = match &settings.location {
            Location::File(path) => readers(settings, path),
            Location::Memory => writer_pool.clone(),
        };
        let queue = Arc::new(Queue::new(settings.queue_capacity, settings.queue_objects));
        let task = writer::run(Arc::clone(&queue), writer_pool.clone(), settings.clone());
        Ok(Self {
            history: History::new(queue, readers, writer_pool, settings.clone()),
            mode: Mode::ReadWrite,
            damaged,
            writer: Some(tokio::spawn(task)),
        })
    }

    /// A handle to record with and to ask.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// Whether records are kept.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where the damaged file went that was found at the start; `None` where there was none.
    pub fn damaged(&self) -> Option<&Path> {
        self.damaged.as_deref()
    }

    /// Writes what waits, at most for `Settings::flush_timeout`, and closes the database. Returns
    /// how many records could not be written.
    pub async fn close(mut self) -> usize {
        let unwritten = self.history.flush().await;
        self.history.close();
        if let Some(mut writer) = self.writer.take() {
            let timeout = self.history.settings().flush_timeout;
            if tokio::time::timeout(timeout, &mut writer).await.is_err() {
                writer.abort();
            }
        }
        self.history.readers().close().await;
        unwritten
    }

    fn open_read_only(settings: &Settings, path: &Path, schema: i64) -> Self {
        warn!(
            schema,
            known = newest_migration(),
            "a newer version wrote the history; it is shown, and nothing is added to it",
        );
        let readers = readers(settings, path);
        let writer_pool = SqlitePoolOptions::new().connect_lazy_with(options(settings));
        // Closing a pool without connections is done at the first poll; nothing can be written.
        drop(writer_pool.close());
        let queue = Arc::new(Queue::new(settings.queue_capacity, settings.queue_objects));
        queue.close();
        Self {
            history: History::new(queue, readers, writer_pool, settings.clone()),
            mode: Mode::ReadOnly { schema },
            damaged: None,
            writer: None,
        }
    }
}

/// What a file is, before anything is written to it.
enum Condition {
    Usable,
    Newer(i64),
    Damaged(String),
}

async fn inspect(settings: &Settings, path: &Path) -> Result<Condition, sqlx::Error> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(Condition::Usable);
    }
    match check(settings, path).await {
        Err(error) if classify(&error) == Failure::Damaged => {
            Ok(Condition::Damaged(error.to_string()))
        }
        other => other,
    }
}

async fn check(settings: &Settings, path: &Path) -> Result<Condition, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(settings.busy_timeout)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let finding: String = sqlx::query_scalar("pragma quick_check(1)")
        .fetch_one(&mut connection)
        .await?;
    if finding != "ok" {
        return Ok(Condition::Damaged(finding));
    }
    let schema = schema_version(&mut connection).await?;
    connection.close().await?;
    Ok(match schema {
        Some(schema) if schema > newest_migration() => Condition::Newer(schema),
        _ => Condition::Usable,
    })
}

/// The newest migration of a database; `None` for an empty one.
async fn schema_version(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar(
        "select count(*) from sqlite_master where type = 'table' and name = '_sqlx_migrations'",
    )
    .fetch_one(&mut *connection)
    .await?;
    if tables == 0 {
        return Ok(None);
    }
    sqlx::query_scalar("select max(version) from _sqlx_migrations")
        .fetch_one(connection)
        .await
}

fn newest_migration() -> i64 {
    MIGRATIONS
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or_default()
}

/// Opens the connection that writes, and brings schema and rows up to date.
async fn begin(settings: &Settings) -> Result<SqlitePool, Error> {
    let place = || place(settings);
    let failed = |source| Error::Open {
        place: place(),
        source,
    };
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(settings.connection_timeout)
        .connect_with(options(settings))
        .await
        .map_err(failed)?;
    MIGRATIONS
        .run(&pool)
        .await
        .map_err(|source| Error::Migrate {
            place: place(),
            source,
        })?;
    sqlx::query(
        "insert into history (id, began_at) values ('history', $1) on conflict (id) do nothing",
    )
    .bind(time_text(Timestamp::now()))
    .execute(&pool)
    .await
    .map_err(failed)?;
    // When it stopped is not known, so `finished_at` stays empty.
    sqlx::query(
        "update syncs
         set result = 'interrupted', failure_reason = $1, failure_detail = $2
         where result = 'running'",
    )
    .bind(reason_text(Reason::Interrupted))
    .bind("the agent stopped while this sync ran")
    .execute(&pool)
    .await
    .map_err(failed)?;
    Ok(pool)
}

fn options(settings: &Settings) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(settings.busy_timeout)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    match &settings.location {
        Location::File(path) => options
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal),
        Location::Memory => options.in_memory(true),
    }
}

fn readers(settings: &Settings, path: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(settings.busy_timeout)
        .disable_statement_logging();
    SqlitePoolOptions::new()
        .max_connections(settings.readers.max(1))
        .acquire_timeout(settings.connection_timeout)
        .connect_lazy_with(options)
}

fn place(settings: &Settings) -> String {
    match &settings.location {
        Location::File(path) => path.display().to_string(),
        Location::Memory => "memory".to_owned(),
    }
}

fn is_damage(error: &Error) -> bool {
    use sqlx::migrate::MigrateError;
    match error {
        Error::Open { source, .. } => classify(source) == Failure::Damaged,
        Error::Migrate {
            source: MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
            ..
        } => classify(source) == Failure::Damaged,
        _ => false,
    }
}

fn create_directory(path: &Path) -> Result<(), Error> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => std::fs::create_dir_all(directory)
            .map_err(|source| Error::Directory {
                path: directory.to_owned(),
                source,
            }),
        _ => Ok(()),
    }
}

/// Renames the file and its log, so that it can be opened again by people, and says so.
fn move_aside(path: &Path, finding: &str) -> Result<PathBuf, Error> {
    let failed = |source| Error::MoveAside {
        path: path.to_owned(),
        source,
    };
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut target = with_suffix(path, &format!(".damaged-{time}"));
    let mut number = 1;
    while target.exists() {
        number += 1;
        target = with_suffix(path, &format!(".damaged-{time}-{number}"));
    }
    std::fs::rename(path, &target).map_err(failed)?;
    // The log belongs to the file it was written for; a new file must not find it.
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(with_suffix(path, suffix), with_suffix(&target, suffix)) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    warn!(
        file = %path.display(),
        moved_to = %target.display(),
        finding,
        "the history is damaged and was moved aside; a new one begins, syncs are not affected",
    );
    Ok(target)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
