//! What of a repository's files a search has to look at, so that a thousand policies do not read
//! every file a thousand times.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::charts::{Dependency, Surroundings, is_values, local_dependencies};
use super::marks::Marks;
use super::{Files, Found, MAX_NODES, Wanted, contains, search};
use crate::image::marker;
use crate::image::reference::ImageName;
use crate::manifest::yaml::tree;
use crate::record::Name;

/// The files of a commit, prepared for searches.
///
/// A search by it finds what a search of all files finds. To make it costs one look at every byte,
/// and one parse of each file with a marker. Each search afterwards costs a look-up, and a parse of
/// the few files that have the last part of the image's name or a marker that matters: a thousand
/// policies in a thousand files of their own parse a thousand files, not a million.
#[derive(Debug)]
pub struct Index<'a> {
    files: Files<'a>,
    policies: Option<&'a BTreeMap<Name, ImageName>>,
    paths: Vec<&'a str>,
    /// Files by the hashes of the words in them.
    words: HashMap<u64, Vec<usize>>,
    /// Files with a marker of a policy.
    by_policy: HashMap<Name, Vec<usize>>,
    /// Files with markers that nobody can obey, or that cannot be read.
    wrong: Vec<usize>,
    /// Files of values by their directories.
    pub(super) values: BTreeMap<&'a str, Vec<(&'a str, &'a [u8])>>,
    pub(super) local: Vec<Dependency>,
}

impl<'a> Index<'a> {
    /// Reads the files. `policies` are all that exist, as [`Wanted::policies`].
    pub fn of(
        files: &'a BTreeMap<String, Vec<u8>>,
        policies: Option<&'a BTreeMap<Name, ImageName>>,
    ) -> Self {
        let all = files.iter();
        Self::over(
            all.map(|(path, bytes)| (path.as_str(), bytes.as_slice())),
            policies,
        )
    }

    /// The same for files, with their paths, that are some of many. No byte is copied.
    pub fn over(
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        policies: Option<&'a BTreeMap<Name, ImageName>>,
    ) -> Self {
        let files: Files<'a> = files.into_iter().collect();
        let mut index = Self {
            local: local_dependencies(&files),
            paths: files.keys().copied().collect(),
            policies,
            words: HashMap::new(),
            by_policy: HashMap::new(),
            wrong: Vec::new(),
            values: BTreeMap::new(),
            files: Files::new(),
        };
        for (number, (path, bytes)) in files.iter().enumerate() {
            index.take_words(number, bytes);
            if contains(bytes, marker::KEY) {
                index.take_markers(number, bytes);
            }
            let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
            if is_values(name) {
                index
                    .values
                    .entry(directory)
                    .or_default()
                    .push((path, bytes));
            }
        }
        index.files = files;
        index
    }

    /// Finds the places that name the version of an image, as [`super::find_in`] does.
    pub fn find(&self, image: &ImageName, policy: Option<&Name>) -> Found {
        let wanted = Wanted {
            image,
            policy,
            policies: self.policies,
        };
        let surroundings = Surroundings::of(self, &self.files, image);
        let mut numbers: BTreeSet<&str> = self.naming(image).collect();
        numbers.extend(surroundings.files());
        let marked = policy.and_then(|policy| self.by_policy.get(policy));
        let marked = marked.into_iter().flatten().chain(&self.wrong);
        numbers.extend(marked.map(|&number| self.paths[number]));
        let mut found = Found::default();
        for file in numbers {
            let bytes = self.files.get(file).copied().unwrap_or_default();
            let here = search(file, bytes, &wanted, &surroundings.of_file(file));
            found.marked |= here.marked;
            found.sites.extend(here.sites);
            found.refusals.extend(here.refusals);
        }
        found.markers_first()
    }

    /// The files that mention the last part of an image's name.
    pub(super) fn naming(&self, image: &ImageName) -> impl Iterator<Item = &'a str> {
        let numbers = self.words.get(&hash(image.base_name().as_bytes()));
        let numbers = numbers.into_iter().flatten();
        numbers.map(|&number| self.paths[number])
    }

    fn take_words(&mut self, number: usize, bytes: &[u8]) {
        let of_a_name = |b: &u8| {
            b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-')
        };
        for word in bytes.split(|b| !of_a_name(b)) {
            if word.is_empty() {
                continue;
            }
            let files = self.words.entry(hash(word)).or_default();
            if files.last() != Some(&number) {
                files.push(number);
            }
        }
    }

    fn take_markers(&mut self, number: usize, bytes: &[u8]) {
        let text = std::str::from_utf8(bytes).ok();
        let parsed = text.and_then(|text| Some((text, tree::parse(text, MAX_NODES).ok()?)));
        let Some((text, documents)) = parsed else {
            self.wrong.push(number);
            return;
        };
        let marks = Marks::read(text, &documents);
        let unknown = |policy: &Name| self.policies.is_some_and(|all| !all.contains_key(policy));
        if !marks.are_right() || marks.policies().any(unknown) {
            self.wrong.push(number);
        }
        for policy in marks.policies() {
            let files = self.by_policy.entry(policy.clone()).or_default();
            if files.last() != Some(&number) {
                files.push(number);
            }
        }
    }
}

fn hash(word: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}
