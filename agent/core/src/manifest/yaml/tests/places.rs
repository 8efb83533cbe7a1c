//! Where fields stand, and which were written plain.

use super::*;

#[test]
fn plain_references_are_known_by_their_pointers() {
    let text = "kind: A\nspec:\n  a: ${X}\n  b: \"${X}\"\n  c: !!str ${X}\n  d: ${X}-1\n  e:\n  - 1\n  - ${Y:-2}\n  \
                f/g~h: ${Z:=${Y}}\n  i: ${X}${Y}\n  j: |\n    ${X}\n  k: '${X}'\n";
    let all = read(text);
    assert_eq!(all[0].plain, ["/spec/a", "/spec/e/1", "/spec/f~1g~0h"]);
    assert!(all[0].unstable.is_empty());
    assert!(read("kind: A\nb: $X\n")[0].plain.is_empty());
}

#[test]
fn plain_references_are_found_behind_aliases_and_merge_keys() {
    let text =
        "base: &base\n  a: ${A}\n  b: &b ${B}\n  c: 1\nmine:\n  <<: *base\n  a: x\nother: *b\n";
    let all = read(text);
    assert_eq!(all[0].plain, ["/base/a", "/base/b", "/mine/b", "/other"]);
}

#[test]
fn plain_references_of_an_item_of_a_list_are_relative_to_it() {
    let text = "kind: List\nitems:\n- kind: A\n- kind: B\n  list:\n  - x\n  - ${N}\n- kind: List\n  items:\n  - m: ${M}\n";
    let plain: Vec<_> = read(text).into_iter().map(|raw| raw.plain).collect();
    assert_eq!(
        plain,
        [vec![], vec!["/list/1".to_owned()], vec!["/m".to_owned()]]
    );
}

#[test]
fn the_line_of_a_field_is_found_or_that_of_its_nearest_parent() {
    let text = "# licence\n---\nkind: A\n---\nkind: B\nspec:\n  list:\n  - name: a\n  - name: b\n    \
                image: x\n  deep: {a: {b: 1}}\n";
    for (pointer, line) in [
        ("", 5),
        ("/kind", 5),
        ("/spec", 6),
        ("/spec/list/1", 9),
        ("/spec/list/1/image", 10),
        ("/spec/list/1/missing", 9),
        ("/spec/list/7", 7),
        ("/spec/deep/a/b", 11),
        ("/metadata/name", 5),
    ] {
        assert_eq!(line_of(text, 2, pointer), Some(line), "{pointer}");
    }
    assert_eq!(line_of(text, 1, "/kind"), Some(3));
    assert_eq!(line_of(text, 3, "/kind"), None);
    assert_eq!(line_of(text, 0, "/kind"), None);
    let merged = "base: &base\n  a: 1\nmine:\n  <<: *base\n  b: 2\n";
    assert_eq!(line_of(merged, 1, "/mine/a"), Some(2));
    assert_eq!(line_of(merged, 1, "/mine/b"), Some(5));
    assert_eq!(line_of("a: 1\ny: 2\n", 1, "/true"), Some(2));
}

#[test]
fn the_line_of_a_field_is_looked_for_without_end_neither_in_circles_nor_in_depth() {
    assert_eq!(line_of("a: &a\n  <<: *a\n", 1, "/a/b"), Some(1));
    assert_eq!(line_of(&"[".repeat(100_000), 1, "/a"), Some(1));
    assert_eq!(line_of(&"- ".repeat(100_000), 1, "/0"), Some(1));
}

#[test]
fn the_line_of_a_field_of_an_item_of_a_list_is_that_of_the_item() {
    let text = "---\nkind: List\nitems:\n- kind: A\n  x: 1\n- kind: B\n  x: 2\n";
    let objects = read(text);
    let lines = |pointer| -> Vec<_> {
        let origins = objects.iter().map(|raw| &raw.origin);
        origins
            .map(|origin| line_in(text, origin, pointer))
            .collect()
    };
    assert_eq!(lines("/x"), [Some(5), Some(7)]);
    assert_eq!(lines("/missing"), [Some(4), Some(6)]);
}
