//! Indexes of every layout, broken ones and large ones.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// As `helm repo index` writes it, with a chart in several versions and one that is no chart's.
const INDEX: &str = r#"apiVersion: v1
entries:
  app:
  - apiVersion: v2
    appVersion: "1.0"
    created: "2026-11-21T08:00:00.000000000Z"
    dependencies:
    - condition: database.enabled
      name: database
      repository: https://charts.example.com
      version: 9.9.9
    description: |
      An app.
        version: 8.8.8
      # Not a comment.
    digest: a111111111111111111111111111111111111111111111111111111111111111
    keywords:
    - version
    - name
    maintainers:
    - email: a@example.com
      name: someone
    name: app
    type: application
    urls:
    - app-1.2.0.tgz
    - https://mirror.example.com/app-1.2.0.tgz
    version: 1.2.0
  - annotations:
      version: 7.7.7
      text: 'a
        version: 6.6.6'
    apiVersion: v2
    name: app
    urls:
    - "https://cdn.example.com/app-1.10.0.tgz?a=1#x" # the newest
    version: "1.10.0"
  - apiVersion: v2
    name: app
    urls: []
    version: v1.9.0-rc.1+build.7
  - apiVersion: v2
    name: app
    version: not-a-version
  - name: app
  - null
  empty: []
  "quoted":
  - {name: quoted, version: 1.0.0}
generated: "2026-11-21T08:00:00.000000000Z"
"#;

fn settings() -> Settings {
    Settings::new("unused")
}

fn read(text: &str) -> Result<Index, IndexError> {
    Index::read(text.into(), Framing::Whole, &settings())
}

fn versions<'a>(index: &'a Index, chart: &str) -> Vec<&'a str> {
    let versions = index.versions(chart).unwrap();
    versions.iter().map(|entry| &*entry.text).collect()
}

/// How the file is read line by line, if it can be.
fn by_lines(text: &str) -> Option<Index> {
    match block::read(text, Collector::new(&settings())).unwrap() {
        block::Outcome::Read(collector) => Some(collector.index),
        block::Outcome::OtherLayout => None,
    }
}

fn by_parser(text: &str) -> Result<Index, IndexError> {
    free::read_yaml(text, Collector::new(&settings())).map(|collector| collector.index)
}

/// The index without the entry in flow style.
fn plain() -> String {
    INDEX.replace(
        "  - {name: quoted, version: 1.0.0}",
        "  - name: quoted\n    version: 1.0.0",
    )
}

#[test]
fn an_index_is_read_with_its_versions_from_newest_to_oldest() {
    for text in [INDEX.to_owned(), plain(), plain().replace('\n', "\r\n")] {
        let index = read(&text).unwrap();
        assert_eq!(
            versions(&index, "app"),
            ["1.10.0", "v1.9.0-rc.1+build.7", "1.2.0"]
        );
        assert_eq!(versions(&index, "quoted"), ["1.0.0"]);
        assert!(versions(&index, "empty").is_empty() && index.versions("other").is_none());
        assert_eq!(index.left_out, 3);
        let [newest, candidate, old] = index.versions("app").unwrap() else {
            panic!("three versions");
        };
        assert_eq!(
            newest.url.as_deref(),
            Some("https://cdn.example.com/app-1.10.0.tgz?a=1#x")
        );
        assert_eq!(
            (candidate.url.as_deref(), old.url.as_deref()),
            (None, Some("app-1.2.0.tgz"))
        );
        assert_eq!(
            (newest.digest.as_ref(), old.digest.as_ref().map(|d| d.len())),
            (None, Some(64))
        );
    }
}

#[test]
fn reading_by_lines_and_by_parser_is_the_same() {
    let text = plain();
    assert_eq!(by_lines(&text), Some(by_parser(&text).unwrap()));
    assert_eq!(by_lines(INDEX), None, "flow style is left to the parser");
    // Lists that stand deeper than their key, as other programs write them.
    let deeper = "---\nentries:\n    a:\n        -\n            name: a\n            urls:\n              - u\n            version: '1.0.0'\n        -   name: a\n            version: 2.0.0\napiVersion: v1\n";
    assert_eq!(by_lines(deeper), Some(by_parser(deeper).unwrap()));
    assert_eq!(versions(&read(deeper).unwrap(), "a"), ["2.0.0", "1.0.0"]);
}

