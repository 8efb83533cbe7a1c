//! Which applications wait for which: circles, who blocks whom, and who still needs what.
//!
//! Every answer is the same for the same graph, and takes one pass over its nodes and edges.

mod circles;
pub mod layout;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::record::Name;

/// For each application the applications that it names in `spec.dependsOn`.
pub type Graph = BTreeMap<Name, BTreeSet<Name>>;

/// The dependencies between applications, seen from both ends. A name may stand for an application
/// that does not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    needs: Graph,
    needed_by: Graph,
}

impl Dependencies {
    /// Replaces what an application names; answers whether that is news.
    pub fn set(&mut self, application: &Name, needs: BTreeSet<Name>) -> bool {
        let before = self.needs.remove(application).unwrap_or_default();
        let news = before != needs;
        for former in before.difference(&needs) {
            if let Some(others) = self.needed_by.get_mut(former) {
                others.remove(application);
                if others.is_empty() {
                    self.needed_by.remove(former);
                }
            }
        }
        for new in needs.difference(&before) {
            let others = self.needed_by.entry(new.clone()).or_default();
            others.insert(application.clone());
        }
        if !needs.is_empty() {
            self.needs.insert(application.clone(), needs);
        }
        news
    }

    /// What an application names, in order.
    pub fn needs(&self, application: &Name) -> impl Iterator<Item = &Name> {
        self.needs.get(application).into_iter().flatten()
    }

    /// Who names an application, in order.
    pub fn needed_by(&self, application: &Name) -> impl Iterator<Item = &Name> {
        self.needed_by.get(application).into_iter().flatten()
    }

    /// Who needs an application, also by way of others: the nearest first, without itself.
    pub fn all_needed_by(&self, application: &Name) -> Vec<Name> {
        let mut seen = BTreeSet::from([application]);
        let mut next = VecDeque::from([application]);
        let mut found = Vec::new();
        while let Some(name) = next.pop_front() {
            for other in self.needed_by(name) {
                if seen.insert(other) {
                    found.push(other.clone());
                    next.push_back(other);
                }
            }
        }
        found
    }

    /// What keeps an application waiting, also by way of others, the root causes first: all that it
    /// needs and is not ready, and what those need and is not ready. Behind one that is ready nothing
    /// is looked for. In a circle the order says nothing.
    pub fn blocking(&self, application: &Name, is_ready: impl Fn(&Name) -> bool) -> Vec<Name> {
        let mut seen = BTreeSet::from([application]);
        let mut found = Vec::new();
        // The way from the application to where we are, each with what is left of its needs.
        let mut way = vec![(application, self.needs(application))];
        loop {
            let Some((name, rest)) = way.last_mut() else {
                return found;
            };
            match rest.next() {
                Some(next) => {
                    if seen.insert(next) && !is_ready(next) {
                        way.push((next, self.needs(next)));
                    }
                }
                None => {
                    if *name != application {
                        found.push((*name).clone());
                    }
                    way.pop();
                }
            }
        }
    }

    /// The shortest circle that an application is part of; it begins and ends with the name that is
    /// first in order. `None` where there is none.
    pub fn circle(&self, application: &Name) -> Option<Vec<Name>> {
        circles::shortest(&self.needs, application)
    }

    /// All applications that name another or are named.
    pub fn all(&self) -> BTreeSet<&Name> {
        self.needs.keys().chain(self.needed_by.keys()).collect()
    }

    /// An application and all that hangs together with it, in either direction.
    pub fn around(&self, application: &Name) -> BTreeSet<Name> {
        let mut found = BTreeSet::from([application]);
        let mut next = vec![application];
        while let Some(name) = next.pop() {
            let neighbours = self.needs(name).chain(self.needed_by(name));
            next.extend(neighbours.filter(|other| found.insert(*other)));
        }
        found.into_iter().cloned().collect()
    }

    /// The part of the graph between these applications.
    pub fn between(&self, names: &BTreeSet<Name>) -> Graph {
        let needs = self.needs.iter().filter(|(name, _)| names.contains(*name));
        let needs = needs.map(|(name, needs)| {
            let inside = needs.iter().filter(|need| names.contains(*need));
            (name.clone(), inside.cloned().collect())
        });
        needs.collect()
    }

    /// All groups of applications that depend on each other: of each the shortest circle through its
    /// first name, in order.
    pub fn circles(&self) -> Vec<Vec<Name>> {
        let groups = circles::groups(&self.needs);
        let first = groups.iter().filter_map(|group| group.first());
        first.filter_map(|name| self.circle(name)).collect()
    }
}

/// A circle for people, who know the namespace: `a -> b -> c -> a`.
pub fn in_words(circle: &[Name]) -> String {
    let names: Vec<&str> = circle.iter().map(|name| name.name.as_str()).collect();
    names.join(" -> ")
}
