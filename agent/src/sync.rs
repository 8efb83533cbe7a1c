//! The deploy pipeline of one application, once: each step's output is the next one's input.
//!
//! ```text
//! begin -> does everything stand? -> read, render, normalise -> inventory, facts -> plan
//!       -> apply -> prune -> finish
//! ```
//!
//! Nothing is rendered and nothing is asked while the commits since the last render touch nothing
//! of it and every live object is as it was left.

mod ahead;
mod beginning;
mod departure;
mod desired;
mod dry;
mod ending;
mod facts;
mod given;
mod hidden;
mod hooks;
mod inventory;
mod replace;
mod rollout;
mod supply;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use syncline_cluster::Account;
use syncline_core::application::Application;
use syncline_core::digest::Digest;
use syncline_core::directives::Apply;
use syncline_core::kept::{KeptObject, Written};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::owner::Owner;
use syncline_core::ownership;
use syncline_core::plan::{Approval, Inputs, Plan, plan};
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_core::record::{Name, Step, SyncRecord, SyncResult};
use syncline_core::revision::CommitId;
use syncline_core::rollout::Phase;
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::trigger::Cause;
use syncline_source::Mirror;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::failpoint;
use crate::queue::Trigger;
use crate::state::Head;
use crate::{abort, approval};
use crate::{report, repositories};
use given::Given;
use rollout::{Course, Progress, World};

pub(crate) use departure::last_render;
pub(crate) use desired::{Complete, Completion, complete, leave_out, notes, settle, validate};
pub(crate) use dry::{Drawn, Dry};
pub(crate) use facts::{autoscaled, heir, read, remembered, tools, unrendered};
pub(crate) use hooks::Place;
pub(crate) use inventory::{Extent, Known, Look, end_idle_watches, list_parts, look};
pub(crate) use rollout::commits_to_revert;
pub(crate) use supply::look_up;
pub(crate) use writes::delete_with_proof;

/// What a render is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A sync: what it finds out is remembered.
    Sync,
    /// A look: it leaves no trace in what syncs go by.
    Look,
}

/// What a sync begins with.
pub(crate) struct Start {
    purpose: Purpose,
    application: Application,
    owner: Owner,
    target: Head,
    mirror: Mirror,
    /// The other sources, by the names that the renderer has for them.
    others: BTreeMap<String, Other>,
    approved_plan: Option<String>,
    applied: Option<CommitId>,
    /// Why the target is not the newest commit, where that one may bring something.
    withheld: Option<Withheld>,
    /// What a person went past who asked for the sync.
    overridden: Vec<Failure>,
    /// The commits after this one may carry an approval.
    approved_since: Option<CommitId>,
    /// The extent on the parent.
    listed: Extent,
    cause: Cause,
    /// How many heads the repository had.
    heads: u64,
    /// How often those of the repository that wait for a render were to go on.
    renders: u64,
    /// The head, counted, that touched the application and that this sync is to apply.
    pending: Option<u64>,
    /// A newer commit asks this sync to give way.
    give_way: CancellationToken,
    /// When the sync has to be at its end.
    deadline: Instant,
}

/// Newer commits that are not applied now.
struct Withheld {
    /// Why, and until when.
    because: Failure,
    /// The newest commit.
    head: CommitId,
    /// The newest commits of the other sources.
    others: BTreeMap<String, Other>,
}

/// Another source of an application.
#[derive(Clone)]
struct Other {
    /// The Repository, in the Application's namespace.
    repository: String,
    mirror: Mirror,
    commit: CommitId,
}

impl Start {
    /// The application, and the commit that it is for.
    pub(crate) fn what(&self) -> (&Name, &CommitId) {
        (&self.application.name, &self.target.info.id)
    }

    /// Whether the sync may go on to the next object.
    fn checkpoint(&self) -> Result<(), Failure> {
        if self.give_way.is_cancelled() {
            return Err(Failure {
                reason: Reason::Superseded,
                detail: format!("at {}", self.target.info.id.short()),
            });
        }
        if Instant::now() >= self.deadline {
            let limit = self.application.sync.timeout;
            return Err(Failure {
                reason: Reason::ApiUnavailable,
                detail: format!("not reached within `spec.sync.timeout` ({limit:?})"),
            });
        }
        Ok(())
    }

    /// How long is left.
    fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What a sync that reached the cluster gives.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it for each sync"
)]
enum Done {
    /// Everything stands; nothing was rendered.
    Stands,
    /// A plan was made and carried out.
    Carried {
        plan: Plan,
        outcomes: Vec<ObjectOutcome>,
        /// Kinds and namespaces of which nothing is pruned, because they cannot be read.
        unread: Vec<Failure>,
        /// A newer commit took over in the middle.
        superseded: bool,
        /// Where the rollout is.
        rollout: Progress,
    },
}

