//! What the rest of the agent sees: a handle to record with and to ask.

use std::sync::Arc;

use jiff::Timestamp;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::record::{Name, SyncRecord, SyncResult, UpdateRecord};
use syncline_core::revision::{CommitId, CommitInfo, Revision};
use syncline_core::trigger::Cause;

use crate::condition::Status;
use crate::database::{Pool, Record};
use crate::error::Error;
use crate::list::{List, readable};
use crate::queue::{Item, Queue};
use crate::reach::Database;
use crate::rows::{DetailRow, OutcomeRow, SummaryRow, UpdateRow, outcome_columns, summary_columns};
use crate::settings::Settings;
use crate::statement::Statement;

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

/// Which syncs are asked for. What is `None` is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncFilter {
    /// Of this Application.
    pub application: Option<Name>,
    /// That ended like this.
    pub result: Option<SyncResult>,
    /// That this asked for.
    pub cause: Option<Cause>,
    /// That began at this time or later, to the millisecond.
    pub since: Option<Timestamp>,
    /// That began before this time.
    pub until: Option<Timestamp>,
}

/// A handle to the history: cheap to clone, usable from every task.
#[derive(Clone, Debug)]
pub struct History {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    database: Arc<Database>,
    settings: Settings,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The last handle is gone: the writer writes what waits and ends.
        self.queue.close();
    }
}

impl History {
    pub(crate) fn new(queue: Arc<Queue>, database: Arc<Database>, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                queue,
                database,
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
        let filter = SyncFilter {
            application: Some(application.clone()),
            ..SyncFilter::default()
        };
        self.find_syncs(&filter, before, limit).await
    }

    /// The sync of an application that came next after the one with this id, whether history still
    /// has that one or not; `None` where none came.
    pub async fn sync_after(
        &self,
        application: &Name,
        id: &str,
    ) -> Result<Option<SyncSummary>, Error> {
        let statement = Statement::new(concat!(
            "select ",
            summary_columns!(),
            " from syncs where namespace = $1 and name = $2 and id > $3 order by id limit 1",
        ))
        .bind(application.namespace.as_str())
        .bind(application.name.as_str())
        .bind(id);
        let rows: Vec<SummaryRow> = self.all("syncs", &statement).await?;
        Ok(readable(rows).into_iter().next())
    }

