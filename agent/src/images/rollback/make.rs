//! The parts of a rollback: what the application reads, which commits and files come back, the commit
//! and its proof.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use syncline_core::application::Repository;
use syncline_core::image::message::{RevertText, revert_message};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::rollback::{self, Plan, Step};
use syncline_core::trailers;
use syncline_source::Reverted;

use super::{Rollback, Why};
use crate::agent::{Agent, blocking};
use crate::images::prove::{self, Question};
use crate::images::writer::tip::{self, Tip};

/// How far back the branch is read.
const MOST_COMMITS: usize = 1000;

/// What an application reads of its own repository: what its last render read, and its path.
pub(crate) fn reads(agent: &Agent, application: &Name) -> ReadSet {
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

pub(super) async fn plan(tip: &Tip, why: &Why, reads: &ReadSet) -> Result<Plan, Failure> {
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
pub(super) async fn files(tip: &Tip, plan: &Plan, reads: &ReadSet) -> Result<Vec<String>, Failure> {
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
pub(super) async fn commit(
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
pub(super) async fn proved(
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
