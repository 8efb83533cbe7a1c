//! Asks the registry for the tags of an image.

use syncline_core::application::Referent;
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use syncline_core::redacted::Redacted;
use syncline_registry::Auth;

use super::Attempt;
use crate::agent::Agent;
use crate::conversion::ImageUpdate;

/// Lists the tags and remembers them, or why that was not possible.
pub(super) async fn scan(agent: &Agent, policy: &ImageUpdate) -> Attempt<()> {
    let listed = list(agent, policy).await;
    let now = agent.clock.now();
    let mut state = agent.state.lock();
    let entry = state.policies.get_mut(&policy.name);
    let memory = entry.map(|entry| &mut entry.memory);
    match listed {
        Ok(listing) => {
            if let Some(memory) = memory {
                memory.listed(listing.tags, now);
            }
            Ok(())
        }
        Err((failure, after)) => {
            if let Some(memory) = memory {
                memory.unlisted(&failure, now);
            }
            Err((failure, after))
        }
    }
}

async fn list(agent: &Agent, policy: &ImageUpdate) -> Attempt<syncline_registry::Listing> {
    let Credentials { auth, unread } = credentials(agent, policy)
        .await
        .map_err(|failure| (failure, None))?;
    let listing = agent.registry.tags(&policy.image, &auth).await;
    listing.map_err(|error| {
        let mut failure = error.failure();
        if failure.reason == Reason::RegistryAuthFailed && !unread.is_empty() {
            failure.detail = format!("{}; {}", failure.detail, unread.join("; "));
        }
        (failure, error.retry_after())
    })
}

/// How to sign in to the registry of an image.
struct Credentials {
    auth: Auth,
    /// Pull secrets that could not be read, each a sentence.
    unread: Vec<String>,
}

/// Those of the Secret that the policy names, else those of the first pull secret of its service
/// account that fits the image. A pull secret that cannot be read is no reason not to ask: many
/// images are public.
async fn credentials(agent: &Agent, policy: &ImageUpdate) -> Result<Credentials, Failure> {
    let namespace = &policy.name.namespace;
    let mut unread = Vec::new();
    if let Some(secret) = &policy.secret {
        let auth = named(agent, policy, secret).await?;
        return Ok(Credentials { auth, unread });
    }
    let secrets = agent
        .references
        .pull_secrets(agent, namespace, &policy.account)
        .await?;
    for secret in secrets {
        match docker_config(agent, policy, &secret).await {
            Ok(Some(config)) => {
                if let Some(auth) = of_config(policy, &secret, &config)? {
                    return Ok(Credentials { auth, unread });
                }
            }
            Ok(None) => {}
            Err(failure) if failure.reason.class() == Class::Transient => return Err(failure),
            Err(failure) => unread.push(format!("pull secret `{secret}`: {}", failure.detail)),
        }
    }
    let auth = Auth::Anonymous;
    Ok(Credentials { auth, unread })
}

/// The credentials in the Secret that the policy names.
async fn named(agent: &Agent, policy: &ImageUpdate, secret: &str) -> Result<Auth, Failure> {
    let namespace = &policy.name.namespace;
    let data = agent
        .references
        .secret(agent, namespace, &policy.account, secret)
        .await?;
    if let Some(config) = data.text(".dockerconfigjson") {
        return Ok(of_config(policy, secret, &config)?.unwrap_or_default());
    }
    match (data.text("username"), data.text("password")) {
        (Some(username), Some(password)) => Ok(Auth::Basic {
            username: username.expose().trim().to_owned(),
            password,
        }),
        _ => Err(Failure {
            reason: Reason::SecretMissing,
            detail: format!(
                "secret `{namespace}/{secret}` needs `.dockerconfigjson`, or `username` and `password`"
            ),
        }),
    }
}

/// The `.dockerconfigjson` of a pull secret. One that does not exist is passed over, as the kubelet
/// does it.
async fn docker_config(
    agent: &Agent,
    policy: &ImageUpdate,
    secret: &str,
) -> Result<Option<Redacted>, Failure> {
    let referent = Referent::Secret;
    let data = agent
        .references
        .find(
            agent,
            referent,
            &policy.name.namespace,
            &policy.account,
            secret,
        )
        .await?;
    Ok(data.and_then(|data| data.text(".dockerconfigjson")))
}

fn of_config(
    policy: &ImageUpdate,
    secret: &str,
    config: &Redacted,
) -> Result<Option<Auth>, Failure> {
    Auth::from_docker_config(config, &policy.image).map_err(|error| Failure {
        reason: Reason::RegistryAuthFailed,
        detail: format!("secret `{}/{secret}`: {error}", policy.name.namespace),
    })
}
