//! Makes one document a JSON value, within its limits.
//!
//! It never recurses while it reads, so that a deep document costs no stack, and it counts what
//! aliases bring in before it copies it.

use std::collections::{BTreeSet, HashMap};

use granit_parser::{Event, Parser, Span, options};
use serde_json::{Map, Value};

use super::super::normalise::whole_floats_to_integers;
use super::broken::{Broken, printable, scan_error};
use super::scalar::{self, Scalar};
use super::size::{Size, size};
use super::{Limits, json};
use crate::reason::Reason;

/// The deepest nesting that any setting can ask for: what is read must also fit the JSON readers
/// of others, which stop at 128.
const DEEPEST: usize = 120;

/// What all documents of a file may cost together.
pub(super) struct Budget {
    nodes: usize,
    copied_bytes: usize,
}

impl Budget {
    /// Twice the nodes of one document, and four times the bytes of the file for what aliases copy.
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            nodes: limits.max_nodes.saturating_mul(2),
            copied_bytes: limits.max_file_bytes.saturating_mul(4),
        }
    }
}

/// A document as it was read.
pub(super) struct Document {
    pub(super) value: Value,
    /// Lines, from 1, of the items of the list `items` of a `List`.
    pub(super) item_lines: Vec<usize>,
}

/// Reads one document.
pub(super) fn read(text: &str, limits: &Limits, budget: &mut Budget) -> Result<Document, Broken> {
    let broken = match read_yaml(text, limits, budget) {
        Err(broken) if broken.reason == Reason::YamlSyntax => broken,
        other => return other,
    };
    let Some(mut value) = json::read(text) else {
        return Err(broken);
    };
    let size = size(&value);
    let mut reader = Reader::new(limits, budget);
    reader.count(size.nodes)?;
    reader.check_depth(size.depth)?;
    whole_floats_to_integers(&mut value);
    Ok(Document {
        value,
        item_lines: Vec::new(),
    })
}

fn read_yaml(text: &str, limits: &Limits, budget: &mut Budget) -> Result<Document, Broken> {
    let options = options! { emit_comments: false, emit_anchor_events: true };
    let mut reader = Reader::new(limits, budget);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| scan_error(&error))?;
        let line = span.start.line();
        reader.take(event, &span).map_err(|broken| Broken {
            line: broken.line.or(Some(line)),
            ..broken
        })?;
    }
    Ok(Document {
        value: reader.root.unwrap_or_default(),
        item_lines: reader.item_lines,
    })
}

struct Reader<'a> {
    limits: &'a Limits,
    budget: &'a mut Budget,
    documents: usize,
    /// How many nodes there are, those that aliases bring in as well.
    nodes: usize,
    /// How many of them come from aliases.
    aliased: usize,
    /// How many stand behind an anchor.
    anchored: usize,
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    root: Option<Value>,
    item_lines: Vec<usize>,
}

struct Open {
    /// 0 where it has none.
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Map(Entries),
}

#[derive(Default)]
struct Entries {
    map: Map<String, Value>,
    key: Key,
    /// The keys whose values come from another map only.
    merged: BTreeSet<String>,
}

#[derive(Default)]
enum Key {
    #[default]
    Awaited,
    Name(String),
    Merge,
}

/// A value that aliases may name.
struct Anchored {
    value: Value,
    size: Size,
}

