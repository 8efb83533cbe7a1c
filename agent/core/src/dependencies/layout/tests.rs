//! Drawings of small graphs, of a large one, and of any.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn graph(edges: &[(&str, &str)]) -> Graph {
    let mut graph = Graph::new();
    for (from, to) in edges {
        let needs = graph.entry(Name::new("shop", *from)).or_default();
        needs.insert(Name::new("shop", *to));
    }
    graph
}

fn place<'d>(drawing: &'d Drawing, name: &str) -> &'d Place {
    let mut places = drawing.places.iter();
    places.find(|place| place.name.name == name).unwrap()
}

#[test]
fn what_is_needed_stands_left_of_what_needs_it_also_by_way_of_others() {
    let drawing = draw(&graph(&[("web", "api"), ("api", "db"), ("web", "db")]));
    let [web, api, db] = ["web", "api", "db"].map(|name| place(&drawing, name).x);
    assert!(db < api && api < web);
    let long = drawing.lines.iter().find(|line| line.points.len() > 2);
    let long = long.expect("the line from web to db passes the column of api");
    assert_eq!(long.points.len(), 4);
    assert!(long.points.windows(2).all(|pair| pair[1].0 < pair[0].0));
}

#[test]
fn a_circle_is_drawn_and_one_of_its_lines_closes_it() {
    let drawing = draw(&graph(&[("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")]));
    assert_eq!(drawing.places.len(), 3);
    let closing = drawing.lines.iter().filter(|line| line.closes);
    let closing: Vec<_> = closing.map(|line| (line.from, line.to)).collect();
    assert_eq!(closing, [(0, 0), (2, 0)]);
}

#[test]
fn what_does_not_hang_together_is_drawn_one_under_the_other() {
    let drawing = draw(&graph(&[("z", "y"), ("y", "x"), ("a", "b")]));
    assert!(place(&drawing, "x").y < place(&drawing, "a").y);
    assert!(draw(&Graph::new()).places.is_empty());
}

#[test]
fn lines_that_need_not_cross_do_not() {
    let edges = [
        ("w1", "d2"),
        ("w2", "d1"),
        ("w3", "d3"),
        ("top", "w1"),
        ("top", "w2"),
    ];
    let drawing = draw(&graph(&edges));
    let order = |a: &str, b: &str| place(&drawing, a).y < place(&drawing, b).y;
    assert_eq!(order("w1", "w2"), order("d2", "d1"));
}

#[test]
fn a_thousand_applications_are_drawn_in_no_time() {
    let mut graph = Graph::new();
    for number in 1..1000_usize {
        let needs = [number / 2, number / 3, number - 1].map(|need| need.to_string());
        let needs = needs.into_iter().map(|need| Name::new("shop", need));
        graph.insert(Name::new("shop", number.to_string()), needs.collect());
    }
    let begin = Instant::now();
    let drawing = draw(&graph);
    assert_eq!(drawing.places.len(), 1000);
    // Far more than it takes on a slow machine, far less than a walk over all pairs of edges.
    assert!(begin.elapsed() < Duration::from_secs(20));
}

proptest! {
    #[test]
    fn no_two_stand_at_one_place_and_all_is_inside(
        edges in proptest::collection::vec((0..12_u8, 0..12_u8), 0..30)
    ) {
        let mut graph = Graph::new();
        for (from, to) in edges {
            let needs = graph.entry(Name::new("shop", from.to_string())).or_default();
            needs.insert(Name::new("shop", to.to_string()));
        }
        let drawing = draw(&graph);
        let spots: BTreeSet<_> = drawing.places.iter().map(|place| (place.x, place.y)).collect();
        prop_assert_eq!(spots.len(), drawing.places.len());
        for (a, b) in drawing.places.iter().zip(drawing.places.iter().skip(1)) {
            prop_assert!(a.name < b.name);
        }
        for place in &drawing.places {
            prop_assert!(place.x >= 0 && place.x + WIDTH <= drawing.width);
            prop_assert!(place.y >= 0 && place.y + HEIGHT <= drawing.height);
        }
        let wanted = graph.values().map(BTreeSet::len).sum::<usize>();
        prop_assert_eq!(drawing.lines.len(), wanted);
        for line in drawing.lines.iter().filter(|line| !line.closes) {
            prop_assert!(drawing.places[line.to].x < drawing.places[line.from].x);
        }
    }
}
