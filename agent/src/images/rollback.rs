//! A rollback of an application: the files that it reads come back as they were, by a commit.
//!
//! A person asks twice by the annotation `syncline.dev/rollback`: for a plan, and with its hash for
//! the commit. After a failed rollout (`sync.onFailure: Revert`) the agent asks by itself, once.
//! Either way the writer of the branch makes the commit, on the tip, and proves that everything
//! that reads the files can be rendered with it.

mod make;

pub(crate) use make::reads;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use syncline_cluster::kinds::RollbackStatus;
use syncline_core::application::{OnFailure, Repository};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::owner::public_hash;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::rollback::{Plan, Request};
use syncline_core::trigger::Cause;

use super::writer::tip::{self, Sent};
use super::writer::{self, pause};
use crate::agent::Agent;
use crate::jitter::later;
use crate::poller::Target;
use crate::report;
use crate::state::ApplicationState;

/// How many commits, files and applications the status names.
const NAMED_COMMITS: usize = 20;
const NAMED_FILES: usize = 50;

/// A rollback that waits for the writer.
#[derive(Clone, Debug)]
pub(super) struct Rollback {
    application: Name,
    why: Why,
    /// How often it was tried.
    tries: u32,
}

/// Who wants it.
#[derive(Clone, Debug)]
enum Why {
    /// A person.
    Asked(Request),
    /// The rollout of `failed` failed.
    Failed {
        good: CommitId,
        failed: CommitId,
        detail: String,
    },
}

impl Rollback {
    /// The name of this rollback: it is answered once.
    fn key(&self) -> String {
        match &self.why {
            Why::Asked(request) => request.key(),
            Why::Failed { failed, .. } => of_failure(failed),
        }
    }

    /// Whether it is the same one, which is answered once.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.application == other.application && self.key() == other.key()
    }

    fn reason(&self) -> String {
        match &self.why {
            Why::Asked(request) => request.reason.clone(),
            Why::Failed { detail, .. } => format!("the rollout failed: {detail}"),
        }
    }
}

fn of_failure(failed: &CommitId) -> String {
    format!("failure:{failed}")
}

fn is_answered(entry: &ApplicationState, key: &str) -> bool {
    let answered = entry.rollback.as_ref().map(|told| told.request.as_str());
    answered == Some(key)
}

/// The annotation of an Application asks for a rollback, unless that is answered already.
pub(crate) async fn asked(agent: &Arc<Agent>, name: &Name) {
    let asked = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return;
        };
        let Some(text) = entry.annotations.get(names::ANNOTATION_ROLLBACK) else {
            return;
        };
        match Request::parse(text) {
            Ok(request) if is_answered(entry, &request.key()) => return,
            Ok(request) => Ok(request),
            Err(failure) => {
                // What cannot be read has no id.
                let key = format!("unreadable:{}", public_hash(&Value::from(text.as_str())));
                if is_answered(entry, &key) {
                    return;
                }
                Err((key, failure))
            }
        }
    };
    match asked {
        Ok(request) => {
            let rollback = Rollback {
                application: name.clone(),
                why: Why::Asked(request),
                tries: 0,
            };
            order(agent, rollback, Duration::ZERO).await;
        }
        Err((key, failure)) => tell(agent, name, key, Err(failure)).await,
    }
}

/// A rollout failed: where the Application wants it, its commits are reverted.
pub(crate) async fn failed(
    agent: &Arc<Agent>,
    name: &Name,
    good: &CommitId,
    failed: &CommitId,
    failure: &Failure,
) {
    {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return;
        };
        let wanted = entry
            .spec
            .as_ref()
            .is_ok_and(|spec| spec.sync.on_failure == OnFailure::Revert);
        if !wanted || is_answered(entry, &of_failure(failed)) {
            return;
        }
    }
    let rollback = Rollback {
        application: name.clone(),
        why: Why::Failed {
            good: good.clone(),
            failed: failed.clone(),
            detail: failure.detail.clone(),
        },
        tries: 0,
    };
    order(agent, rollback, Duration::ZERO).await;
}

/// Hands a rollback to the writer of the branch.
async fn order(agent: &Arc<Agent>, rollback: Rollback, delay: Duration) {
    match repository(agent, &rollback.application) {
        Ok(repository) => writer::rollback(agent, repository, rollback, delay),
        Err(failure) => {
            let (name, key) = (rollback.application.clone(), rollback.key());
            tell(agent, &name, key, Err(failure)).await;
        }
    }
}

