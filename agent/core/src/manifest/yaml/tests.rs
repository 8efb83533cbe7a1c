//! YAML files, good and bad, with the lines that are named.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

mod fuzz;
mod places;

fn read(text: &str) -> Vec<Raw> {
    parse("apps/web/deploy.yaml", text.as_bytes(), &Limits::default()).expect("it is valid")
}

fn value(text: &str) -> Value {
    let mut all = read(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).value
}

fn refused(bytes: &[u8]) -> Vec<(Reason, String)> {
    parse("apps/web/deploy.yaml", bytes, &Limits::default())
        .expect_err("it is not valid")
        .into_iter()
        .map(|failure| (failure.reason, failure.detail))
        .collect()
}

fn refused_once(text: &str) -> (Reason, String) {
    let mut all = refused(text.as_bytes());
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn scalars_are_those_of_kubectl() {
    let text = "yes: 'yes'\nno: off\nis: yes\nmode: 0755\nplain: 1_000\nwhole: 1.0\nthousand: 1e3\n\
                half: 0.5\ndate: 2020-01-02\nquoted: \"1.0\"\nempty:\ntilde: ~\nhex: 0x1F\n";
    assert_eq!(
        value(text),
        json!({
            "true": "yes", "false": false, "is": true, "mode": 493, "plain": 1000, "whole": 1, "thousand": 1000,
            "half": 0.5, "date": "2020-01-02", "quoted": "1.0", "empty": null, "tilde": null,
            "hex": 31,
        })
    );
}

#[test]
fn merge_keys_and_aliases_are_expanded() {
    let text = "base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n";
    assert_eq!(value(text)["mine"], json!({"a": 1, "b": 3}));
}

#[test]
fn json_is_read_as_well() {
    assert_eq!(
        value("{\n\t\"kind\": \"A\",\n\t\"n\": [1, 2.0, null]\n}\n")["n"],
        json!([1, 2, null])
    );
}

#[test]
fn documents_are_numbered_and_know_the_line_where_they_start() {
    let text =
        "# licence\n\n---\n# first\nkind: A\n---\n---\nkind: B\n...\n---\nkind: C\n--- {kind: D}\n";
    let places: Vec<_> = read(text)
        .into_iter()
        .map(|raw| {
            (
                raw.value["kind"].clone(),
                raw.origin.document,
                raw.origin.line,
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (json!("A"), 1, Some(5)),
            (json!("B"), 3, Some(8)),
            (json!("C"), 4, Some(11)),
            (json!("D"), 5, Some(12)),
        ]
    );
}

#[test]
fn a_marker_inside_a_block_scalar_does_not_cut_the_document() {
    let text = "kind: ConfigMap\ndata:\n  x: |\n    ---\n    a\n    ...\n    b\n";
    assert_eq!(value(text)["data"]["x"], "---\na\n...\nb\n");
}

#[test]
fn directives_belong_to_the_document_after_them() {
    assert_eq!(value("%YAML 1.2\n---\nkind: A\n")["kind"], "A");
}

#[test]
fn windows_line_ends_are_taken() {
    let all = read("kind: A\r\n---\r\nkind: B\r\n");
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].origin.line, Some(3));
}

#[test]
fn bad_b01_a_tab_as_indentation_is_a_syntax_error_with_its_line() {
    let (reason, detail) = refused_once("kind: A\nmetadata:\n\tname: web\n");
    assert_eq!(reason, Reason::YamlSyntax);
    assert_eq!(
        detail,
        "apps/web/deploy.yaml:3: a tab stands where YAML wants spaces"
    );
}

#[test]
fn bad_b02_an_unclosed_quote_is_a_syntax_error() {
    let (reason, detail) = refused_once("kind: A\nmetadata:\n  name: \"web\n");
    assert_eq!(reason, Reason::YamlSyntax);
    assert!(
        detail.starts_with("apps/web/deploy.yaml:3: a quote is not closed"),
        "{detail}"
    );
    let (_, detail) = refused_once("kind: A\nname: 'web");
    assert!(
        detail.starts_with("apps/web/deploy.yaml:2: a quote is not closed"),
        "{detail}"
    );
}

#[test]
fn bad_b03_a_duplicate_key_is_refused_with_its_line() {
    let (reason, detail) = refused_once("---\nkind: A\n---\nspec:\n  a: 1\n  b: 2\n  a: 3\n");
    assert_eq!(reason, Reason::YamlDuplicateKey);
    assert_eq!(
        detail,
        "apps/web/deploy.yaml:7: the key `a` stands twice in one map"
    );
}

#[test]
fn bad_b04_an_alias_bomb_is_refused_quickly() {
    let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..=9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(",");
        let _ = writeln!(text, "a{level}: &a{level} [{aliases}]");
    }
    let start = std::time::Instant::now();
    let (reason, _) = refused_once(&text);
    assert_eq!(reason, Reason::YamlLimit);
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
}

#[test]
fn one_anchor_may_be_used_many_times() {
    let text = format!("a: &a 1\nb: [{}]\n", vec!["*a"; 500].join(","));
    assert_eq!(value(&text)["b"].as_array().map(Vec::len), Some(500));
}

