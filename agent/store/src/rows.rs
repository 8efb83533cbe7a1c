//! Rows as they come from the database, and how they become records again.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::FromRow;
use syncline_core::digest::Digest;
use syncline_core::masking::Masked;
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::reason::Reason;
use syncline_core::record::{Drift, MaskedManifest, Name, Step, SyncResult, UpdateRecord};
use syncline_core::revision::{CommitId, CommitInfo, Revision};

use crate::error::Error;
use crate::history::{Counts, SyncSummary};

/// Time as text of one width, so that it sorts.
pub(crate) fn time_text(time: Timestamp) -> String {
    format!("{time:.9}")
}

/// The name of a reason, as conditions carry it.
pub(crate) fn reason_text(reason: Reason) -> String {
    // Debug of a variant without fields is its name.
    format!("{reason:?}")
}

/// The columns of `syncs` without steps and drift.
macro_rules! summary_columns {
    () => {
        "id, namespace, name, cause, branch, commit_id, commit_subject, commit_author, \
         commit_time, previous_commit, queued_at, started_at, finished_at, result, \
         failure_reason, failure_detail, created, updated, pruned, skipped, failed, unchanged, \
         drifted"
    };
}
pub(crate) use summary_columns;

/// The columns of `sync_outcomes` but for the manifest.
macro_rules! outcome_columns {
    () => {
        "sync_id, api_group, api_version, kind, namespace, name, origin_file, origin_document, \
         origin_line, action, reason, detail, note, changes"
    };
}
pub(crate) use outcome_columns;

/// A row of `syncs` without steps and drift.
#[derive(Debug, FromRow)]
pub(crate) struct SummaryRow {
    id: String,
    namespace: String,
    name: String,
    cause: String,
    branch: Option<String>,
    commit_id: Option<String>,
    commit_subject: Option<String>,
    commit_author: Option<String>,
    commit_time: Option<String>,
    previous_commit: Option<String>,
    queued_at: String,
    started_at: String,
    finished_at: Option<String>,
    result: String,
    failure_reason: Option<String>,
    failure_detail: Option<String>,
    created: i64,
    updated: i64,
    pruned: i64,
    skipped: i64,
    failed: i64,
    unchanged: i64,
    drifted: i64,
}

impl TryFrom<SummaryRow> for SyncSummary {
    type Error = Error;

    fn try_from(row: SummaryRow) -> Result<Self, Error> {
        let id = row.id;
        let commit_id = row
            .commit_id
            .map(|text| CommitId::parse(&text).map_err(|_| unknown(&id, "commit_id")))
            .transpose()?;
        let previous = row
            .previous_commit
            .map(|text| CommitId::parse(&text).map_err(|_| unknown(&id, "previous_commit")))
            .transpose()?;
        let revision = match (row.branch, &commit_id) {
            (Some(branch), Some(commit)) => Some(Revision {
                branch,
                commit: commit.clone(),
            }),
            _ => None,
        };
        let commit = match (
            commit_id,
            row.commit_subject,
            row.commit_author,
            row.commit_time,
        ) {
            (Some(commit), Some(subject), Some(author), Some(at)) => Some(CommitInfo {
                id: commit,
                subject,
                author,
                time: time(&id, "commit_time", &at)?,
            }),
            _ => None,
        };
        Ok(Self {
            application: Name::new(row.namespace, row.name),
            cause: word(&id, "cause", &row.cause)?,
            revision,
            commit,
            previous,
            queued_at: time(&id, "queued_at", &row.queued_at)?,
            started_at: time(&id, "started_at", &row.started_at)?,
            finished_at: row
                .finished_at
                .map(|at| time(&id, "finished_at", &at))
                .transpose()?,
            result: word::<SyncResult>(&id, "result", &row.result)?,
            failure: failure(row.failure_reason, row.failure_detail),
            counts: Counts {
                created: count(row.created),
                updated: count(row.updated),
                pruned: count(row.pruned),
                skipped: count(row.skipped),
                failed: count(row.failed),
                unchanged: count(row.unchanged),
                drifted: count(row.drifted),
            },
            id,
        })
    }
}

/// The columns of `syncs` that only the page of one sync needs.
#[derive(Debug, FromRow)]
pub(crate) struct DetailRow {
    steps: String,
    drift: String,
}

impl DetailRow {
    pub(crate) fn read(self, id: &str) -> Result<(Vec<Step>, Vec<Drift>), Error> {
        Ok((
            json(id, "steps", &self.steps)?,
            json(id, "drift", &self.drift)?,
        ))
    }
}

/// A row of `sync_outcomes`.
#[derive(Debug, FromRow)]
pub(crate) struct OutcomeRow {
    sync_id: String,
    api_group: String,
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
    origin_file: Option<String>,
    origin_document: Option<i64>,
    origin_line: Option<i64>,
    action: String,
    reason: Option<String>,
    detail: Option<String>,
    note: String,
    changes: Option<String>,
    digest: Option<Vec<u8>>,
    body: Option<String>,
}

impl TryFrom<OutcomeRow> for ObjectOutcome {
    type Error = Error;

