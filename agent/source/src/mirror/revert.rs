//! Takes commits back, or paths back to how a commit had them, without a checkout.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{Commit, FileMode, MergeOptions, ObjectType, Oid, Repository, Tree};
use syncline_core::revision::CommitId;

use super::{Mirror, NewCommit};
use crate::error::Error;
use crate::snapshot::{checked, printed_name};

/// How an attempt to take something back ended. Nothing is committed by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reverted {
    /// What the files would be; see [`Mirror::commit_draft`].
    Clean(Draft),
    /// What was changed since stands against it, in these paths.
    Conflicts(Vec<String>),
    /// The files are like that already.
    Unchanged,
}

/// A tree that is not committed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The commit that it is made for.
    pub base: CommitId,
    /// The files that differ from the base, each with its new content; `None` where it is deleted.
    pub files: Vec<(String, Option<Vec<u8>>)>,
    tree: Oid,
}

impl Mirror {
    /// What the tree of `onto` would be without the given commits, which are taken back one after
    /// the other in the order given (newest first, so that none stands in the way of another). Of a
    /// merge, what it brought to its first parent is taken back.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`]; [`Error::Unsupported`] for a commit without a parent;
    /// [`Error::TooLarge`] where the changed files are more than a read may return.
    pub fn revert(&self, commits: &[CommitId], onto: &CommitId) -> Result<Reverted, Error> {
        let git = |error: git2::Error| self.explain(&error);
        let (repository, _kept) = self.repository()?;
        let base = self.find_commit(&repository, onto)?;
        let mut tree = base.tree().map_err(git)?;
        for id in commits {
            let commit = self.find_commit(&repository, id)?;
            let parent = commit.parent(0).map_err(|_| Error::Unsupported {
                subject: format!("commit {id}"),
                what: "reverts of a first commit",
            })?;
            let (with, without) = (commit.tree().map_err(git)?, parent.tree().map_err(git)?);
            let mut options = MergeOptions::new();
            options.find_renames(true);
            let mut index = repository
                .merge_trees(&with, &tree, &without, Some(&options))
                .map_err(git)?;
            if index.has_conflicts() {
                let mut paths = Vec::new();
                for conflict in index.conflicts().map_err(git)? {
                    let conflict = conflict.map_err(git)?;
                    let sides = [conflict.our, conflict.ancestor, conflict.their];
                    let side = sides.into_iter().flatten().next();
                    paths.extend(side.map(|entry| shown(&entry.path)));
                }
                paths.sort();
                paths.dedup();
                return Ok(Reverted::Conflicts(paths));
            }
            let written = index.write_tree_to(&repository).map_err(git)?;
            tree = repository.find_tree(written).map_err(git)?;
        }
        self.draft(&repository, onto, &base, tree.id())
    }

    /// What the tree of `onto` would be if the given files and directories were again as the commit
    /// `of` has them. What that commit does not have is deleted, everything else stays.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`]; [`Error::InvalidPath`]; [`Error::Unsupported`] where a path leads
    /// over a link or is the root; [`Error::TooLarge`] as [`Mirror::revert`].
    pub fn restore(
        &self,
        paths: &[String],
        of: &CommitId,
        onto: &CommitId,
    ) -> Result<Reverted, Error> {
        let git = |error: git2::Error| self.explain(&error);
        let (repository, _kept) = self.repository()?;
        let base = self.find_commit(&repository, onto)?;
        let then = self.find_commit(&repository, of)?.tree().map_err(git)?;
        let mut tree = base.tree().map_err(git)?;
        for path in paths {
            let path = checked(path)?;
            plain(&then, &path)?;
            plain(&tree, &path)?;
            let old = self.files(&repository, &then, &path)?;
            let new = self.files(&repository, &tree, &path)?;
            let mut update = TreeUpdateBuilder::new();
            for (file, ..) in &new {
                if !old.iter().any(|(other, ..)| other == file) {
                    update.remove(file.as_str());
                }
            }
            for (file, id, mode) in &old {
                update.upsert(file.as_str(), *id, *mode);
            }
            let updated = update.create_updated(&repository, &tree).map_err(git)?;
            tree = repository.find_tree(updated).map_err(git)?;
        }
        self.draft(&repository, onto, &base, tree.id())
    }

