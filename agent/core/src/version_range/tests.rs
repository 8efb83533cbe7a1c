//! The dialect of Helm, against a table of what Helm's own library says.

use proptest::prelude::*;

use super::*;

/// What `github.com/Masterminds/semver/v3` says; a test of the renderer keeps it up to date.
const TABLE: &str = include_str!("masterminds.tsv");

fn rows(kind: &str) -> Vec<(String, &'static str)> {
    let rows: Vec<_> = TABLE
        .lines()
        .filter_map(|line| line.strip_prefix(kind)?.strip_prefix('\t'))
        .map(|row| row.split_once('\t').unwrap())
        .map(|(text, value)| (unquoted(text), value))
        .collect();
    assert!(!rows.is_empty());
    rows
}

/// A string of Go, with the escapes that the table has.
fn unquoted(text: &str) -> String {
    text.trim_matches('"')
        .replace("\\v", "\u{b}")
        .replace("\\t", "\t")
        .replace("\\n", "\n")
        .replace("\\u00a0", "\u{a0}")
}

#[test]
fn versions_of_charts_are_read_as_masterminds_reads_them() {
    for (text, expected) in rows("version") {
        let read = chart_version(&text).map_or_else(|| "-".to_owned(), |v| v.to_string());
        assert_eq!(read, expected, "{text:?}");
    }
}

#[test]
fn ranges_of_charts_hold_what_masterminds_holds() {
    let line = TABLE.lines().find(|line| line.starts_with("versions\t"));
    let versions: Vec<Version> = line
        .unwrap()
        .split('\t')
        .skip(1)
        .map(|text| chart_version(text).unwrap())
        .collect();
    let mut wrong = Vec::new();
    for (text, expected) in rows("range") {
        // Helm takes an empty version as `*` before it reads a range.
        let held = match Range::parse_as_helm(&text) {
            Ok(_) if text.is_empty() => "-".to_owned(),
            Err(_) => "-".to_owned(),
            Ok(range) => versions
                .iter()
                .map(|version| match range.membership(version) {
                    Membership::In => 'x',
                    Membership::Out | Membership::PreRelease => '.',
                })
                .collect(),
        };
        if held != expected {
            wrong.push(format!("{text:?}\n  {held}\n  {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn an_empty_version_of_a_chart_is_every_stable_one() {
    let range = Range::parse_as_helm("").unwrap();
    let held = |text| range.membership(&chart_version(text).unwrap());
    assert_eq!(held("0.0.1"), Membership::In);
    assert_eq!(held("1.0.0-rc.1"), Membership::PreRelease);
    assert_eq!(range.first_bound(), None);
    assert_eq!(
        Range::parse_as_helm(&"1".repeat(513)),
        Err(RangeError::TooLong)
    );
}

proptest! {
    #[test]
    fn any_text_is_a_range_of_charts_or_refused(text in "[0-9.xX*v<>=~^|, a+-]{0,40}") {
        if let Ok(range) = Range::parse_as_helm(&text) {
            range.membership(&Version::new(1, 2, 3));
        }
        if let Some(version) = chart_version(&text) {
            // What is a version is a range that holds it, whatever its build is.
            let range = Range::parse_as_helm(&text).unwrap();
            let short = text.split(['-', '+']).next().unwrap_or("").matches('.').count() < 2;
            prop_assert!(short || range.membership(&version) == Membership::In);
        }
    }
}
