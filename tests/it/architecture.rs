//! The shape of the code: which crate may know which, and that each file says what it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syncline_tests::programs::repository_root;

/// Each package with the packages of the workspace that it may use.
const ARROWS: [(&str, &[&str]); 11] = [
    ("syncline-core", &[]),
    ("syncline-source", &["syncline-core"]),
    ("syncline-cluster", &["syncline-core"]),
    ("syncline-registry", &["syncline-core"]),
    ("syncline-store", &["syncline-core"]),
    ("syncline-render", &["syncline-core"]),
    ("syncline-webhook", &["syncline-core"]),
    ("syncline-web-ui", &["syncline-core"]),
    (
        "syncline",
        &[
            "syncline-core",
            "syncline-source",
            "syncline-cluster",
            "syncline-registry",
            "syncline-store",
            "syncline-render",
            "syncline-webhook",
            "syncline-web-ui",
        ],
    ),
    (
        "syncline-tests",
        &[
            "syncline",
            "syncline-core",
            "syncline-source",
            "syncline-cluster",
            "syncline-registry",
            "syncline-store",
            "syncline-render",
            "syncline-webhook",
            "syncline-web-ui",
        ],
    ),
    ("xtask", &[]),
];

/// The libraries that only one crate may name: the owner of what they reach.
const OWNERS: [(&str, &[&str]); 6] = [
    ("fail", &["syncline"]),
    ("git2", &["syncline-source"]),
    ("kube", &["syncline-cluster", "syncline-tests"]),
    ("oci-client", &["syncline-registry"]),
    // A test looks into the database of an agent that is dead, and lets it tell lies.
    ("sqlx", &["syncline-store", "syncline-tests"]),
    ("granit-parser", &["syncline-core", "syncline-render"]),
];

/// What the pure crate must not be able to name.
const IMPURE: [&str; 8] = [
    "tokio", "tracing", "kube", "reqwest", "git2", "sqlx", "futures", "tempfile",
];

#[test]
fn crates_use_each_other_only_along_the_arrows_of_the_design() {
    let packages = packages();
    let known: BTreeSet<&str> = packages.keys().map(String::as_str).collect();
    assert_eq!(
        known,
        ARROWS.iter().map(|(name, _)| *name).collect(),
        "the members and the table"
    );
    for (name, allowed) in ARROWS {
        for used in packages[name]
            .iter()
            .filter(|used| known.contains(used.as_str()))
        {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} must not use {used}"
            );
        }
    }
}

#[test]
fn what_reaches_outside_has_one_owner() {
    for (name, uses) in packages() {
        for (library, owners) in OWNERS {
            let owned = owners.contains(&name.as_str());
            assert!(
                owned || !uses.contains(library),
                "{name} must not use {library}"
            );
        }
    }
}

#[test]
fn the_core_cannot_reach_outside() {
    let uses = &packages()["syncline-core"];
    for library in IMPURE {
        assert!(
            !uses.contains(library),
            "syncline-core must not use {library}"
        );
    }
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    let files = rust_files(repository_root());
    assert!(files.len() > 20, "only {} files found", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("//!"),
            "{} does not open with `//!`",
            file.display()
        );
    }
}

/// Masked text is made by masking alone; a store reads back what it took in. The word is in two parts
/// here, so that this file does not hold it.
#[test]
fn inv_i30_only_the_store_reads_masked_text_back() {
    let call = concat!("Masked::", "read_back(");
    let root = repository_root();
    let mut callers = BTreeSet::new();
    for folder in ["agent", "web-ui/src", "webhook", "xtask"] {
        for file in rust_files(&root.join(folder)) {
            let text = std::fs::read_to_string(&file).unwrap();
            if text.contains(call) {
                let place = file.strip_prefix(root).unwrap();
                callers.insert(place.to_string_lossy().into_owned());
            }
        }
    }
    let (store, others): (Vec<_>, Vec<_>) = callers
        .iter()
        .partition(|place| place.starts_with("agent/store/"));
    assert!(!store.is_empty(), "the search finds nothing");
    assert!(others.is_empty(), "{others:?}");
}

/// The members of the workspace, each with all libraries that its manifest names.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let root = std::fs::read_to_string(repository_root().join("Cargo.toml")).unwrap();
    let members = root
        .split("members = [")
        .nth(1)
        .unwrap()
        .split(']')
        .next()
        .unwrap();
    members
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .filter(|member| !member.is_empty())
        .map(|member| read_manifest(&repository_root().join(member).join("Cargo.toml")))
        .collect()
}

fn read_manifest(file: &Path) -> (String, BTreeSet<String>) {
    let text = std::fs::read_to_string(file).unwrap();
    let (mut section, mut name, mut uses) = ("", None, BTreeSet::new());
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[') {
            section = title.trim_end_matches(']');
            // `[dependencies.name]` is the long form of a line.
            if let Some((kind, library)) = section.rsplit_once('.')
                && kind.ends_with("dependencies")
            {
                uses.insert(library.to_owned());
            }
        } else if section == "package" && line.starts_with("name") {
            name = line.split('"').nth(1).map(str::to_owned);
        } else if section.ends_with("dependencies") && !line.starts_with('#') {
            let library = line.split(['.', '=', ' ']).next().unwrap_or_default();
            if !library.is_empty() {
                uses.insert(library.to_owned());
            }
        }
    }
    (
        name.unwrap_or_else(|| panic!("{} has no name", file.display())),
        uses,
    )
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            if !["target", "node_modules"].contains(&name.as_str()) && !name.starts_with('.') {
                files.extend(rust_files(&entry.path()));
            }
        } else if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "rs")
        {
            files.push(entry.path());
        }
    }
    files
}
