//! YAML as a tree of nodes with the bytes that each scalar stands in.
//!
//! The only user of the event parser: aliases stay aliases and nothing is expanded, so the
//! cost follows the size of the file.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, options};

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// Literal or folded block.
    Block,
}

/// What the YAML tag of a scalar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tagged {
    No,
    String,
    Other,
}

/// A place in the file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) value: String,
    pub(crate) style: Style,
    pub(crate) tagged: Tagged,
    /// 0 where it has none.
    pub(crate) anchor: usize,
    pub(crate) bytes: Range<usize>,
    pub(crate) at: Position,
}

#[derive(Debug)]
pub(crate) enum Node {
    Scalar(Scalar),
    Sequence {
        anchor: usize,
        at: Position,
        items: Vec<Self>,
    },
    Mapping {
        anchor: usize,
        at: Position,
        entries: Vec<(Self, Self)>,
    },
    Alias {
        anchor: usize,
        at: Position,
    },
}

impl Node {
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::Sequence { .. } | Self::Mapping { .. } | Self::Alias { .. } => None,
        }
    }

    /// Where it begins.
    pub(crate) fn at(&self) -> Position {
        match self {
            Self::Scalar(scalar) => scalar.at,
            Self::Sequence { at, .. } | Self::Mapping { at, .. } | Self::Alias { at, .. } => *at,
        }
    }

    fn anchor(&self) -> usize {
        match self {
            Self::Scalar(scalar) => scalar.anchor,
            Self::Sequence { anchor, .. } | Self::Mapping { anchor, .. } => *anchor,
            Self::Alias { .. } => 0,
        }
    }
}

/// One document of a file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) root: Option<Node>,
    /// How often each anchor is used.
    pub(crate) uses: HashMap<usize, usize>,
}

impl Document {
    /// The nodes with an anchor.
    pub(crate) fn anchors(&self) -> HashMap<usize, &Node> {
        let mut found = HashMap::new();
        let mut left: Vec<&Node> = self.root.iter().collect();
        while let Some(node) = left.pop() {
            if node.anchor() != 0 {
                found.insert(node.anchor(), node);
            }
            match node {
                Node::Sequence { items, .. } => left.extend(items),
                Node::Mapping { entries, .. } => {
                    left.extend(entries.iter().flat_map(|(key, value)| [key, value]));
                }
                Node::Scalar(_) | Node::Alias { .. } => {}
            }
        }
        found
    }
}

/// Why a text is not YAML.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) detail: String,
}

impl From<ScanError> for SyntaxError {
    fn from(error: ScanError) -> Self {
        let at = error.marker();
        Self {
            line: at.line(),
            column: at.col() + 1,
            detail: error.info(),
        }
    }
}

/// The events of a text, comments left out.
pub(crate) fn events(text: &str) -> Result<Vec<(Event<'_>, Span)>, SyntaxError> {
    let options = options! { emit_comments: false };
    let events = Parser::new_from_str_with_options(text, options);
    events.collect::<Result<_, _>>().map_err(SyntaxError::from)
}

/// The documents of a text, which may hold so many nodes.
pub(crate) fn parse(text: &str, max_nodes: usize) -> Result<Vec<Document>, SyntaxError> {
    let mut documents = Vec::new();
    let mut builder = Builder::default();
    let mut nodes = 0;
    let options = options! { emit_comments: false };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event?;
        nodes += usize::from(event.is_node());
        if nodes > max_nodes {
            let Position { line, column } = position(&span);
            return Err(SyntaxError {
                line,
                column,
                detail: "the file holds too many values".to_owned(),
            });
        }
        match event {
            Event::DocumentStart(..) => builder = Builder::default(),
            Event::DocumentEnd => {
                let Builder { root, uses, .. } = std::mem::take(&mut builder);
                documents.push(Document { root, uses });
            }
            Event::Scalar(value, style, anchor, tag) => {
                let tagged = match tag {
                    None => Tagged::No,
                    Some(tag) if tag.is_yaml_core_schema_tag("str") => Tagged::String,
                    Some(tag) if tag.handle() == "!" && tag.suffix().is_empty() => Tagged::String,
                    Some(_) => Tagged::Other,
                };
                builder.add(Node::Scalar(Scalar {
                    value: value.into_owned(),
                    style: match style {
                        ScalarStyle::Plain => Style::Plain,
                        ScalarStyle::SingleQuoted => Style::SingleQuoted,
                        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                        ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                    },
                    tagged,
                    anchor,
                    bytes: span.byte_range().unwrap_or(0..0),
                    at: position(&span),
                }));
            }
            Event::Alias(anchor) => {
                *builder.uses.entry(anchor).or_insert(0) += 1;
                builder.add(Node::Alias {
                    anchor,
                    at: position(&span),
                });
            }
            Event::SequenceStart(_, anchor, _) => {
                builder.open(Open::Sequence(anchor, position(&span), Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                builder.open(Open::Mapping(anchor, position(&span), Vec::new(), None));
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            // Stream marks, and what the options above leave out.
            _ => {}
        }
    }
    Ok(documents)
}

/// A comment with the place of its `#`.
#[derive(Debug)]
pub(crate) struct Comment {
    pub(crate) at: Position,
    /// Without the `#`.
    pub(crate) text: String,
}

/// The comments of a text that contain this.
pub(crate) fn comments(text: &str, containing: &str) -> Result<Vec<Comment>, SyntaxError> {
    let options = options! { max_buffered_comment_events: usize::MAX };
    let mut found = Vec::new();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event?;
        if let Event::Comment(comment, _) = event
            && comment.contains(containing)
        {
            found.push(Comment {
                at: position(&span),
                text: comment.into_owned(),
            });
        }
    }
    Ok(found)
}

fn position(span: &Span) -> Position {
    Position {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    uses: HashMap<usize, usize>,
}

enum Open {
    Sequence(usize, Position, Vec<Node>),
    Mapping(usize, Position, Vec<(Node, Node)>, Option<Node>),
}

impl Builder {
    fn open(&mut self, open: Open) {
        self.open.push(open);
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Sequence(anchor, at, items)) => {
                self.add(Node::Sequence { anchor, at, items });
            }
            Some(Open::Mapping(anchor, at, entries, _)) => {
                self.add(Node::Mapping {
                    anchor,
                    at,
                    entries,
                });
            }
            None => {}
        }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence(_, _, items)) => items.push(node),
            Some(Open::Mapping(_, _, entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }
}
