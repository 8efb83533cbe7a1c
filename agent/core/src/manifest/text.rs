//! Objects as YAML for people and for `kubectl`: every reader, of YAML 1.1 and 1.2, reads back the
//! same values.
//!
//! A string stands plain only where no reader could take it for anything else, in a block where it
//! has several lines, and quoted as in JSON otherwise.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Fields that come first in an object and its metadata; the others follow in their own order.
const FIRST: [&str; 6] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "generateName",
    "namespace",
];

/// Writes one object as a document without a marker, ending with a line break.
pub fn document(object: &Value) -> String {
    let mut out = String::new();
    match object {
        Value::Object(fields) if !fields.is_empty() => {
            let (mut first, mut rest): (Vec<_>, Vec<_>) = fields
                .iter()
                .partition(|(name, _)| FIRST.contains(&name.as_str()));
            first.sort_by_key(|(name, _)| FIRST.iter().position(|known| known == name));
            first.append(&mut rest);
            for (name, value) in first {
                write_key(&mut out, name, 0);
                match (name.as_str(), value) {
                    ("metadata", Value::Object(fields)) if !fields.is_empty() => {
                        out.push('\n');
                        write_metadata(&mut out, fields);
                    }
                    _ => write_value(&mut out, value, 0),
                }
            }
        }
        other => write_value(&mut out, other, 0),
    }
    // A document that is a scalar or empty begins with the space that follows a key.
    match out.strip_prefix([' ', '\n']) {
        Some(bare) => bare.to_owned(),
        None => out,
    }
}

fn write_metadata(out: &mut String, fields: &Map<String, Value>) {
    let named = FIRST.iter().filter_map(|name| fields.get_key_value(*name));
    let rest = fields
        .iter()
        .filter(|(name, _)| !FIRST.contains(&name.as_str()));
    for (name, value) in named.chain(rest) {
        write_key(out, name, 2);
        write_value(out, value, 2);
    }
}

fn write_key(out: &mut String, name: &str, indent: usize) {
    pad(out, indent);
    write_string(out, name);
    out.push(':');
}

/// Writes what follows the `:` of a key or the `-` of an item at this indentation.
fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if fields.is_empty() => out.push_str(" {}\n"),
        Value::Array(items) if items.is_empty() => out.push_str(" []\n"),
        Value::Object(fields) => {
            out.push('\n');
            for (name, value) in fields {
                write_key(out, name, indent + 2);
                write_value(out, value, indent + 2);
            }
        }
        Value::Array(items) => {
            out.push('\n');
            for item in items {
                write_item(out, item, indent);
            }
        }
        Value::String(text) if is_block(text) => write_block(out, text, indent + 2),
        Value::String(text) => {
            out.push(' ');
            write_string(out, text);
            out.push('\n');
        }
        scalar => {
            let _ = writeln!(out, " {scalar}");
        }
    }
}

