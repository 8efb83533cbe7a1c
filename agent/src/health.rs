//! From live events to the state of an application: drift and health, without a render.

pub(crate) mod changes;
pub(crate) mod looks;
pub(crate) mod rules;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use syncline_cluster::{Live, watch};
use syncline_core::health::Health;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::plan::repair_delay;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::rollout::{Awaits, Ledger};
use syncline_core::trigger::Cause;

use crate::agent::Agent;
use crate::dependencies;
use crate::report;

pub(crate) use rules::seen;

use crate::state::{ApplicationState, Fight, State};

/// Most repairs in a row that are counted; the delay has reached its end long before.
const MOST_ROUNDS: u32 = 32;
/// From this many repairs of one object in a row on it is called a fight.
pub(crate) const FIGHT_ROUNDS: u32 = 4;

/// Takes events in that came together: remembers the objects, asks for repairs where they were
/// changed, and says once how each application is now.
pub(crate) fn take(agent: &Agent, events: Vec<watch::Event>) {
    let mut changed: BTreeSet<Name> = BTreeSet::new();
    let mut current = false;
    for event in events {
        match event.change {
            watch::Change::Applied(live) => changed.extend(applied(agent, &live)),
            watch::Change::Deleted(key) => changed.extend(deleted(agent, &key)),
            watch::Change::Restarted => {
                agent.state.lock().current.insert(event.watch);
                current = true;
            }
            watch::Change::Failing(error) => {
                tracing::warn!(watch = %event.watch, %error, "a watch does not work");
                agent.state.lock().current.remove(&event.watch);
                current = true;
            }
        }
    }
    if current {
        agent.seen.notify_waiters();
    }
    let now = agent.clock.now();
    say(agent, changed, now);
}

/// Takes one state of an object in that was read.
pub(crate) fn take_live(agent: &Agent, live: &Live) {
    let changed = applied(agent, live);
    say(agent, changed, agent.clock.now());
}

/// Asks for the status of the applications that are in another state than was said.
fn say(agent: &Agent, changed: BTreeSet<Name>, now: Timestamp) {
    let due = agent.clock.monotonic();
    for name in changed {
        if judge_running(&mut agent.state.lock(), &name, now) {
            agent.reports.ask(&name, due);
        } else {
            dependencies::tell(agent, &name);
        }
    }
}

/// Answers with the applications whose state may have changed.
fn applied(agent: &Agent, live: &Live) -> BTreeSet<Name> {
    let key = &live.key;
    let seen = seen(agent, live);
    let mut state = agent.state.lock();
    // Without a record of its own it may be an object of ours that lost it.
    if seen.owner.is_none() && state.live.claims(key).is_empty() {
        return BTreeSet::new();
    }
    let owner = seen.owner.clone();
    let followed = seen.clone();
    let health = followed.health.health;
    let Some(sight) = state.see(key, seen) else {
        return BTreeSet::new();
    };
    if sight.health {
        let (now, delay) = (agent.clock.monotonic(), agent.settings.health_look_delay);
        agent.looks.follow(key, &followed, now, delay);
        wake_for_hook(agent, &state, key);
    }
    if followed.run.is_some() {
        return BTreeSet::new();
    }
    if let Some(former) = sight.former_owner {
        passed(agent, &state, key, &former);
    }
    let claims = state.live.claims(key).to_vec();
    let mut changed = BTreeSet::new();
    for name in claims {
        go_on(agent, &mut state, &name, |awaits| awaits.saw(key, health));
        let ours = owner.is_none() || owner.as_ref() == Some(&name);
        if (ours && check(agent, &mut state, &name, key)) || sight.health {
            changed.insert(name);
        }
    }
    changed
}

/// The object of a run of a hook is another way than it was: its application goes on, or ends.
fn wake_for_hook(agent: &Agent, state: &State, key: &ObjectKey) {
    let owner = state.live.seen(key).and_then(|seen| seen.owner.as_ref());
    let entry = owner.and_then(|name| Some((name, state.applications.get(name)?)));
    if let Some((name, _)) = entry.filter(|(_, entry)| entry.hooks.contains(key)) {
        let (now, due) = (agent.clock.now(), agent.clock.monotonic());
        agent.queue.push(name, Cause::Rollout, now, due);
    }
}

fn deleted(agent: &Agent, key: &ObjectKey) -> BTreeSet<Name> {
    let mut state = agent.state.lock();
    agent.looks.end(key);
    wake_for_hook(agent, &state, key);
    if let Some(owner) = state.gone(key) {
        go_on(agent, &mut state, &owner, |awaits| awaits.went(key));
        passed(agent, &state, key, &owner);
    }
    let claims: BTreeSet<Name> = state.live.claims(key).iter().cloned().collect();
    for name in &claims {
        check(agent, &mut state, name, key);
    }
    claims
}

