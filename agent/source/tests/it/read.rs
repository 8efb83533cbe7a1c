//! Reading the files of a commit.

use std::os::unix::fs::symlink;
use std::path::Path;

use syncline_core::manifest::select::check_names;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_source::{Entry, EntryKind, Error, Snapshot};

use crate::fixture::{Fixture, git};

fn snapshot(fixture: &Fixture) -> Snapshot {
    let (mirror, commit) = fixture.fetched();
    mirror.snapshot(&commit).unwrap()
}

fn link(fixture: &Fixture, target: &str, path: &str) {
    let path = fixture.work().join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(Path::new(target), path).unwrap();
}

#[test]
fn files_and_directories_are_read_and_absent_ones_are_none() {
    let fixture = Fixture::new();
    let snapshot = snapshot(&fixture);
    assert_eq!(snapshot.commit(), &fixture.head());
    assert_eq!(
        snapshot.read_file("./apps//web.yaml").unwrap().unwrap(),
        b"image: web:1\n"
    );
    for path in ["apps", "", "nothing", "nothing/below", "README.md/below"] {
        assert_eq!(snapshot.read_file(path).unwrap(), None, "{path}");
    }
    let entries = snapshot.list("").unwrap().unwrap();
    let entry = |name: &str, kind| Entry {
        name: name.to_owned(),
        kind,
    };
    assert_eq!(
        entries,
        [
            entry("README.md", EntryKind::File),
            entry("apps", EntryKind::Directory)
        ]
    );
    for path in ["README.md", "nothing"] {
        assert_eq!(snapshot.list(path).unwrap(), None, "{path}");
        assert_eq!(snapshot.files_below(path).unwrap(), None, "{path}");
    }
}

#[test]
fn the_digest_of_a_path_is_the_short_form_of_its_id_in_whatever_order_paths_are_asked_for() {
    let fixture = Fixture::empty();
    link(&fixture, "../b", "a/to-directory");
    link(&fixture, "../b/one", "a/to-file");
    link(&fixture, "nowhere", "a/to-nothing");
    link(&fixture, "../../out", "a/out");
    fixture.push_files(&[
        ("a/one", "1"),
        ("b/one", "2"),
        ("b/sub/two", "3"),
        ("c", "4"),
    ]);
    let snapshot = snapshot(&fixture);
    let paths = [
        "",
        "a",
        "a/one",
        "a/two",
        "a/./one",
        "a/to-file",
        "b/one",
        "a/to-directory",
        "b",
        "a/to-directory/one",
        "a/to-directory/sub/two",
        "a/to-directory/none",
        "b/sub",
        "b/sub/two",
        "c",
        "c/below",
        "a/to-nothing",
        "nothing/below",
        "b/",
        "./b",
        "b//one",
        "a/out",
        "../a",
        "a/../b",
        "a/.git",
        "/a",
    ];
    // Steps that share no factor with the number of paths meet all of them.
    for step in [1, 3, 7, 11, 25] {
        for number in 0..2 * paths.len() {
            let path = paths[number * step % paths.len()];
            match (snapshot.id(path), snapshot.digest(path)) {
                (Ok(Some(id)), Ok(Some(digest))) => assert_eq!(id[..32], digest.to_string()),
                (Ok(None), Ok(None)) => {}
                (Err(id), Err(digest)) => {
                    assert_eq!(id.to_string(), digest.to_string(), "{path}");
                }
                (id, digest) => panic!("{path}: {id:?}, {digest:?}"),
            }
        }
    }
}

#[test]
fn files_below_a_directory_come_sorted_with_their_content() {
    let fixture = Fixture::empty();
    fixture.push_files(&[
        ("a/z.yaml", "z"),
        ("a/b/c.yaml", "c"),
        ("a/b.yaml", "b"),
        ("x.yaml", ""),
    ]);
    let files = snapshot(&fixture).files_below("a").unwrap().unwrap();
    let files: Vec<_> = files
        .iter()
        .map(|f| (f.path.as_str(), f.bytes.as_slice()))
        .collect();
    assert_eq!(
        files,
        [
            ("a/b.yaml", &b"b"[..]),
            ("a/b/c.yaml", b"c"),
            ("a/z.yaml", b"z"),
        ]
    );
}

