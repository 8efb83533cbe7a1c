//! The bytes of the built front end, packed, against what a slow line may take.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

const INITIAL_CODE: u64 = 60_000;
const CODE: u64 = 120_000;
const STYLES: u64 = 12_000;

/// The files that a text names between quotes.
fn named<'a>(text: &'a str, files: &'a BTreeMap<String, u64>) -> impl Iterator<Item = &'a String> {
    files.keys().filter(move |file| {
        let name = format!("{file}\"");
        text.contains(&format!("\"assets/{name}")) || text.contains(&format!("\"./{name}"))
    })
}

#[test]
fn the_front_end_is_small() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("app/dist");
    if !syncline_web_ui::front_end_is_built() {
        assert!(!dist.join("index.html").exists(), "built after this crate");
        return;
    }
    let files: BTreeMap<String, u64> = fs::read_dir(dist.join("assets"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter_map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let bytes = entry.metadata().unwrap().len();
            Some((name.strip_suffix(".gz")?.to_owned(), bytes))
        })
        .collect();
    let sum = |ending: &str| -> u64 {
        let those = files.iter().filter(|(name, _)| name.ends_with(ending));
        those.map(|(_, bytes)| bytes).sum()
    };
    // The page names its script and what that needs at once; it fetches the rest when it is needed.
    let page = fs::read_to_string(dist.join("index.html")).unwrap();
    let initial: BTreeSet<&String> = named(&page, &files)
        .filter(|name| Path::new(name).extension().is_some_and(|kind| kind == "js"))
        .collect();
    let bytes: u64 = initial.iter().map(|name| files[*name]).sum();
    assert!(
        !initial.is_empty() && bytes <= INITIAL_CODE,
        "{bytes}: {initial:?}"
    );
    for name in &initial {
        let code = fs::read_to_string(dist.join("assets").join(name)).unwrap();
        let now = code.split("import(").next().unwrap_or_default();
        let missing: Vec<_> = named(now, &files)
            .filter(|n| !initial.contains(n))
            .collect();
        assert!(missing.is_empty(), "{name} needs {missing:?} at once");
    }
    assert!(sum(".js") <= CODE, "{} bytes of code", sum(".js"));
    assert!(sum(".css") <= STYLES, "{} bytes of styles", sum(".css"));
}
