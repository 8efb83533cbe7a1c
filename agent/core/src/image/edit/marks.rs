//! Which value each marker of a file stands at.

use std::collections::HashMap;

use super::{Cause, Refusal};
use crate::image::marker::{self, Marker};
use crate::manifest::yaml::tree::{self, Document, Node, Position, Style};
use crate::record::Name;

/// The markers of a file.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// By the place of the value. A marker that cannot be read is `None`: its value is touched by
    /// nobody.
    values: HashMap<Position, Option<Marker>>,
    /// Markers that cannot be read or stand at no one value.
    wrong: Vec<Wrong>,
}

/// What stands at a value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark<'a> {
    /// No marker.
    None,
    /// One that cannot be read, or several: nobody touches the value.
    Unusable,
    /// A marker.
    Of(&'a Marker),
}

/// A marker that nobody can obey.
#[derive(Debug)]
struct Wrong {
    at: Position,
    detail: String,
    /// The text of the comment.
    text: String,
}

/// A value of the file, as far as it matters here.
struct Value {
    at: Position,
    last_line: usize,
    is_block: bool,
}

impl Marks {
    /// Reads the markers of a text and its documents.
    pub(super) fn read(text: &str, documents: &[Document]) -> Self {
        let mut marks = Self::default();
        // What has parsed without its comments parses with them too.
        let Ok(comments) = tree::comments(text, marker::KEY) else {
            return marks;
        };
        let mut values = Vec::new();
        for root in documents
            .iter()
            .filter_map(|document| document.root.as_ref())
        {
            collect(text, root, &mut values);
        }
        values.sort_by_key(|value| value.at);
        for comment in comments {
            let Some(read) = marker::parse(&comment.text) else {
                continue;
            };
            let line = comment.at.line;
            let mut wrong = |detail: String| {
                marks.wrong.push(Wrong {
                    at: comment.at,
                    detail,
                    text: comment.text.clone(),
                });
            };
            let mut here = values
                .iter()
                .filter(|value| !value.is_block)
                .filter(|value| value.at.line <= line && line <= value.last_line);
            let (first, second) = (here.next(), here.next());
            match (first, second, read) {
                (Some(value), None, Ok(marker)) => {
                    marks.values.insert(value.at, Some(marker));
                }
                (Some(value), None, Err(error)) => {
                    wrong(error.to_string());
                    marks.values.insert(value.at, None);
                }
                (Some(value), Some(_), _) => {
                    let several = values
                        .iter()
                        .filter(|value| value.at.line <= line && line <= value.last_line);
                    marks.values.extend(several.map(|value| (value.at, None)));
                    let detail = format!(
                        "the marker stands behind several values, of which the first is in column \
                         {}; write its value on a line of its own",
                        value.at.column
                    );
                    wrong(detail);
                }
                (None, _, _) => {
                    let next = values.iter().find(|value| value.at.line > line);
                    let detail = match next.filter(|next| next.is_block) {
                        Some(block) if only_blanks_between(text, line, block.at.line) => {
                            marks.values.insert(block.at, None);
                            "the marker stands at a block; write the value on one line, plain or \
                             quoted"
                        }
                        _ => {
                            "the marker stands at no value; write it behind the value, on the \
                              same line"
                        }
                    };
                    wrong(detail.to_owned());
                }
            }
        }
        marks
    }

    /// What stands at a value.
    pub(super) fn at(&self, at: Position) -> Mark<'_> {
        match self.values.get(&at) {
            None => Mark::None,
            Some(None) => Mark::Unusable,
            Some(Some(marker)) => Mark::Of(marker),
        }
    }

    /// Whether every marker can be read and stands at one value.
    pub(super) fn are_right(&self) -> bool {
        self.wrong.is_empty()
    }

    /// The policies that are named at values.
    pub(super) fn policies(&self) -> impl Iterator<Item = &Name> {
        let markers = self.values.values().flatten();
        markers.map(|marker| &marker.policy)
    }

    /// The markers that nobody can obey.
    pub(super) fn refusals(&self, file: &str) -> impl Iterator<Item = Refusal> {
        self.wrong.iter().map(move |wrong| Refusal {
            file: file.to_owned(),
            line: wrong.at.line,
            column: wrong.at.column,
            cause: Cause::Marker,
            detail: wrong.detail.clone(),
            missing: None,
        })
    }

    /// Whether a marker that nobody can obey names the policy.
    pub(super) fn misplaces(&self, policy: &Name) -> bool {
        let name = marker::written(policy);
        let names = |text: &str| {
            let mut found = text.match_indices(&name);
            found.any(|(at, _)| {
                let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
                let after = text[at + name.len()..].chars().next();
                let before = text[..at].chars().next_back();
                !after.is_some_and(part) && !before.is_some_and(part)
            })
        };
        self.wrong.iter().any(|wrong| names(&wrong.text))
    }
}

/// Whether the line ends in the header of a block that begins on the other one: no line between
/// them has anything but blanks.
fn only_blanks_between(text: &str, line: usize, block: usize) -> bool {
    text.lines()
        .skip(line)
        .take(block.saturating_sub(line + 1))
        .all(|line| line.trim().is_empty())
}

/// All values that are no keys of maps.
fn collect(text: &str, node: &Node, into: &mut Vec<Value>) {
    match node {
        Node::Scalar(scalar) => {
            let written = text.get(scalar.bytes.clone()).unwrap_or_default();
            if written.is_empty() {
                return;
            }
            into.push(Value {
                at: scalar.at,
                last_line: scalar.at.line + written.trim_end().matches('\n').count(),
                is_block: scalar.style == Style::Block,
            });
        }
        Node::Alias { at, .. } => into.push(Value {
            at: *at,
            last_line: at.line,
            is_block: false,
        }),
        Node::Sequence { items, .. } => {
            for item in items {
                collect(text, item, into);
            }
        }
        Node::Mapping { entries, .. } => {
            for (_, value) in entries {
                collect(text, value, into);
            }
        }
    }
}
