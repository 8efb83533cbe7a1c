//! What the rest of the agent sees: a handle to record with and to ask.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::SqlitePool;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::record::{Name, SyncRecord, SyncResult, UpdateRecord};
use syncline_core::revision::{CommitId, CommitInfo, Revision};
use syncline_core::trigger::Cause;
use tracing::warn;

use crate::error::Error;
use crate::queue::{Item, Queue};
use crate::rows::{DetailRow, OutcomeRow, SummaryRow, UpdateRow, summary_columns};
use crate::settings::Settings;

/// How many objects of a sync met which fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Created.
    pub created: usize,
    /// Updated.
    pub updated: usize,
    /// Deleted because they left Git.
    pub pruned: usize,
    /// Left alone for a reason.
    pub skipped: usize,
    /// Not done because of an error.
    pub failed: usize,
    /// Needed nothing.
    pub unchanged: usize,
    /// Had been changed by others.
    pub drifted: usize,
}

impl Counts {
    /// Counts the outcomes of a record.
    pub fn of(record: &SyncRecord) -> Self {
        let mut counts = Self {
            unchanged: record.unchanged,
            drifted: record.drift.len(),
            ..Self::default()
        };
        for outcome in &record.outcomes {
            let count = match (outcome.action, &outcome.error) {
                (ActionKind::Skip, _) => &mut counts.skipped,
                (_, Some(_)) => &mut counts.failed,
                (ActionKind::Create, None) => &mut counts.created,
                (ActionKind::Update, None) => &mut counts.updated,
                (ActionKind::Prune, None) => &mut counts.pruned,
                (ActionKind::Unchanged, None) => &mut counts.unchanged,
            };
            *count += 1;
        }
        counts
    }
}

/// A line of a list of syncs: a [`SyncRecord`] without steps, outcomes and drift.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncSummary {
    /// ULID.
    pub id: String,
    /// The Application.
    pub application: Name,
    /// What asked for it.
    pub cause: Cause,
    /// Branch and commit.
    pub revision: Option<Revision>,
    /// Subject and author of the commit.
    pub commit: Option<CommitInfo>,
    /// The commit that was applied before.
    pub previous: Option<CommitId>,
    /// When the trigger arrived.
    pub queued_at: Timestamp,
    /// When a worker began.
    pub started_at: Timestamp,
    /// When it ended; `None` for one that runs or was interrupted.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub result: SyncResult,
    /// The first failure.
    pub failure: Option<Failure>,
    /// How many objects met which fate.
    pub counts: Counts,
}

/// A handle to the history: cheap to clone, usable from every task.
#[derive(Clone, Debug)]
pub struct History {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    readers: SqlitePool,
    writer: SqlitePool,
    settings: Settings,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last handle is gone: the writer writes what waits and ends.
        self.queue.close();
    }
}

