//! From live events to the state of an application: drift and health, without a render.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use syncline_cluster::{Live, watch};
use syncline_core::health::{Health, ObjectHealth, assess};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::plan::{self, has_drifted, repair_delay};
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::trigger::Cause;

use crate::agent::Agent;
use crate::report;
use crate::state::{ApplicationState, Fight};
use crate::sync::reduced;

/// Most repairs in a row that are counted; the delay has reached its end long before.
const MOST_ROUNDS: u32 = 32;

/// Health of what a watch or an apply gave; kinds of which only metadata is read have none.
pub(crate) fn observe(object: Option<&Value>) -> ObjectHealth {
    object.map_or_else(|| ObjectHealth::new(Health::Healthy, ""), assess)
}

/// Takes one event in: remembers the object, asks for a repair where it lost fields, and says how
/// the application is now.
pub(crate) async fn take(agent: &Arc<Agent>, event: watch::Event) {
    let (name, changed) = match event.change {
        watch::Change::Applied(live) => applied(agent, &live),
        watch::Change::Deleted(key) => deleted(agent, &key),
        watch::Change::Restarted => return,
        watch::Change::Failing(error) => {
            tracing::warn!(watch = %event.watch, %error, "a watch does not work");
            return;
        }
    };
    if let Some(name) = name
        && changed
    {
        report::application(agent, &name).await;
    }
}

fn applied(agent: &Agent, live: &Live) -> (Option<Name>, bool) {
    let now = agent.clock.now();
    let mut guard = agent.state.lock();
    let state = &mut *guard;
    let seen = reduced(live);
    let owner = seen
        .owner(&live.key)
        .filter(|owner| owner.instance == agent.instance.id());
    // Without a record of its own it may be an object of ours that lost it.
    let claimed = state.claims.get(&live.key).cloned();
    let Some(name) = claimed.clone().or(owner.map(|owner| owner.application)) else {
        return (None, false);
    };
    let Some(entry) = state.applications.get_mut(&name) else {
        return (None, false);
    };
    let health = observe(live.object.as_ref());
    let news = entry.observed.get(&live.key) != Some(&health);
    entry.observed.insert(live.key.clone(), health);
    let drifted = claimed.is_some() && check(agent, &name, entry, &live.key, Some(&seen));
    let changed = drifted || (news && judge_running(entry, now));
    (Some(name), changed)
}

fn deleted(agent: &Agent, key: &ObjectKey) -> (Option<Name>, bool) {
    let mut guard = agent.state.lock();
    let state = &mut *guard;
    for entry in state.applications.values_mut() {
        entry.observed.remove(key);
        entry.written.remove(key);
    }
    let Some(name) = state.claims.get(key).cloned() else {
        return (None, false);
    };
    let Some(entry) = state.applications.get_mut(&name) else {
        return (None, false);
    };
    let changed = check(agent, &name, entry, key, None);
    (Some(name), changed)
}

/// Looks whether a live object (`None`: it is gone) is still what was applied, and asks for a
/// repair where it is not. While a sync runs the look waits for its end. Answers whether the state
/// of the application changed.
pub(crate) fn check(
    agent: &Agent,
    name: &Name,
    entry: &mut ApplicationState,
    key: &ObjectKey,
    seen: Option<&plan::Live>,
) -> bool {
    if entry.syncing {
        entry.seen_meanwhile.insert(key.clone(), seen.cloned());
        return false;
    }
    let Some((_, rendered)) = entry.rendered.clone() else {
        return false;
    };
    let Some(manifest) = rendered.set.get(key) else {
        return false;
    };
    let drifted = match seen {
        None => true,
        Some(live) if live.deleting || is_own_write(entry, key, live) => false,
        Some(live) => {
            let manager = names::field_manager(agent.instance.id());
            let applied = rendered
                .applied
                .get(key)
                .map(String::as_str)
                .unwrap_or_default();
            !has_drifted(&manifest.body.to_wire(), applied, live, &manager).is_empty()
        }
    };
    drifted && repair(agent, name, entry, key, agent.clock.now())
}