/// The Repository that is written to.
fn repository(agent: &Agent, application: &Name) -> Result<Repository, Failure> {
    let state = agent.state.lock();
    let name = state.repository_of(application);
    let entry = name.as_ref().and_then(|name| state.repositories.get(name));
    let Some(entry) = entry else {
        return Err(Failure {
            reason: Reason::RepositoryMissing,
            detail: name
                .map(|name| format!("`{}`", name.name))
                .unwrap_or_default(),
        });
    };
    entry.spec.clone()
}

/// The turn of the writer.
pub(super) async fn write(agent: &Arc<Agent>, repository: &Repository, mut rollback: Rollback) {
    let name = rollback.application.clone();
    let key = rollback.key();
    let answered = {
        let state = agent.state.lock();
        let entry = state.applications.get(&name);
        // Asked for twice before the first answer.
        entry.is_none_or(|entry| is_answered(entry, &key))
    };
    if answered {
        return;
    }
    let ended = attempts(agent, repository, &rollback).await;
    if let Err(failure) = &ended
        && failure.reason.class() == Class::Transient
        && matches!(rollback.why, Why::Failed { .. })
    {
        let settings = &agent.settings;
        let delay = settings
            .retry_first
            .saturating_mul(1 << rollback.tries.min(16));
        let delay = later(delay.min(settings.retry_most), settings.retry_jitter, &name);
        rollback.tries += 1;
        tracing::warn!(app.name = %name, reason = %failure.reason, detail = failure.detail, "a revert is tried again");
        writer::rollback(agent, repository.clone(), rollback, delay);
        return;
    }
    tell(agent, &name, key, ended).await;
}

/// What a rollback would do, by the same steps as one that is asked for. Nothing is written but
/// objects of the mirror.
pub(crate) async fn planned(
    agent: &Arc<Agent>,
    application: &Name,
    request: Request,
) -> Result<Made, Failure> {
    let repository = repository(agent, application)?;
    let rollback = Rollback {
        application: application.clone(),
        why: Why::Asked(Request {
            plan: None,
            ..request
        }),
        tries: 0,
    };
    attempts(agent, &repository, &rollback).await
}

/// What came of a rollback.
pub(crate) struct Made {
    /// Which commits it takes back.
    pub(crate) plan: Plan,
    /// The files that come back.
    pub(crate) files: Vec<String>,
    /// Other applications that read one of them.
    pub(crate) others: Vec<Name>,
    /// The commit before it was on a branch; it is in the mirror.
    pub(crate) draft: CommitId,
    /// The commit that reverts; `None` where it was only planned.
    commit: Option<CommitId>,
}

/// How one attempt on one tip ended.
enum Once {
    Made(Box<Made>),
    Again(String, Option<Box<Unclear>>),
}

/// A push without an answer.
struct Unclear {
    made: Made,
    tip: CommitId,
    commit: CommitId,
    id: String,
}

async fn attempts(
    agent: &Arc<Agent>,
    repository: &Repository,
    rollback: &Rollback,
) -> Result<Made, Failure> {
    let most = agent.settings.push_attempts.max(1);
    let mut unclear = None;
    let mut said = String::new();
    for attempt in 1..=most {
        match once(agent, repository, rollback, unclear.take()).await? {
            Once::Made(made) => return Ok(*made),
            Once::Again(why, sent) => {
                agent.metrics.lost_pushes.inc();
                tracing::info!(attempt, why, "the revert is made anew");
                (said, unclear) = (why, sent);
            }
        }
        if attempt < most {
            tokio::time::sleep(pause(agent, attempt)).await;
        }
    }
    let reason = match unclear {
        Some(_) => Reason::PushFailed,
        None => Reason::PushContention,
    };
    let detail = format!("{most} attempts, the last: {said}");
    Err(Failure { reason, detail })
}

