//! The end of a sync: state, history, status, metrics, and whether it is tried again.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_core::application::OnFailure;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::plan::Plan;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::{Name, SyncRecord, SyncResult};
use syncline_core::revision::CommitId;
use syncline_core::rollout::Awaits;
use syncline_core::trigger::Cause;
use syncline_web_ui::Topic;

use tokio::time::Instant;

use super::desired::still_holds_at;
use super::{Done, Progress, Start, Stopped, end_idle_watches, rollout, unrendered};
use crate::agent::Agent;
use crate::jitter::later;
use crate::metrics::{ActionLabels, SyncLabels};
use crate::state::{ApplicationState, LastSync, State};
use crate::{abort, failpoint, health, images, report, repositories};

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
    let mut judged = Judged::of(&ended);
    if judged.result == SyncResult::Superseded && agent.queue.is_closed() {
        judged = Judged::interrupted();
    }
    if judged.result == SyncResult::Superseded
        && let Some(failure) = abort::why(agent, name)
    {
        judged = Judged::aborted(failure);
    }
    record.result = judged.result;
    record.failure.clone_from(&judged.failure);
    if judged.result == SyncResult::Running {
        record.finished_at = None;
    }
    if let Ok(Done::Carried {
        outcomes,
        plan,
        rollout,
        ..
    }) = &ended
    {
        // The row of a rollout has those of earlier passes.
        let replaced = |known: &ObjectOutcome| outcomes.iter().any(|o| o.key == known.key);
        record.outcomes.retain(|known| !replaced(known));
        record.outcomes.extend(outcomes.iter().cloned());
        record.steps.extend(rollout.steps.iter().cloned());
        count_objects(agent, outcomes);
        let left = plan
            .actions
            .iter()
            .filter(|action| action.is_left())
            .count();
        agent.metrics.drift.inc_by((plan.drift.len() - left) as u64);
    }
    if matches!(ended, Ok(Done::Stands)) {
        confirm(agent, start);
    }
    let withheld = withheld(agent, start).await;
    let (retry, news, unsaved, drifted) = {
        let mut guard = agent.state.lock();
        let state = &mut *guard;
        let Some(entry) = state.applications.get_mut(name) else {
            return;
        };
        // A row that says `running` gets its end in any case.
        let keep = began || is_worth_a_row(&record, entry, start);
        let before = entry.statement.clone();
        let former = entry.applied.as_ref().map(|head| head.info.id.clone());
        settle(entry, start, &ended, &judged, now);
        if keep && former != entry.applied.as_ref().map(|head| head.info.id.clone()) {
            // What a newer commit applied has its own time to become healthy.
            entry.unhealthy_since = None;
        }
        if withheld.is_none() && start.withheld.is_some() {
            entry.next_try = None;
        }
        entry.withheld = withheld;
        if judged.failure.is_none() {
            health::judge(state, name, now);
        }
        let repository = Name::new(&name.namespace, &start.application.repository);
        let Some(entry) = state.applications.get_mut(name) else {
            return;
        };
        let applied = entry.applied.as_ref().map(|head| &head.info.id);
        if applied == Some(&start.target.info.id) && entry.pending == start.pending {
            entry.pending = None;
        }
        if keep {
            entry.last_sync = Some(LastSync::of(&record));
            agent.history.record_sync(&record);
            agent.feed.publish(Topic::Sync, name.to_string());
        }
        if let Ok(Done::Carried { rollout, .. }) = &ended {
            let gave_way = judged.is_aborted() || record.result == SyncResult::Superseded;
            let goes_on = rollout.active && !gave_way;
            entry.record = goes_on.then(|| record.clone());
            if rollout.staged {
                wait(agent, state, name, rollout, now);
            }
            if rollout.staged && !rollout.active && has_moved(state, start) {
                // It was let through before a newer commit.
                agent
                    .queue
                    .push(name, Cause::Poll, now, agent.clock.monotonic());
            }
        }
        let Some(entry) = state.applications.get_mut(name) else {
            return;
        };
        entry.running = None;
        state.index(name);
        if ended.is_err() && has_moved(state, start) {
            // What came meanwhile was compared with what an earlier render had read.
            let due = agent.clock.monotonic();
            agent.queue.push(name, Cause::Poll, now, due);
        }
        let renders = state.repositories.get(&repository);
        let renders = renders.map_or(0, |repository| repository.renders);
        if judged.waits && renders != start.renders && unrendered(state, name).is_empty() {
            // What it waited for came before it said that it waits.
            let due = agent.clock.monotonic();
            agent.queue.push(name, Cause::Dependency, now, due);
        }
        if ended.is_err() {
            // Who waited to see whether it can be rendered knows now.
            repositories::wake_waiting(agent, state, &repository);
        }
        let Some(entry) = state.applications.get_mut(name) else {
            return;
        };
        let retry = retry_delay(agent, entry, &judged, now);
        let said =
            (before.reason, &before.detail) != (entry.statement.reason, &entry.statement.detail);
        let news = (keep && said).then(|| (entry.statement.reason, entry.statement.message()));
        if agent.history.has_lost(name) {
            // The database knows nothing of it any more.
            agent.history.forget(name);
            entry.unsaved.render = true;
            entry.unsaved.changed.extend(entry.objects.keys().cloned());
        }
        let unsaved = entry.take_unsaved();
        // What the watches saw while the sync ran is looked at now.
        let drifted = match ended {
            Ok(_) => health::check_all(agent, state, name),
            Err(_) => false,
        };
        (retry, news, unsaved, drifted)
    };
    if let Some(change) = unsaved {
        agent.history.keep(Arc::new(change));
    }
    let _ = failpoint::reached("history.ended").await;
    log(&record);
    if record.result != SyncResult::Running {
        count_sync(agent, &record, now);
    }
    if let Some(delay) = retry.filter(|_| !drifted) {
        agent
            .queue
            .push(name, Cause::Retry, now, agent.clock.monotonic() + delay);
    }
    report::application(agent, name).await;
    let _ = failpoint::reached("status.written").await;
    if let Some((reason, message)) = news {
        report::event(agent, name, reason, &message).await;
    }
    let Ok(Done::Carried { plan, rollout, .. }) = &ended else {
        return;
    };
    if let (Some(failure), Some(good)) = (&rollout.failed, &start.applied) {
        let commit = rollout.commit.as_ref().unwrap_or(&start.target.info.id);
        let reverting = images::rollback::failed(agent, name, good, commit, failure);
        Box::pin(reverting).await;
    }
    if plan.count(ActionKind::Prune) > 0 {
        end_idle_watches(agent);
    }
}

