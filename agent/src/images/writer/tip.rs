//! The tip of a branch, and a commit on top of it on its way there.

use std::sync::Arc;

use syncline_core::application::{Repository, Write};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::revision::CommitId;
use syncline_source::{Error, Mirror, Push};

use crate::agent::{Agent, blocking};
use crate::failpoint;
use crate::repositories::access;

/// How many commits may have come on top of one that is looked for.
const MOST_SINCE: usize = 1000;

/// The tip of a branch, with its files in the mirror.
#[derive(Clone)]
pub(in crate::images) struct Tip {
    pub(in crate::images) mirror: Mirror,
    pub(in crate::images) commit: CommitId,
}

/// How a push ended.
pub(in crate::images) enum Sent {
    /// The branch has the commit.
    Accepted,
    /// Somebody else was first.
    Lost(String),
    /// There was no answer: perhaps the branch has it.
    Unclear(String),
}

/// What an error of Git means.
pub(in crate::images) fn failure(error: &Error) -> Failure {
    Failure {
        reason: error.reason(),
        detail: error.to_string(),
    }
}

/// Fetches the tip.
pub(in crate::images) async fn fetch(
    agent: &Agent,
    repository: &Repository,
) -> Result<Tip, Failure> {
    let readable = access(agent, repository, repository.secret.as_deref()).await?;
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, branch) = (repository.url.clone(), repository.branch.clone());
    let fetched = blocking(move || {
        let mirror = mirrors.get(&url)?;
        let commit = mirror.fetch(&readable, &branch)?.commit;
        Ok(Tip { mirror, commit })
    });
    fetched.await.map_err(|error: Error| failure(&error))
}

/// Sends a commit whose parent is the tip.
pub(in crate::images) async fn send(
    agent: &Agent,
    repository: &Repository,
    write: &Write,
    tip: &Tip,
    commit: &CommitId,
) -> Result<Sent, Failure> {
    let writable = access(agent, repository, write.secret.as_deref()).await?;
    failpoint::reached("image.committed").await?;
    let (mirror, branch, commit) = (
        tip.mirror.clone(),
        repository.branch.clone(),
        commit.clone(),
    );
    let pushed = blocking(move || mirror.push(&writable, &branch, &commit)).await;
    match pushed {
        Ok(Push::Accepted) => {
            let _ = failpoint::reached("image.pushed").await;
            Ok(Sent::Accepted)
        }
        Ok(Push::Lost { message }) => {
            Ok(Sent::Lost(format!("somebody else pushed first: {message}")))
        }
        Err(error @ Error::PushUnclear { .. }) => Ok(Sent::Unclear(error.to_string())),
        Err(error) => Err(failure(&error)),
    }
}

/// The commit of the branch that is the one that was sent on top of `old`: itself, or another one
/// with its trailer.
pub(in crate::images) async fn landed(
    tip: &Tip,
    old: &CommitId,
    commit: &CommitId,
    id: &str,
) -> Result<Option<CommitId>, Failure> {
    let trailer = format!("{}: {id}", names::TRAILER_UPDATE);
    let (mirror, new) = (tip.mirror.clone(), tip.commit.clone());
    let (old, commit) = (old.clone(), commit.clone());
    let found = blocking(move || {
        if mirror.is_ancestor(&commit, &new)? {
            return Ok(Some(commit));
        }
        let since = mirror.commits_between(&old, &new, MOST_SINCE)?;
        let mut since = since.into_iter();
        let found = since.find(|(_, message)| message.lines().any(|line| line.trim() == trailer));
        Ok(found.map(|(info, _)| info.id))
    });
    found.await.map_err(|error: Error| failure(&error))
}
