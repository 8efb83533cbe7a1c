//! Which files are taken, by pattern and by name.

use super::*;

fn texts(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|text| (*text).to_owned()).collect()
}

fn filter(path: &str, include: &[&str], exclude: &[&str], ignore: &[(&str, &str)]) -> Filter {
    let ignore: Vec<_> = ignore
        .iter()
        .map(|(directory, text)| ((*directory).to_owned(), (*text).to_owned()))
        .collect();
    Filter::new(path, &texts(include), &texts(exclude), &ignore).expect("the patterns are valid")
}

fn taken<'a>(filter: &Filter, paths: &[&'a str]) -> Vec<&'a str> {
    let paths = paths.iter().copied();
    paths.filter(|path| filter.takes(path)).collect()
}

#[test]
fn files_are_taken_by_their_ending_also_hidden_ones_as_kubectl_does() {
    let all = [
        "a/web.yaml",
        "a/web.yml",
        "a/web.json",
        "a/b/c/web.yaml",
        "a/.hidden.yaml",
        "a/.hidden/web.yaml",
        "a/.yaml",
        "a/README.md",
        "a/web.YAML",
        "a/web.yaml.bak",
        "a/yaml",
        "a.yaml",
        "ab/web.yaml",
        "other/web.yaml",
    ];
    assert_eq!(taken(&filter("a", &[], &[], &[]), &all), all[..7]);
    assert!(filter("", &[], &[], &[]).takes("web.yaml"));
    assert!(filter("a/web.yaml", &[], &[], &[]).takes("a/web.yaml"));
}

#[test]
fn include_and_exclude_are_relative_to_the_path() {
    let all = [
        "a/web.yaml",
        "a/db.yaml",
        "a/x/web.yaml",
        "a/x/y/web.yaml",
        "a/x/test/web.json",
        "a/README.md",
    ];
    for (include, exclude, wanted) in [
        (&["*.yaml"][..], &[][..], &all[..2]),
        (
            &["**/web.yaml"],
            &[],
            &["a/web.yaml", "a/x/web.yaml", "a/x/y/web.yaml"],
        ),
        (&["{web,db}.yaml"], &[], &all[..2]),
        (&["x/**"], &[], &all[2..5]),
        (&["./x/*.yaml", "db.yaml"], &[], &all[1..3]),
        (&["**"], &["**/test/**"], &all[..4]),
        (&[], &["*.yaml", "x/y"], &all[2..5]),
        (&["a/*.yaml"], &[], &[]),
    ] {
        let filter = filter("a", include, exclude, &[]);
        assert_eq!(taken(&filter, &all), wanted, "{include:?} {exclude:?}");
    }
    assert!(filter("a/web.yaml", &["web.yaml"], &[], &[]).takes("a/web.yaml"));
}

#[test]
fn ignore_files_speak_for_their_directory_and_the_deeper_one_wins() {
    let all = [
        "a/web.yaml",
        "a/test.yaml",
        "a/x/test.yaml",
        "a/x/web.yaml",
        "a/out/web.yaml",
        "a/x/out/keep.yaml",
    ];
    let ignore = [
        ("", "test.yaml\n/a/out/\n"),
        ("a/x", "!test.yaml\n/web.yaml\nout/*\n!out/keep.yaml\n"),
    ];
    assert_eq!(
        taken(&filter("a", &[], &[], &ignore), &all),
        ["a/web.yaml", "a/x/test.yaml", "a/x/out/keep.yaml"]
    );
}

#[test]
fn nothing_below_an_ignored_directory_is_taken_in_again() {
    let ignore = [("", "out\n!out/web.yaml\n"), ("out", "!web.yaml\n")];
    assert!(!filter("", &[], &[], &ignore).takes("out/web.yaml"));
}

#[test]
fn the_ignore_files_above_a_path_are_those_of_all_its_parents_and_its_own() {
    let above = |path| ignore_files_above(path).collect::<Vec<_>>();
    assert_eq!(above(""), [".synclineignore"]);
    assert_eq!(
        above("a/b"),
        [
            ".synclineignore",
            "a/.synclineignore",
            "a/b/.synclineignore"
        ]
    );
}

#[test]
fn a_bad_pattern_is_named_with_its_place() {
    let bad = texts(&["a/[z"]);
    for (failure, words) in [
        (
            Filter::new("", &bad, &[], &[]),
            "include: the pattern `a/[z`",
        ),
        (
            Filter::new("", &[], &bad, &[]),
            "exclude: the pattern `a/[z`",
        ),
        (
            Filter::new("", &texts(&["{a"]), &[], &[]),
            "include: the pattern `{a`",
        ),
        (
            Filter::new(
                "a",
                &[],
                &[],
                &[("a".to_owned(), "# x\r\n\r\n[z\r\n".to_owned())],
            ),
            "a/.synclineignore:3: the pattern `[z`",
        ),
    ] {
        let failure = failure.expect_err("it is not valid");
        assert_eq!(failure.reason, Reason::InvalidPattern);
        assert!(failure.detail.starts_with(words), "{}", failure.detail);
    }
}

#[test]
fn bad_b30_a_name_that_a_terminal_or_command_would_misread_is_refused() {
    for path in [
        "a/-x.yaml",
        "-rf/web.yaml",
        "a/b\nc.yaml",
        "a/\u{1b}[2J.yaml",
        "a\u{0}/x.yaml",
    ] {
        let failures = check_names([path, "ok.yaml"]).expect_err("it is refused");
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(failures[0].reason, Reason::InvalidFileName);
        assert_eq!(failures[0].reason.row().code, "path.name");
        assert!(
            !failures[0].detail.chars().any(char::is_control),
            "{path:?}"
        );
    }
    assert_eq!(check_names(["a-b/c-.yaml", "ä b.yaml", ".x.yaml"]), Ok(()));
}

#[test]
fn bad_b31_names_that_differ_only_in_case_are_refused_with_both() {
    for (paths, first, second) in [
        (["a/web.yaml", "a/Web.yaml"], "a/web.yaml", "a/Web.yaml"),
        (["a/B/x.yaml", "a/b/y.yaml"], "a/B", "a/b"),
        (["Ä.yaml", "ä.yaml"], "Ä.yaml", "ä.yaml"),
    ] {
        let failures = check_names(paths).expect_err("it is refused");
        assert_eq!(failures.len(), 1, "{failures:?}");
        assert_eq!(failures[0].reason.row().code, "path.clash");
        let detail = format!("{first} and {second} differ only in upper and lower case");
        assert_eq!(failures[0].detail, detail);
    }
    assert_eq!(
        check_names(["a/web.yaml", "b/Web.yaml", "a/web.yaml"]),
        Ok(())
    );
}