/// Notes what a rollout waits for, and when it is looked at again.
fn wait(agent: &Agent, state: &mut State, name: &Name, rollout: &Progress, now: Timestamp) {
    let State {
        applications, live, ..
    } = state;
    let Some(entry) = applications.get_mut(name) else {
        return;
    };
    entry.unwritten.clone_from(&rollout.unwritten);
    let Some(waits) = &rollout.waits else {
        entry.waiting_for.clear();
        entry.next_try = None;
        entry.awaits = Awaits::default();
        return;
    };
    entry.waiting_for.clone_from(&waits.sentences);
    entry.next_try = waits.until;
    entry.awaits = waits.awaits.clone();
    // What came while the sync ran has been seen by nobody.
    let mut over = false;
    for key in &waits.awaits.healthy {
        let seen = live.seen(key);
        over |= seen.is_some_and(|seen| entry.awaits.saw(key, seen.health.health));
    }
    for key in waits
        .awaits
        .gone
        .iter()
        .filter(|key| live.seen(key).is_none())
    {
        over |= entry.awaits.went(key);
    }
    if let Some((run, key)) = &waits.awaits.run {
        let seen = live.seen(key).filter(|seen| seen.run.as_ref() == Some(run));
        over |= seen.is_some_and(|seen| entry.awaits.is_ended(run, seen.health.health));
    }
    let instant = agent.clock.monotonic();
    if over {
        agent.queue.push(name, Cause::Rollout, now, instant);
    } else if let Some(delay) = rollout::look_again(agent, rollout) {
        agent.queue.push(name, Cause::Time, now, instant + delay);
    }
}

fn count_sync(agent: &Agent, record: &SyncRecord, now: Timestamp) {
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
}

/// How a sync ended.
struct Judged {
    result: SyncResult,
    failure: Option<Failure>,
    /// Something waits for other applications.
    waits: bool,
}

impl Judged {
    /// The agent ends: it gave way to no commit.
    fn interrupted() -> Self {
        Self {
            result: SyncResult::Interrupted,
            failure: Some(Failure {
                reason: Reason::Interrupted,
                detail: String::new(),
            }),
            waits: true,
        }
    }

    /// A person stopped it.
    fn aborted(failure: Failure) -> Self {
        Self {
            result: SyncResult::Interrupted,
            failure: Some(failure),
            waits: false,
        }
    }

    fn is_aborted(&self) -> bool {
        let failure = self.failure.as_ref();
        failure.is_some_and(|failure| failure.reason == Reason::Aborted)
    }

