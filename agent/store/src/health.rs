//! The changes of the health of applications: how they are kept and asked for.

use std::sync::Arc;

use sqlx::FromRow;
use syncline_core::health::Health;
use syncline_core::record::{HealthChange, Name};
use syncline_core::revision::{CommitId, Revision};

use crate::database::Session;
use crate::error::Error;
use crate::history::History;
use crate::list::{List, readable};
use crate::queue::Item;
use crate::rows::{time, time_text, unknown};
use crate::statement::Statement;

impl History {
    /// Keeps a change of health; a later one under the same id takes its place, which is how
    /// changes that follow each other closely become one. Never waits and never fails, like
    /// [`History::record_sync`].
    pub fn record_health(&self, change: &HealthChange) {
        self.queue().push(Item::Health(Arc::new(change.clone())));
    }

    /// Changes of the health of an application, newest first; those older than the id `before`, if
    /// one is given. At most `limit` and at most `Settings::page`.
    pub async fn health_changes(
        &self,
        application: &Name,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<HealthChange>, Error> {
        let mut list = List::new(
            "select id, namespace, name, began_at, changed_at, from_health, to_health, object,
                    message, branch, commit_id, sync_id, changes
             from health_changes",
        );
        list.require("namespace = ", application.namespace.as_str());
        list.require("name = ", application.name.as_str());
        let rows: Vec<ChangeRow> = self.page("changes of health", list, before, limit).await?;
        Ok(readable(rows))
    }
}

/// Writes a change, in the transaction of the caller.
pub(crate) async fn write(session: &mut Session, change: &HealthChange) -> Result<(), sqlx::Error> {
    let revision = change.revision.as_ref();
    let statement = Statement::new(
        "insert into health_changes (
             id, namespace, name, began_at, changed_at, from_health, to_health, object, message,
             branch, commit_id, sync_id, changes
         ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (id) do update set
             changed_at = excluded.changed_at,
             to_health = excluded.to_health,
             object = excluded.object,
             message = excluded.message,
             branch = excluded.branch,
             commit_id = excluded.commit_id,
             sync_id = excluded.sync_id,
             changes = excluded.changes",
    )
    .bind(&change.id)
    .bind(&change.application.namespace)
    .bind(&change.application.name)
    .bind(time_text(change.began))
    .bind(time_text(change.time))
    .bind(change.from.as_str())
    .bind(change.to.as_str())
    .bind(change.object.as_deref())
    .bind(&change.message)
    .bind(revision.map(|revision| revision.branch.as_str()))
    .bind(revision.map(|revision| revision.commit.as_str()))
    .bind(change.sync.as_deref())
    .bind(i64::from(change.changes));
    session.execute(&statement).await?;
    Ok(())
}

/// A row of `health_changes`.
#[derive(Debug, FromRow)]
struct ChangeRow {
    id: String,
    namespace: String,
    name: String,
    began_at: String,
    changed_at: String,
    from_health: String,
    to_health: String,
    object: Option<String>,
    message: String,
    branch: Option<String>,
    commit_id: Option<String>,
    sync_id: Option<String>,
    changes: i64,
}

impl TryFrom<ChangeRow> for HealthChange {
    type Error = Error;

    fn try_from(row: ChangeRow) -> Result<Self, Error> {
        let id = row.id;
        let health =
            |column, word: &str| Health::from_word(word).ok_or_else(|| unknown(&id, column));
        let revision = match (row.branch, row.commit_id) {
            (Some(branch), Some(commit)) => Some(Revision {
                branch,
                commit: CommitId::parse(&commit).map_err(|_| unknown(&id, "commit_id"))?,
            }),
            _ => None,
        };
        Ok(Self {
            application: Name::new(row.namespace, row.name),
            began: time(&id, "began_at", &row.began_at)?,
            time: time(&id, "changed_at", &row.changed_at)?,
            from: health("from_health", &row.from_health)?,
            to: health("to_health", &row.to_health)?,
            object: row.object,
            message: row.message,
            revision,
            sync: row.sync_id,
            changes: u32::try_from(row.changes).map_err(|_| unknown(&id, "changes"))?,
            id,
        })
    }
}
