//! Questions about commits.

use std::path::Path;
use std::process::Command;

use syncline_core::application::VerifyMode;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::{Error, Signers};

use crate::fixture::Fixture;

/// Makes an SSH key and gives its public half.
fn make_key(path: &Path) -> Vec<u8> {
    let made = Command::new("ssh-keygen")
        .args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "ann@example.com",
            "-f",
        ])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
    std::fs::read(path.with_extension("pub")).unwrap()
}

#[test]
fn changed_paths_name_both_sides_of_a_rename() {
    let fixture = Fixture::new();
    let first = fixture.head();
    fixture.git(&["mv", "apps/web.yaml", "apps/shop.yaml"]);
    let second = fixture.push_files(&[("other/new.yaml", "a: 1\n")]);
    let (mirror, _) = fixture.fetched();
    assert_eq!(
        mirror.changed_paths(&first, &second).unwrap(),
        ["apps/shop.yaml", "apps/web.yaml", "other/new.yaml"]
    );
    assert!(mirror.changed_paths(&second, &second).unwrap().is_empty());
}

#[test]
fn a_file_that_becomes_a_link_or_executable_has_changed() {
    let fixture = Fixture::new();
    let first = fixture.push_files(&[("run.sh", "true\n")]);
    std::fs::remove_file(fixture.work().join("README.md")).unwrap();
    std::os::unix::fs::symlink("apps/web.yaml", fixture.work().join("README.md")).unwrap();
    fixture.git(&["add", "--all"]);
    fixture.git(&["update-index", "--chmod=+x", "run.sh"]);
    fixture.git(&["commit", "--quiet", "--message=modes"]);
    fixture.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let (mirror, second) = fixture.fetched();
    assert_eq!(
        mirror.changed_paths(&first, &second).unwrap(),
        ["README.md", "run.sh"]
    );
}

#[test]
fn fault_f09_an_older_commit_is_told_from_a_newer_one() {
    let fixture = Fixture::new();
    let first = fixture.head();
    let second = fixture.push_files(&[("a.yaml", "a: 1\n")]);
    let (mirror, _) = fixture.fetched();
    assert!(mirror.is_ancestor(&first, &second).unwrap());
    assert!(mirror.is_ancestor(&first, &first).unwrap());
    assert!(!mirror.is_ancestor(&second, &first).unwrap());
    let unknown = CommitId::parse(&"1".repeat(40)).unwrap();
    assert!(!mirror.is_ancestor(&unknown, &first).unwrap());
    let error = mirror.is_ancestor(&first, &unknown).unwrap_err();
    assert!(matches!(error, Error::CommitNotFound { .. }), "{error}");
}

#[test]
fn a_commit_is_found_by_its_first_digits_where_the_branch_contains_it() {
    let fixture = Fixture::new();
    let first = fixture.head();
    let second = fixture.push_files(&[("a.yaml", "a: 1\n")]);
    let (mirror, _) = fixture.fetched();
    for digits in [first.as_str(), first.short()] {
        assert_eq!(
            mirror.resolve(digits, &second).unwrap(),
            Some(first.clone())
        );
    }
    assert_eq!(
        mirror.resolve(second.short(), &second).unwrap(),
        Some(second.clone())
    );
    // Of no branch that is asked for, of no repository, and no commit at all.
    assert_eq!(mirror.resolve(second.short(), &first).unwrap(), None);
    assert_eq!(mirror.resolve("1111111", &second).unwrap(), None);
    assert_eq!(mirror.resolve("main", &second).unwrap(), None);
}

#[test]
fn commits_are_listed_newest_first_with_their_messages() {
    let fixture = Fixture::new();
    let first = fixture.head();
    for n in 0..3 {
        let message = format!("--message=subject {n}\n\nbody\n\nSyncline-Update: id-{n}");
        fixture.git(&["commit", "--quiet", "--allow-empty", &message]);
    }
    fixture.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let (mirror, newest) = fixture.fetched();
    let commits = mirror.commits_between(&first, &newest, 10).unwrap();
    let subjects: Vec<_> = commits
        .iter()
        .map(|(info, _)| info.subject.as_str())
        .collect();
    assert_eq!(subjects, ["subject 2", "subject 1", "subject 0"]);
    assert!(commits[0].1.contains("Syncline-Update: id-2"));
    assert_eq!(mirror.commits_between(&first, &newest, 1).unwrap().len(), 1);
    assert!(
        mirror
            .commits_between(&newest, &newest, 10)
            .unwrap()
            .is_empty()
    );
    let info = mirror.commit_info(&newest).unwrap();
    assert_eq!((info.id, info.author.as_str()), (newest, "Ann"));
}

#[test]
fn a_blob_or_an_unknown_id_is_no_commit() {
    let fixture = Fixture::new();
    let (mirror, _) = fixture.fetched();
    let blob = fixture.git(&["rev-parse", "HEAD:README.md"]);
    for id in [blob.trim(), &"1".repeat(40)] {
        let id = CommitId::parse(id).unwrap();
        assert!(matches!(
            mirror.snapshot(&id),
            Err(Error::CommitNotFound { .. })
        ));
        assert!(matches!(
            mirror.commit_info(&id),
            Err(Error::CommitNotFound { .. })
        ));
    }
}

#[test]
fn bad_b54_a_commit_counts_only_with_the_signature_of_a_known_key() {
    let fixture = Fixture::new();
    let unsigned = fixture.head();
    let key = fixture.folder.path().join("ann");
    let public = make_key(&key);
    let other = make_key(&fixture.folder.path().join("ben"));
    let signing = format!("user.signingKey={}", key.display());
    fixture.git(&[
        "-c",
        "gpg.format=ssh",
        "-c",
        &signing,
        "commit",
        "--quiet",
        "--allow-empty",
        "--gpg-sign",
        "--message=signed",
    ]);
    fixture.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let (mirror, signed) = fixture.fetched();
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    let signers = Signers::parse([("ann.pub", public.as_slice())]).unwrap();
    let signer = mirror
        .verify(&signed, VerifyMode::Commit, &signers, now)
        .unwrap();
    assert!(signer.fingerprint.starts_with("SHA256:"), "{signer}");
    let error = mirror
        .verify(&unsigned, VerifyMode::Commit, &signers, now)
        .unwrap_err();
    assert_eq!(error.reason(), Reason::SignatureRefused);
    assert!(error.to_string().contains(unsigned.as_str()), "{error}");
    let others = Signers::parse([("other.pub", other.as_slice())]).unwrap();
    let error = mirror
        .verify(&signed, VerifyMode::Commit, &others, now)
        .unwrap_err();
    assert!(error.to_string().contains(&signer.fingerprint), "{error}");
}
