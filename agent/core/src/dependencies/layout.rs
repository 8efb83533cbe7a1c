//! Where each application of a graph of dependencies is drawn: what is needed stands left of what
//! needs it.
//!
//! The method of Sugiyama and others: edges that close a circle are set aside, each application
//! gets the column after the last of what it needs, edges that pass a column bend in it, and the
//! order inside a column follows the mean place of the neighbours. The same graph always gives the
//! same drawing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::Graph;
use crate::record::Name;

/// Width of an application, in CSS pixels.
pub const WIDTH: i32 = 176;
/// Height of an application, in CSS pixels.
pub const HEIGHT: i32 = 36;
/// From the left of a column to the left of the next.
const COLUMN: i32 = WIDTH + 64;
/// From the top of a row to the top of the next.
const ROW: i32 = HEIGHT + 16;
/// Height of a row that only an edge passes.
const PASSED: i32 = 16;
/// Between two components, and around the drawing.
const SPACE: i32 = 24;
/// How often the order inside the columns is mended in both directions.
const SWEEPS: usize = 4;
/// Beyond so many bends edges are straight: a graph that dense is not made readable by them.
const MOST_BENDS: usize = 20_000;

/// A drawing, in CSS pixels from its upper left corner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawing {
    /// The applications, in the order of their names.
    pub places: Vec<Place>,
    /// What stands between them.
    pub lines: Vec<Line>,
    /// How wide it is.
    pub width: i32,
    /// How high it is.
    pub height: i32,
}

/// Where an application stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The application.
    pub name: Name,
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
}

/// One application needs another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who needs, as its number among the places.
    pub from: usize,
    /// What is needed.
    pub to: usize,
    /// From the left edge of the one to the right edge of the other.
    pub points: Vec<(i32, i32)>,
    /// Whether it closes a circle.
    pub closes: bool,
}

/// Draws a graph; each of its components by itself, the largest on top. Names that are only needed
/// are drawn as well.
pub fn draw(graph: &Graph) -> Drawing {
    let names: BTreeSet<&Name> = graph
        .iter()
        .flat_map(|(name, needs)| std::iter::once(name).chain(needs))
        .collect();
    let names: Vec<&Name> = names.into_iter().collect();
    let numbers: BTreeMap<&Name, usize> = names.iter().copied().zip(0..).collect();
    let needs: Vec<Vec<usize>> = names
        .iter()
        .map(|name| {
            let needs = graph.get(*name).into_iter().flatten();
            needs.map(|need| numbers[need]).collect()
        })
        .collect();
    let mut corners = vec![(0, 0); names.len()];
    let mut lines = Vec::new();
    let (mut width, mut top) = (0, SPACE);
    for members in components(&needs) {
        let component = Component::of(&members, &needs);
        let size = component.put(top, &mut corners, &mut lines);
        width = width.max(size.0);
        top += size.1 + SPACE;
    }
    lines.sort_by_key(|line| (line.from, line.to));
    let places = names.into_iter().zip(corners);
    Drawing {
        places: places
            .map(|(name, (x, y))| Place {
                name: name.clone(),
                x,
                y,
            })
            .collect(),
        lines,
        width: width + 2 * SPACE,
        height: top,
    }
}

/// The nodes that hang together, the largest group first.
fn components(needs: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut neighbours = needs.to_vec();
    for (from, all) in needs.iter().enumerate() {
        for to in all {
            neighbours[*to].push(from);
        }
    }
    let mut seen = vec![false; needs.len()];
    let mut found = Vec::new();
    for start in 0..needs.len() {
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        let mut members = vec![start];
        let mut next = 0;
        while let Some(node) = members.get(next).copied() {
            next += 1;
            for other in &neighbours[node] {
                if !std::mem::replace(&mut seen[*other], true) {
                    members.push(*other);
                }
            }
        }
        members.sort_unstable();
        found.push(members);
    }
    found.sort_by_key(|members| (std::cmp::Reverse(members.len()), members[0]));
    found
}

/// What stands at a place of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Node(usize),
    /// The edge of this number passes.
    Bend(usize),
}

/// Nodes that hang together, in columns.
struct Component {
    columns: Vec<Vec<Spot>>,
    edges: Vec<Edge>,
    /// The edges that begin, end or bend in each column.
    touching: Vec<Vec<usize>>,
}

struct Edge {
    from: usize,
    to: usize,
    closes: bool,
    /// The columns at its two ends.
    ends: (usize, usize),
}

impl Component {
    fn of(members: &[usize], needs: &[Vec<usize>]) -> Self {
        let (column_of, closing) = columns(members, needs);
        let edges: Vec<Edge> = members
            .iter()
            .flat_map(|from| needs[*from].iter().map(move |to| (*from, *to)))
            .map(|(from, to)| Edge {
                from,
                to,
                closes: closing.contains(&(from, to)),
                ends: (column_of[&from], column_of[&to]),
            })
            .collect();
        let last = column_of.values().copied().max().unwrap_or(0);
        let mut columns = vec![Vec::new(); last + 1];
        for node in members {
            columns[column_of[node]].push(Spot::Node(*node));
        }
        let bends = |edge: &Edge| edge.ends.0.saturating_sub(edge.ends.1 + 1);
        if edges.iter().map(bends).sum::<usize>() <= MOST_BENDS {
            for (number, edge) in edges.iter().enumerate() {
                for column in columns.iter_mut().take(edge.ends.0).skip(edge.ends.1 + 1) {
                    column.push(Spot::Bend(number));
                }
            }
        }
        let mut touching = vec![Vec::new(); last + 1];
        for (number, edge) in edges.iter().enumerate() {
            touching[edge.ends.0].push(number);
            if edge.ends.0 != edge.ends.1 {
                touching[edge.ends.1].push(number);
            }
        }
        for (column, spots) in columns.iter().enumerate() {
            let bends = spots.iter().filter_map(|spot| match spot {
                Spot::Bend(edge) => Some(*edge),
                Spot::Node(_) => None,
            });
            touching[column].extend(bends);
        }
        let mut component = Self {
            columns,
            edges,
            touching,
        };
        component.order();
        component
    }