/// Why a sync ended before anything was written.
#[derive(Debug)]
pub(crate) struct Stopped {
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

    /// Everything that is wrong.
    pub(crate) fn into_failures(self) -> Vec<Failure> {
        self.failures
    }

    /// All failures as one: the first one's reason, every detail.
    pub(crate) fn summary(&self) -> Failure {
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
    // What the cluster serves is an input of a render. That it cannot be read shows in a moment.
    let _ = agent.cluster.discovery().server_version().await;
    abort::look(agent, name, trigger.cause).await;
    Box::pin(approval::look(agent, name, trigger.cause)).await;
    let (begin, heads) = beginning::begin(agent, name, trigger).await;
    ahead::look(agent, name).await;
    let start = match begin {
        beginning::Begin::Go(start) => *start,
        beginning::Begin::Stay => {
            // What is not rendered takes nothing over.
            repositories::rendered(agent, name, heads);
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
        steps: overridden(&start),
        began: false,
    };
    let limit = start.application.sync.timeout;
    let mut secrets = SecretInputs::default();
    let attempt = attempt(agent, &start, &mut record, &mut watch, &mut secrets);
    // Between two objects the sync looks at its deadline itself; a single step may hang.
    let hard = limit + agent.settings.request_timeout;
    let mut ended = tokio::time::timeout(hard, attempt)
        .await
        .unwrap_or_else(|_| {
            let after = watch.steps.last().map_or("begin", |step| &step.name);
            let detail = format!(
                "the step after `{after}` did not end within `spec.sync.timeout` ({limit:?})"
            );
            Err(Failure {
                reason: Reason::ApiUnavailable,
                detail,
            }
            .into())
        });
    hidden::in_end(&mut ended, &secrets);
    // The row of a rollout has the steps of its first pass already.
    if record.steps.is_empty() {
        record.steps = watch.steps;
    }
    ending::finish(agent, &start, record, watch.began, ended).await;
}

/// What a person went past, as steps of the record.
fn overridden(start: &Start) -> Vec<Step> {
    let overridden = start.overridden.iter().map(|held| {
        let (reason, detail) = (held.reason, &held.detail);
        tracing::info!(%reason, detail, "a person asked for the sync all the same");
        Step {
            name: format!("override {reason}"),
            micros: 0,
        }
    });
    overridden.collect()
}

/// The steps. Stops at the first that fails; objects fail one by one. What is to be hidden in its end
/// is added to `secrets`.
async fn attempt(
    agent: &Arc<Agent>,
    start: &Start,
    record: &mut SyncRecord,
    watch: &mut Stopwatch,
    secrets: &mut SecretInputs,
) -> Result<Done, Stopped> {
    let name = &start.application.name;
    let account = agent
        .cluster
        .account(&name.namespace, &start.application.account)
        .await
        .map_err(|error| Stopped::cluster("service account", &error))?;
    let how = match start.cause {
        Cause::Schedule => Look::Full,
        _ => Look::Cheap,
    };
    let mut extent = inventory::extent(agent, start);
    let mut known = inventory::look(agent, name, &account, &extent, how).await?;
    watch.step("look");
    let given = given::gather(agent, start).await?;
    if known.unread.is_empty() && stands(agent, start, &given).await {
        return Ok(Done::Stands);
    }
    let made = desired::desired(agent, start, &account, &given, watch).await?;
    let rendered = Arc::clone(&made.rendered);
    secrets.extend(&rendered.secrets);
    failpoint::reached("render.done").await?;
    let before = before_of(agent, name);
    desired::claim(agent, start, &rendered);
    let listed = extent.clone();
    rendered.keys().for_each(|key| extent.add(key));
    extent
        .namespaces
        .insert(start.application.namespace.clone());
    if extent != listed {
        known = inventory::look(agent, name, &account, &extent, Look::Cheap).await?;
    }
    let standing = standing(agent, start);
    let objects = facts::live(agent, start, &account, &rendered, &known, &standing).await?;
    let facts = facts::gather(agent, start, &account, &rendered, &known, &objects).await;
    let live = objects.live;
    let approval = approval(agent, start).await;
    watch.step("read");
    let mut policy = start.application.sync.clone();
    // Who asks for a sync wants what Git says.
    policy.self_heal |= start.cause == Cause::User;
    let mut plan = plan(&Inputs {
        desired: &rendered.set,
        hashes: &rendered.hashes,
        before: &before,
        standing: &standing,
        live: &live,
        owner: &start.owner,
        policy: &policy,
        ignore: &start.application.ignore,
        manual_tools: &agent.settings.manual_tools,
        approval: &approval,
        facts: &facts,
        agent_namespace: &agent.settings.namespace,
    });
    leave_out(&rendered.refused, &mut plan);
    let begins = approval::Begins {
        hashes: &rendered.hashes,
        hooks: &rendered.hooks,
        before: &before,
    };
    approval::check(agent, start, &plan, &begins)?;
    made.show_changes(agent, name, &mut plan);
    hidden::in_plan(&mut plan, secrets);
    watch.step("plan");
    record.unchanged = plan.count(ActionKind::Unchanged);
    record.drift.clone_from(&plan.drift);
    if !plan.warnings.is_empty() {
        let warnings = plan.warnings.join("; ");
        tracing::warn!(detail = warnings, "annotations are not understood");
        report::event(agent, name, Reason::Ignored, &warnings).await;
    }
    leave_alone(agent, start, &plan, &live);
    accept(agent, name, &plan, &live);
    let mut outcomes = writes::skipped(&plan);
    outcomes.extend(objects.unknown);
    let world = World {
        plan: &plan,
        live: &live,
        before: &before,
        standing: &standing,
    };
    let mut course = Course::new(agent, start, &account, &rendered, world);
    let plain = course.is_plain();
    let carried = |plan, outcomes, unread, rollout| {
        Ok(Done::Carried {
            plan,
            outcomes,
            unread,
            superseded: start.give_way.is_cancelled(),
            rollout,
        })
    };
    if plain && !plan.has_writes() {
        inventory::narrow(agent, start, &rendered, &known, &plan, &[]).await;
        return Ok(Done::Carried {
            plan,
            outcomes,
            unread: known.unread,
            superseded: false,
            rollout: Progress::default(),
        });
    }
    match course.record() {
        Some(before) => go_on_with(record, before),
        None => agent.history.record_sync(record),
    }
    watch.began = true;
    failpoint::reached("history.begun").await?;
    let writer = writes::Writer::new(agent, start, &account, &rendered, &live);
    if start.application.sync.atomic {
        let refused = writer.rehearse(&plan).await;
        watch.step("dry run");
        if !refused.is_empty() {
            outcomes.extend(refused);
            let (_, rollout) = course.end();
            return carried(plan, outcomes, known.unread, rollout);
        }
    }
    inventory::widen(agent, start, &extent).await?;
    if !plain {
        course.go(&writer, &mut known, &extent, &plan).await;
        watch.step("rollout");
        let (done, rollout) = course.end();
        inventory::narrow(agent, start, &rendered, &known, &plan, &done).await;
        outcomes.extend(done);
        return carried(plan, outcomes, known.unread, rollout);
    }
    outcomes.extend(writer.apply(&writes::applies(&plan)).await);
    watch.step("apply");
    if extent.misses(&known) {
        // A kind that this very sync defined is watched from now on.
        known = inventory::look(agent, name, &account, &extent, Look::Cheap).await?;
    }
    failpoint::reached("prune.list_done").await?;
    let pruned = writer.prune(&known, &writes::prunes(&plan)).await;
    watch.step("prune");
    inventory::narrow(agent, start, &rendered, &known, &plan, &pruned).await;
    outcomes.extend(pruned);
    carried(plan, outcomes, known.unread, Progress::default())
}

/// The row of a rollout goes on over all of its passes.
fn go_on_with(record: &mut SyncRecord, before: SyncRecord) {
    let now = std::mem::replace(record, before);
    record.finished_at = None;
    record.result = SyncResult::Running;
    record.failure = None;
    record.unchanged = now.unchanged;
    record.drift.extend(now.drift);
}

/// Whether nothing has to be done: the render still holds, and each object is as it was left.
async fn stands(agent: &Agent, start: &Start, given: &Given) -> bool {
    let name = &start.application.name;
    let kept = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return false;
        };
        let rollout = entry.rollout.as_ref();
        let over = rollout.is_none_or(|ledger| ledger.phase == Phase::Done);
        let quiet = entry.left.is_empty() && entry.plan_hash.is_none() && !entry.waits && over;
        let stand = |(key, kept)| {
            state
                .live
                .seen(key)
                .is_some_and(|seen| seen.stands(kept, name))
        };
        if start.cause == Cause::User || !quiet || !entry.objects.iter().all(stand) {
            return false;
        }
        entry.kept.clone()
    };
    let Some(kept) = kept.filter(|kept| given.inputs.fit(kept.inputs)) else {
        return false;
    };
    desired::still_holds(start, &kept).await
}

