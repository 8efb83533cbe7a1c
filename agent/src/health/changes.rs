//! What becomes of the health of an application: told once for each change, kept in history, and
//! flapping as one.

use std::time::Duration;

use jiff::Timestamp;
use syncline_core::health::Health;
use syncline_core::object::ObjectKey;
use syncline_core::record::{HealthChange, Name};

use crate::state::ApplicationState;

/// What was recorded last of an application.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The last change, while others that follow closely are counted with it.
    open: Option<HealthChange>,
    /// The sync after which it was healthy last: what changes then comes by itself.
    settled: Option<String>,
}

/// What is to be done for a change.
pub(crate) struct News {
    /// To be kept in history.
    pub(crate) change: HealthChange,
    /// What an event says, where there is to be one.
    pub(crate) note: Option<String>,
}

/// Takes the health of an application in that is told now; what comes within `window` after a change
/// is counted with it.
pub(crate) fn observe(
    name: &Name,
    entry: &mut ApplicationState,
    health: Health,
    worst: Option<&(ObjectKey, String)>,
    window: Duration,
    now: Timestamp,
) -> Option<News> {
    // Until everything was seen once, what an earlier run said stands.
    if entry.attempted.is_none() || entry.kept.is_none() {
        return None;
    }
    let last = entry.last_sync.as_ref().map(|sync| sync.id.clone());
    let sync = last.clone().filter(|_| last != entry.changes.settled);
    if is_well(health) {
        entry.changes.settled = last;
    }
    let Some((before, _)) = entry.health.filter(|(before, _)| *before != health) else {
        entry.health.get_or_insert((health, now));
        return None;
    };
    entry.health = Some((health, now));
    let (object, message) = match worst {
        Some((key, message)) => (Some(key.to_string()), message.clone()),
        None => (None, String::new()),
    };
    let single = HealthChange {
        id: ulid::Ulid::new().to_string(),
        application: name.clone(),
        began: now,
        time: now,
        from: before,
        to: health,
        object,
        message,
        revision: entry.applied.as_ref().map(|head| head.revision.clone()),
        sync,
        changes: 1,
    };
    let goes_on = |known: &HealthChange| known.sync == single.sync && is_within(known, window, now);
    let (change, note) = match entry.changes.open.take() {
        Some(known) if goes_on(&known) => {
            let change = HealthChange {
                id: known.id,
                began: known.began,
                from: known.from,
                changes: known.changes.saturating_add(1),
                ..single
            };
            (change, None)
        }
        ended => {
            // What the next one ends has not been told yet where it was more than one.
            let ended = ended.filter(|ended| ended.changes > 1);
            let told = ended.iter().chain([&single]).map(sentence);
            let note = told.collect::<Vec<_>>().join("; ");
            (single, Some(note))
        }
    };
    entry.changes.open = Some(change.clone());
    Some(News { change, note })
}

/// Ends the counting of changes that came to rest; answers with what an event says of them, where
/// they were more than one.
pub(crate) fn close(
    entry: &mut ApplicationState,
    window: Duration,
    now: Timestamp,
) -> Option<String> {
    let calm = |change: &mut HealthChange| !is_within(change, window, now);
    let change = entry.changes.open.take_if(calm)?;
    (change.changes > 1).then(|| sentence(&change))
}

fn is_well(health: Health) -> bool {
    matches!(health, Health::Healthy | Health::Suspended)
}

fn is_within(change: &HealthChange, window: Duration, now: Timestamp) -> bool {
    now.duration_since(change.time).unsigned_abs() <= window
}

