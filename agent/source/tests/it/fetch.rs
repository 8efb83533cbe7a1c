//! Fetching a branch: what it costs, and how it fails.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use syncline_core::reason::Reason;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, Credentials, Error, Mirror};

use crate::fixture::{Fixture, basic, git, noise};
use crate::server::Mode;

#[test]
fn a_clone_gives_the_tip_of_the_branch_and_its_files() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    let fetched = mirror.fetch(&fixture.access, "main").unwrap();
    assert_eq!(fetched.commit, fixture.head());
    assert!(fetched.changed);
    let snapshot = mirror.snapshot(&fetched.commit).unwrap();
    assert_eq!(
        snapshot.read_file("apps/web.yaml").unwrap().unwrap(),
        b"image: web:1\n"
    );
}

#[test]
fn a_fetch_without_news_costs_one_request() {
    let fixture = Fixture::new();
    let (mirror, commit) = fixture.fetched();
    fixture.server.seen();
    let again = mirror.fetch(&fixture.access, "main").unwrap();
    assert_eq!(again.commit, commit);
    assert!(!again.changed);
    let seen = fixture.server.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        seen[0].line,
        "GET /config.git/info/refs?service=git-upload-pack"
    );
    assert_eq!(seen[0].authorization, None);
}

#[test]
fn a_new_commit_is_fetched_incrementally() {
    let fixture = Fixture::empty();
    let noise = noise(40_000);
    fixture.push_files(&[("big.txt", &noise)]);
    let (mirror, first) = fixture.fetched();
    let second = fixture.push_files(&[("apps/web.yaml", "image: web:2\n")]);
    fixture.server.seen();
    let fetched = mirror.fetch(&fixture.access, "main").unwrap();
    assert_eq!(fetched.commit, second);
    assert!(fetched.changed);
    assert_eq!(fixture.server.seen().len(), 2);
    let mut packs: Vec<u64> = std::fs::read_dir(fixture.generation().join("objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "pack")
        })
        .map(|entry| entry.metadata().unwrap().len())
        .collect();
    packs.sort_unstable();
    assert_eq!(packs.len(), 2);
    assert!(
        packs[0] < 2_000,
        "the second pack holds only what is new: {packs:?}"
    );
    assert!(mirror.is_ancestor(&first, &second).unwrap());
}

#[test]
fn a_branch_that_is_not_there_is_named() {
    let fixture = Fixture::new();
    let error = fixture.mirror().fetch(&fixture.access, "mian").unwrap_err();
    assert!(matches!(error, Error::BranchNotFound { .. }), "{error}");
    assert_eq!(error.reason(), Reason::RevisionNotFound);
    assert!(error.to_string().contains("`mian`"), "{error}");
}

#[test]
fn fault_f06_an_empty_repository_and_a_deleted_branch_are_branches_that_are_not_there() {
    let fixture = Fixture::empty();
    let mirror = fixture.mirror();
    let error = mirror.fetch(&fixture.access, "main").unwrap_err();
    assert!(matches!(error, Error::BranchNotFound { .. }), "{error}");
    let commit = fixture.push_files(&[("a.yaml", "a: 1\n")]);
    assert_eq!(
        mirror.fetch(&fixture.access, "main").unwrap().commit,
        commit
    );
    git(&fixture.bare(), &["update-ref", "-d", "refs/heads/main"]);
    let error = mirror.fetch(&fixture.access, "main").unwrap_err();
    assert!(matches!(error, Error::BranchNotFound { .. }), "{error}");
    // What was fetched can still be read.
    assert!(
        mirror
            .snapshot(&commit)
            .unwrap()
            .read_file("a.yaml")
            .unwrap()
            .is_some()
    );
}

#[test]
fn bad_b51_names_that_are_no_branches_are_refused_without_a_request() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    for branch in [
        "--upload-pack=x",
        "@{-1}",
        "",
        "a..b",
        "a b",
        "a:b",
        "+main",
        "refs/*",
        "a\0b",
    ] {
        let result = mirror.fetch(&fixture.access, branch);
        // `+main` is a valid name, of a branch that does not exist.
        if branch == "+main" {
            assert!(
                matches!(result, Err(Error::BranchNotFound { .. })),
                "{result:?}"
            );
            continue;
        }
        assert!(
            matches!(result, Err(Error::InvalidBranch { .. })),
            "{branch:?}: {result:?}"
        );
    }
    assert_eq!(fixture.server.seen().len(), 1);
}

