//! A clone that a person works in: what its names stand for, and that reading changes nothing in it.

use std::path::Path;

use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_core::url::RepoUrl;
use syncline_source::{Error, LocalClone};

use crate::fixture::{Fixture, git};

fn url() -> RepoUrl {
    RepoUrl::parse("https://git.example.com/team/config").unwrap()
}

/// The clone with two commits, the second one on the branch `topic` alone; its remote is our URL in
/// another spelling.
fn scene() -> (Fixture, CommitId, CommitId) {
    let fixture = Fixture::new();
    let main = fixture.head();
    fixture.git(&["switch", "--quiet", "--create", "topic"]);
    fixture.write("apps/web.yaml", "image: web:2\n");
    let topic = fixture.commit_and_push("topic");
    fixture.git(&["switch", "--quiet", "main"]);
    fixture.git(&["fetch", "--quiet", "origin"]);
    let ssh = "git@git.example.com:team/config.git";
    fixture.git(&["remote", "set-url", "origin", ssh]);
    (fixture, main, topic)
}

fn open(fixture: &Fixture, folder: &Path) -> Result<LocalClone, Error> {
    LocalClone::around(&fixture.settings, &url(), folder)
}

#[test]
fn each_name_of_a_commit_is_found_from_any_folder_of_the_clone() {
    let (fixture, main, topic) = scene();
    fixture.git(&["tag", "light", topic.as_str()]);
    let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    let tag = ["tag", "--annotate", "--message=two", "v2", topic.as_str()];
    fixture.git(&[&who[..], &tag[..]].concat());
    let clone = open(&fixture, &fixture.work().join("apps")).unwrap();
    assert_eq!(clone.remotes().unwrap(), ["origin"]);
    let short = &topic.as_str()[..8];
    let upper = short.to_uppercase();
    for name in [
        "topic",
        "refs/heads/topic",
        "origin/topic",
        "light",
        "v2",
        "refs/tags/v2",
        topic.as_str(),
        short,
        &upper,
    ] {
        assert_eq!(clone.resolve(name).unwrap(), topic, "{name}");
    }
    assert_eq!(clone.resolve("HEAD").unwrap(), main);
    // What is not committed is not there.
    fixture.write("apps/web.yaml", "image: web:3\n");
    let snapshot = clone.snapshot(&topic).unwrap();
    let image = snapshot.read_file("apps/web.yaml").unwrap().unwrap();
    assert_eq!(image, b"image: web:2\n");
    assert_eq!(clone.commit_info(&topic).unwrap().subject, "change files");
}

#[test]
fn a_branch_that_only_the_remote_has_is_found_by_its_short_name() {
    let (fixture, _, topic) = scene();
    fixture.git(&["branch", "--quiet", "--delete", "--force", "topic"]);
    let clone = open(&fixture, &fixture.work()).unwrap();
    assert_eq!(clone.resolve("topic").unwrap(), topic);
    // The clone's own branch wins over what the remote had.
    fixture.git(&["branch", "--quiet", "topic", "main"]);
    assert_ne!(clone.resolve("topic").unwrap(), topic);
}

#[test]
fn what_is_missing_or_ambiguous_is_said_as_such() {
    let (fixture, main, _) = scene();
    fixture.git(&["tag", "topic", main.as_str()]);
    let clone = open(&fixture, &fixture.work()).unwrap();
    let said = clone.resolve("topic").unwrap_err();
    assert!(matches!(said, Error::AmbiguousReference { .. }), "{said}");
    let said = said.to_string();
    assert!(
        said.contains("`refs/heads/topic` and `refs/tags/topic`"),
        "{said}"
    );
    let nowhere = "1".repeat(40);
    for missing in [
        "nowhere",
        "refs/heads/nowhere",
        "1111111",
        "abc",
        nowhere.as_str(),
    ] {
        let said = clone.resolve(missing).unwrap_err();
        assert!(
            matches!(said, Error::NotInClone { .. }),
            "{missing}: {said}"
        );
        assert_eq!(said.reason(), Reason::RevisionNotFound);
        assert!(said.to_string().contains("`git fetch`"), "{said}");
    }
    for wrong in ["-x", "a..b", "", "HEAD~1"] {
        let said = clone.resolve(wrong).unwrap_err();
        assert!(
            matches!(said, Error::InvalidReference { .. }),
            "{wrong}: {said}"
        );
    }
}

#[test]
fn a_folder_that_is_no_clone_and_a_clone_of_something_else_are_told_apart() {
    let (fixture, ..) = scene();
    let elsewhere = tempfile::tempdir().unwrap();
    let said = open(&fixture, elsewhere.path()).err().unwrap();
    assert!(matches!(said, Error::NoClone { .. }), "{said}");
    fixture.git(&[
        "remote",
        "set-url",
        "origin",
        "https://git.example.com/team/other",
    ]);
    let clone = open(&fixture, &fixture.work()).unwrap();
    assert!(clone.remotes().unwrap().is_empty());
}

#[test]
fn a_second_work_tree_of_a_clone_is_a_clone_and_nothing_in_it_is_changed() {
    let (fixture, _, topic) = scene();
    let place = fixture.folder.path().join("second");
    let path = place.to_str().unwrap();
    fixture.git(&["worktree", "add", "--quiet", path, "topic"]);
    let before = git(&place, &["status", "--porcelain=v2", "--branch"]);
    {
        let clone = open(&fixture, &place).unwrap();
        assert_eq!(clone.resolve("HEAD").unwrap(), topic);
        assert!(clone.snapshot(&topic).is_ok());
    }
    assert_eq!(
        git(&place, &["status", "--porcelain=v2", "--branch"]),
        before
    );
    git(&fixture.work(), &["fsck", "--strict"]);
}
