//! The image flow: from the tags of a registry to a commit in Git.
//!
//! ```text
//! look, per policy:    scan -> hand over to the writer of the branch -> say how it ended
//! writer, per branch:  wait for others -> fetch the tip -> decide for each -> one commit
//!                      -> prove it by rendering -> push
//! ```
//!
//! It never applies anything: the commit comes back through the look at the Repository.

mod decide;
mod explain;
mod prove;
pub(crate) mod rollback;
mod scan;
mod unnamed;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_core::application::Repository;
use syncline_core::gate::{closed, suspended};
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::{Name, UpdateRecord};
use syncline_core::revision::CommitId;
use syncline_core::trigger::Cause;
use tokio::sync::OwnedSemaphorePermit;

use crate::agent::{Agent, blocking};
use crate::conversion::ImageUpdate;
use crate::jitter::later;
use crate::metrics::PollLabels;
use crate::poller::Target;
use crate::report;
use crate::state::PolicyState;

use explain::Basis;
pub(crate) use explain::{Knowledge, Memory, Place, explain, judge_one};
pub(crate) use writer::{Writers, write_branches};

/// How a look went, or why it came to nothing and after how long to look again, where that is known.
type Attempt<T> = Result<T, (Failure, Option<Duration>)>;

fn fail<T>(reason: Reason, detail: impl Into<String>) -> Attempt<T> {
    let detail = detail.into();
    Err((Failure { reason, detail }, None))
}

/// How a look at an image ended that did not fail.
#[derive(Clone, Debug)]
struct Settled {
    reason: Reason,
    detail: String,
    /// The update that was pushed.
    update: Option<UpdateRecord>,
}

/// Looks at the image of a policy once. Answers after how long to look again where that is not
/// the interval. `permit` is given back when the registry has answered.
#[tracing::instrument(name = "scan", skip_all, fields(policy = %name))]
pub(crate) async fn look(
    agent: &Arc<Agent>,
    name: &Name,
    cause: Cause,
    permit: OwnedSemaphorePermit,
) -> Option<Duration> {
    let spec = agent.state.lock().policies.get(name)?.spec.clone();
    let ended = match &spec {
        Err(failure) => Err((failure.clone(), None)),
        Ok(policy) => {
            let now = agent.clock.now();
            match policy.suspend.as_ref().filter(|s| s.holds(now)) {
                Some(suspend) => Err((suspended(suspend), left(suspend.until, now))),
                None => flow(agent, policy, cause, permit).await,
            }
        }
    };
    let interval = spec.as_ref().ok().map(|policy| policy.interval);
    let (reason, delay) = said(agent, name, interval, ended)?;
    if reason.class() == Class::Denied {
        agent.references.forget(&name.namespace);
    }
    agent
        .metrics
        .polls
        .get_or_create(&PollLabels {
            target: "image",
            reason: reason.name().to_owned(),
        })
        .inc();
    let holds = {
        let state = agent.state.lock();
        let held = |entry: &&PolicyState| !entry.memory.holds.is_empty();
        state.policies.values().filter(held).count()
    };
    agent.metrics.image_holds.set(holds as i64);
    report::policy(agent, name).await;
    delay
}

/// Scans, and hands what was found to the writer of the branch.
async fn flow(
    agent: &Arc<Agent>,
    policy: &ImageUpdate,
    cause: Cause,
    permit: OwnedSemaphorePermit,
) -> Attempt<Settled> {
    scan::scan(agent, policy, cause).await?;
    let repository = destination(agent, policy)?;
    if cause != Cause::User
        && let Some(detail) = stands(agent, policy)
    {
        return Ok(Settled {
            reason: Reason::UpToDate,
            detail,
            update: None,
        });
    }
    // Who waits for a writer holds up no look.
    let target = Target::ImagePolicy(policy.name.clone());
    agent.poller.answered(&target, agent.clock.monotonic());
    drop(permit);
    writer::update(agent, &repository, policy, cause).await
}

/// The branch moved by a commit that is not ours: the policies that have a place in one of the files
/// that differ are looked at, so that it is said at once what follows from it.
pub(crate) async fn moved(agent: &Agent, repository: &Repository, old: &CommitId, new: &CommitId) {
    if old == new {
        return;
    }
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, old, new) = (repository.url.clone(), old.clone(), new.clone());
    let changed = blocking(move || mirrors.get(&url)?.changed_paths(&old, &new)).await;
    // Without the difference the next look at each policy sees it.
    let Ok::<_, syncline_source::Error>(changed) = changed else {
        return;
    };
    let state = agent.state.lock();
    for (name, entry) in &state.policies {
        let spec = entry.spec.as_ref().ok();
        let is_here = name.namespace == repository.name.namespace
            && spec.is_some_and(|spec| spec.repository == repository.name.name);
        let mut places = entry.memory.places.iter();
        if is_here && places.any(|place| changed.binary_search(&place.file).is_ok()) {
            let target = Target::ImagePolicy(name.clone());
            let now = agent.clock.monotonic();
            agent.poller.look_now(&target, Cause::Reference, now);
        }
    }
}

