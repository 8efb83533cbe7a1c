//! The database behind the history: SQLite or PostgreSQL, asked in the same way.

use std::time::Duration;

use futures::TryStreamExt as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Decode, FromRow, Postgres, Row as _, Sqlite, Type};

use crate::statement::Statement;

/// Which database holds the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file on a local disk, or memory.
    Sqlite,
    /// A server.
    Postgres,
}

impl DatabaseKind {
    /// Its name, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// The one of the two that is for this database.
    pub(crate) fn pick<T>(self, sqlite: T, postgres: T) -> T {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// What a row can become, whichever database it is from.
pub(crate) trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Record for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

/// Connections of one kind.
#[derive(Clone, Debug)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    /// With the deadline of one statement: a server may be gone without a word.
    Postgres(PgPool, Duration),
}

impl Pool {
    pub(crate) fn kind(&self) -> DatabaseKind {
        match self {
            Self::Sqlite(_) => DatabaseKind::Sqlite,
            Self::Postgres(..) => DatabaseKind::Postgres,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Sqlite(pool) => pool.is_closed(),
            Self::Postgres(pool, _) => pool.is_closed(),
        }
    }

    /// Waits until all connections are back and closed, at most for `patience`.
    pub(crate) async fn close(&self, patience: Duration) {
        let closed = async {
            match self {
                Self::Sqlite(pool) => pool.close().await,
                Self::Postgres(pool, _) => pool.close().await,
            }
        };
        // After that they close when they come back.
        let _ = tokio::time::timeout(patience, closed).await;
    }

    /// A transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Session, sqlx::Error> {
        self.session("begin").await
    }

    /// A transaction whose questions are all answered from one moment.
    pub(crate) async fn moment(&self) -> Result<Session, sqlx::Error> {
        self.session("begin transaction isolation level repeatable read, read only")
            .await
    }

    async fn session(&self, begin: &'static str) -> Result<Session, sqlx::Error> {
        Ok(match self {
            // A transaction of SQLite sees one moment anyway.
            Self::Sqlite(pool) => Session::Sqlite(pool.begin().await?),
            Self::Postgres(pool, patience) => {
                let mut lent = Lent::from(pool, *patience).await?;
                lent.run(begin).await?;
                Session::Postgres(lent)
            }
        })
    }

    /// Runs one statement; how many rows it touched.
    pub(crate) async fn execute(&self, statement: &Statement<'_>) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let done = statement.query::<Sqlite>().execute(pool).await?;
                Ok(done.rows_affected())
            }
            Self::Postgres(pool, patience) => {
                let mut lent = Lent::from(pool, *patience).await?;
                let rows = lent.execute(statement).await?;
                lent.give_back();
                Ok(rows)
            }
        }
    }

    /// All rows of one question.
    pub(crate) async fn all<R: Record>(
        &self,
        statement: &Statement<'_>,
    ) -> Result<Vec<R>, sqlx::Error> {
        match self {
            Self::Sqlite(pool) => {
                let rows = statement.query::<Sqlite>().fetch_all(pool).await?;
                rows.iter().map(R::from_row).collect()
            }
            Self::Postgres(pool, patience) => {
                let mut lent = Lent::from(pool, *patience).await?;
                let rows = lent.all(statement).await?;
                lent.give_back();
                rows.iter().map(R::from_row).collect()
            }
        }
    }
}

/// A transaction. Dropped without [`Session::commit`] it leaves nothing behind.
pub(crate) enum Session {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(Lent),
}

impl Session {
    /// Runs a statement; how many rows it touched.
    pub(crate) async fn execute(&mut self, statement: &Statement<'_>) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => {
                let query = statement.query::<Sqlite>();
                Ok(query.execute(&mut **transaction).await?.rows_affected())
            }
            Self::Postgres(lent) => lent.execute(statement).await,
        }
    }

    /// All rows of a question.
    pub(crate) async fn all<R: Record>(
        &mut self,
        statement: &Statement<'_>,
    ) -> Result<Vec<R>, sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => {
                let query = statement.query::<Sqlite>();
                let rows = query.fetch_all(&mut **transaction).await?;
                rows.iter().map(R::from_row).collect()
            }
            Self::Postgres(lent) => {
                let rows = lent.all(statement).await?;
                rows.iter().map(R::from_row).collect()
            }
        }
    }

    /// The first row of a question.
    pub(crate) async fn first<R: Record>(
        &mut self,
        statement: &Statement<'_>,
    ) -> Result<Option<R>, sqlx::Error> {
        Ok(self.all(statement).await?.into_iter().next())
    }

    /// Hands each row over as it comes, so that a long answer is never whole in memory.
    pub(crate) async fn each(
        &mut self,
        statement: &Statement<'_>,
        mut take: impl FnMut(Row<'_>) + Send,
    ) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => {
                let mut rows = statement.query::<Sqlite>().fetch(&mut **transaction);
                while let Some(row) = rows.try_next().await? {
                    take(Row::Sqlite(&row));
                }
            }
            Self::Postgres(lent) => {
                let patience = lent.patience;
                let mut rows = statement.query::<Postgres>().fetch(&mut *lent.connection);
                while let Some(row) = within(patience, rows.try_next()).await? {
                    take(Row::Postgres(&row));
                }
            }
        }
        Ok(())
    }

    /// Keeps what was done.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await,
            Self::Postgres(mut lent) => {
                lent.run("commit").await?;
                lent.give_back();
                Ok(())
            }
        }
    }
}

/// A row whose values may be of any type.
pub(crate) enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

impl<'r> Row<'r> {
    /// The value of a column; its name where it is null or of another type.
    pub(crate) fn value<T>(&self, column: &'static str) -> Result<T, &'static str>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        // Asked for without the option, a null of SQLite would be read as an empty text.
        let value: Result<Option<T>, sqlx::Error> = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        };
        value.map_err(|_| column)?.ok_or(column)
    }
}

/// A connection to PostgreSQL that goes back to its pool only whole. One that failed, whose answer
/// did not come, or whose asker went away in between is closed: what became of it is not known.
pub(crate) struct Lent {
    connection: PoolConnection<Postgres>,
    patience: Duration,
    whole: bool,
}

impl Lent {
    async fn from(pool: &PgPool, patience: Duration) -> Result<Self, sqlx::Error> {
        Ok(Self {
            connection: pool.acquire().await?,
            patience,
            whole: false,
        })
    }

    async fn run(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        let run = sqlx::raw_sql(text).execute(&mut *self.connection);
        within(self.patience, run).await.map(drop)
    }

    async fn execute(&mut self, statement: &Statement<'_>) -> Result<u64, sqlx::Error> {
        let query = statement.query::<Postgres>();
        let run = query.execute(&mut *self.connection);
        Ok(within(self.patience, run).await?.rows_affected())
    }

    async fn all(&mut self, statement: &Statement<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let query = statement.query::<Postgres>();
        within(self.patience, query.fetch_all(&mut *self.connection)).await
    }

    fn give_back(mut self) {
        self.whole = true;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if !self.whole {
            self.connection.close_on_drop();
        }
    }
}

/// What a server answers, or that it did not in time.
async fn within<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let answer = tokio::time::timeout(patience, answer).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())))
}