    /// Makes the commit of a draft. Nothing is sent, see [`Mirror::push`].
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] where the mirror was cloned anew since: make the draft again;
    /// [`Error::InvalidAuthor`]; [`Error::NotSigned`].
    pub fn commit_draft(&self, draft: &Draft, new: &NewCommit) -> Result<CommitId, Error> {
        let (repository, _kept) = self.repository()?;
        let parent = self.find_commit(&repository, &draft.base)?;
        if repository.find_tree(draft.tree).is_err() {
            return Err(Error::CommitNotFound {
                url: self.url.clone(),
                commit: draft.base.clone(),
            });
        }
        self.write_commit(&repository, &parent, draft.tree, new)
    }

    fn draft(
        &self,
        repository: &Repository,
        onto: &CommitId,
        base: &Commit<'_>,
        tree: Oid,
    ) -> Result<Reverted, Error> {
        let git = |error: git2::Error| self.explain(&error);
        let before = base.tree().map_err(git)?;
        if before.id() == tree {
            return Ok(Reverted::Unchanged);
        }
        let after = repository.find_tree(tree).map_err(git)?;
        let diff = repository
            .diff_tree_to_tree(Some(&before), Some(&after), None)
            .map_err(git)?;
        let mut files = Vec::new();
        let mut bytes = 0_u64;
        for delta in diff.deltas() {
            let file = delta.new_file();
            let path = file.path_bytes().or_else(|| delta.old_file().path_bytes());
            let path = String::from_utf8_lossy(path.unwrap_or_default()).into_owned();
            let blob = Some(file.id()).filter(|id| !id.is_zero());
            if blob.is_some() && file.mode() == FileMode::Commit {
                return Err(Error::Unsupported {
                    subject: format!("path `{path}`"),
                    what: "reverts of submodules",
                });
            }
            let content = self.content(repository, blob, &path)?;
            bytes += content.as_ref().map_or(0, |content| content.len() as u64);
            let limit = self.settings.max_bytes;
            if bytes > limit {
                return Err(Error::TooLarge {
                    subject: "what is taken back".to_owned(),
                    limit,
                    setting: "max_bytes",
                });
            }
            files.push((path, content));
        }
        Ok(Reverted::Clean(Draft {
            base: onto.clone(),
            files,
            tree,
        }))
    }

    /// The files at or below a path of a tree, with their blobs and modes.
    fn files(
        &self,
        repository: &Repository,
        tree: &Tree<'_>,
        path: &str,
    ) -> Result<Vec<(String, Oid, FileMode)>, Error> {
        let git = |error: git2::Error| self.explain(&error);
        let found = match tree.get_path(Path::new(path)) {
            Ok(found) => found,
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(git(error)),
        };
        let mut files = Vec::new();
        let mut open = vec![(path.to_owned(), found.id(), found.filemode(), found.kind())];
        while let Some((path, id, mode, kind)) = open.pop() {
            let mode = match (kind, mode) {
                (Some(ObjectType::Tree), _) => {
                    for entry in &repository.find_tree(id).map_err(git)? {
                        let name = printed_name(&path, entry.name_bytes())?;
                        let below = format!("{path}/{name}");
                        open.push((below, entry.id(), entry.filemode(), entry.kind()));
                    }
                    continue;
                }
                (_, 0o120_000) => FileMode::Link,
                (_, 0o100_755) => FileMode::BlobExecutable,
                (Some(ObjectType::Blob), _) => FileMode::Blob,
                _ => {
                    return Err(Error::Unsupported {
                        subject: format!("path `{path}`"),
                        what: "reverts of submodules",
                    });
                }
            };
            if files.len() == self.settings.max_files {
                return Err(Error::TooLarge {
                    subject: format!("path `{path}`"),
                    limit: self.settings.max_files as u64,
                    setting: "max_files",
                });
            }
            files.push((path, id, mode));
        }
        Ok(files)
    }
}

/// Checks that all but the last part of a path are directories, or are not there.
fn plain(tree: &Tree<'_>, path: &str) -> Result<(), Error> {
    let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
    let over_links = parents
        .filter_map(|parent| tree.get_path(Path::new(parent)).ok())
        .any(|entry| entry.filemode() != 0o040_000);
    if path.is_empty() || over_links {
        return Err(Error::Unsupported {
            subject: format!("path `{path}`"),
            what: "restores of the root, and over links",
        });
    }
    Ok(())
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).escape_debug().to_string()
}
