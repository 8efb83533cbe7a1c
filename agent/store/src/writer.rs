//! The one task that writes: takes entries from the queue, writes them in one transaction, and
//! tries again when the database cannot take them.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};
use syncline_core::object::Origin;
use syncline_core::record::{SyncRecord, SyncResult, UpdateRecord};
use tracing::{info, warn};

use crate::error::{Failure, classify};
use crate::health;
use crate::history::Counts;
use crate::kept;
use crate::queue::{Item, Queue};
use crate::rows::{reason_text, time_text};
use crate::settings::Settings;

/// Outcomes in one statement; 15 values each stay far below the limit of every database.
const OUTCOMES_PER_STATEMENT: usize = 200;

/// Writes until the queue is closed and empty. A failure that may pass is tried again with a
/// growing wait, once more after the queue was closed, and then given up.
pub(crate) async fn run(queue: Arc<Queue>, pool: SqlitePool, settings: Settings) {
    let mut wait: Option<Duration> = None;
    while let Some(batch) = queue.batch(settings.batch).await {
        let last_attempt = queue.is_closed();
        let error = match write(&pool, batch.iter().map(|(_, item)| item)).await {
            Ok(()) => {
                queue.written(&batch);
                if wait.take().is_some() {
                    info!(waiting = queue.len(), "the history is written again");
                }
                continue;
            }
            Err(error) => error,
        };
        if classify(&error) == Failure::Statement {
            if let [(_, item)] = batch.as_slice() {
                warn!(record = item.label(), %error, "a record of the history cannot be written");
                queue.give_up(&batch);
            } else {
                // One of them is at fault: each alone, so that the others are kept.
                for entry in &batch {
                    // Given up with one before it, or replaced: its turn comes, or never does.
                    if !queue.holds(entry) {
                        continue;
                    }
                    let entry = std::slice::from_ref(entry);
                    match write(&pool, entry.iter().map(|(_, item)| item)).await {
                        Ok(()) => queue.written(entry),
                        Err(error) if classify(&error) == Failure::Statement => {
                            let record = entry[0].1.label();
                            warn!(record, %error, "a record of the history cannot be written");
                            queue.give_up(entry);
                        }
                        Err(_) => break,
                    }
                }
            }
            continue;
        }
        if last_attempt {
            warn!(lost = queue.len(), %error, "the history cannot be written, the process ends");
            queue.give_up(&batch);
            continue;
        }
        if wait.is_none() {
            warn!(
                %error,
                waiting = queue.len(),
                "the history cannot be written; records wait in memory, syncs go on",
            );
        }
        let pause = wait
            .map_or(settings.retry_first, |last| last * 2)
            .min(settings.retry_longest);
        wait = Some(pause);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = queue.urgent() => {}
        }
    }
    pool.close().await;
}

/// Writes all of them or none.
async fn write(
    pool: &SqlitePool,
    items: impl Iterator<Item = &Item> + Send,
) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    for item in items {
        match item {
            Item::Sync(record) => write_sync(&mut transaction, record).await?,
            Item::Update(record) => write_update(&mut transaction, record).await?,
            Item::Health(change) => health::write(&mut transaction, change).await?,
            Item::Keep(change) => kept::write(&mut transaction, change).await?,
            Item::Forget(application) => kept::delete(&mut transaction, application).await?,
        }
    }
    transaction.commit().await
}

