//! YAML as a tree of nodes with the bytes that each scalar stands in.
//!
//! The only user of the event parser here: aliases stay aliases and nothing is expanded, so the
//! cost follows the size of the file.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, options};

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// Literal or folded block.
    Block,
}

/// What the YAML tag of a scalar says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagged {
    No,
    String,
    Other,
}

/// A place in the file, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) line: usize,
    pub(super) column: usize,
}

#[derive(Debug)]
pub(super) struct Scalar {
    pub(super) value: String,
    pub(super) style: Style,
    pub(super) tagged: Tagged,
    /// 0 where it has none.
    pub(super) anchor: usize,
    pub(super) bytes: Range<usize>,
    pub(super) at: Position,
}

#[derive(Debug)]
pub(super) enum Node {
    Scalar(Scalar),
    Sequence {
        anchor: usize,
        items: Vec<Self>,
    },
    Mapping {
        anchor: usize,
        entries: Vec<(Self, Self)>,
    },
    Alias {
        anchor: usize,
        at: Position,
    },
}

impl Node {
    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::Sequence { .. } | Self::Mapping { .. } | Self::Alias { .. } => None,
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
pub(super) struct Document {
    pub(super) root: Option<Node>,
    /// How often each anchor is used.
    pub(super) uses: HashMap<usize, usize>,
}

impl Document {
    /// The nodes with an anchor.
    pub(super) fn anchors(&self) -> HashMap<usize, &Node> {
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
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) detail: String,
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
pub(super) fn events(text: &str) -> Result<Vec<(Event<'_>, Span)>, SyntaxError> {
    let options = options! { emit_comments: false };
    let events = Parser::new_from_str_with_options(text, options);
    events.collect::<Result<_, _>>().map_err(SyntaxError::from)
}

/// The documents of a text.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, SyntaxError> {
    let mut documents = Vec::new();
    let mut builder = Builder::default();
    for (event, span) in events(text)? {
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
            Event::SequenceStart(_, anchor, _) => builder.open(Open::Sequence(anchor, Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                builder.open(Open::Mapping(anchor, Vec::new(), None));
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            // Stream marks, and what the options above leave out.
            _ => {}
        }
    }
    Ok(documents)
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
    Sequence(usize, Vec<Node>),
    Mapping(usize, Vec<(Node, Node)>, Option<Node>),
}

impl Builder {
    fn open(&mut self, open: Open) {
        self.open.push(open);
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::Sequence(anchor, items)) => self.add(Node::Sequence { anchor, items }),
            Some(Open::Mapping(anchor, entries, _)) => self.add(Node::Mapping { anchor, entries }),
            None => {}
        }
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence(_, items)) => items.push(node),
            Some(Open::Mapping(_, entries, key)) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
    }
}