impl<'a> Reader<'a> {
    fn new(limits: &'a Limits, budget: &'a mut Budget) -> Self {
        Self {
            limits,
            budget,
            documents: 0,
            nodes: 0,
            aliased: 0,
            anchored: 0,
            open: Vec::new(),
            anchors: HashMap::new(),
            root: None,
            item_lines: Vec::new(),
        }
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), Broken> {
        if let Some(tag) = event.tag()
            && !tag.suffix().chars().all(is_of_tag)
        {
            return Err(syntax(
                "a tag has a name with marks; quote it if it is text",
            ));
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(syntax("another document starts here without `---`"));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1)?;
                self.note_item(span);
                let is_key = self.awaits_key();
                if is_key && scalar::is_merge(&text, style, tag.as_deref()) {
                    self.set_key(Key::Merge);
                    return Ok(());
                }
                let scalar = scalar::resolve(text, style, tag.as_deref()).map_err(syntax)?;
                if anchor != 0
                    && let Ok(value) = scalar.clone().into_value()
                {
                    self.keep(anchor, value)?;
                }
                if is_key {
                    self.name(scalar)
                } else {
                    self.add(scalar.into_value().map_err(syntax)?)
                }
            }
            Event::Alias(anchor) => {
                self.note_item(span);
                self.alias(anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(anchor, Content::List(Vec::new()), span)
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(anchor, Content::Map(Entries::default()), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            // A value that begins with `&` by mistake would be lost otherwise.
            Event::Anchor(_, name) if !name.chars().all(is_of_anchor) => Err(syntax(
                "an anchor has a name with marks; quote it if it is text",
            )),
            // Stream marks, and what the options leave out.
            _ => Ok(()),
        }
    }

    fn open(&mut self, anchor: usize, content: Content, span: &Span) -> Result<(), Broken> {
        self.count(1)?;
        if self.awaits_key() {
            return Err(syntax("a key is a map or a list"));
        }
        self.check_depth(1)?;
        self.note_item(span);
        self.open.push(Open { anchor, content });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Broken> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.content {
            Content::List(items) => Value::Array(items),
            Content::Map(entries) => Value::Object(entries.map),
        };
        if open.anchor != 0 {
            self.keep(open.anchor, value.clone())?;
        }
        self.add(value)
    }

    /// Notes what aliases may name from now on.
    fn keep(&mut self, anchor: usize, value: Value) -> Result<(), Broken> {
        let size = size(&value);
        self.anchored += size.nodes;
        if self.anchored > self.limits.max_nodes {
            return Err(limit("the anchors of the document hold too much"));
        }
        self.copy(size)?;
        self.anchors.insert(anchor, Anchored { value, size });
        Ok(())
    }

    fn alias(&mut self, anchor: usize) -> Result<(), Broken> {
        let Some(Anchored { size, .. }) = self.anchors.get(&anchor) else {
            return Err(syntax("an alias stands inside the anchor that it names"));
        };
        let size = *size;
        self.count(size.nodes)?;
        self.check_depth(size.depth)?;
        self.aliased += size.nodes;
        if self.aliased > self.limits.max_alias_nodes {
            return Err(limit("the aliases of the document expand too far"));
        }
        self.copy(size)?;
        let value = match self.anchors.get(&anchor) {
            Some(anchored) => anchored.value.clone(),
            None => Value::Null,
        };
        if self.awaits_key() {
            return match value {
                Value::Array(_) | Value::Object(_) => Err(syntax("a key is a map or a list")),
                value => self.name(as_scalar(value)),
            };
        }
        // The maps of a list are merged only where the list stands there itself.
        if self.awaits_merge() && !value.is_object() {
            return Err(not_mergeable());
        }
        self.add(value)
    }

    /// Takes the key of the next entry.
    fn name(&mut self, scalar: Scalar<'_>) -> Result<(), Broken> {
        let name = scalar.into_key().map_err(syntax)?;
        let Some(Content::Map(entries)) = self.open.last_mut().map(|open| &mut open.content) else {
            return Ok(());
        };
        if entries.map.contains_key(&name) && !entries.merged.remove(&name) {
            return Err(Broken {
                reason: Reason::YamlDuplicateKey,
                line: None,
                what: format!("the key `{}` stands twice in one map", printable(&name)),
            });
        }
        entries.key = Key::Name(name);
        Ok(())
    }

    fn add(&mut self, value: Value) -> Result<(), Broken> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value),
            Some(Content::List(items)) => items.push(value),
            Some(Content::Map(entries)) => match std::mem::take(&mut entries.key) {
                Key::Awaited => return Err(syntax("a key is a map or a list")),
                Key::Name(name) => {
                    entries.map.insert(name, value);
                }
                Key::Merge => entries.merge(value)?,
            },
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.key(), Some(Key::Awaited))
    }

    fn awaits_merge(&self) -> bool {
        matches!(self.key(), Some(Key::Merge))
    }

    fn key(&self) -> Option<&Key> {
        match self.open.last().map(|open| &open.content) {
            Some(Content::Map(entries)) => Some(&entries.key),
            _ => None,
        }
    }

    fn set_key(&mut self, key: Key) {
        if let Some(Content::Map(entries)) = self.open.last_mut().map(|open| &mut open.content) {
            entries.key = key;
        }
    }

    /// Notes the line of an item of the list `items` of the root.
    fn note_item(&mut self, span: &Span) {
        if let [
            root,
            Open {
                content: Content::List(_),
                ..
            },
        ] = self.open.as_slice()
            && let Content::Map(entries) = &root.content
            && matches!(&entries.key, Key::Name(name) if name == "items")
        {
            self.item_lines.push(span.start.line());
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), Broken> {
        self.nodes += nodes;
        let left = self.budget.nodes.checked_sub(nodes);
        match left {
            Some(left) if self.nodes <= self.limits.max_nodes => {
                self.budget.nodes = left;
                Ok(())
            }
            _ => Err(limit("the document, or its file, holds too many values")),
        }
    }

    fn copy(&mut self, size: Size) -> Result<(), Broken> {
        match self.budget.copied_bytes.checked_sub(size.bytes) {
            Some(left) => {
                self.budget.copied_bytes = left;
                Ok(())
            }
            None => Err(limit("the aliases of the file expand too far")),
        }
    }

    fn check_depth(&self, more: usize) -> Result<(), Broken> {
        if self.open.len() + more > self.limits.max_depth.min(DEEPEST) {
            return Err(limit("the document is nested too deeply"));
        }
        Ok(())
    }
}

impl Entries {
    /// Brings in the entries of a map, or of a list of maps of which the first wins. As `kubectl`
    /// does it, they win over the entries that stand before the merge key.
    fn merge(&mut self, value: Value) -> Result<(), Broken> {
        let maps = match value {
            Value::Array(items) => items,
            one => vec![one],
        };
        for map in maps.into_iter().rev() {
            let Value::Object(map) = map else {
                return Err(not_mergeable());
            };
            for (name, value) in map {
                if self.map.insert(name.clone(), value).is_none() {
                    self.merged.insert(name);
                }
            }
        }
        Ok(())
    }
}

fn is_of_anchor(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-')
}

fn is_of_tag(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_-;/?:@&=+$,.!~*'()[]%".contains(letter)
}

/// The scalar that an alias brings to the place of a key.
fn as_scalar(value: Value) -> Scalar<'static> {
    match value {
        Value::Bool(flag) => Scalar::Boolean(flag),
        Value::String(text) => Scalar::Text(text.into()),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Scalar::Integer(number),
            (_, Some(number), _) => Scalar::Unsigned(number),
            (_, _, number) => Scalar::Float(number.unwrap_or(f64::NAN)),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => Scalar::Null,
    }
}

fn not_mergeable() -> Broken {
    syntax("the value of `<<` is not a map or a list of maps")
}

fn syntax(what: &'static str) -> Broken {
    Broken {
        reason: Reason::YamlSyntax,
        line: None,
        what: what.to_owned(),
    }
}

fn limit(what: &'static str) -> Broken {
    Broken {
        reason: Reason::YamlLimit,
        line: None,
        what: what.to_owned(),
    }
}