    /// Syncs of all applications that fit a filter, newest first; those older than the id `before`,
    /// if one is given. At most `limit` and at most `Settings::page`.
    pub async fn find_syncs(
        &self,
        filter: &SyncFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<SyncSummary>, Error> {
        let mut list = List::new(concat!("select ", summary_columns!(), " from syncs"));
        if let Some(application) = &filter.application {
            list.require("namespace = ", application.namespace.as_str());
            list.require("name = ", application.name.as_str());
        }
        if let Some(result) = filter.result {
            list.require("result = ", result.as_str());
        }
        if let Some(cause) = filter.cause {
            list.require("cause = ", cause.as_str());
        }
        list.require_time(filter.since, filter.until);
        let rows: Vec<SummaryRow> = self.page("syncs", list, before, limit).await?;
        Ok(readable(rows))
    }

    /// One sync with steps, outcomes and drift; `None` where history does not have it. The outcomes
    /// are without manifests, see [`History::sync_with_manifests`].
    pub async fn sync(&self, id: &str) -> Result<Option<SyncRecord>, Error> {
        const OUTCOMES: &str = concat!(
            "select ",
            outcome_columns!(),
            ", null as digest, null as body from sync_outcomes where sync_id = $1
             order by position",
        );
        self.one_sync(id, OUTCOMES).await
    }

    /// One sync like [`History::sync`], with the manifest of each outcome that has one.
    pub async fn sync_with_manifests(&self, id: &str) -> Result<Option<SyncRecord>, Error> {
        const OUTCOMES: &str = concat!(
            "select ",
            outcome_columns!(),
            ", manifests.digest, manifests.body
             from sync_outcomes left join manifests on manifests.digest = sync_outcomes.manifest
             where sync_id = $1 order by position",
        );
        self.one_sync(id, OUTCOMES).await
    }

    async fn one_sync(
        &self,
        id: &str,
        outcomes: &'static str,
    ) -> Result<Option<SyncRecord>, Error> {
        let failed = |source| self.unread("a sync", source);
        // One transaction is one moment: outcomes must belong to the row that was read.
        let mut moment = self
            .reader("a sync")
            .await?
            .moment()
            .await
            .map_err(failed)?;
        let summary = Statement::new(concat!(
            "select ",
            summary_columns!(),
            " from syncs where id = $1",
        ));
        let summary: Option<SummaryRow> = moment.first(&summary.bind(id)).await.map_err(failed)?;
        let Some(summary) = summary else {
            moment.commit().await.map_err(failed)?;
            return Ok(None);
        };
        let detail = Statement::new("select steps, drift from syncs where id = $1").bind(id);
        let detail: Option<DetailRow> = moment.first(&detail).await.map_err(failed)?;
        let outcomes: Vec<OutcomeRow> = moment
            .all(&Statement::new(outcomes).bind(id))
            .await
            .map_err(failed)?;
        moment.commit().await.map_err(failed)?;

        let Some(detail) = detail else {
            return Ok(None);
        };
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
        let statement = Statement::new(concat!(
            "select ",
            summary_columns!(),
            " from syncs
              where id in (
                  select max(id) from syncs where result <> 'running' group by namespace, name
              )
              order by namespace, name",
        ));
        let rows: Vec<SummaryRow> = self.all("the latest syncs", &statement).await?;
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
        let mut list = List::new(
            "select id, namespace, name, repository, image, old_value, new_value, files,
                    commit_id, pushed_at
             from updates",
        );
        if let Some(policy) = policy {
            list.require("namespace = ", policy.namespace.as_str());
            list.require("name = ", policy.name.as_str());
        }
        let rows: Vec<UpdateRow> = self.page("updates", list, before, limit).await?;
        Ok(readable(rows))
    }

    /// Since when history is complete but for the limit per application; `None` where it is empty.
    pub async fn since(&self) -> Result<Option<Timestamp>, Error> {
        let statement = Statement::new("select began_at from history where id = 'history'");
        let rows: Vec<(String,)> = self.all("its beginning", &statement).await?;
        let began_at = rows.into_iter().next();
        began_at
            .map(|(text,)| {
                text.parse().map_err(|_| Error::Row {
                    id: "history".to_owned(),
                    column: "began_at",
                })
            })
            .transpose()
    }

    /// How the history is, at this moment. Asks nobody.
    pub fn status(&self) -> Status {
        let database = &self.inner.database;
        Status {
            kind: database.kind(),
            place: database.place().to_owned(),
            condition: database.condition(),
            damaged: database.damaged(),
            queued: self.queued(),
            dropped: self.dropped(),
        }
    }

    /// All rows of a question.
    pub(crate) async fn all<R: Record>(
        &self,
        what: &'static str,
        statement: &Statement<'_>,
    ) -> Result<Vec<R>, Error> {
        let reader = self.reader(what).await?;
        let rows = reader.all(statement).await;
        rows.map_err(|source| self.unread(what, source))
    }

    /// A page of a list: its rows older than the id `before`, newest first.
    pub(crate) async fn page<R: Record>(
        &self,
        what: &'static str,
        mut list: List<'_>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<R>, Error> {
        if let Some(before) = before {
            list.require("id < ", before.to_owned());
        }
        let limit = i64::from(limit.min(self.inner.settings.page));
        let mut statement = list.statement;
        statement.push(" order by id desc limit ");
        statement.push_value(limit);
        self.all(what, &statement).await
    }

    async fn reader(&self, what: &'static str) -> Result<Pool, Error> {
        let database = &self.inner.database;
        // Only the first moment is waited for, in which a server that is there is reached.
        if !database.tried().await {
            return Err(Error::Away {
                place: database.place().to_owned(),
            });
        }
        let readers = database.readers();
        readers.map_err(|source| Error::Read { what, source })
    }

    fn unread(&self, what: &'static str, source: sqlx::Error) -> Error {
        self.inner.database.unread(what, source)
    }

    pub(crate) fn database(&self) -> &Database {
        &self.inner.database
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
}
