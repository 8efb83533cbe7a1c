//! Properties of the edit over random files.

use proptest::prelude::*;

use serde_json::Value;

use super::layouts::{self, Place};
use super::tests::{digest, search, version};
use super::*;
use crate::manifest::yaml::{Limits, parse};

/// A scalar in one of three notations.
fn notation(value: &str, style: u8) -> String {
    match style % 3 {
        0 => value.to_owned(),
        1 => format!("'{value}'"),
        _ => format!("\"{value}\""),
    }
}

fn any_tag() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9_][A-Za-z0-9._-]{0,12}",
        "[0-9]{1,3}\\.[0-9]{1,3}",
        "v?[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}(-rc\\.[0-9])?",
    ]
}

/// Lines of YAML that a place can stand among, at an indentation.
fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "# [ -~]{0,20}",
        "k[a-z]{1,5}: [a-zA-Z0-9][a-zA-Z0-9./é-]{0,12}( {1,3}# [ -~]{0,10})?",
        "k[a-z]{1,5}: '[a-z #:{}é]{0,10}'",
        "k[a-z]{1,5}: \"[a-z #:{}\\[\\],é]{0,10}\"  ",
        "k[a-z]{1,5}: \\[ [a-z]{1,3},[a-z]{1,3} , \\]",
        "k[a-z]{1,5}: \\{ [a-z]{1,3}: 1, 'b' : \"2\" \\}",
        Just("ktext: |\n      literal # no comment  \n\n      image: roar-web:1".to_owned()),
        Just("kfold: >-\n      folded text\n      goes on".to_owned()),
    ]
}

/// The JSON values of a file, by another reader than the one that the edit uses.
fn values(text: &str) -> Vec<Value> {
    let objects = parse("web.yaml", text.as_bytes(), &Limits::default());
    let objects = objects.unwrap_or_else(|failures| panic!("{failures:?}\n{text}"));
    objects.into_iter().map(|object| object.value).collect()
}

/// The strings that differ between two values, before and after; `None` where anything else does.
fn differences(old: &Value, new: &Value) -> Option<Vec<(String, String)>> {
    match (old, new) {
        (old, new) if old == new => Some(Vec::new()),
        (Value::String(old), Value::String(new)) => Some(vec![(old.clone(), new.clone())]),
        // A plain tag such as `1.10` was a number, and is a text from now on.
        (Value::Number(old), Value::String(new)) => Some(vec![(old.to_string(), new.clone())]),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let items = old.iter().zip(new).map(|(old, new)| differences(old, new));
            Some(items.collect::<Option<Vec<_>>>()?.concat())
        }
        (Value::Object(old), Value::Object(new)) if old.keys().eq(new.keys()) => {
            let items = old.iter().map(|(key, old)| differences(old, &new[key]));
            Some(items.collect::<Option<Vec<_>>>()?.concat())
        }
        _ => None,
    }
}

