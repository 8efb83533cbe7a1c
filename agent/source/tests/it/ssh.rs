//! Git over SSH, against a real `sshd`.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use syncline_core::reason::Reason;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, Error, Mirror, Push};

use crate::fixture::{Fixture, basic, git, new_commit, noise};
use crate::ssh_server::SshServer;

fn served(fixture: &Fixture) -> (SshServer, Mirror) {
    let server = SshServer::start(fixture.folder.path());
    let mirror = Mirror::open(&fixture.settings, &server.url(&fixture.bare())).unwrap();
    (server, mirror)
}

fn left_behind(fixture: &Fixture) -> Vec<String> {
    let packs = fs::read_dir(fixture.generation().join("objects/pack")).unwrap();
    let names = packs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("pack_git2_"))
        .collect()
}

#[test]
fn a_branch_is_fetched_incrementally_and_pushed_over_ssh() {
    let fixture = Fixture::new();
    fixture.push_files(&[("noise.txt", &noise(40_000))]);
    let (server, mirror) = served(&fixture);
    let access = server.access();
    let first = mirror.fetch(&access, "main").unwrap();
    assert_eq!((&first.commit, first.changed), (&fixture.head(), true));
    let again = mirror.fetch(&access, "main").unwrap();
    assert_eq!((&again.commit, again.changed), (&first.commit, false));
    let second = fixture.push_files(&[("apps/web.yaml", "image: web:2\n")]);
    let fetched = mirror.fetch(&access, "main").unwrap();
    assert_eq!((&fetched.commit, fetched.changed), (&second, true));
    let file = mirror.snapshot(&second).unwrap().read_file("apps/web.yaml");
    assert_eq!(file.unwrap().unwrap(), b"image: web:2\n");

    let edits = [("apps/web.yaml".to_owned(), b"image: web:3\n".to_vec())];
    let commit = mirror
        .commit(&second, &edits, &new_commit("web 3"))
        .unwrap();
    assert_eq!(
        mirror.push(&access, "main", &commit).unwrap(),
        Push::Accepted
    );
    assert_eq!(fixture.served("main"), commit.to_string());
    let other = mirror.commit(&second, &edits, &new_commit("late")).unwrap();
    let lost = mirror.push(&access, "main", &other).unwrap();
    assert!(matches!(lost, Push::Lost { .. }), "{lost:?}");
    assert_eq!(fixture.served("main"), commit.to_string());
}

#[test]
fn a_commit_and_a_tag_are_fetched_over_ssh() {
    let fixture = Fixture::new();
    let first = fixture.head();
    fixture.git(&["tag", "--annotate", "v1", "--message=one"]);
    fixture.git(&["push", "--quiet", "origin", "v1"]);
    fixture.push_files(&[("a.yaml", "a: 1\n")]);
    fixture.git(&["push", "--quiet", "origin", "HEAD:refs/heads/other"]);
    let (server, mirror) = served(&fixture);
    let access = server.access();
    assert_eq!(mirror.fetch_reference(&access, "v1").unwrap(), first);
    let mut other = fixture.settings.clone();
    other.dir = fixture.folder.path().join("others");
    let mirror = Mirror::open(&other, mirror.url()).unwrap();
    // `git upload-pack` gives no commit that is no tip, so its branches are looked through.
    mirror.fetch_commit(&access, &first).unwrap();
    assert!(
        mirror
            .snapshot(&first)
            .unwrap()
            .read_file("README.md")
            .unwrap()
            .is_some()
    );
}

#[test]
fn keys_of_every_kind_sign_in_with_and_without_a_passphrase() {
    let fixture = Fixture::new();
    let (server, mirror) = served(&fixture);
    let keys = [
        ("ed25519", ""),
        ("ecdsa", ""),
        ("rsa", ""),
        ("ed25519", "correct horse"),
        ("rsa", "correct horse"),
    ];
    for (at, (kind, passphrase)) in keys.into_iter().enumerate() {
        let name = format!("key-{at}");
        server.make_key(&name, kind, passphrase);
        server.allow(&[&name]);
        let passphrase = (!passphrase.is_empty()).then_some(passphrase);
        let access = server.access_with(&name, passphrase, &server.known("host-ed25519"));
        let fetched = mirror.fetch(&access, "main");
        assert_eq!(fetched.unwrap().commit, fixture.head(), "{kind}");
    }
}

#[test]
fn a_host_is_recognised_by_whichever_of_its_keys_is_known() {
    let fixture = Fixture::new();
    let (server, mirror) = served(&fixture);
    for host_key in ["host-ed25519", "host-ecdsa", "host-rsa"] {
        let access = server.access_with("ann", None, &server.known(host_key));
        let fetched = mirror.fetch(&access, "main");
        assert_eq!(fetched.unwrap().commit, fixture.head(), "{host_key}");
    }
    // `ssh-keygen -H` hashes the names.
    let file = fixture.folder.path().join("known_hosts");
    fs::write(&file, server.known("host-ecdsa")).unwrap();
    let hash = Command::new("ssh-keygen")
        .arg("-H")
        .arg("-f")
        .arg(&file)
        .output()
        .unwrap();
    assert!(hash.status.success());
    let hashed = fs::read_to_string(&file).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    let access = server.access_with("ann", None, &hashed);
    assert_eq!(
        mirror.fetch(&access, "main").unwrap().commit,
        fixture.head()
    );
}

