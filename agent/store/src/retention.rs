//! Deletes what is older or more than the settings keep. What is kept of applications stays.

use jiff::{SignedDuration, Timestamp};

use crate::condition::Condition;
use crate::database::Pool;
use crate::error::Error;
use crate::history::History;
use crate::rows::time_text;
use crate::statement::Statement;

/// A manifest that was named within this time may be part of what is just being written.
const MANIFEST_GRACE: SignedDuration = SignedDuration::from_hours(1);

/// How many records a run of the retention deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Syncs.
    pub syncs: u64,
    /// Image updates.
    pub updates: u64,
    /// Changes of health.
    pub health_changes: u64,
    /// Calls through the API.
    pub audit: u64,
    /// Deliveries of webhooks.
    pub deliveries: u64,
    /// Manifests that no sync names any more.
    pub manifests: u64,
}

// The time is asked for twice: a row that the writer touches in between is looked at again, and
// then only its own columns are.
const MANIFESTS: &str = "delete from manifests where seen_at < $1 and digest in (
     select digest from manifests as unnamed
     where seen_at < $1 and not exists (
         select 1 from sync_outcomes where sync_outcomes.manifest = unnamed.digest
     )
     limit $2
 )";

impl History {
    /// Deletes records older than `Settings::retention_age`, and the oldest of each application,
    /// each image policy and of all calls and deliveries beyond their limits; then the manifests
    /// that nothing names any more. Deletes a few rows at a time, so that the writer gets its turn;
    /// a run that is cut short has done no harm. Does nothing while the history is not written.
    pub async fn prune_old(&self, now: Timestamp) -> Result<Pruned, Error> {
        let settings = self.settings();
        let writer = self.database().writer().map_err(Error::Prune)?;
        if self.database().condition() != Condition::Writing || writer.is_closed() {
            return Ok(Pruned::default());
        }
        let run = Run {
            pool: &writer,
            batch: i64::from(settings.retention_batch.max(1)),
        };
        let mut pruned = Pruned::default();
        let age = SignedDuration::try_from(settings.retention_age).unwrap_or(SignedDuration::MAX);
        // An age that reaches back beyond all time keeps everything.
        if let Ok(oldest) = now.checked_sub(age) {
            let oldest = time_text(oldest);
            pruned.syncs += run.older("syncs", "started_at", &oldest).await?;
            pruned.updates += run.older("updates", "pushed_at", &oldest).await?;
            pruned.health_changes += run.older("health_changes", "changed_at", &oldest).await?;
            pruned.audit += run.older("audit", "called_at", &oldest).await?;
            pruned.deliveries += run.older("deliveries", "received_at", &oldest).await?;
            let began = Statement::new(
                "update history set began_at = $1 where id = 'history' and began_at < $1",
            );
            let began = writer.execute(&began.bind(&oldest)).await;
            began.map_err(Error::Prune)?;
        }
        let kept = settings.retention_syncs_per_application.max(1);
        pruned.syncs += run.beyond_of_each("syncs", kept).await?;
        let kept = settings.retention_updates_per_policy.max(1);
        pruned.updates += run.beyond_of_each("updates", kept).await?;
        let kept = settings.retention_health_per_application.max(1);
        pruned.health_changes += run.beyond_of_each("health_changes", kept).await?;
        let kept = settings.retention_audit.max(1);
        pruned.audit += run.beyond("audit", kept).await?;
        let kept = settings.retention_deliveries.max(1);
        pruned.deliveries += run.beyond("deliveries", kept).await?;
        // Only then can a manifest have lost its last name.
        if pruned.syncs > 0
            && let Ok(before) = now.checked_sub(MANIFEST_GRACE)
        {
            let unnamed = Statement::new(MANIFESTS).bind(time_text(before));
            pruned.manifests += run.repeat(unnamed).await?;
        }
        Ok(pruned)
    }
}

/// Deletes, a few rows at a time.
struct Run<'a> {
    pool: &'a Pool,
    batch: i64,
}

impl Run<'_> {
    /// The rows of a table whose time in this column is before another.
    async fn older(&self, table: &str, column: &str, time: &str) -> Result<u64, Error> {
        let statement = Statement::new(format!(
            "delete from {table} where id in (
                 select id from {table} where {column} < $1 order by {column} limit $2
             )"
        ));
        self.repeat(statement.bind(time)).await
    }

    /// The rows of a table beyond the newest of each application or policy.
    async fn beyond_of_each(&self, table: &str, kept: u32) -> Result<u64, Error> {
        let statement = Statement::new(format!(
            "delete from {table} where id in (
                 select id from (
                     select id, row_number() over (
                         partition by namespace, name order by id desc
                     ) as newest
                     from {table}
                 ) as numbered
                 where newest > $1 limit $2
             )"
        ));
        self.repeat(statement.bind(i64::from(kept))).await
    }

    /// The rows of a table beyond the newest of all.
    async fn beyond(&self, table: &str, kept: u32) -> Result<u64, Error> {
        let statement = Statement::new(format!(
            "delete from {table} where id in (
                 select id from {table} order by id desc limit $2 offset $1
             )"
        ));
        self.repeat(statement.bind(i64::from(kept))).await
    }

    /// Runs a delete, whose last value is how many rows at most, until it finds fewer.
    async fn repeat(&self, statement: Statement<'_>) -> Result<u64, Error> {
        let statement = statement.bind(self.batch);
        let mut deleted = 0;
        loop {
            let rows = self.pool.execute(&statement).await.map_err(Error::Prune)?;
            deleted += rows;
            if i64::try_from(rows).is_ok_and(|rows| rows < self.batch) {
                return Ok(deleted);
            }
        }
    }
}
