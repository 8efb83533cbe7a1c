//! Kustomize bases in other repositories, pinned to a commit, where the agent's settings allow them.

use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_core::url::RepoUrl;
use syncline_source::Access;

use crate::agent::{Agent, blocking};
use crate::rendering::Tree;

/// The tree of a remote base, `git:<url>@<commit>`: fetched without credentials when it is first
/// needed.
pub(crate) async fn tree(agent: &Agent, source: &str) -> Result<Tree, Failure> {
    let refuse = |detail: String| Failure {
        reason: Reason::RemoteBaseRefused,
        detail,
    };
    let place = source.strip_prefix("git:").and_then(|s| s.rsplit_once('@'));
    let (url, commit) = place.ok_or_else(|| refuse(format!("`{source}`: no such source")))?;
    let allowed = &agent.settings.remote_bases;
    if !allowed.iter().any(|prefix| is_below(url, prefix)) {
        let detail = format!("`{url}` is not below any URL of the setting `--remote-bases`");
        return Err(refuse(detail));
    }
    let url = RepoUrl::parse(url).map_err(|error| refuse(format!("`{url}`: {error}")))?;
    let commit = CommitId::parse(commit).map_err(|error| refuse(error.to_string()))?;
    let mirrors = std::sync::Arc::clone(&agent.mirrors);
    let access = Access::default();
    let snapshot = blocking(move || {
        let mirror = mirrors.get(&url)?;
        mirror.fetch_commit(&access, &commit)?;
        mirror.snapshot(&commit)
    });
    snapshot.await.map(Tree::of).map_err(|error| Failure {
        reason: error.reason(),
        detail: format!("remote base: {error}"),
    })
}

/// Whether a URL is a prefix's own, or one below it.
fn is_below(url: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    url.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".git")
}
