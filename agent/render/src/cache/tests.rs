//! What the cache finds, what it lets go, and that it never finds what has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use proptest::prelude::*;
use syncline_core::digest::Digest;

use super::{Cache, Limits, Read, Reads};
use crate::job::{ChartRef, Location};

/// The files of a repository by path, with ids as Git has them: equal content, equal id.
#[derive(Clone, Debug, Default)]
struct Tree(BTreeMap<String, u8>);

impl Tree {
    fn with(paths: &[&str]) -> Self {
        Self(paths.iter().map(|path| ((*path).to_owned(), 0)).collect())
    }

    fn id(&self, path: &str) -> Option<Digest> {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        if let Some(content) = self.0.get(path) {
            return Some(hashed(&content));
        }
        let below: Vec<(&str, &u8)> = self
            .0
            .iter()
            .filter_map(|(file, content)| Some((file.strip_prefix(&prefix)?, content)))
            .collect();
        (!below.is_empty() || path.is_empty()).then(|| hashed(&below))
    }

    fn id_of(&self, read: &Read) -> Result<Option<Digest>, Infallible> {
        Ok(match read {
            Read::Place(location) => self.id(&location.path),
            Read::Chart(chart) => Some(hashed(&chart.version)),
            Read::Lookup(_) => None,
        })
    }

    fn reads(&self, paths: &[&str], own: &str) -> Reads {
        let read = paths.iter().map(|path| place(path)).collect();
        self.note(read, own)
    }

    fn note(&self, read: BTreeSet<Read>, own: &str) -> Reads {
        Reads::note(read, &[Location::own(own)], |read| self.id_of(read)).unwrap()
    }
}

fn hashed(value: &impl std::hash::Hash) -> Digest {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    Digest::from_hash(&hasher.finish().to_le_bytes())
}

fn place(path: &str) -> Read {
    Read::Place(Location::own(path))
}

fn key(number: u8) -> Digest {
    Digest::from([number; 16])
}

fn get<T>(cache: &Cache<T>, number: u8, tree: &Tree) -> Option<Arc<T>> {
    cache.get(key(number), |read| tree.id_of(read)).unwrap()
}

#[test]
fn a_result_is_found_while_what_was_read_is_the_same_and_again_after_a_revert() {
    let cache = Cache::new(Limits::default());
    let first = Tree::with(&["app/a", "app/unread", "base/b", "other"]);
    let reads = first.reads(&["app/a", "base/b", "base/missing"], "app");
    cache.insert(key(1), reads, Arc::new("first"), 100);
    assert_eq!(get(&cache, 1, &first).as_deref(), Some(&"first"));
    assert_eq!(get(&cache, 2, &first), None, "another key");

    let mut elsewhere = first.clone();
    elsewhere.0.insert("other".into(), 9);
    elsewhere.0.insert("app/unread".into(), 9);
    assert_eq!(get(&cache, 1, &elsewhere).as_deref(), Some(&"first"));

    let mut changed = first.clone();
    changed.0.insert("base/b".into(), 1);
    assert_eq!(get(&cache, 1, &changed), None);
    let reads = changed.reads(&["app/a", "base/b", "base/missing"], "app");
    cache.insert(key(1), reads, Arc::new("second"), 100);
    assert_eq!(get(&cache, 1, &changed).as_deref(), Some(&"second"));
    assert_eq!(get(&cache, 1, &first).as_deref(), Some(&"first"));

    let mut appeared = first.clone();
    appeared.0.insert("base/missing".into(), 0);
    assert_eq!(get(&cache, 1, &appeared), None);

    let counters = cache.counters();
    assert_eq!((counters.hits, counters.misses), (4, 3));
    assert_eq!(counters.variants, 2);
    cache.remove(key(1));
    assert_eq!((cache.counters().variants, cache.counters().bytes), (0, 0));
}

#[test]
fn an_unchanged_commit_or_path_of_the_application_is_looked_at_once() {
    let cache = Cache::new(Limits::default());
    let tree = Tree::with(&["app/a", "app/b", "base/c", "other"]);
    let reads = tree.reads(&["app/a", "app/b", "base/c"], "app");
    cache.insert(key(1), reads, Arc::new(()), 1);
    let looked_at = |tree: &Tree| {
        let mut seen = Vec::new();
        let found = cache.get(key(1), |read| {
            seen.push(read.clone());
            tree.id_of(read)
        });
        (found.unwrap().is_some(), seen)
    };
    assert_eq!(looked_at(&tree), (true, vec![place("")]));
    let mut elsewhere = tree.clone();
    elsewhere.0.insert("other".into(), 1);
    let seen = vec![place(""), place("app"), place("base/c")];
    assert_eq!(looked_at(&elsewhere), (true, seen));
}

#[test]
fn a_chart_or_another_source_is_not_vouched_for_by_the_repository() {
    let tree = Tree::with(&["a"]);
    let chart = |version: &str| {
        Read::Chart(ChartRef {
            repository: "https://charts.example.com".into(),
            name: "roar".into(),
            version: version.into(),
            digest: String::new(),
        })
    };
    let foreign = Read::Place(Location {
        source: "$values".into(),
        path: "a".into(),
    });
    let reads = tree.note(
        BTreeSet::from([chart("1"), foreign.clone(), place("a")]),
        "",
    );
    assert!(reads.hold(|read| tree.id_of(read)).unwrap());
    let but = |changed: &Read| {
        reads.hold(|read| match read {
            _ if read == changed => Ok(None),
            // The root of the other source changes with its file.
            Read::Place(location) if *changed == foreign && location.source == "$values" => {
                Ok(None)
            }
            other => tree.id_of(other),
        })
    };
    assert!(!but(&chart("1")).unwrap());
    assert!(!but(&foreign).unwrap());
}