    /// Mends the order inside the columns: each goes to the mean place of its neighbours, first of
    /// those on its left and then of those on its right.
    fn order(&mut self) {
        let last = self.columns.len() - 1;
        for _ in 0..SWEEPS {
            for column in 1..=last {
                self.order_by(column, column - 1);
            }
            for column in (0..last).rev() {
                self.order_by(column, column + 1);
            }
        }
    }

    fn order_by(&mut self, column: usize, fixed: usize) {
        let mut nodes: BTreeMap<usize, usize> = BTreeMap::new();
        let mut bends: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, spot) in self.columns[fixed].iter().enumerate() {
            match spot {
                Spot::Node(node) => nodes.insert(*node, place),
                Spot::Bend(edge) => bends.insert(*edge, place),
            };
        }
        // Of each node of the column: how many neighbours it has there, and the sum of their places.
        let mut sums: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut of_bends: BTreeMap<usize, usize> = BTreeMap::new();
        for number in &self.touching[column] {
            let edge = &self.edges[*number];
            let ends = [edge.from, edge.to];
            let place = bends
                .get(number)
                .or_else(|| ends.iter().find_map(|node| nodes.get(node)));
            let Some(place) = place.copied() else {
                continue;
            };
            of_bends.insert(*number, place);
            for (node, at) in [(edge.from, edge.ends.0), (edge.to, edge.ends.1)] {
                if at == column {
                    let sum = sums.entry(node).or_default();
                    *sum = (sum.0 + 1, sum.1 + place);
                }
            }
        }
        let spots = std::mem::take(&mut self.columns[column]);
        let mut placed: Vec<(usize, Spot)> = spots
            .into_iter()
            .enumerate()
            .map(|(place, spot)| {
                // In thousandths, so that equal means stay in their order.
                let mean = match spot {
                    Spot::Node(node) => sums.get(&node).map(|(count, sum)| sum * 1000 / count),
                    Spot::Bend(edge) => of_bends.get(&edge).map(|place| place * 1000),
                };
                (mean.unwrap_or(place * 1000), spot)
            })
            .collect();
        placed.sort_by_key(|(mean, _)| *mean);
        self.columns[column] = placed.into_iter().map(|(_, spot)| spot).collect();
    }

    /// Says where everything stands, from a height on; answers with width and height.
    fn put(&self, top: i32, corners: &mut [(i32, i32)], lines: &mut Vec<Line>) -> (i32, i32) {
        let step = |spot: &Spot| match spot {
            Spot::Node(_) => ROW,
            Spot::Bend(_) => PASSED,
        };
        let heights = self.columns.iter();
        let heights = heights.map(|column| column.iter().map(step).sum::<i32>());
        let height = heights.max().unwrap_or(0);
        // Where an edge passes a column, the last column first.
        let mut bends: BTreeMap<usize, Vec<(i32, i32)>> = BTreeMap::new();
        for (number, column) in self.columns.iter().enumerate().rev() {
            let x = SPACE + number as i32 * COLUMN;
            let mut y = top + (height - column.iter().map(step).sum::<i32>()) / 2;
            for spot in column {
                match spot {
                    Spot::Node(node) => corners[*node] = (x, y + (ROW - HEIGHT) / 2),
                    Spot::Bend(edge) => {
                        let middle = y + PASSED / 2;
                        let passes = bends.entry(*edge).or_default();
                        passes.extend([(x + WIDTH, middle), (x, middle)]);
                    }
                }
                y += step(spot);
            }
        }
        for (number, edge) in self.edges.iter().enumerate() {
            let (from, to) = (corners[edge.from], corners[edge.to]);
            let mut points = vec![(from.0, from.1 + HEIGHT / 2)];
            points.extend(bends.remove(&number).unwrap_or_default());
            points.push((to.0 + WIDTH, to.1 + HEIGHT / 2));
            lines.push(Line {
                from: edge.from,
                to: edge.to,
                points,
                closes: edge.closes,
            });
        }
        let columns = self.columns.len() as i32;
        ((columns - 1) * COLUMN + WIDTH, height)
    }
}

/// The column of each node, and the edges that close a circle, which count for nothing in it.
/// Without recursion: a chain may be long.
fn columns(
    members: &[usize],
    needs: &[Vec<usize>],
) -> (BTreeMap<usize, usize>, BTreeSet<(usize, usize)>) {
    let mut column_of: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut closing = BTreeSet::new();
    for start in members {
        if column_of.contains_key(start) {
            continue;
        }
        open.insert(*start);
        let mut way = vec![(*start, needs[*start].iter())];
        while let Some((node, rest)) = way.last_mut() {
            let node = *node;
            if let Some(next) = rest.next() {
                if open.contains(next) {
                    closing.insert((node, *next));
                } else if !column_of.contains_key(next) {
                    open.insert(*next);
                    way.push((*next, needs[*next].iter()));
                }
                continue;
            }
            way.pop();
            open.remove(&node);
            let left = needs[node].iter();
            let left = left.filter(|need| !closing.contains(&(node, **need)));
            let column = left.map(|need| column_of[need] + 1).max().unwrap_or(0);
            column_of.insert(node, column);
        }
    }
    (column_of, closing)
}