/// Writes an item of a list whose dashes stand at this indentation, as `kubectl` writes them.
fn write_item(out: &mut String, item: &Value, indent: usize) {
    pad(out, indent);
    out.push('-');
    match item {
        Value::Object(fields) if !fields.is_empty() => {
            for (number, (name, value)) in fields.iter().enumerate() {
                if number == 0 {
                    out.push(' ');
                } else {
                    pad(out, indent + 2);
                }
                write_string(out, name);
                out.push(':');
                write_value(out, value, indent + 2);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            for item in items {
                write_item(out, item, indent + 2);
            }
        }
        other => write_value(out, other, indent),
    }
}

/// Whether a text is written as a block: it has several lines, and nothing that a block would
/// change or that could not be seen in it.
fn is_block(text: &str) -> bool {
    let visible = |c: char| c == '\n' || c == '\t' || !must_be_escaped(c);
    text.trim_end_matches('\n').contains('\n')
        && text.chars().all(visible)
        && !text
            .lines()
            .any(|line| line.ends_with([' ', '\t']) || line.starts_with('\t'))
}

fn write_block(out: &mut String, text: &str, indent: usize) {
    out.push_str(" |");
    // The first line does not show where the block begins.
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    match text.len() - text.trim_end_matches('\n').len() {
        0 => out.push('-'),
        1 => {}
        _ => out.push('+'),
    }
    out.push('\n');
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            pad(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
}

fn write_string(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if must_be_escaped(c) => {
                let _ = match u32::from(c) {
                    code @ 0..=0xffff => write!(out, "\\u{code:04x}"),
                    code => write!(out, "\\U{code:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether no reader of YAML could take the bare text for anything but this string.
fn is_plain(text: &str) -> bool {
    let mut bytes = text.bytes();
    let begins = bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'/');
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"_./:@+ ,-()=".contains(&b);
    begins
        && bytes.all(inside)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !is_word(text)
}

/// Words that mean a boolean, null or a number to some reader.
fn is_word(text: &str) -> bool {
    const WORDS: [&str; 13] = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity",
        "nil",
    ];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// What is not printed, or is a line break to YAML 1.1 and none to YAML 1.2.
fn must_be_escaped(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
        // What turns the direction of text, or takes no room, hides what a value is.
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
        || matches!(c, '\u{a0}' | '\u{ad}')
}

fn pad(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

#[cfg(test)]
mod tests {
    use crate::manifest::yaml::{Limits, parse};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        let mut found = parse("out.yaml", text.as_bytes(), &Limits::default())
            .unwrap_or_else(|failures| panic!("{failures:?} in\n{text}"));
        assert_eq!(found.len(), 1, "{text}");
        found.remove(0).value
    }

    #[test]
    fn an_object_reads_as_people_write_it() {
        let object = json!({
            "kind": "Deployment", "apiVersion": "apps/v1",
            "metadata": {"labels": {"app": "web"}, "namespace": "shop", "name": "web"},
            "spec": {
                "replicas": 2, "paused": false, "empty": {}, "none": [],
                "containers": [{"image": "nginx:1.25", "args": ["-v", "a b"], "name": "web"}],
                "nested": [["a"], [], [[1]], {}],
            },
        });
        let text = document(&object);
        assert_eq!(
            text,
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n  \
             labels:\n    app: web\nspec:\n  containers:\n  - args:\n    - \"-v\"\n    - a b\n    \
             image: nginx:1.25\n    name: web\n  empty: {}\n  nested:\n  -\n    - a\n  - []\n  \
             -\n    -\n      - 1\n  - {}\n  none: []\n  paused: false\n  replicas: 2\n"
        );
        assert_eq!(read(&text), object);
    }

    #[test]
    fn strings_that_look_like_something_else_are_quoted() {
        let words = [
            "",
            " ",
            "yes",
            "No",
            "ON",
            "off",
            "true",
            "null",
            "~",
            "0755",
            "0x1f",
            "0o7",
            "1e3",
            "1_000",
            "12:30:45",
            "2026-01-01",
            ".inf",
            "-.INF",
            ".nan",
            "+1",
            "-",
            "- a",
            "?",
            "<<",
            "=",
            "&a",
            "*a",
            "!x",
            "#x",
            "a #b",
            "a: b",
            "a:",
            "@x",
            "`x",
            "%x",
            "|",
            ">",
            "{",
            "[",
            "'",
            "\"",
            "\\",
            "a\"b",
            "---",
            "...",
            "\u{85}",
            "\u{2028}",
            "\u{feff}a",
            "\u{7f}",
            "y",
            "N",
            "a\tb",
            "trailing ",
            " leading",
            "\r\n",
            "${VAR}",
            "日本",
            "\u{1f600}",
        ];
        for word in words {
            let object = json!({"kind": "X", "data": {word: word}, "list": [word, {word: [word]}]});
            let text = document(&object);
            assert_eq!(read(&text), object, "{text}");
        }
    }

    #[test]
    fn several_lines_are_a_block_and_keep_every_line_break() {
        for text in [
            "a\nb",
            "a\nb\n",
            "a\nb\n\n\n",
            "\na\nb",
            "  a\nb\n",
            "a\n\n  b\n",
            "#!/bin/sh\n---\nx: 1\n",
            "a\n\tb\n",
            "\ta\nb",
            "a \nb",
            "\n\n",
            "a\r\nb\r\n",
            "a\n \nb",
            "...\n--- \n",
            "%x\ny\n",
        ] {
            let object = json!({"kind": "X", "data": {"a": text, "b": 1}, "list": [text, [text], {"a": text}]});
            let written = document(&object);
            assert_eq!(read(&written), object, "{written}");
        }
        assert!(document(&json!({"a": "x\ny\n"})).contains("a: |\n  x\n  y\n"));
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zA-Z0-9 .:/_#'\"@&*!|>%{}\\[\\],?~=<-]{0,12}",
            "[ \\t\\na-c#:-]{0,16}",
            any::<String>(),
        ]
        .prop_map(|text| text.replace('\0', "0"))
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1_000_000i64..1_000_000).prop_map(|n| Value::from(n as f64 + 0.5)),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::btree_map(text(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_object_reads_back_as_it_was(data in value(), name in text()) {
            let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data});
            let text = document(&object);
            prop_assert_eq!(read(&text), object, "{}", text);
        }
    }
}
