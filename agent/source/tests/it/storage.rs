//! The mirror on disk: leftovers, damage and growth.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use syncline_source::{Error, Mirror};

use crate::fixture::{Fixture, noise};

fn packs(generation: &Path) -> usize {
    fs::read_dir(generation.join("objects/pack"))
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|extension| extension == "pack")
        })
        .count()
}

#[test]
fn a_mirror_that_is_opened_again_knows_what_it_has() {
    let fixture = Fixture::new();
    let (mirror, commit) = fixture.fetched();
    drop(mirror);
    let mirror = fixture.mirror();
    let fetched = mirror.fetch(&fixture.access, "main").unwrap();
    assert_eq!((fetched.commit, fetched.changed), (commit, false));
}

#[test]
fn what_a_killed_process_left_behind_is_swept() {
    let fixture = Fixture::new();
    drop(fixture.fetched());
    let generation = fixture.generation();
    let left = [
        generation.join("objects/pack/pack_git2_deadbeef"),
        generation.join("refs/syncline/main.lock"),
        generation.join("HEAD.lock"),
        generation.with_file_name("2.new"),
    ];
    for path in &left {
        fs::write(path, "half").unwrap();
    }
    let mirror = fixture.mirror();
    for path in &left {
        assert!(!path.exists(), "{}", path.display());
    }
    let commit = fixture.push_files(&[("a.yaml", "a: 1\n")]);
    assert_eq!(
        mirror.fetch(&fixture.access, "main").unwrap().commit,
        commit
    );
}

#[test]
fn a_damaged_mirror_is_set_aside_and_cloned_anew() {
    let fixture = Fixture::new();
    drop(fixture.fetched());
    let damaged = fixture.generation();
    fs::remove_dir_all(damaged.join("objects/pack")).unwrap();
    fs::create_dir(damaged.join("objects/pack")).unwrap();
    let (mirror, commit) = fixture.fetched();
    assert_eq!(commit, fixture.head());
    assert!(
        mirror
            .snapshot(&commit)
            .unwrap()
            .read_file("README.md")
            .unwrap()
            .is_some()
    );
    assert!(damaged.with_extension("corrupt").exists());
    assert_ne!(fixture.generation(), damaged);
}

#[test]
fn damage_that_a_read_meets_is_healed_by_the_next_fetch() {
    let fixture = Fixture::empty();
    let noise = noise(20_000);
    fixture.push_files(&[("noise.txt", &noise), ("small.txt", "x")]);
    drop(fixture.fetched());
    let pack = fs::read_dir(fixture.generation().join("objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "pack")
        })
        .unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&pack, bytes).unwrap();
    let (mirror, commit) = fixture.fetched();
    let error = mirror
        .snapshot(&commit)
        .unwrap()
        .read_file("noise.txt")
        .unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    let fetched = mirror.fetch(&fixture.access, "main").unwrap();
    assert_eq!((&fetched.commit, fetched.changed), (&commit, false));
    let bytes = mirror
        .snapshot(&commit)
        .unwrap()
        .read_file("noise.txt")
        .unwrap()
        .unwrap();
    assert_eq!(bytes, noise.as_bytes());
}

#[test]
fn a_mirror_with_too_many_packs_is_cloned_anew_while_readers_keep_the_old_one() {
    let mut fixture = Fixture::new();
    fixture.settings.max_pack_files = 3;
    let (mirror, first) = fixture.fetched();
    let old = fixture.generation();
    let reader = mirror.snapshot(&first).unwrap();
    let mut newest = first;
    for n in 0..3 {
        assert_eq!(packs(&old), n + 1);
        newest = fixture.push_files(&[("n.txt", &n.to_string())]);
        mirror.fetch(&fixture.access, "main").unwrap();
    }
    assert!(old.exists());
    assert_eq!(reader.read_file("README.md").unwrap().unwrap(), b"hello\n");
    drop(reader);
    assert!(!old.exists());
    assert_eq!(packs(&fixture.generation()), 1);
    assert!(
        mirror
            .snapshot(&newest)
            .unwrap()
            .read_file("n.txt")
            .unwrap()
            .is_some()
    );
    assert!(!mirror.fetch(&fixture.access, "main").unwrap().changed);
}

#[test]
fn a_mirror_that_grew_too_much_is_cloned_anew() {
    let mut fixture = Fixture::new();
    fixture.settings.max_mirror_growth_bytes = 100_000;
    let (mirror, _) = fixture.fetched();
    let first = fixture.generation();
    for n in 0..3_u64 {
        // Each one alone is the largest; together they are over the limit.
        fixture.push_files(&[("noise.txt", &noise(8_000 + n))]);
        mirror.fetch(&fixture.access, "main").unwrap();
    }
    assert_ne!(fixture.generation(), first);
    assert!(!mirror.fetch(&fixture.access, "main").unwrap().changed);
}

#[test]
fn mirrors_are_private_and_each_url_has_its_own() {
    let fixture = Fixture::new();
    let (mirror, _) = fixture.fetched();
    let other = syncline_core::url::RepoUrl::parse("https://git.example.com/x").unwrap();
    let other = Mirror::open(&fixture.settings, &other).unwrap();
    assert_ne!(mirror.url(), other.url());
    let folders: Vec<_> = fs::read_dir(&fixture.settings.dir).unwrap().collect();
    assert_eq!(folders.len(), 2);
    for folder in folders {
        let mode = folder.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let mut fixture = Fixture::new();
    let file = fixture.folder.path().join("file");
    fs::write(&file, "").unwrap();
    fixture.settings.dir = file;
    let error = Mirror::open(&fixture.settings, &fixture.url())
        .err()
        .unwrap();
    assert!(matches!(error, Error::Disk { .. }), "{error}");
}

#[test]
fn a_mirror_whose_folder_was_emptied_is_cloned_anew_by_the_next_fetch() {
    let fixture = Fixture::new();
    let (mirror, commit) = fixture.fetched();
    fs::remove_dir_all(&fixture.settings.dir).unwrap();
    assert!(mirror.snapshot(&commit).is_err());
    assert_eq!(
        mirror.fetch(&fixture.access, "main").unwrap().commit,
        commit
    );
    assert!(
        mirror
            .snapshot(&commit)
            .unwrap()
            .read_file("README.md")
            .unwrap()
            .is_some()
    );
}
