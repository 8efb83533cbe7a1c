//! Which commits a revert would undo where a rollout failed.

use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_source::Mirror;
use syncline_web_ui::views::{Commit, RevertView};

use crate::agent::Agent;
use crate::state::{ApplicationState, State};
use crate::sync::commits_to_revert;

/// A rollout that failed, and where its commits are found.
pub(super) struct Failed {
    mirror: Mirror,
    /// The last commit whose rollout came to a good end.
    good: CommitId,
    /// The commit of the rollout that failed.
    commit: CommitId,
}

/// The failed rollout of an application; `None` where it did not fail, or where there is no commit to
/// go back to.
pub(super) fn failed(
    agent: &Agent,
    state: &State,
    name: &Name,
    entry: &ApplicationState,
) -> Option<Failed> {
    let ledger = entry.rollout.as_ref()?;
    ledger.failure.as_ref()?;
    let applied = entry.applied.as_ref().map(|head| &head.info.id);
    let good = applied.or(entry.recorded.as_ref())?;
    if *good == ledger.commit {
        return None;
    }
    let url = &state.source_of(name)?.spec.as_ref().ok()?.url;
    Some(Failed {
        mirror: agent.mirrors.get(url).ok()?,
        good: good.clone(),
        commit: ledger.commit.clone(),
    })
}

/// What a revert would undo; `None` where that is nothing.
pub(super) async fn of(failed: Failed) -> Option<RevertView> {
    let Failed {
        mirror,
        good,
        commit,
    } = failed;
    let command = format!("git revert --no-edit {good}..{commit}");
    let commits = commits_to_revert(mirror, good, commit).await;
    (!commits.is_empty()).then(|| RevertView {
        commits: commits.iter().map(Commit::from).collect(),
        command,
    })
}