/// The desired objects that are live just as they were left.
fn standing(agent: &Agent, start: &Start) -> BTreeSet<ObjectKey> {
    let name = &start.application.name;
    let state = agent.state.lock();
    let Some(entry) = state.applications.get(name) else {
        return BTreeSet::new();
    };
    let objects = entry.objects.iter();
    objects
        .filter(|(key, kept)| {
            state
                .live
                .seen(key)
                .is_some_and(|seen| seen.stands(kept, name))
        })
        .map(|(key, _)| key.clone())
        .collect()
}

/// The live objects that would stand if the application wanted objects of these hashes.
pub(crate) fn standing_as(
    agent: &Agent,
    name: &Name,
    hashes: &BTreeMap<ObjectKey, Digest>,
) -> BTreeSet<ObjectKey> {
    let state = agent.state.lock();
    let entry = state.applications.get(name);
    let objects = entry.into_iter().flat_map(|entry| &entry.objects);
    let stands = |(key, kept): &(&ObjectKey, &KeptObject)| {
        let seen = state.live.seen(key);
        hashes.get(*key) == Some(&kept.applied) && seen.is_some_and(|seen| seen.stands(kept, name))
    };
    objects.filter(stands).map(|(key, _)| key.clone()).collect()
}

/// The hash of each object that was applied and stood once.
pub(crate) fn before_of(agent: &Agent, name: &Name) -> BTreeMap<ObjectKey, Digest> {
    let state = agent.state.lock();
    let entry = state.applications.get(name);
    let objects = entry.into_iter().flat_map(|entry| &entry.objects);
    objects
        .filter(|(_, kept)| kept.written.is_some())
        .map(|(key, kept)| (key.clone(), kept.applied))
        .collect()
}