#[test]
fn ids_change_with_content_and_only_with_it() {
    let fixture = Fixture::new();
    let (mirror, first) = fixture.fetched();
    fixture.push_files(&[("other.txt", "x")]);
    let (_, second) = fixture.fetched();
    let (old, new) = (
        mirror.snapshot(&first).unwrap(),
        mirror.snapshot(&second).unwrap(),
    );
    for path in ["apps", "apps/web.yaml", "nothing"] {
        assert_eq!(old.id(path).unwrap(), new.id(path).unwrap(), "{path}");
    }
    assert_ne!(old.id("").unwrap(), new.id("").unwrap());
    let blob = fixture.git(&["rev-parse", "HEAD:apps/web.yaml"]);
    assert_eq!(new.id("apps/web.yaml").unwrap().unwrap(), blob.trim());
}

#[test]
fn links_inside_the_repository_are_followed_and_their_trail_is_known() {
    let fixture = Fixture::empty();
    fixture.push_files(&[("base/web.yaml", "web"), ("apps/own.yaml", "own")]);
    link(&fixture, "../base", "apps/base");
    link(&fixture, "apps/base/web.yaml", "shortcut.yaml");
    link(&fixture, "base/./../apps/", "again");
    fixture.commit_and_push("main");
    let snapshot = snapshot(&fixture);
    assert_eq!(
        snapshot.read_file("shortcut.yaml").unwrap().unwrap(),
        b"web"
    );
    assert_eq!(
        snapshot.read_file("again/own.yaml").unwrap().unwrap(),
        b"own"
    );
    assert_eq!(
        snapshot.trail("shortcut.yaml").unwrap(),
        ["shortcut.yaml", "apps/base", "base/web.yaml"]
    );
    assert_eq!(
        snapshot.trail("again/nothing").unwrap(),
        ["again", "apps/nothing"]
    );
    assert_eq!(
        snapshot.id("shortcut.yaml").unwrap(),
        snapshot.id("base/web.yaml").unwrap()
    );
    let files = snapshot.files_below("apps").unwrap().unwrap();
    let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["apps/base/web.yaml", "apps/own.yaml"]);
    assert_eq!(files[0].links, ["apps/base", "base/web.yaml"]);
    assert!(files[1].links.is_empty());
    assert_eq!(
        snapshot.list("apps").unwrap().unwrap()[0].kind,
        EntryKind::Directory
    );
}

#[test]
fn inv_i26_links_that_leave_the_repository_are_errors_on_every_way() {
    for (target, path) in [
        ("../../etc/passwd", "apps/bad.yaml"),
        ("/etc/passwd", "apps/bad.yaml"),
        ("..", "apps/bad.yaml/../../bad"),
        ("../../..", "apps/bad.yaml"),
    ] {
        let fixture = Fixture::new();
        if path.contains("..") {
            // Over two links: the first is innocent.
            link(&fixture, "../up", "apps/bad.yaml");
            link(&fixture, target, "up");
        } else {
            link(&fixture, target, path);
        }
        fixture.commit_and_push("main");
        let snapshot = snapshot(&fixture);
        for error in [
            snapshot.read_file("apps/bad.yaml").unwrap_err(),
            snapshot.read_file("apps/bad.yaml/below").unwrap_err(),
            snapshot.id("apps/bad.yaml").unwrap_err(),
            snapshot.list("apps").unwrap_err(),
            snapshot.files_below("apps").unwrap_err(),
        ] {
            assert!(
                matches!(error, Error::PathEscape { .. }),
                "{target}: {error:?}"
            );
            assert_eq!(error.reason(), Reason::LinkRefused);
        }
        // What does not need the link can be read.
        assert!(snapshot.read_file("apps/web.yaml").unwrap().is_some());
    }
}

#[test]
fn bad_b29_a_link_that_leaves_the_repository_is_named_by_its_own_path() {
    let fixture = Fixture::new();
    link(&fixture, "../../etc/passwd", "apps/bad.yaml");
    fixture.commit_and_push("main");
    let error = snapshot(&fixture).files_below("apps").unwrap_err();
    assert_eq!(error.reason().row().code, "path.symlink");
    let message = "path `apps/bad.yaml`: a symbolic link points outside the repository";
    assert_eq!(error.to_string(), message);
}

