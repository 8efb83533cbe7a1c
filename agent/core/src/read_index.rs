//! From changed paths to the applications that read them, without looking at the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::read_set::{ReadSet, Reads};
use crate::record::Name;

/// The read sets of all applications of a repository, by path.
///
/// The cost of a question is that of the changed paths and of the answer, not of the number of
/// applications.
#[derive(Clone, Debug, Default)]
pub struct ReadIndex {
    files: BTreeMap<String, BTreeSet<Name>>,
    directories: BTreeMap<String, BTreeSet<Name>>,
    sets: BTreeMap<Name, ReadSet>,
}

impl ReadIndex {
    /// Puts the read set of an application in the place of its former one.
    pub fn insert(&mut self, application: &Name, reads: ReadSet) {
        if self.sets.get(application) == Some(&reads) {
            return;
        }
        self.remove(application);
        for read in reads.iter() {
            let (map, path) = self.place(read);
            map.entry(path.to_owned())
                .or_default()
                .insert(application.clone());
        }
        self.sets.insert(application.clone(), reads);
    }

    /// Forgets an application.
    pub fn remove(&mut self, application: &Name) {
        let Some(reads) = self.sets.remove(application) else {
            return;
        };
        for read in reads.iter() {
            let (map, path) = self.place(read);
            if let Some(names) = map.get_mut(path) {
                names.remove(application);
                if names.is_empty() {
                    map.remove(path);
                }
            }
        }
    }

    /// Whether an application is known.
    pub fn contains(&self, application: &Name) -> bool {
        self.sets.contains_key(application)
    }

    /// The applications of which a commit that changes these paths changes anything that was read;
    /// the same as [`ReadSet::is_touched_by`] of each.
    pub fn touched_by(&self, changed: &[String]) -> BTreeSet<Name> {
        let mut found = BTreeSet::new();
        for path in changed {
            let mut add = |names: Option<&BTreeSet<Name>>| {
                found.extend(names.into_iter().flatten().cloned());
            };
            add(self.directories.get(""));
            let mut at = Some(path.as_str());
            while let Some(above) = at {
                add(self.files.get(above));
                add(self.directories.get(above));
                at = above.rsplit_once('/').map(|(parent, _)| parent);
            }
            // A directory that was read may have been replaced by a file.
            let below = format!("{path}/");
            for map in [&self.files, &self.directories] {
                let inside = map
                    .range(below.clone()..)
                    .take_while(|(p, _)| p.starts_with(&below));
                for (_, names) in inside {
                    add(Some(names));
                }
            }
        }
        found
    }

    fn place<'a>(&mut self, read: Reads<'a>) -> (&mut BTreeMap<String, BTreeSet<Name>>, &'a str) {
        match read {
            Reads::File(path) => (&mut self.files, path),
            Reads::Directory(path) => (&mut self.directories, path),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = String> {
        proptest::collection::vec("[abc]", 0..4).prop_map(|parts| parts.join("/"))
    }

    fn read_set() -> impl Strategy<Value = ReadSet> {
        proptest::collection::vec((0..3_u8, path()), 0..5).prop_map(|reads| {
            let mut set = ReadSet::default();
            for (kind, path) in reads {
                match kind {
                    0 => set.add_file(&path),
                    1 => set.add_listing(&path),
                    _ => set.add_tree(&path),
                }
            }
            set
        })
    }

    proptest! {
        #[test]
        fn the_index_answers_as_the_read_sets_do(
            sets in proptest::collection::vec(read_set(), 1..6),
            later in proptest::collection::vec((0..6_usize, read_set()), 0..4),
            changed in proptest::collection::vec(path().prop_filter("a file", |p| !p.is_empty()), 0..4),
        ) {
            let name = |n: usize| Name::new("team", n.to_string());
            let mut index = ReadIndex::default();
            let mut all: BTreeMap<Name, ReadSet> = BTreeMap::new();
            for (n, set) in sets.into_iter().enumerate().chain(later) {
                index.insert(&name(n), set.clone());
                all.insert(name(n), set);
            }
            index.remove(&name(0));
            all.remove(&name(0));
            let expected: BTreeSet<Name> = all
                .iter()
                .filter(|(_, set)| set.is_touched_by(&changed))
                .map(|(name, _)| name.clone())
                .collect();
            prop_assert_eq!(index.touched_by(&changed), expected);
        }
    }
}