#[test]
fn what_lines_alone_cannot_explain_is_left_to_the_parser() {
    for (written, expected) in [
        ("    version: >-\n      1.0.0", "1.0.0"),
        ("    version: \"1.\\u0030.0\"", "1.0.0"),
        ("    version:\n      1.0.0", "1.0.0"),
        ("    version: &v 1.0.0", "1.0.0"),
        ("    version: !!str 1.0.0", "1.0.0"),
        ("    'version': 1.0.0", "1.0.0"),
        ("    ? version\n    : 1.0.0", "1.0.0"),
    ] {
        let text = format!("apiVersion: v1\nentries:\n  a:\n  - name: a\n{written}\n");
        let index = read(&text).unwrap();
        assert_eq!(versions(&index, "a"), [expected], "{written}");
    }
    let merged = "apiVersion: v1\nentries:\n  a:\n  - &a\n    name: a\n    version: 1.0.0\n  - <<: *a\n    version: 2.0.0\n";
    assert_eq!(versions(&read(merged).unwrap(), "a"), ["2.0.0", "1.0.0"]);
}

#[test]
fn json_is_read_too_and_so_is_gzip() {
    let json = r#"{"apiVersion":"v1","generated":null,"entries":{"a":[
        {"name":"a","version":"1.0.0","urls":["u",{"x":1}],"digest":null,"dependencies":[{"name":"b"}]},
        null, 1, "x", [1], {"name":"a"}, {"name":["a"],"version":"1.0.0"}, {"name":"a","version":2}],
        "b":null, "c":"x"}}"#;
    let index = read(json).unwrap();
    assert_eq!(
        (versions(&index, "a"), index.left_out),
        (vec!["2", "1.0.0"], 6)
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(INDEX.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let unpacked = Index::read(packed.clone(), Framing::Whole, &settings()).unwrap();
    assert_eq!(unpacked, read(INDEX).unwrap());
    let cut = packed[..packed.len() - 9].to_vec();
    assert_eq!(
        Index::read(cut, Framing::Whole, &settings()),
        Err(IndexError::Gzip)
    );
}

#[test]
fn bad_b34_an_entry_whose_name_is_a_path_is_left_out() {
    for name in ["..", ".", "../x", "a/b", "''"] {
        let text = format!(
            "apiVersion: v1\nentries:\n  a:\n  - name: {name}\n    version: 1.0.0\n    urls: [x]\n"
        );
        let index = read(&text).unwrap();
        assert_eq!(
            (versions(&index, "a").len(), index.left_out),
            (0, 1),
            "{name}"
        );
    }
}

#[test]
fn bad_b48_a_file_that_is_no_index_is_refused() {
    for (text, expected) in [
        ("", None),
        ("<html><body>404</body></html>", None),
        ("- a\n- b\n", None),
        ("entries: {}\n", Some(IndexError::NoApiVersion)),
        (
            "entries:\n  a:\n  - name: a\n    version: 1.0.0\n",
            Some(IndexError::NoApiVersion),
        ),
        ("404: Not Found", Some(IndexError::NoApiVersion)),
        ("apiVersion: v1\nentries:\n\ta:\n", None),
        ("apiVersion: v1\nentries:\n  a:\n  - name: [\n", None),
        ("{\"apiVersion\":\"v1\",\"entries\":{\"a\":[", None),
        ("{\"apiVersion\":\"v1\"} x", None),
    ] {
        let error = read(text).unwrap_err();
        match expected {
            Some(expected) => assert_eq!(error, expected, "{text}"),
            None => assert!(matches!(error, IndexError::Syntax(_)), "{text}: {error}"),
        }
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let latin = b"apiVersion: v1\nentries:\n  a:\n  - name: \xff\n".to_vec();
    let read = Index::read(latin, Framing::Whole, &settings());
    assert_eq!(read, Err(IndexError::Encoding));
}

#[test]
fn an_index_that_may_be_cut_off_is_not_used() {
    let whole = plain();
    let (cut, _) = whole.split_at(whole.find("  empty:").unwrap());
    let read = |text: &str, framing| Index::read(text.into(), framing, &settings());
    assert_eq!(read(cut, Framing::Open), Err(IndexError::Cut));
    assert!(read(&whole, Framing::Open).is_ok());
    assert!(read(cut, Framing::Whole).is_ok());
}

/// An index of about so many bytes as Helm writes it; every tenth version is none.
fn large(bytes: usize) -> String {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    let mut number = 0;
    while text.len() < bytes {
        if number % 500 == 0 {
            writeln!(text, "  chart-{}:", number / 500).unwrap();
        }
        let version = if number % 10 == 3 {
            format!("{number}.latest")
        } else {
            format!("1.{number}.0")
        };
        write!(
            text,
            "  - annotations:\n      category: Database\n      images: |\n        - image: r.io/app:1.{number}.0\n          name: app\n        \
             - image: r.io/shell:12-debian-r{number}\n          name: shell\n      licenses: Apache-2.0\n    apiVersion: v2\n    \
             appVersion: 1.{number}.0\n    created: \"2026-11-21T08:00:00Z\"\n    dependencies:\n    - condition: database.enabled\n      \
             name: database\n      repository: oci://r.io/charts\n      version: 15.x.x\n    - name: common\n      \
             repository: oci://r.io/charts\n      tags:\n      - common\n      version: 2.x.x\n    description: A chart that is\n      \
             described in some words over two lines, as charts are\n    digest: {number:064x}\n    home: https://example.com/charts/chart\n    \
             icon: https://example.com/charts/chart/icon.png\n    keywords:\n    - one\n    - two\n    maintainers:\n    \
             - email: someone@example.com\n      name: Someone\n      url: https://example.com/someone\n    name: chart-{}\n    \
             sources:\n    - https://example.com/sources\n    - https://example.com/more\n    urls:\n    \
             - https://example.com/charts/chart-{number}.tgz\n    version: {version}\n",
            number / 500
        )
        .unwrap();
        number += 1;
    }
    text.push_str("generated: \"2026-11-21T08:00:00Z\"\n");
    text
}

#[test]
fn bad_b48_an_index_of_50_mb_with_bad_versions_is_read_within_two_seconds() {
    let text = large(50_000_000);
    let entries = text.matches("apiVersion: v2").count();
    let started = Instant::now();
    let index = read(&text).unwrap();
    let took = started.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(index.left_out > entries / 11 && index.left_out < entries / 9);
    let kept: usize = index.charts.values().map(Vec::len).sum();
    assert_eq!(kept + index.left_out, entries);
    assert_eq!(versions(&index, "chart-0")[0], "1.499.0");
}

#[test]
fn bad_b48_an_index_over_a_limit_is_refused_with_the_name_of_the_setting() {
    let text = large(100_000);
    let few = Settings {
        max_index_versions: 50,
        ..settings()
    };
    let error = Index::read(text.clone().into(), Framing::Whole, &few).unwrap_err();
    assert!(error.to_string().contains("max_index_versions"), "{error}");
    // JSON stops there as well.
    let json = format!(
        r#"{{"apiVersion":"v1","entries":{{"a":[{}null]}}}}"#,
        "null,".repeat(100)
    );
    let error = Index::read(json.into(), Framing::Whole, &few).unwrap_err();
    assert!(error.to_string().contains("max_index_versions"), "{error}");
    // Charts without a version count too.
    let mut charts = "apiVersion: v1\nentries:\n".to_owned();
    for number in 0..60 {
        writeln!(charts, "  chart-{number}:").unwrap();
    }
    let error = Index::read(charts.into(), Framing::Whole, &few).unwrap_err();
    assert!(error.to_string().contains("max_index_versions"), "{error}");
    let charts: Vec<String> = (0..60).map(|n| format!("\"chart-{n}\":[]")).collect();
    let json = format!(
        r#"{{"apiVersion":"v1","entries":{{{}}}}}"#,
        charts.join(",")
    );
    let error = Index::read(json.into(), Framing::Whole, &few).unwrap_err();
    assert!(error.to_string().contains("max_index_versions"), "{error}");
    // A bomb is not unpacked.
    let small = Settings {
        max_index_bytes: 1000,
        ..settings()
    };
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(text.as_bytes()).unwrap();
    let error = Index::read(packed.finish().unwrap(), Framing::Whole, &small).unwrap_err();
    assert!(error.to_string().contains("max_index_bytes"), "{error}");
    // Any other layout costs more, so it may be less.
    let flow = format!(
        "{{apiVersion: v1, entries: {{a: [{}]}}}}",
        "x, ".repeat(2_000_000)
    );
    let started = Instant::now();
    let error = read(&format!("%YAML 1.2\n---\n{flow}")).unwrap_err();
    assert!(
        error.to_string().contains("max_free_index_bytes"),
        "{error}"
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_bomb_of_aliases_is_refused_at_once() {
    let mut text = "apiVersion: v1\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let alias = format!("*a{}", n - 1);
        let aliases = vec![alias; 9].join(", ");
        writeln!(text, "a{n}: &a{n} [{aliases}]").unwrap();
    }
    text.push_str("entries: {a: *a11}\n");
    let started = Instant::now();
    assert!(matches!(read(&text), Err(IndexError::Syntax(_))));
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_message_names_at_most_five_versions_near_the_range() {
    let owned: Vec<Version> = (0..20).map(|n| Version::new(1, n, 0)).collect();
    let message = |range: &str| {
        near(
            owned.iter().collect(),
            &Range::parse_as_helm(range).unwrap(),
        )
    };
    assert_eq!(
        message("^1.7.5"),
        "it has 1.6.0, 1.7.0, 1.8.0, 1.9.0, 1.10.0 (of 20)"
    );
    assert_eq!(
        message("3.0.0"),
        "it has 1.15.0, 1.16.0, 1.17.0, 1.18.0, 1.19.0 (of 20)"
    );
    assert_eq!(
        message("0.1"),
        "it has 1.0.0, 1.1.0, 1.2.0, 1.3.0, 1.4.0 (of 20)"
    );
    let pre = [Version::parse("2.0.0-rc.1").unwrap(), Version::new(1, 0, 0)];
    let near_two = near(
        pre.iter().collect(),
        &Range::parse_as_helm(">=2.0.0-0 <2").unwrap(),
    );
    assert_eq!(near_two, "it has 1.0.0, 2.0.0-rc.1");
    let aside = near(pre.iter().collect(), &Range::parse_as_helm(">1").unwrap());
    assert_eq!(
        aside,
        "without a pre-release in the range these are left aside: 2.0.0-rc.1"
    );
    let none = near(Vec::new(), &Range::parse_as_helm("1").unwrap());
    assert_eq!(none, "it has no version at all");
}

proptest! {
    /// Whatever the lines are: nothing panics, and what is understood without a parser is what
    /// the parser understands, where that one accepts it at all.
    #[test]
    fn any_lines_are_read_as_the_parser_reads_them(lines in prop::collection::vec(
        ("[ ]{0,6}", prop::sample::select(vec![
            "apiVersion: v1", "entries:", "entries: {}", "a:", "b:", "- name: a", "name: a", "version: 1.0.0",
            "- version: 1.1.0", "-", "- null", "urls:", "- u", "- 'u'", "urls: []", "digest: x", "text: |", "x",
            "# c", "", "---", "generated: 1", "version: \"2.0.0\"", "k: [a,", "b]", "- a: b", "- - x", "null", "k: 'a",
        ])), 0..14)
    ) {
        let text: String = lines.iter().flat_map(|(indent, line)| [indent.as_str(), line, "\n"]).collect();
        if let (Some(lines), Ok(parsed)) = (by_lines(&text), by_parser(&text)) {
            prop_assert_eq!(lines, parsed, "{}", text);
        }
    }

    #[test]
    fn any_bytes_are_an_index_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Index::read(bytes, Framing::Open, &settings());
    }
}