/// What is said of a change, to people.
fn sentence(change: &HealthChange) -> String {
    let (from, to) = (change.from, change.to);
    let mut text = if from == to {
        // There and back, counted as one.
        format!("{to} again")
    } else {
        format!("{from} -> {to}")
    };
    if change.changes > 1 {
        let seconds = change.time.duration_since(change.began).as_secs();
        let flapping = if change.is_flapping() {
            "flapping: "
        } else {
            ""
        };
        text = format!(
            "{flapping}{text} after {} changes within {seconds} s",
            change.changes
        );
    }
    if let Some(object) = &change.object {
        text = format!("{text}: {object}");
        if !change.message.is_empty() {
            text = format!("{text}: {}", change.message);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use syncline_cluster::kinds::ApplicationStatus;
    use syncline_core::outcome::Failure;
    use syncline_core::reason::Reason;
    use syncline_core::record::SyncResult;
    use syncline_core::revision::{CommitId, Revision};
    use tokio::time::Instant;

    use super::*;
    use crate::state::{LastSync, Statement};

    const WINDOW: Duration = Duration::from_secs(30);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    /// One that was synced, in this health.
    fn entry(health: Option<Health>) -> ApplicationState {
        let spec = Err(Failure {
            reason: Reason::Pending,
            detail: String::new(),
        });
        let statement = Statement::new(Reason::Synced, at(0));
        let status = ApplicationStatus::default();
        let mut entry = ApplicationState::new(spec, statement, status, Instant::now());
        let commit = CommitId::parse(&"0".repeat(40)).unwrap();
        entry.attempted = Some(Revision {
            branch: "main".into(),
            commit: commit.clone(),
        });
        entry.kept = Some(crate::state::tests::kept(&commit));
        entry.health = health.map(|health| (health, at(0)));
        entry
    }

    fn observe_at(entry: &mut ApplicationState, health: Health, second: i64) -> Option<News> {
        let name = Name::new("shop", "web");
        observe(&name, entry, health, None, WINDOW, at(second))
    }

    #[test]
    fn a_change_is_told_once_and_what_stays_not_at_all() {
        let mut entry = entry(Some(Health::Healthy));
        assert!(observe_at(&mut entry, Health::Healthy, 1).is_none());
        let news = observe_at(&mut entry, Health::Degraded, 2).unwrap();
        assert_eq!(
            (news.change.from, news.change.to),
            (Health::Healthy, Health::Degraded)
        );
        assert_eq!(news.note.as_deref(), Some("Healthy -> Degraded"));
        assert_eq!(entry.health, Some((Health::Degraded, at(2))));
        assert!(observe_at(&mut entry, Health::Degraded, 3).is_none());
        assert_eq!(entry.health, Some((Health::Degraded, at(2))));
    }

    #[test]
    fn the_first_health_of_all_is_no_change() {
        let mut entry = entry(None);
        assert!(observe_at(&mut entry, Health::Progressing, 1).is_none());
        assert_eq!(entry.health, Some((Health::Progressing, at(1))));
    }

    #[test]
    fn nothing_is_a_change_before_everything_was_seen_after_a_start() {
        let mut entry = entry(Some(Health::Healthy));
        entry.attempted = None;
        assert!(observe_at(&mut entry, Health::Missing, 1).is_none());
        assert_eq!(entry.health, Some((Health::Healthy, at(0))));
    }

    #[test]
    fn changes_that_follow_closely_are_one_and_two_events() {
        let mut entry = entry(Some(Health::Healthy));
        let first = observe_at(&mut entry, Health::Degraded, 0).unwrap();
        assert!(first.note.is_some());
        for (second, health) in [(10, Health::Healthy), (35, Health::Degraded)] {
            let news = observe_at(&mut entry, health, second).unwrap();
            assert_eq!(news.change.id, first.change.id);
            assert!(news.note.is_none());
        }
        assert_eq!(close(&mut entry, WINDOW, at(65)), None);
        let said = close(&mut entry, WINDOW, at(66)).unwrap();
        assert_eq!(
            said,
            "flapping: Healthy -> Degraded after 3 changes within 35 s"
        );
        assert_eq!(close(&mut entry, WINDOW, at(67)), None);
        let news = observe_at(&mut entry, Health::Healthy, 68).unwrap();
        assert_ne!(news.change.id, first.change.id);
    }

    #[test]
    fn there_and_back_is_told_as_once_more_what_it_was() {
        let mut entry = entry(Some(Health::Healthy));
        observe_at(&mut entry, Health::Progressing, 0).unwrap();
        let back = observe_at(&mut entry, Health::Healthy, 5).unwrap().change;
        assert_eq!((back.from, back.to), (Health::Healthy, Health::Healthy));
        let said = close(&mut entry, WINDOW, at(36)).unwrap();
        assert_eq!(said, "Healthy again after 2 changes within 5 s");
    }

    #[test]
    fn a_failure_after_a_healthy_sync_came_by_itself() {
        let mut entry = entry(Some(Health::Healthy));
        entry.last_sync = Some(LastSync {
            id: "S".into(),
            result: SyncResult::Succeeded,
            finished_at: None,
            cause: syncline_core::trigger::Cause::Poll,
        });
        let rolled = observe_at(&mut entry, Health::Progressing, 1).unwrap();
        let done = observe_at(&mut entry, Health::Healthy, 2).unwrap();
        assert_eq!(rolled.change.sync.as_deref(), Some("S"));
        assert_eq!(done.change.sync.as_deref(), Some("S"));
        assert_eq!(done.change.id, rolled.change.id);
        let failed = observe_at(&mut entry, Health::Degraded, 3).unwrap();
        assert_eq!(failed.change.sync, None);
        assert_ne!(failed.change.id, rolled.change.id);
        assert!(failed.note.is_some());
    }

    #[test]
    fn after_a_restart_a_change_came_by_itself() {
        let status = ApplicationStatus {
            health: Some("Degraded".into()),
            health_since: Some(at(0)),
            last_sync_id: Some("S".into()),
            ..ApplicationStatus::default()
        };
        let told = ApplicationState::new(
            entry(None).spec,
            Statement::new(Reason::Degraded, at(0)),
            status,
            Instant::now(),
        );
        let mut entry = ApplicationState {
            health: told.health,
            changes: told.changes,
            status: told.status,
            ..entry(None)
        };
        assert!(observe_at(&mut entry, Health::Degraded, 9).is_none());
        assert_eq!(entry.health, Some((Health::Degraded, at(0))));
        let change = observe_at(&mut entry, Health::Healthy, 10).unwrap().change;
        assert_eq!((change.from, change.sync), (Health::Degraded, None));
    }
}