/// What Git names, where nothing has changed since that was found to be right: neither the tags nor
/// the branch nor the policy.
fn stands(agent: &Agent, policy: &ImageUpdate) -> Option<String> {
    let state = agent.state.lock();
    let entry = state.policies.get(&policy.name)?;
    let repository = Name::new(&policy.name.namespace, &policy.repository);
    let head = state.repositories.get(&repository)?.head.as_ref()?;
    let (memory, said) = (&entry.memory, &entry.statement);
    let basis = Basis {
        fingerprint: memory.knowledge.as_ref()?.fingerprint,
        tip: head.info.id.clone(),
        generation: entry.generation,
    };
    let same = memory.basis.as_ref() == Some(&basis) && said.reason == Reason::UpToDate;
    same.then(|| said.detail.clone())
}

/// Takes in how a look ended: the statement, and after how long to look again.
fn said(
    agent: &Agent,
    name: &Name,
    interval: Option<Duration>,
    ended: Attempt<Settled>,
) -> Option<(Reason, Option<Duration>)> {
    let now = agent.clock.now();
    let mut state = agent.state.lock();
    let entry = state.policies.get_mut(name)?;
    let (failure, after) = match ended {
        Ok(settled) => {
            entry.failures = 0;
            entry.statement.say(settled.reason, settled.detail, now);
            if let Some(update) = settled.update {
                entry.current = Some(update.new.clone());
                entry.last_update = Some(update);
            }
            return Some((settled.reason, None));
        }
        Err(refused) => refused,
    };
    let (reason, class) = (failure.reason, failure.reason.class());
    entry.failures += u32::from(class != Class::Hold);
    let doublings = entry.failures.saturating_sub(1).min(16);
    if entry.statement.reason != reason && class != Class::Hold {
        tracing::warn!(%reason, detail = failure.detail, "image look did not succeed");
    }
    entry.statement.say(reason, failure.detail, now);
    let settings = &agent.settings;
    let back_off = settings.retry_first.saturating_mul(1 << doublings);
    let back_off = back_off.min(settings.retry_most);
    let delay = match (class, after) {
        // The other side, or a failure of it, says when.
        (Class::Transient, Some(after)) => Some(after),
        (Class::Transient, None) => Some(later(back_off, settings.retry_jitter, (name, doublings))),
        // The end of what holds it; looks at the image go on until then.
        (Class::Hold, Some(after)) if reason == Reason::Suspended => Some(after),
        // More has to be found out first.
        (Class::Progress, after) => after,
        (Class::Hold, Some(after)) => interval.map(|interval| interval.min(after)),
        _ => None,
    };
    Some((reason, delay))
}

/// How long it is until then.
fn left(until: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    until.and_then(|until| until.duration_since(now).try_into().ok())
}

/// Whether an update may be committed now. The tags are read and chosen from in any case.
fn may_commit(agent: &Agent, policy: &ImageUpdate, cause: Cause, update: &str) -> Attempt<()> {
    let now = agent.clock.now();
    if let Some(freeze) = agent.freeze.current() {
        let mut failure = freeze.failure();
        failure.detail = format!("{update} waits; {}", failure.detail);
        return Err((failure, left(freeze.until, now)));
    }
    match closed(&policy.windows, now) {
        Some((closed, _)) if cause == Cause::User => {
            let detail = closed.detail;
            tracing::info!(detail, "a person asked for the update all the same");
            Ok(())
        }
        Some((mut closed, until)) => {
            closed.detail = format!("{update} waits; {}", closed.detail);
            Err((closed, left(until, now)))
        }
        None => Ok(()),
    }
}

/// The Repository that is edited.
fn destination(agent: &Agent, policy: &ImageUpdate) -> Attempt<Repository> {
    let name = Name::new(&policy.name.namespace, &policy.repository);
    let now = agent.clock.now();
    let state = agent.state.lock();
    let missing = format!("`{}`", policy.repository);
    let Some(entry) = state.repositories.get(&name) else {
        return fail(Reason::RepositoryMissing, missing);
    };
    match &entry.spec {
        Ok(repository) if repository.suspend.as_ref().is_some_and(|s| s.holds(now)) => fail(
            Reason::RepositoryNotReady,
            format!("`{}` is suspended", policy.repository),
        ),
        Ok(repository) => Ok(repository.clone()),
        Err(failure) => fail(Reason::RepositoryNotReady, failure.detail.clone()),
    }
}
