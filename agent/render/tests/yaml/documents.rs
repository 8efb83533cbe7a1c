//! Random documents: any shape, any style, scalars that look like something else.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::oracle::ask;

const DOCUMENTS: usize = 4_000;

/// A node as it will be written.
#[derive(Clone, Debug)]
enum Node {
    /// On one line.
    Inline(String),
    /// A block scalar: its header and its lines.
    Block(&'static str, Vec<String>),
    List(Vec<Self>),
    /// The keys are made different by their place.
    Map(Vec<(String, Self)>),
}

fn inline() -> impl Strategy<Value = String> {
    let words = select(vec![
        "yes",
        "No",
        "on",
        "OFF",
        "y",
        "N",
        "true",
        "False",
        "null",
        "~",
        "",
        "Null",
        "nil",
        "1",
        "-1",
        "0755",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "08",
        "1e3",
        "1.0",
        "1.50",
        ".5",
        "6e12345",
        ".inf",
        "-.INF",
        ".nan",
        "<<",
        "2020-01-02",
        "12:30",
        "1.2.3",
        "10Mi",
        "a b",
        "a: b",
        "a #b",
        "'y'",
        "\"1\"",
        "''",
        "'it''s'",
        "\"\\n\"",
        "!!str 1",
        "!!int '7'",
        "!!float 1",
        "!!bool yes",
        "!!null ~",
        "!mine 1",
        "! 1",
        "!!binary aGk=",
        "&a 1",
        "[]",
        "{}",
        "[1, yes]",
        "{a: no, b: [~]}",
        "[a: b]",
        "{\"a\":1}",
        "'a",
        "*none",
        "@x",
        "- a",
        "[a",
        "é",
        "日本",
        "http://a/b?c=d",
        "-",
        "--",
        "?",
        "*",
        "%x",
        "|",
        ">",
        "x # comment",
    ]);
    prop_oneof![
        4 => words.prop_map(str::to_owned),
        2 => "[-+]?[0-9_.eExXobB:]{1,8}",
        1 => "[-+.]?[0-9]{1,22}(\\.[0-9]{0,5})?([eE][-+]?[0-9]{1,3})?",
        1 => "[a-zA-Z0-9 .:#'\"\\[\\]{},&*!|>%@`~?-]{0,10}"
            .prop_filter("anchors and tags are in the table", |text| !text.starts_with(['&', '!'])),
        1 => "'[^'\\p{C}\u{85}\u{2028}\u{2029}]{0,8}'",
        1 => "[\\p{L}\\p{N}]{1,8}",
    ]
}

fn node() -> impl Strategy<Value = Node> {
    let block = (
        select(vec!["|", "|-", "|+", ">", ">-", ">+"]),
        prop::collection::vec("( ?[a-z0-9:#'-]{1,6}){0,3}", 1..5),
    );
    let leaf = prop_oneof![
        6 => inline().prop_map(Node::Inline),
        1 => block.prop_map(|(header, lines)| Node::Block(header, lines)),
    ];
    leaf.prop_recursive(4, 24, 4, |below| {
        prop_oneof![
            prop::collection::vec(below.clone(), 1..4).prop_map(Node::List),
            prop::collection::vec((inline(), below), 1..4).prop_map(Node::Map),
        ]
    })
}

/// Writes a node behind its key or dash.
fn write(node: &Node, indent: usize, into: &mut String) {
    let margin = " ".repeat(indent);
    match node {
        Node::Inline(text) => into.extend([" ", text, "\n"]),
        Node::Block(header, lines) => {
            into.extend([" ", *header, "\n"]);
            for line in lines {
                into.extend([&margin, "  ", line, "\n"]);
            }
        }
        Node::List(items) => {
            into.push('\n');
            for item in items {
                into.extend([&margin, "-"]);
                write(item, indent + 2, into);
            }
        }
        Node::Map(entries) => {
            into.push('\n');
            for (place, (key, value)) in entries.iter().enumerate() {
                // Some keys are as they come: those may stand twice, or not be keys at all.
                let key = if key.len() < 5 {
                    key.clone()
                } else {
                    format!("k{place}")
                };
                into.extend([&margin, &key, ":"]);
                write(value, indent + 2, into);
            }
        }
    }
}

#[test]
fn random_documents_mean_what_they_mean_to_kubectl() {
    let mut runner = match std::env::var_os("SYNCLINE_RANDOM") {
        Some(_) => TestRunner::default(),
        None => TestRunner::deterministic(),
    };
    let strategy = prop::collection::vec(node(), 1..3).prop_map(|nodes| {
        let mut document = String::from("root:");
        for (place, node) in nodes.iter().enumerate() {
            write(node, 2, &mut document);
            document.extend(["more", &place.to_string(), ":"]);
        }
        document.push_str(" end\n");
        document
    });
    let documents = (0..DOCUMENTS).map(|_| strategy.new_tree(&mut runner).unwrap().current());
    let answers = ask(documents.collect());
    let read = answers.iter().filter(|both| both.ours.is_ok()).count();
    assert!(read > DOCUMENTS / 4, "only {read} documents can be read");
    let mut unexpected = String::new();
    let mut count = 0;
    for both in answers {
        // `docs/rendering.md` says why these are refused here and not there.
        let stricter = [
            "stands twice",
            "is not indented",
            "comments must be separated",
        ];
        let known = |why: &String| stricter.iter().any(|words| why.contains(words));
        if !both.agree() && !both.ours.as_ref().is_err_and(known) {
            count += 1;
            unexpected.push_str(&both.explain());
        }
    }
    assert!(
        unexpected.is_empty(),
        "{unexpected}\n{count} of {DOCUMENTS}; {read} were read"
    );
}
