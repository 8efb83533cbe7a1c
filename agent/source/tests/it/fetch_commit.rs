//! Making sure that one commit is here, whatever branch has it.

use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::Error;

use crate::fixture::{Fixture, git};
use crate::server::Mode;

/// Lets the server give any commit that is asked for.
fn give_any(fixture: &Fixture) {
    let setting = ["config", "uploadpack.allowAnySHA1InWant", "true"];
    git(&fixture.bare(), &setting);
}

fn image_at(fixture: &Fixture, commit: &CommitId) -> Vec<u8> {
    let snapshot = fixture.mirror().snapshot(commit).unwrap();
    snapshot.read_file("apps/web.yaml").unwrap().unwrap()
}

#[test]
fn the_tip_of_a_branch_is_fetched_by_its_commit_and_costs_nothing_the_second_time() {
    let fixture = Fixture::new();
    let tip = fixture.head();
    let mirror = fixture.mirror();
    mirror.fetch_commit(&fixture.access, &tip).unwrap();
    assert_eq!(image_at(&fixture, &tip), b"image: web:1\n");
    fixture.server.seen();
    mirror.fetch_commit(&fixture.access, &tip).unwrap();
    let seen = fixture.server.seen();
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn an_older_commit_is_fetched_alone_where_the_server_gives_it() {
    let fixture = Fixture::new();
    let old = fixture.head();
    let new = fixture.push_files(&[("apps/web.yaml", "image: web:2\n")]);
    give_any(&fixture);
    let mirror = fixture.mirror();
    mirror.fetch_commit(&fixture.access, &old).unwrap();
    assert_eq!(image_at(&fixture, &old), b"image: web:1\n");
    assert!(
        mirror.snapshot(&new).is_err(),
        "more was fetched than asked"
    );
}

#[test]
fn an_older_commit_is_found_through_the_branches_where_the_server_gives_only_tips() {
    let fixture = Fixture::new();
    let first = fixture.head();
    fixture.push_files(&[("apps/web.yaml", "image: web:2\n")]);
    // A commit that only a second branch has.
    fixture.write("apps/web.yaml", "image: web:3\n");
    let aside = fixture.commit_and_push("aside");
    fixture.write("apps/web.yaml", "image: web:4\n");
    fixture.commit_and_push("aside");
    let mirror = fixture.mirror();
    for (commit, image) in [(&first, "image: web:1\n"), (&aside, "image: web:3\n")] {
        mirror.fetch_commit(&fixture.access, commit).unwrap();
        assert_eq!(image_at(&fixture, commit), image.as_bytes());
    }
}

#[test]
fn a_commit_outlives_its_branch() {
    let fixture = Fixture::new();
    let (mirror, first) = fixture.fetched();
    fixture.write("apps/web.yaml", "image: web:2\n");
    let aside = fixture.commit_and_push("aside");
    mirror.fetch_commit(&fixture.access, &aside).unwrap();
    git(&fixture.bare(), &["update-ref", "-d", "refs/heads/aside"]);
    let again = fixture.mirror();
    assert_eq!(again.fetch(&fixture.access, "main").unwrap().commit, first);
    again.fetch_commit(&fixture.access, &aside).unwrap();
    assert_eq!(image_at(&fixture, &aside), b"image: web:2\n");
}

#[test]
fn a_commit_that_no_branch_has_is_named() {
    let fixture = Fixture::new();
    let none = CommitId::parse("0123456789012345678901234567890123456789").unwrap();
    let mirror = fixture.mirror();
    for any in [false, true] {
        if any {
            give_any(&fixture);
        }
        let error = mirror.fetch_commit(&fixture.access, &none).unwrap_err();
        assert!(matches!(error, Error::CommitNotFound { .. }), "{error}");
        assert_eq!(error.reason(), Reason::RevisionNotFound);
        assert!(error.to_string().contains(none.as_str()), "{error}");
    }
    // What goes wrong once does not stay.
    let tip = fixture.head();
    mirror.fetch_commit(&fixture.access, &tip).unwrap();
    assert_eq!(image_at(&fixture, &tip), b"image: web:1\n");
}

#[test]
fn a_server_that_is_away_is_not_a_commit_that_does_not_exist() {
    let fixture = Fixture::new();
    let tip = fixture.head();
    let mirror = fixture.mirror();
    fixture.server.set(Mode::Status(503));
    let error = mirror.fetch_commit(&fixture.access, &tip).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    fixture.server.set(Mode::CutAnswer(40));
    let error = mirror.fetch_commit(&fixture.access, &tip).unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    fixture.server.set(Mode::Serve);
    mirror.fetch_commit(&fixture.access, &tip).unwrap();
}
