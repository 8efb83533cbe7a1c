//! The commits that a revert would undo where a rollout failed.

use syncline_core::revision::{CommitId, CommitInfo};
use syncline_source::Mirror;

use crate::agent::blocking;
use crate::sync::Start;

/// How many commits are named.
const NAMED_COMMITS: usize = 10;

/// The newest commits since the last one whose rollout came to a good end, up to the one that failed;
/// one more than are named where there are more. None where the mirror does not have them.
pub(crate) async fn commits_to_revert(
    mirror: Mirror,
    good: CommitId,
    failed: CommitId,
) -> Vec<CommitInfo> {
    let commits = blocking(move || {
        let commits = mirror.commits_between(&good, &failed, NAMED_COMMITS + 1);
        commits.unwrap_or_default()
    });
    let commits = commits.await.into_iter();
    commits.map(|(info, _)| info).collect()
}

/// The same in words, after a failure.
pub(super) async fn named(start: &Start) -> String {
    let Some(good) = start.applied.clone() else {
        return String::new();
    };
    let failed = start.target.info.id.clone();
    let commits = commits_to_revert(start.mirror.clone(), good, failed).await;
    let mut named: Vec<String> = commits
        .iter()
        .take(NAMED_COMMITS)
        .map(|info| format!("{} ({})", info.id.short(), info.subject))
        .collect();
    if commits.len() > NAMED_COMMITS {
        named.push("and older ones".to_owned());
    }
    match named.as_slice() {
        [] => String::new(),
        all => format!("; to be reverted: {}", all.join(", ")),
    }
}