async fn write_sync(
    connection: &mut SqliteConnection,
    record: &SyncRecord,
) -> Result<(), sqlx::Error> {
    let counts = Counts::of(record);
    let revision = record.revision.as_ref();
    let info = record.commit.as_ref();
    let commit = revision
        .map(|revision| &revision.commit)
        .or(info.map(|info| &info.id));
    let written = sqlx::query(
        "insert into syncs (
             id, namespace, name, cause, branch, commit_id, commit_subject, commit_author,
             commit_time, previous_commit, queued_at, started_at, finished_at, result,
             failure_reason, failure_detail, created, updated, pruned, skipped, failed, unchanged,
             drifted, steps, drift
         ) values (
             $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
             $20, $21, $22, $23, $24, $25
         )
         on conflict (id) do update set
             cause = excluded.cause,
             branch = excluded.branch,
             commit_id = excluded.commit_id,
             commit_subject = excluded.commit_subject,
             commit_author = excluded.commit_author,
             commit_time = excluded.commit_time,
             previous_commit = excluded.previous_commit,
             queued_at = excluded.queued_at,
             started_at = excluded.started_at,
             finished_at = excluded.finished_at,
             result = excluded.result,
             failure_reason = excluded.failure_reason,
             failure_detail = excluded.failure_detail,
             created = excluded.created,
             updated = excluded.updated,
             pruned = excluded.pruned,
             skipped = excluded.skipped,
             failed = excluded.failed,
             unchanged = excluded.unchanged,
             drifted = excluded.drifted,
             steps = excluded.steps,
             drift = excluded.drift
         where excluded.result <> 'running' or syncs.result = 'running'",
    )
    .bind(&record.id)
    .bind(&record.application.namespace)
    .bind(&record.application.name)
    .bind(record.cause.as_str())
    .bind(revision.map(|revision| revision.branch.as_str()))
    .bind(commit.map(|commit| commit.as_str()))
    .bind(info.map(|info| info.subject.as_str()))
    .bind(info.map(|info| info.author.as_str()))
    .bind(info.map(|info| time_text(info.time)))
    .bind(record.previous.as_ref().map(|commit| commit.as_str()))
    .bind(time_text(record.queued_at))
    .bind(time_text(record.started_at))
    .bind(record.finished_at.map(time_text))
    .bind(record.result.as_str())
    .bind(
        record
            .failure
            .as_ref()
            .map(|failure| reason_text(failure.reason)),
    )
    .bind(
        record
            .failure
            .as_ref()
            .map(|failure| failure.detail.as_str()),
    )
    .bind(integer(counts.created))
    .bind(integer(counts.updated))
    .bind(integer(counts.pruned))
    .bind(integer(counts.skipped))
    .bind(integer(counts.failed))
    .bind(integer(counts.unchanged))
    .bind(integer(counts.drifted))
    .bind(json(&record.steps)?)
    .bind(json(&record.drift)?)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if written == 0 {
        // The row already says how the sync ended; a late word of its beginning changes nothing.
        return Ok(());
    }

    if record.result != SyncResult::Running {
        // The end may be written twice, when the answer to the first commit was lost.
        sqlx::query("delete from sync_outcomes where sync_id = $1")
            .bind(&record.id)
            .execute(&mut *connection)
            .await?;
    }
    for (chunk, outcomes) in record.outcomes.chunks(OUTCOMES_PER_STATEMENT).enumerate() {
        let changes: Vec<Option<String>> = outcomes
            .iter()
            .map(|outcome| Some(&outcome.changes).filter(|changes| !changes.is_empty()))
            .map(|changes| changes.map(json).transpose())
            .collect::<Result<_, _>>()?;
        let mut statement = QueryBuilder::<Sqlite>::new(
            "insert into sync_outcomes (
                 sync_id, position, api_group, api_version, kind, namespace, name, origin_file,
                 origin_document, origin_line, action, reason, detail, note, changes
             ) ",
        );
        let first = chunk * OUTCOMES_PER_STATEMENT;
        let rows = outcomes.iter().zip(&changes).enumerate();
        statement.push_values(rows, |mut row, (offset, (outcome, changes))| {
            let origin: Option<&Origin> = outcome.origin.as_ref();
            let error = outcome.error.as_ref();
            row.push_bind(&record.id)
                .push_bind(integer(first + offset))
                .push_bind(&outcome.key.group)
                .push_bind(&outcome.key.version)
                .push_bind(&outcome.key.kind)
                .push_bind(outcome.key.namespace.as_deref())
                .push_bind(&outcome.key.name)
                .push_bind(origin.map(|origin| origin.file.as_str()))
                .push_bind(origin.map(|origin| integer(origin.document)))
                .push_bind(origin.and_then(|origin| origin.line).map(integer))
                .push_bind(outcome.action.as_str())
                .push_bind(error.map(|error| reason_text(error.reason)))
                .push_bind(error.map(|error| error.detail.as_str()))
                .push_bind(&outcome.note)
                .push_bind(changes);
        });
        // A statement of a full chunk is worth preparing once, that of a rest is not.
        let persistent = outcomes.len() == OUTCOMES_PER_STATEMENT;
        statement
            .build()
            .persistent(persistent)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn write_update(
    connection: &mut SqliteConnection,
    record: &UpdateRecord,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into updates (
             id, namespace, name, repository, image, old_value, new_value, files, commit_id,
             pushed_at
         ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (id) do update set
             repository = excluded.repository,
             image = excluded.image,
             old_value = excluded.old_value,
             new_value = excluded.new_value,
             files = excluded.files,
             commit_id = excluded.commit_id,
             pushed_at = excluded.pushed_at",
    )
    .bind(&record.id)
    .bind(&record.policy.namespace)
    .bind(&record.policy.name)
    .bind(&record.repository)
    .bind(&record.image)
    .bind(&record.old)
    .bind(&record.new)
    .bind(json(&record.files)?)
    .bind(record.commit.as_str())
    .bind(time_text(record.time))
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use syncline_core::record::Name;
    use syncline_core::revision::CommitId;

    use super::*;
    use crate::{Location, Store};

    fn update(number: u32) -> UpdateRecord {
        UpdateRecord {
            id: format!("{number:026}"),
            policy: Name::new("shop", "web"),
            repository: "config".into(),
            image: "registry.example.com/web".into(),
            old: "v1".into(),
            new: "v".repeat(4000),
            files: Vec::new(),
            commit: CommitId::parse(&"0".repeat(40)).unwrap(),
            time: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// The limit on pages makes the database answer as on a disk without room.
    async fn limit_pages(store: &Store, pages: u32) {
        let pragma = format!("pragma max_page_count = {pages}");
        let history = store.history();
        sqlx::query(sqlx::AssertSqlSafe(pragma))
            .execute(history.writer())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn fault_f33_a_full_disk_keeps_records_in_memory_until_there_is_room() {
        let directory = tempfile::TempDir::new().unwrap();
        let settings = Settings {
            location: Location::File(directory.path().join("history.db")),
            retry_first: Duration::from_millis(5),
            retry_longest: Duration::from_millis(20),
            flush_timeout: Duration::from_millis(100),
            ..Settings::default()
        };
        let store = Store::open(&settings).await.unwrap();
        let history = store.history();
        let pages: i64 = sqlx::query_scalar("pragma page_count")
            .fetch_one(history.writer())
            .await
            .unwrap();
        limit_pages(&store, u32::try_from(pages).unwrap() + 2).await;

        for number in 0..20 {
            history.record_update(&update(number));
        }
        assert_eq!(history.flush().await, 20);
        assert_eq!((history.queued(), history.dropped()), (20, 0));
        // What is there can still be read.
        assert_eq!(history.updates(None, None, 100).await.unwrap().len(), 0);

        limit_pages(&store, 1_000_000).await;
        while history.flush().await > 0 {}
        assert_eq!(history.updates(None, None, 100).await.unwrap().len(), 20);
        assert_eq!(history.dropped(), 0);
    }

    #[tokio::test]
    async fn the_file_is_durable_and_checks_references() {
        let directory = tempfile::TempDir::new().unwrap();
        let location = Location::File(directory.path().join("history.db"));
        let store = Store::open(&Settings {
            location,
            ..Settings::default()
        })
        .await
        .unwrap();
        let history = store.history();
        for (pragma, expected) in [
            ("pragma synchronous", 2),
            ("pragma foreign_keys", 1),
            ("pragma busy_timeout", 5000),
        ] {
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(pragma.to_owned()))
                .fetch_one(history.writer())
                .await
                .unwrap();
            assert_eq!(found, expected, "{pragma}");
        }
    }
}
