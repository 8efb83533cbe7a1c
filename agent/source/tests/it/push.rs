//! Commits without a checkout, and pushes that are taken, lost, denied or cut.

use std::os::unix::fs::PermissionsExt;

use syncline_core::reason::Reason;
use syncline_source::{Access, Error, Push};

use crate::fixture::{Fixture, basic, git, new_commit};
use crate::server::Mode;

fn edit(path: &str, content: &str) -> Vec<(String, Vec<u8>)> {
    vec![(path.to_owned(), content.as_bytes().to_vec())]
}

#[test]
fn a_pushed_commit_changes_only_the_edited_files() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let mut edits = edit("apps/web.yaml", "image: web:2\n");
    edits.extend(edit("apps/deep/new.yaml", "a: 1\n"));
    let commit = mirror
        .commit(&base, &edits, &new_commit("update web\n\nTrailer: x\n"))
        .unwrap();
    assert_eq!(
        mirror.push(&fixture.access, "main", &commit).unwrap(),
        Push::Accepted
    );
    assert_eq!(fixture.served("main"), commit.as_str());
    assert_eq!(
        mirror.changed_paths(&base, &commit).unwrap(),
        ["apps/deep/new.yaml", "apps/web.yaml"]
    );
    let shown = git(
        &fixture.bare(),
        &["log", "-1", "--format=%an <%ae> %at %P%n%B", "main"],
    );
    let head = format!("Syncline <syncline@example.com> 1767323045 {base}\n");
    assert_eq!(shown.trim_end(), format!("{head}update web\n\nTrailer: x"));
    git(&fixture.bare(), &["fsck", "--strict"]);
    // Our own commit is no news.
    assert!(!mirror.fetch(&fixture.access, "main").unwrap().changed);
}

#[test]
fn an_edit_keeps_the_mode_of_a_file() {
    let fixture = Fixture::new();
    fixture.write("run.sh", "true\n");
    fixture.git(&["add", "--all"]);
    fixture.git(&["update-index", "--chmod=+x", "run.sh"]);
    fixture.git(&["commit", "--quiet", "--message=script"]);
    fixture.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let (mirror, base) = fixture.fetched();
    let commit = mirror
        .commit(&base, &edit("run.sh", "false\n"), &new_commit("x"))
        .unwrap();
    mirror.push(&fixture.access, "main", &commit).unwrap();
    assert!(git(&fixture.bare(), &["ls-tree", "main", "run.sh"]).starts_with("100755 "));
}

#[test]
fn edits_that_change_nothing_make_no_commit() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    for edits in [edit("apps/web.yaml", "image: web:1\n"), Vec::new()] {
        let error = mirror.commit(&base, &edits, &new_commit("x")).unwrap_err();
        assert!(matches!(error, Error::NothingChanged), "{error}");
    }
}

#[test]
fn edits_outside_of_plain_files_are_refused() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("apps", fixture.work().join("link")).unwrap();
    fixture.commit_and_push("main");
    let (mirror, base) = fixture.fetched();
    for path in ["link", "link/web.yaml", "apps", "README.md/x", ""] {
        let error = mirror
            .commit(&base, &edit(path, "x"), &new_commit("x"))
            .unwrap_err();
        assert!(
            matches!(error, Error::Unsupported { .. }),
            "{path}: {error}"
        );
    }
    for path in ["../x", "/x", ".git/config", "a\nb", "-x"] {
        let error = mirror
            .commit(&base, &edit(path, "x"), &new_commit("x"))
            .unwrap_err();
        assert!(
            matches!(error, Error::InvalidPath { .. } | Error::InvalidName { .. }),
            "{path}: {error}"
        );
    }
    let nobody = syncline_source::NewCommit {
        author_name: String::new(),
        ..new_commit("x")
    };
    let error = mirror.commit(&base, &edit("a", "x"), &nobody).unwrap_err();
    assert!(matches!(error, Error::InvalidAuthor), "{error}");
}

#[test]
fn fault_f10_a_push_that_lost_the_race_is_reported_as_lost_and_wins_when_it_is_made_anew() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let edits = edit("apps/web.yaml", "image: web:2\n");
    let ours = mirror.commit(&base, &edits, &new_commit("ours")).unwrap();
    let theirs = fixture.push_files(&[("theirs.yaml", "a: 1\n")]);
    // The mirror does not know their commit yet, then it does.
    for _ in 0..2 {
        let push = mirror.push(&fixture.access, "main", &ours).unwrap();
        assert!(matches!(push, Push::Lost { .. }), "{push:?}");
        assert_eq!(fixture.served("main"), theirs.as_str());
        mirror.fetch(&fixture.access, "main").unwrap();
    }
    let anew = mirror.commit(&theirs, &edits, &new_commit("ours")).unwrap();
    assert_eq!(
        mirror.push(&fixture.access, "main", &anew).unwrap(),
        Push::Accepted
    );
    assert_eq!(fixture.served("main"), anew.as_str());
    assert!(mirror.is_ancestor(&theirs, &anew).unwrap());
}

