//! Reads YAML and JSON files of a repository as `kubectl` does, and says where each object stands.
//!
//! Booleans, octal numbers and merge keys are those of YAML 1.1; whole floats become integers.
//! Unlike `kubectl` a key that stands twice is an error, because people write these files.
//! No message holds a value of the file: it may be a Secret.

mod broken;
mod json;
mod line;
mod plain;
mod reader;
mod scalar;
mod size;
pub(crate) mod tree;

use self::reader::{Budget, read};
use super::Raw;
use crate::object::Origin;
use crate::outcome::Failure;
use crate::reason::Reason;

pub use self::line::{line_in, line_of};

/// What a file and an object may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file.
    pub max_file_bytes: usize,
    /// Documents of a file.
    pub max_documents: usize,
    /// Nodes of a document, after its aliases are expanded; a file may have twice as many.
    pub max_nodes: usize,
    /// Nodes of a document that its aliases bring in.
    pub max_alias_nodes: usize,
    /// Nesting of maps and lists in a document; at most 120.
    pub max_depth: usize,
    /// Bytes of an object as it is sent; the API server takes 1.5 MiB.
    pub max_object_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 8 * 1024 * 1024,
            max_documents: 10_000,
            max_nodes: 250_000,
            max_alias_nodes: 20_000,
            max_depth: 100,
            max_object_bytes: 1_572_864,
        }
    }
}

/// Reads all objects of a file, each with its document and line.
///
/// Empty documents are left out, `List`s are taken apart. On failure every document that cannot
/// be read is in the answer, so that one look is enough to correct the file.
pub fn parse(file: &str, bytes: &[u8], limits: &Limits) -> Result<Vec<Raw>, Vec<Failure>> {
    if bytes.len() > limits.max_file_bytes {
        let detail = format!(
            "{file}: the file has {} bytes; the limit is {}",
            bytes.len(),
            limits.max_file_bytes
        );
        return Err(vec![Failure {
            reason: Reason::YamlLimit,
            detail,
        }]);
    }
    let text = decode(file, bytes).map_err(|failure| vec![failure])?;
    let mut objects = Vec::new();
    let mut failures = Vec::new();
    let mut budget = Budget::of(limits);
    for (index, document) in documents(text, limits.max_documents.saturating_add(1)).enumerate() {
        let number = index + 1;
        if number > limits.max_documents {
            let detail = format!("{file}: more than {} documents", limits.max_documents);
            failures.push(Failure {
                reason: Reason::YamlLimit,
                detail,
            });
            break;
        }
        let Some(line) = document.content else {
            continue;
        };
        match read(document.text, limits, &mut budget) {
            Ok(found) if found.value.is_null() => {}
            Ok(found) => {
                let origin = Origin {
                    file: file.to_owned(),
                    document: number,
                    line: Some(line),
                };
                let raw = Raw {
                    plain: plain::pointers(document.text, limits),
                    ..Raw::new(found.value, origin)
                };
                let lines = found.item_lines.iter();
                let lines: Vec<usize> = lines.map(|line| document.first_line + line - 1).collect();
                raw.take_apart(&lines, &mut objects);
            }
            Err(broken) => {
                // A quote that is not closed is found behind the last line.
                let last = document.text.lines().count().max(1);
                let line = broken
                    .line
                    .map_or(line, |line| document.first_line + line.min(last) - 1);
                failures.push(Failure {
                    reason: broken.reason,
                    detail: format!("{file}:{line}: {}", broken.what),
                });
            }
        }
    }
    if failures.is_empty() {
        Ok(objects)
    } else {
        Err(failures)
    }
}

fn decode<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, Failure> {
    let refuse = |detail: String| Failure {
        reason: Reason::YamlEncoding,
        detail,
    };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(refuse(format!("{file}:1: the file is UTF-16")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = 1 + valid.matches('\n').count();
        refuse(format!("{file}:{line}: the line is not UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find('\0') {
        let line = 1 + text[..at].matches('\n').count();
        return Err(refuse(format!(
            "{file}:{line}: the line has a NUL character"
        )));
    }
    Ok(text)
}

struct Document<'a> {
    text: &'a str,
    /// Line of the file, from 1, where `text` starts.
    first_line: usize,
    /// Whether it starts with `---`.
    explicit: bool,
    /// Line of the file where its first node stands; `None` for an empty document.
    content: Option<usize>,
    /// Line of the file where a directive stands.
    directive: Option<usize>,
}

impl<'a> Document<'a> {
    fn starting(first_line: usize) -> Self {
        Self {
            text: "",
            first_line,
            explicit: false,
            content: None,
            directive: None,
        }
    }

    fn ended(self, text: &'a str) -> Self {
        // A directive without a document is for the parser to refuse.
        let stray = self.directive.filter(|_| !self.explicit);
        Self {
            text,
            content: self.content.or(stray),
            ..self
        }
    }
}

/// Cuts a file at its document markers, into no more documents than are asked for. Those without
/// marker and content are left out.
///
/// YAML forbids a marker at the start of a line inside any scalar, so that the cut needs no
/// parser, and a broken document does not hide the errors of the next one.
fn documents(text: &str, at_most: usize) -> impl Iterator<Item = Document<'_>> {
    let mut lines = text.split_inclusive('\n').enumerate();
    let mut start = 0;
    let mut at = 0;
    let mut next = Some(Document::starting(1));
    let documents = std::iter::from_fn(move || {
        let mut current = next.take()?;
        for (index, line) in lines.by_ref() {
            let number = index + 1;
            let before = at;
            at += line.len();
            if let Some(rest) = marker(line, "---") {
                let mut following = None;
                if current.explicit || current.content.is_some() {
                    following = Some(current.ended(&text[start..before]));
                    start = before;
                    current = Document::starting(number);
                }
                current.explicit = true;
                current.content = has_content(rest).then_some(number);
                if following.is_some() {
                    next = Some(current);
                    return following;
                }
            } else if marker(line, "...").is_some() {
                let ended = current.ended(&text[start..at]);
                start = at;
                next = Some(Document::starting(number + 1));
                return Some(ended);
            } else if current.content.is_none() && has_content(line) {
                if line.starts_with('%') && !current.explicit {
                    current.directive.get_or_insert(number);
                } else {
                    current.content = Some(number);
                }
            }
        }
        Some(current.ended(&text[start..]))
    });
    documents
        .filter(|document| document.explicit || document.content.is_some())
        .take(at_most)
}

fn marker<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.strip_prefix(marker)
        .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn has_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

#[cfg(test)]
mod tests;
