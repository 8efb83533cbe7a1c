//! What a sync begins with: everything that it needs to know, or why it cannot run.

use std::collections::BTreeMap;

use jiff::Timestamp;
use syncline_core::application::Application;
use syncline_core::gate::{self, Approval, Target, Verdict};
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

use super::{Extent, Other, Purpose, Start, Withheld, rollout};
use crate::agent::{Agent, blocking};
use crate::applications::follow_chart;
use crate::queue::Trigger;
use crate::state::{ApplicationState, Head, RepositoryState, State};
use crate::{abort, approval, dependencies, repositories};

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
pub(super) async fn begin(agent: &Agent, name: &Name, trigger: &Trigger) -> (Begin, u64) {
    let pinned = pinned(agent, name).await;
    let mut state = agent.state.lock();
    let source = state.source_of(name);
    let heads = source.map_or(0, |source| source.heads);
    (decide(agent, &mut state, name, trigger, pinned), heads)
}

/// What the gate says of an application.
fn ask(
    agent: &Agent,
    application: &Application,
    stopped: Option<Failure>,
    (blocked, approval): (Option<Failure>, Approval),
    cause: Cause,
    now: Timestamp,
) -> Verdict {
    let freeze = agent.freeze.current();
    gate::decide(&gate::Inputs {
        now,
        cause,
        freeze: freeze.as_ref(),
        suspension: application.suspend.as_ref(),
        stopped,
        pin: application.pin.as_ref(),
        blocked,
        windows: &application.sync.windows,
        approval,
    })
}

/// The commit of a pin that holds, or why there is none.
async fn pinned(agent: &Agent, name: &Name) -> Option<Result<Head, Failure>> {
    let (digits, source, revision) = {
        let state = agent.state.lock();
        let application = state.applications.get(name)?.spec.as_ref().ok()?;
        let pin = application.pinned(agent.clock.now())?;
        let repository = Name::new(&name.namespace, &application.repository);
        let repository = state.repositories.get(&repository)?;
        let source = repository.spec.clone().ok()?;
        (
            pin.commit.clone(),
            source,
            repository.head.clone()?.revision,
        )
    };
    let mirror = agent.mirrors.get(&source.url);
    let found = blocking(move || {
        let mirror = mirror?;
        let Some(commit) = mirror.resolve(&digits, &revision.commit)? else {
            return Ok(Err(Failure {
                reason: Reason::RevisionNotFound,
                detail: format!(
                    "`spec.pin.commit`: the branch `{}` has no commit `{digits}`, or several that \
                     begin so",
                    revision.branch
                ),
            }));
        };
        let info = mirror.commit_info(&commit)?;
        let branch = revision.branch;
        let revision = Revision { branch, commit };
        Ok(Ok(Head { revision, info }))
    });
    let failure = |error: syncline_source::Error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    };
    let found = found.await.unwrap_or_else(|error| Err(failure(error)));
    let Ok(head) = found else { return Some(found) };
    let verified = repositories::verified(agent, &source, &head.info.id).await;
    Some(verified.map(|()| head))
}

