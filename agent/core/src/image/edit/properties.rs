//! Properties of the edit over random files.

use proptest::prelude::*;

use super::tests::{search, version};
use super::*;

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

proptest! {
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
