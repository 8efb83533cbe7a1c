//! What a render read of a repository, so that a commit which changes nothing of it needs no
//! render.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The files, directory listings and whole trees that were read, also those that did not exist.
///
/// Serialised, a kind of which nothing was read is left out, and one that this version does not
/// know is refused: a read set that is read back in part would miss changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadSet {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    files: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    listings: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    trees: BTreeSet<String>,
}

/// One thing that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads<'a> {
    /// A file, or its absence.
    File(&'a str),
    /// The names in a directory, or all that lies below it.
    Directory(&'a str),
}

impl ReadSet {
    /// Everything that was read.
    pub fn iter(&self) -> impl Iterator<Item = Reads<'_>> {
        let files = self.files.iter().map(|path| Reads::File(path));
        let directories = self.listings.iter().chain(&self.trees);
        files.chain(directories.map(|path| Reads::Directory(path)))
    }

    /// A file was read, or looked for.
    pub fn add_file(&mut self, path: &str) {
        self.files.insert(path.trim_matches('/').to_owned());
    }

    /// The names in a directory were read; the empty path is the root.
    pub fn add_listing(&mut self, path: &str) {
        self.listings.insert(path.trim_matches('/').to_owned());
    }

    /// All that lies below a path was read; the empty path is the root.
    pub fn add_tree(&mut self, path: &str) {
        self.trees.insert(path.trim_matches('/').to_owned());
    }

    /// Everything that another one names was read as well.
    pub fn extend(&mut self, other: &Self) {
        self.files.extend(other.files.iter().cloned());
        self.listings.extend(other.listings.iter().cloned());
        self.trees.extend(other.trees.iter().cloned());
    }

    /// How many files, listings and trees it names.
    pub fn len(&self) -> usize {
        self.files.len() + self.listings.len() + self.trees.len()
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a commit that changes these paths changes anything that was read. A new or removed
    /// file changes the listing of each directory above it.
    pub fn is_touched_by(&self, changed: &[String]) -> bool {
        changed.iter().any(|path| self.touches(path))
    }

    fn touches(&self, path: &str) -> bool {
        if self.files.contains(path) || self.trees.contains("") || self.listings.contains("") {
            return true;
        }
        let mut at = Some(path);
        while let Some(above) = at {
            // A file that was read may have been replaced by a directory, or the reverse.
            if self.trees.contains(above)
                || self.listings.contains(above)
                || self.files.contains(above)
            {
                return true;
            }
            at = above.rsplit_once('/').map(|(parent, _)| parent);
        }
        let below = format!("{path}/");
        [&self.files, &self.listings, &self.trees]
            .into_iter()
            .any(|set| {
                set.range(below.clone()..)
                    .next()
                    .is_some_and(|p| p.starts_with(&below))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(changed: &[&str]) -> bool {
        let mut reads = ReadSet::default();
        reads.add_file("apps/web/kustomization.yaml");
        reads.add_file("apps/base/missing.yaml");
        reads.add_listing("charts/web/templates/");
        reads.add_tree("apps/plain");
        reads.is_touched_by(
            &changed
                .iter()
                .map(|path| (*path).to_owned())
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn a_change_of_what_was_read_touches_and_any_other_does_not() {
        for path in [
            "apps/web/kustomization.yaml",
            "apps/base/missing.yaml",
            "charts/web/templates/new.yaml",
            "charts/web/templates/deep/new.yaml",
            "apps/plain/x/y.yaml",
            "apps/plain",
            "apps/web",
        ] {
            assert!(touched(&[path]), "{path}");
            assert!(touched(&["README.md", path]), "{path}");
        }
        for path in [
            "apps/web/other.yaml",
            "apps/plain2/x.yaml",
            "charts/web",
            "README.md",
        ] {
            let expected = path == "charts/web";
            assert_eq!(touched(&[path]), expected, "{path}");
        }
        assert!(!touched(&[]));
    }

    #[test]
    fn a_read_set_is_read_back_whole_or_not_at_all() {
        let mut reads = ReadSet::default();
        reads.add_file("apps/web/kustomization.yaml");
        reads.add_tree("");
        let text = serde_json::to_string(&reads).unwrap();
        assert_eq!(
            text,
            r#"{"files":["apps/web/kustomization.yaml"],"trees":[""]}"#
        );
        assert_eq!(serde_json::from_str::<ReadSet>(&text).unwrap(), reads);
        assert_eq!(
            serde_json::from_str::<ReadSet>("{}").unwrap(),
            ReadSet::default()
        );
        assert!(serde_json::from_str::<ReadSet>(r#"{"globs":["*.yaml"]}"#).is_err());
    }

    #[test]
    fn what_reads_the_root_is_touched_by_everything() {
        let mut reads = ReadSet::default();
        reads.add_tree("");
        assert!(reads.is_touched_by(&["any".to_owned()]));
    }
}
