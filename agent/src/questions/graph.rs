//! The graph of dependencies between applications, drawn.

use std::collections::{BTreeMap, BTreeSet};

use syncline_core::application::Dependency;
use syncline_core::dependencies::layout::{self, Line};
use syncline_core::record::Name;
use syncline_web_ui::views::{
    ApplicationName, DependencyGraph, DrawnApplication, DrawnNeed, GraphPoint, Severity,
};

use super::why;
use crate::agent::Agent;
use crate::dependencies::judge;
use crate::state::State;

/// Most applications in a drawing of all, unless more hang together. One with more shows first what
/// hangs together with whom waits, and says how many it leaves out.
const MOST_DRAWN: usize = 400;

/// What hangs together with an application, or all that have dependencies; `None` where there is no
/// such application.
pub(super) fn of(agent: &Agent, of: Option<&Name>) -> Option<DependencyGraph> {
    let state = agent.state.lock();
    let all: BTreeSet<Name> = state.dependencies.all().into_iter().cloned().collect();
    let shown = match of {
        Some(name) if state.applications.contains_key(name) => state.dependencies.around(name),
        Some(_) => return None,
        None => most_wanted(&state, &all),
    };
    let left_out = all.difference(&shown).count();
    let mut graph = state.dependencies.between(&shown);
    for name in &shown {
        graph.entry(name.clone()).or_default();
    }
    let drawing = layout::draw(&graph);
    let unready = unready(agent, &state, &graph);
    let circles: Vec<Vec<Name>> = state
        .dependencies
        .circles()
        .into_iter()
        .filter(|circle| circle.iter().any(|name| shown.contains(name)))
        .collect();
    let in_circle: BTreeSet<&Name> = circles.iter().flatten().collect();
    let names: Vec<&Name> = drawing.places.iter().map(|place| &place.name).collect();
    let need = |line: &Line| {
        let (from, to) = (names[line.from], names[line.to]);
        let blocked = state.applications.get(from);
        let blocked = blocked.is_some_and(|entry| entry.blocked.is_some());
        let why = unready.get(&(from, to)).cloned();
        DrawnNeed {
            from: line.from as u32,
            to: line.to as u32,
            points: line
                .points
                .iter()
                .map(|(x, y)| GraphPoint { x: *x, y: *y })
                .collect(),
            blocks: blocked && why.is_some(),
            closes_circle: line.closes,
            why: why.unwrap_or_default(),
        }
    };
    let needs = drawing.lines.iter().map(need).collect();
    let applications = drawing.places.iter().map(|place| {
        let name = &place.name;
        let entry = state.applications.get(name);
        let (health, _) = crate::health::told(&state, name);
        DrawnApplication {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            x: place.x,
            y: place.y,
            severity: entry.map(|entry| Severity::of(entry.statement.reason, health.into())),
            why: entry.map(|entry| why(&entry.statement)),
            blocked: entry.is_some_and(|entry| entry.blocked.is_some()),
            in_circle: in_circle.contains(name),
        }
    });
    Some(DependencyGraph {
        applications: applications.collect(),
        needs,
        circles: circles
            .iter()
            .map(|circle| circle.iter().map(ApplicationName::from).collect())
            .collect(),
        width: drawing.width,
        height: drawing.height,
        box_width: layout::WIDTH,
        box_height: layout::HEIGHT,
        left_out: left_out as u32,
        without: state
            .applications
            .keys()
            .filter(|name| !all.contains(*name))
            .count() as u32,
    })
}

/// All of them, or where they are too many those that hang together with one that waits or is in a
/// circle, and then others, until it is enough.
fn most_wanted(state: &State, all: &BTreeSet<Name>) -> BTreeSet<Name> {
    if all.len() <= MOST_DRAWN {
        return all.clone();
    }
    let waits = |name: &&Name| {
        let entry = state.applications.get(*name);
        entry.is_none_or(|entry| entry.blocked.is_some())
    };
    let (mut shown, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for name in all.iter().filter(waits).chain(all) {
        if seen.contains(name) {
            continue;
        }
        let around = state.dependencies.around(name);
        if shown.is_empty() || shown.len() + around.len() <= MOST_DRAWN {
            shown.extend(around.iter().cloned());
        }
        seen.extend(around);
    }
    shown
}

/// For each need that is not met, why.
fn unready<'g>(
    agent: &Agent,
    state: &State,
    graph: &'g syncline_core::dependencies::Graph,
) -> BTreeMap<(&'g Name, &'g Name), String> {
    let mut found = BTreeMap::new();
    for (name, needs) in graph {
        let entry = state.applications.get(name);
        let Some(spec) = entry.and_then(|entry| entry.spec.as_ref().ok()) else {
            continue;
        };
        for dependency in &spec.depends_on {
            let Dependency::Application { name: other, .. } = dependency else {
                continue;
            };
            let other = needs.iter().find(|need| need.name == *other);
            if let Some(other) = other
                && let Some(blocker) = judge(agent, state, spec, dependency)
            {
                found.insert((name, other), blocker.why);
            }
        }
    }
    found
}
