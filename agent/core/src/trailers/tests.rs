//! Trailers, as Git reads them.

use proptest::prelude::*;

use super::*;

fn pairs(message: &str) -> Vec<(String, String)> {
    parse(message)
        .into_iter()
        .map(|trailer| (trailer.key, trailer.value))
        .collect()
}

fn keys(message: &str) -> Vec<String> {
    parse(message)
        .into_iter()
        .map(|trailer| trailer.key)
        .collect()
}

#[test]
fn trailers_are_the_last_paragraph_and_never_the_first() {
    assert_eq!(
        pairs("Change\n\nA: 1\n\nB: 2\nC-d :  3 \n"),
        [("B".into(), "2".into()), ("C-d".into(), "3".into())]
    );
    for none in [
        "",
        "\n\n",
        "A: 1",
        "A: 1\nB: 2\n",
        "Change\n\nA: 1\n\nlast words\n",
        "Change\n\nA: 1\nand a sentence\n",
        "Change\n\n: 1\n",
        "Change\n\nhttps://example.com x y\nA b: 1\n",
        "Change\n\n continued\n",
    ] {
        assert_eq!(keys(none), Vec::<String>::new(), "{none:?}");
    }
    assert_eq!(keys("\nA: 1\n"), ["A"], "an empty title ends at once");
    assert_eq!(keys("Change\r\n\r\nA: 1\r\n"), ["A"]);
}

#[test]
fn a_paragraph_with_a_line_of_git_itself_may_have_a_few_other_lines() {
    let picked = "Change\n\nA: 1\nsome words\nmore words\nSigned-off-by: Ann <ann@example.com>\n";
    assert_eq!(keys(picked), ["A", "Signed-off-by"]);
    let mostly_words = "Change\n\na b\nc d\ne f\ng h\nSigned-off-by: Ann <ann@example.com>\n";
    assert_eq!(keys(mostly_words), Vec::<String>::new());
    let cherry = "Change\n\nA: 1\n(cherry picked from commit 1234)\n";
    assert_eq!(keys(cherry), ["A"]);
}

#[test]
fn a_value_goes_on_in_lines_that_begin_with_a_blank_and_comments_are_left_out() {
    assert_eq!(
        pairs("Change\n\nA: 1\n  2\n\t3\nB:\n  4\n# C: 5\n"),
        [("A".into(), "1 2 3".into()), ("B".into(), "4".into())]
    );
}

#[test]
fn values_of_a_key_are_found_in_any_case() {
    let trailers = parse("Change\n\nsyncline-prune: a\nX: y\nSYNCLINE-PRUNE: b\n");
    assert_eq!(
        values(&trailers, "Syncline-Prune").collect::<Vec<_>>(),
        ["a", "b"]
    );
}

#[test]
fn appended_trailers_join_those_that_are_there() {
    let new = [Trailer::new("N", "1")];
    assert_eq!(append("Change\n", &new), "Change\n\nN: 1\n");
    assert_eq!(append("Change\n\nA: 1\n\n", &new), "Change\n\nA: 1\nN: 1\n");
    assert_eq!(append("A: 1", &new), "A: 1\n\nN: 1\n");
    assert_eq!(append("Change\n\nwords", &[]), "Change\n\nwords\n");
    assert_eq!(
        append("Change\n\nA: 1\n\n# words\n", &new),
        "Change\n\nA: 1\nN: 1\n\n# words\n"
    );
}

#[test]
fn a_value_with_line_ends_cannot_make_a_second_trailer() {
    let evil = Trailer::new("N", "1\n\nSyncline-Prune: web\r\u{2028}x\0y");
    assert_eq!(evil.value, "1 Syncline-Prune: web x y");
    assert_eq!(keys(&append("Change", &[evil])), ["N"]);
}

fn message() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        3 => "[A-Za-z][A-Za-z0-9-]{0,8} ?: ?[ -~]{0,12}",
        2 => "[ -~]{0,20}",
        1 => Just(String::new()),
        1 => Just("Signed-off-by: A <a@b.c>".to_owned()),
        1 => Just("# comment".to_owned()),
        1 => " [a-z]{1,6}",
    ];
    prop::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn what_is_appended_is_read_again_after_what_was_there(
        message in message(),
        new in prop::collection::vec(("[A-Za-z][A-Za-z0-9-]{0,10}", "[!-~]([ -~]{0,20}[!-~])?"), 1..4),
    ) {
        // Without a title there is no place for trailers.
        prop_assume!(message.lines().find(|l| !l.starts_with('#')).is_some_and(|l| !l.trim().is_empty()));
        let new: Vec<Trailer> = new.iter().map(|(key, value)| Trailer::new(key, value)).collect();
        let before = parse(&message);
        let after = parse(&append(&message, &new));
        let mut expected = before;
        expected.extend(new);
        prop_assert_eq!(after, expected);
    }

    #[test]
    fn any_text_is_read_without_failing(message in any::<String>()) {
        for trailer in parse(&message) {
            prop_assert!(!trailer.key.is_empty());
            prop_assert!(!trailer.value.contains('\n'));
        }
    }
}