/// The places in the order of the file that a search finds them in.
fn in_order<'a>(text: &str, places: &'a [Place]) -> Vec<&'a Place> {
    let mut ordered: Vec<&Place> = places.iter().collect();
    ordered.sort_by_key(|place| text.find(&format!("{}{}", place.prefix, place.tag)));
    ordered
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn in_any_file_any_place_takes_any_version_and_nothing_else_changes(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        which in any::<prop::sample::Index>(),
        new in any_tag(),
        pinned in any::<bool>(),
    ) {
        let file = layouts::file(&bytes);
        let text = &file.text;
        let found = search(text);
        prop_assert_eq!(found.blocking().next(), None, "{}", text);
        let places = in_order(text, &file.places);
        let tags: Vec<&str> = places.iter().map(|place| place.tag.as_str()).collect();
        let values_found: Vec<String> = found.sites.iter().map(Site::value).collect();
        prop_assert_eq!(&values_found, &tags, "{}", text);
        if places.is_empty() {
            return Ok(());
        }
        let (place, site) = (which.get(&places), which.get(&found.sites));
        let new = if pinned { format!("{new}@{}", digest('b')) } else { new };
        let edited = edit(text.as_bytes(), site, &version(&new));
        prop_assert!(edited.is_ok(), "{:?}\n{}", edited, text);
        let edited = String::from_utf8(edited.unwrap().bytes).unwrap();

        // As bytes: the one scalar in its own notation, or in quotes where it was plain.
        let value = |version: &str| format!("{}{version}", place.prefix);
        let written = |quote: &str, version: &str| format!("{quote}{}{quote}", value(version));
        let old_scalar = written(place.quote, &place.tag);
        let at = text.find(&old_scalar).unwrap();
        let with = |scalar: &str| {
            format!("{}{scalar}{}", &text[..at], &text[at + old_scalar.len()..])
        };
        let same = with(&written(place.quote, &new));
        let quoted = with(&written("\"", &new));
        prop_assert!(
            edited == same || (place.may_be_quoted && edited == quoted),
            "{}\n-----\n{}", text, edited
        );
        // As a tree: the one value, which is a text.
        let (before, after) = (values(text), values(&edited));
        prop_assert_eq!(before.len(), after.len());
        let mut differing = Vec::new();
        for (old, new) in before.iter().zip(&after) {
            let here = differences(old, new);
            prop_assert!(here.is_some(), "{}\n-----\n{}", text, edited);
            differing.extend(here.unwrap());
        }
        let is_the_same = place.tag == new;
        prop_assert_eq!(differing.len(), usize::from(!is_the_same), "{}\n-----\n{}", text, edited);
        if let Some((_, new_value)) = differing.first() {
            prop_assert_eq!(new_value, &value(&new));
        }
        // And all places at once.
        let version = version(&new);
        let edits: Vec<_> = found.sites.iter().map(|site| (site, &version)).collect();
        let all = edit_all(text.as_bytes(), &edits);
        prop_assert!(all.is_ok(), "{:?}\n{}", all, text);
        let all = String::from_utf8(all.unwrap().bytes).unwrap();
        let again: Vec<String> = search(&all).sites.iter().map(Site::value).collect();
        prop_assert!(again.iter().all(|value| *value == new), "{}", all);
        prop_assert_eq!(all.lines().count(), text.lines().count());
    }

    #[test]
    fn only_the_bytes_of_the_scalar_change(
        lines in proptest::collection::vec(noise(), 0..6),
        more in proptest::collection::vec(noise(), 0..6),
        old in any_tag(),
        new in any_tag(),
        style in any::<u8>(),
        shape in 0u8..4,
        gap in 1usize..4,
        comment in "( {1,3}# [ -~]{0,12})?",
        anchor in prop_oneof![Just(""), Just("&a "), Just("!!str ")],
        newline in prop_oneof![Just("\n"), Just("\r\n")],
        end in any::<bool>(),
    ) {
        let gap = " ".repeat(gap);
        let name = "registry.example.com/roar-web";
        // What stands before the scalar, the part of it before the tag, and what follows.
        let (head, prefix, tail) = match shape {
            0 => (format!("  image:{gap}{anchor}"), format!("{name}:"), comment),
            1 => (format!("  repository: {name}\n  tag:{gap}{anchor}"), String::new(), comment),
            2 => (format!("  i: {{a: [1], image:{gap}{anchor}"), format!("{name}:"), format!(" , b: 2}}{comment}")),
            _ => (format!("  images:\n  - newTag:{gap}{anchor}"), String::new(), format!("{comment}\n    name: {name}")),
        };
        let indented = |lines: &[String]| -> String {
            lines.iter().flat_map(|line| ["  ", line, "\n"]).collect()
        };
        let before = format!("top:\n{}{head}", indented(&lines));
        let after = format!("{tail}\n{}", indented(&more));
        let after = if end { after } else { after.trim_end_matches('\n').to_owned() };
        let before = before.replace('\n', newline);
        let after = after.replace('\n', newline);
        let old_scalar = notation(&format!("{prefix}{old}"), style);
        let text = format!("{before}{old_scalar}{after}");

        let found = search(&text);
        prop_assert_eq!(&found.refusals, &[], "{}", text);
        prop_assert_eq!(found.sites.len(), 1, "{}", text);
        prop_assert_eq!(found.sites[0].value(), old);
        let edit = edit(text.as_bytes(), &found.sites[0], &version(&new));
        prop_assert!(edit.is_ok(), "{:?}\n{}", edit, text);
        let bytes = String::from_utf8(edit.unwrap().bytes).unwrap();
        let middle = bytes.strip_prefix(&before).and_then(|rest| rest.strip_suffix(&after));
        let same = notation(&format!("{prefix}{new}"), style);
        let quoted = notation(&format!("{prefix}{new}"), 2);
        prop_assert!(
            middle == Some(&same) || (style % 3 == 0 && middle == Some(&quoted)),
            "{:?}", middle
        );
        // Found again, it is the new tag at the same path, and edited back it is the old file
        // again, save for quotes that had to come.
        let again = search(&bytes);
        prop_assert_eq!(&again.sites[0].path, &found.sites[0].path);
        prop_assert_eq!(again.sites[0].value(), new);
    }

    #[test]
    fn no_text_makes_the_search_or_the_edit_fail_badly(text in "[ -~é\n\t]{0,200}") {
        let text = format!("image: registry.example.com/roar-web:1.0.0\n{text}");
        let found = search(&text);
        if !found.sites.is_empty() {
            let new = version("1.0.1");
            let edits: Vec<_> = found.sites.iter().map(|site| (site, &new)).collect();
            if let Ok(edit) = edit_all(text.as_bytes(), &edits) {
                prop_assert_eq!(edit.bytes.len(), text.len());
            }
        }
    }
}