#[test]
fn bad_b05_deep_nesting_is_refused() {
    let flow = format!("a: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(refused_once(&flow).0, Reason::YamlLimit);
    let block: String = (0..2_000).fold(String::new(), |mut text, depth| {
        let _ = writeln!(text, "{}a:", " ".repeat(depth));
        text
    });
    assert_eq!(refused_once(&block).0, Reason::YamlLimit);
    let dashes = format!("a:\n  {}x\n", "- ".repeat(10_000));
    assert_eq!(refused_once(&dashes).0, Reason::YamlLimit);
}

#[test]
fn aliases_do_not_nest_deeper_than_the_limit() {
    let mut text = String::from("a0: &a0 1\n");
    for level in 1..=60 {
        let (open, close) = ("[".repeat(20), "]".repeat(20));
        let _ = writeln!(text, "a{level}: &a{level} {open}*a{}{close}", level - 1);
    }
    assert_eq!(refused_once(&text).0, Reason::YamlLimit);
}

#[test]
fn the_depth_of_a_real_schema_is_taken() {
    let mut text = String::new();
    for depth in 0..90 {
        let _ = writeln!(text, "{}p:", " ".repeat(depth));
    }
    let _ = writeln!(text, "{}p: 1", " ".repeat(90));
    assert!(value(&text)["p"]["p"]["p"].is_object());
}

#[test]
fn bad_b06_only_utf8_is_read_and_a_byte_order_mark_is_skipped() {
    let bom = [b"\xef\xbb\xbf".as_slice(), b"kind: A\n"].concat();
    let objects = parse("a.yaml", &bom, &Limits::default()).expect("it is valid");
    assert_eq!(objects[0].value["kind"], "A");

    let latin = refused(b"kind: A\nname: caf\xe9\n");
    assert_eq!(latin[0].0, Reason::YamlEncoding);
    assert_eq!(latin[0].1, "apps/web/deploy.yaml:2: the line is not UTF-8");

    let utf16: Vec<u8> = "\u{feff}kind: A"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(refused(&utf16)[0].0, Reason::YamlEncoding);
    assert_eq!(refused(b"kind: A\0\n")[0].0, Reason::YamlEncoding);
}

#[test]
fn bad_b08_empty_documents_are_skipped_and_lists_reach_the_identity_check() {
    assert_eq!(read("").len(), 0);
    assert_eq!(read("# nothing\n---\n---\nnull\n--- ~\n...\n").len(), 0);
    let all = read("null\n---\n- a\n- b\n---\nkind: A\n");
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].origin.document, all[0].origin.line), (2, Some(3)));
}

#[test]
fn bad_b22_lists_are_taken_apart_also_inside_lists() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- kind: A\n- kind: List\n  items:\n  - kind: B\n\
                - null\n---\napiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: c}\n";
    let all = read(text);
    assert_eq!(all[0].value["kind"], "A");
    assert_eq!(all[1].value["kind"], "B");
    assert_eq!(all[3].value["kind"], "ConfigMap");
    assert_eq!(all[3].value["apiVersion"], "v1");
    assert_eq!(
        all[3].origin,
        Origin {
            file: "apps/web/deploy.yaml".into(),
            document: 2,
            line: Some(13),
        }
    );
    assert_eq!((all[0].origin.line, all[1].origin.line), (Some(4), Some(5)));
}

#[test]
fn a_kind_of_a_user_that_ends_with_list_stays_whole() {
    let all =
        read("apiVersion: example.com/v1\nkind: AllowList\nmetadata: {name: x}\nitems: [a]\n");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].value["kind"], "AllowList");
}

#[test]
fn every_broken_document_is_reported_at_once() {
    let all = refused(b"a: 'x\n---\nok: 1\n---\nb: 1\nb: 2\n---\nc: *none\n");
    let reasons: Vec<_> = all.iter().map(|(reason, _)| *reason).collect();
    assert_eq!(
        reasons,
        [
            Reason::YamlSyntax,
            Reason::YamlDuplicateKey,
            Reason::YamlSyntax
        ],
        "{all:?}"
    );
    assert!(all[1].1.starts_with("apps/web/deploy.yaml:6: "), "{all:?}");
    assert!(all[2].1.starts_with("apps/web/deploy.yaml:8: "), "{all:?}");
}

#[test]
fn files_and_documents_have_a_limit() {
    let limits = Limits {
        max_file_bytes: 10,
        ..Limits::default()
    };
    let failures = parse("a.yaml", b"kind: Deployment\n", &limits).expect_err("too large");
    assert_eq!(failures[0].reason, Reason::YamlLimit);
    let limits = Limits {
        max_documents: 2,
        ..Limits::default()
    };
    let failures = parse("a.yaml", b"a: 1\n---\na: 2\n---\na: 3\n", &limits).expect_err("too many");
    assert_eq!(failures[0].reason, Reason::YamlLimit);
}

#[test]
fn no_message_holds_a_value_of_the_file() {
    let canary = "hunter2-canary";
    for text in [
        format!("kind: Secret\nstringData:\n  password: \"{canary}\n"),
        format!("kind: Secret\nstringData:\n  password: {canary}\n  password: {canary}\n"),
        format!("kind: Secret\nstringData:\n\tpassword: {canary}\n"),
        format!("kind: Secret\nstringData: {{password: {canary}\n"),
        format!("kind: Secret\nstringData:\n  password: !!int {canary}\n"),
        format!("kind: Secret\nstringData:\n  password: !!binary {canary}\n"),
        format!("kind: Secret\nstringData:\n  <<: {canary}\n"),
        format!("kind: Secret\nstringData:\n  password: \"{canary}\\q\"\n"),
        format!("kind: Secret\nstringData:\n  password: @{canary}\n"),
        format!("kind: Secret\nstringData:\n  password: {canary}: {canary}\n"),
        format!("kind: Secret\nstringData:\n  password: *{canary}\n"),
    ] {
        match parse("a.yaml", text.as_bytes(), &Limits::default()) {
            Ok(_) => {}
            Err(failures) => {
                for failure in failures {
                    assert!(!failure.detail.contains(canary), "{}", failure.detail);
                    assert!(failure.detail.starts_with("a.yaml:"), "{}", failure.detail);
                }
            }
        }
    }
}
