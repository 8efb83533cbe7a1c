//! Syncs and image updates: how they are written.

use jiff::Timestamp;
use syncline_core::object::Origin;
use syncline_core::outcome::ObjectOutcome;
use syncline_core::record::{SyncRecord, SyncResult, UpdateRecord};

use crate::database::Session;
use crate::history::Counts;
use crate::manifests;
use crate::rows::{reason_text, time_text};
use crate::statement::{Statement, Value};
use crate::writer::{integer, json};

/// Outcomes in one statement; 16 values each stay far below the limit of every database.
const OUTCOMES_PER_STATEMENT: usize = 200;

/// Writes the beginning or the end of a sync, in the transaction of the caller.
pub(crate) async fn write_sync(
    session: &mut Session,
    record: &SyncRecord,
) -> Result<(), sqlx::Error> {
    let counts = Counts::of(record);
    let revision = record.revision.as_ref();
    let info = record.commit.as_ref();
    let commit = revision
        .map(|revision| &revision.commit)
        .or(info.map(|info| &info.id));
    let statement = Statement::new(
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
    .bind(json(&record.drift)?);
    if session.execute(&statement).await? == 0 {
        // The row already says how the sync ended; a late word of its beginning changes nothing.
        return Ok(());
    }

    if record.result != SyncResult::Running {
        // The end may be written twice, when the answer to the first commit was lost.
        let statement = Statement::new("delete from sync_outcomes where sync_id = $1");
        session.execute(&statement.bind(&record.id)).await?;
    }
    let named = record
        .outcomes
        .iter()
        .filter_map(|outcome| outcome.manifest.as_ref());
    manifests::write(session, named, Timestamp::now()).await?;
    for (chunk, outcomes) in record.outcomes.chunks(OUTCOMES_PER_STATEMENT).enumerate() {
        write_outcomes(
            session,
            &record.id,
            chunk * OUTCOMES_PER_STATEMENT,
            outcomes,
        )
        .await?;
    }
    Ok(())
}

/// Writes some of the outcomes of a sync; the first of them has this place among all.
async fn write_outcomes(
    session: &mut Session,
    sync: &str,
    first: usize,
    outcomes: &[ObjectOutcome],
) -> Result<(), sqlx::Error> {
    let changes: Vec<Option<String>> = outcomes
        .iter()
        .map(|outcome| Some(&outcome.changes).filter(|changes| !changes.is_empty()))
        .map(|changes| changes.map(json).transpose())
        .collect::<Result<_, _>>()?;
    let rows = outcomes.iter().zip(&changes).enumerate();
    let rows = rows.map(|(offset, (outcome, changes))| {
        let origin: Option<&Origin> = outcome.origin.as_ref();
        let error = outcome.error.as_ref();
        let manifest = outcome.manifest.as_ref();
        [
            Value::from(sync),
            integer(first + offset).into(),
            (&outcome.key.group).into(),
            (&outcome.key.version).into(),
            (&outcome.key.kind).into(),
            outcome.key.namespace.as_deref().into(),
            (&outcome.key.name).into(),
            origin.map(|origin| origin.file.as_str()).into(),
            origin.map(|origin| integer(origin.document)).into(),
            origin.and_then(|origin| origin.line).map(integer).into(),
            outcome.action.as_str().into(),
            error.map(|error| reason_text(error.reason)).into(),
            error.map(|error| error.detail.as_str()).into(),
            (&outcome.note).into(),
            changes.as_deref().into(),
            manifest.map(|manifest| manifest.digest.as_bytes()).into(),
        ]
    });
    let mut statement = Statement::new(
        "insert into sync_outcomes (
             sync_id, position, api_group, api_version, kind, namespace, name, origin_file,
             origin_document, origin_line, action, reason, detail, note, changes, manifest
         ) values ",
    );
    statement.push_rows(rows);
    let statement = statement.for_rows(outcomes.len(), OUTCOMES_PER_STATEMENT);
    session.execute(&statement).await?;
    Ok(())
}

/// Writes an image update, in the transaction of the caller.
pub(crate) async fn write_update(
    session: &mut Session,
    record: &UpdateRecord,
) -> Result<(), sqlx::Error> {
    let statement = Statement::new(
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
    .bind(time_text(record.time));
    session.execute(&statement).await?;
    Ok(())
}
