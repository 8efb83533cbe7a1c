//! Opens a database of PostgreSQL: reads its URL, brings the schema up to date.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use syncline_core::redacted::Redacted;

use super::{Opened, Pools, SchemaFound, Start, finish, migrations};
use crate::condition::Condition;
use crate::database::{DatabaseKind, Pool, Session};
use crate::error::Error;
use crate::settings::Settings;
use crate::statement::Statement;

/// A migration of a large history may take long, and one of another agent is waited for.
const MIGRATION_TIMEOUT: Duration = Duration::from_mins(10);

/// What a URL may say after the `?`; sqlx would log what it does not know, with its value.
const PARAMETERS: [&str; 8] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "application_name",
    "options",
    "statement-cache-capacity",
];

/// How a server is reached. Prints no password.
pub(crate) struct Server(PgConnectOptions);

impl Server {
    /// Reads a URL. No part of it is in an error: it has a password.
    pub(crate) fn new(url: &Redacted) -> Result<Self, Error> {
        options(url).map(Self)
    }

    /// Where it is, without user and password.
    pub(crate) fn place(&self) -> String {
        place(&self.0)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

fn options(url: &Redacted) -> Result<PgConnectOptions, Error> {
    let url = url.expose().trim();
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(Error::Url("it does not begin with `postgres://`"));
    }
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let parameters: Vec<&str> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split('=').next().unwrap_or_default())
        .collect();
    let known = |name: &&str| PARAMETERS.contains(name) || name.starts_with("options[");
    if !parameters.iter().all(known) {
        return Err(Error::Url(
            "it has a parameter that is not one of sslmode, sslrootcert, sslcert, sslkey, host, \
             application_name, options, statement-cache-capacity",
        ));
    }
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| Error::Url("it is not a URL, or a value in it is not understood"))?;
    let options = if parameters.contains(&"sslmode") || is_on_this_machine(&options) {
        options
    } else {
        // Without this, sqlx would go on in the clear with whoever answers.
        options.ssl_mode(PgSslMode::VerifyFull)
    };
    let options = match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("syncline"),
    };
    Ok(options.disable_statement_logging())
}