/// Lets the rollout of an application go on where an event is what it waited for. While a sync runs,
/// that looks itself.
fn go_on(
    agent: &Agent,
    state: &mut State,
    name: &Name,
    is_awaited: impl FnOnce(&mut Awaits) -> bool,
) {
    if let Some(entry) = state.applications.get_mut(name)
        && entry.running.is_none()
        && is_awaited(&mut entry.awaits)
    {
        let (now, due) = (agent.clock.now(), agent.clock.monotonic());
        agent.queue.push(name, Cause::Rollout, now, due);
    }
}

/// An object left an application: who wants it goes on, and so does the application, which may have
/// waited for that, or is about to.
pub(crate) fn passed(agent: &Agent, state: &State, key: &ObjectKey, former: &Name) {
    let heirs = state.live.claims(key).iter().filter(|name| *name != former);
    // One that still wants it has its own look at it: that is drift.
    let entry = state.applications.get(former);
    let former = entry
        .filter(|entry| !entry.objects.contains_key(key))
        .map(|_| former);
    let (now, due) = (agent.clock.now(), agent.clock.monotonic());
    for name in heirs.chain(former) {
        agent.queue.push(name, Cause::Dependency, now, due);
    }
}

/// Looks at all objects of an application; asks for a repair where one does not stand. Answers
/// whether it did.
pub(crate) fn check_all(agent: &Agent, state: &mut State, name: &Name) -> bool {
    let Some(entry) = state.applications.get(name) else {
        return false;
    };
    let unstable: Vec<ObjectKey> = entry
        .objects
        .iter()
        .filter(|(key, kept)| {
            kept.written.is_some()
                && !state
                    .live
                    .seen(key)
                    .is_some_and(|seen| seen.stands(kept, name))
        })
        .map(|(key, _)| key.clone())
        .collect();
    let mut asked = false;
    for key in unstable {
        asked |= check(agent, state, name, &key);
    }
    asked
}

/// Looks whether a live object is still as it was left, and asks for a repair where it is not. What
/// could not be written waits for the retry of its sync instead. While a sync runs the look waits for its end. Answers whether anything was asked or said.
fn check(agent: &Agent, state: &mut State, name: &Name, key: &ObjectKey) -> bool {
    let Some(entry) = state.applications.get_mut(name) else {
        return false;
    };
    let waits = entry.failed.contains(key) || entry.unwritten.contains(key);
    if entry.running.is_some() || waits {
        return false;
    }
    let Some(kept) = entry.objects.get(key).filter(|kept| kept.written.is_some()) else {
        return false;
    };
    let seen = state.live.seen(key);
    let stands = seen.is_some_and(|seen| seen.deleting || seen.stands(kept, name));
    // What is known and left alone is no news.
    let left = entry.drift_left.get(key);
    let is_known = left.is_some_and(|left| match (left, seen) {
        (Some(left), Some(seen)) => seen.is_as(left),
        (None, None) => true,
        _ => false,
    });
    !stands && !is_known && repair(agent, name, entry, key, agent.clock.now())
}

/// Asks for a repair, later each time the same object is changed again. Answers whether it did.
fn repair(
    agent: &Agent,
    name: &Name,
    entry: &mut ApplicationState,
    key: &ObjectKey,
    now: Timestamp,
) -> bool {
    let Ok(spec) = &entry.spec else { return false };
    let suspended = spec
        .suspend
        .as_ref()
        .is_some_and(|suspend| suspend.holds(now));
    if suspended || entry.deleting.is_some() {
        return false;
    }
    let instant = agent.clock.monotonic();
    let fight = entry.fights.entry(key.clone()).or_insert(Fight {
        rounds: 0,
        last: instant,
        manager: String::new(),
    });
    if instant.saturating_duration_since(fight.last) > agent.settings.drift_calm {
        fight.rounds = 0;
    }
    let delay = repair_delay(
        fight.rounds,
        agent.settings.retry_first,
        agent.settings.retry_most,
    );
    // Without repairs nobody fights: the sync only looks and says what it found.
    if spec.sync.self_heal {
        fight.rounds = (fight.rounds + 1).min(MOST_ROUNDS);
    }
    // The next round begins when this one is repaired.
    fight.last = instant + delay;
    agent.queue.push(name, Cause::Drift, now, instant + delay);
    true
}

/// As [`judge`], for an application whose last sync went well; answers whether anything changed.
fn judge_running(state: &mut State, name: &Name, now: Timestamp) -> bool {
    let healthy = [
        Reason::Synced,
        Reason::Fighting,
        Reason::Progressing,
        Reason::Degraded,
        Reason::Missing,
    ];
    let Some(entry) = state.applications.get(name) else {
        return false;
    };
    let reason = entry.statement.reason;
    let withheld = entry.withheld.as_ref();
    let is_running = healthy.contains(&reason) || withheld.is_some_and(|w| w.reason == reason);
    let rolls = entry.rollout.as_ref().is_some_and(Ledger::is_active);
    if entry.running.is_some() || rolls || !is_running {
        return false;
    }
    // After a start not everything has been seen yet: what the run before said stands until then.
    if entry.attempted.is_none() {
        return false;
    }
    let before = entry.statement.clone();
    judge(state, name, now);
    let after = state.applications.get(name);
    after.is_some_and(|entry| entry.statement != before)
}

