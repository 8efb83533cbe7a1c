//! YAML as leaves with the bytes that each stands in.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, Span, StructureStyle, options};

use super::SopsError;
use super::capture::Capture;
use super::cipher::Sealed;
use super::leaf::{Content, Cut, CutKind, DEPTH_LIMIT, Leaf, List, Parsed, Path, member};
use super::scalar::{quoting, resolve, tagged};

/// Bytes that aliases may stand for together.
const REPEATED_LIMIT: usize = 4 << 20;

/// Reads a file of one or more documents; the metadata are those of the first.
pub(super) fn parse(text: &str) -> Result<Parsed, SopsError> {
    // Comments one after the other are waited for together, however many there are.
    let options = options! {
        emit_comments: true,
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: DEPTH_LIMIT,
        block_nesting_limit: DEPTH_LIMIT,
    };
    let mut reader = Reader {
        text,
        parsed: Parsed::default(),
        open: Vec::new(),
        path: Path::default(),
        anchors: HashMap::new(),
        capture: None,
        has_keys: false,
        block_cut: None,
        root: StructureStyle::Block,
        repeated: 0,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let message = format!("the file is not YAML: {}", error.info());
            SopsError::format(message).at(error.marker().line())
        })?;
        let line = span.start.line();
        reader.event(event, &span).map_err(|error| error.at(line))?;
    }
    Ok(reader.parsed)
}

/// A collection that is being read.
enum Open {
    /// Whether its next node is a value.
    Map {
        has_key: bool,
        anchor: Anchor,
    },
    List {
        index: usize,
        anchor: Anchor,
    },
}

/// The number of an anchor (0 for none), and the first leaf under it.
#[derive(Clone, Copy)]
struct Anchor {
    number: usize,
    first: usize,
}