#[test]
fn fault_f08_a_host_whose_key_has_changed_is_not_talked_to() {
    let fixture = Fixture::new();
    let (mut server, mirror) = served(&fixture);
    let access = server.access();
    let commit = mirror.fetch(&access, "main").unwrap().commit;
    let before = server.fingerprint("host-ed25519");
    server.make_key("host-new", "ed25519", "");
    server.listen(&["host-new"], "");
    let error = mirror.fetch(&access, "main").unwrap_err();
    let text = error.to_string();
    assert_eq!(error.reason(), Reason::HostKeyMismatch, "{text}");
    assert!(text.contains(&before), "{text}");
    assert!(text.contains(&server.fingerprint("host-new")), "{text}");
    // Nobody signed in there, and what was fetched can be read.
    assert!(!server.log().contains("Accepted"), "{}", server.log());
    assert!(
        mirror
            .snapshot(&commit)
            .unwrap()
            .read_file("README.md")
            .unwrap()
            .is_some()
    );
    let access = server.access_with("ann", None, &server.known("host-new"));
    assert_eq!(mirror.fetch(&access, "main").unwrap().commit, commit);
}

#[test]
fn an_unknown_host_is_not_talked_to_and_the_line_to_add_is_told() {
    let fixture = Fixture::new();
    let (server, mirror) = served(&fixture);
    let other = format!("git.example.com {}", server.read("host-rsa.pub"));
    let access = server.access_with("ann", None, &other);
    let error = mirror.fetch(&access, "main").unwrap_err();
    assert_eq!(error.reason(), Reason::HostKeyUnknown, "{error}");
    let Error::HostKeyUnknown {
        fingerprint, line, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(*fingerprint, server.fingerprint("host-ed25519"));
    assert!(!server.log().contains("Accepted"), "{}", server.log());
    let access = server.access_with("ann", None, line);
    assert_eq!(
        mirror.fetch(&access, "main").unwrap().commit,
        fixture.head()
    );
    let revoked = format!("@revoked * {}\n{line}", server.read("host-ed25519.pub"));
    let access = server.access_with("ann", None, &revoked);
    let error = mirror.fetch(&access, "main").unwrap_err();
    assert_eq!(error.reason(), Reason::HostKeyMismatch, "{error}");
}

#[test]
fn what_is_wrong_with_the_credentials_is_told_without_them() {
    let fixture = Fixture::new();
    let (server, mirror) = served(&fixture);
    server.make_key("stranger", "ed25519", "");
    server.make_key("locked", "ed25519", "correct horse");
    let known = server.known("host-ed25519");
    let refused = |access: &Access| {
        let error = mirror.fetch(access, "main").unwrap_err();
        assert!(!error.to_string().contains("horse"), "{error}");
        error
    };
    let error = refused(&server.access_with("stranger", None, &known));
    assert_eq!(error.reason(), Reason::AuthFailed, "{error}");
    let fingerprint = server.fingerprint("stranger");
    assert!(error.to_string().contains(&fingerprint), "{error}");
    for (key, passphrase) in [
        ("locked", None),
        ("locked", Some("wrong horse")),
        ("ann.pub", None),
    ] {
        let error = refused(&server.access_with(key, passphrase, &known));
        assert!(
            matches!(error, Error::InvalidIdentity { .. }),
            "{key}: {error}"
        );
    }
    let error = refused(&server.access_with("ann", None, "# nobody\n"));
    assert!(matches!(error, Error::InvalidKnownHosts { .. }), "{error}");
    for access in [Access::default(), basic("ann", "a horse")] {
        let error = refused(&access);
        assert!(matches!(error, Error::WrongCredentials { .. }), "{error}");
    }
    let error = fixture
        .mirror()
        .fetch(&server.access(), "main")
        .unwrap_err();
    assert!(matches!(error, Error::WrongCredentials { .. }), "{error}");
}

#[test]
fn what_is_missing_on_an_ssh_server_is_named() {
    let fixture = Fixture::new();
    let (server, mirror) = served(&fixture);
    let access = server.access();
    let error = mirror.fetch(&access, "mian").unwrap_err();
    assert_eq!(error.reason(), Reason::RevisionNotFound, "{error}");
    assert!(error.to_string().contains("there are `main`"), "{error}");
    let nothing = server.url(&fixture.folder.path().join("served/nothing.git"));
    let mirror = Mirror::open(&fixture.settings, &nothing).unwrap();
    let error = mirror.fetch(&access, "main").unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
}

#[test]
fn fault_f02_an_ssh_server_that_hangs_is_left_at_the_deadline() {
    let mut fixture = Fixture::new();
    fixture.settings.timeout = Duration::from_millis(1_500);
    let (mut server, mirror) = served(&fixture);
    let access = server.access();
    let wait = |mirror: &Mirror| {
        let begin = Instant::now();
        let error = mirror.fetch(&access, "main").unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{error}");
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
    };
    // One that takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let url = RepoUrl::parse(&format!("ssh://git@127.0.0.1:{port}/x")).unwrap();
    wait(&Mirror::open(&fixture.settings, &url).unwrap());
    // One that greets, lets the key in and then does nothing.
    server.listen(&["host-ed25519"], "ForceCommand sleep 60");
    wait(&mirror);
    // The worker is free: the next one is served.
    server.listen(&["host-ed25519"], "");
    fixture.settings.timeout = Duration::from_secs(30);
    let mirror = Mirror::open(&fixture.settings, mirror.url()).unwrap();
    assert_eq!(
        mirror.fetch(&access, "main").unwrap().commit,
        fixture.head()
    );
}

#[test]
fn fault_f03_a_pack_that_is_cut_over_ssh_leaves_nothing_behind() {
    let fixture = Fixture::new();
    let (mut server, mirror) = served(&fixture);
    let access = server.access();
    mirror.fetch(&access, "main").unwrap();
    let commit = fixture.push_files(&[("noise.txt", &noise(60_000))]);
    let cut = fixture.folder.path().join("cut");
    for blocks in [16, 32, 75] {
        // `head` would keep the beginning to itself.
        let script = format!(
            "#!/bin/sh\nsh -c \"$SSH_ORIGINAL_COMMAND\" | dd bs=4096 count={blocks} status=none\n"
        );
        fs::write(&cut, script).unwrap();
        server.listen(
            &["host-ed25519"],
            &format!("ForceCommand sh {}", cut.display()),
        );
        let error = mirror.fetch(&access, "main").unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert_eq!(left_behind(&fixture), Vec::<String>::new());
    }
    server.listen(&["host-ed25519"], "");
    assert_eq!(mirror.fetch(&access, "main").unwrap().commit, commit);
}

#[test]
fn a_repository_over_the_limit_says_what_came_and_what_would() {
    let mut fixture = Fixture::empty();
    fixture.settings.max_pack_bytes = 200_000;
    for part in 0..20_u64 {
        let numbers =
            (0..2_000).map(|n| (n + part * 10_000_u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text: Vec<String> = numbers.map(|n| format!("{n:x}")).collect();
        fixture.write(&format!("noise-{part}.txt"), &text.concat());
    }
    fixture.commit_and_push("main");
    let (server, over_ssh) = served(&fixture);
    for (mirror, access) in [
        (over_ssh, server.access()),
        (fixture.mirror(), Access::default()),
    ] {
        let error = mirror.fetch(&access, "main").unwrap_err();
        let text = error.to_string();
        assert_eq!(error.reason(), Reason::TooLarge, "{text}");
        assert!(
            text.contains("200000") && text.contains("objects came"),
            "{text}"
        );
        assert!(text.contains("bytes in all"), "{text}");
    }
}

#[test]
fn a_login_that_prints_a_greeting_is_no_git_server() {
    let fixture = Fixture::new();
    let (mut server, mirror) = served(&fixture);
    server.listen(
        &["host-ed25519"],
        "ForceCommand echo Welcome to this machine",
    );
    let error = mirror.fetch(&server.access(), "main").unwrap_err();
    assert!(matches!(error, Error::NotGit { .. }), "{error}");
    server.listen(
        &["host-ed25519"],
        "ForceCommand echo 'Permission to x denied' >&2; exit 1",
    );
    let error = mirror.fetch(&server.access(), "main").unwrap_err();
    assert!(matches!(error, Error::AccessRefused { .. }), "{error}");
    assert!(
        error.to_string().contains("Permission to x denied"),
        "{error}"
    );
}

#[test]
fn a_push_over_ssh_that_a_hook_refuses_is_told_in_its_words() {
    let fixture = Fixture::new();
    let (server, mirror) = served(&fixture);
    let access = server.access();
    let tip = mirror.fetch(&access, "main").unwrap().commit;
    let hook = fixture.bare().join("hooks/pre-receive");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let mut file = fs::File::create(&hook).unwrap();
    file.write_all(b"#!/bin/sh\necho 'the branch is frozen' >&2\nexit 1\n")
        .unwrap();
    drop(file);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&hook, executable).unwrap();
    let edits = [("a.yaml".to_owned(), b"a: 1\n".to_vec())];
    let commit = mirror.commit(&tip, &edits, &new_commit("a")).unwrap();
    let error = mirror.push(&access, "main", &commit).unwrap_err();
    assert!(matches!(error, Error::PushDenied { .. }), "{error}");
    assert!(
        error.to_string().contains("the branch is frozen"),
        "{error}"
    );
    assert_eq!(
        git(&fixture.bare(), &["rev-parse", "main"]).trim(),
        tip.to_string()
    );
}
