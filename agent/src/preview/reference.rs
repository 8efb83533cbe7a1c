//! What another commit, branch or tag would change, as the running agent answers it.

use std::sync::Arc;

use syncline_core::application::{Application, Repository};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::{CommitId, Revision};

use super::{Detail, Preview};
use crate::agent::{Agent, blocking};
use crate::repositories;
use crate::state::Head;
use crate::sync::Dry;

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unpreviewed {
    /// There is no such Application.
    #[error("there is no application `{0}`")]
    NoApplication(Name),
    /// As many previews are made as the settings allow, and none of them ended in time.
    #[error("too many previews are being made; ask again later")]
    Busy,
    /// It took longer than the settings allow.
    #[error("the preview was not made within `preview_timeout` ({0:?})")]
    Late(std::time::Duration),
    /// The reference, its files or the cluster: everything that is wrong. Never empty.
    #[error("{}", said(.0))]
    Failed(Vec<Failure>),
}

fn said(failures: &[Failure]) -> String {
    let said = failures.iter().map(|failure| {
        let sentence = failure.reason.row().sentence;
        format!("{sentence}: {}", failure.detail)
    });
    said.collect::<Vec<_>>().join("; ")
}

impl From<Failure> for Unpreviewed {
    fn from(failure: Failure) -> Self {
        Self::Failed(vec![failure])
    }
}

/// What a branch, a tag, a commit or any other reference of an Application's repository would change.
///
/// Neither the cluster nor Git nor a status is written, nobody is woken, and the branch of the mirror
/// stays where it is. Bounded by the settings `preview_concurrency` and `preview_timeout`.
pub(crate) async fn preview(
    agent: &Arc<Agent>,
    application: &Name,
    reference: &str,
) -> Result<Preview, Unpreviewed> {
    bounded(agent, async {
        let (spec, repository) = sources(agent, application)?;
        let head = fetched(agent, &repository, reference).await?;
        planned(agent, &spec, head, Detail::Fields).await
    })
    .await
}

/// What is live against what a sync would make of it, with each object that does not stand as two
/// texts: at a reference, or at the commit that is to run, which is the pinned one or the newest.
pub(crate) async fn differences(
    agent: &Arc<Agent>,
    application: &Name,
    reference: Option<&str>,
) -> Result<Preview, Unpreviewed> {
    bounded(agent, async {
        let (spec, repository) = sources(agent, application)?;
        let head = at_or_next(agent, &spec, &repository, reference).await?;
        planned(agent, &spec, head, Detail::Texts).await
    })
    .await
}

/// The plan that waits for a person; where none does, that of the commit that is to run, which is the
/// pinned one or the newest; or that of `reference`.
pub(crate) async fn waiting_or_at(
    agent: &Arc<Agent>,
    application: &Name,
    reference: Option<&str>,
) -> Result<Preview, Unpreviewed> {
    if let Some(reference) = reference {
        return preview(agent, application, reference).await;
    }
    let (spec, repository) = sources(agent, application)?;
    let waiting = {
        let state = agent.state.lock();
        let entry = state.applications.get(application);
        entry.and_then(|entry| entry.proposal.clone())
    };
    let next = match pinned(agent, &spec) {
        Some(commit) => commit.to_owned(),
        None => newest(agent, &repository)?.info.id.to_string(),
    };
    if let Some(proposal) = waiting.filter(|one| one.commit.as_str().starts_with(&next))
        && let Ok(preview) = &proposal.made
    {
        return Ok(preview.clone());
    }
    bounded(agent, async {
        let head = at_or_next(agent, &spec, &repository, None).await?;
        planned(agent, &spec, head, Detail::Fields).await
    })
    .await
}

/// The commit that a person holds an Application at now: in full, or its first digits.
fn pinned<'a>(agent: &Agent, spec: &'a Application) -> Option<&'a str> {
    let pin = spec.pinned(agent.clock.now())?;
    Some(&pin.commit)
}