/// What an annotation keeps from being written is good as it is where it is ours, and else no
/// matter of this application.
fn leave_alone(
    agent: &Agent,
    start: &Start,
    plan: &Plan,
    live: &BTreeMap<ObjectKey, syncline_core::plan::Live>,
) {
    let name = &start.application.name;
    let mut state = agent.state.lock();
    let actions = plan.actions.iter();
    let actions = actions.filter(|a| a.apply != Apply::Always && a.kind == ActionKind::Unchanged);
    for action in actions {
        let key = &action.key;
        match live.get(key) {
            Some(object) if object.owner(key).as_ref() == Some(&start.owner) => {
                let entry = state.applications.get_mut(name);
                let kept = entry.and_then(|entry| entry.objects.get_mut(key));
                if let (Some(kept), Some(applied)) = (kept, object.applied()) {
                    kept.applied = applied;
                }
            }
            _ => state.leave_alone(name, key),
        }
    }
}

/// What was looked at and needs nothing is good as it is; what others changed and nobody puts back is
/// looked at again when it changes once more.
fn accept(
    agent: &Agent,
    name: &Name,
    plan: &Plan,
    live: &BTreeMap<ObjectKey, syncline_core::plan::Live>,
) {
    let manager = names::field_manager(agent.instance.id());
    let mut state = agent.state.lock();
    let Some(entry) = state.applications.get_mut(name) else {
        return;
    };
    let unchanged = plan.actions.iter();
    let unchanged = unchanged.filter(|action| action.kind == ActionKind::Unchanged);
    entry.drift_left.clear();
    for action in unchanged {
        let key = &action.key;
        let found = live.get(key).map(|object| Written {
            uid: object.uid.clone(),
            resource_version: object.resource_version.clone(),
            fields: ownership::digests(&object.managed_fields, &manager),
        });
        if action.is_left() {
            entry.drift_left.insert(key.clone(), found);
        } else if let Some(found) = found.filter(|_| action.because.is_none()) {
            entry.wrote(key, found);
        }
    }
}

/// What a person approved of a sync, on the Application or in Git.
async fn approval(agent: &Agent, start: &Start) -> Approval {
    let trailers = [names::TRAILER_PRUNE, names::TRAILER_APPROVE];
    let (name, target) = (&start.application.name, &start.target.info.id);
    let in_git = match &start.approved_since {
        Some(since) => approval::in_git(&start.mirror, name, since, target, &trailers).await,
        None => false,
    };
    Approval {
        in_git,
        plan_hash: start.approved_plan.clone(),
        whole: approval::whole(agent, name, target),
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
