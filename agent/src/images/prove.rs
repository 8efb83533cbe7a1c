//! Proves an edit: every application that reads an edited file is rendered without and with it.
//!
//! The commit is in the mirror and on no branch yet, so a render reads it like any other; that of
//! the commit is kept, and the sync that follows the push needs none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use syncline_core::application::Repository;
use syncline_core::image::prove::{Disproof, Expected, Proof, prove};
use syncline_core::manifest::Raw;
use syncline_core::outcome::Failure;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Class;
use syncline_core::record::Name;
use syncline_core::revision::{CommitId, Revision};
use syncline_core::secret_inputs::SecretInputs;
use syncline_source::Mirror;

use crate::agent::{Agent, blocking};
use crate::state::{Head, State};
use crate::sync::{Drawn, Dry};

/// Two commits of a branch, and the files that differ.
pub(super) struct Question<'a> {
    pub(super) repository: &'a Repository,
    pub(super) mirror: &'a Mirror,
    /// The tip.
    pub(super) before: &'a CommitId,
    /// The commit on top of it.
    pub(super) after: &'a CommitId,
    /// The files that differ.
    pub(super) files: &'a BTreeSet<String>,
    /// The one application that is asked about; all where it is absent.
    pub(super) only: Option<&'a Name>,
}

/// What an application that reads an edited file becomes.
pub(super) struct Reader {
    pub(super) application: Name,
    /// The edited files that it reads.
    pub(super) files: BTreeSet<String>,
    /// What it is at the tip.
    pub(super) before: Result<Vec<Raw>, Vec<Failure>>,
    /// What it is with the commit.
    pub(super) after: Result<Vec<Raw>, Vec<Failure>>,
    /// What of that is not to be shown.
    secrets: SecretInputs,
}

/// What an application says of an edit.
pub(super) enum Said {
    /// Exactly what was expected changes.
    Shown(Proof),
    /// Nothing changes, and why.
    Silent(String),
    /// It cannot be told, and why.
    Unknown(String),
    /// Something else changes, or nothing can be rendered any more.
    Against(String),
}

/// Renders every application that reads one of the files, at both commits.
pub(super) async fn readers(
    agent: &Arc<Agent>,
    question: &Question<'_>,
) -> Result<Vec<Reader>, Failure> {
    let branches = branches(&agent.state.lock(), question.repository);
    let mut candidates = candidates(agent, question, &branches).await;
    if let Some(only) = question.only {
        candidates.retain(|name| name == only);
    }
    let head = |commit: &CommitId| {
        let (mirror, commit) = (question.mirror.clone(), commit.clone());
        let branch = question.repository.branch.clone();
        async move {
            let found = blocking(move || {
                let info = mirror.commit_info(&commit)?;
                let revision = Revision { branch, commit };
                Ok(Head { revision, info })
            });
            found
                .await
                .map_err(|error: syncline_source::Error| Failure {
                    reason: error.reason(),
                    detail: error.to_string(),
                })
        }
    };
    let (before, after) = (head(question.before).await?, head(question.after).await?);
    let files: Vec<String> = question.files.iter().cloned().collect();
    let (branches, before, after, files) = (&branches, &before, &after, &files);
    let rendered = stream::iter(candidates).map(async |application| {
        let before = drawn(agent, &application, branches, before).await;
        let touched = |drawn: &Drawn| drawn.reads.is_touched_by(files);
        // What it does not read it does not begin to read by an edit of that.
        if !touched(&before) {
            return None;
        }
        let after = drawn(agent, &application, branches, after).await;
        // What passes by itself says nothing of the edit.
        if let (Ok(_), Err(failures)) = (&before.objects, &after.objects)
            && let Some(failure) = failures.iter().find(|failure| is_passing(failure))
        {
            return Some(Err(failure.clone()));
        }
        let read = |file: &&String| before.reads.is_touched_by(std::slice::from_ref(*file));
        Some(Ok(Reader {
            application,
            files: files.iter().filter(read).cloned().collect(),
            before: before.objects,
            after: after.objects,
            secrets: after.secrets,
        }))
    });
    let rendered = rendered.buffer_unordered(agent.settings.render_workers);
    let rendered: Vec<_> = rendered.filter_map(std::future::ready).collect().await;
    let mut readers = rendered.into_iter().collect::<Result<Vec<Reader>, _>>()?;
    readers.sort_by(|a, b| a.application.cmp(&b.application));
    Ok(readers)
}

