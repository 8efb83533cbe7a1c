//! The deploy pipeline of one application, once: each step's output is the next one's input.
//!
//! ```text
//! begin -> read, render, normalise -> inventory -> plan -> apply -> prune -> finish
//! ```

mod desired;
mod inventory;
mod writes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_cluster::Account;
use syncline_core::application::Application;
use syncline_core::names;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::owner::Owner;
use syncline_core::plan::{Approval, Inputs, Plan, plan};
use syncline_core::read_set::ReadSet;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::{Name, Step, SyncRecord, SyncResult};
use syncline_core::revision::{CommitId, Revision};
use syncline_core::trigger::Cause;
use syncline_source::Mirror;
use syncline_web_ui::Topic;
use tokio::time::Instant;

use crate::agent::{Agent, blocking};
use crate::metrics::{ActionLabels, SyncLabels};
use crate::queue::Trigger;
use crate::state::{ApplicationState, Head, LastSync, Rendered};
use crate::{health, report};

pub(crate) use inventory::{end_idle_watches, reduced, watch_inventory};
pub(crate) use writes::delete_with_proof;

/// How many commits are looked through for an approval in Git.
const APPROVAL_COMMITS: usize = 200;

/// What a sync begins with.
struct Start {
    application: Application,
    owner: Owner,
    target: Head,
    mirror: Mirror,
    rendered: Option<(CommitId, Arc<Rendered>)>,
    approved_plan: Option<String>,
    applied: Option<CommitId>,
    groups: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    has_finalizer: bool,
}

/// What a sync that reached the cluster gives.
struct Done {
    rendered: Arc<Rendered>,
    plan: Plan,
    outcomes: Vec<ObjectOutcome>,
}

/// Why a sync ended before anything was written.
#[derive(Debug)]
struct Stopped {
    failures: Vec<Failure>,
    reads: Option<ReadSet>,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self {
            failures: vec![failure],
            reads: None,
        }
    }
}

impl Stopped {
    fn cluster(what: &str, error: &syncline_cluster::Error) -> Self {
        Failure {
            reason: error.reason(),
            detail: format!("{what}: {error}"),
        }
        .into()
    }

    /// All failures as one: the first one's reason, every detail.
    fn summary(&self) -> Failure {
        let reason = self
            .failures
            .first()
            .map_or(Reason::Internal, |failure| failure.reason);
        let details: Vec<_> = self
            .failures
            .iter()
            .map(|failure| failure.detail.as_str())
            .collect();
        Failure {
            reason,
            detail: details.join("; "),
        }
    }
}

/// Measures steps.
struct Stopwatch {
    last: Instant,
    steps: Vec<Step>,
    /// Whether history has a row for the sync since it began to write.
    began: bool,
}

impl Stopwatch {
    fn step(&mut self, name: &str) {
        let now = Instant::now();
        let micros = (now - self.last).as_micros() as u64;
        self.steps.push(Step {
            name: name.to_owned(),
            micros,
        });
        self.last = now;
    }
}

/// Runs one sync of an application from its trigger to its report.
#[tracing::instrument(name = "sync", skip_all, fields(app.name = %name, cause = %trigger.cause))]
pub(crate) async fn sync(agent: &Arc<Agent>, name: &Name, trigger: &Trigger) {
    let started_at = agent.clock.now();
    let start = match begin(agent, name, trigger) {
        Begin::Go(start) => *start,
        Begin::Stay => {
            report::application(agent, name).await;
            return;
        }
        Begin::Wait => return,
    };
    let mut record = SyncRecord {
        id: ulid::Ulid::new().to_string(),
        application: name.clone(),
        cause: trigger.cause,
        revision: Some(start.target.revision.clone()),
        commit: Some(start.target.info.clone()),
        previous: start.applied.clone(),
        queued_at: trigger.queued_at,
        started_at,
        finished_at: None,
        result: SyncResult::Running,
        failure: None,
        steps: Vec::new(),
        outcomes: Vec::new(),
        unchanged: 0,
        drift: Vec::new(),
    };
    let mut watch = Stopwatch {
        last: Instant::now(),
        steps: Vec::new(),
        began: false,
    };
    let limit = start.application.sync.timeout;
    let attempt = attempt(agent, &start, &mut record, &mut watch);
    let ended = tokio::time::timeout(limit, attempt)
        .await
        .unwrap_or_else(|_| {
            let detail = format!("the sync took longer than `spec.sync.timeout` ({limit:?})");
            Err(Failure {
                reason: Reason::ApiUnavailable,
                detail,
            }
            .into())
        });
    record.steps = watch.steps;
    finish(agent, &start, record, watch.began, ended).await;
}