#[test]
fn bad_b29_links_in_a_circle_are_errors_and_links_to_nothing_are_absent() {
    let fixture = Fixture::new();
    link(&fixture, "b", "loop/a");
    link(&fixture, "a", "loop/b");
    link(&fixture, ".", "self/below");
    link(&fixture, "nothing", "dangling/README");
    link(&fixture, "nothing.yaml", "manifest/web.yaml");
    fixture.commit_and_push("main");
    let snapshot = snapshot(&fixture);
    let error = snapshot.read_file("loop/a").unwrap_err();
    assert!(matches!(error, Error::LinkLoop { .. }), "{error}");
    assert_eq!(error.reason().row().code, "path.symlink");
    let error = snapshot.files_below("self").unwrap_err();
    assert!(matches!(error, Error::LinkLoop { .. }), "{error}");
    assert_eq!(error.reason().row().code, "path.symlink");
    assert_eq!(snapshot.read_file("dangling/README").unwrap(), None);
    assert_eq!(snapshot.files_below("dangling").unwrap().unwrap(), []);
    assert_eq!(snapshot.list("dangling").unwrap().unwrap(), []);
    let error = snapshot.files_below("manifest").unwrap_err();
    assert!(matches!(error, Error::DanglingLink { .. }), "{error}");
}

#[test]
fn bad_b53_a_needed_submodule_or_lfs_object_is_named() {
    let fixture = Fixture::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    fixture.write("lfs/web.yaml", pointer);
    fixture.write("pictures/logo.png", pointer);
    fixture.git(&["add", "--all"]);
    let commit = fixture.head();
    let entry = format!("160000,{commit},apps/module");
    fixture.git(&["update-index", "--add", "--cacheinfo", &entry]);
    fixture.git(&["commit", "--quiet", "--message=module"]);
    fixture.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let snapshot = snapshot(&fixture);
    for error in [
        snapshot.files_below("apps").unwrap_err(),
        snapshot.read_file("apps/module/x").unwrap_err(),
        snapshot.read_file("lfs/web.yaml").unwrap_err(),
        snapshot.files_below("lfs").unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        assert_eq!(error.reason(), Reason::UnsupportedSource);
    }
    assert_eq!(snapshot.files_below("pictures").unwrap().unwrap().len(), 1);
    assert!(snapshot.read_file("apps/web.yaml").unwrap().is_some());
}