    fn try_from(row: OutcomeRow) -> Result<Self, Error> {
        Ok(Self {
            key: ObjectKey {
                group: row.api_group,
                version: row.api_version,
                kind: row.kind,
                namespace: row.namespace,
                name: row.name,
            },
            origin: row.origin_file.map(|file| Origin {
                file,
                document: count(row.origin_document.unwrap_or_default()),
                line: row.origin_line.map(count),
            }),
            action: word::<ActionKind>(&row.sync_id, "action", &row.action)?,
            error: failure(row.reason, row.detail),
            note: row.note,
            changes: match &row.changes {
                Some(text) => json(&row.sync_id, "changes", text)?,
                None => Vec::new(),
            },
            manifest: row
                .digest
                .zip(row.body)
                .map(|(digest, body)| manifest(&row.sync_id, &digest, body))
                .transpose()?,
        })
    }
}

/// A row of `updates`.
#[derive(Debug, FromRow)]
pub(crate) struct UpdateRow {
    id: String,
    namespace: String,
    name: String,
    repository: String,
    image: String,
    old_value: String,
    new_value: String,
    files: String,
    commit_id: String,
    pushed_at: String,
}

impl TryFrom<UpdateRow> for UpdateRecord {
    type Error = Error;

    fn try_from(row: UpdateRow) -> Result<Self, Error> {
        Ok(Self {
            policy: Name::new(row.namespace, row.name),
            repository: row.repository,
            image: row.image,
            old: row.old_value,
            new: row.new_value,
            files: json(&row.id, "files", &row.files)?,
            commit: CommitId::parse(&row.commit_id).map_err(|_| unknown(&row.id, "commit_id"))?,
            time: time(&row.id, "pushed_at", &row.pushed_at)?,
            id: row.id,
        })
    }
}

/// A manifest by its columns.
pub(crate) fn manifest(id: &str, digest: &[u8], body: String) -> Result<MaskedManifest, Error> {
    let digest = <[u8; 16]>::try_from(digest).map_err(|_| unknown(id, "manifest"))?;
    Ok(MaskedManifest {
        digest: Digest::from(digest),
        text: Masked::read_back(body),
    })
}

/// A failure; a reason that this version does not know is told in the detail.
pub(crate) fn failure(reason: Option<String>, detail: Option<String>) -> Option<Failure> {
    let reason = reason?;
    let detail = detail.unwrap_or_default();
    match serde_json::from_value::<Reason>(serde_json::Value::String(reason)) {
        Ok(reason) => Some(Failure { reason, detail }),
        Err(_) => Some(Failure {
            reason: Reason::Internal,
            detail,
        }),
    }
}

/// Causes, results and actions are words of the core's own serialisation (`Cause` and friends).
pub(crate) fn word<T: DeserializeOwned>(
    id: &str,
    column: &'static str,
    text: &str,
) -> Result<T, Error> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| unknown(id, column))
}

pub(crate) fn json<T: DeserializeOwned>(
    id: &str,
    column: &'static str,
    text: &str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|_| unknown(id, column))
}

pub(crate) fn time(id: &str, column: &'static str, text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|_| unknown(id, column))
}

fn count(value: i64) -> usize {
    usize::try_from(value).unwrap_or_default()
}

pub(crate) fn unknown(id: &str, column: &'static str) -> Error {
    Error::Row {
        id: id.to_owned(),
        column,
    }
}

#[cfg(test)]
mod tests {
    use syncline_core::reason::TABLE;
    use syncline_core::trigger::Cause;

    use super::*;

    #[test]
    fn every_reason_is_read_back_as_itself() {
        for row in TABLE {
            let read = failure(Some(reason_text(row.reason)), Some("detail".into())).unwrap();
            assert_eq!(read.reason, row.reason);
            assert_eq!(reason_text(row.reason), row.name);
        }
    }

    #[test]
    fn a_reason_of_a_newer_version_keeps_its_detail() {
        let read = failure(Some("FromTheFuture".into()), Some("web.yaml:3".into())).unwrap();
        assert_eq!(
            read,
            Failure {
                reason: Reason::Internal,
                detail: "web.yaml:3".into()
            }
        );
    }

    #[test]
    fn every_word_is_read_back_as_itself() {
        for cause in [
            Cause::StartUp,
            Cause::Poll,
            Cause::Webhook,
            Cause::Drift,
            Cause::Reference,
            Cause::Image,
            Cause::Schedule,
            Cause::Dependency,
            Cause::Retry,
            Cause::User,
        ] {
            assert_eq!(word::<Cause>("", "cause", cause.as_str()).unwrap(), cause);
        }
        for result in [
            SyncResult::Running,
            SyncResult::Succeeded,
            SyncResult::Failed,
            SyncResult::Held,
            SyncResult::Interrupted,
            SyncResult::Superseded,
        ] {
            assert_eq!(
                word::<SyncResult>("", "result", result.as_str()).unwrap(),
                result
            );
        }
        for action in [
            ActionKind::Create,
            ActionKind::Update,
            ActionKind::Prune,
            ActionKind::Unchanged,
            ActionKind::Skip,
        ] {
            assert_eq!(
                word::<ActionKind>("", "action", action.as_str()).unwrap(),
                action
            );
        }
        assert!(word::<Cause>("", "cause", "tea-time").is_err());
    }

    #[test]
    fn times_sort_as_text() {
        let times = [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.1Z",
            "2026-01-01T00:00:01Z",
        ];
        let texts = times.map(|time| time_text(time.parse().unwrap()));
        assert!(texts.is_sorted(), "{texts:?}");
        assert_eq!(
            texts[1].parse::<Timestamp>().unwrap(),
            times[1].parse().unwrap()
        );
    }
}
