//! Tags that vouch for commits: which are fetched, which are kept, and which count.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use jiff::Timestamp;
use syncline_core::application::VerifyMode;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::{Mirror, Signer, Signers};

use crate::fixture::{Fixture, git};

/// A repository with keys of people; Ann alone may sign.
struct Scene {
    fixture: Fixture,
    signers: Signers,
}

impl Scene {
    fn new() -> Self {
        let fixture = Fixture::new();
        for name in ["ann", "ben"] {
            let path = fixture.folder.path().join(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                .arg(&path)
                .status();
            assert!(made.unwrap().success());
        }
        let public = fs::read(fixture.folder.path().join("ann.pub")).unwrap();
        let signers = Signers::parse([("ann.pub", public.as_slice())]).unwrap();
        Self { fixture, signers }
    }

    fn by(&self, who: &str) -> [String; 4] {
        let key: PathBuf = self.fixture.folder.path().join(who);
        let key = format!("user.signingKey={}", key.display());
        ["-c".into(), "gpg.format=ssh".into(), "-c".into(), key]
    }

    /// Runs git in the clone, signing as somebody.
    fn git_by(&self, who: &str, arguments: &[&str]) {
        let signing = self.by(who);
        let mut all: Vec<&str> = signing.iter().map(String::as_str).collect();
        all.extend(arguments);
        self.fixture.git(&all);
    }

    /// A signed tag of something, pushed.
    fn tag(&self, who: &str, name: &str, of: &str) {
        self.git_by(
            who,
            &["tag", "--force", "--sign", "--message=good", name, of],
        );
        self.push_tag(name);
    }

    fn light(&self, name: &str) {
        self.fixture.git(&["tag", name]);
        self.push_tag(name);
    }

    fn push_tag(&self, name: &str) {
        let tag = format!("+refs/tags/{name}:refs/tags/{name}");
        self.fixture.git(&["push", "--quiet", "origin", &tag]);
    }

    fn delete(&self, name: &str) {
        let name = format!("refs/tags/{name}");
        git(&self.fixture.bare(), &["update-ref", "-d", &name]);
    }

    /// A look at `main` with its tags.
    fn look(&self) -> (Mirror, CommitId) {
        let mirror = self.fixture.mirror();
        let fetched = mirror.fetch_tagged(&self.fixture.access, "main");
        (mirror, fetched.unwrap().commit)
    }

    fn judge(
        &self,
        mirror: &Mirror,
        commit: &CommitId,
        mode: VerifyMode,
    ) -> Result<Signer, String> {
        let judged = mirror.verify(commit, mode, &self.signers, Timestamp::now());
        judged.map_err(|error| {
            assert_eq!(error.reason(), Reason::SignatureRefused);
            assert!(error.to_string().contains(commit.as_str()), "{error}");
            error.to_string()
        })
    }

    /// What is said of the tip after a look.
    fn tip(&self, mode: VerifyMode) -> Result<Signer, String> {
        let (mirror, commit) = self.look();
        self.judge(&mirror, &commit, mode)
    }

    fn refused(&self, words: &[&str]) {
        let said = self.tip(VerifyMode::Tag).unwrap_err();
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
    }

    /// The tags that the mirror keeps.
    fn kept(&self) -> usize {
        let folder = self.fixture.generation();
        let listed = git(&folder, &["for-each-ref", "refs/syncline-tags"]);
        listed.lines().count()
    }
}

#[test]
fn bad_b54_a_tag_counts_only_annotated_signed_by_a_known_key_and_made_for_the_commit_and_the_name()
{
    let scene = Scene::new();
    scene.refused(&["no tag points to it"]);
    scene.light("light");
    scene.refused(&["`light`: it is a lightweight tag"]);
    scene
        .fixture
        .git(&["tag", "--annotate", "--message=x", "plain"]);
    scene.push_tag("plain");
    scene.refused(&["`plain`: it is not signed"]);
    scene.tag("ben", "team/ben", "HEAD");
    scene.refused(&["`team/ben`: it is signed by the key SHA256:", "`light`"]);
    // Signed by Ann, but for another name, and for a tag in place of the commit.
    let branch = "+refs/tags/first:refs/tags/second";
    scene.git_by("ann", &["tag", "--sign", "--message=x", "first"]);
    scene.fixture.git(&["push", "--quiet", "origin", branch]);
    scene.refused(&["`second`: it was made under the name `first`"]);
    for name in ["light", "plain", "second"] {
        scene.delete(name);
    }
    scene.tag("ann", "nested", "refs/tags/team/ben");
    scene.refused(&["`nested`: it was made for the tag "]);
    assert!(scene.tip(VerifyMode::Commit).is_err());
    scene.tag("ann", "release/1", "HEAD");
    let signer = scene.tip(VerifyMode::Tag).unwrap();
    assert_eq!(signer.name, "ann");
    let said = scene.tip(VerifyMode::CommitAndTag).unwrap_err();
    assert!(said.ends_with("it is not signed"), "{said}");
}

#[test]
fn bad_b54_a_commit_and_its_tag_both_have_to_be_signed_where_that_is_asked() {
    let scene = Scene::new();
    let commit = [
        "commit",
        "--quiet",
        "--allow-empty",
        "--gpg-sign",
        "--message=x",
    ];
    scene.git_by("ann", &commit);
    scene
        .fixture
        .git(&["push", "--quiet", "origin", "HEAD:main"]);
    assert!(scene.tip(VerifyMode::Commit).is_ok());
    let said = scene.tip(VerifyMode::CommitAndTag).unwrap_err();
    assert!(said.contains("no tag points to it"), "{said}");
    scene.tag("ann", "v1", "HEAD");
    assert!(scene.tip(VerifyMode::CommitAndTag).is_ok());
}

#[test]
fn a_tag_that_is_all_that_is_new_is_fetched_and_rest_costs_one_request() {
    let scene = Scene::new();
    let (_, commit) = scene.look();
    scene.tag("ann", "v1", "HEAD");
    scene.fixture.server.seen();
    let mirror = scene.fixture.mirror();
    let again = mirror.fetch_tagged(&scene.fixture.access, "main").unwrap();
    assert_eq!((&again.commit, again.changed), (&commit, false));
    assert_eq!(scene.fixture.server.seen().len(), 2);
    assert!(scene.judge(&mirror, &commit, VerifyMode::Tag).is_ok());
    scene.look();
    assert_eq!(scene.fixture.server.seen().len(), 1);
    // A new commit comes with its tag in one exchange.
    let next = scene.fixture.commit_and_push("main");
    scene.tag("ann", "v2", "HEAD");
    scene.fixture.server.seen();
    let (mirror, commit) = scene.look();
    assert_eq!(commit, next);
    assert_eq!(scene.fixture.server.seen().len(), 2);
    assert!(scene.judge(&mirror, &commit, VerifyMode::Tag).is_ok());
}

#[test]
fn bad_b54_a_tag_that_was_moved_or_deleted_counts_no_more() {
    let scene = Scene::new();
    scene.tag("ann", "v1", "HEAD");
    scene.tag("ann", "v2", "HEAD");
    let (mirror, first) = scene.look();
    assert_eq!(scene.kept(), 2);
    scene.fixture.commit_and_push("main");
    scene.refused(&["no tag points to it"]);
    // The tags of an older commit stay, until the server has them no more.
    assert!(scene.judge(&mirror, &first, VerifyMode::Tag).is_ok());
    scene.tag("ann", "v1", "HEAD");
    scene.delete("v2");
    let (mirror, second) = scene.look();
    assert!(scene.judge(&mirror, &second, VerifyMode::Tag).is_ok());
    let said = scene.judge(&mirror, &first, VerifyMode::Tag).unwrap_err();
    assert!(said.contains("no tag points to it"), "{said}");
    assert_eq!(scene.kept(), 1);
    scene.delete("v1");
    scene.refused(&["no tag points to it"]);
    assert_eq!(scene.kept(), 0);
}

#[test]
fn tags_outlive_the_process_and_a_mirror_that_is_cloned_anew() {
    let mut scene = Scene::new();
    scene.fixture.settings.max_pack_files = 2;
    scene.tag("ann", "v1", "HEAD");
    let (mirror, first) = scene.look();
    let old = scene.fixture.generation();
    drop(mirror);
    assert!(
        scene
            .judge(&scene.fixture.mirror(), &first, VerifyMode::Tag)
            .is_ok()
    );
    for n in 0..2 {
        scene.fixture.push_files(&[("n.txt", &format!("{n}"))]);
        scene.look();
    }
    assert_ne!(scene.fixture.generation(), old);
    let mirror = scene.fixture.mirror();
    assert!(scene.judge(&mirror, &first, VerifyMode::Tag).is_ok());
}

#[test]
fn a_look_that_asks_for_no_tags_brings_none_and_those_of_any_commit_come_when_asked_for() {
    let scene = Scene::new();
    scene.tag("ann", "v1", "HEAD");
    let first = scene.fixture.head();
    scene.fixture.commit_and_push("main");
    let (mirror, _) = scene.fixture.fetched();
    assert_eq!(scene.kept(), 0);
    assert!(scene.judge(&mirror, &first, VerifyMode::Tag).is_err());
    mirror.fetch_tags(&scene.fixture.access, &first).unwrap();
    assert!(scene.judge(&mirror, &first, VerifyMode::Tag).is_ok());
    scene.fixture.server.seen();
    mirror.fetch_tags(&scene.fixture.access, &first).unwrap();
    assert_eq!(scene.fixture.server.seen().len(), 1);
    assert_eq!(scene.kept(), 1);
}

#[test]
fn no_more_than_32_tags_of_a_commit_are_fetched() {
    let scene = Scene::new();
    let tip = scene.fixture.head();
    for n in 0..40 {
        let name = format!("refs/tags/n{n:02}");
        git(&scene.fixture.bare(), &["update-ref", &name, tip.as_str()]);
    }
    scene.refused(&["`n00`", "and 27 more", "no more than 32"]);
    assert_eq!(scene.kept(), 32);
}