/// What a trigger leads to.
enum Begin {
    /// A sync.
    Go(Box<Start>),
    /// No sync: the statement of the application says why.
    Stay,
    /// No sync yet, and nothing to say: what is missing will trigger one.
    Wait,
}

/// Gathers what the sync needs, or says why it cannot run.
fn begin(agent: &Agent, name: &Name, trigger: &Trigger) -> Begin {
    let now = agent.clock.now();
    let mut guard = agent.state.lock();
    let state = &mut *guard;
    let Some(entry) = state.applications.get_mut(name) else {
        return Begin::Wait;
    };
    let application = match &entry.spec {
        Ok(application) => application.clone(),
        Err(failure) => {
            let failure = failure.clone();
            entry.statement.say(failure.reason, failure.detail, now);
            return Begin::Stay;
        }
    };
    if let Some(reason) = &application.suspend {
        entry.statement.say(Reason::Suspended, reason.clone(), now);
        return Begin::Stay;
    }
    let repository = Name::new(&name.namespace, &application.repository);
    let Some(source) = state.repositories.get(&repository) else {
        let detail = format!("`{}`", application.repository);
        entry.statement.say(Reason::RepositoryMissing, detail, now);
        return Begin::Stay;
    };
    if source.head.is_none() && source.checked_at.is_none() {
        return Begin::Wait;
    }
    let (Ok(spec), Some(head)) = (&source.spec, &source.head) else {
        let detail = format!(
            "`{}`: {}",
            application.repository,
            source.statement.message()
        );
        entry.statement.say(Reason::RepositoryNotReady, detail, now);
        return Begin::Stay;
    };
    let mirror = match agent.mirrors.get(&spec.url) {
        Ok(mirror) => mirror,
        Err(error) => {
            entry.statement.say(error.reason(), error.to_string(), now);
            return Begin::Stay;
        }
    };
    let by_hand = trigger.cause == Cause::User;
    let target = if application.sync.automatic || by_hand {
        Some(head.clone())
    } else {
        entry
            .applied
            .clone()
            .or_else(|| applied_before(&mirror, entry, &head.revision))
    };
    let Some(target) = target else {
        let detail = format!("{} waits", head.info.id.short());
        entry.statement.say(Reason::ManualSync, detail, now);
        return Begin::Stay;
    };
    let list = |annotation: &str| -> BTreeSet<String> {
        let text = entry
            .annotations
            .get(annotation)
            .map(String::as_str)
            .unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
            .collect()
    };
    entry.syncing = true;
    Begin::Go(Box::new(Start {
        owner: Owner {
            instance: agent.instance.id().to_owned(),
            application: name.clone(),
        },
        target,
        mirror,
        rendered: entry.rendered.clone(),
        approved_plan: entry.annotations.get(names::ANNOTATION_APPROVE).cloned(),
        applied: entry
            .applied
            .as_ref()
            .map(|h| h.info.id.clone())
            .or(entry.recorded.clone()),
        groups: list(names::ANNOTATION_CONTAINS),
        namespaces: list(names::ANNOTATION_NAMESPACES),
        has_finalizer: entry.has_finalizer,
        application,
    }))
}

/// The commit that an earlier run of the agent applied last.
fn applied_before(mirror: &Mirror, entry: &ApplicationState, head: &Revision) -> Option<Head> {
    let info = mirror.commit_info(entry.recorded.as_ref()?).ok()?;
    let revision = Revision {
        branch: head.branch.clone(),
        commit: info.id.clone(),
    };
    Some(Head { revision, info })
}

