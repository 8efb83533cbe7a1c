//! Deletes what is older or more than the settings keep. What is kept of applications stays.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqlitePool;

use crate::error::Error;
use crate::history::History;
use crate::rows::time_text;

/// How many records a run of the retention deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Syncs.
    pub syncs: u64,
    /// Image updates.
    pub updates: u64,
    /// Changes of health.
    pub health_changes: u64,
}

const SYNCS_BY_AGE: &str = "delete from syncs where id in (
     select id from syncs where started_at < $1 order by started_at limit $2
 )";

const SYNCS_BY_COUNT: &str = "delete from syncs where id in (
     select id from (
         select id, row_number() over (partition by namespace, name order by id desc) as newest
         from syncs
     ) as numbered
     where newest > $1 limit $2
 )";

const UPDATES_BY_AGE: &str = "delete from updates where id in (
     select id from updates where pushed_at < $1 order by pushed_at limit $2
 )";

const UPDATES_BY_COUNT: &str = "delete from updates where id in (
     select id from (
         select id, row_number() over (partition by namespace, name order by id desc) as newest
         from updates
     ) as numbered
     where newest > $1 limit $2
 )";

const HEALTH_BY_AGE: &str = "delete from health_changes where id in (
     select id from health_changes where changed_at < $1 order by changed_at limit $2
 )";

const HEALTH_BY_COUNT: &str = "delete from health_changes where id in (
     select id from (
         select id, row_number() over (partition by namespace, name order by id desc) as newest
         from health_changes
     ) as numbered
     where newest > $1 limit $2
 )";

impl History {
    /// Deletes records older than `Settings::retention_age`, and the oldest of each application
    /// and image policy beyond their limits. Deletes a few rows at a time, so that the writer gets
    /// its turn; a run that is cut short has done no harm. Does nothing on a read-only history.
    pub async fn prune_old(&self, now: Timestamp) -> Result<Pruned, Error> {
        let pool = self.writer();
        let settings = self.settings();
        if pool.is_closed() {
            return Ok(Pruned::default());
        }
        let batch = i64::from(settings.retention_batch.max(1));
        let kept_syncs = i64::from(settings.retention_syncs_per_application.max(1));
        let kept_updates = i64::from(settings.retention_updates_per_policy.max(1));
        let kept_health = i64::from(settings.retention_health_per_application.max(1));
        let mut pruned = Pruned::default();

        let age = SignedDuration::try_from(settings.retention_age).unwrap_or(SignedDuration::MAX);
        // An age that reaches back beyond all time keeps everything.
        if let Ok(oldest) = now.checked_sub(age) {
            let oldest = time_text(oldest);
            pruned.syncs += repeat(pool, SYNCS_BY_AGE, Bound::Text(&oldest), batch).await?;
            pruned.updates += repeat(pool, UPDATES_BY_AGE, Bound::Text(&oldest), batch).await?;
            pruned.health_changes +=
                repeat(pool, HEALTH_BY_AGE, Bound::Text(&oldest), batch).await?;
            sqlx::query("update history set began_at = $1 where id = 'history' and began_at < $1")
                .bind(&oldest)
                .execute(pool)
                .await
                .map_err(Error::Prune)?;
        }
        pruned.syncs += repeat(pool, SYNCS_BY_COUNT, Bound::Number(kept_syncs), batch).await?;
        pruned.updates +=
            repeat(pool, UPDATES_BY_COUNT, Bound::Number(kept_updates), batch).await?;
        pruned.health_changes +=
            repeat(pool, HEALTH_BY_COUNT, Bound::Number(kept_health), batch).await?;
        Ok(pruned)
    }
}

/// What a statement compares with.
#[derive(Clone, Copy)]
enum Bound<'a> {
    Text(&'a str),
    Number(i64),
}

/// Runs a delete until it finds less than a full batch.
async fn repeat(
    pool: &SqlitePool,
    statement: &'static str,
    bound: Bound<'_>,
    batch: i64,
) -> Result<u64, Error> {
    let mut deleted = 0;
    loop {
        let query = sqlx::query(statement);
        let query = match bound {
            Bound::Text(text) => query.bind(text),
            Bound::Number(number) => query.bind(number),
        };
        let rows = query
            .bind(batch)
            .execute(pool)
            .await
            .map_err(Error::Prune)?
            .rows_affected();
        deleted += rows;
        if i64::try_from(rows).is_ok_and(|rows| rows < batch) {
            return Ok(deleted);
        }
    }
}