/// A hook that a repository on the server runs when something is pushed.
fn hook(fixture: &Fixture, name: &str, script: &str) {
    let path = fixture.bare().join("hooks").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_reference_that_moves_while_the_pack_is_received_is_a_lost_race() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let theirs = mirror
        .commit(&base, &edit("theirs", "x"), &new_commit("theirs"))
        .unwrap();
    assert_eq!(
        mirror
            .push(&fixture.access, "other", &theirs)
            .unwrap_err()
            .reason(),
        Reason::RevisionNotFound
    );
    fixture.git(&["commit", "--quiet", "--allow-empty", "--message=theirs"]);
    fixture.git(&["push", "--quiet", "origin", "HEAD:refs/heads/side"]);
    let theirs = fixture.head();
    let inner = "unset GIT_QUARANTINE_PATH; git update-ref refs/heads/main";
    hook(
        &fixture,
        "pre-receive",
        &format!("cat >/dev/null; {inner} {theirs}"),
    );
    let ours = mirror
        .commit(&base, &edit("ours", "x"), &new_commit("ours"))
        .unwrap();
    let push = mirror.push(&fixture.access, "main", &ours).unwrap();
    assert!(matches!(push, Push::Lost { .. }), "{push:?}");
    assert_eq!(fixture.served("main"), theirs.as_str());
}

#[test]
fn a_push_that_a_hook_refuses_is_denied_with_the_hooks_words() {
    let fixture = Fixture::new();
    hook(
        &fixture,
        "pre-receive",
        "echo 'change freeze until Monday' >&2; exit 1",
    );
    let (mirror, base) = fixture.fetched();
    let commit = mirror
        .commit(&base, &edit("a", "x"), &new_commit("x"))
        .unwrap();
    let error = mirror.push(&fixture.access, "main", &commit).unwrap_err();
    assert!(matches!(error, Error::PushDenied { .. }), "{error}");
    assert_eq!(error.reason(), Reason::PushDenied);
    assert!(
        error.to_string().contains("change freeze until Monday"),
        "{error}"
    );
    assert_eq!(fixture.served("main"), base.as_str());
}

#[test]
fn a_push_without_the_right_is_denied_and_one_with_wrong_credentials_is_refused() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let commit = mirror
        .commit(&base, &edit("a", "x"), &new_commit("x"))
        .unwrap();
    fixture.server.set(Mode::Status(403));
    let error = mirror.push(&fixture.access, "main", &commit).unwrap_err();
    assert!(matches!(error, Error::PushDenied { .. }), "{error}");
    assert!(error.to_string().contains("not allowed"), "{error}");
    fixture.server.set(Mode::Serve);
    fixture.server.want("Basic YW5uOnJpZ2h0");
    let error = mirror
        .push(&basic("ann", "wrong"), "main", &commit)
        .unwrap_err();
    assert!(matches!(error, Error::Auth { .. }), "{error}");
    assert_eq!(
        mirror
            .push(&basic("ann", "right"), "main", &commit)
            .unwrap(),
        Push::Accepted
    );
}

#[test]
fn fault_f11_a_push_that_is_cut_after_it_was_taken_is_unclear_and_is_not_made_twice() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let commit = mirror
        .commit(&base, &edit("a", "x"), &new_commit("x"))
        .unwrap();
    fixture.server.set(Mode::CutAfterPush);
    let push = mirror.push(&fixture.access, "main", &commit).unwrap();
    assert!(matches!(push, Push::Unclear { .. }), "{push:?}");
    fixture.server.set(Mode::Serve);
    fixture.server.seen();
    assert_eq!(
        mirror.push(&fixture.access, "main", &commit).unwrap(),
        Push::Accepted
    );
    assert_eq!(
        fixture.server.seen().len(),
        1,
        "it looked, and sent nothing"
    );
    assert_eq!(
        mirror.fetch(&fixture.access, "main").unwrap().commit,
        commit
    );
}

#[test]
fn a_branch_that_is_gone_is_not_made_anew_by_a_push() {
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let commit = mirror
        .commit(&base, &edit("a", "x"), &new_commit("x"))
        .unwrap();
    git(&fixture.bare(), &["update-ref", "-d", "refs/heads/main"]);
    let error = mirror
        .push(&Access::default(), "main", &commit)
        .unwrap_err();
    assert!(matches!(error, Error::BranchNotFound { .. }), "{error}");
}

#[test]
fn writers_that_race_lose_no_update() {
    let fixture = Fixture::new();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let mirror = fixture.mirror();
            let access = &fixture.access;
            scope.spawn(move || {
                for update in 0..3 {
                    let message =
                        new_commit(&format!("update\n\nSyncline-Update: {writer}-{update}\n"));
                    loop {
                        let base = mirror.fetch(access, "main").unwrap().commit;
                        let edits = edit(&format!("w{writer}.txt"), &update.to_string());
                        let commit = mirror.commit(&base, &edits, &message).unwrap();
                        if mirror.push(access, "main", &commit).unwrap() == Push::Accepted {
                            break;
                        }
                    }
                }
            });
        }
    });
    let log = git(&fixture.bare(), &["log", "--format=%B", "main"]);
    assert_eq!(log.matches("Syncline-Update: ").count(), 12);
}
