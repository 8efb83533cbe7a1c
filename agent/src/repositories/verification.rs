//! Lets nothing of a commit be used that is not signed by a key which the Repository names.

use std::sync::Arc;

use jiff::Timestamp;
use syncline_core::application::{Repository, VerifyMode};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::{CommitRefused, Error, Mirror, Signer, Signers};

use super::access;
use crate::agent::{Agent, blocking};

/// What a Repository asks of its commits, with the keys that may sign.
#[derive(Clone)]
pub(crate) struct Policy {
    mode: VerifyMode,
    signers: Arc<Signers>,
}

impl Policy {
    /// Whether a commit that is in the mirror may be used, by the tags that are there.
    pub(crate) fn judge(
        &self,
        mirror: &Mirror,
        commit: &CommitId,
        now: Timestamp,
    ) -> Result<Signer, Error> {
        mirror.verify(commit, self.mode, &self.signers, now)
    }
}

/// What a Repository asks of its commits; none where it asks for nothing.
pub(crate) async fn policy(
    agent: &Agent,
    repository: &Repository,
) -> Result<Option<Policy>, Failure> {
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
    Ok(Some(Policy {
        mode: verify.mode,
        signers: Arc::new(signers),
    }))
}

/// Whether a commit that is in the mirror may be used. To be asked before anything of it is read, and
/// before a commit of ours is made on top of it: that would vouch for what is below.
///
/// Looks bring only the tags of the newest commit. So the server is asked for those of another one,
/// where one is needed and those that are here do not do.
pub(crate) async fn verified(
    agent: &Agent,
    repository: &Repository,
    commit: &CommitId,
) -> Result<(), Failure> {
    let Some(policy) = policy(agent, repository).await? else {
        return Ok(());
    };
    let now = agent.clock.now();
    let judge = async |access: Option<syncline_source::Access>| {
        let mirrors = Arc::clone(&agent.mirrors);
        let (url, commit) = (repository.url.clone(), commit.clone());
        let policy = policy.clone();
        blocking(move || {
            let mirror = mirrors.get(&url)?;
            if let Some(access) = access {
                mirror.fetch_tags(&access, &commit)?;
            }
            policy.judge(&mirror, &commit, now)
        })
        .await
    };
    let judged = match judge(None).await {
        Err(Error::Signature { problem, .. }) if matches!(*problem, CommitRefused::Tags(_)) => {
            let access = access(agent, repository, repository.secret.as_deref()).await?;
            judge(Some(access)).await
        }
        judged => judged,
    };
    judged.map(drop).map_err(|error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    })
}
