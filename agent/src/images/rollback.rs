//! A rollback of an application: the files that it reads come back as they were, by a commit.
//!
//! A person asks twice by the annotation `syncline.dev/rollback`: for a plan, and with its hash for
//! the commit. After a failed rollout (`sync.onFailure: Revert`) the agent asks by itself, once.
//! Either way the writer of the branch makes the commit, on the tip, and proves that everything
//! that reads the files can be rendered with it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use syncline_cluster::kinds::RollbackStatus;
use syncline_core::application::{OnFailure, Repository};
use syncline_core::image::message::{RevertText, revert_message};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::rollback::{self, Plan, Request, Step};
use syncline_core::trailers;
use syncline_core::trigger::Cause;
use syncline_source::Reverted;

use super::prove::{self, Question};
use super::writer::tip::{self, Sent, Tip};
use super::writer::{self, pause};
use crate::agent::{Agent, blocking};
use crate::jitter::later;
use crate::poller::Target;
use crate::report;
use crate::state::ApplicationState;

/// How far back the branch is read.
const MOST_COMMITS: usize = 1000;
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
                let told = entry.rollback.as_ref();
                let told = told.and_then(|told| told.message.as_ref());
                if told == Some(&failure.detail) {
                    return;
                }
                Err(failure)
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
        Err(failure) => tell(agent, name, String::new(), Err(failure)).await,
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

/// What came of a rollback.
struct Made {
    plan: Plan,
    files: Vec<String>,
    others: Vec<Name>,
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
    let reads = reads(agent, &rollback.application);
    let plan = plan(&tip, &rollback.why, &reads).await?;
    let files = files(&tip, &plan, &reads).await?;
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
    let commit = commit(agent, repository, rollback, &tip, &plan, &files, &id).await?;
    let others = proved(agent, repository, rollback, &tip, &commit, &files).await?;
    let made = Made {
        plan,
        files,
        others,
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

/// What an application reads of its own repository: what its last render read, and its path.
fn reads(agent: &Agent, application: &Name) -> ReadSet {
    let mut reads = ReadSet::default();
    let state = agent.state.lock();
    let Some(entry) = state.applications.get(application) else {
        return reads;
    };
    if let Ok(spec) = &entry.spec {
        reads.add_tree(spec.path.as_str());
    }
    if let Some(kept) = &entry.kept {
        reads.extend(&kept.reads);
    }
    reads
}

async fn plan(tip: &Tip, why: &Why, reads: &ReadSet) -> Result<Plan, Failure> {
    let (mirror, head) = (tip.mirror.clone(), tip.commit.clone());
    let (why, reads) = (why.clone(), reads.clone());
    blocking(move || {
        let until = match &why {
            Why::Asked(request) => match &request.to {
                Some(digits) => Some(
                    mirror
                        .resolve(digits, &head)
                        .map_err(|error| tip::failure(&error))?
                        .ok_or_else(|| Failure {
                            reason: Reason::RevisionNotFound,
                            detail: format!(
                                "the branch has no commit `{digits}`, or several that begin so"
                            ),
                        })?,
                ),
                None => None,
            },
            Why::Failed { good, .. } => Some(good.clone()),
        };
        let mut history = Vec::new();
        let newest_only = until.is_none();
        let mut see = |commit: syncline_source::LineCommit| {
            let found = newest_only && reads.is_touched_by(&commit.paths);
            let said = trailers::parse(&commit.message);
            let reverts = trailers::values(&said, names::TRAILER_REVERTS)
                .flat_map(|value| value.split([',', ' ']))
                .filter_map(|id| CommitId::parse(id).ok());
            history.push(Step {
                reverts: reverts.collect(),
                commit: commit.info,
                parent: commit.parent,
                paths: commit.paths,
            });
            if found {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        mirror
            .line(&head, until.as_ref(), MOST_COMMITS, &mut see)
            .map_err(|error| tip::failure(&error))?;
        match &why {
            Why::Asked(_) => rollback::asked(&history, &reads, until.as_ref()),
            Why::Failed { good, failed, .. } => {
                rollback::after_failure(&history, &reads, good, failed)
            }
        }
    })
    .await
}

/// The files that come back.
async fn files(tip: &Tip, plan: &Plan, reads: &ReadSet) -> Result<Vec<String>, Failure> {
    let (mirror, target, head) = (tip.mirror.clone(), plan.target.clone(), tip.commit.clone());
    let changed = blocking(move || mirror.changed_paths(&target, &head)).await;
    let mut changed = changed.map_err(|error| tip::failure(&error))?;
    changed.retain(|path| reads.is_touched_by(std::slice::from_ref(path)));
    if changed.is_empty() {
        let target = plan.target.short();
        return Err(Failure {
            reason: Reason::NothingToRevert,
            detail: format!("everything that it reads is as at {target} already"),
        });
    }
    Ok(changed)
}

/// Makes the commit. It is on no branch yet.
async fn commit(
    agent: &Agent,
    repository: &Repository,
    rollback: &Rollback,
    tip: &Tip,
    plan: &Plan,
    files: &[String],
    id: &str,
) -> Result<CommitId, Failure> {
    let commits = plan.commits.iter();
    let text = RevertText {
        reverted: commits
            .map(|commit| (commit.id.clone(), commit.subject.clone()))
            .collect(),
        restored: Some((rollback.application.clone(), plan.target.clone())),
        reason: rollback.reason(),
    };
    let write = tip::write_of(repository)?;
    let message = revert_message(&text, write.skip_ci.as_deref(), id);
    let new = tip::signed(agent, repository, message).await?;
    let (mirror, head) = (tip.mirror.clone(), tip.commit.clone());
    let (target, files) = (plan.target.clone(), files.to_vec());
    let made = blocking(move || match mirror.restore(&files, &target, &head)? {
        Reverted::Clean(draft) => mirror.commit_draft(&draft, &new).map(Some),
        Reverted::Conflicts(_) | Reverted::Unchanged => Ok(None),
    });
    let made = made.await.map_err(|error| tip::failure(&error))?;
    made.ok_or_else(|| Failure {
        reason: Reason::NothingToRevert,
        detail: String::new(),
    })
}

/// Renders what reads the files; answers with the other applications among them.
async fn proved(
    agent: &Arc<Agent>,
    repository: &Repository,
    rollback: &Rollback,
    tip: &Tip,
    commit: &CommitId,
    files: &[String],
) -> Result<Vec<Name>, Failure> {
    let files: BTreeSet<String> = files.iter().cloned().collect();
    let question = Question {
        repository,
        mirror: &tip.mirror,
        before: &tip.commit,
        after: commit,
        files: &files,
        only: None,
    };
    let readers = prove::readers(agent, &question).await?;
    let mut others = Vec::new();
    for reader in readers {
        if let Some(why) = prove::broken(&reader) {
            return Err(Failure {
                reason: Reason::RollbackRefused,
                detail: why,
            });
        }
        if reader.application != rollback.application {
            others.push(reader.application);
        }
    }
    Ok(others)
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
    status.reason = reason.name().to_owned();
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
