//! Signatures: what we sign is accepted by `git`, what `git` signs by us, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::{Span, Timestamp};
use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_core::revision::CommitId;
use syncline_source::{
    Error, NewCommit, SignatureKind, SignatureProblem, Signers, SigningKey, SigningKeyError,
    verify_commit, verify_tag,
};
use tempfile::TempDir;

use crate::fixture::{Fixture, git, new_commit};

const PASSPHRASE: &str = "correct horse";

/// Runs a program of this machine and gives what it prints.
fn run(program: &str, package: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .unwrap_or_else(|error| {
            panic!("`{program}` cannot be run ({error}): apt-get install {package}")
        });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An SSH key pair in files, made by `ssh-keygen`.
struct SshKey {
    folder: TempDir,
}

impl SshKey {
    fn new(kind: &[&str], passphrase: &str) -> Self {
        let key = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let path = key.path();
        // Few rounds: tests are built without optimisation.
        let mut arguments = vec![
            "-q",
            "-a",
            "1",
            "-N",
            passphrase,
            "-C",
            "ann@example.com",
            "-f",
        ];
        arguments.push(path.to_str().unwrap());
        arguments.push("-t");
        arguments.extend(kind);
        run("ssh-keygen", "openssh-client", &arguments);
        key
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    fn private(&self) -> Redacted {
        Redacted::new(fs::read_to_string(self.path()).unwrap())
    }

    fn public(&self) -> String {
        fs::read_to_string(self.path().with_extension("pub")).unwrap()
    }

    /// A file with the key as an allowed signer.
    fn allowed(&self, options: &str) -> String {
        format!("ann@example.com {options} {}", self.public())
    }

    /// Settings with which `git` signs with it and accepts it.
    fn settings(&self) -> Vec<String> {
        let allowed = self.folder.path().join("allowed");
        fs::write(&allowed, self.allowed("")).unwrap();
        vec![
            "gpg.format=ssh".to_owned(),
            format!("user.signingkey={}", self.path().display()),
            format!("gpg.ssh.allowedSignersFile={}", allowed.display()),
        ]
    }
}

/// A home of `gpg`, with an agent of its own that ends with it.
struct GpgHome {
    folder: TempDir,
}

impl GpgHome {
    fn new() -> Self {
        // The path of the agent's socket must be short.
        let folder = tempfile::Builder::new()
            .prefix("g")
            .tempdir_in("/tmp")
            .unwrap();
        // Few rounds for passphrases: tests are built without optimisation.
        fs::write(folder.path().join("gpg-agent.conf"), "s2k-count 65536\n").unwrap();
        Self { folder }
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let mut all = vec!["--homedir", self.path(), "--batch", "--yes", "--quiet"];
        all.extend(["--pinentry-mode", "loopback"]);
        all.extend(arguments);
        run("gpg", "gnupg", &all)
    }

    /// Makes a key, and gives its fingerprint.
    fn key(&self, user: &str, kind: &str, usage: &str, expires: &str, passphrase: &str) -> String {
        self.gpg(&[
            "--passphrase",
            passphrase,
            "--quick-gen-key",
            user,
            kind,
            usage,
            expires,
        ]);
        let listed = self.gpg(&["--with-colons", "--list-keys", user]);
        let line = listed
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    fn secret(&self, key: &str, passphrase: &str) -> Redacted {
        self.exported("--export-secret-keys", key, passphrase)
    }

    fn exported(&self, how: &str, key: &str, passphrase: &str) -> Redacted {
        let arguments = ["--passphrase", passphrase, "--armor", how, key];
        Redacted::new(self.gpg(&arguments))
    }

    fn public(&self, key: &str) -> String {
        self.gpg(&["--armor", "--export", key])
    }

    /// Settings with which `git` signs with a key of it and accepts it.
    fn settings(&self, key: &str) -> Vec<String> {
        use std::os::unix::fs::PermissionsExt;
        let wrapper = self.folder.path().join("gpg.sh");
        let script = format!("#!/bin/sh\nexec gpg --homedir '{}' \"$@\"\n", self.path());
        fs::write(&wrapper, script).unwrap();
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
        vec![
            format!("gpg.program={}", wrapper.display()),
            format!("user.signingkey={key}"),
        ]
    }
}

impl Drop for GpgHome {
    fn drop(&mut self) {
        let ended = Command::new("gpgconf")
            .args(["--homedir", self.path(), "--kill", "all"])
            .status();
        drop(ended);
    }
}

fn signers(entry: &str) -> Signers {
    Signers::parse([("keys", entry.as_bytes())]).unwrap()
}

fn git_with(folder: &Path, settings: &[String], arguments: &[&str]) -> String {
    let mut all: Vec<&str> = settings.iter().flat_map(|s| ["-c", s.as_str()]).collect();
    all.extend(arguments);
    git(folder, &all)
}

fn object(fixture: &Fixture, kind: &str, id: &str) -> Vec<u8> {
    git(&fixture.bare(), &["cat-file", kind, id]).into_bytes()
}

/// A commit of ours, signed with the key and pushed.
fn pushed(fixture: &Fixture, key: SigningKey) -> CommitId {
    let (mirror, base) = fixture.fetched();
    let new = NewCommit {
        time: Timestamp::now(),
        signing: Some(key),
        ..new_commit("Update web\n\nwörds\n\nSyncline-Update: 1\n")
    };
    let edits = [("apps/web.yaml".to_owned(), b"image: web:2\n".to_vec())];
    let commit = mirror.commit(&base, &edits, &new).unwrap();
    mirror.push(&fixture.access, "main", &commit).unwrap();
    assert_eq!(fixture.served("main"), commit.as_str());
    git(&fixture.bare(), &["fsck", "--strict"]);
    commit
}

/// Checks a commit of ours with the real `git`, with ours, and with one word changed.
fn accepted(fixture: &Fixture, commit: &CommitId, settings: &[String], keys: &Signers) -> String {
    git_with(
        &fixture.bare(),
        settings,
        &["verify-commit", commit.as_str()],
    );
    let bytes = object(fixture, "commit", commit.as_str());
    let signer = verify_commit(&bytes, keys, Timestamp::now()).unwrap();
    let forged = String::from_utf8(bytes)
        .unwrap()
        .replace("Update web", "Update wob");
    let problem = verify_commit(forged.as_bytes(), keys, Timestamp::now()).unwrap_err();
    assert!(
        matches!(problem, SignatureProblem::Wrong { .. }),
        "{problem}"
    );
    signer.name
}

#[test]
fn git_accepts_what_we_sign_with_ssh_keys() {
    for (kind, passphrase) in [
        (&["ed25519"][..], ""),
        (&["ed25519"], PASSPHRASE),
        (&["ecdsa", "-b", "256"], ""),
        (&["ecdsa", "-b", "384"], ""),
        (&["rsa", "-b", "2048"], PASSPHRASE),
    ] {
        let fixture = Fixture::new();
        let ssh = SshKey::new(kind, passphrase);
        let passphrase = Some(Redacted::new(passphrase)).filter(|p| !p.expose().is_empty());
        let key = SigningKey::parse(&ssh.private(), passphrase.as_ref()).unwrap();
        assert_eq!(key.kind(), SignatureKind::Ssh);
        let listed = run(
            "ssh-keygen",
            "openssh-client",
            &["-l", "-f", ssh.path().to_str().unwrap()],
        );
        assert!(listed.contains(key.fingerprint()), "{listed} {key:?}");
        let commit = pushed(&fixture, key);
        let name = accepted(&fixture, &commit, &ssh.settings(), &signers(&ssh.public()));
        assert_eq!(name, "ann@example.com");
    }
}

#[test]
fn git_accepts_what_we_sign_with_gpg_keys() {
    let home = GpgHome::new();
    for (number, (kind, passphrase, subkey)) in [
        ("ed25519", "", false),
        ("ed25519", PASSPHRASE, true),
        ("rsa2048", PASSPHRASE, false),
    ]
    .into_iter()
    .enumerate()
    {
        let fixture = Fixture::new();
        let user = format!("Ann {number} <ann{number}@example.com>");
        let usage = if subkey { "cert" } else { "sign" };
        let fingerprint = home.key(&user, kind, usage, "never", passphrase);
        if subkey {
            home.gpg(&[
                "--passphrase",
                passphrase,
                "--quick-add-key",
                &fingerprint,
                kind,
                "sign",
            ]);
        }
        // Of the one with a subkey the primary part stays at home.
        let how = if subkey {
            "--export-secret-subkeys"
        } else {
            "--export-secret-keys"
        };
        let secret = home.exported(how, &fingerprint, passphrase);
        let passphrase = Some(Redacted::new(passphrase)).filter(|p| !p.expose().is_empty());
        let key = SigningKey::parse(&secret, passphrase.as_ref()).unwrap();
        assert_eq!(
            (key.kind(), key.fingerprint()),
            (SignatureKind::Gpg, fingerprint.as_str())
        );
        let commit = pushed(&fixture, key);
        let keys = signers(&home.public(&fingerprint));
        let name = accepted(&fixture, &commit, &home.settings(&fingerprint), &keys);
        assert_eq!(name, user);
    }
}

#[test]
fn we_accept_the_commits_and_tags_that_git_signs() {
    let home = GpgHome::new();
    let gpg = home.key("Ann <ann@example.com>", "ed25519", "sign", "never", "");
    let ssh = SshKey::new(&["ed25519"], "");
    let both = format!("{}\n{}", home.public(&gpg), "");
    let entries = [
        ("gpg", both.clone()),
        ("ssh", ssh.allowed("namespaces=\"git\"")),
    ];
    let keys = Signers::parse(entries.iter().map(|(name, text)| (*name, text.as_bytes()))).unwrap();
    for (settings, kind, name) in [
        (
            home.settings(&gpg),
            SignatureKind::Gpg,
            "Ann <ann@example.com>",
        ),
        (ssh.settings(), SignatureKind::Ssh, "ann@example.com"),
    ] {
        let fixture = Fixture::new();
        let work = fixture.work();
        git_with(
            &work,
            &settings,
            &["commit", "-q", "-S", "--allow-empty", "-m", "signed\n\nx"],
        );
        git_with(&work, &settings, &["tag", "-s", "-m", "a release", "v1"]);
        git(&work, &["tag", "-a", "-m", "not signed", "v2"]);
        fixture.git(&["push", "-q", "origin", "HEAD:main", "v1", "v2"]);
        let now = Timestamp::now();
        let signer = verify_commit(&object(&fixture, "commit", "main"), &keys, now).unwrap();
        assert_eq!((signer.kind, signer.name.as_str()), (kind, name));
        let tag = object(&fixture, "tag", "v1");
        assert_eq!(verify_tag(&tag, &keys, now).unwrap(), signer);
        let forged = String::from_utf8(tag)
            .unwrap()
            .replace("a release", "b release");
        let problem = verify_tag(forged.as_bytes(), &keys, now).unwrap_err();
        assert!(
            matches!(problem, SignatureProblem::Wrong { .. }),
            "{problem}"
        );
        let unsigned = verify_tag(&object(&fixture, "tag", "v2"), &keys, now);
        assert_eq!(unsigned, Err(SignatureProblem::Unsigned));
        let unsigned = verify_commit(&object(&fixture, "commit", "main~1"), &keys, now);
        assert_eq!(unsigned, Err(SignatureProblem::Unsigned));
    }
}

#[test]
fn bad_b54_a_gpg_key_that_is_unknown_expired_or_revoked_signs_nothing() {
    let home = GpgHome::new();
    let key = home.key("Ann <ann@example.com>", "ed25519", "sign", "1d", "");
    let other = home.key("Bob <bob@example.com>", "ed25519", "sign", "never", "");
    let fixture = Fixture::new();
    let settings = home.settings(&key);
    let arguments = ["commit", "-q", "-S", "--allow-empty", "-m", "signed"];
    git_with(&fixture.work(), &settings, &arguments);
    fixture.git(&["push", "-q", "origin", "HEAD:main"]);
    let commit = object(&fixture, "commit", "main");
    let now = Timestamp::now();
    let known = signers(&home.public(&key));
    assert!(verify_commit(&commit, &known, now).is_ok());

    let problem = verify_commit(&commit, &signers(&home.public(&other)), now).unwrap_err();
    assert_eq!(problem, SignatureProblem::Unknown { key: key.clone() });

    let later = now.checked_add(Span::new().hours(25)).unwrap();
    let problem = verify_commit(&commit, &known, later).unwrap_err();
    assert!(
        matches!(problem, SignatureProblem::Expired { .. }),
        "{problem}"
    );

    // `gpg` writes a revocation beside each key; a colon keeps it from being used by accident.
    let revocation = home
        .folder
        .path()
        .join(format!("openpgp-revocs.d/{key}.rev"));
    let text = fs::read_to_string(&revocation)
        .unwrap()
        .replace(":-----BEGIN", "-----BEGIN");
    fs::write(&revocation, text).unwrap();
    home.gpg(&["--import", revocation.to_str().unwrap()]);
    let problem = verify_commit(&commit, &signers(&home.public(&key)), now).unwrap_err();
    assert_eq!(problem, SignatureProblem::Revoked { key });
}

#[test]
fn bad_b54_a_gpg_subkey_that_may_not_sign_is_not_taken_for_its_key() {
    let home = GpgHome::new();
    let key = home.key("Ann <ann@example.com>", "ed25519", "sign", "never", "");
    home.gpg(&[
        "--passphrase",
        "",
        "--quick-add-key",
        &key,
        "ed25519",
        "sign",
        "1d",
    ]);
    let fixture = Fixture::new();
    let settings = home.settings(&key);
    let arguments = ["commit", "-q", "-S", "--allow-empty", "-m", "signed"];
    git_with(&fixture.work(), &settings, &arguments);
    fixture.git(&["push", "-q", "origin", "HEAD:main"]);
    let commit = object(&fixture, "commit", "main");
    let now = Timestamp::now();
    let keys = signers(&home.public(&key));
    let signer = verify_commit(&commit, &keys, now).unwrap();
    assert_eq!(signer.fingerprint, key, "the primary key names it");
    let later = now.checked_add(Span::new().hours(25)).unwrap();
    let problem = verify_commit(&commit, &keys, later).unwrap_err();
    assert!(
        matches!(problem, SignatureProblem::Expired { .. }),
        "{problem}"
    );
}

#[test]
fn bad_b54_an_ssh_key_that_is_unknown_or_not_valid_then_signs_nothing() {
    let ssh = SshKey::new(&["ed25519"], "");
    let other = SshKey::new(&["ed25519"], "");
    let fixture = Fixture::new();
    let arguments = ["commit", "-q", "-S", "--allow-empty", "-m", "signed"];
    git_with(&fixture.work(), &ssh.settings(), &arguments);
    fixture.git(&["push", "-q", "origin", "HEAD:main"]);
    let commit = object(&fixture, "commit", "main");
    let now = Timestamp::now();
    let with = |entry: String| verify_commit(&commit, &signers(&entry), now);
    let problem = with(other.public()).unwrap_err();
    assert!(
        matches!(problem, SignatureProblem::Unknown { .. }),
        "{problem}"
    );
    let problem = with(ssh.allowed("valid-before=\"20200101\"")).unwrap_err();
    assert!(
        matches!(problem, SignatureProblem::Expired { .. }),
        "{problem}"
    );
    let problem = with(ssh.allowed("valid-after=\"20990101Z\"")).unwrap_err();
    assert!(
        matches!(problem, SignatureProblem::NotYetValid { .. }),
        "{problem}"
    );
    let problem = with(ssh.allowed("namespaces=\"file\"")).unwrap_err();
    assert!(
        matches!(problem, SignatureProblem::Wrong { .. }),
        "{problem}"
    );
    // One line that allows it is enough.
    let two = format!(
        "{}{}",
        ssh.allowed("valid-before=\"20200101\""),
        ssh.allowed("")
    );
    assert!(with(two).is_ok());
}

#[test]
fn a_key_that_cannot_sign_is_refused_without_showing_it() {
    let ssh = SshKey::new(&["ed25519"], PASSPHRASE);
    let right = Redacted::new(PASSPHRASE);
    let wrong = Redacted::new("wrong");
    assert!(SigningKey::parse(&ssh.private(), Some(&right)).is_ok());
    let error = SigningKey::parse(&ssh.private(), None).unwrap_err();
    assert_eq!(error, SigningKeyError::PassphraseMissing);
    let error = SigningKey::parse(&ssh.private(), Some(&wrong)).unwrap_err();
    assert_eq!(error, SigningKeyError::WrongPassphrase);
    assert_eq!(error.reason(), Reason::SigningKeyInvalid);
    let error = SigningKey::parse(&Redacted::new(ssh.public()), None).unwrap_err();
    assert_eq!(error, SigningKeyError::NotAKey);

    let home = GpgHome::new();
    let key = home.key(
        "Ann <ann@example.com>",
        "ed25519",
        "sign",
        "never",
        PASSPHRASE,
    );
    let secret = home.secret(&key, PASSPHRASE);
    let error = SigningKey::parse(&secret, None).unwrap_err();
    assert_eq!(error, SigningKeyError::PassphraseMissing);
    let error = SigningKey::parse(&secret, Some(&wrong)).unwrap_err();
    assert_eq!(error, SigningKeyError::WrongPassphrase);
    let signing = SigningKey::parse(&secret, Some(&right)).unwrap();
    assert!(!format!("{signing:?}").contains("PRIVATE"));

    // A time before 1970 cannot stand in an OpenPGP signature: no commit is made.
    let fixture = Fixture::new();
    let (mirror, base) = fixture.fetched();
    let new = NewCommit {
        time: Timestamp::from_second(-1).unwrap(),
        signing: Some(signing),
        ..new_commit("x")
    };
    let edits = [("a".to_owned(), b"x".to_vec())];
    let error = mirror.commit(&base, &edits, &new).unwrap_err();
    assert!(matches!(error, Error::NotSigned { .. }), "{error}");
}