#[test]
fn fault_f04_wrong_credentials_are_tried_once_and_never_shown() {
    let fixture = Fixture::new();
    fixture.server.want("Basic YW5uOnJpZ2h0"); // ann:right
    let mirror = fixture.mirror();
    let error = mirror
        .fetch(&basic("ann", "wrong-hunter2"), "main")
        .unwrap_err();
    assert!(matches!(error, Error::Auth { status: 401, .. }), "{error}");
    assert_eq!(error.reason(), Reason::AuthFailed);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert_eq!(fixture.server.seen().len(), 1);
    let error = mirror.fetch(&Access::default(), "main").unwrap_err();
    assert!(matches!(error, Error::Auth { status: 401, .. }), "{error}");
    assert!(mirror.fetch(&basic("ann", "right"), "main").is_ok());
    fixture.server.want("Bearer tok");
    let bearer = Credentials::Bearer("tok".to_owned().into());
    let bearer = Access {
        credentials: bearer,
        ..Access::default()
    };
    assert!(mirror.fetch(&bearer, "main").is_ok());
    fixture.server.set(Mode::Status(403));
    let error = mirror.fetch(&bearer, "main").unwrap_err();
    assert!(matches!(error, Error::Auth { status: 403, .. }), "{error}");
}

#[test]
fn a_credential_must_list_the_repository_itself_before_the_mirror_answers() {
    let fixture = Fixture::new();
    fixture.server.want("Basic YW5uOnJpZ2h0");
    let mirror = fixture.mirror();
    mirror.fetch(&basic("ann", "right"), "main").unwrap();
    assert!(mirror.fetch(&basic("bob", "guess"), "main").is_err());
}

#[test]
fn fault_f01_a_host_that_refuses_connections_is_unavailable_and_the_mirror_stays() {
    let fixture = Fixture::new();
    let (mirror, commit) = fixture.fetched();
    drop(fixture.server);
    let error = mirror.fetch(&fixture.access, "main").unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(error.reason(), Reason::SourceUnavailable);
    assert!(
        mirror
            .snapshot(&commit)
            .unwrap()
            .read_file("README.md")
            .unwrap()
            .is_some()
    );
}

#[test]
fn fault_f02_a_server_that_hangs_is_left_at_the_deadline() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    let access = Access {
        timeout: Some(Duration::from_millis(400)),
        ..Access::default()
    };
    for mode in [Mode::Hang, Mode::Drip] {
        fixture.server.set(mode.clone());
        let started = Instant::now();
        let error = mirror.fetch(&access, "main").unwrap_err();
        assert!(matches!(error, Error::Timeout { .. }), "{mode:?}: {error}");
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{mode:?}: {:?}",
            started.elapsed()
        );
    }
    // One that takes connections and reads nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/x.git", silent.local_addr().unwrap());
    let mirror = Mirror::open(&fixture.settings, &RepoUrl::parse(&url).unwrap()).unwrap();
    let error = mirror.fetch(&access, "main").unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
}

#[test]
fn fault_f02_a_hanging_repository_holds_up_no_other() {
    let hanging = Fixture::new();
    hanging.server.set(Mode::Hang);
    let healthy = Fixture::new();
    let mirror = hanging.mirror();
    let access = Access {
        timeout: Some(Duration::from_secs(20)),
        ..Access::default()
    };
    let waiting = std::thread::spawn(move || mirror.fetch(&access, "main"));
    healthy.fetched();
    assert!(!waiting.is_finished());
    drop(hanging.server);
    assert!(waiting.join().unwrap().is_err());
}