    fn of(ended: &Result<Done, Stopped>) -> Self {
        let ended_as = |result, failure, waits| Self {
            result,
            failure,
            waits,
        };
        let (plan, outcomes, unread, superseded, rollout) = match ended {
            Err(stopped) => return ended_as(SyncResult::Failed, Some(stopped.summary()), false),
            Ok(Done::Stands) => return ended_as(SyncResult::Succeeded, None, false),
            Ok(Done::Carried {
                plan,
                outcomes,
                unread,
                superseded,
                rollout,
            }) => (plan, outcomes, unread, *superseded, rollout),
        };
        let errors = || outcomes.iter().filter_map(|outcome| outcome.error.as_ref());
        let waiting = errors().find(|error| error.reason == Reason::WaitsForRender);
        let waits = waiting.is_some();
        if superseded {
            let failure = Failure {
                reason: Reason::Superseded,
                detail: String::new(),
            };
            return ended_as(SyncResult::Superseded, Some(failure), waits);
        }
        if let Some(failure) = &rollout.failed {
            return ended_as(SyncResult::Failed, Some(failure.clone()), waits);
        }
        if let Some(failure) = object_failure(outcomes).or(rollout.failure.clone()) {
            return ended_as(SyncResult::Failed, Some(failure), waits);
        }
        let down = unread.iter().find(|f| f.reason.class() == Class::Transient);
        if let Some(failure) = down {
            return ended_as(SyncResult::Failed, Some(failure.clone()), waits);
        }
        if let Some(waits_for) = &rollout.waits {
            let failure = Failure {
                reason: waits_for.reason,
                detail: waits_for.sentences.join("; "),
            };
            return ended_as(SyncResult::Running, Some(failure), waits);
        }
        let claimed = errors().find(|error| error.reason == Reason::ClaimedElsewhere);
        let held = plan.hold.as_ref().or(claimed);
        if let Some(held) = held.cloned().or_else(|| drift_left(plan)) {
            return ended_as(SyncResult::Held, Some(held), waits);
        }
        let going = errors().find(|error| error.reason == Reason::BeingDeleted);
        match waiting.or(going).or(unread.first()) {
            Some(waiting) => ended_as(SyncResult::Succeeded, Some(waiting.clone()), waits),
            None => ended_as(SyncResult::Succeeded, None, false),
        }
    }
}

/// Whether a source has a newer commit than the sync had.
fn has_moved(state: &State, start: &Start) -> bool {
    let application = &start.application;
    let is_newer = |repository: &str, commit: &CommitId| {
        let name = Name::new(&application.name.namespace, repository);
        let head = state.repositories.get(&name);
        let head = head.and_then(|repository| repository.head.as_ref());
        head.is_some_and(|head| head.info.id != *commit)
    };
    let mut others = start.others.values();
    (start.withheld.is_none() && is_newer(&application.repository, &start.target.info.id))
        || start.withheld.is_none()
            && others.any(|other| is_newer(&other.repository, &other.commit))
}

/// The render of before holds for the newest commit as well.
fn confirm(agent: &Agent, start: &Start) {
    let name = &start.application.name;
    agent.state.lock().index(name);
    repositories::rendered(agent, name, start.heads);
}