impl History {
    pub(crate) fn new(
        queue: Arc<Queue>,
        readers: SqlitePool,
        writer: SqlitePool,
        settings: Settings,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                queue,
                readers,
                writer,
                settings,
            }),
        }
    }

    /// Keeps a sync: once when it starts and again, under the same id, when it ends.
    ///
    /// Never waits and never fails: a record that finds the queue full is dropped and counted
    /// ([`History::dropped`]).
    pub fn record_sync(&self, record: &SyncRecord) {
        self.inner.queue.push(Item::Sync(Arc::new(record.clone())));
    }

    /// Keeps an image update. Never waits and never fails, like [`History::record_sync`].
    pub fn record_update(&self, record: &UpdateRecord) {
        self.inner
            .queue
            .push(Item::Update(Arc::new(record.clone())));
    }

    /// Waits until what was recorded before is written, at most `Settings::flush_timeout`; a wait
    /// after a failed write is cut short. Returns how many records still wait.
    pub async fn flush(&self) -> usize {
        let drained = self.inner.queue.drained();
        let _ = tokio::time::timeout(self.inner.settings.flush_timeout, drained).await;
        self.queued()
    }

    /// How many records wait to be written.
    pub fn queued(&self) -> usize {
        self.inner.queue.len()
    }

    /// How many records were lost since the start: the queue was full, the history is read-only,
    /// or the database refused the record itself.
    pub fn dropped(&self) -> u64 {
        self.inner.queue.dropped()
    }

    /// Syncs of an application, newest first; those older than the id `before`, if one is given.
    /// At most `limit` and at most `Settings::page`.
    pub async fn syncs(
        &self,
        application: &Name,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SyncSummary>, Error> {
        let rows: Vec<SummaryRow> = sqlx::query_as(concat!(
            "select ",
            summary_columns!(),
            " from syncs
              where namespace = $1 and name = $2 and ($3 is null or id < $3)
              order by id desc limit $4",
        ))
        .bind(&application.namespace)
        .bind(&application.name)
        .bind(before)
        .bind(self.page(limit))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(|source| Error::Read {
            what: "syncs",
            source,
        })?;
        Ok(readable(rows))
    }

    /// One sync with steps, outcomes and drift; `None` where history does not have it.
    pub async fn sync(&self, id: &str) -> Result<Option<SyncRecord>, Error> {
        let failed = |source| Error::Read {
            what: "a sync",
            source,
        };
        // One transaction is one moment: outcomes must belong to the row that was read.
        let mut transaction = self.inner.readers.begin().await.map_err(failed)?;
        let summary: Option<SummaryRow> = sqlx::query_as(concat!(
            "select ",
            summary_columns!(),
            " from syncs where id = $1",
        ))
        .bind(id)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(failed)?;
        let Some(summary) = summary else {
            return Ok(None);
        };
        let detail: DetailRow = sqlx::query_as("select steps, drift from syncs where id = $1")
            .bind(id)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed)?;
        let outcomes: Vec<OutcomeRow> = sqlx::query_as(
            "select sync_id, api_group, api_version, kind, namespace, name, origin_file,
                    origin_document, origin_line, action, reason, detail, note, changes
             from sync_outcomes where sync_id = $1 order by position",
        )
        .bind(id)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;

        let summary = SyncSummary::try_from(summary)?;
        let (steps, drift) = detail.read(id)?;
        let outcomes: Vec<ObjectOutcome> = outcomes
            .into_iter()
            .map(TryFrom::try_from)
            .collect::<Result<_, Error>>()?;
        // The column counts all that needed nothing, also those that have an outcome of their own.
        let listed = outcomes
            .iter()
            .filter(|outcome| outcome.action == ActionKind::Unchanged && outcome.error.is_none());
        let unchanged = summary.counts.unchanged.saturating_sub(listed.count());
        Ok(Some(SyncRecord {
            id: summary.id,
            application: summary.application,
            cause: summary.cause,
            revision: summary.revision,
            commit: summary.commit,
            previous: summary.previous,
            queued_at: summary.queued_at,
            started_at: summary.started_at,
            finished_at: summary.finished_at,
            result: summary.result,
            failure: summary.failure,
            steps,
            outcomes,
            unchanged,
            drift,
        }))
    }

    /// The newest sync of each application that has ended or was interrupted, by application.
    pub async fn latest(&self) -> Result<Vec<SyncSummary>, Error> {
        let rows: Vec<SummaryRow> = sqlx::query_as(concat!(
            "select ",
            summary_columns!(),
            " from syncs
              where id in (
                  select max(id) from syncs where result <> 'running' group by namespace, name
              )
              order by namespace, name",
        ))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(|source| Error::Read {
            what: "the latest syncs",
            source,
        })?;
        Ok(readable(rows))
    }

    /// Image updates, newest first: those of `policy`, or all; those older than the id `before`, if
    /// one is given. At most `limit` and at most `Settings::page`.
    pub async fn updates(
        &self,
        policy: Option<&Name>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<UpdateRecord>, Error> {
        let rows: Vec<UpdateRow> = sqlx::query_as(
            "select id, namespace, name, repository, image, old_value, new_value, files,
                    commit_id, pushed_at
             from updates
             where ($1 is null or (namespace = $1 and name = $2)) and ($3 is null or id < $3)
             order by id desc limit $4",
        )
        .bind(policy.map(|policy| policy.namespace.as_str()))
        .bind(policy.map(|policy| policy.name.as_str()))
        .bind(before)
        .bind(self.page(limit))
        .fetch_all(&self.inner.readers)
        .await
        .map_err(|source| Error::Read {
            what: "updates",
            source,
        })?;
        Ok(readable(rows))
    }

    /// Since when history is complete but for the limit per application; `None` where it is empty.
    pub async fn since(&self) -> Result<Option<Timestamp>, Error> {
        let began_at: Option<String> =
            sqlx::query_scalar("select began_at from history where id = 'history'")
                .fetch_optional(&self.inner.readers)
                .await
                .map_err(|source| Error::Read {
                    what: "its beginning",
                    source,
                })?;
        began_at
            .map(|text| {
                text.parse().map_err(|_| Error::Row {
                    id: "history".to_owned(),
                    column: "began_at",
                })
            })
            .transpose()
    }

    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.inner.writer
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.inner.queue
    }

    pub(crate) fn close(&self) {
        self.inner.queue.close();
    }

    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.inner.readers
    }

    pub(crate) fn page(&self, limit: u32) -> i64 {
        i64::from(limit.min(self.inner.settings.page))
    }
}

/// What can be read; a row that cannot is left out of a list, and said.
pub(crate) fn readable<R, T>(rows: Vec<R>) -> Vec<T>
where
    T: TryFrom<R, Error = Error>,
{
    rows.into_iter()
        .filter_map(|row| match T::try_from(row) {
            Ok(record) => Some(record),
            Err(error) => {
                warn!(%error, "a row of the history is left out");
                None
            }
        })
        .collect()
}
