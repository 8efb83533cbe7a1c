//! Circles in a graph: the shortest one through a node, and the groups that are made of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Graph;
use crate::record::Name;

/// The shortest circle through a node, from the first of its names back to it.
pub(super) fn shortest(graph: &Graph, start: &Name) -> Option<Vec<Name>> {
    // By which node each other one was reached first.
    let mut from: BTreeMap<&Name, &Name> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    let last = 'search: loop {
        let name = next.pop_front()?;
        for other in graph.get(name).into_iter().flatten() {
            if other == start {
                break 'search name;
            }
            if !from.contains_key(other) {
                from.insert(other, name);
                next.push_back(other);
            }
        }
    };
    let mut circle = vec![last];
    let mut name = last;
    while name != start {
        let before = from.get(name)?;
        circle.push(before);
        name = before;
    }
    circle.reverse();
    let first = circle.iter().enumerate().min_by_key(|(_, name)| **name)?.0;
    circle.rotate_left(first);
    let back = *circle.first()?;
    circle.push(back);
    Some(circle.into_iter().cloned().collect())
}

/// The groups of nodes that reach each other by way of at least one edge, each in order, and the
/// groups in the order of their first names (Tarjan's algorithm, without recursion: a chain may be
/// long).
pub(super) fn groups(graph: &Graph) -> Vec<Vec<Name>> {
    let mut search = Search::default();
    for name in graph.keys() {
        if !search.numbers.contains_key(name) {
            search.visit(graph, name);
        }
    }
    let mut groups: Vec<Vec<Name>> = search
        .groups
        .into_iter()
        .map(|group| group.into_iter().cloned().collect())
        .collect();
    groups.sort_unstable();
    groups
}

#[derive(Default)]
struct Search<'g> {
    /// When each node was met first.
    numbers: BTreeMap<&'g Name, usize>,
    /// The earliest node that is still open and that can be reached from each.
    lowest: BTreeMap<&'g Name, usize>,
    open: Vec<&'g Name>,
    is_open: BTreeSet<&'g Name>,
    groups: Vec<BTreeSet<&'g Name>>,
}

impl<'g> Search<'g> {
    fn visit(&mut self, graph: &'g Graph, start: &'g Name) {
        let edges = |name: &Name| graph.get(name).into_iter().flatten();
        self.enter(start);
        let mut way = vec![(start, edges(start))];
        while let Some((name, rest)) = way.last_mut() {
            let name = *name;
            if let Some(other) = rest.next() {
                if !self.numbers.contains_key(other) {
                    self.enter(other);
                    way.push((other, edges(other)));
                } else if self.is_open.contains(other) {
                    self.lower(name, self.numbers[other]);
                }
                continue;
            }
            way.pop();
            if let Some((parent, _)) = way.last() {
                self.lower(parent, self.lowest[name]);
            }
            if self.lowest[name] == self.numbers[name] {
                self.close(graph, name);
            }
        }
    }

    fn enter(&mut self, name: &'g Name) {
        let number = self.numbers.len();
        self.numbers.insert(name, number);
        self.lowest.insert(name, number);
        self.open.push(name);
        self.is_open.insert(name);
    }

    fn lower(&mut self, name: &'g Name, number: usize) {
        if let Some(lowest) = self.lowest.get_mut(name) {
            *lowest = number.min(*lowest);
        }
    }

    /// All that is open since a node was met is one group.
    fn close(&mut self, graph: &Graph, first: &'g Name) {
        let mut group = BTreeSet::new();
        while let Some(name) = self.open.pop() {
            self.is_open.remove(name);
            group.insert(name);
            if name == first {
                break;
            }
        }
        let alone = group.len() == 1;
        let circular = !alone || graph.get(first).is_some_and(|edges| edges.contains(first));
        if circular {
            self.groups.push(group);
        }
    }
}
