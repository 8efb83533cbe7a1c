//! The database of an agent that is not running.

use std::path::PathBuf;

use anyhow::Result;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use syncline_tests::World;

/// One sync of an application, oldest first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) result: String,
}

/// The file of the database.
pub(super) fn file(world: &World) -> PathBuf {
    world.agent().data_folder().join("history.db")
}

/// All syncs of an application.
pub(super) async fn rows(world: &World, application: &str) -> Result<Vec<Row>> {
    let mut database = open(world).await?;
    let rows: Vec<(String, String)> =
        sqlx::query_as("select id, result from syncs where namespace = ? and name = ? order by id")
            .bind(&world.namespace)
            .bind(application)
            .fetch_all(&mut database)
            .await?;
    database.close().await?;
    let rows = rows.into_iter().map(|(id, result)| Row { id, result });
    Ok(rows.collect())
}

/// Changes the database behind the agent's back. Answers with how many rows that changed.
pub(super) async fn change(world: &World, statement: &'static str) -> Result<u64> {
    let mut database = open(world).await?;
    let done = sqlx::query(statement).execute(&mut database).await?;
    database.close().await?;
    Ok(done.rows_affected())
}

async fn open(world: &World) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file(world));
    Ok(options.foreign_keys(false).connect().await?)
}