fn decide(
    agent: &Agent,
    state: &mut State,
    name: &Name,
    trigger: &Trigger,
    pinned: Option<Result<Head, Failure>>,
) -> Begin {
    let now = agent.clock.now();
    let Some(entry) = state.applications.get_mut(name) else {
        return Begin::Wait;
    };
    entry.next_try = None;
    let application = match &entry.spec {
        Ok(application) => application.clone(),
        Err(failure) => {
            let failure = failure.clone();
            entry.statement.say(failure.reason, failure.detail, now);
            return Begin::Stay;
        }
    };
    let blocked = dependencies::blocked(agent, state, name, now);
    let repository = Name::new(&name.namespace, &application.repository);
    let head = state.repositories.get(&repository);
    let head = head.and_then(|source| source.head.clone());
    let Some(entry) = state.applications.get_mut(name) else {
        return Begin::Wait;
    };
    let approval = match &head {
        Some(head) => approval::judge(entry, head),
        None => Approval::NotNeeded,
    };
    let stopped = entry.stop().map(|stop| stop.failure());
    let held = (blocked, approval);
    let verdict = ask(agent, &application, stopped, held, trigger.cause, now);
    if verdict.target == Target::Nothing {
        if let Some(because) = verdict.because {
            if because.reason == Reason::Aborted {
                abort::close(agent, name, entry, &because);
            }
            entry.statement.say(because.reason, because.detail, now);
        }
        ask_again(agent, name, entry, verdict.until);
        return Begin::Stay;
    }
    if let (Target::Newest, Some(head)) = (&verdict.target, &head) {
        approval::remember(entry, head, trigger.cause);
    }
    if application.suspend.is_some() {
        // Its suspension is over, without any change of the Application.
        follow_chart(agent, name, entry);
    }
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
    let target = match (&verdict.target, pinned) {
        (Target::Pinned(_), Some(Ok(pinned))) => Some(pinned),
        (Target::Pinned(_), Some(Err(failure))) => {
            entry.statement.say(failure.reason, failure.detail, now);
            let again = now.checked_add(agent.settings.retry_slow).ok();
            ask_again(agent, name, entry, again);
            return Begin::Stay;
        }
        // Its repository came, or the pin changed, in this very moment.
        (Target::Pinned(_), None) => {
            let due = agent.clock.monotonic();
            agent.queue.push(name, trigger.cause, now, due);
            return Begin::Wait;
        }
        (target, _) => {
            // A rollout that has begun goes on to its end, where nothing newer takes its place.
            let by_hand = trigger.cause == Cause::User || *target == Target::Newest;
            let revision = &head.revision;
            let going = rollout::target(agent, &mirror, entry, &application, by_hand, revision);
            going.or_else(|| match target {
                Target::Newest => Some(head.clone()),
                _ => running(&mirror, entry, head),
            })
        }
    };
    let because = verdict.because.map(|because| Failure {
        reason: because.reason,
        detail: waiting(head, &because.detail),
    });
    let Some(target) = target else {
        if let Some(because) = because {
            entry.statement.say(because.reason, because.detail, now);
        }
        ask_again(agent, name, entry, verdict.until);
        return Begin::Stay;
    };
    let newest: BTreeMap<String, Other> = others.clone();
    if verdict.target == Target::Applied {
        stay_with(entry, &mut others);
    }
    let withheld = because.filter(|_| {
        let moved = others.iter().any(|(source, other)| {
            newest.get(source).map(|newest| &newest.commit) != Some(&other.commit)
        });
        moved || target.info.id != head.info.id
    });
    let withheld = withheld.map(|because| Withheld {
        because,
        head: head.info.id.clone(),
        others: newest,
    });
    // Only a pin changes what is to run when it ends, whatever comes until then.
    if withheld.is_some() || matches!(verdict.target, Target::Pinned(_)) {
        ask_again(agent, name, entry, verdict.until);
    }
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
        purpose: Purpose::Sync,
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
        withheld,
        overridden: verdict.overridden,
        listed: Extent {
            kinds: entry.listed(names::ANNOTATION_CONTAINS),
            namespaces: entry.listed(names::ANNOTATION_NAMESPACES),
        },
        cause: trigger.cause,
        heads: source.heads,
        renders: source.renders,
        give_way,
        pending,
        deadline: Instant::now() + application.sync.timeout,
        application,
    }))
}

/// The newest commit of another source.
pub(super) fn other(
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

/// What is said of a newer commit that waits.
fn waiting(head: &Head, detail: &str) -> String {
    let (commit, time) = (head.info.id.short(), head.info.time);
    let text = format!("{commit} of {} waits", time.strftime("%Y-%m-%dT%H:%M:%SZ"));
    match detail {
        "" => text,
        detail => format!("{text}; {detail}"),
    }
}

/// Says when an application is looked at again by itself, and sees to it.
fn ask_again(agent: &Agent, name: &Name, entry: &mut ApplicationState, at: Option<Timestamp>) {
    entry.next_try = at;
    if let Some(at) = at {
        let left = at.duration_since(agent.clock.now());
        let due = agent.clock.monotonic() + left.try_into().unwrap_or_default();
        agent.queue.push(name, Cause::Time, at, due);
    }
}

/// The commit of which the objects are in the cluster, completely or on the way to it: what was
/// begun is not taken back when nothing newer may be applied any more.
pub(super) fn running(mirror: &Mirror, entry: &ApplicationState, head: &Head) -> Option<Head> {
    let applied = entry.applied.as_ref().map(|applied| &applied.info.id);
    let applied = applied.or(entry.recorded.as_ref());
    let begun = entry.kept.as_ref().map(|kept| &kept.commit);
    let commit = match (applied, begun) {
        (Some(applied), Some(begun)) if applied != begun => {
            let newer = mirror.is_ancestor(applied, begun).unwrap_or(false);
            if newer { begun } else { applied }
        }
        (applied, begun) => applied.or(begun)?,
    };
    let known = [Some(head), entry.applied.as_ref()];
    let mut known = known.into_iter().flatten();
    if let Some(known) = known.find(|known| known.info.id == *commit) {
        return Some(known.clone());
    }
    let info = mirror.commit_info(commit).ok()?;
    let revision = Revision {
        branch: head.revision.branch.clone(),
        commit: info.id.clone(),
    };
    Some(Head { revision, info })
}

/// The other sources as well are those of the last render.
fn stay_with(entry: &ApplicationState, others: &mut BTreeMap<String, Other>) {
    let Some(kept) = &entry.kept else { return };
    for (source, other) in others {
        let read = kept.others.get(source);
        if let Some(read) = read.filter(|read| read.repository == other.repository) {
            other.commit.clone_from(&read.commit);
        }
    }
}