/// Whether an event is not newer than our own last write. Resource versions of one kind are
/// ordered numbers (KEP-5504).
fn is_own_write(entry: &ApplicationState, key: &ObjectKey, live: &plan::Live) -> bool {
    let Some(written) = entry.written.get(key) else {
        return false;
    };
    match (
        live.resource_version.parse::<u128>(),
        written.parse::<u128>(),
    ) {
        (Ok(seen), Ok(written)) => seen <= written,
        _ => live.resource_version == *written,
    }
}

/// Asks for a repair, later each time the same object is changed again; or only says so where
/// `selfHeal` is off. Answers whether the state changed.
fn repair(
    agent: &Agent,
    name: &Name,
    entry: &mut ApplicationState,
    key: &ObjectKey,
    now: Timestamp,
) -> bool {
    let Ok(spec) = &entry.spec else { return false };
    if spec.suspend.is_some() || entry.deleting.is_some() {
        return false;
    }
    if !spec.sync.self_heal {
        let was = entry.statement.reason;
        entry
            .statement
            .say(Reason::DriftFound, key.to_string(), now);
        return was != Reason::DriftFound;
    }
    let instant = agent.clock.monotonic();
    let fight = entry.fights.entry(key.clone()).or_insert(Fight {
        rounds: 0,
        last: instant,
    });
    if instant.saturating_duration_since(fight.last) > agent.settings.drift_calm {
        fight.rounds = 0;
    }
    let delay = repair_delay(
        fight.rounds,
        agent.settings.retry_first,
        agent.settings.retry_most,
    );
    fight.rounds = (fight.rounds + 1).min(MOST_ROUNDS);
    fight.last = instant;
    agent.queue.push(name, Cause::Drift, now, instant + delay);
    false
}

/// As [`judge`], for an application whose last sync went well; answers whether anything changed.
fn judge_running(entry: &mut ApplicationState, now: Timestamp) -> bool {
    let healthy = [
        Reason::Synced,
        Reason::Progressing,
        Reason::Degraded,
        Reason::Missing,
    ];
    if !healthy.contains(&entry.statement.reason) {
        return false;
    }
    let before = entry.statement.clone();
    judge(entry, now);
    entry.statement != before
}

/// Says how an application is whose objects were all applied, from the health of its objects.
pub(crate) fn judge(entry: &mut ApplicationState, now: Timestamp) {
    let (health, worst) = entry.health();
    let detail = worst.map(|(key, message)| match message.as_str() {
        "" => key.to_string(),
        message => format!("{key}: {message}"),
    });
    if matches!(health, Health::Healthy | Health::Suspended) {
        entry.unhealthy_since = None;
    } else if entry.unhealthy_since.is_none() {
        entry.unhealthy_since = Some(now);
    }
    let reason = match health {
        Health::Healthy | Health::Suspended => Reason::Synced,
        Health::Progressing | Health::Unknown => {
            if is_late(entry, now) {
                Reason::Degraded
            } else {
                Reason::Progressing
            }
        }
        Health::Missing => Reason::Missing,
        Health::Degraded => Reason::Degraded,
    };
    let detail = match reason {
        Reason::Synced => String::new(),
        _ => detail.unwrap_or_default(),
    };
    entry.statement.say(reason, detail, now);
}

/// Whether the workloads have had longer than `spec.sync.timeout` to become healthy.
fn is_late(entry: &ApplicationState, now: Timestamp) -> bool {
    let (Ok(spec), Some(since)) = (&entry.spec, entry.unhealthy_since) else {
        return false;
    };
    now.duration_since(since).unsigned_abs() > spec.sync.timeout
}

/// Applications that have been on their way for too long become degraded without any event.
pub(crate) async fn judge_late(agent: &Arc<Agent>) {
    let now = agent.clock.now();
    let late: Vec<Name> = {
        let mut state = agent.state.lock();
        state
            .applications
            .iter_mut()
            .filter(|(_, entry)| entry.statement.reason == Reason::Progressing)
            .filter_map(|(name, entry)| judge_running(entry, now).then(|| name.clone()))
            .collect()
    };
    for name in late {
        report::application(agent, &name).await;
    }
}
