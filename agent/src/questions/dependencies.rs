//! What an application depends on, and what depends on it.

use std::collections::{BTreeSet, VecDeque};

use jiff::Timestamp;
use syncline_core::application::Dependency;
use syncline_core::record::Name;
use syncline_web_ui::views::{DependencyView, NeededByView, Readiness};

use crate::agent::Agent;
use crate::dependencies::judge;
use crate::named::Answer;
use crate::state::{ApplicationState, State};

/// What an application depends on: what it names itself first, then what that depends on, each
/// application once.
pub(super) fn of(agent: &Agent, state: &State, name: &Name) -> Vec<DependencyView> {
    let mut views = Vec::new();
    let mut seen = BTreeSet::from([name.clone()]);
    let mut open = VecDeque::from([(name.clone(), 1)]);
    while let Some((namer, depth)) = open.pop_front() {
        let Some(entry) = state.applications.get(&namer) else {
            continue;
        };
        for dependency in named(entry) {
            let (application, object, condition) = match dependency {
                Dependency::Application { name: other, ready } => {
                    let other = Name::new(&name.namespace, other);
                    // A circle is told once, by whoever closes it.
                    if !seen.insert(other.clone()) && other != *name {
                        continue;
                    }
                    if other != *name {
                        open.push_back((other.clone(), depth + 1));
                    }
                    (Some(other.name), None, ready)
                }
                Dependency::Object { object, ready } => (None, Some((&object.key).into()), ready),
            };
            let (readiness, why, since) = judged(agent, state, entry, dependency);
            views.push(DependencyView {
                application,
                object,
                condition: condition.as_ref().map(|ready| ready.as_str().to_owned()),
                readiness,
                why,
                since,
                depth,
                via: (depth > 1).then(|| namer.name.clone()),
            });
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
                waits: entry.blocked.is_some(),
            });
            open.push_back(&other.name);
        }
    }
    found
}

fn named(entry: &ApplicationState) -> &[Dependency] {
    entry.spec.as_ref().map_or(&[], |spec| &spec.depends_on)
}

/// Whether something that an application depends on is ready, why not, and since when.
fn judged(
    agent: &Agent,
    state: &State,
    entry: &ApplicationState,
    dependency: &Dependency,
) -> (Readiness, String, Option<Timestamp>) {
    let Ok(spec) = &entry.spec else {
        return (Readiness::Unknown, String::new(), None);
    };
    let Some(blocker) = judge(agent, state, spec, dependency) else {
        return (Readiness::Ready, String::new(), None);
    };
    let since = entry.blocked.as_ref();
    let since = since.and_then(|blocked| blocked.since(&blocker));
    let unseen = match dependency {
        Dependency::Application { .. } => false,
        Dependency::Object { object, .. } => {
            matches!(agent.named.get(spec, &object.key), Answer::NotYet)
        }
    };
    let readiness = if unseen {
        Readiness::Unknown
    } else {
        Readiness::Blocking
    };
    (readiness, blocker.why, since)
}
