//! The line of a file in which a field of an object stands.

use std::collections::HashMap;

use super::documents;
use super::plain::{is_merge, name};
use super::tree::{self, Node};
use crate::object::Origin;

/// In a document with more nodes no field is looked for.
const MAX_NODES: usize = 250_000;
/// How many aliases one step may follow.
const MAX_HOPS: usize = 20;

/// The line, from 1, of the field at a JSON pointer in a document, whose number is from 1 as in
/// [`Origin`]. Where the field is not there, that of its nearest parent; of a document that cannot
/// be read or is very large, its first. `None` where the file has no such document.
pub fn line_of(text: &str, document: usize, pointer: &str) -> Option<usize> {
    let origin = Origin {
        document,
        ..Origin::default()
    };
    line_in(text, &origin, pointer)
}

/// As [`line_of`], with a pointer relative to the object that stands at the origin, which may be
/// an item of a `List`.
pub fn line_in(text: &str, origin: &Origin, pointer: &str) -> Option<usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let found = documents(text, origin.document).nth(origin.document.checked_sub(1)?)?;
    let in_file = |line: usize| found.first_line + line - 1;
    let mut line = found.content?;
    let parsed = tree::parse(found.text, MAX_NODES).unwrap_or_default();
    let Some((document, root)) = parsed.first().and_then(|it| Some((it, it.root.as_ref()?))) else {
        return Some(line);
    };
    let anchors = document.anchors();
    let mut node = root;
    if let Some(wanted) = origin.line.filter(|wanted| *wanted != line)
        && let Some((Node::Sequence { items, .. }, _)) = step(node, "items", &anchors, MAX_HOPS)
        && let Some(item) = items.iter().find(|item| in_file(item.at().line) == wanted)
    {
        node = item;
        line = wanted;
    }
    for name in pointer.split('/').skip(1) {
        let name = name.replace("~1", "/").replace("~0", "~");
        let Some((below, at)) = step(node, &name, &anchors, MAX_HOPS) else {
            break;
        };
        node = below;
        line = in_file(at);
    }
    Some(line)
}

/// The node below a name, and the line where that name (of an item: the item) stands.
fn step<'a>(
    node: &'a Node,
    wanted: &str,
    anchors: &HashMap<usize, &'a Node>,
    hops: usize,
) -> Option<(&'a Node, usize)> {
    let hops = hops.checked_sub(1)?;
    match node {
        Node::Alias { anchor, .. } => step(anchors.get(anchor)?, wanted, anchors, hops),
        Node::Sequence { items, .. } => {
            let item = items.get(wanted.parse::<usize>().ok()?)?;
            Some((item, item.at().line))
        }
        Node::Mapping { entries, .. } => {
            let keys = entries.iter().rev();
            let mut keys = keys.filter_map(|(key, value)| Some((key.scalar()?, value)));
            // What comes later wins.
            keys.find_map(|(key, value)| match value {
                Node::Sequence { items, .. } if is_merge(key) => {
                    let mut items = items.iter();
                    items.find_map(|item| step(item, wanted, anchors, hops))
                }
                merged if is_merge(key) => step(merged, wanted, anchors, hops),
                value if name(key) == wanted => Some((value, key.at.line)),
                _ => None,
            })
        }
        Node::Scalar(_) => None,
    }
}
