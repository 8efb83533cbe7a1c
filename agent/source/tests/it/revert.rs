//! Taking commits back, beside what `git revert` does, and paths back to an earlier state.

use syncline_core::revision::CommitId;
use syncline_source::{Draft, Error, Mirror, Push, Reverted};

use crate::fixture::{Fixture, git, new_commit};

fn commit(fixture: &Fixture, files: &[(&str, &str)]) -> CommitId {
    fixture.push_files(files)
}

fn clean(reverted: Reverted) -> Draft {
    match reverted {
        Reverted::Clean(draft) => draft,
        other => panic!("{other:?}"),
    }
}

fn push(fixture: &Fixture, mirror: &Mirror, draft: &Draft) -> CommitId {
    let commit = mirror
        .commit_draft(draft, &new_commit("take it back"))
        .unwrap();
    assert_eq!(
        mirror.push(&fixture.access, "main", &commit).unwrap(),
        Push::Accepted
    );
    git(&fixture.bare(), &["fsck", "--strict"]);
    commit
}

fn tree(fixture: &Fixture, commit: &str) -> String {
    git(
        &fixture.bare(),
        &["rev-parse", &format!("{commit}^{{tree}}")],
    )
}

#[test]
fn a_revert_makes_the_same_files_as_git_does() {
    let fixture = Fixture::new();
    commit(
        &fixture,
        &[("apps/web.yaml", "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\n")],
    );
    let first = commit(
        &fixture,
        &[
            ("apps/web.yaml", "a: 2\nb: 1\nc: 1\nd: 1\ne: 1\n"),
            ("apps/new.yaml", "x: 1\n"),
        ],
    );
    commit(
        &fixture,
        &[("apps/web.yaml", "a: 2\nb: 1\nc: 1\nd: 1\ne: 2\n")],
    );
    let second = commit(&fixture, &[("README.md", "more\n")]);
    let (mirror, tip) = fixture.fetched();
    let draft = clean(
        mirror
            .revert(&[second.clone(), first.clone()], &tip)
            .unwrap(),
    );
    assert_eq!(
        draft.files,
        [
            ("README.md".to_owned(), Some(b"hello\n".to_vec())),
            ("apps/new.yaml".to_owned(), None),
            (
                "apps/web.yaml".to_owned(),
                Some(b"a: 1\nb: 1\nc: 1\nd: 1\ne: 2\n".to_vec())
            ),
        ]
    );
    let ours = push(&fixture, &mirror, &draft);
    fixture.git(&["revert", "--no-edit", second.as_str(), first.as_str()]);
    fixture.git(&["push", "-q", "origin", "HEAD:refs/heads/theirs"]);
    assert_eq!(tree(&fixture, ours.as_str()), tree(&fixture, "theirs"));
    assert!(mirror.is_ancestor(&tip, &ours).unwrap());
}

#[test]
fn a_revert_that_later_changes_stand_against_names_their_paths() {
    let fixture = Fixture::new();
    let first = commit(&fixture, &[("apps/web.yaml", "image: web:2\n")]);
    commit(&fixture, &[("apps/web.yaml", "image: web:3\n")]);
    let (mirror, tip) = fixture.fetched();
    assert_eq!(
        mirror.revert(std::slice::from_ref(&first), &tip).unwrap(),
        Reverted::Conflicts(vec!["apps/web.yaml".to_owned()])
    );
    // Together with the later one nothing stands against it.
    let draft = clean(mirror.revert(&[tip.clone(), first], &tip).unwrap());
    assert_eq!(draft.files.len(), 1);
    assert_eq!(mirror.revert(&[], &tip).unwrap(), Reverted::Unchanged);
}

