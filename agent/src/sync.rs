//! The deploy pipeline of one application, once: each step's output is the next one's input.
//!
//! ```text
//! begin -> read, render, normalise -> inventory -> plan -> apply -> prune -> finish
//! ```

mod beginning;
mod desired;
mod ending;
mod inventory;
mod writes;

use std::collections::BTreeSet;
use std::sync::Arc;

use syncline_cluster::Account;
use syncline_core::application::Application;
use syncline_core::names;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::owner::Owner;
use syncline_core::plan::{Approval, Inputs, Plan, plan};
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_core::record::{Name, Step, SyncRecord, SyncResult};
use syncline_core::revision::CommitId;
use syncline_core::trigger::Cause;
use syncline_source::Mirror;
use tokio::time::Instant;

use crate::agent::{Agent, blocking};
use crate::queue::Trigger;
use crate::report;
use crate::state::{Head, Rendered};

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
    let start = match beginning::begin(agent, name, trigger) {
        beginning::Begin::Go(start) => *start,
        beginning::Begin::Stay => {
            report::application(agent, name).await;
            return;
        }
        beginning::Begin::Wait => return,
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
    ending::finish(agent, &start, record, watch.began, ended).await;
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
    let rendered = desired::desired(agent, start, watch).await?;
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
