//! What an application waits for before a newer commit of it is applied: other applications, and
//! objects of the cluster. Nothing polls: whoever becomes ready wakes those that wait for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use syncline_core::application::{Application, Dependency};
use syncline_core::dependencies::in_words;
use syncline_core::expression::Expression;
use syncline_core::health::{Health, assess};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::rollout::Phase;
use syncline_core::trigger::Cause;

use crate::agent::Agent;
use crate::named::Answer;
use crate::report;
use crate::state::{ApplicationState, State};

/// How many blockers a sentence names; the status lists them all.
const MOST_NAMED: usize = 3;

/// That a newer commit waits, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// Why, for people.
    pub(crate) failure: Failure,
    /// Each blocker, and since when it is one.
    since: BTreeMap<String, Timestamp>,
}

impl Blocked {
    /// Since when something is waited for.
    pub(crate) fn since(&self, blocker: &Blocker) -> Option<Timestamp> {
        self.since.get(&blocker.label).copied()
    }
}

/// One thing that is waited for.
pub(crate) struct Blocker {
    /// What it is: `Application database`.
    label: String,
    /// Why it is not ready.
    pub(crate) why: String,
    /// What it waits for itself, where it does.
    root: Option<String>,
}

/// Why a newer commit of an application has to wait for what it depends on; `None` where it need not,
/// or where there is no newer one. Remembers the answer in the entry of the application.
pub(crate) fn blocked(
    agent: &Agent,
    state: &mut State,
    name: &Name,
    now: Timestamp,
) -> Option<Failure> {
    let found = find(agent, state, name);
    let entry = state.applications.get_mut(name)?;
    let before = entry.blocked.take();
    let Some(found) = found else {
        if before.is_some() {
            entry.waiting_for.clear();
        }
        return None;
    };
    let since = before.map(|before| before.since).unwrap_or_default();
    let blocked = match found {
        Err(circle) => Blocked {
            failure: circle,
            since,
        },
        Ok(blockers) => {
            let since: BTreeMap<String, Timestamp> = blockers
                .iter()
                .map(|blocker| {
                    let label = blocker.label.clone();
                    let at = since.get(&label).copied().unwrap_or(now);
                    (label, at)
                })
                .collect();
            entry.waiting_for = blockers
                .iter()
                .map(|blocker| sentence(blocker, &since))
                .collect();
            let rest = blockers.len().saturating_sub(MOST_NAMED);
            let mut detail = entry.waiting_for[..blockers.len() - rest].join("; ");
            if rest > 0 {
                detail = format!("{detail}; and {rest} more");
            }
            let failure = Failure {
                reason: Reason::Blocked,
                detail: format!("blocked by {detail}"),
            };
            Blocked { failure, since }
        }
    };
    let failure = blocked.failure.clone();
    entry.blocked = Some(blocked);
    Some(failure)
}

/// `Application database since 12:03:11Z: Progressing: StatefulSet db: 1 of 3 replicas are ready`.
fn sentence(blocker: &Blocker, since: &BTreeMap<String, Timestamp>) -> String {
    let Blocker { label, why, root } = blocker;
    let at = since.get(label).copied().unwrap_or_default();
    let at = at.strftime("%H:%M:%SZ");
    match root {
        Some(root) => format!("{label} since {at}: {why}, which waits for {root}"),
        None => format!("{label} since {at}: {why}"),
    }
}

/// What is waited for, or the circle that the application is part of.
fn find(agent: &Agent, state: &State, name: &Name) -> Option<Result<Vec<Blocker>, Failure>> {
    let entry = state.applications.get(name)?;
    let spec = entry.spec.as_ref().ok()?;
    if spec.depends_on.is_empty() {
        return None;
    }
    if let Some(circle) = state.dependencies.circle(name) {
        return Some(Err(Failure {
            reason: Reason::DependencyCycle,
            detail: in_words(&circle),
        }));
    }
    if !is_behind(state, name, entry) {
        return None;
    }
    let dependencies = spec.depends_on.iter();
    let blockers: Vec<Blocker> = dependencies
        .filter_map(|dependency| judge(agent, state, spec, dependency))
        .collect();
    (!blockers.is_empty()).then_some(Ok(blockers))
}

