//! Where a test keeps its history.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, SqliteConnection};
use syncline_core::redacted::Redacted;
use syncline_store::{Location, Settings};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use ulid::Ulid;

use crate::postgres::{Durability, Postgres};

/// Makes of each function two tests, one for each database.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod on_sqlite {
            use crate::place::Place;
            $(#[tokio::test] async fn $name() { super::$name(Place::file()).await; })+
        }
        mod on_postgresql {
            use crate::place::Place;
            $(#[tokio::test] async fn $name() { super::$name(Place::server().await).await; })+
        }
    };
}

/// A database that is empty at first.
pub(crate) enum Place {
    File(TempDir),
    Server(&'static Postgres, String),
}

impl Place {
    /// A file of SQLite.
    pub(crate) fn file() -> Self {
        Self::File(TempDir::new().unwrap())
    }

    /// A database of the PostgreSQL that all tests share.
    pub(crate) async fn server() -> Self {
        static SERVER: OnceCell<Postgres> = OnceCell::const_new();
        let start = || async { Postgres::start(Durability::None).await.unwrap() };
        let server = SERVER.get_or_init(start).await;
        let name = format!("t-{}", Ulid::new());
        server.create(&name).await.unwrap();
        Self::Server(server, name)
    }

    /// Settings that try again soon.
    pub(crate) fn settings(&self) -> Settings {
        let location = match self {
            Self::File(folder) => Location::File(folder.path().join("history/history.db")),
            Self::Server(server, name) => Location::Postgres(Redacted::new(server.url(name))),
        };
        Settings {
            location,
            busy_timeout: Duration::from_millis(10),
            retry_first: Duration::from_millis(10),
            retry_longest: Duration::from_millis(20),
            // So that a busy machine is no failure.
            connection_timeout: Duration::from_mins(1),
            flush_timeout: Duration::from_mins(1),
            ..Settings::default()
        }
    }

    /// The file of SQLite.
    pub(crate) fn path(&self) -> std::path::PathBuf {
        file(&self.settings()).to_owned()
    }

    /// A connection of somebody else.
    pub(crate) async fn other(&self) -> Other {
        match self {
            Self::File(_) => {
                let options = SqliteConnectOptions::new()
                    .filename(self.path())
                    .busy_timeout(Duration::from_secs(5))
                    .foreign_keys(false);
                Other::Sqlite(options.connect().await.unwrap())
            }
            Self::Server(server, name) => Other::Postgres(server.connect(name).await.unwrap()),
        }
    }

    /// The file as a version left it that had these migrations alone.
    pub(crate) async fn older(&self, migrations: &[&str]) -> Other {
        let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/sqlite");
        let had = TempDir::new().unwrap();
        for name in migrations {
            std::fs::copy(all.join(name), had.path().join(name)).unwrap();
        }
        std::fs::create_dir_all(self.path().parent().unwrap()).unwrap();
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true);
        let mut old = options.connect().await.unwrap();
        let migrator = sqlx::migrate::Migrator::new(had.path()).await.unwrap();
        migrator.run_direct(None, &mut old, false).await.unwrap();
        Other::Sqlite(old)
    }

    /// Lets nobody write until [`Block::release`].
    pub(crate) async fn block(&self) -> Block<'_> {
        let mut other = self.other().await;
        match self {
            Self::File(_) => other.execute("begin immediate").await,
            Self::Server(..) => self.read_only(&mut other, "on").await,
        }
        Block { place: self, other }
    }

    /// Takes effect for new connections, so the others are ended, as when another server takes over.
    async fn read_only(&self, other: &mut Other, value: &str) {
        let Self::Server(_, name) = self else { return };
        let set = format!("alter database \"{name}\" set default_transaction_read_only = {value}");
        other.execute(&set).await;
        other
            .execute(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid()",
            )
            .await;
    }

    /// Lets the database refuse what meets a condition, such as `before insert on syncs` with
    /// `new.name = 'refused'`.
    pub(crate) async fn refuse(&self, event: &str, condition: &str) {
        let mut other = self.other().await;
        if let Self::File(_) = self {
            let rule = format!(
                "create trigger refused {event} when {condition}
                 begin select raise(abort, 'refused'); end"
            );
            other.execute(&rule).await;
            return;
        }
        other
            .execute(
                "create function refuse() returns trigger language plpgsql
                 as $$ begin raise exception 'refused'; end $$",
            )
            .await;
        let rule = format!(
            "create trigger refused {event} for each row when ({condition})
             execute function refuse()"
        );
        other.execute(&rule).await;
    }

    /// Ends [`Place::refuse`] on a table.
    pub(crate) async fn refuse_no_more(&self, table: &str) {
        let drop = match self {
            Self::File(_) => "drop trigger refused".to_owned(),
            Self::Server(..) => format!("drop trigger refused on {table}"),
        };
        self.other().await.execute(&drop).await;
    }
}

/// The file of a history that is in one.
pub(crate) fn file(settings: &Settings) -> &Path {
    match &settings.location {
        Location::File(path) => path,
        other => panic!("no file: {other:?}"),
    }
}

/// Nobody can write.
pub(crate) struct Block<'a> {
    place: &'a Place,
    other: Other,
}

impl Block<'_> {
    pub(crate) async fn release(mut self) {
        match self.place {
            Place::File(_) => self.other.execute("rollback").await,
            Place::Server(..) => self.place.read_only(&mut self.other, "off").await,
        }
    }
}

/// A connection of somebody else.
pub(crate) enum Other {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Other {
    pub(crate) async fn execute(&mut self, statement: &str) {
        let query = AssertSqlSafe(statement.to_owned());
        let done = match self {
            Self::Sqlite(connection) => sqlx::query(query).execute(connection).await.map(drop),
            Self::Postgres(connection) => sqlx::query(query).execute(connection).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }

    pub(crate) async fn number(&mut self, statement: &str) -> i64 {
        let query = AssertSqlSafe(statement.to_owned());
        let found = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_one(connection).await,
        };
        found.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    pub(crate) async fn texts(&mut self, statement: &str) -> Vec<String> {
        let query = AssertSqlSafe(statement.to_owned());
        let found = match self {
            Self::Sqlite(connection) => sqlx::query_scalar(query).fetch_all(connection).await,
            Self::Postgres(connection) => sqlx::query_scalar(query).fetch_all(connection).await,
        };
        found.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    pub(crate) fn sqlite(self) -> SqliteConnection {
        match self {
            Self::Sqlite(connection) => connection,
            Self::Postgres(_) => panic!("not SQLite"),
        }
    }
}