/// The steps. Stops at the first that fails; objects fail one by one.
async fn attempt(
    agent: &Arc<Agent>,
    start: &Start,
    record: &mut SyncRecord,
    watch: &mut Stopwatch,
) -> Result<Done, Stopped> {
    let name = &start.application.name;
    let account = agent
        .cluster
        .account(&name.namespace, &start.application.account)
        .await
        .map_err(|error| Stopped::cluster("service account", &error))?;
    let rendered = desired::desired(agent, start, &account, watch).await?;
    let live = inventory::read(agent, start, &account, &rendered).await?;
    remember_health(agent, start, &live);
    let approval = approval(start).await;
    watch.step("read");
    let mut policy = start.application.sync.clone();
    // Who asks for a sync wants what Git says.
    policy.self_heal |= record.cause == Cause::User;
    let plan = plan(&Inputs {
        desired: &rendered.set,
        live: &live.objects,
        owner: &start.owner,
        key: agent.instance.key(),
        policy: &policy,
        approval: &approval,
        agent_namespace: &agent.settings.namespace,
    });
    watch.step("plan");
    record.unchanged = plan.count(ActionKind::Unchanged);
    record.drift.clone_from(&plan.drift);
    let writes = [ActionKind::Create, ActionKind::Update, ActionKind::Prune];
    if writes.iter().all(|kind| plan.count(*kind) == 0) {
        inventory::narrow(agent, start, &rendered, &live, &plan, &[]).await;
        let outcomes = writes::skipped(&plan);
        return Ok(Done {
            rendered,
            plan,
            outcomes,
        });
    }
    agent.history.record_sync(record);
    watch.began = true;
    inventory::widen(agent, start, &rendered).await?;
    // Before the first write: a watch sees that an object loses our label only while it runs.
    watch_inventory(agent, start.application.clone(), &rendered).await;
    let outcomes = writes::apply(agent, start, &account, &rendered, &plan).await;
    watch.step("apply");
    let pruned = writes::prune(agent, start, &account, &live, &plan).await;
    watch.step("prune");
    inventory::narrow(agent, start, &rendered, &live, &plan, &pruned).await;
    let outcomes = outcomes
        .into_iter()
        .chain(pruned)
        .chain(writes::skipped(&plan))
        .collect();
    Ok(Done {
        rendered,
        plan,
        outcomes,
    })
}

/// Keeps the health of objects that no watch has shown yet; a watch knows better.
fn remember_health(agent: &Agent, start: &Start, live: &inventory::Inventory) {
    let mut state = agent.state.lock();
    if let Some(entry) = state.applications.get_mut(&start.application.name) {
        for (key, health) in &live.health {
            let owned = live.objects.get(key).and_then(|object| object.owner(key));
            if owned.as_ref() == Some(&start.owner) {
                entry
                    .observed
                    .entry(key.clone())
                    .or_insert_with(|| health.clone());
            }
        }
    }
}

/// Whether a commit since the last applied one carries the trailer that approves a prune.
async fn approval(start: &Start) -> Approval {
    let plan_hash = start.approved_plan.clone();
    let (mirror, target) = (start.mirror.clone(), start.target.info.id.clone());
    let Some(applied) = start.applied.clone() else {
        return Approval {
            in_git: false,
            plan_hash,
        };
    };
    let application = start.application.name.name.clone();
    let in_git = blocking(move || {
        let commits = mirror
            .commits_between(&applied, &target, APPROVAL_COMMITS)
            .unwrap_or_default();
        commits.iter().any(|(_, message)| {
            message
                .lines()
                .filter_map(|line| line.split_once(':'))
                .any(|(trailer, value)| {
                    trailer.trim() == names::TRAILER_PRUNE && value.trim() == application
                })
        })
    })
    .await;
    Approval { in_git, plan_hash }
}

/// Puts the end of a sync into state, history, status and metrics, and decides on a retry.
async fn finish(
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

/// The account that an application acts as.
pub(crate) async fn account_of(
    agent: &Agent,
    application: &Application,
) -> Result<Account, syncline_cluster::Error> {
    agent
        .cluster
        .account(&application.name.namespace, &application.account)
        .await
}
