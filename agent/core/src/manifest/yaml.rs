//! Reads YAML and JSON files of a repository as `kubectl` does, and says where each object stands.
//!
//! Booleans, octal numbers and merge keys are those of YAML 1.1; whole floats become integers.
//! Unlike `kubectl` a key that stands twice is an error, because people write these files.
//! No message holds a value of the file: it may be a Secret.

mod broken;

use serde_json::Value;

use self::broken::{Broken, Fault, broken};
use super::normalise::whole_floats_to_integers;
use crate::object::Origin;
use crate::outcome::Failure;
use crate::reason::Reason;

/// What a file and an object may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file.
    pub max_file_bytes: usize,
    /// Documents of a file.
    pub max_documents: usize,
    /// Nodes of a document, after its aliases are expanded.
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

/// The deepest nesting that any setting can ask for: what is read must also fit the JSON readers
/// of others, which stop at 128.
const DEEPEST: usize = 120;
/// Up to this nesting a document is read on the caller's stack; the reader takes up to 40 KiB a
/// level there in a debug build. A deeper one, such as the schema of a CRD, gets its own stack.
const SHALLOW: usize = 24;
const DEEP_STACK_BYTES: usize = 32 * 1024 * 1024;

/// Reads all objects of a file, each with its document and line.
///
/// Empty documents are left out, `List`s are taken apart. On failure every document that cannot
/// be read is in the answer, so that one look is enough to correct the file.
pub fn parse(
    file: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<Vec<(Value, Origin)>, Vec<Failure>> {
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
    let mut number = 0;
    for document in documents(text) {
        if document.explicit || document.content.is_some() {
            number += 1;
        }
        let Some(line) = document.content else {
            continue;
        };
        if number > limits.max_documents {
            let detail = format!("{file}: more than {} documents", limits.max_documents);
            failures.push(Failure {
                reason: Reason::YamlLimit,
                detail,
            });
            break;
        }
        match read(document.text, limits) {
            Ok(Value::Null) => {}
            Ok(mut value) => {
                whole_floats_to_integers(&mut value);
                let origin = Origin {
                    file: file.to_owned(),
                    document: number,
                    line: Some(line),
                };
                take_apart(value, origin, &mut objects);
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

/// Takes a `List` apart, also one inside another; anything else is taken as it is.
///
/// Items of a typed list (`ConfigMapList`) get their kind from it where they name none.
pub(super) fn take_apart(value: Value, origin: Origin, into: &mut Vec<(Value, Origin)>) {
    let Value::Object(mut map) = value else {
        into.push((value, origin));
        return;
    };
    let item_kind = match (&map.get("kind"), &map.get("items")) {
        (Some(Value::String(kind)), Some(Value::Array(_) | Value::Null))
            if map
                .get("metadata")
                .is_none_or(|metadata| metadata["name"].is_null()) =>
        {
            kind.strip_suffix("List").map(str::to_owned)
        }
        _ => None,
    };
    let Some(item_kind) = item_kind else {
        into.push((Value::Object(map), origin));
        return;
    };
    let api_version = map.get("apiVersion").cloned();
    let Some(Value::Array(items)) = map.remove("items") else {
        return;
    };
    for mut item in items {
        if let (Value::Object(item), false) = (&mut item, item_kind.is_empty()) {
            if !item.contains_key("kind") {
                item.insert("kind".into(), Value::from(item_kind.as_str()));
            }
            if let (false, Some(api_version)) = (item.contains_key("apiVersion"), &api_version) {
                item.insert("apiVersion".into(), api_version.clone());
            }
        }
        take_apart(item, origin.clone(), into);
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
}

/// Cuts a file at its document markers.
///
/// YAML forbids a marker at the start of a line inside any scalar, so that the cut needs no
/// parser, and a broken document does not hide the errors of the next one.
fn documents(text: &str) -> Vec<Document<'_>> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut current = Document {
        text: "",
        first_line: 1,
        explicit: false,
        content: None,
    };
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let number = index + 1;
        let end = at + line.len();
        if let Some(rest) = marker(line, "---") {
            if current.explicit || current.content.is_some() {
                current.text = &text[start..at];
                all.push(current);
                start = at;
                current = Document {
                    text: "",
                    first_line: number,
                    explicit: true,
                    content: None,
                };
            }
            current.explicit = true;
            current.content = has_content(rest).then_some(number);
        } else if marker(line, "...").is_some() {
            current.text = &text[start..end];
            all.push(current);
            start = end;
            current = Document {
                text: "",
                first_line: number + 1,
                explicit: false,
                content: None,
            };
        } else if current.content.is_none() && has_content(line) && !line.starts_with('%') {
            current.content = Some(number);
        }
        at = end;
    }
    current.text = &text[start..];
    all.push(current);
    all
}

fn marker<'a>(line: &'a str, marker: &str) -> Option<&'a str> {
    line.strip_prefix(marker)
        .filter(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn has_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn read(text: &str, limits: &Limits) -> Result<Value, Broken> {
    let depth = limits.max_depth.min(DEEPEST);
    match read_to_depth(text, limits, depth.min(SHALLOW)) {
        Err(broken) if broken.fault == Fault::Depth && depth > SHALLOW => {}
        other => return other,
    }
    std::thread::scope(|scope| {
        let deep = || read_to_depth(text, limits, depth);
        let reader = std::thread::Builder::new()
            .stack_size(DEEP_STACK_BYTES)
            .spawn_scoped(scope, deep);
        match reader.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            // No memory for a thread, or the reader panicked: the file is refused, nothing else.
            _ => Err(Broken {
                reason: Reason::YamlLimit,
                fault: Fault::Depth,
                line: None,
                what: "the document is too deep to be read now".to_owned(),
            }),
        }
    })
}

fn read_to_depth(text: &str, limits: &Limits, depth: usize) -> Result<Value, Broken> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: limits.max_nodes,
            max_events: limits.max_nodes.saturating_mul(3),
            max_depth: depth,
            flow_nesting_limit: depth,
            max_recorded_anchor_events: limits.max_alias_nodes,
            max_total_scalar_bytes: limits.max_file_bytes.saturating_mul(4),
            max_buffered_comment_events: 100_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: limits.max_alias_nodes,
        },
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| broken(&error))
}

#[cfg(test)]
mod tests;
