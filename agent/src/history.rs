//! The history as the settings want it, and how it is in words.

use anyhow::Context as _;
use syncline_core::redacted::Redacted;
use syncline_store::{Condition, Error, Location, Settings, Status};
use syncline_web_ui::Unanswered;

use crate::settings::AgentSettings;

/// The settings of the store. Reads the file with the URL of the database, where there is one.
pub(crate) async fn settings(settings: &AgentSettings) -> anyhow::Result<Settings> {
    let location = match &settings.database_url_file {
        None => Location::File(settings.data_dir.join("history.db")),
        Some(file) => {
            let url = tokio::fs::read_to_string(file).await.with_context(|| {
                format!("read the URL of the database from `{}`", file.display())
            })?;
            Location::Postgres(Redacted::new(url.trim()))
        }
    };
    Ok(Settings {
        location,
        queue_capacity: settings.history_queue,
        retention_syncs_per_application: settings.history_syncs,
        retention_health_per_application: settings.history_syncs,
        retention_updates_per_policy: settings.history_syncs,
        retention_audit: settings.history_calls,
        retention_deliveries: settings.history_deliveries,
        retention_age: settings.history_age,
        ..Settings::default()
    })
}

/// What a person should know of the history, in sentences without the last full stop; `None` where
/// all is well.
pub(crate) fn notice(status: &Status) -> Option<String> {
    let mut said = Vec::new();
    let place = &status.place;
    match &status.condition {
        Condition::Writing => {}
        Condition::Opening => said.push(format!("the database at {place} was not reached yet")),
        Condition::Failing { since, error } => {
            let waiting = match status.queued {
                0 => String::new(),
                1 => "; 1 record waits".to_owned(),
                queued => format!("; {queued} records wait"),
            };
            said.push(format!(
                "{place} cannot be written since {since:.0}: {error}{waiting}"
            ));
        }
        Condition::ReadOnly { schema } => said.push(format!(
            "a newer version of Syncline wrote {place} (schema {schema}): it is shown as far as \
             this version understands it, and nothing is added"
        )),
    }
    if let Some(moved) = &status.damaged {
        said.push(format!(
            "the file was damaged and is now `{}`; a new history began",
            moved.display()
        ));
    }
    let read_only = matches!(status.condition, Condition::ReadOnly { .. });
    match status.dropped {
        0 => {}
        _ if read_only => {}
        1 => said.push("1 record was lost".to_owned()),
        dropped => said.push(format!("{dropped} records were lost")),
    }
    (!said.is_empty()).then(|| said.join(". "))
}

/// What the web UI is told where the history does not answer.
pub(crate) fn unanswered(error: Error) -> Unanswered {
    match error {
        Error::Read { .. } | Error::Away { .. } => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the history does not answer"
            );
            Unanswered::Unavailable("history")
        }
        other => Unanswered::Internal(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use syncline_store::DatabaseKind;

    use super::*;

    fn status(condition: Condition) -> Status {
        Status {
            kind: DatabaseKind::Postgres,
            place: "db.example.com:5432/syncline".to_owned(),
            condition,
            damaged: None,
            queued: 0,
            dropped: 0,
        }
    }

    #[test]
    fn nothing_is_said_while_all_is_well() {
        assert_eq!(notice(&status(Condition::Writing)), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_what_waits_and_what_was_lost() {
        let failing = Status {
            queued: 14,
            dropped: 1,
            damaged: Some("history.db.damaged-20260101T000000Z".into()),
            ..status(Condition::Failing {
                since: "2026-01-01T00:00:00.123Z".parse().unwrap(),
                error: "connection refused".to_owned(),
            })
        };
        assert_eq!(
            notice(&failing).unwrap(),
            "db.example.com:5432/syncline cannot be written since 2026-01-01T00:00:00Z: \
             connection refused; 14 records wait. the file was damaged and is now \
             `history.db.damaged-20260101T000000Z`; a new history began. 1 record was lost"
        );
    }

    #[test]
    fn what_may_not_be_written_is_not_said_to_be_lost() {
        let read_only = Status {
            dropped: 3,
            ..status(Condition::ReadOnly { schema: 9 })
        };
        let said = notice(&read_only).unwrap();
        assert!(
            said.contains("schema 9") && !said.contains("lost"),
            "{said}"
        );
    }
}