/// A commit whose tree `apps` has one more entry, of any name. `git mktree` does not check names.
fn with_entry(fixture: &Fixture, name: &str) -> CommitId {
    let blob = fixture.git(&["rev-parse", "HEAD:README.md"]);
    let line = format!("100644 blob {}\t{name}\0", blob.trim());
    let listing = fixture.folder.path().join("listing");
    std::fs::write(&listing, line).unwrap();
    let run = |script: &str| {
        let output = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(fixture.work())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let apps = run(&format!("git mktree -z < {}", listing.display()));
    std::fs::write(&listing, format!("040000 tree {apps}\tapps\0")).unwrap();
    let root = run(&format!("git mktree -z < {}", listing.display()));
    let commit = git(&fixture.work(), &["commit-tree", "-m", "odd", &root]);
    let commit = CommitId::parse(commit.trim()).unwrap();
    fixture.git(&[
        "push",
        "--quiet",
        "--force",
        "origin",
        &format!("{commit}:refs/heads/main"),
    ]);
    commit
}

#[test]
fn bad_b52_names_that_git_forbids_are_refused() {
    for name in ["..", ".git", ".GIT", ".GIT~1"] {
        let fixture = Fixture::new();
        let commit = with_entry(&fixture, name);
        let mirror = fixture.mirror();
        assert_eq!(
            mirror.fetch(&fixture.access, "main").unwrap().commit,
            commit
        );
        let snapshot = mirror.snapshot(&commit).unwrap();
        for error in [
            snapshot.list("apps").unwrap_err(),
            snapshot.files_below("").unwrap_err(),
        ] {
            assert!(
                matches!(error, Error::InvalidTree { .. }),
                "{name:?}: {error:?}"
            );
            assert!(!error.to_string().chars().any(char::is_control), "{name:?}");
        }
    }
}

#[test]
fn bad_b30_entries_with_control_characters_are_refused_wherever_they_are_met() {
    for name in ["a\nb.yaml", "\u{1b}[2J", "a\tb", "\u{7f}"] {
        let fixture = Fixture::new();
        let commit = with_entry(&fixture, name);
        let mirror = fixture.mirror();
        mirror.fetch(&fixture.access, "main").unwrap();
        let snapshot = mirror.snapshot(&commit).unwrap();
        for error in [
            snapshot.list("apps").unwrap_err(),
            snapshot.files_below("").unwrap_err(),
            snapshot.read_file(&format!("apps/{name}")).unwrap_err(),
        ] {
            assert_eq!(error.reason().row().code, "path.name", "{name:?}: {error}");
            assert!(!error.to_string().chars().any(char::is_control), "{name:?}");
        }
    }
}

#[test]
fn bad_b30_a_file_that_looks_like_an_option_is_not_read() {
    let fixture = Fixture::new();
    let commit = with_entry(&fixture, "-x.yaml");
    let mirror = fixture.mirror();
    mirror.fetch(&fixture.access, "main").unwrap();
    let snapshot = mirror.snapshot(&commit).unwrap();
    let error = snapshot.read_file("apps/-x.yaml").unwrap_err();
    assert_eq!(error.reason().row().code, "path.name", "{error}");
    let files = snapshot.files_below("apps").unwrap().unwrap();
    let paths = files.iter().map(|file| file.path.as_str());
    let failures = check_names(paths).unwrap_err();
    assert_eq!(failures[0].reason.row().code, "path.name");
}

#[test]
fn bad_b31_files_whose_names_differ_only_in_case_are_refused() {
    let fixture = Fixture::empty();
    fixture.push_files(&[("apps/Web.yaml", "a"), ("apps/web.yaml", "b")]);
    let files = snapshot(&fixture).files_below("apps").unwrap().unwrap();
    let paths = files.iter().map(|file| file.path.as_str());
    let failures = check_names(paths).unwrap_err();
    assert_eq!(failures[0].reason.row().code, "path.clash");
    assert_eq!(
        failures[0].detail,
        "apps/Web.yaml and apps/web.yaml differ only in upper and lower case"
    );
}

#[test]
fn limits_of_a_read_name_their_setting() {
    let mut fixture = Fixture::empty();
    fixture.push_files(&[
        ("a/1.yaml", "12345"),
        ("a/2.yaml", "12345"),
        ("a/b/c/3.yaml", "1"),
    ]);
    let settings = fixture.settings.clone();
    let (_kept, commit) = fixture.fetched();
    let limited = |fixture: &Fixture| {
        fixture
            .mirror()
            .snapshot(&commit)
            .unwrap()
            .files_below("a")
            .unwrap_err()
    };
    fixture.settings.max_files = 3;
    let error = limited(&fixture);
    assert!(
        matches!(
            error,
            Error::TooLarge {
                setting: "max_files",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.reason(), Reason::TooLarge);
    fixture.settings = settings.clone();
    fixture.settings.max_bytes = 9;
    let error = limited(&fixture);
    assert!(
        matches!(
            error,
            Error::TooLarge {
                setting: "max_bytes",
                ..
            }
        ),
        "{error}"
    );
    fixture.settings = settings.clone();
    fixture.settings.max_depth = 2;
    let error = limited(&fixture);
    assert!(
        matches!(
            error,
            Error::TooLarge {
                setting: "max_depth",
                ..
            }
        ),
        "{error}"
    );
    fixture.settings = settings;
    fixture.push_files(&[("large.bin", &"x".repeat(2_000))]);
    let (mirror, commit) = fixture.fetched();
    drop(mirror);
    fixture.settings.max_file_bytes = 1_000;
    let error = fixture
        .mirror()
        .snapshot(&commit)
        .unwrap()
        .read_file("large.bin")
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooLarge {
                setting: "max_file_bytes",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn readers_on_many_threads_are_not_disturbed_by_fetches() {
    let fixture = Fixture::new();
    let (mirror, commit) = fixture.fetched();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mirror = mirror.clone();
            let commit = &commit;
            scope.spawn(move || {
                for _ in 0..50 {
                    let snapshot = mirror.snapshot(commit).unwrap();
                    let bytes = snapshot.read_file("apps/web.yaml").unwrap().unwrap();
                    assert_eq!(bytes, b"image: web:1\n");
                }
            });
        }
        for n in 0..3 {
            fixture.push_files(&[("n.txt", &n.to_string())]);
            mirror.fetch(&fixture.access, "main").unwrap();
        }
    });
}