fn is_on_this_machine(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn place(options: &PgConnectOptions) -> String {
    let database = options.get_database().unwrap_or_default();
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

/// Connections that are made when they are asked for.
pub(crate) fn pools(settings: &Settings, server: &Server) -> Pools {
    let pool = |connections: u32| {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(settings.connection_timeout)
            .connect_lazy_with(server.0.clone());
        Pool::Postgres(pool, settings.statement_timeout)
    };
    Pools {
        readers: pool(settings.readers.max(1)),
        // One for the records, one for the retention.
        writer: pool(2),
    }
}

/// Makes a connection and closes it. The connections of a pool would be tried until their deadline,
/// and then not say why there is none.
pub(crate) async fn reach(server: &Server, settings: &Settings, place: &str) -> Result<(), Error> {
    let reached = tokio::time::timeout(settings.connection_timeout, server.0.connect()).await;
    let late = || sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    let connection = reached
        .unwrap_or_else(|_| Err(late()))
        .map_err(|source| Error::Open {
            place: place.to_owned(),
            source,
        })?;
    // What it has said of itself is enough.
    let _ = tokio::time::timeout(settings.connection_timeout, connection.close()).await;
    Ok(())
}

/// Brings schema and rows up to date. Other agents that begin at the same time wait for each other:
/// the migrations hold an advisory lock.
pub(crate) async fn open(pools: Pools, place: &str, start: Start) -> Result<Opened, Error> {
    let failed = |source| Error::Open {
        place: place.to_owned(),
        source,
    };
    let mut session = pools.writer.begin().await.map_err(failed)?;
    let found = schema_of(&mut session).await.map_err(failed)?;
    session.commit().await.map_err(failed)?;
    if let Some(schema) = found.read_only(DatabaseKind::Postgres) {
        return Ok(Opened {
            pools,
            condition: Condition::ReadOnly { schema },
            damaged: None,
            empty: false,
        });
    }
    // One that went away and came back is as it was, and may be one that only answers questions.
    if start == Start::First || !found.is_current(DatabaseKind::Postgres) {
        migrate(&pools, place).await?;
        let mut session = pools.writer.begin().await.map_err(failed)?;
        finish(&mut session, start).await.map_err(failed)?;
        session.commit().await.map_err(failed)?;
    }
    Ok(Opened {
        pools,
        condition: Condition::Writing,
        damaged: None,
        empty: found.newest.is_none(),
    })
}

async fn migrate(pools: &Pools, place: &str) -> Result<(), Error> {
    let failed = |source| Error::Migrate {
        place: place.to_owned(),
        source,
    };
    let Pool::Postgres(pool, _) = &pools.writer else {
        return Ok(());
    };
    let mut connection = pool.acquire().await.map_err(|error| failed(error.into()))?;
    // Closed whatever happens: a connection that failed in between would go on holding the lock.
    connection.close_on_drop();
    let migrations = migrations(DatabaseKind::Postgres);
    let run = migrations.run_direct(None, &mut *connection, false);
    let run = tokio::time::timeout(MIGRATION_TIMEOUT, run).await;
    run.unwrap_or_else(|_| {
        let late = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
        Err(late.into())
    })
    .map_err(failed)
}

async fn schema_of(session: &mut Session) -> Result<SchemaFound, sqlx::Error> {
    let has = |table: &'static str, column: &'static str| {
        Statement::new(
            "select count(*) from information_schema.columns
             where table_schema = current_schema() and table_name = $1 and column_name = $2",
        )
        .bind(table)
        .bind(column)
    };
    let number = |row: Option<(i64,)>| row.map_or(0, |(number,)| number);
    if number(session.first(&has("_sqlx_migrations", "version")).await?) == 0 {
        return Ok(SchemaFound::default());
    }
    let newest = Statement::new("select max(version) from _sqlx_migrations");
    let newest: Option<(Option<i64>,)> = session.first(&newest).await?;
    let writable_from = if number(session.first(&has("history", "writable_from")).await?) == 0 {
        None
    } else {
        let row = Statement::new("select writable_from from history where id = 'history'");
        let row: Option<(i64,)> = session.first(&row).await?;
        row.map(|(version,)| version)
    };
    Ok(SchemaFound {
        newest: newest.and_then(|(version,)| version),
        writable_from,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> PgConnectOptions {
        options(&Redacted::new(url)).unwrap()
    }

    #[test]
    fn a_server_elsewhere_must_prove_who_it_is_unless_the_url_says_otherwise() {
        let elsewhere = read("postgres://syncline:secret@db.example.com/history\n");
        assert!(matches!(elsewhere.get_ssl_mode(), PgSslMode::VerifyFull));
        let said = read("postgres://syncline@db.example.com/history?sslmode=require");
        assert!(matches!(said.get_ssl_mode(), PgSslMode::Require));
        for here in [
            "postgres://syncline@localhost/history",
            "postgres://syncline@127.0.0.1:5433/history",
            "postgresql://syncline@%2Frun%2Fpostgresql/history",
        ] {
            assert!(matches!(read(here).get_ssl_mode(), PgSslMode::Prefer));
        }
    }

    #[test]
    fn neither_the_place_nor_an_error_has_the_password() {
        let options_of = read("postgres://syncline:hunter2@db.example.com:5433/history");
        assert_eq!(place(&options_of), "db.example.com:5433/history");
        for url in [
            "mysql://syncline:hunter2@db/history",
            "postgres://syncline:hunter2@db:port/history",
            "postgres://syncline:hunter2@db/history?sslmode=hunter2",
            "postgres://syncline@db/history?pasword=hunter2",
            "hunter2",
        ] {
            let error = options(&Redacted::new(url)).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("hunter2"), "{url}: {said}");
        }
    }
}
