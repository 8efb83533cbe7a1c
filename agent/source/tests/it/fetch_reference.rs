//! Finding and fetching whatever a person names: branches, tags, other references, commits.

use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::Error;

use crate::fixture::{Fixture, git};
use crate::server::Mode;

/// A server with `main`, a branch aside, tags of both kinds and a reference of a pull request.
fn scene() -> (Fixture, CommitId) {
    let fixture = Fixture::new();
    fixture.write("apps/web.yaml", "image: web:2\n");
    let aside = fixture.commit_and_push("team/aside");
    let bare = fixture.bare();
    let id = aside.as_str();
    git(&bare, &["update-ref", "refs/pull/1/head", id]);
    git(&bare, &["tag", "light", id]);
    let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    let tag = ["tag", "--annotate", "--message=two", "v2", id];
    git(&bare, &[&who[..], &tag[..]].concat());
    (fixture, aside)
}

#[test]
fn whatever_names_a_commit_is_found_and_fetched_and_no_branch_moves() {
    type Name = fn(&str) -> String;
    let names: [Name; 9] = [
        |_| "team/aside".to_owned(),
        |_| "refs/heads/team/aside".to_owned(),
        |_| "light".to_owned(),
        |_| "v2".to_owned(),
        |_| "refs/tags/v2".to_owned(),
        |_| "refs/pull/1/head".to_owned(),
        str::to_owned,
        |id| id[..7].to_owned(),
        |id| id[..9].to_uppercase(),
    ];
    for name in names {
        // Each has a mirror of its own, so that nothing is here already.
        let (fixture, aside) = scene();
        let (mirror, main) = fixture.fetched();
        assert!(mirror.snapshot(&aside).is_err());
        let name = name(aside.as_str());
        let found = mirror.fetch_reference(&fixture.access, &name);
        assert_eq!(found.unwrap(), aside, "{name}");
        let snapshot = mirror.snapshot(&aside).unwrap();
        let image = snapshot.read_file("apps/web.yaml").unwrap().unwrap();
        assert_eq!(image, b"image: web:2\n", "{name}");
        let fetched = mirror.fetch(&fixture.access, "main").unwrap();
        assert_eq!((fetched.commit, fetched.changed), (main, false), "{name}");
    }
}

#[test]
fn the_digits_of_an_older_commit_that_is_here_are_enough() {
    let fixture = Fixture::new();
    let old = fixture.head();
    fixture.push_files(&[("apps/web.yaml", "image: web:2\n")]);
    let (mirror, _) = fixture.fetched();
    let found = mirror.fetch_reference(&fixture.access, &old.as_str()[..8]);
    assert_eq!(found.unwrap(), old);
}

#[test]
fn a_name_that_nothing_has_is_said_with_what_would_do() {
    let (fixture, _) = scene();
    let (mirror, main) = fixture.fetched();
    for name in ["topic", "refs/pull/9/head", "v9", "abcdef0", "abc"] {
        let error = mirror.fetch_reference(&fixture.access, name).unwrap_err();
        assert!(matches!(error, Error::ReferenceNotFound { .. }), "{error}");
        assert_eq!(error.reason(), Reason::RevisionNotFound);
        let said = error.to_string();
        assert!(said.contains(&format!("`{name}`")), "{said}");
        assert!(said.contains("40 digits"), "{said}");
    }
    let blob = git(&fixture.bare(), &["rev-parse", "main:README.md"]);
    git(&fixture.bare(), &["tag", "readme", blob.trim()]);
    let error = mirror.fetch_reference(&fixture.access, "readme");
    assert!(
        matches!(error, Err(Error::ReferenceNotFound { .. })),
        "{error:?}"
    );
    // The mirror is as good as before.
    assert!(mirror.snapshot(&main).is_ok());
}

#[test]
fn a_name_of_a_branch_and_a_tag_is_ambiguous_unless_both_are_the_same() {
    let (fixture, aside) = scene();
    let (mirror, main) = fixture.fetched();
    git(&fixture.bare(), &["tag", "team/aside", main.as_str()]);
    let error = mirror.fetch_reference(&fixture.access, "team/aside");
    let error = error.unwrap_err();
    assert!(matches!(error, Error::AmbiguousReference { .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("`refs/heads/team/aside`"), "{said}");
    assert!(said.contains("`refs/tags/team/aside`"), "{said}");
    for (name, commit) in [
        ("refs/heads/team/aside", &aside),
        ("refs/tags/team/aside", &main),
    ] {
        let found = mirror.fetch_reference(&fixture.access, name);
        assert_eq!(found.unwrap(), *commit);
    }
    let force = ["tag", "--force", "team/aside", aside.as_str()];
    git(&fixture.bare(), &force);
    let found = mirror.fetch_reference(&fixture.access, "team/aside");
    assert_eq!(found.unwrap(), aside);
}

#[test]
fn digits_that_several_commits_begin_with_are_ambiguous_and_name_them() {
    let fixture = Fixture::new();
    // Enough branches that two tips begin with the same four digits: found by looking for them.
    let tree = git(&fixture.bare(), &["rev-parse", "main^{tree}"]);
    let who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"];
    let mut seen = std::collections::BTreeMap::new();
    let (digits, both) = (0..5_000)
        .find_map(|n| {
            let message = format!("{n}");
            let commit = ["commit-tree", tree.trim(), "-m", &message];
            let id = git(&fixture.bare(), &[&who[..], &commit[..]].concat());
            let id = id.trim().to_owned();
            let digits = id[..4].to_owned();
            let other = seen.insert(digits.clone(), id.clone())?;
            Some((digits, [id, other]))
        })
        .expect("two of five thousand commits share four digits");
    for (branch, id) in ["one", "two"].iter().zip(&both) {
        let reference = format!("refs/heads/{branch}");
        git(&fixture.bare(), &["update-ref", &reference, id]);
    }
    let (mirror, _) = fixture.fetched();
    let error = mirror
        .fetch_reference(&fixture.access, &digits)
        .unwrap_err();
    assert!(matches!(error, Error::AmbiguousReference { .. }), "{error}");
    for id in &both {
        assert!(error.to_string().contains(id.as_str()), "{error}");
        let found = mirror.fetch_reference(&fixture.access, id).unwrap();
        assert_eq!(found.as_str(), id);
    }
}

#[test]
fn what_can_never_be_a_reference_asks_nobody() {
    let fixture = Fixture::new();
    let (mirror, _) = fixture.fetched();
    fixture.server.seen();
    let long = "x".repeat(300);
    for name in [
        "",
        "-x",
        "--upload-pack=x",
        "a b",
        "a..b",
        "a\nb",
        "x^{}",
        "@{1}",
        &long,
    ] {
        let error = mirror.fetch_reference(&fixture.access, name).unwrap_err();
        assert!(
            matches!(error, Error::InvalidReference { .. }),
            "{name:?}: {error}"
        );
    }
    let seen = fixture.server.seen();
    assert!(seen.is_empty(), "{seen:?}");
}

#[test]
fn a_server_that_does_not_answer_is_said_as_such() {
    let fixture = Fixture::new();
    let (mirror, _) = fixture.fetched();
    fixture.server.set(Mode::Status(503));
    let error = mirror
        .fetch_reference(&fixture.access, "topic")
        .unwrap_err();
    assert_eq!(error.reason(), Reason::SourceUnavailable, "{error}");
}