/// Says how an application is whose objects were all applied, from the health of its objects.
pub(crate) fn judge(state: &mut State, name: &Name, now: Timestamp) {
    let (health, worst) = state.health(name);
    let Some(entry) = state.applications.get_mut(name) else {
        return;
    };
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
    let fight = fight(entry);
    let (reason, detail) = match (reason, fight) {
        (Reason::Synced, Some(fight)) => (Reason::Fighting, fight),
        (Reason::Synced, None) => (reason, String::new()),
        _ => (reason, detail.unwrap_or_default()),
    };
    let (reason, detail) = match &entry.withheld {
        Some(withheld) => (withheld.reason, withheld_and(withheld, reason, &detail)),
        None => (reason, detail),
    };
    entry.statement.say(reason, detail, now);
}

/// The health of an application as it is told, and the object that it is for. One that had longer
/// than `spec.sync.timeout` to become healthy is degraded.
pub(crate) fn told(state: &State, name: &Name) -> (Health, Option<(ObjectKey, String)>) {
    let (health, worst) = state.health(name);
    let entry = state.applications.get(name);
    let late = entry.is_some_and(|entry| entry.statement.reason == Reason::Degraded);
    match health {
        Health::Progressing | Health::Unknown if late => (Health::Degraded, worst),
        _ => (health, worst),
    }
}

/// What is said where a newer commit waits and what runs is not as it should be.
fn withheld_and(withheld: &Failure, reason: Reason, detail: &str) -> String {
    match (reason, detail) {
        (Reason::Synced, _) => withheld.detail.clone(),
        (_, "") => format!("{}; {}", withheld.detail, reason.row().sentence),
        (_, detail) => format!("{}; {}: {detail}", withheld.detail, reason.row().sentence),
    }
}

/// The fiercest fight about an object, for people.
fn fight(entry: &ApplicationState) -> Option<String> {
    let fights = entry.fights.iter();
    let fights = fights.filter(|(_, fight)| fight.rounds >= FIGHT_ROUNDS);
    let (key, fight) = fights.max_by_key(|(_, fight)| fight.rounds)?;
    let rounds = fight.rounds;
    Some(match fight.manager.as_str() {
        "" => format!("{key}: repaired {rounds} times in a row"),
        manager => format!("{key}: fighting with manager {manager}, {rounds} rounds"),
    })
}

/// Whether the workloads have had longer than `spec.sync.timeout` to become healthy.
fn is_late(entry: &ApplicationState, now: Timestamp) -> bool {
    let (Ok(spec), Some(since)) = (&entry.spec, entry.unhealthy_since) else {
        return false;
    };
    now.duration_since(since).unsigned_abs() > spec.sync.timeout
}

/// What changes without any event: applications that have been on their way for too long, fights
/// that ended.
pub(crate) async fn judge_late(agent: &Arc<Agent>) {
    let now = agent.clock.now();
    let instant = agent.clock.monotonic();
    let changed: Vec<Name> = {
        let mut state = agent.state.lock();
        let mut names = Vec::new();
        for (name, entry) in &mut state.applications {
            let count = entry.fights.len();
            let calm = agent.settings.drift_calm;
            let fought = |fight: &Fight| instant.saturating_duration_since(fight.last) <= calm;
            entry.fights.retain(|_, fight| fought(fight));
            let looks = matches!(
                entry.statement.reason,
                Reason::Progressing | Reason::Fighting
            );
            if looks || entry.fights.len() != count {
                names.push(name.clone());
            }
        }
        names.retain(|name| judge_running(&mut state, name, now));
        names
    };
    let closed: Vec<(Name, String)> = {
        let window = agent.settings.health_flap_window;
        let mut state = agent.state.lock();
        let entries = state.applications.iter_mut();
        let closed = entries.filter_map(|(name, entry)| {
            let note = changes::close(entry, window, now)?;
            Some((name.clone(), note))
        });
        closed.collect()
    };
    for name in changed {
        agent.reports.ask(&name, instant);
    }
    for (name, note) in closed {
        report::event(agent, &name, Reason::HealthChanged, &note).await;
    }
}

/// Asks for the slow check of everything whose time has come.
pub(crate) fn check_slowly(agent: &Agent) {
    let instant = agent.clock.monotonic();
    let interval = agent.settings.full_check_interval;
    let mut state = agent.state.lock();
    for (name, entry) in &mut state.applications {
        if instant.saturating_duration_since(entry.checked) >= interval {
            entry.checked = instant;
            let now = agent.clock.now();
            agent.queue.push(name, Cause::Schedule, now, instant);
        }
    }
}

#[cfg(test)]
mod tests;