/// The Repositories that are the same branch of the same repository.
fn branches(state: &State, repository: &Repository) -> BTreeSet<Name> {
    let identity = repository.url.identity();
    let all = state.repositories.iter();
    let same = all.filter(|(_, entry)| {
        entry
            .spec
            .as_ref()
            .is_ok_and(|spec| spec.branch == repository.branch && spec.url.identity() == identity)
    });
    same.map(|(name, _)| name.clone()).collect()
}

/// The applications that may read one of the files at the tip: those of which that is known, and
/// those of which nothing is known at the tip.
async fn candidates(
    agent: &Agent,
    question: &Question<'_>,
    branches: &BTreeSet<Name>,
) -> BTreeSet<Name> {
    let heads: BTreeMap<Name, Option<CommitId>> = {
        let state = agent.state.lock();
        let heads = branches.iter().filter_map(|name| {
            let head = state.repositories.get(name)?.head.as_ref();
            Some((name.clone(), head.map(|head| head.info.id.clone())))
        });
        heads.collect()
    };
    let mut candidates = BTreeSet::new();
    for (repository, head) in heads {
        let mut changed: Vec<String> = question.files.iter().cloned().collect();
        // What the applications read is known as of the head that was looked at last.
        let known = match head {
            Some(head) if head == *question.before => true,
            Some(head) => {
                let (mirror, tip) = (question.mirror.clone(), question.before.clone());
                let moved = blocking(move || mirror.changed_paths(&head, &tip)).await;
                let known = moved.is_ok();
                changed.extend(moved.unwrap_or_default());
                known
            }
            None => false,
        };
        let state = agent.state.lock();
        let Some(entry) = state.repositories.get(&repository) else {
            continue;
        };
        candidates.extend(entry.index.touched_by(&changed));
        candidates.extend(entry.unrendered.keys().cloned());
        let readers = state.readers_of(&repository).into_iter();
        candidates.extend(readers.filter(|name| !known || !entry.index.contains(name)));
    }
    let state = agent.state.lock();
    candidates.retain(|name| {
        let entry = state.applications.get(name);
        entry.is_some_and(|entry| entry.spec.is_ok() && entry.deleting.is_none())
    });
    candidates
}

async fn drawn(
    agent: &Arc<Agent>,
    application: &Name,
    branches: &BTreeSet<Name>,
    at: &Head,
) -> Drawn {
    match Box::pin(Dry::begin_at(agent, application, branches, at)).await {
        Ok(dry) => Box::pin(dry.draw(branches)).await,
        // Whatever it reads cannot be told: it counts as a reader of everything.
        Err(failures) => {
            let mut reads = ReadSet::default();
            reads.add_tree("");
            Drawn {
                reads,
                objects: Err(failures),
                secrets: SecretInputs::default(),
            }
        }
    }
}

/// What a reader says of an edit with these expectations.
pub(super) fn judge(reader: &Reader, expected: &[Expected]) -> Said {
    let application = reader.application.to_string();
    let (before, after) = match (&reader.before, &reader.after) {
        (Err(failures), _) => {
            let why = first(failures);
            return Said::Unknown(format!(
                "`{application}` cannot be rendered without it: {why}"
            ));
        }
        (Ok(_), Err(failures)) => {
            let why = first(failures);
            return Said::Against(format!("with it `{application}` cannot be rendered: {why}"));
        }
        (Ok(before), Ok(after)) => (before, after),
    };
    let shown = |disproof: &Disproof| {
        let detail = disproof.failure(&application).detail;
        reader.secrets.mask_text(&detail).into_owned()
    };
    match prove(before, after, expected) {
        Ok(proof) => Said::Shown(proof),
        Err(disproof @ Disproof::Unchanged(_)) => Said::Silent(shown(&disproof)),
        Err(disproof @ Disproof::Unexpected(_)) => Said::Against(shown(&disproof)),
    }
}

/// Why an application cannot be rendered any more; `None` where it can, or could not before.
pub(super) fn broken(reader: &Reader) -> Option<String> {
    match (&reader.before, &reader.after) {
        (Ok(_), Err(failures)) => {
            let (application, why) = (&reader.application, first(failures));
            Some(format!("with it `{application}` cannot be rendered: {why}"))
        }
        _ => None,
    }
}

fn is_passing(failure: &Failure) -> bool {
    failure.reason.class() == Class::Transient
}

fn first(failures: &[Failure]) -> &str {
    let first = failures.first().map(|failure| failure.detail.as_str());
    first.unwrap_or_default()
}