/// Updates the entry of the application.
fn settle(
    entry: &mut ApplicationState,
    start: &Start,
    ended: &Result<Done, Stopped>,
    judged: &Judged,
    now: Timestamp,
) {
    let news = entry.attempted.as_ref() != Some(&start.target.revision);
    if news || start.cause == Cause::User {
        entry.failures = 0;
    }
    entry.attempted = Some(start.target.revision.clone());
    entry.waits = judged.waits;
    let settled = match judged.result {
        SyncResult::Superseded | SyncResult::Interrupted => false,
        _ => !matches!(ended, Ok(Done::Carried { rollout, .. }) if rollout.active),
    };
    if !judged.waits && ended.is_ok() && settled {
        entry.settled = start.heads;
        entry.take_overs = 0;
    }
    let failure = judged.failure.as_ref();
    match ended {
        Ok(Done::Stands) => {
            entry.applied = Some(start.target.clone());
            entry.decided = Some(start.target.info.id.clone());
        }
        Ok(Done::Carried { plan, outcomes, .. }) => {
            entry.checked = Instant::now();
            let failed = outcomes.iter();
            let failed = failed.filter(|outcome| outcome.error.as_ref().is_some_and(is_bad));
            entry.failed = failed.map(|outcome| outcome.key.clone()).collect();
            for action in &plan.actions {
                entry.actions.insert(action.key.clone(), action.kind);
            }
            for (key, fight) in &mut entry.fights {
                let name = key.to_string();
                if let Some(drift) = plan.drift.iter().find(|drift| drift.object == name) {
                    fight.manager.clone_from(&drift.manager);
                }
            }
            entry.plan_hash = plan.hold.as_ref().map(|_| plan.hash.clone());
            entry.held = Some(plan.held.clone());
            let drifted = failure.is_some_and(|f| f.reason == Reason::DriftFound);
            let done = match judged.result {
                SyncResult::Succeeded => true,
                SyncResult::Held => plan.hold.is_some() || drifted,
                _ => false,
            };
            if done {
                entry.applied = Some(start.target.clone());
                if judged.waits {
                    entry.decided.clone_from(&start.approved_since);
                } else {
                    entry.decided = Some(start.target.info.id.clone());
                }
            }
        }
        Err(stopped) => {
            entry.failed_reads.clone_from(&stopped.reads);
            entry.failed_head = start.heads;
        }
    }
    match failure {
        Some(failure) if failure.reason == Reason::Superseded => {}
        Some(failure) => {
            entry.failures += u32::from(judged.result == SyncResult::Failed);
            entry
                .statement
                .say(failure.reason, failure.detail.clone(), now);
        }
        None => entry.failures = 0,
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

/// Why newer commits wait that would change something.
async fn withheld(agent: &Agent, start: &Start) -> Option<Failure> {
    let withheld = start.withheld.as_ref()?;
    let kept = {
        let state = agent.state.lock();
        state
            .applications
            .get(&start.application.name)?
            .kept
            .clone()
    };
    let same = match kept {
        Some(kept) => still_holds_at(start, &kept, &withheld.head, &withheld.others).await,
        None => false,
    };
    (!same).then(|| withheld.because.clone())
}

/// The first drift that is left alone, because `selfHeal` is off.
fn drift_left(plan: &Plan) -> Option<Failure> {
    let left = plan.actions.iter().find(|action| action.is_left())?;
    left.because.clone()
}

/// Whether something went wrong: not what is held, waits or is left alone on purpose.
fn is_bad(failure: &Failure) -> bool {
    !matches!(
        failure.reason.class(),
        Class::Good | Class::Hold | Class::Progress
    )
}

/// All failures of objects as one, or `None`.
fn object_failure(outcomes: &[ObjectOutcome]) -> Option<Failure> {
    // A skip for a hold or by the user's own wish is not a failure.
    let failed: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.error.as_ref())
        .filter(|error| is_bad(error))
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

/// How long to wait before the next attempt, which the entry tells; `None` where only a change can
/// help.
fn retry_delay(
    agent: &Agent,
    entry: &mut ApplicationState,
    judged: &Judged,
    now: Timestamp,
) -> Option<Duration> {
    let settings = &agent.settings;
    let own = entry.spec.as_ref().ok();
    let own = own.map(|spec| spec.sync.retry.clone()).unwrap_or_default();
    let on_failure = entry.spec.as_ref().map(|spec| spec.sync.on_failure);
    let class = judged
        .failure
        .as_ref()
        .map(|failure| match (failure.reason, on_failure) {
            (Reason::RolloutFailed | Reason::HookFailed, Ok(OnFailure::Retry)) => Class::Transient,
            (reason, _) => reason.class(),
        });
    let delay = if judged.waits {
        // Whoever is waited for asks for it; this is for what nobody foresaw.
        settings.retry_slow
    } else {
        match class? {
            Class::Good | Class::Progress | Class::Hold => return None,
            Class::Transient => {
                let doublings = entry.failures.saturating_sub(1).min(16);
                let first = own.first.unwrap_or(settings.retry_first);
                let most = own.most.unwrap_or(settings.retry_most);
                first.saturating_mul(1 << doublings).min(most)
            }
            Class::Input | Class::Denied => own.most.unwrap_or(settings.retry_slow),
        }
    };
    if let Some(failure) = judged.failure.as_ref().filter(|failure| is_bad(failure))
        && own.limit.is_some_and(|limit| entry.failures > limit)
    {
        let tries = entry.failures;
        let sentence = failure.reason.row().sentence;
        let detail = format!("{tries} tries, the last: {sentence}: {}", failure.detail);
        entry.statement.say(Reason::RetriesExhausted, detail, now);
        return None;
    }
    let name = entry.spec.as_ref().map(|spec| &spec.name).ok();
    let delay = later(delay, settings.retry_jitter, (name, entry.failures));
    let next = now.checked_add(delay).ok();
    // The sooner of this and the end of what holds newer commits back.
    entry.next_try = entry.next_try.into_iter().chain(next).min();
    Some(delay)
}

fn count_objects(agent: &Agent, outcomes: &[ObjectOutcome]) {
    for outcome in outcomes {
        let action = match &outcome.error {
            Some(error) if is_bad(error) => "failed",
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
        Some(failure) if record.result == SyncResult::Running => tracing::info!(
            git.commit = commit,
            sync.id = record.id,
            reason = %failure.reason,
            detail = failure.detail,
            "the rollout goes on later"
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
