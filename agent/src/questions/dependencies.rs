//! What an application depends on, and what depends on it.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use syncline_core::application::Dependency;
use syncline_core::health::Health;
use syncline_core::object::ObjectKey;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use syncline_web_ui::views::{DependencyView, NeededByView, Readiness};

use crate::state::{ApplicationState, State};

/// Whether something is ready, why not, and since when.
type Judged = (Readiness, String, Option<Timestamp>);

/// What an application depends on: what it names itself first, then what that depends on, each
/// application once.
pub(super) fn of(state: &State, name: &Name) -> Vec<DependencyView> {
    let mut views = Vec::new();
    let mut seen = BTreeSet::from([name.clone()]);
    let mut open = VecDeque::from([(name.clone(), 1)]);
    while let Some((namer, depth)) = open.pop_front() {
        let Some(entry) = state.applications.get(&namer) else {
            continue;
        };
        for dependency in named(entry) {
            let via = (depth > 1).then(|| namer.name.clone());
            match dependency {
                Dependency::Application { name: other, ready } => {
                    let other = Name::new(&name.namespace, other);
                    // A circle is told once, by whoever closes it.
                    if !seen.insert(other.clone()) && other != *name {
                        continue;
                    }
                    let (readiness, why, since) = application_ready(state, name, &other);
                    views.push(DependencyView {
                        application: Some(other.name.clone()),
                        object: None,
                        condition: ready.as_ref().map(|ready| ready.as_str().to_owned()),
                        readiness,
                        why,
                        since,
                        depth,
                        via,
                    });
                    if other != *name {
                        open.push_back((other, depth + 1));
                    }
                }
                Dependency::Object { object, ready } => {
                    let condition = ready.as_ref().map(|ready| ready.as_str().to_owned());
                    let (readiness, why, since) =
                        object_ready(state, entry, &object.key, condition.is_some());
                    views.push(DependencyView {
                        application: None,
                        object: Some((&object.key).into()),
                        condition,
                        readiness,
                        why,
                        since,
                        depth,
                        via,
                    });
                }
            }
        }
    }
    views
}

/// The applications that depend on one, directly or through others.
pub(super) fn needing(state: &State, name: &Name) -> Vec<NeededByView> {
    let mut found: Vec<NeededByView> = Vec::new();
    let mut seen = BTreeSet::from([name.name.as_str()]);
    let mut open = VecDeque::from([name.name.as_str()]);
    while let Some(needed) = open.pop_front() {
        let others = state.applications.iter();
        for (other, entry) in others.filter(|(other, _)| other.namespace == name.namespace) {
            let names_it = named(entry).iter().any(|dependency| {
                matches!(dependency, Dependency::Application { name, .. } if name == needed)
            });
            if !names_it || !seen.insert(&other.name) {
                continue;
            }
            found.push(NeededByView {
                name: other.name.clone(),
                direct: needed == name.name,
                waits: entry.statement.reason == Reason::Blocked,
            });
            open.push_back(&other.name);
        }
    }
    found
}

fn named(entry: &ApplicationState) -> &[Dependency] {
    entry.spec.as_ref().map_or(&[], |spec| &spec.depends_on)
}

/// Whether an Application that is depended on is applied and healthy.
fn application_ready(state: &State, asking: &Name, name: &Name) -> Judged {
    if asking == name {
        let why = "it depends on itself, through others".to_owned();
        return (Readiness::Blocking, why, None);
    }
    let Some(entry) = state.applications.get(name) else {
        let why = "there is no such Application".to_owned();
        return (Readiness::Blocking, why, None);
    };
    let applied = entry.applied.is_some() || entry.recorded.is_some();
    let failed = matches!(
        entry.statement.reason.class(),
        Class::Transient | Class::Input | Class::Denied
    );
    let (health, cause) = crate::health::told(state, name);
    let since = entry.health.map(|(_, since)| since);
    match (applied, health) {
        (false, _) => (
            Readiness::Blocking,
            entry.statement.message(),
            Some(entry.statement.since),
        ),
        (true, Health::Healthy) if !failed => (Readiness::Ready, String::new(), since),
        (true, Health::Healthy) => (
            Readiness::Blocking,
            entry.statement.message(),
            Some(entry.statement.since),
        ),
        (true, _) => {
            let why = cause.map_or_else(
                || health.as_str().to_owned(),
                |(key, sentence)| format!("{key}: {sentence}"),
            );
            (Readiness::Blocking, why, since)
        }
    }
}

/// Whether an object that is depended on is healthy, or as its condition says.
fn object_ready(
    state: &State,
    entry: &ApplicationState,
    key: &ObjectKey,
    has_condition: bool,
) -> Judged {
    let text = key.to_string();
    if let Some(waits) = entry.waiting_for.iter().find(|waits| waits.contains(&text)) {
        return (Readiness::Blocking, waits.clone(), None);
    }
    match state.live.seen(key) {
        Some(seen) if !has_condition && seen.health.health == Health::Healthy => {
            (Readiness::Ready, String::new(), None)
        }
        _ => (Readiness::Unknown, String::new(), None),
    }
}
