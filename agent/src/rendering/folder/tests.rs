//! Folders on a real disk: what is read, and what can never be.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A folder `in` with a secret beside it.
fn made() -> (tempfile::TempDir, Folder) {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("in");
    write(temporary.path(), "secret.yaml", "canary");
    write(&root, "apps/web/a.yaml", "a: 1\n");
    write(&root, "apps/web/b.yaml", "b: 1\n");
    write(&root, "base/c.yaml", "c: 1\n");
    write(&root, ".git/config", "canary");
    let folder = Folder::open(&root, Limits::default()).unwrap();
    (temporary, folder)
}

fn names(folder: &Folder, path: &str) -> Vec<String> {
    let entries = folder.list(path).unwrap().unwrap().into_iter();
    entries
        .map(|entry| match entry.kind {
            EntryKind::File => entry.name,
            EntryKind::Directory => entry.name + "/",
        })
        .collect()
}

#[test]
fn files_and_directories_are_read_by_their_paths() {
    let (_keep, folder) = made();
    assert_eq!(names(&folder, ""), ["apps/", "base/"]);
    assert_eq!(names(&folder, "./apps//web/"), ["a.yaml", "b.yaml"]);
    let read = |path: &str| folder.read_file(path).unwrap();
    assert_eq!(read("apps/web/a.yaml").unwrap(), b"a: 1\n");
    for nothing in ["apps", "apps/web/x", "apps/web/a.yaml/b", &"n".repeat(300)] {
        assert_eq!(read(nothing), None, "{nothing}");
    }
    assert!(folder.list("apps/web/a.yaml").unwrap().is_none());
    assert!(folder.list("nowhere").unwrap().is_none());
}

#[test]
fn entries_come_in_the_order_of_their_bytes() {
    let (_keep, folder) = made();
    for name in ["Z", "a", "ä", "a-b", "a.b", "_"] {
        write(folder.root(), &format!("order/{name}"), "");
    }
    assert_eq!(names(&folder, "order"), ["Z", "_", "a", "a-b", "a.b", "ä"]);
}

#[test]
fn inv_i26_links_inside_are_followed_and_links_out_are_refused() {
    let (_keep, folder) = made();
    let root = folder.root().to_owned();
    let link = |target: &str, at: &str| symlink(target, root.join(at)).unwrap();
    link("../../base", "apps/web/base");
    link("../base/c.yaml", "apps/c.yaml");
    assert_eq!(names(&folder, "apps/web/base"), ["c.yaml"]);
    assert_eq!(folder.read_file("apps/c.yaml").unwrap().unwrap(), b"c: 1\n");
    assert_eq!(names(&folder, "apps"), ["c.yaml", "web/"]);

    let absolute = root.join("base/c.yaml").display().to_string();
    std::fs::create_dir(root.join("out")).unwrap();
    for target in [
        "../../secret.yaml",
        "../../../../../../../../../etc/passwd",
        "/etc/passwd",
        absolute.as_str(),
        "../.git/config",
        "../../in/base/c.yaml",
    ] {
        link(target, "out/link");
        for error in [
            folder.read_file("out/link").unwrap_err(),
            folder.list("out/link").unwrap_err(),
            folder.list("out").unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(
                matches!(error, Error::PathEscape { .. }),
                "{target}: {text}"
            );
            assert!(!text.contains("canary"), "{text}");
        }
        std::fs::remove_file(root.join("out/link")).unwrap();
    }
}

#[test]
fn a_circle_of_links_ends_and_a_link_to_nothing_is_nothing() {
    let (_keep, folder) = made();
    let root = folder.root().to_owned();
    symlink("b", root.join("a")).unwrap();
    symlink("a", root.join("b")).unwrap();
    let error = folder.read_file("a").unwrap_err();
    assert!(matches!(error, Error::LinkLoop { .. }), "{error}");
    std::fs::remove_file(root.join("a")).unwrap();
    assert_eq!(folder.read_file("b").unwrap(), None);
    assert_eq!(names(&folder, ""), ["apps/", "base/"]);
}

#[test]
fn a_path_that_leads_elsewhere_or_into_git_is_refused() {
    let (_keep, folder) = made();
    for path in [
        "../secret.yaml",
        "apps/../../x",
        "/etc/passwd",
        ".git/config",
        "a/.GIT/x",
    ] {
        let error = folder.read_file(path).unwrap_err();
        assert!(
            matches!(error, Error::InvalidPath { .. }),
            "{path}: {error}"
        );
    }
}

#[test]
fn a_file_over_the_limit_is_refused_and_one_at_it_is_read() {
    let (_keep, folder) = made();
    let limits = Limits {
        max_file_bytes: 10,
        max_files: 3,
        ..Limits::default()
    };
    let folder = Folder::open(folder.root(), limits).unwrap();
    write(folder.root(), "big/ten", &"x".repeat(10));
    write(folder.root(), "big/eleven", &"x".repeat(11));
    assert_eq!(folder.read_file("big/ten").unwrap().unwrap().len(), 10);
    let error = folder.read_file("big/eleven").unwrap_err();
    assert_eq!(
        error.to_string(),
        "path `big/eleven` is over the limit of 10 (max_file_bytes)"
    );
    write(folder.root(), "big/3", "");
    assert_eq!(names(&folder, "big").len(), 3);
    write(folder.root(), "big/4", "");
    let error = folder.list("big").unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }), "{error}");
}

