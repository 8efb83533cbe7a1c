//! What a sync begins with: everything that it needs to know, or why it cannot run.

use std::collections::BTreeMap;

use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::owner::Owner;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::Revision;
use syncline_core::trigger::Cause;
use syncline_source::Mirror;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Extent, Other, Start};
use crate::agent::Agent;
use crate::dependencies;
use crate::queue::Trigger;
use crate::state::{ApplicationState, Head, RepositoryState, State};

/// What a trigger leads to.
pub(super) enum Begin {
    /// A sync.
    Go(Box<Start>),
    /// No sync: the statement of the application says why.
    Stay,
    /// No sync yet, and nothing to say: what is missing will trigger one.
    Wait,
}

/// Gathers what the sync needs, or says why it cannot run. The second is the number of the
/// repository's head that this was said of.
pub(super) fn begin(agent: &Agent, name: &Name, trigger: &Trigger) -> (Begin, u64) {
    let mut state = agent.state.lock();
    let repository = state.repository_of(name);
    let repository = repository.and_then(|repository| state.repositories.get(&repository));
    let heads = repository.map_or(0, |repository| repository.heads);
    (decide(agent, &mut state, name, trigger), heads)
}

fn decide(agent: &Agent, state: &mut State, name: &Name, trigger: &Trigger) -> Begin {
    let now = agent.clock.now();
    let Some(entry) = state.applications.get_mut(name) else {
        return Begin::Wait;
    };
    let application = match &entry.spec {
        Ok(application) => application.clone(),
        Err(failure) => {
            let failure = failure.clone();
            entry.statement.say(failure.reason, failure.detail, now);
            return Begin::Stay;
        }
    };
    if let Some(suspend) = &application.suspend {
        let reason = suspend.reason.clone();
        entry.statement.say(Reason::Suspended, reason, now);
        return Begin::Stay;
    }
    let blocked = dependencies::blocked(agent, state, name, now);
    let Some(entry) = state.applications.get_mut(name) else {
        return Begin::Wait;
    };
    let repository = Name::new(&name.namespace, &application.repository);
    let Some(source) = state.repositories.get(&repository) else {
        let detail = format!("`{}`", application.repository);
        entry.statement.say(Reason::RepositoryMissing, detail, now);
        return Begin::Stay;
    };
    if source.head.is_none() && source.checked_at.is_none() {
        return Begin::Wait;
    }
    let (Ok(spec), Some(head)) = (&source.spec, &source.head) else {
        let detail = format!(
            "`{}`: {}",
            application.repository,
            source.statement.message()
        );
        entry.statement.say(Reason::RepositoryNotReady, detail, now);
        return Begin::Stay;
    };
    let mirror = match agent.mirrors.get(&spec.url) {
        Ok(mirror) => mirror,
        Err(error) => {
            entry.statement.say(error.reason(), error.to_string(), now);
            return Begin::Stay;
        }
    };
    let mut others = BTreeMap::new();
    for (source, repository) in &application.rendering.sources {
        match other(agent, &state.repositories, &name.namespace, repository) {
            Ok(other) => {
                others.insert(format!("${source}"), other);
            }
            Err(failure) => {
                entry.statement.say(failure.reason, failure.detail, now);
                return Begin::Stay;
            }
        }
    }
    let by_hand = trigger.cause == Cause::User;
    let newest = (application.sync.automatic || by_hand) && blocked.is_none();
    let target = if newest {
        Some(head.clone())
    } else {
        entry
            .applied
            .clone()
            .or_else(|| applied_before(&mirror, entry, &head.revision))
    };
    if let (None, Some(blocked)) = (&target, blocked) {
        entry.statement.say(blocked.reason, blocked.detail, now);
        return Begin::Stay;
    }
    let Some(target) = target else {
        let detail = format!("{} waits", head.info.id.short());
        entry.statement.say(Reason::ManualSync, detail, now);
        return Begin::Stay;
    };
    let applied = entry
        .applied
        .as_ref()
        .map(|head| head.info.id.clone())
        .or(entry.recorded.clone());
    let approved_since = entry.decided.clone().or(applied.clone());
    let give_way = CancellationToken::new();
    entry.running = Some(give_way.clone());
    let pending = entry.pending.filter(|_| target.info.id == head.info.id);
    Begin::Go(Box::new(Start {
        owner: Owner {
            instance: agent.instance.id().to_owned(),
            application: name.clone(),
        },
        target,
        mirror,
        others,
        approved_plan: entry.annotations.get(names::ANNOTATION_APPROVE).cloned(),
        applied,
        approved_since,
        listed: Extent {
            kinds: entry.listed(names::ANNOTATION_CONTAINS),
            namespaces: entry.listed(names::ANNOTATION_NAMESPACES),
        },
        cause: trigger.cause,
        heads: source.heads,
        give_way,
        pending,
        deadline: Instant::now() + application.sync.timeout,
        application,
    }))
}

/// The newest commit of another source.
fn other(
    agent: &Agent,
    repositories: &BTreeMap<Name, RepositoryState>,
    namespace: &str,
    repository: &str,
) -> Result<Other, Failure> {
    let refuse = |reason, detail| Err(Failure { reason, detail });
    let Some(source) = repositories.get(&Name::new(namespace, repository)) else {
        return refuse(Reason::RepositoryMissing, format!("`{repository}`"));
    };
    let (Ok(spec), Some(head)) = (&source.spec, &source.head) else {
        let detail = format!("`{repository}`: {}", source.statement.message());
        return refuse(Reason::RepositoryNotReady, detail);
    };
    match agent.mirrors.get(&spec.url) {
        Ok(mirror) => Ok(Other {
            repository: repository.to_owned(),
            mirror,
            commit: head.info.id.clone(),
        }),
        Err(error) => refuse(error.reason(), error.to_string()),
    }
}

/// The commit that an earlier run of the agent applied last.
fn applied_before(mirror: &Mirror, entry: &ApplicationState, head: &Revision) -> Option<Head> {
    let info = mirror.commit_info(entry.recorded.as_ref()?).ok()?;
    let revision = Revision {
        branch: head.branch.clone(),
        commit: info.id.clone(),
    };
    Some(Head { revision, info })
}