#[test]
fn a_revert_of_a_merge_takes_back_what_it_brought() {
    let fixture = Fixture::new();
    fixture.git(&["checkout", "-q", "-b", "topic"]);
    fixture.write("apps/api.yaml", "x: 1\n");
    fixture.git(&["add", "--all"]);
    fixture.git(&["commit", "-q", "-m", "topic"]);
    fixture.git(&["checkout", "-q", "-"]);
    commit(&fixture, &[("README.md", "more\n")]);
    fixture.git(&["merge", "-q", "--no-ff", "-m", "merge", "topic"]);
    fixture.git(&["push", "-q", "origin", "HEAD:main"]);
    let (mirror, tip) = fixture.fetched();
    let draft = clean(mirror.revert(std::slice::from_ref(&tip), &tip).unwrap());
    assert_eq!(draft.files, [("apps/api.yaml".to_owned(), None)]);
}

#[test]
fn a_first_commit_cannot_be_taken_back() {
    let fixture = Fixture::new();
    let (mirror, tip) = fixture.fetched();
    let error = mirror.revert(std::slice::from_ref(&tip), &tip).unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    let nowhere = CommitId::parse(&"1".repeat(40)).unwrap();
    let error = mirror.revert(&[nowhere], &tip).unwrap_err();
    assert!(matches!(error, Error::CommitNotFound { .. }), "{error}");
}

#[test]
fn paths_go_back_to_how_a_commit_had_them_and_others_stay() {
    let fixture = Fixture::new();
    fixture.write("apps/web/run.sh", "true\n");
    fixture.git(&["add", "--all"]);
    fixture.git(&["update-index", "--chmod=+x", "apps/web/run.sh"]);
    fixture.git(&["commit", "-q", "-m", "script"]);
    let then = commit(
        &fixture,
        &[
            ("apps/web/a.yaml", "a: 1\n"),
            ("apps/web/deep/b.yaml", "b: 1\n"),
            ("shared.yaml", "s: 1\n"),
        ],
    );
    fixture.git(&["rm", "-q", "-r", "apps/web/deep", "apps/web/run.sh"]);
    let now = commit(
        &fixture,
        &[
            ("apps/web/a.yaml", "a: 2\n"),
            ("apps/web/new.yaml", "n: 1\n"),
            ("apps/other.yaml", "o: 1\n"),
            ("shared.yaml", "s: 2\n"),
        ],
    );
    let (mirror, tip) = fixture.fetched();
    assert_eq!(tip, now);
    let paths = ["apps/web".to_owned(), "nowhere.yaml".to_owned()];
    let draft = clean(mirror.restore(&paths, &then, &tip).unwrap());
    let files: Vec<(&str, bool)> = draft
        .files
        .iter()
        .map(|(path, content)| (path.as_str(), content.is_some()))
        .collect();
    assert_eq!(
        files,
        [
            ("apps/web/a.yaml", true),
            ("apps/web/deep/b.yaml", true),
            ("apps/web/new.yaml", false),
            ("apps/web/run.sh", true),
        ]
    );
    let commit = push(&fixture, &mirror, &draft);
    let listed = |commit: &str| git(&fixture.bare(), &["ls-tree", "-r", commit, "apps/web"]);
    assert_eq!(listed(commit.as_str()), listed(then.as_str()));
    let shown = git(&fixture.bare(), &["show", &format!("{commit}:shared.yaml")]);
    assert_eq!(shown, "s: 2\n");
    assert_eq!(
        mirror.restore(&paths, &then, &commit).unwrap(),
        Reverted::Unchanged
    );
    let draft = clean(
        mirror
            .restore(&["shared.yaml".to_owned()], &then, &commit)
            .unwrap(),
    );
    assert_eq!(
        draft.files,
        [("shared.yaml".to_owned(), Some(b"s: 1\n".to_vec()))]
    );
}

#[test]
fn paths_outside_of_plain_directories_are_not_restored() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("apps", fixture.work().join("link")).unwrap();
    fixture.commit_and_push("main");
    let (mirror, tip) = fixture.fetched();
    for path in ["", "link/web.yaml", "../x", ".git/config"] {
        let error = mirror.restore(&[path.to_owned()], &tip, &tip).unwrap_err();
        assert!(
            matches!(error, Error::Unsupported { .. } | Error::InvalidPath { .. }),
            "{path}: {error}"
        );
    }
}
