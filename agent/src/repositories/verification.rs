//! Lets nothing of a commit be used that is not signed by a key which the Repository names.

use std::sync::Arc;

use syncline_core::application::Repository;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::Signers;

use crate::agent::{Agent, blocking};

/// The keys that may sign the commits of a Repository; none where it does not ask for that.
pub(crate) async fn signers(
    agent: &Agent,
    repository: &Repository,
) -> Result<Option<Signers>, Failure> {
    let Some(verify) = &repository.verify else {
        return Ok(None);
    };
    let namespace = &repository.name.namespace;
    let data = agent
        .references
        .secret(agent, namespace, &repository.account, &verify.secret)
        .await?;
    let entries = data.keys().filter_map(|key| Some((key, data.get(key)?)));
    let signers = Signers::parse(entries).map_err(|error| Failure {
        reason: Reason::SecretMissing,
        detail: format!(
            "secret `{namespace}/{}` of `spec.verify`: {error}",
            verify.secret
        ),
    })?;
    Ok(Some(signers))
}

/// Whether a commit that is in the mirror may be used. To be asked before anything of it is read, and
/// before a commit of ours is made on top of it: that would vouch for what is below.
pub(crate) async fn verified(
    agent: &Agent,
    repository: &Repository,
    commit: &CommitId,
) -> Result<(), Failure> {
    let Some(signers) = signers(agent, repository).await? else {
        return Ok(());
    };
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, commit) = (repository.url.clone(), commit.clone());
    let now = agent.clock.now();
    let verified = blocking(move || mirrors.get(&url)?.verify(&commit, &signers, now));
    verified.await.map(drop).map_err(|error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    })
}
