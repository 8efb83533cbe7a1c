//! The graph of dependencies against a naive model.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NODES: usize = 7;

fn name(node: usize) -> Name {
    Name::new("shop", format!("{}", char::from(b'a' + node as u8)))
}

/// A graph as a table of edges, and what a naive walk finds in it.
#[derive(Clone, Debug)]
struct Model {
    edges: [[bool; NODES]; NODES],
}

impl Model {
    fn graph(&self) -> Dependencies {
        let mut graph = Dependencies::default();
        for node in 0..NODES {
            let needs = (0..NODES).filter(|other| self.edges[node][*other]);
            graph.set(&name(node), needs.map(name).collect());
        }
        graph
    }

    /// How many edges lie between two nodes at least, by Floyd and Warshall; of a node to itself the
    /// shortest circle.
    fn distances(&self) -> [[usize; NODES]; NODES] {
        let length = |edge| if edge { 1 } else { usize::MAX / 4 };
        let mut table = self.edges.map(|row| row.map(length));
        for by in 0..NODES {
            for from in 0..NODES {
                for to in 0..NODES {
                    table[from][to] = table[from][to].min(table[from][by] + table[by][to]);
                }
            }
        }
        table
    }

    fn reaches(&self) -> [[bool; NODES]; NODES] {
        self.distances()
            .map(|row| row.map(|distance| distance < usize::MAX / 4))
    }
}

fn models() -> impl Strategy<Value = Model> {
    let edge = prop::bool::weighted(0.2);
    prop::collection::vec(edge, NODES * NODES).prop_map(|all| {
        let mut edges = [[false; NODES]; NODES];
        for (index, edge) in all.into_iter().enumerate() {
            edges[index / NODES][index % NODES] = edge;
        }
        Model { edges }
    })
}

fn node(name: &Name) -> usize {
    usize::from(name.name.as_bytes()[0] - b'a')
}

proptest! {
    #[test]
    fn a_circle_is_found_exactly_where_there_is_one_and_it_is_the_shortest(model in models()) {
        let (graph, distances, reaches) = (model.graph(), model.distances(), model.reaches());
        for start in 0..NODES {
            let circle = graph.circle(&name(start));
            prop_assert_eq!(circle.is_some(), reaches[start][start]);
            let Some(circle) = circle else { continue };
            prop_assert_eq!(circle.first(), circle.last());
            prop_assert_eq!(circle.iter().min(), circle.first());
            prop_assert!(circle.contains(&name(start)));
            prop_assert_eq!(circle.len(), distances[start][start] + 1);
            for pair in circle.windows(2) {
                prop_assert!(model.edges[node(&pair[0])][node(&pair[1])]);
            }
            prop_assert_eq!(graph.circle(&name(start)), Some(circle));
        }
    }

    #[test]
    fn each_group_of_circles_is_named_once(model in models()) {
        let (graph, reaches) = (model.graph(), model.reaches());
        // The first name of each group.
        let firsts = (0..NODES).filter(|one| {
            let together = |other: &usize| reaches[*one][*other] && reaches[*other][*one];
            together(one) && (0..*one).all(|other| !together(&other))
        });
        let named: Vec<_> = graph.circles().iter().map(|circle| circle[0].clone()).collect();
        prop_assert_eq!(named, firsts.map(name).collect::<Vec<_>>());
    }

    #[test]
    fn who_still_needs_an_application_is_found_by_way_of_others_and_nearest_first(model in models()) {
        let (graph, distances, reaches) = (model.graph(), model.distances(), model.reaches());
        for start in 0..NODES {
            let found = graph.all_needed_by(&name(start));
            let wanted = (0..NODES).filter(|other| *other != start && reaches[*other][start]);
            let wanted: BTreeSet<Name> = wanted.map(name).collect();
            prop_assert_eq!(found.len(), wanted.len());
            prop_assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), wanted);
            let far: Vec<_> = found.iter().map(|other| distances[node(other)][start]).collect();
            prop_assert!(far.is_sorted(), "{far:?}");
        }
    }

    #[test]
    fn what_blocks_an_application_is_told_root_cause_first(
        model in models(),
        ready in prop::array::uniform7(prop::bool::ANY),
    ) {
        let graph = model.graph();
        // Only what is not ready is passed through.
        let mut through = model.clone();
        for to in (0..NODES).filter(|to| ready[*to]) {
            for from in 0..NODES {
                through.edges[from][to] = false;
            }
        }
        let reaches = through.reaches();
        for start in 0..NODES {
            let found = graph.blocking(&name(start), |other| ready[node(other)]);
            let wanted = (0..NODES).filter(|other| *other != start && reaches[start][*other]);
            let wanted: BTreeSet<Name> = wanted.map(name).collect();
            prop_assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), wanted);
            for (place, one) in found.iter().enumerate() {
                for later in &found[place + 1..] {
                    let (one, later) = (node(one), node(later));
                    // Outside of circles nobody comes before what it waits for.
                    let circle = reaches[later][one] || reaches[one][start] || reaches[later][start];
                    prop_assert!(!through.edges[one][later] || circle);
                }
            }
        }
    }

    #[test]
    fn a_graph_that_was_changed_is_as_one_that_was_made_so(before in models(), after in models()) {
        let mut graph = before.graph();
        for node in 0..NODES {
            let needs = (0..NODES).filter(|other| after.edges[node][*other]);
            let news = graph.set(&name(node), needs.map(name).collect());
            prop_assert_eq!(news, before.edges[node] != after.edges[node]);
        }
        prop_assert_eq!(graph, after.graph());
    }
}

fn chain(length: usize) -> Dependencies {
    let link = |number: usize| Name::new("shop", format!("{number:06}"));
    let mut graph = Dependencies::default();
    for number in 1..length {
        graph.set(&link(number), BTreeSet::from([link(number - 1)]));
    }
    graph
}

#[test]
fn a_circle_is_named_in_full() {
    let mut graph = Dependencies::default();
    for (from, to) in [(2, 0), (0, 1), (1, 2)] {
        graph.set(&name(from), BTreeSet::from([name(to)]));
    }
    let circle = graph.circle(&name(1)).unwrap();
    assert_eq!(in_words(&circle), "a -> b -> c -> a");
    assert_eq!(graph.circle(&name(3)), None);
}

#[test]
fn a_chain_of_twenty_thousand_needs_no_stack() {
    let graph = chain(20_000);
    let (first, last) = (Name::new("shop", "000000"), Name::new("shop", "019999"));
    assert_eq!(graph.all_needed_by(&first).len(), 19_999);
    let blocking = graph.blocking(&last, |_| false);
    assert_eq!(blocking.first(), Some(&first));
    assert_eq!(graph.circle(&last), None);
    assert!(graph.circles().is_empty());
}
