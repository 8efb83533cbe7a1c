//! The metadata of a YAML file on their way to a tree, and the lines that they fill.

use std::ops::Range;

use granit_parser::{Event, StructureStyle};
use serde_json::{Map, Value};

use super::SopsError;
use super::leaf::Content;
use super::scalar;

/// The value of the key `sops` on its way to a tree.
pub(super) struct Capture {
    /// Where the key begins.
    pub(super) start: usize,
    /// Where the scalar that was read last begins.
    pub(super) last: usize,
    /// Where the value ends, where it is a flow map.
    pub(super) flow_end: Option<usize>,
    is_flow: bool,
    open: Vec<(Value, Option<String>)>,
}

impl Capture {
    pub(super) fn new(start: usize) -> Self {
        Self {
            start,
            last: start,
            flow_end: None,
            is_flow: false,
            open: Vec::new(),
        }
    }

    /// What stands before the key in its line.
    fn indent<'a>(&self, text: &'a str) -> &'a str {
        let line_start = text[..self.start].rfind('\n').map_or(0, |at| at + 1);
        &text[line_start..self.start]
    }

    /// The lines of the metadata in a block map, down to the next that is not deeper.
    pub(super) fn lines(&self, text: &str) -> Range<usize> {
        let line_end = |from: usize| {
            text[from..]
                .find('\n')
                .map_or(text.len(), |at| from + at + 1)
        };
        let indent = self.indent(text).len();
        let mut end = line_end(self.last);
        for line in text[end..].split_inclusive('\n') {
            let content = line.trim_start_matches([' ', '\t']);
            if !content.trim().is_empty() && line.len() - content.len() <= indent {
                break;
            }
            end += line.len();
        }
        self.start..end
    }

    /// Takes an event in; the value when it is complete.
    pub(super) fn event(
        &mut self,
        event: Event<'_>,
        bytes: &Range<usize>,
    ) -> Result<Option<Value>, SopsError> {
        let done = match event {
            Event::Scalar(text, style, _, tag) => {
                self.last = self.last.max(bytes.start);
                if let Some((Value::Object(_), key @ None)) = self.open.last_mut() {
                    *key = Some(text.into_owned());
                    return Ok(None);
                }
                match scalar::resolve(
                    &text,
                    scalar::quoting(style),
                    scalar::tagged(tag.as_deref()),
                ) {
                    Content::Null => Value::Null,
                    Content::Other(word) if word == "True" => Value::Bool(true),
                    Content::Other(word) if word == "False" => Value::Bool(false),
                    // A time is wanted as it is written, and so is a number.
                    Content::Text(_) | Content::Other(_) | Content::Comment(_) => {
                        Value::String(text.into_owned())
                    }
                }
            }
            Event::MappingStart(style, ..) => {
                self.is_flow |= self.open.is_empty() && style == StructureStyle::Flow;
                self.open.push((Value::Object(Map::new()), None));
                return Ok(None);
            }
            Event::SequenceStart(..) => {
                self.open.push((Value::Array(Vec::new()), None));
                return Ok(None);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.flow_end = Some(bytes.end).filter(|_| self.is_flow);
                match self.open.pop() {
                    Some((value, _)) => value,
                    None => return Ok(None),
                }
            }
            Event::Alias(_) => {
                return Err(SopsError::format("the metadata have an alias"));
            }
            _ => return Ok(None),
        };
        Ok(match self.open.last_mut() {
            None => Some(done),
            Some((Value::Object(map), key)) => {
                map.insert(key.take().unwrap_or_default(), done);
                None
            }
            Some((Value::Array(list), _)) => {
                list.push(done);
                None
            }
            Some(_) => None,
        })
    }
}
