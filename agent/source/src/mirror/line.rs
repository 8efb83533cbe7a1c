//! The line of a branch: each commit after the one before it on that very branch, with what it
//! changed there.

use std::ops::ControlFlow;

use git2::Sort;
use syncline_core::revision::{CommitId, CommitInfo};

use super::history::{differing_paths, info};
use super::{Mirror, commit_id};
use crate::error::Error;

/// A commit of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineCommit {
    /// What people want to read of it.
    pub info: CommitInfo,
    /// Its whole message.
    pub message: String,
    /// The commit before it on the branch: its first parent; `None` where it is the first one.
    pub parent: Option<CommitId>,
    /// The paths of the files that differ between the two, sorted.
    pub paths: Vec<String>,
}

impl Mirror {
    /// Shows the commits of a branch from its tip on, along first parents, until `see` breaks, `until`
    /// or a commit that `until` contains is reached, or `max` were seen.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`].
    pub fn line(
        &self,
        tip: &CommitId,
        until: Option<&CommitId>,
        max: usize,
        see: &mut dyn FnMut(LineCommit) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (repository, _kept) = self.repository()?;
        let failed = |error: git2::Error| self.explain(&error);
        let tip = self.find_commit(&repository, tip)?.id();
        let mut walk = repository.revwalk().map_err(failed)?;
        walk.set_sorting(Sort::TOPOLOGICAL).map_err(failed)?;
        walk.simplify_first_parent().map_err(failed)?;
        walk.push(tip).map_err(failed)?;
        if let Some(until) = until {
            let until = self.find_commit(&repository, until)?.id();
            walk.hide(until).map_err(failed)?;
        }
        for id in walk.take(max) {
            let id = id.map_err(failed)?;
            let commit = self.find_commit(&repository, &commit_id(id))?;
            let parent = commit.parent(0).ok();
            let tree = commit.tree().map_err(failed)?;
            let before = match &parent {
                Some(parent) => Some(parent.tree().map_err(failed)?),
                None => None,
            };
            let paths = differing_paths(&repository, before.as_ref(), &tree).map_err(failed)?;
            let seen = see(LineCommit {
                info: info(&commit),
                message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
                parent: parent.map(|parent| commit_id(parent.id())),
                paths,
            });
            if seen.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}
