//! Which scalars of a document were written plain and are one `${...}` and nothing else.

use std::collections::{BTreeMap, HashMap};

use super::Limits;
use super::scalar;
use super::tree::{self, Node, Scalar, Style, Tagged};

/// Their JSON pointers, with aliases and merge keys expanded. The document is one that was read
/// before, within its limits: only then what its aliases expand to is bounded.
pub(super) fn pointers(text: &str, limits: &Limits) -> Vec<String> {
    if !text.contains("${") {
        return Vec::new();
    }
    let Ok(documents) = tree::parse(text, limits.max_nodes) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for document in &documents {
        let mut walk = Walk {
            anchors: document.anchors(),
            path: Vec::new(),
            found: &mut found,
        };
        if let Some(root) = &document.root {
            walk.node(root);
        }
    }
    found
}

struct Walk<'a> {
    anchors: HashMap<usize, &'a Node>,
    path: Vec<String>,
    found: &'a mut Vec<String>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: &'a Node) {
        match node {
            Node::Scalar(scalar) => {
                if is_plain_reference(scalar) {
                    self.found.push(pointer(&self.path));
                }
            }
            Node::Sequence { items, .. } => {
                for (index, item) in items.iter().enumerate() {
                    self.below(index.to_string(), item);
                }
            }
            Node::Mapping { .. } => {
                let mut values = BTreeMap::new();
                self.collect(node, &mut values);
                for (name, value) in values {
                    self.below(name, value);
                }
            }
            Node::Alias { anchor, .. } => {
                if let Some(node) = self.anchors.get(anchor).copied() {
                    self.node(node);
                }
            }
        }
    }

    fn below(&mut self, name: String, node: &'a Node) {
        self.path.push(name);
        self.node(node);
        self.path.pop();
    }

    /// The values of a map, those that it merges included; what comes later wins.
    fn collect(&self, node: &'a Node, values: &mut BTreeMap<String, &'a Node>) {
        match node {
            Node::Alias { anchor, .. } => {
                if let Some(node) = self.anchors.get(anchor).copied() {
                    self.collect(node, values);
                }
            }
            Node::Mapping { entries, .. } => {
                for (key, value) in entries {
                    let Some(key) = key.scalar() else { continue };
                    if is_merge(key) {
                        self.collect(value, values);
                    } else {
                        values.insert(name(key), value);
                    }
                }
            }
            // Of a list of maps the first wins.
            Node::Sequence { items, .. } => {
                for item in items.iter().rev() {
                    self.collect(item, values);
                }
            }
            Node::Scalar(_) => {}
        }
    }
}

/// Whether the key brings in the entries of other maps.
pub(super) fn is_merge(key: &Scalar) -> bool {
    key.value == "<<" && key.style == Style::Plain
}

/// The key of the object that this key of the file becomes.
pub(super) fn name(key: &Scalar) -> String {
    if key.style == Style::Plain && key.tagged == Tagged::No {
        scalar::plain_key(&key.value)
    } else {
        key.value.clone()
    }
}

fn is_plain_reference(scalar: &Scalar) -> bool {
    let text = scalar.value.as_str();
    scalar.style == Style::Plain
        && scalar.tagged == Tagged::No
        && text
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
            .is_some_and(one_reference)
}

/// Whether the text between `${` and the last `}` closes nothing before that: `a}-${b` does.
fn one_reference(inside: &str) -> bool {
    let mut open = 1_usize;
    let mut before = ' ';
    for letter in inside.chars() {
        match letter {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return false;
        }
        before = letter;
    }
    open == 1
}

fn pointer(path: &[String]) -> String {
    let mut pointer = String::new();
    for name in path {
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}