#[test]
fn a_pipe_and_a_socket_do_not_exist_and_hold_nobody_up() {
    let (_keep, folder) = made();
    let root = folder.root().to_owned();
    let pipe = std::process::Command::new("mkfifo")
        .arg(root.join("pipe.yaml"))
        .status();
    assert!(pipe.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket.yaml")).unwrap();
    assert_eq!(folder.read_file("pipe.yaml").unwrap(), None);
    assert_eq!(folder.read_file("socket.yaml").unwrap(), None);
    assert_eq!(names(&folder, ""), ["apps/", "base/"]);
}

#[test]
fn bad_b52_a_name_that_git_would_not_hold_is_refused_in_words() {
    use std::os::unix::ffi::OsStrExt as _;
    for name in [&b"a\nb"[..], b"\xff.yaml", b"git~1"] {
        let (_keep, folder) = made();
        std::fs::write(folder.root().join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
        let error = folder.list("").unwrap_err();
        assert!(
            matches!(error, Error::InvalidTree { .. } | Error::InvalidName { .. }),
            "{error}"
        );
        assert!(!error.to_string().chars().any(char::is_control), "{error}");
    }
}

#[test]
fn bad_b53_a_repository_inside_and_a_pointer_of_git_lfs_are_not_read() {
    let (_keep, folder) = made();
    write(folder.root(), "module/.git", "gitdir: elsewhere");
    write(folder.root(), "module/a.yaml", "a: 1\n");
    write(
        folder.root(),
        "large.yaml",
        "version https://git-lfs.github.com/spec/v1\noid x\n",
    );
    assert_eq!(
        names(&folder, ""),
        ["apps/", "base/", "large.yaml", "module/"]
    );
    for path in ["module/a.yaml", "large.yaml"] {
        let error = folder.read_file(path).unwrap_err();
        assert!(
            matches!(error, Error::Unsupported { .. }),
            "{path}: {error}"
        );
    }
}

#[test]
fn a_path_belongs_to_its_work_tree_or_to_itself() {
    let (keep, folder) = made();
    let root = folder.root().to_owned();
    assert_eq!(Folder::around(&root.join("apps/web")).unwrap(), root);
    assert_eq!(Folder::around(&root.join("base/c.yaml")).unwrap(), root);
    let outside = keep.path().canonicalize().unwrap();
    if !outside
        .ancestors()
        .any(|folder| folder.join(".git").exists())
    {
        assert_eq!(Folder::around(keep.path()).unwrap(), outside);
        assert_eq!(
            Folder::around(&keep.path().join("secret.yaml")).unwrap(),
            outside
        );
    }
    assert!(Folder::around(&root.join("nowhere")).is_err());
    assert_eq!(
        folder.relative(&root.join("apps/web")).as_deref(),
        Some("apps/web")
    );
    assert_eq!(folder.relative(&keep.path().join("secret.yaml")), None);
}

#[test]
fn inv_i26_whoever_swaps_a_directory_for_a_link_out_meanwhile_gains_nothing() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let (keep, folder) = made();
    let root = folder.root().to_owned();
    write(keep.path(), "outside/c.yaml", "canary");
    symlink("../../outside", root.join("base-link")).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (base, link) = (root.join("base"), root.join("base-link"));
                let aside = root.join("aside");
                let _ = std::fs::rename(&base, &aside);
                let _ = std::fs::rename(&link, &base);
                let _ = std::fs::rename(&base, &link);
                let _ = std::fs::rename(&aside, &base);
            }
        });
        for _ in 0..5_000 {
            if let Ok(Some(bytes)) = folder.read_file("base/c.yaml") {
                assert_eq!(bytes, b"c: 1\n");
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_walk_finds_every_file_once_in_order_and_ends_in_circles_and_at_its_limits() {
    let (_keep, folder) = made();
    let root = folder.root().to_owned();
    symlink("../base", root.join("apps/zbase")).unwrap();
    let below = |folder: &Folder, path: &str| {
        let files = folder.files_below(path);
        files.map(|files| files.map(|f| f.into_iter().map(|f| f.path).collect::<Vec<_>>()))
    };
    let found = below(&folder, "apps").unwrap().unwrap();
    assert_eq!(
        found,
        ["apps/web/a.yaml", "apps/web/b.yaml", "apps/zbase/c.yaml"]
    );
    assert_eq!(below(&folder, "").unwrap().unwrap().len(), 4);
    assert!(below(&folder, "base/c.yaml").unwrap().is_none());
    for (setting, limits) in [
        (
            "max_files",
            Limits {
                max_files: 4,
                ..Limits::default()
            },
        ),
        (
            "max_bytes",
            Limits {
                max_bytes: 14,
                ..Limits::default()
            },
        ),
        (
            "max_depth",
            Limits {
                max_depth: 1,
                ..Limits::default()
            },
        ),
    ] {
        let folder = Folder::open(&root, limits).unwrap();
        let error = below(&folder, "apps").unwrap_err().to_string();
        assert!(error.ends_with(&format!("({setting})")), "{error}");
    }
    symlink("..", root.join("apps/up")).unwrap();
    let error = below(&folder, "apps").unwrap_err();
    assert!(matches!(error, Error::LinkLoop { .. }), "{error}");
}