#[test]
fn a_fetch_waits_for_the_one_before_it_no_longer_than_its_deadline() {
    let fixture = Fixture::new();
    fixture.server.set(Mode::Hang);
    let mirror = fixture.mirror();
    let first = mirror.clone();
    let long = Access {
        timeout: Some(Duration::from_secs(20)),
        ..Access::default()
    };
    let waiting = std::thread::spawn(move || first.fetch(&long, "main"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while fixture.server.seen().is_empty() {
        assert!(Instant::now() < deadline, "the first fetch never asked");
        std::thread::yield_now();
    }
    let short = Access {
        timeout: Some(Duration::from_millis(200)),
        ..Access::default()
    };
    let error = mirror.fetch(&short, "main").unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(
        fixture.server.seen().is_empty(),
        "the second fetch did not get its turn"
    );
    drop(fixture.server);
    assert!(waiting.join().unwrap().is_err());
}

#[test]
fn fault_f03_a_pack_that_is_cut_leaves_nothing_behind() {
    let fixture = Fixture::empty();
    let noise = noise(40_000);
    fixture.push_files(&[("big.txt", &noise)]);
    let mirror = fixture.mirror();
    for bytes in [0, 100, 1_000, 20_000, 65_536] {
        fixture.server.set(Mode::CutAnswer(bytes));
        let error = mirror.fetch(&fixture.access, "main").unwrap_err();
        assert!(
            matches!(error, Error::Unavailable { .. }),
            "{bytes}: {error:?}"
        );
        let left = std::fs::read_dir(fixture.generation().join("objects/pack"))
            .unwrap()
            .count();
        assert_eq!(left, 0, "after {bytes} bytes");
    }
    fixture.server.set(Mode::Serve);
    assert_eq!(
        mirror.fetch(&fixture.access, "main").unwrap().commit,
        fixture.head()
    );
}

#[test]
fn fault_f05_a_redirect_to_another_host_is_refused_and_no_credential_is_sent_there() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    let mirror = fixture.mirror();
    for target in [
        other.server.origin(),
        other.server.origin().replace("127.0.0.1", "localhost"),
    ] {
        fixture.server.set(Mode::Redirect(target));
        let error = mirror.fetch(&basic("ann", "hunter2"), "main").unwrap_err();
        assert!(matches!(error, Error::RedirectRefused { .. }), "{error}");
        assert_eq!(error.reason(), Reason::RedirectRefused);
    }
    fixture.server.set(Mode::Redirect(format!(
        "http://ann:pw@{}",
        &other.server.origin()[7..]
    )));
    let error = mirror.fetch(&basic("ann", "hunter2"), "main").unwrap_err();
    assert!(!error.to_string().contains("ann:pw"), "{error}");
    assert!(other.server.seen().is_empty());
}

#[test]
fn a_redirect_on_the_same_host_is_followed_for_the_whole_operation() {
    let fixture = Fixture::new();
    fixture.server.set(Mode::Redirect("/moved".to_owned()));
    let mirror = fixture.mirror();
    assert_eq!(
        mirror.fetch(&fixture.access, "main").unwrap().commit,
        fixture.head()
    );
    let seen = fixture.server.seen();
    assert_eq!(
        seen.last().unwrap().line,
        "POST /moved/config.git/git-upload-pack?"
    );
}

#[test]
fn what_is_no_git_server_and_what_is_no_repository_are_told_apart() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    fixture.server.set(Mode::Page);
    let error = mirror.fetch(&fixture.access, "main").unwrap_err();
    assert!(matches!(error, Error::NotGit { .. }), "{error}");
    fixture.server.set(Mode::Status(503));
    let error = mirror.fetch(&fixture.access, "main").unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    fixture.server.set(Mode::Serve);
    let url = RepoUrl::parse(&format!("{}/nothing.git", fixture.server.origin())).unwrap();
    let other = Mirror::open(&fixture.settings, &url).unwrap();
    let error = other.fetch(&fixture.access, "main").unwrap_err();
    assert!(matches!(error, Error::RepositoryNotFound { .. }), "{error}");
}

