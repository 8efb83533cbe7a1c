//! The end of a sync: state, history, status, metrics, and whether it is tried again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::plan::Plan;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::{Name, SyncRecord, SyncResult};
use syncline_core::trigger::Cause;
use syncline_web_ui::Topic;

use super::{Done, Start, Stopped, end_idle_watches, watch_inventory};
use crate::agent::Agent;
use crate::metrics::{ActionLabels, SyncLabels};
use crate::state::{ApplicationState, Head, LastSync};
use crate::{health, report};

/// Puts the end of a sync into state, history, status and metrics, and decides on a retry.
pub(super) async fn finish(
    agent: &Arc<Agent>,
    start: &Start,
    mut record: SyncRecord,
    began: bool,
    ended: Result<Done, Stopped>,
) {
    let name = &start.application.name;
    let now = agent.clock.now();
    record.finished_at = Some(now);
    let (failure, held) = match &ended {
        Err(stopped) => (Some(stopped.summary()), false),
        Ok(done) => match object_failure(&done.outcomes) {
            Some(failure) => (Some(failure), false),
            None => {
                let waits = done.plan.hold.clone().or_else(|| drift_left(&done.plan));
                let held = waits.is_some();
                (waits, held)
            }
        },
    };
    record.result = match (&failure, held) {
        (None, _) => SyncResult::Succeeded,
        (Some(_), true) => SyncResult::Held,
        (Some(_), false) => SyncResult::Failed,
    };
    record.failure.clone_from(&failure);
    if let Ok(done) = &ended {
        record.outcomes.clone_from(&done.outcomes);
        count_objects(agent, &done.outcomes);
        agent.metrics.drift.inc_by(done.plan.drift.len() as u64);
    }
    let (retry, news) = {
        let mut guard = agent.state.lock();
        let state = &mut *guard;
        let Some(entry) = state.applications.get_mut(name) else {
            return;
        };
        // A row that says `running` gets its end in any case.
        let keep = began || is_worth_a_row(&record, entry, start);
        let before = entry.statement.clone();
        settle(entry, start, &ended, failure.as_ref(), now);
        let repository = Name::new(&name.namespace, &start.application.repository);
        let head = state
            .repositories
            .get(&repository)
            .and_then(|source| source.head.as_ref());
        let touched = matches!(record.cause, Cause::Poll | Cause::Webhook | Cause::Image)
            || before.reason == Reason::ManualSync;
        let head = head.filter(|_| failure.is_none() && touched);
        if let Some(head) = head.filter(|head| waits(start, head)) {
            let detail = format!("{} waits", head.info.id.short());
            entry.statement.say(Reason::ManualSync, detail, now);
        }
        if let Ok(done) = &ended {
            state.claims.retain(|_, owner| owner != name);
            // What belongs to somebody else is not watched for this one.
            let own = done.plan.actions.iter().filter(|action| {
                matches!(
                    action.kind,
                    ActionKind::Create | ActionKind::Update | ActionKind::Unchanged
                )
            });
            for action in own {
                state.claims.insert(action.key.clone(), name.clone());
            }
        }
        if keep {
            entry.last_sync = Some(LastSync {
                id: record.id.clone(),
                result: record.result,
                finished_at: record.finished_at,
            });
            agent.history.record_sync(&record);
            agent.feed.publish(Topic::Sync, name.to_string());
        }
        entry.syncing = false;
        let retry = retry_delay(agent, entry, failure.as_ref());
        for (key, seen) in std::mem::take(&mut entry.seen_meanwhile) {
            health::check(agent, name, entry, &key, seen.as_ref());
        }
        let said =
            (before.reason, &before.detail) != (entry.statement.reason, &entry.statement.detail);
        let news = (keep && said).then(|| (entry.statement.reason, entry.statement.message()));
        (retry, news)
    };
    log(&record);
    agent
        .metrics
        .syncs
        .get_or_create(&SyncLabels {
            cause: record.cause.as_str().to_owned(),
            result: record.result.as_str().to_owned(),
        })
        .inc();
    let seconds = now.duration_since(record.queued_at).as_secs_f64();
    agent.metrics.sync_seconds.observe(seconds);
    if let Some(delay) = retry {
        agent
            .queue
            .push(name, Cause::Retry, now, agent.clock.monotonic() + delay);
    }
    report::application(agent, name).await;
    if let Some((reason, message)) = news {
        report::event(agent, name, reason, &message).await;
    }
    if let Ok(done) = &ended {
        watch_inventory(agent, start.application.clone(), &done.rendered).await;
        if done.plan.count(ActionKind::Prune) > 0 {
            end_idle_watches(agent);
        }
    }
}

