//! What a render read of a repository, so that a commit which changes nothing of it needs no
//! render.

use std::collections::BTreeSet;

/// The files, directory listings and whole trees that were read, also those that did not exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadSet {
    files: BTreeSet<String>,
    listings: BTreeSet<String>,
    trees: BTreeSet<String>,
}

impl ReadSet {
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
    fn what_reads_the_root_is_touched_by_everything() {
        let mut reads = ReadSet::default();
        reads.add_tree("");
        assert!(reads.is_touched_by(&["any".to_owned()]));
    }
}