/// The commit of a reference; where none is given the pinned one, or the newest.
async fn at_or_next(
    agent: &Agent,
    spec: &Application,
    repository: &Repository,
    reference: Option<&str>,
) -> Result<Head, Failure> {
    match reference.or_else(|| pinned(agent, spec)) {
        Some(reference) => fetched(agent, repository, reference).await,
        None => newest(agent, repository),
    }
}

/// The newest commit of a repository that the agent has.
fn newest(agent: &Agent, repository: &Repository) -> Result<Head, Failure> {
    let state = agent.state.lock();
    let found = state.repositories.get(&repository.name);
    let head = found.and_then(|found| found.head.clone());
    head.ok_or_else(|| Failure {
        reason: Reason::RepositoryNotReady,
        detail: format!("`{}`", repository.name.name),
    })
}

/// What a commit that is on no branch yet would change: its files are in the mirror.
pub(crate) async fn of_draft(
    agent: &Arc<Agent>,
    application: &Name,
    commit: CommitId,
) -> Result<Preview, Unpreviewed> {
    bounded(agent, async {
        let (spec, repository) = sources(agent, application)?;
        let failure = |error: syncline_source::Error| Failure {
            reason: error.reason(),
            detail: error.to_string(),
        };
        let mirror = agent.mirrors.get(&repository.url).map_err(failure)?;
        let head = blocking(move || {
            let info = mirror.commit_info(&commit).map_err(failure)?;
            let branch = repository.branch;
            let revision = Revision { branch, commit };
            Ok::<_, Failure>(Head { revision, info })
        });
        planned(agent, &spec, head.await?, Detail::Fields).await
    })
    .await
}

async fn bounded(
    agent: &Agent,
    work: impl Future<Output = Result<Preview, Unpreviewed>>,
) -> Result<Preview, Unpreviewed> {
    let limit = agent.settings.preview_timeout;
    let permit = tokio::time::timeout(limit, agent.previews.acquire());
    let Ok(Ok(_permit)) = permit.await else {
        return Err(Unpreviewed::Busy);
    };
    let made = tokio::time::timeout(limit, work).await;
    made.unwrap_or(Err(Unpreviewed::Late(limit)))
}

fn sources(agent: &Agent, name: &Name) -> Result<(Application, Repository), Unpreviewed> {
    let state = agent.state.lock();
    let entry = state.applications.get(name);
    let entry = entry.ok_or_else(|| Unpreviewed::NoApplication(name.clone()))?;
    let application = entry.spec.clone()?;
    let repository = Name::new(&name.namespace, &application.repository);
    let missing = || Failure {
        reason: Reason::RepositoryMissing,
        detail: format!("`{}`", application.repository),
    };
    let repository = state.repositories.get(&repository).ok_or_else(missing)?;
    let repository = repository.spec.clone()?;
    Ok((application, repository))
}

/// The commit of a reference, with its files in the mirror.
async fn fetched(agent: &Agent, repository: &Repository, reference: &str) -> Result<Head, Failure> {
    let access = repositories::access(agent, repository, repository.secret.as_deref()).await?;
    let failure = |error: syncline_source::Error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    };
    let mirror = agent.mirrors.get(&repository.url).map_err(failure)?;
    let reference = reference.to_owned();
    let head = blocking(move || {
        let commit = mirror
            .fetch_reference(&access, &reference)
            .map_err(failure)?;
        let info = mirror.commit_info(&commit).map_err(failure)?;
        let revision = Revision {
            branch: reference,
            commit,
        };
        Ok(Head { revision, info })
    })
    .await?;
    repositories::verified(agent, repository, &head.info.id).await?;
    Ok(head)
}

async fn planned(
    agent: &Arc<Agent>,
    application: &Application,
    head: Head,
    detail: Detail,
) -> Result<Preview, Unpreviewed> {
    let commit = head.info.id.clone();
    let dry = Box::pin(Dry::begin(agent, &application.name, head)).await;
    let dry = dry.map_err(Unpreviewed::Failed)?;
    let mut preview = Box::pin(dry.plan(detail))
        .await
        .map_err(Unpreviewed::Failed)?;
    preview.touched = dry.touched(&commit).await;
    Ok(preview)
}