/// Updates the entry of the application.
fn settle(
    entry: &mut ApplicationState,
    start: &Start,
    ended: &Result<Done, Stopped>,
    failure: Option<&Failure>,
    now: Timestamp,
) {
    entry.attempted = Some(start.target.revision.clone());
    match ended {
        Ok(done) => {
            let commit = start.target.info.id.clone();
            entry.rendered = Some((commit, Arc::clone(&done.rendered)));
            entry.failed_reads = None;
            entry
                .written
                .retain(|key, _| done.rendered.set.get(key).is_some());
            entry.actions = done
                .plan
                .actions
                .iter()
                .map(|a| (a.key.clone(), a.kind))
                .collect();
            entry.plan_hash = done.plan.hold.as_ref().map(|_| done.plan.hash.clone());
            let drifted = failure.is_some_and(|f| f.reason == Reason::DriftFound);
            if failure.is_none() || done.plan.hold.is_some() || drifted {
                entry.applied = Some(start.target.clone());
            }
        }
        Err(stopped) => {
            entry.failed_reads.clone_from(&stopped.reads);
        }
    }
    match failure {
        Some(failure) => {
            entry.failures += 1;
            entry
                .statement
                .say(failure.reason, failure.detail.clone(), now);
        }
        None => {
            entry.failures = 0;
            health::judge(entry, now);
        }
    }
}

/// Whether history gets a row: something was written, failed in a new way, was asked for by a
/// person, or a new commit changed what the application reads.
fn is_worth_a_row(record: &SyncRecord, entry: &ApplicationState, start: &Start) -> bool {
    let wrote = record.outcomes.iter().any(|outcome| {
        matches!(
            outcome.action,
            ActionKind::Create | ActionKind::Update | ActionKind::Prune
        ) && outcome.error.is_none()
    });
    let news = entry.attempted.as_ref() != Some(&start.target.revision)
        && start.applied.as_ref() != Some(&start.target.info.id);
    let before = (entry.statement.reason, entry.statement.detail.as_str());
    let failed_anew = record
        .failure
        .as_ref()
        .is_some_and(|f| (f.reason, f.detail.as_str()) != before);
    wrote || news || failed_anew || record.cause == Cause::User
}

/// Whether a newer commit waits for a person, who has to ask for each sync.
fn waits(start: &Start, head: &Head) -> bool {
    !start.application.sync.automatic && head.info.id != start.target.info.id
}

/// The first drift that is left alone, because `selfHeal` is off.
fn drift_left(plan: &Plan) -> Option<Failure> {
    let mut reasons = plan.actions.iter().filter_map(|a| a.because.as_ref());
    reasons
        .find(|because| because.reason == Reason::DriftFound)
        .cloned()
}

/// All failures of objects as one, or `None`.
fn object_failure(outcomes: &[ObjectOutcome]) -> Option<Failure> {
    // A skip for a hold or by the user's own wish is not a failure.
    let failed: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.error.as_ref())
        .filter(|error| !matches!(error.reason.class(), Class::Good | Class::Hold))
        .collect();
    let first = failed.first()?;
    let detail = match failed.len() {
        1 => first.detail.clone(),
        count => format!("{count} objects failed, the first: {}", first.detail),
    };
    let one_reason = failed.iter().all(|failure| failure.reason == first.reason);
    let reason = if one_reason {
        first.reason
    } else {
        Reason::ApplyFailed
    };
    Some(Failure { reason, detail })
}

/// How long to wait before the next attempt; `None` where only a change can help.
fn retry_delay(
    agent: &Agent,
    entry: &ApplicationState,
    failure: Option<&Failure>,
) -> Option<Duration> {
    let settings = &agent.settings;
    match failure?.reason.class() {
        Class::Good | Class::Progress | Class::Hold => None,
        Class::Transient => {
            let doublings = entry.failures.saturating_sub(1).min(16);
            Some(
                settings
                    .retry_first
                    .saturating_mul(1 << doublings)
                    .min(settings.retry_most),
            )
        }
        Class::Input | Class::Denied => Some(settings.retry_slow),
    }
}

fn count_objects(agent: &Agent, outcomes: &[ObjectOutcome]) {
    for outcome in outcomes {
        let action = match &outcome.error {
            Some(error) if !matches!(error.reason.class(), Class::Good | Class::Hold) => "failed",
            _ => outcome.action.as_str(),
        };
        agent
            .metrics
            .objects
            .get_or_create(&ActionLabels { action })
            .inc();
    }
}

fn log(record: &SyncRecord) {
    let commit = record
        .commit
        .as_ref()
        .map(|commit| commit.id.as_str())
        .unwrap_or_default();
    let micros: u64 = record.steps.iter().map(|step| step.micros).sum();
    let written = record
        .outcomes
        .iter()
        .filter(|outcome| outcome.error.is_none())
        .count();
    match &record.failure {
        None if record.outcomes.is_empty() => {
            tracing::debug!(git.commit = commit, "nothing to do");
        }
        None => tracing::info!(
            git.commit = commit,
            sync.id = record.id,
            objects = written,
            duration_ms = micros / 1000,
            "synced"
        ),
        Some(failure) => tracing::warn!(
            git.commit = commit,
            sync.id = record.id,
            reason = %failure.reason,
            detail = failure.detail,
            "sync did not succeed"
        ),
    }
}
