//! Puts decrypted values in their places.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use syncline_core::redacted::Redacted;

use super::cipher::Plain;
use super::leaf::{Content, CutKind, Leaf, Parsed};
use super::{Decrypted, Format, SopsError, scalar, yaml};

/// The decrypted file. YAML and JSON are read again: what comes out must be what went in.
pub(super) fn write(
    format: Format,
    text: &str,
    parsed: &Parsed,
    opened: &[Option<Plain>],
) -> Result<Decrypted, SopsError> {
    let secrets = opened.iter().flatten().filter_map(secret).collect();
    if format == Format::Binary {
        let content = match (opened, &parsed.leaves[..]) {
            ([Some(Plain::Text(bytes))], _) => bytes.to_vec(),
            ([None], [leaf]) => match &leaf.content {
                Content::Text(bytes) => bytes.clone(),
                _ => Vec::new(),
            },
            _ => return Err(SopsError::format("`data` of a binary file is not a string")),
        };
        return Ok(Decrypted { content, secrets });
    }
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    for cut in &parsed.cuts {
        let kept = match cut.kind {
            CutKind::Blank => line_ends(&text[cut.bytes.clone()]),
            CutKind::Null => format!("null{}", line_ends(&text[cut.bytes.clone()])),
            CutKind::Lines => String::new(),
        };
        edits.push((cut.bytes.clone(), kept));
    }
    let mut comments_left: Vec<usize> = parsed.lists.iter().map(|list| list.comments).collect();
    for (leaf, plain) in parsed.leaves.iter().zip(opened) {
        let (Some(plain), Some(bytes)) = (plain, leaf.bytes.clone()) else {
            continue;
        };
        let (bytes, written) = match (plain, leaf.list) {
            (Plain::Comment(comment), Some(list)) if leaf.is_value() => {
                comments_left[list] -= 1;
                let ends_empty = parsed.lists[list].items == 0 && comments_left[list] == 0;
                let empty_list = if ends_empty { "[] " } else { "" };
                let written = format!("{empty_list}#{}", one_line(comment));
                (from_dash(text, bytes, leaf)?, written)
            }
            (Plain::Comment(comment), _) => (bytes, format!("#{}", one_line(comment))),
            (plain, _) => (bytes, written(format, plain)),
        };
        let ends = line_ends(&text[bytes.clone()]);
        edits.push((bytes, written + &ends));
    }
    edits.sort_by_key(|(bytes, _)| bytes.start);
    let mut content = String::with_capacity(text.len());
    let mut copied = 0;
    for (bytes, written) in edits {
        // Two metadata in one map may share a comma.
        content.push_str(&text[copied..bytes.start.max(copied)]);
        content.push_str(&written);
        copied = bytes.end.max(copied);
    }
    content.push_str(&text[copied..]);
    prove(format, &content, parsed, opened)?;
    Ok(Decrypted {
        content: content.into_bytes(),
        secrets,
    })
}

impl Leaf {
    fn is_value(&self) -> bool {
        !matches!(self.content, Content::Comment(_))
    }

    /// A document that had nothing but metadata is null, which is at the top.
    fn is_in_a_map(&self) -> bool {
        self.is_value() && !self.path.is_empty()
    }
}

/// The range of an item of a block list with its dash.
fn from_dash(text: &str, bytes: Range<usize>, leaf: &Leaf) -> Result<Range<usize>, SopsError> {
    let before = text[..bytes.start].trim_end_matches(' ');
    if before.ends_with('-') {
        return Ok(before.len() - 1..bytes.end);
    }
    Err(SopsError::format("an encrypted comment is not an item of a block list").at(leaf.line))
}

fn line_ends(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\r')).collect()
}

fn one_line(comment: &str) -> String {
    comment.replace(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'], " ")
}

fn written(format: Format, plain: &Plain) -> String {
    match (format, plain) {
        (Format::Dotenv, Plain::Text(bytes)) => String::from_utf8_lossy(bytes).replace('\n', "\\n"),
        (Format::Yaml, Plain::Text(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => quoted(text),
            Err(_) => format!("!!binary \"{}\"", STANDARD.encode(bytes)),
        },
        (_, Plain::Text(bytes)) => quoted(&String::from_utf8_lossy(bytes)),
        (Format::Json, Plain::Time(text)) => quoted(text),
        (_, Plain::Integer(text) | Plain::Time(text) | Plain::Comment(text)) => text.to_string(),
        (Format::Yaml, Plain::Float(number)) if !number.is_finite() => {
            let word = match scalar::float_text(*number).as_str() {
                "+Inf" => ".inf",
                "-Inf" => "-.inf",
                _ => ".nan",
            };
            word.to_owned()
        }
        (Format::Yaml | Format::Json, Plain::Float(number))
            if number.to_bits() == (-0.0_f64).to_bits() =>
        {
            "-0.0".to_owned()
        }
        (_, Plain::Float(number)) => scalar::float_text(*number),
        (_, Plain::Boolean(value)) => value.to_string(),
    }
}

/// The text in double quotes, as YAML and JSON both read it.
fn quoted(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            // What YAML counts as a line end or as not printable.
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                let digits = format!("\\u{:04x}", u32::from(c));
                written.push_str(&digits);
            }
            c => written.push(c),
        }
    }
    written.push('"');
    written
}

fn secret(plain: &Plain) -> Option<Redacted> {
    let text = match plain {
        Plain::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => STANDARD.encode(bytes),
        },
        Plain::Integer(text) | Plain::Time(text) => text.to_string(),
        Plain::Float(number) => scalar::float_text(*number),
        Plain::Boolean(_) | Plain::Comment(_) => return None,
    };
    (!text.is_empty()).then(|| Redacted::new(text))
}

fn prove(
    format: Format,
    content: &str,
    parsed: &Parsed,
    opened: &[Option<Plain>],
) -> Result<(), SopsError> {
    let unproved = |line: Option<usize>| {
        let message = "decrypted in place the file would not read the same; \
             encrypt it again with `sops` so that it has the usual layout";
        let error = SopsError::format(message);
        line.map_or(error.clone(), |line| error.at(line))
    };
    match format {
        Format::Json => {
            serde_json::from_str::<IgnoredAny>(content).map_err(|_| unproved(None))?;
        }
        Format::Yaml => {
            let again = yaml::parse(content).map_err(|error| unproved(error.line))?;
            let mut found = again.leaves.into_iter().filter(Leaf::is_in_a_map);
            for (leaf, plain) in parsed.leaves.iter().zip(opened) {
                let expected = plain.as_ref().map_or(leaf.content.clone(), Plain::content);
                if !leaf.is_in_a_map() || matches!(expected, Content::Comment(_)) {
                    continue;
                }
                let same = found
                    .next()
                    .is_some_and(|found| found.path == leaf.path && found.content == expected);
                if !same {
                    return Err(unproved(Some(leaf.line)));
                }
            }
            if found.next().is_some() || again.documents != parsed.documents {
                return Err(unproved(None));
            }
        }
        Format::Dotenv | Format::Ini | Format::Binary => {}
    }
    Ok(())
}