#[test]
fn a_list_of_references_over_the_limit_is_refused() {
    let mut fixture = Fixture::new();
    fixture.settings.max_listing_bytes = 50;
    let error = fixture.mirror().fetch(&fixture.access, "main").unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                setting: "max_listing_bytes",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_pack_over_the_limit_is_refused() {
    let mut fixture = Fixture::new();
    fixture.settings.max_pack_bytes = 50;
    let error = fixture.mirror().fetch(&fixture.access, "main").unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                setting: "max_pack_bytes",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_branch_that_becomes_a_folder_of_branches_is_fetched() {
    let fixture = Fixture::new();
    let first = fixture.commit_and_push("topic");
    let mirror = fixture.mirror();
    assert_eq!(
        mirror.fetch(&fixture.access, "topic").unwrap().commit,
        first
    );
    git(&fixture.bare(), &["update-ref", "-d", "refs/heads/topic"]);
    let second = fixture.commit_and_push("topic/x");
    assert_eq!(
        mirror.fetch(&fixture.access, "topic/x").unwrap().commit,
        second
    );
    assert!(mirror.fetch(&fixture.access, "topic").is_err());
}

#[test]
fn fault_f07_a_rewritten_branch_is_fetched_and_seen_as_rewritten() {
    let fixture = Fixture::new();
    let first = fixture.head();
    let second = fixture.push_files(&[("a.yaml", "a: 1\n")]);
    let (mirror, _) = fixture.fetched();
    // To an older commit, which the mirror has already.
    fixture.git(&["reset", "--quiet", "--hard", first.as_str()]);
    fixture.git(&["push", "--quiet", "--force", "origin", "HEAD:main"]);
    let fetched = mirror.fetch(&fixture.access, "main").unwrap();
    assert_eq!((&fetched.commit, fetched.changed), (&first, true));
    assert!(!mirror.is_ancestor(&second, &first).unwrap());
    // To an unrelated one.
    fixture.git(&["checkout", "--quiet", "--orphan", "fresh"]);
    let unrelated = fixture.push_files(&[("b.yaml", "b: 1\n")]);
    let fetched = mirror.fetch(&fixture.access, "main").unwrap();
    assert_eq!((&fetched.commit, fetched.changed), (&unrelated, true));
    assert!(!mirror.is_ancestor(&first, &unrelated).unwrap());
    // The old commits can still be read.
    assert!(
        mirror
            .snapshot(&second)
            .unwrap()
            .read_file("a.yaml")
            .unwrap()
            .is_some()
    );
}

#[test]
fn odd_names_of_references_do_no_harm() {
    let fixture = Fixture::new();
    let commit = fixture.head();
    let mut packed = format!("{commit} refs/heads/").into_bytes();
    packed.extend_from_slice(b"caf\xe9\n");
    std::fs::write(fixture.bare().join("packed-refs"), packed).unwrap();
    assert_eq!(
        fixture
            .mirror()
            .fetch(&fixture.access, "main")
            .unwrap()
            .commit,
        commit
    );
}

#[test]
fn a_branch_that_was_renamed_is_found_under_its_new_name() {
    let fixture = Fixture::new();
    let (mirror, _) = fixture.fetched();
    git(
        &fixture.bare(),
        &["branch", "--quiet", "--move", "main", "trunk"],
    );
    // As often as it is asked for.
    for _ in 0..2 {
        let error = mirror.fetch(&fixture.access, "main").unwrap_err();
        assert_eq!(error.reason(), Reason::RevisionNotFound);
        let text = error.to_string();
        assert!(
            text.contains("its last commit is now that of `trunk`"),
            "{text}"
        );
    }
}

#[test]
fn twenty_thousand_references_are_listed_without_trouble() {
    let fixture = Fixture::new();
    let commit = fixture.head();
    let branches = (0..20_000).map(|n| format!("{commit} refs/heads/feature/team-{n:05}\n"));
    let mut packed = "# pack-refs with: peeled fully-peeled sorted \n".to_owned();
    packed.extend(branches.chain([format!("{commit} refs/heads/main\n")]));
    std::fs::write(fixture.bare().join("packed-refs"), packed).unwrap();
    assert_eq!(
        git(&fixture.bare(), &["for-each-ref"]).lines().count(),
        20_001
    );
    let (mirror, first) = fixture.fetched();
    assert_eq!(first, commit);
    let begin = Instant::now();
    assert!(!mirror.fetch(&fixture.access, "main").unwrap().changed);
    let list = begin.elapsed();
    assert!(list < Duration::from_secs(5), "{list:?}");
    let second = fixture.push_files(&[("a.yaml", "a: 1\n")]);
    assert_eq!(
        mirror.fetch(&fixture.access, "main").unwrap().commit,
        second
    );
    // The mirror keeps the one that is followed.
    let kept = git(&fixture.generation(), &["for-each-ref"]);
    assert_eq!(kept.lines().count(), 1, "{kept}");
    let error = mirror.fetch(&fixture.access, "feature/team-1").unwrap_err();
    assert!(error.to_string().contains("and others"), "{error}");
}