/// What is not ready of what an application depends on; `None` where it is ready.
pub(crate) fn judge(
    agent: &Agent,
    state: &State,
    spec: &Application,
    dependency: &Dependency,
) -> Option<Blocker> {
    let (label, why, root) = match dependency {
        Dependency::Application { name, ready } => {
            let other = Name::new(&spec.name.namespace, name);
            let why = unready(state, &other).or_else(|| {
                let object = as_object(state, &other)?;
                fails(ready.as_ref()?, &object)
            })?;
            let root = root_of(state, &other);
            (format!("Application {name}"), why, root)
        }
        Dependency::Object { object, ready } => {
            let answer = agent.named.get(spec, &object.key);
            let why = object_unready(&answer, ready.as_ref())?;
            (label_of(&object.key), why, None)
        }
    };
    Some(Blocker { label, why, root })
}

fn label_of(key: &ObjectKey) -> String {
    format!("{} {}", key.kind, key.name)
}

/// Whether a commit that concerns the application is not applied yet.
fn is_behind(state: &State, name: &Name, entry: &ApplicationState) -> bool {
    let repository = state.source_of(name);
    let head = repository.and_then(|repository| repository.head.as_ref());
    match (applied(entry), head) {
        (None, _) => true,
        (Some(applied), Some(head)) if *applied == head.info.id => false,
        (Some(_), _) => entry.pending.is_some(),
    }
}

/// The commit that was applied last, also by an earlier run of the agent.
fn applied(entry: &ApplicationState) -> Option<&CommitId> {
    let applied = entry.applied.as_ref().map(|head| &head.info.id);
    applied.or(entry.recorded.as_ref())
}

/// Why an application is not ready; `None` where it is: at the newest commit that concerns it, its
/// last sync complete, its rollout at its end, and healthy.
fn unready(state: &State, name: &Name) -> Option<String> {
    let Some(entry) = state.applications.get(name) else {
        return Some("it does not exist".to_owned());
    };
    if entry.deleting.is_some() {
        // Its deletion waits until the others are rendered, so those must not wait for it.
        return None;
    }
    if let Err(failure) = &entry.spec {
        return Some(format!("{}: {}", failure.reason, failure.detail));
    }
    if let Some(blocked) = &entry.blocked {
        return Some(match blocked.failure.reason {
            Reason::DependencyCycle => blocked_by_circle(&blocked.failure),
            other => other.to_string(),
        });
    }
    if is_behind(state, name, entry) {
        return Some(said(entry).unwrap_or_else(|| match applied(entry) {
            Some(_) => "its newest commit is not applied yet".to_owned(),
            None => "it has not been applied yet".to_owned(),
        }));
    }
    if entry.failures > 0 {
        return Some(said(entry).unwrap_or_else(|| "its last sync failed".to_owned()));
    }
    if let Some(rollout) = &entry.rollout
        && rollout.phase != Phase::Done
    {
        let on_its_way = || "its rollout is not at its end".to_owned();
        return Some(said(entry).unwrap_or_else(on_its_way));
    }
    let (health, worst) = state.health(name);
    if matches!(health, Health::Healthy | Health::Suspended) {
        return None;
    }
    Some(match worst {
        Some((key, message)) if !message.is_empty() => {
            format!("{health}: {}: {message}", label_of(&key))
        }
        Some((key, _)) => format!("{health}: {}", label_of(&key)),
        None => health.to_string(),
    })
}

fn blocked_by_circle(failure: &Failure) -> String {
    format!("{}: {}", failure.reason, failure.detail)
}

/// What the application says of itself, where that is more than that it was applied.
fn said(entry: &ApplicationState) -> Option<String> {
    let statement = &entry.statement;
    if statement.reason.class() == Class::Good {
        return None;
    }
    Some(match statement.detail.as_str() {
        "" => statement.reason.to_string(),
        detail => format!("{}: {detail}", statement.reason),
    })
}

