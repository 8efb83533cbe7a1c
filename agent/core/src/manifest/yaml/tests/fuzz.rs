//! Bytes that nobody would write, and files that somebody did with something broken in them.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Small enough for a short text to pass each of them.
const NARROW: Limits = Limits {
    max_file_bytes: 4_000,
    max_documents: 3,
    max_nodes: 60,
    max_alias_nodes: 20,
    max_depth: 6,
    max_object_bytes: 1_000,
};

/// Real files, from small to many documents.
const FILES: [&str; 5] = [
    include_str!("files/application.yaml"),
    include_str!("files/anchors.yaml"),
    include_str!("files/chart-values.yaml"),
    include_str!("files/list.json"),
    include_str!("files/styles.yaml"),
];

/// Reads the bytes and checks that the answer keeps to the limits.
fn read_within(bytes: &[u8], limits: &Limits) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let read = parse("a.yaml", bytes, limits);
    prop_assert!(start.elapsed() < Duration::from_secs(2));
    match read {
        Ok(objects) => {
            let mut per_document = std::collections::BTreeMap::new();
            for object in &objects {
                let (nodes, depth) = measure(&object.value);
                prop_assert!(depth <= limits.max_depth);
                *per_document.entry(object.origin.document).or_insert(0) += nodes;
                for pointer in &object.plain {
                    let text = object.value.pointer(pointer).and_then(Value::as_str);
                    prop_assert!(
                        text.is_some_and(|text| text.starts_with("${")),
                        "{}",
                        pointer
                    );
                }
                let text = std::str::from_utf8(bytes).unwrap_or_default();
                prop_assert!(line_in(text, &object.origin, "/a/0/b").is_some());
            }
            prop_assert!(per_document.len() <= limits.max_documents);
            prop_assert!(
                per_document
                    .values()
                    .all(|nodes| *nodes <= limits.max_nodes)
            );
        }
        Err(failures) => {
            prop_assert!(!failures.is_empty());
            for failure in failures {
                prop_assert!(failure.detail.starts_with("a.yaml:"), "{}", failure.detail);
                prop_assert!(!failure.detail.chars().any(char::is_control));
                prop_assert!(failure.detail.len() < 500);
            }
        }
    }
    Ok(())
}

/// How many values there are, and how deep they are nested.
fn measure(value: &Value) -> (usize, usize) {
    let below: Vec<_> = match value {
        Value::Array(items) => items.iter().map(measure).collect(),
        Value::Object(map) => map.values().map(measure).collect(),
        _ => return (1, 0),
    };
    let nodes = below.iter().map(|(nodes, _)| nodes).sum::<usize>();
    let depth = below.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
    (nodes + 1, depth + 1)
}

/// One change of a file.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Flip(Index, u8),
    Repeat(Index, usize, usize),
    Swap(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let mark = select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\t",
        "'",
        "\"",
        "|",
        ">",
        "&a ",
        "*a",
        "<<: *a\n",
        "!!int ",
        "${X}",
        "---\n",
        "...\n",
        "%",
        "#",
        ",",
        "?",
        "\u{feff}",
        "\0",
        "\r",
        "é",
        "  ",
        "\\u",
        "items:\n- ",
        "kind: List\n",
    ]);
    prop_oneof![
        4 => (any::<Index>(), mark).prop_map(|(at, mark)| Change::Insert(at, mark.into())),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, vec![byte])),
        2 => (any::<Index>(), 1_usize..30).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => (any::<Index>(), 1_usize..60, 2_usize..40).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Change::Swap(one, other)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Insert(at, new) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = at.index(bytes.len());
            bytes.drain(at..bytes.len().min(at + count));
        }
        Change::Flip(at, bits) => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Change::Repeat(at, count, times) => {
            let at = at.index(bytes.len());
            let piece = bytes[at..bytes.len().min(at + count)].repeat(*times);
            bytes.splice(at..at, piece);
        }
        Change::Swap(one, other) => {
            let (one, other) = (one.index(bytes.len()), other.index(bytes.len()));
            bytes.swap(one, other);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn broken_files_are_read_or_refused_within_the_limits(
        file in select(FILES.to_vec()),
        changes in prop::collection::vec(change(), 1..8),
    ) {
        let mut bytes = file.as_bytes().to_vec();
        for change in &changes {
            apply(change, &mut bytes);
        }
        read_within(&bytes, &Limits::default())?;
        read_within(&bytes, &NARROW)?;
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_within(&bytes, &Limits::default())?;
    }

    #[test]
    fn text_made_of_yaml_marks_never_panics(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", ": ", ":", "- ", "\n", "\n  ", "\t", "---\n", "...\n", "'", "\"", "|", ">", "&a ",
            "*a", "<<", "{", "}", "[", "]", "#", "!!int ", "%YAML 1.1\n", "? ", "1.0", "null",
            "\u{feff}", "é", "\r\n", "kind", "items", "List", "\\", ",",
        ]), 0..80)
    ) {
        let text = parts.concat();
        read_within(text.as_bytes(), &Limits::default())?;
    }

    #[test]
    fn what_json_can_say_is_read_as_it_was_written(
        text in "([a-zA-Z0-9 :#'\"{}\\[\\],&*!|>%@`~?\\\\.-]|\\PC|[\n\t\r\u{1}\u{7f}\u{85}\u{2028}\u{feff}\u{1F600}]){0,40}",
        number in -1_000_000_i64..1_000_000,
        flag in any::<bool>(),
    ) {
        let wanted = json!({"kind": "A", "text": text, "list": [number, flag, null]});
        let written = serde_json::to_string_pretty(&wanted).expect("it can be written");
        prop_assert_eq!(value(&written), wanted);
    }
}
