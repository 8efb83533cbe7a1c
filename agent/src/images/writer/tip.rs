//! The tip of a branch, and a commit on top of it on its way there.

use std::sync::Arc;

use jiff::Timestamp;
use syncline_core::application::{Repository, Write};
use syncline_core::image::update::History;
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::{Error, HistoryLimits, Mirror, NewCommit, Push, SigningKey};

use crate::agent::{Agent, blocking};
use crate::failpoint;
use crate::repositories::{access, verified};

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

/// Fetches the tip. One that does not contain the commit that was read last is refused, as for syncs,
/// until a person approves it.
pub(in crate::images) async fn fetch(
    agent: &Agent,
    repository: &Repository,
) -> Result<Tip, Failure> {
    let readable = access(agent, repository, repository.secret.as_deref()).await?;
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, branch) = (repository.url.clone(), repository.branch.clone());
    let (known, approved) = {
        let state = agent.state.lock();
        let entry = state.repositories.get(&repository.name);
        let head = entry.and_then(|entry| entry.head.as_ref());
        let head = head.map(|head| head.info.id.clone());
        let known = head.or_else(|| entry.and_then(|entry| entry.recorded.clone()));
        (known, entry.and_then(|entry| entry.approve.clone()))
    };
    let fetched = blocking(move || {
        let mirror = mirrors.get(&url)?;
        let commit = mirror.fetch(&readable, &branch)?.commit;
        let follows = match &known {
            Some(known) => mirror.is_ancestor(known, &commit)?,
            None => true,
        };
        Ok((Tip { mirror, commit }, follows))
    });
    let (tip, follows) = fetched.await.map_err(|error: Error| failure(&error))?;
    // Before anything of the commit is used.
    verified(agent, repository, &tip.commit).await?;
    if !follows && approved.as_deref() != Some(tip.commit.as_str()) {
        return Err(Failure {
            reason: Reason::HistoryRewritten,
            detail: format!("`{}` points to {} now", repository.branch, tip.commit),
        });
    }
    Ok(tip)
}

/// How the Repository is written to.
pub(in crate::images) fn write_of(repository: &Repository) -> Result<&Write, Failure> {
    repository.write.as_ref().ok_or_else(|| Failure {
        reason: Reason::WriteNotConfigured,
        detail: format!("`{}`", repository.name.name),
    })
}

/// Sends a commit whose parent is the tip.
pub(in crate::images) async fn send(
    agent: &Agent,
    repository: &Repository,
    tip: &Tip,
    commit: &CommitId,
) -> Result<Sent, Failure> {
    let write = write_of(repository)?;
    // One that is not believed here would stop every sync of the branch.
    verified(agent, repository, commit).await?;
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
        Ok(Push::Unclear { message }) => Ok(Sent::Unclear(message)),
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
    let (mirror, new, id) = (tip.mirror.clone(), tip.commit.clone(), id.to_owned());
    let (old, commit) = (old.clone(), commit.clone());
    let found = blocking(move || {
        if mirror.is_ancestor(&commit, &new)? {
            return Ok(Some(commit));
        }
        mirror.find_trailer(&new, &old, names::TRAILER_UPDATE, &id)
    });
    found.await.map_err(|error: Error| failure(&error))
}

/// A commit with the author and the signature of the Repository.
pub(in crate::images) async fn signed(
    agent: &Agent,
    repository: &Repository,
    message: String,
) -> Result<NewCommit, Failure> {
    let write = write_of(repository)?;
    let signing = match &write.signing {
        Some(secret) => Some(signing_key(agent, repository, secret).await?),
        None => None,
    };
    Ok(NewCommit {
        message,
        author_name: write.author_name.clone(),
        author_email: write.author_email.clone(),
        time: agent.clock.now(),
        signing,
    })
}

/// The key that signs commits, from the Secret that the Repository names. It is read anew when the
/// Secret is another one: to take a passphrase off may take a second.
async fn signing_key(
    agent: &Agent,
    repository: &Repository,
    secret: &str,
) -> Result<SigningKey, Failure> {
    let namespace = &repository.name.namespace;
    let data = agent
        .references
        .secret(agent, namespace, &repository.account, secret)
        .await?;
    let print = data.fingerprint(agent.instance.key());
    if let Some(key) = agent.writers.key(&repository.name, print) {
        return Ok(key);
    }
    let key = data.text("identity").or_else(|| data.text("git.asc"));
    let key = key.ok_or_else(|| Failure {
        reason: Reason::SecretMissing,
        detail: format!("secret `{namespace}/{secret}` needs `identity` or `git.asc`"),
    })?;
    let passphrase = data.text("passphrase");
    let key = blocking(move || SigningKey::parse(&key, passphrase.as_ref())).await;
    let key = key.map_err(|error| Failure {
        reason: error.reason(),
        detail: format!("secret `{namespace}/{secret}`: {error}"),
    })?;
    agent.writers.keep_key(&repository.name, print, key.clone());
    Ok(key)
}

/// What the commits of the branch say to us, up to the tip.
pub(in crate::images) async fn history(
    agent: &Agent,
    repository: &Repository,
    tip: &Tip,
) -> Result<Arc<History>, Failure> {
    let before = agent.writers.history(repository);
    if let Some(known) = before.as_ref().filter(|known| known.tip == tip.commit) {
        return Ok(Arc::clone(known));
    }
    let most = agent.settings.image_history_commits;
    let age = agent.settings.image_history_age;
    let oldest = agent.clock.now().checked_sub(age).unwrap_or(Timestamp::MIN);
    let limits = HistoryLimits {
        commits: most,
        oldest,
    };
    let Tip { mirror, commit } = tip.clone();
    let read = blocking(move || {
        let follows = match &before {
            Some(before) => mirror.is_ancestor(&before.tip, &commit)?,
            None => false,
        };
        match before.filter(|_| follows) {
            Some(before) => {
                let newer = mirror.updates(&commit, Some(&before.tip), &limits)?;
                let before = History::clone(&before);
                Ok(before.newer(commit, newer, oldest, most))
            }
            None => {
                let entries = mirror.updates(&commit, None, &limits)?;
                let tip = commit;
                Ok(History { tip, entries })
            }
        }
    });
    let history = read.await.map_err(|error: Error| failure(&error))?;
    let history = Arc::new(history);
    agent.writers.keep_history(repository, &history);
    Ok(history)
}