/// The first cause of all that an application waits for, where it waits for others.
fn root_of(state: &State, name: &Name) -> Option<String> {
    state.applications.get(name)?.blocked.as_ref()?;
    let is_ready = |other: &Name| unready(state, other).is_none();
    let blocking = state.dependencies.blocking(name, is_ready);
    let Some(root) = blocking.first() else {
        // What it waits for is no application.
        let entry = state.applications.get(name)?;
        return entry.waiting_for.first().cloned();
    };
    let entry = state.applications.get(root);
    let objects = entry.filter(|entry| entry.blocked.is_some());
    let object = objects.and_then(|entry| entry.waiting_for.first().cloned());
    let why = unready(state, root).unwrap_or_default();
    Some(object.unwrap_or_else(|| format!("Application {}: {why}", root.name)))
}

/// Why an object is not ready.
fn object_unready(answer: &Answer, ready: Option<&Expression>) -> Option<String> {
    match answer {
        Answer::NotYet => Some("it was not looked at yet".to_owned()),
        Answer::Absent => Some("it does not exist".to_owned()),
        Answer::Unreadable(failure) => Some(format!("{}: {}", failure.reason, failure.detail)),
        Answer::Present(object) => match ready {
            Some(ready) => fails(ready, object),
            None => {
                let is = assess(object);
                let well = matches!(is.health, Health::Healthy | Health::Suspended);
                (!well).then(|| match is.message.as_str() {
                    "" => is.health.to_string(),
                    message => format!("{}: {message}", is.health),
                })
            }
        },
    }
}

/// Why a condition does not hold.
fn fails(ready: &Expression, object: &Value) -> Option<String> {
    match ready.holds(object) {
        Ok(true) => None,
        Ok(false) => Some(format!("`{}` is false", ready.as_str())),
        Err(error) => Some(format!("`{}` has no answer: {error}", ready.as_str())),
    }
}

/// An application as its `ready` conditions see it: its metadata and what its status says.
fn as_object(state: &State, name: &Name) -> Option<Value> {
    let entry = state.applications.get(name)?;
    let status = serde_json::to_value(&entry.status).ok()?;
    Some(json!({
        "apiVersion": format!("{}/v1alpha1", names::GROUP),
        "kind": "Application",
        "metadata": {
            "name": name.name,
            "namespace": name.namespace,
            "generation": entry.generation,
            "annotations": entry.annotations,
        },
        "status": status,
    }))
}

/// Takes in what an application names. Answers whether it names others than before.
pub(crate) fn index(state: &mut State, name: &Name) -> bool {
    let entry = state.applications.get(name);
    let spec = entry.and_then(|entry| entry.spec.as_ref().ok());
    let named = spec.into_iter().flat_map(|spec| &spec.depends_on);
    let named = named.filter_map(|dependency| match dependency {
        Dependency::Application { name: other, .. } => Some(Name::new(&name.namespace, other)),
        Dependency::Object { .. } => None,
    });
    let needs: BTreeSet<Name> = named.collect();
    state.dependencies.set(name, needs)
}

/// Says to those that wait for an application how it is now.
pub(crate) fn tell(agent: &Agent, name: &Name) {
    let waiting = {
        let state = agent.state.lock();
        state.dependencies.needed_by(name).cloned().collect()
    };
    reconsider(agent, waiting);
}

/// Looks again at applications that wait: who need not any more is synced, the others say what they
/// wait for now, and those that wait for them are looked at as well.
pub(crate) fn reconsider(agent: &Agent, names: BTreeSet<Name>) {
    let now = agent.clock.now();
    let mut changed = BTreeSet::new();
    {
        let mut state = agent.state.lock();
        let mut next: VecDeque<Name> = names.into_iter().collect();
        while let Some(name) = next.pop_front() {
            if look_again(agent, &mut state, &name, now) {
                next.extend(state.dependencies.needed_by(&name).cloned());
                changed.insert(name);
            }
        }
    }
    let due = agent.clock.monotonic();
    for name in changed {
        agent.reports.ask(&name, due);
    }
}