struct Reader<'a> {
    text: &'a str,
    parsed: Parsed,
    open: Vec<Open>,
    path: Path,
    anchors: HashMap<usize, Range<usize>>,
    capture: Option<Capture>,
    /// Whether the document has another key than that of the metadata.
    has_keys: bool,
    /// The cut in the block map of the document.
    block_cut: Option<usize>,
    /// How the map at the top of the document is written.
    root: StructureStyle,
    /// Bytes that aliases stood for so far.
    repeated: usize,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), SopsError> {
        if self.capture.is_some() {
            return self.captured(event, span);
        }
        match event {
            Event::DocumentStart(..) => {
                self.open.clear();
                self.path = Path::default();
                self.anchors.clear();
                self.parsed.documents += 1;
                self.has_keys = false;
            }
            Event::DocumentEnd => {
                if let Some(cut) = self.block_cut.take().filter(|_| !self.has_keys) {
                    self.parsed.cuts[cut].kind = CutKind::Null;
                }
            }
            Event::Comment(text, _) => self.parsed.push(Leaf {
                path: self.path.clone(),
                line: span.start.line(),
                bytes: span.byte_range(),
                content: Content::Comment(text.trim_end_matches('\r').to_owned()),
                list: None,
            })?,
            Event::Scalar(text, style, anchor, tag) => {
                if self.takes_key(&text, span) {
                    return Ok(());
                }
                let anchor = self.anchor(anchor);
                let content = resolve(&text, quoting(style), tagged(tag.as_deref()));
                let list = self.item(&content);
                self.parsed.push(Leaf {
                    path: self.path.clone(),
                    line: span.start.line(),
                    bytes: span.byte_range(),
                    content,
                    list,
                })?;
                self.complete(anchor);
            }
            Event::Alias(number) => {
                self.key_is_no_collection()?;
                self.item(&Content::Null);
                self.repeat(number)?;
                self.complete(self.anchor(0));
            }
            Event::SequenceStart(_, anchor, _) => {
                self.key_is_no_collection()?;
                self.item(&Content::Null);
                let anchor = self.anchor(anchor);
                let index = self.parsed.lists.len();
                self.parsed.lists.push(List::default());
                self.open.push(Open::List { index, anchor });
            }
            Event::MappingStart(style, anchor, _) => {
                if self.open.is_empty() {
                    self.root = style;
                }
                self.key_is_no_collection()?;
                self.item(&Content::Null);
                self.open.push(Open::Map {
                    has_key: false,
                    anchor: self.anchor(anchor),
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open::Map { anchor, .. } | Open::List { anchor, .. }) = self.open.pop()
                {
                    self.complete(anchor);
                }
            }
            // Stream marks, ends of documents, and what the options leave out.
            _ => {}
        }
        Ok(())
    }

    fn anchor(&self, number: usize) -> Anchor {
        Anchor {
            number,
            first: self.parsed.leaves.len(),
        }
    }

    /// Whether the scalar is the key of a map; the metadata begin behind theirs.
    fn takes_key(&mut self, text: &str, span: &Span) -> bool {
        let is_top = self.open.len() == 1;
        let Some(Open::Map { has_key, .. }) = self.open.last_mut() else {
            return false;
        };
        if *has_key {
            return false;
        }
        if is_top && text == "sops" {
            self.capture = Some(Capture::new(
                span.byte_range().map_or(0, |bytes| bytes.start),
            ));
            return true;
        }
        *has_key = true;
        self.has_keys = true;
        self.path = self.path.child(text);
        true
    }

    fn key_is_no_collection(&self) -> Result<(), SopsError> {
        match self.open.last() {
            Some(Open::Map { has_key: false, .. }) => Err(SopsError::format(
                "a key is a map, a list or an alias, which SOPS does not know",
            )),
            _ => Ok(()),
        }
    }

    /// Counts an item of the list that is being read.
    fn item(&mut self, content: &Content) -> Option<usize> {
        let Some(Open::List { index, .. }) = self.open.last() else {
            return None;
        };
        let list = &mut self.parsed.lists[*index];
        if is_sealed_comment(content) {
            list.comments += 1;
        } else {
            list.items += 1;
        }
        Some(*index)
    }

    /// A node is complete: its key goes, and its anchor is known from here.
    fn complete(&mut self, anchor: Anchor) {
        if anchor.number != 0 {
            let leaves = anchor.first..self.parsed.leaves.len();
            self.anchors.insert(anchor.number, leaves);
        }
        if let Some(Open::Map { has_key, .. }) = self.open.last_mut()
            && *has_key
        {
            *has_key = false;
            self.path = self.path.parent();
        }
    }

    /// The MAC counts what an alias stands for as often as it is used.
    fn repeat(&mut self, number: usize) -> Result<(), SopsError> {
        let leaves = self.anchors.get(&number).cloned().unwrap_or(0..0);
        for index in leaves {
            let leaf = &self.parsed.leaves[index];
            self.repeated += match &leaf.content {
                Content::Text(text) => text.len(),
                Content::Other(text) | Content::Comment(text) => text.len(),
                Content::Null => 0,
            };
            if self.repeated > REPEATED_LIMIT {
                return Err(SopsError::format(
                    "the aliases of the file stand for too much",
                ));
            }
            let repeated = Leaf {
                path: self.path.clone(),
                line: leaf.line,
                bytes: None,
                content: leaf.content.clone(),
                list: None,
            };
            self.parsed.push(repeated)?;
        }
        Ok(())
    }

    fn captured(&mut self, event: Event<'_>, span: &Span) -> Result<(), SopsError> {
        let Some(mut capture) = self.capture.take() else {
            return Ok(());
        };
        let bytes = span.byte_range().unwrap_or(0..0);
        let Some(value) = capture.event(event, &bytes)? else {
            self.capture = Some(capture);
            return Ok(());
        };
        if self.parsed.metadata.is_null() {
            self.parsed.metadata = value;
        }
        let flow_end = capture.flow_end.unwrap_or(capture.last);
        let bytes = match (self.root, capture.flow_end) {
            (StructureStyle::Flow, _) => member(self.text, capture.start..flow_end),
            (StructureStyle::Block, Some(end)) => capture.start..end,
            (StructureStyle::Block, None) => capture.lines(self.text),
        };
        if self.root == StructureStyle::Block {
            self.block_cut = Some(self.parsed.cuts.len());
        }
        self.parsed.cuts.push(Cut {
            bytes,
            kind: CutKind::Blank,
        });
        Ok(())
    }
}

fn is_sealed_comment(content: &Content) -> bool {
    let Content::Text(text) = content else {
        return false;
    };
    let text = std::str::from_utf8(text).unwrap_or_default();
    Sealed::read(text).is_some_and(|sealed| sealed.is_comment())
}
