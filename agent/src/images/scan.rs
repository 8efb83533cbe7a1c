//! Asks the registry for the tags of an image.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_core::application::Referent;
use syncline_core::image::listing::{self, Asked, Rules};
use syncline_core::image::policy::By;
use syncline_core::image::{CommitPlace, Examined, Needs, Order, Pin, Tag};
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use syncline_core::redacted::Redacted;
use syncline_core::trigger::Cause;
use syncline_registry::{Age, Auth, Error};

use super::decide::ours;
use super::explain::{Knowledge, Memory, limits};
use super::{Attempt, destination, fail};
use crate::agent::{Agent, blocking};
use crate::conversion::ImageUpdate;

/// More rounds than there are facts are never needed.
const MORE_ROUNDS: usize = 16;

/// Lists the tags, finds out what a choice among them depends on, and remembers all of it; or why
/// that was not possible.
pub(super) async fn scan(agent: &Agent, policy: &ImageUpdate, cause: Cause) -> Attempt<()> {
    let scanned = read(agent, policy, cause).await;
    let now = agent.clock.now();
    let mut state = agent.state.lock();
    let entry = state.policies.get_mut(&policy.name);
    let memory = entry.map(|entry| &mut entry.memory);
    match scanned {
        Ok(knowledge) => {
            if let Some(memory) = memory {
                memory.knowledge = Some(knowledge);
                memory.scanned_at = Some(now);
                memory.registry = None;
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

async fn read(agent: &Agent, policy: &ImageUpdate, cause: Cause) -> Attempt<Knowledge> {
    let Credentials { auth, unread } = credentials(agent, policy)
        .await
        .map_err(|failure| (failure, None))?;
    let failed = |error: Error| {
        let mut failure = error.failure();
        if failure.reason == Reason::RegistryAuthFailed && !unread.is_empty() {
            failure.detail = format!("{}; {}", failure.detail, unread.join("; "));
        }
        (failure, error.retry_after())
    };
    // Who asks for a look means what the registry has now.
    let age = match cause {
        Cause::User | Cause::Webhook => Age::Now,
        _ => Age::AtMost(policy.interval / 2),
    };
    let listing = agent.registry.tags(&policy.image, &auth, age).await;
    let listing = listing.map_err(failed)?;
    let (currents, before, doubt) = {
        let mut state = agent.state.lock();
        let Some(entry) = state.policies.get_mut(&policy.name) else {
            return fail(Reason::Internal, "the policy is gone");
        };
        let memory = &mut entry.memory;
        let doubt = believed(agent, memory, &listing.tags, cause).err();
        let before = memory.knowledge.clone().unwrap_or_default();
        (memory.currents(), before, doubt)
    };
    if let Some(failure) = doubt {
        return Err((failure, Some(policy.interval)));
    }
    let mut known = Knowledge {
        tags: listing.tags,
        fingerprint: listing.fingerprint,
        facts: Arc::default(),
        commits: Arc::default(),
        held: before.held,
        pinned: before.pinned,
        ours: before.ours,
    };
    // Before the first turn for this policy others may have written.
    let repository = destination(agent, policy).ok();
    if let Some(history) = repository.and_then(|found| agent.writers.history(&found)) {
        known.ours = ours(&history);
    }
    let limits = limits(agent);
    let now = agent.clock.now();
    for _ in 0..limits.facts.saturating_add(MORE_ROUNDS) {
        let mut needs = Needs::default();
        let mut chosen = BTreeSet::new();
        for current in &currents {
            let choice = known.choose(&policy.policy, current.as_ref(), limits, now);
            needs.facts.extend(choice.needs.facts);
            needs.commits.extend(choice.needs.commits);
            chosen.extend(choice.chosen);
        }
        if !needs.commits.is_empty() {
            let places = places(agent, policy, &needs.commits).await;
            let places = places.map_err(|failure| (failure, None))?;
            Arc::make_mut(&mut known.commits).extend(places);
        }
        // A tag may stand for another image since it was looked up.
        let last = needs.is_empty() && policy.policy.pin == Pin::Digest;
        let (tags, age) = if last {
            (
                chosen.into_iter().map(|version| version.tag).collect(),
                Age::Now,
            )
        } else {
            needs.facts.sort();
            needs.facts.dedup();
            (needs.facts, Age::AtMost(agent.settings.registry_tag_age))
        };
        let read = agent
            .registry
            .facts_of(&policy.image, &tags, &auth, age)
            .await;
        let facts = Arc::make_mut(&mut known.facts);
        let mut news = false;
        for (tag, read) in read.known {
            let examined = Examined::Facts(read);
            news |= facts.get(&tag) != Some(&examined);
            facts.insert(tag, examined);
        }
        for (tag, error) in read.refused {
            let examined = Examined::Unreadable(error.to_string());
            news |= facts.get(&tag) != Some(&examined);
            facts.insert(tag, examined);
        }
        if let Some(error) = read.stopped {
            return Err(failed(error));
        }
        let asked = !tags.is_empty() || !known.commits.is_empty();
        if (last && !news) || !asked {
            break;
        }
        if !last && tags.is_empty() && needs.commits.is_empty() {
            break;
        }
    }
    Ok(known)
}

/// Whether a list is to be believed after those before it.
fn believed(agent: &Agent, memory: &mut Memory, tags: &[Tag], cause: Cause) -> Result<(), Failure> {
    let current = memory.currents().into_iter().flatten();
    let current: BTreeSet<Tag> = current.map(|version| version.tag).collect();
    let asked = match cause {
        Cause::User => Asked::ByPerson,
        _ => Asked::Routinely,
    };
    let rules = Rules {
        listings: agent.settings.registry_doubt_listings,
        time: agent.settings.registry_doubt_time,
        ..Rules::default()
    };
    let now = agent.clock.now();
    let judged = listing::judge(&memory.listing, tags, &current, asked, now, &rules);
    memory.listing = judged.memory;
    match judged.doubt {
        Some(doubt) => Err(doubt.failure()),
        None => Ok(()),
    }
}

/// Where commits stand in the branch that orders the tags of a policy.
async fn places(
    agent: &Agent,
    policy: &ImageUpdate,
    ids: &[String],
) -> Result<BTreeMap<String, CommitPlace>, Failure> {
    let Order::Commits(By::History { repository }) = &policy.policy.order else {
        return Ok(BTreeMap::new());
    };
    let name = Name::new(&policy.name.namespace, repository);
    let (url, head) = {
        let state = agent.state.lock();
        let entry = state.repositories.get(&name);
        let entry = entry.ok_or_else(|| Failure {
            reason: Reason::RepositoryMissing,
            detail: format!("`{repository}`"),
        })?;
        let spec = entry.spec.as_ref().map_err(Clone::clone)?;
        let head = entry.head.as_ref().ok_or_else(|| Failure {
            reason: Reason::RepositoryNotReady,
            detail: format!("`{repository}`: {}", entry.statement.message()),
        })?;
        (spec.url.clone(), head.info.id.clone())
    };
    let (mirrors, ids) = (Arc::clone(&agent.mirrors), ids.to_vec());
    let found = blocking(move || mirrors.get(&url)?.places(&head, &ids));
    found
        .await
        .map_err(|error: syncline_source::Error| Failure {
            reason: error.reason(),
            detail: error.to_string(),
        })
}

/// How to sign in to the registry of an image.
struct Credentials {
    auth: Auth,
    /// Pull secrets that could not be read, each a sentence.
    unread: Vec<String>,
}

/// Those of the Secret that the policy names, else the entry of all pull secrets of its service
/// account that fits the image best. A pull secret that cannot be read is no reason not to ask: many
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
    let mut configs = Vec::new();
    for secret in secrets {
        match docker_config(agent, policy, &secret).await {
            Ok(Some(config)) => configs.push((secret, config)),
            Ok(None) => {}
            Err(failure) if failure.reason.class() == Class::Transient => return Err(failure),
            Err(failure) => unread.push(format!("pull secret `{secret}`: {}", failure.detail)),
        }
    }
    let read = configs.iter().map(|(name, config)| (name.as_str(), config));
    let auth = match Auth::from_docker_configs(read, &policy.image) {
        Ok(auth) => auth.unwrap_or_default(),
        Err(error) => {
            unread.push(error.to_string());
            Auth::Anonymous
        }
    };
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
        let auth = Auth::from_docker_config(&config, &policy.image).map_err(|error| Failure {
            reason: Reason::RegistryAuthFailed,
            detail: format!("secret `{namespace}/{secret}`: {error}"),
        })?;
        return Ok(auth.unwrap_or_default());
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