/// Looks again at one application that waits; answers whether it says something else now.
fn look_again(agent: &Agent, state: &mut State, name: &Name, now: Timestamp) -> bool {
    let Some(entry) = state.applications.get(name) else {
        return false;
    };
    let Some(before) = entry.blocked.clone() else {
        return false;
    };
    let Some(failure) = blocked(agent, state, name, now) else {
        // It is no longer in its own way, but not ready either: its sync says how it goes on.
        if let Some(entry) = state.applications.get_mut(name) {
            entry.blocked = Some(before);
        }
        let due = agent.clock.monotonic();
        agent.queue.push(name, Cause::Dependency, now, due);
        return false;
    };
    if failure == before.failure {
        return false;
    }
    let Some(entry) = state.applications.get_mut(name) else {
        return false;
    };
    let says = matches!(
        entry.statement.reason,
        Reason::Blocked | Reason::DependencyCycle
    );
    let anew = |text: &str| text.replace(&before.failure.detail, &failure.detail);
    if let Some(withheld) = &mut entry.withheld {
        withheld.detail = anew(&withheld.detail);
    }
    if says && entry.running.is_none() {
        let detail = anew(&entry.statement.detail);
        entry.statement.say(failure.reason, detail, now);
    }
    true
}

/// Who still needs an application that goes, for people; `None` where nobody does.
pub(crate) fn still_needed(state: &State, name: &Name) -> Option<String> {
    let needed_by = state.dependencies.all_needed_by(name);
    let exist = needed_by
        .iter()
        .filter(|other| state.applications.contains_key(*other));
    let names: Vec<&str> = exist.map(|other| other.name.as_str()).collect();
    (!names.is_empty()).then(|| format!("still needed by {}", names.join(", ")))
}

/// Says of an application that is being deleted who still needs it, and says it to those.
pub(crate) async fn say_deleted(agent: &Arc<Agent>, name: &Name) {
    let (needed, others) = {
        let state = agent.state.lock();
        let others: Vec<Name> = state.dependencies.needed_by(name).cloned().collect();
        (still_needed(&state, name), others)
    };
    let Some(needed) = needed else { return };
    tracing::warn!(app.name = %name, detail = needed, "an application is deleted that others need");
    report::event(agent, name, Reason::Deleting, &needed).await;
    for other in others {
        let note = format!(
            "Application {}, which this one depends on, is being deleted",
            name.name
        );
        report::event(agent, &other, Reason::Deleting, &note).await;
    }
    tell(agent, name);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(status: Value) -> Answer {
        Answer::Present(Arc::new(json!({
            "apiVersion": "example.com/v1", "kind": "Bucket", "status": status,
        })))
    }

    #[test]
    fn an_object_is_ready_when_its_condition_holds_or_without_one_when_it_is_healthy() {
        let ready = Expression::parse("self.status.phase == 'Bound'").unwrap();
        let bound = bucket(json!({ "phase": "Bound" }));
        assert_eq!(object_unready(&bound, Some(&ready)), None);
        assert_eq!(object_unready(&bound, None), None);
        let lost = bucket(json!({ "phase": "Lost" }));
        let why = object_unready(&lost, Some(&ready)).unwrap();
        assert_eq!(why, "`self.status.phase == 'Bound'` is false");
        let why = object_unready(&bucket(json!({})), Some(&ready)).unwrap();
        assert!(why.contains("has no answer"), "{why}");
    }

    #[test]
    fn what_was_not_seen_is_never_ready() {
        let denied = Answer::Unreadable(Failure {
            reason: Reason::Denied,
            detail: "may not get it".into(),
        });
        for (answer, says) in [
            (Answer::NotYet, "it was not looked at yet"),
            (Answer::Absent, "it does not exist"),
            (denied, "Denied: may not get it"),
        ] {
            assert_eq!(object_unready(&answer, None).as_deref(), Some(says));
        }
    }

    #[test]
    fn a_blocker_is_named_with_its_beginning_and_what_is_behind_it() {
        let blocker = |root: Option<&str>| Blocker {
            label: "Application database".into(),
            why: "Blocked".into(),
            root: root.map(str::to_owned),
        };
        let at = "2026-11-21T12:03:11Z".parse().unwrap();
        let since = BTreeMap::from([("Application database".to_owned(), at)]);
        assert_eq!(
            sentence(&blocker(None), &since),
            "Application database since 12:03:11Z: Blocked"
        );
        assert_eq!(
            sentence(&blocker(Some("Application network: Syncing")), &since),
            "Application database since 12:03:11Z: Blocked, which waits for Application network: Syncing"
        );
    }
}