#[test]
fn a_directory_does_not_vouch_for_one_whose_name_only_begins_like_it() {
    let mut tree = Tree::with(&["app/a", "app-2/a"]);
    let reads = tree.reads(&["app/a", "app-2/a"], "app");
    tree.0.insert("app-2/a".into(), 1);
    assert!(!reads.hold(|read| tree.id_of(read)).unwrap());
}

#[test]
fn what_was_not_used_for_the_longest_time_goes_first() {
    let tree = Tree::with(&["a"]);
    let reads = || tree.reads(&["a"], "");
    let weight = 1_000 + reads().weight();
    let cache = Cache::new(Limits {
        bytes: 3 * weight,
        variants: 4,
    });
    for number in 1..=3 {
        cache.insert(key(number), reads(), Arc::new(number), 1_000);
    }
    assert!(get(&cache, 1, &tree).is_some());
    cache.insert(key(4), reads(), Arc::new(4), 1_000);
    assert!(get(&cache, 2, &tree).is_none(), "2 was used before 1");
    for number in [1, 3, 4] {
        assert!(get(&cache, number, &tree).is_some(), "{number}");
    }
    assert_eq!(cache.counters().evictions, 1);
    cache.insert(key(5), reads(), Arc::new(5), 3 * weight);
    assert!(get(&cache, 5, &tree).is_none(), "larger than the cache");
    assert_eq!(cache.counters().variants, 3, "nothing had to go for it");
}

#[test]
fn an_error_of_a_lookup_is_told_and_read_sets_survive_a_restart() {
    let tree = Tree::with(&["app/a"]);
    let reads = tree.reads(&["app/a", "app/b"], "app");
    assert_eq!(reads.hold(|_| Err("broken")), Err("broken"));
    let text = serde_json::to_string(&reads).unwrap();
    let again: Reads = serde_json::from_str(&text).unwrap();
    assert_eq!(again, reads);
    assert!(again.hold(|read| tree.id_of(read)).unwrap());
}

const PATHS: [&str; 9] = [
    "", "a", "a/x", "a/y", "a/sub", "a/sub/z", "b", "b/x", "a-b/x",
];

#[derive(Clone, Debug)]
enum Step {
    Write(&'static str, u8),
    Remove(&'static str),
    Render(u8, BTreeSet<&'static str>, &'static str, usize),
    Find(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let file = || prop::sample::select(vec!["a/x", "a/y", "a/sub/z", "b/x", "a-b/x"]);
    let paths = prop::collection::btree_set(prop::sample::select(PATHS.to_vec()), 0..5);
    let own = prop::sample::select(vec!["", "a", "a/sub", "b"]);
    prop_oneof![
        (file(), 0..3_u8).prop_map(|(path, content)| Step::Write(path, content)),
        file().prop_map(Step::Remove),
        (0..3_u8, paths, own, 0..400_usize)
            .prop_map(|(key, paths, own, weight)| Step::Render(key, paths, own, weight)),
        (0..3_u8).prop_map(Step::Find),
        (0..3_u8).prop_map(Step::Find),
    ]
}

/// What a render read: the id of each path.
type Seen = BTreeMap<&'static str, Option<Digest>>;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn never_a_hit_after_anything_that_was_read_has_changed(
        steps in prop::collection::vec(step(), 1..60)
    ) {
        let limits = Limits { bytes: 4_000, variants: 2 };
        let cache: Cache<(u8, Seen)> = Cache::new(limits);
        let mut tree = Tree::default();
        let (mut hits, mut misses) = (0, 0);
        for step in steps {
            match step {
                Step::Write(path, content) => {
                    tree.0.insert(path.into(), content);
                }
                Step::Remove(path) => {
                    tree.0.remove(path);
                }
                Step::Render(number, paths, own, weight) => {
                    let seen: Seen = paths.iter().map(|path| (*path, tree.id(path))).collect();
                    let paths: Vec<&str> = paths.into_iter().collect();
                    let reads = tree.reads(&paths, own);
                    cache.insert(key(number), reads, Arc::new((number, seen)), weight);
                    prop_assert!(get(&cache, number, &tree).is_some(), "it is found at once");
                    hits += 1;
                }
                Step::Find(number) => match get(&cache, number, &tree) {
                    Some(found) => {
                        hits += 1;
                        prop_assert_eq!(found.0, number);
                        for (path, id) in &found.1 {
                            prop_assert_eq!(tree.id(path), *id, "{}", path);
                        }
                    }
                    None => misses += 1,
                },
            }
            let counters = cache.counters();
            prop_assert!(counters.bytes <= limits.bytes);
            prop_assert!(counters.variants <= 3 * limits.variants);
            prop_assert_eq!((counters.hits, counters.misses), (hits, misses));
        }
    }
}