async fn once(
    agent: &Arc<Agent>,
    repository: &Repository,
    rollback: &Rollback,
    unclear: Option<Box<Unclear>>,
) -> Result<Once, Failure> {
    let tip = match (tip::fetch(agent, repository).await, &unclear) {
        (Ok(tip), _) => tip,
        (Err(failure), Some(_)) => return Ok(Once::Again(failure.detail, unclear)),
        (Err(failure), None) => return Err(failure),
    };
    if let Some(sent) = unclear {
        let landed = tip::landed(&tip, &sent.tip, &sent.commit, &sent.id).await?;
        if let Some(commit) = landed {
            let commit = Some(commit);
            return Ok(Once::Made(Box::new(Made {
                commit,
                ..sent.made
            })));
        }
    }
    let reads = make::reads(agent, &rollback.application);
    let plan = make::plan(&tip, &rollback.why, &reads).await?;
    let files = make::files(&tip, &plan, &reads).await?;
    let confirmed = match &rollback.why {
        Why::Asked(request) => request.plan.as_ref().map(|seen| *seen == plan.hash()),
        Why::Failed { .. } => Some(true),
    };
    if confirmed == Some(false) {
        let newest = plan
            .commits
            .first()
            .map(|commit| commit.id.short().to_owned());
        return Err(Failure {
            reason: Reason::RollbackChanged,
            detail: format!("now {}", newest.unwrap_or_default()),
        });
    }
    if confirmed.is_some() {
        allowed(agent, repository)?;
    }
    let id = ulid::Ulid::new().to_string();
    let commit = make::commit(agent, repository, rollback, &tip, &plan, &files, &id).await?;
    let others = make::proved(agent, repository, rollback, &tip, &commit, &files).await?;
    let made = Made {
        plan,
        files,
        others,
        draft: commit.clone(),
        commit: None,
    };
    if confirmed.is_none() {
        return Ok(Once::Made(Box::new(made)));
    }
    match tip::send(agent, repository, &tip, &commit).await? {
        Sent::Accepted => {
            let commit = Some(commit);
            Ok(Once::Made(Box::new(Made { commit, ..made })))
        }
        Sent::Lost(why) => Ok(Once::Again(why, None)),
        Sent::Unclear(why) => {
            let tip = tip.commit;
            let sent = Unclear {
                made,
                tip,
                commit,
                id,
            };
            Ok(Once::Again(why, Some(Box::new(sent))))
        }
    }
}

/// Whether a commit may be made now.
fn allowed(agent: &Agent, repository: &Repository) -> Result<(), Failure> {
    if let Some(freeze) = agent.freeze.current() {
        return Err(freeze.failure());
    }
    let now = agent.clock.now();
    if repository.suspend.as_ref().is_some_and(|s| s.holds(now)) {
        return Err(Failure {
            reason: Reason::RepositoryNotReady,
            detail: format!("`{}` is suspended", repository.name.name),
        });
    }
    Ok(())
}

/// Says what came of it, in the status of the Application and as an event.
async fn tell(agent: &Arc<Agent>, name: &Name, key: String, ended: Result<Made, Failure>) {
    let now = agent.clock.now();
    let mut status = RollbackStatus {
        request: key,
        reason: String::new(),
        message: None,
        time: now,
        plan: None,
        target: None,
        commits: Vec::new(),
        files: Vec::new(),
        others: Vec::new(),
        commit: None,
    };
    let (reason, detail) = match &ended {
        Ok(made) => {
            let shown = |text: String| text.chars().take(300).collect::<String>();
            let commits = made.plan.commits.iter().take(NAMED_COMMITS);
            status.commits = commits
                .map(|commit| shown(format!("{} {}", commit.id.short(), commit.subject)))
                .collect();
            status.files = made.files.iter().take(NAMED_FILES).cloned().collect();
            let others = made.others.iter().take(NAMED_FILES);
            status.others = others.map(ToString::to_string).collect();
            status.plan = Some(made.plan.hash());
            status.target = Some(made.plan.target.to_string());
            status.commit = made.commit.as_ref().map(ToString::to_string);
            let count = made.plan.commits.len();
            let commits = if count == 1 { "commit" } else { "commits" };
            let target = made.plan.target.short();
            match &made.commit {
                Some(commit) => {
                    agent.metrics.reverts.inc();
                    let repository = agent.state.lock().repository_of(name);
                    if let Some(repository) = repository {
                        let target = Target::Repository(repository);
                        let now = agent.clock.monotonic();
                        agent.poller.look_now(&target, Cause::Poll, now);
                    }
                    let short = commit.short();
                    let detail = format!("{count} {commits} back to {target}, by commit {short}");
                    (Reason::RolledBack, detail)
                }
                None => {
                    let detail = format!("{count} {commits} back to {target}");
                    (Reason::RollbackPlanned, detail)
                }
            }
        }
        Err(failure) => (failure.reason, failure.detail.clone()),
    };
    let sentence = reason.row().sentence;
    let message = if detail.is_empty() {
        sentence.to_owned()
    } else {
        format!("{sentence}: {detail}")
    };
    reason.name().clone_into(&mut status.reason);
    status.message = Some(message.chars().take(4000).collect());
    if let Some(entry) = agent.state.lock().applications.get_mut(name) {
        entry.rollback = Some(status);
    }
    report::application(agent, name).await;
    if reason != Reason::RollbackPlanned {
        tracing::info!(app.name = %name, %reason, detail, "a rollback was answered");
        report::event(agent, name, reason, &message).await;
    }
}
