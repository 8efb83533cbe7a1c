//! Lines of `KEY=value`, with the metadata in keys that begin with `sops_`.

use serde_json::{Map, Value};

use super::SopsError;
use super::leaf::{Content, Cut, CutKind, Leaf, Parsed, Path};
use super::metadata::insert_flat;

/// Reads a dotenv file. A line break inside a value is written `\n`.
pub(super) fn parse(text: &str) -> Result<Parsed, SopsError> {
    let mut parsed = Parsed {
        metadata: Value::Object(Map::new()),
        documents: 1,
        ..Parsed::default()
    };
    let mut start = 0;
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let end = start + whole.len();
        let line = whole.trim_end_matches('\n');
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(comment) = line.strip_prefix('#') {
            parsed.push(Leaf {
                path: Path::default(),
                line: index + 1,
                bytes: Some(start..start + line.len()),
                content: Content::Comment(comment.to_owned()),
                list: None,
            })?;
        } else if let Some((key, value)) = line.split_once('=') {
            let unescaped = value.replace("\\n", "\n");
            if let Some(name) = key.strip_prefix("sops_") {
                insert_flat(&mut parsed.metadata, name, unescaped);
                parsed.cuts.push(Cut {
                    bytes: start..end,
                    kind: CutKind::Lines,
                });
            } else {
                parsed.push(Leaf {
                    path: Path::default().child(key),
                    line: index + 1,
                    bytes: Some(start + key.len() + 1..start + line.len()),
                    content: Content::Text(unescaped.into_bytes()),
                    list: None,
                })?;
            }
        } else if !line.trim().is_empty() {
            return Err(
                SopsError::format("a line is neither a comment nor `KEY=value`").at(index + 1),
            );
        }
        start = end;
    }
    Ok(parsed)
}
