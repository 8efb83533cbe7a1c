//! Questions about commits: what they say, how they descend, what they change.

use std::collections::BTreeSet;

use git2::{Commit, DiffOptions, Oid, Repository, Sort, Tree};
use jiff::Timestamp;
use syncline_core::revision::{CommitId, CommitInfo};

use super::{Mirror, commit_id};
use crate::error::Error;

/// How many characters of a commit's first line are shown.
const SUBJECT_CHARACTERS: usize = 200;

impl Mirror {
    /// What people want to read of a commit.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`].
    pub fn commit_info(&self, commit: &CommitId) -> Result<CommitInfo, Error> {
        let (repository, _kept) = self.repository()?;
        Ok(info(&self.find_commit(&repository, commit)?))
    }

    /// Whether `descendant` contains `ancestor`; a commit contains itself. A commit that the mirror
    /// does not have is no ancestor of one that it has.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] where `descendant` is not there.
    pub fn is_ancestor(&self, ancestor: &CommitId, descendant: &CommitId) -> Result<bool, Error> {
        let (repository, _kept) = self.repository()?;
        let descendant = self.find_commit(&repository, descendant)?.id();
        let ancestor = match self.find_commit(&repository, ancestor) {
            Ok(commit) => commit.id(),
            Err(Error::CommitNotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        if ancestor == descendant {
            return Ok(true);
        }
        repository
            .graph_descendant_of(descendant, ancestor)
            .map_err(|error| self.explain(&error))
    }

    /// The commit that begins with these digits and that `head` contains; `None` where there is none,
    /// or more than one object begins with them.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] where `head` is not there.
    pub fn resolve(&self, digits: &str, head: &CommitId) -> Result<Option<CommitId>, Error> {
        let (repository, _kept) = self.repository()?;
        let odb = repository.odb().map_err(|error| self.explain(&error))?;
        let found = match Oid::from_str(digits) {
            Ok(beginning) => odb.exists_prefix(beginning, digits.len()).ok(),
            Err(_) => None,
        };
        let Some(commit) = found.map(commit_id) else {
            return Ok(None);
        };
        Ok(self.is_ancestor(&commit, head)?.then_some(commit))
    }

    /// The paths of all files that differ between two commits, sorted; of a renamed file both its
    /// old and its new path. The commits need not be related.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`].
    pub fn changed_paths(&self, old: &CommitId, new: &CommitId) -> Result<Vec<String>, Error> {
        let (repository, _kept) = self.repository()?;
        let old = self
            .find_commit(&repository, old)?
            .tree()
            .map_err(|e| self.explain(&e))?;
        let new = self
            .find_commit(&repository, new)?
            .tree()
            .map_err(|e| self.explain(&e))?;
        differing_paths(&repository, Some(&old), &new).map_err(|error| self.explain(&error))
    }

    /// The commits that `new` contains and `old` does not, newest first, with their full messages;
    /// at most `max` of them.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`].
    pub fn commits_between(
        &self,
        old: &CommitId,
        new: &CommitId,
        max: usize,
    ) -> Result<Vec<(CommitInfo, String)>, Error> {
        let (repository, _kept) = self.repository()?;
        let old = self.find_commit(&repository, old)?.id();
        let new = self.find_commit(&repository, new)?.id();
        let walk = || {
            let mut walk = repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
            walk.push(new)?;
            walk.hide(old)?;
            walk.take(max).collect::<Result<Vec<_>, _>>()
        };
        walk()
            .map_err(|error| self.explain(&error))?
            .into_iter()
            .map(|id| {
                let commit = self.find_commit(&repository, &commit_id(id))?;
                let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
                Ok((info(&commit), message))
            })
            .collect()
    }
}

/// The paths of all files that differ between two trees, sorted; of a renamed file both its old and
/// its new path. All of `new` where there is no old one.
pub(super) fn differing_paths(
    repository: &Repository,
    old: Option<&Tree<'_>>,
    new: &Tree<'_>,
) -> Result<Vec<String>, git2::Error> {
    let mut options = DiffOptions::new();
    options.skip_binary_check(true).include_typechange(true);
    let diff = repository.diff_tree_to_tree(old, Some(new), Some(&mut options))?;
    let paths: BTreeSet<String> = diff
        .deltas()
        .flat_map(|delta| [delta.old_file().path_bytes(), delta.new_file().path_bytes()])
        .flatten()
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    Ok(paths.into_iter().collect())
}

pub(super) fn info(commit: &Commit<'_>) -> CommitInfo {
    let message = String::from_utf8_lossy(commit.message_bytes()).into_owned();
    let author = commit.author();
    CommitInfo {
        id: commit_id(commit.id()),
        subject: message
            .lines()
            .next()
            .unwrap_or_default()
            .chars()
            .take(SUBJECT_CHARACTERS)
            .collect(),
        author: String::from_utf8_lossy(author.name_bytes()).into_owned(),
        time: Timestamp::from_second(author.when().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
    }
}
