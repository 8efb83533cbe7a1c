//! The selection by `.synclineignore` beside `git check-ignore`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::sample::select;
use syncline_core::manifest::select::Filter;
use tempfile::TempDir;

use crate::fixture::git;

/// A repository in which only files of patterns stand.
struct Asked(TempDir);

impl Asked {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        git(folder.path(), &["init", "--quiet"]);
        Self(folder)
    }

    /// Those of the files that Git ignores.
    fn ignored(&self, ignore_files: &[(String, String)], files: &[String]) -> BTreeSet<String> {
        for (directory, text) in ignore_files {
            let directory = self.0.path().join(directory);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join(".gitignore"), text).unwrap();
        }
        let mut child = Command::new("git")
            .args(["check-ignore", "--no-index", "--stdin", "-z"])
            .current_dir(self.0.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(files.join("\0").as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        for (directory, _) in ignore_files {
            fs::remove_file(self.0.path().join(directory).join(".gitignore")).unwrap();
        }
        let answer = String::from_utf8(output.stdout).unwrap();
        let ignored = answer.split('\0').filter(|path| !path.is_empty());
        ignored.map(str::to_owned).collect()
    }

    fn compare(&self, ignore_files: &[(String, String)], files: &[String]) -> Result<(), String> {
        let filter = Filter::new("", &[], &[], ignore_files).unwrap();
        let ignored = self.ignored(ignore_files, files);
        let other = |file: &&String| filter.takes(file) == ignored.contains(*file);
        match files.iter().find(other) {
            None => Ok(()),
            Some(file) => Err(format!(
                "git ignores {file}: {}; {ignore_files:?}",
                ignored.contains(file)
            )),
        }
    }
}

#[test]
fn every_rule_of_the_syntax_is_that_of_git() {
    let files: Vec<String> = [
        "a.yaml",
        "b.yaml",
        "a/a.yaml",
        "a/b.yaml",
        "a/b/a.yaml",
        "a/b/c/a.yaml",
        "b/a/x.yaml",
        "x y.yaml",
        "!a.yaml",
        "#a.yaml",
        "{a,b}.yaml",
        "a{b}.yaml",
        "[a].yaml",
        "a\\.yaml",
        "ab.yaml",
        ".a.yaml",
        ".a/b.yaml",
        "A.yaml",
        "e.yaml/x.yaml",
        "é.yaml",
        "aé.yaml",
        "trail .yaml",
        "a-b.yaml",
        "a/e.yaml/c.yaml",
        "x*.yaml",
        "xx.yaml",
        "a]b.yaml",
        "a^.yaml",
    ]
    .iter()
    .map(|file| (*file).to_owned())
    .collect();
    let mut wrong = Vec::new();
    let asked = Asked::new();
    for pattern in [
        "a.yaml",
        "/a.yaml",
        "a/",
        "/a/",
        "a/*",
        "a/**",
        "**/a.yaml",
        "a/**/a.yaml",
        "**",
        "*",
        "/*",
        "*.yaml",
        "a*",
        "?.yaml",
        "[ab].yaml",
        "[!a].yaml",
        "[^a].yaml",
        "[a-c].yaml",
        "\\!a.yaml",
        "\\#a.yaml",
        "#a.yaml",
        "{a,b}.yaml",
        "a{b}.yaml",
        "\\{a,b\\}.yaml",
        "[{]a,b}.yaml",
        "\\[a\\].yaml",
        "a\\\\.yaml",
        "x y.yaml",
        "a.yaml ",
        "a.yaml\\ ",
        "trail .yaml",
        "a.yaml\r",
        "*\n!a.yaml",
        "*\n!*/\n!a.yaml",
        "a\n!a/b.yaml",
        "a/*\n!a/b/\na/b/*\n!a/b/c/",
        "!a.yaml",
        "a/b",
        "b/a",
        "/b",
        "a/b/",
        "**/b",
        "**/b/**",
        "a/**/b/**",
        "é.yaml",
        "?é.yaml",
        "A.yaml",
        "a**",
        "**a.yaml",
        "a/**b.yaml",
        "a**/b.yaml",
        ".*",
        ".a",
        "*a*",
        "x\\*.yaml",
        "\\a.yaml",
        "a.yaml/",
        "b.yaml/",
        "/**/a.yaml",
        "//a.yaml",
        "a//b.yaml",
        "./a.yaml",
        "a/./b.yaml",
        "[]]a",
        "a[]]b.yaml",
        "a[!]]b.yaml",
        "[[:alpha:]].yaml",
        "[a/b].yaml",
        "a?b.yaml",
        "a[/]b.yaml",
        "a[^x]b.yaml",
        "",
        " ",
        "/",
        "!",
        "\\",
    ] {
        let ignore_files = [(String::new(), pattern.to_owned())];
        if DIFFERENT.contains(&pattern) {
            assert!(asked.compare(&ignore_files, &files).is_err(), "{pattern:?}");
        } else if Filter::new("", &[], &[], &ignore_files).is_ok() {
            if let Err(why) = asked.compare(&ignore_files, &files) {
                wrong.push(format!("{pattern:?}: {why}"));
            }
        } else if !REFUSED.contains(&pattern) {
            wrong.push(format!("{pattern:?} is refused"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Patterns that Git takes in a way that it does not describe.
const DIFFERENT: &[&str] = &["a**/b.yaml", "a[/]b.yaml"];

/// Patterns that are refused, and that match nothing in Git.
const REFUSED: &[&str] = &["\\", "[]]a"];

fn pattern() -> impl Strategy<Value = String> {
    let part = select(vec![
        "a", "b", "c.yaml", "*", "**", "?", "a*", "*b", "[ab]", "[!a]", "d", "{a}", "*.yaml",
    ]);
    let parts = prop::collection::vec(part, 1..4);
    let start = select(vec!["", "", "", "/", "!", "!/"]);
    let end = select(vec!["", "", "", "/", "/**", "/*"]);
    (start, parts, end).prop_map(|(start, parts, end)| format!("{start}{}{end}", parts.join("/")))
}

fn file() -> impl Strategy<Value = String> {
    let directory = prop::collection::vec(select(vec!["a", "b", "d", "{a}", "ab"]), 0..4);
    let name = select(vec!["a.yaml", "b.yaml", "c.yaml", "{a}.yaml"]);
    (directory, name).prop_map(|(mut path, name)| {
        path.push(name);
        path.join("/")
    })
}

#[test]
fn random_ignore_files_leave_out_what_git_leaves_out() {
    let asked = Asked::new();
    let patterns = || prop::collection::vec(pattern(), 0..4).prop_map(|lines| lines.join("\n"));
    let deeper = prop::collection::btree_map(select(vec!["a", "b", "a/b"]), patterns(), 0..3);
    let files = prop::collection::btree_set(file(), 10..40);
    proptest!(ProptestConfig::with_cases(300), |(root in patterns(), deeper in deeper, files in files)| {
        let deeper = deeper.into_iter().map(|(directory, text)| (directory.to_owned(), text));
        let ignore_files: Vec<_> = [(String::new(), root)].into_iter().chain(deeper).collect();
        let files: Vec<String> = files.into_iter().collect();
        prop_assert_eq!(asked.compare(&ignore_files, &files), Ok(()));
    });
}
