//! Opens a file of SQLite: checks it, sets a damaged one aside, brings the schema up to date.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool};
use tracing::warn;

use super::{Opened, Pools, SchemaFound, Start, finish};
use crate::condition::Condition;
use crate::database::{DatabaseKind, Pool};
use crate::error::{Error, Failure, classify};
use crate::settings::{Location, Settings};

/// Opens the file, or begins a new one. A `finding` says that the file is known to be damaged.
pub(crate) async fn open(
    settings: &Settings,
    path: &Path,
    finding: Option<String>,
    start: Start,
) -> Result<Opened, Error> {
    create_directory(path)?;
    let mut damaged = None;
    let condition = match finding {
        Some(finding) => Found::Damaged(finding),
        None => inspect(settings, path)
            .await
            .map_err(|source| Error::Open {
                place: place(settings),
                source,
            })?,
    };
    match condition {
        Found::Usable => {}
        Found::Newer(schema) => return Ok(open_read_only(settings, path, schema)),
        Found::Damaged(finding) => damaged = Some(move_aside(path, &finding)?),
    }
    let writer = match begin(settings, start).await {
        // Damage that the check does not see, for example in the index of the log.
        Err(error) if damaged.is_none() && is_damage(&error) => {
            damaged = Some(move_aside(path, &error.to_string())?);
            begin(settings, start).await?
        }
        other => other?,
    };
    Ok(Opened {
        pools: Pools {
            readers: Pool::Sqlite(readers(settings, path)),
            writer: Pool::Sqlite(writer),
        },
        condition: Condition::Writing,
        empty: damaged.is_some(),
        damaged,
    })
}

/// Begins a history that ends with the process.
pub(crate) async fn open_memory(settings: &Settings) -> Result<Opened, Error> {
    let writer = Pool::Sqlite(begin(settings, Start::First).await?);
    Ok(Opened {
        pools: Pools {
            readers: writer.clone(),
            writer,
        },
        condition: Condition::Writing,
        damaged: None,
        empty: true,
    })
}

fn open_read_only(settings: &Settings, path: &Path, schema: i64) -> Opened {
    let writer = SqlitePoolOptions::new().connect_lazy_with(options(settings));
    // Closing a pool without connections is done at the first poll; nothing can be written.
    drop(writer.close());
    Opened {
        pools: Pools {
            readers: Pool::Sqlite(readers(settings, path)),
            writer: Pool::Sqlite(writer),
        },
        condition: Condition::ReadOnly { schema },
        damaged: None,
        empty: false,
    }
}

/// What a file is, before anything is written to it.
enum Found {
    Usable,
    Newer(i64),
    Damaged(String),
}

async fn inspect(settings: &Settings, path: &Path) -> Result<Found, sqlx::Error> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        return Ok(Found::Usable);
    }
    match check(settings, path).await {
        Err(error) if classify(&error) == Failure::Damaged => Ok(Found::Damaged(error.to_string())),
        other => other,
    }
}

async fn check(settings: &Settings, path: &Path) -> Result<Found, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(settings.busy_timeout)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    let finding: String = sqlx::query_scalar("pragma quick_check(1)")
        .fetch_one(&mut connection)
        .await?;
    if finding != "ok" {
        return Ok(Found::Damaged(finding));
    }
    let found = schema_of(&mut connection).await?;
    connection.close().await?;
    Ok(match found.read_only(DatabaseKind::Sqlite) {
        Some(schema) => Found::Newer(schema),
        None => Found::Usable,
    })
}

async fn schema_of(connection: &mut SqliteConnection) -> Result<SchemaFound, sqlx::Error> {
    let tables: i64 = sqlx::query_scalar(
        "select count(*) from sqlite_master where type = 'table' and name = '_sqlx_migrations'",
    )
    .fetch_one(&mut *connection)
    .await?;
    if tables == 0 {
        return Ok(SchemaFound::default());
    }
    let newest = sqlx::query_scalar("select max(version) from _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await?;
    let column: i64 = sqlx::query_scalar(
        "select count(*) from pragma_table_info('history') where name = 'writable_from'",
    )
    .fetch_one(&mut *connection)
    .await?;
    let writable_from = if column == 0 {
        None
    } else {
        sqlx::query_scalar("select writable_from from history where id = 'history'")
            .fetch_optional(connection)
            .await?
    };
    Ok(SchemaFound {
        newest,
        writable_from,
    })
}

/// Opens the connection that writes, and brings schema and rows up to date.
async fn begin(settings: &Settings, start: Start) -> Result<SqlitePool, Error> {
    let failed = |source| Error::Open {
        place: place(settings),
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
    super::migrations(DatabaseKind::Sqlite)
        .run(&pool)
        .await
        .map_err(|source| Error::Migrate {
            place: place(settings),
            source,
        })?;
    let mut session = Pool::Sqlite(pool.clone()).begin().await.map_err(failed)?;
    finish(&mut session, start).await.map_err(failed)?;
    session.commit().await.map_err(failed)?;
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
        Location::Memory | Location::Postgres(_) => options.in_memory(true),
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

pub(crate) fn place(settings: &Settings) -> String {
    match &settings.location {
        Location::File(path) => path.display().to_string(),
        Location::Memory | Location::Postgres(_) => "memory".to_owned(),
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
