//! Reads what the history of a branch says of updates, and who changed a file.

use git2::{Commit, Oid, Repository, Sort};
use jiff::Timestamp;
use syncline_core::image::hold::FileChange;
use syncline_core::image::update::HistoryEntry;
use syncline_core::revision::CommitId;
use syncline_core::trailers;

use super::{Mirror, commit_id};
use crate::error::Error;
use crate::snapshot::checked;

/// How much of a history is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// How many commits are looked at.
    pub commits: usize,
    /// Commits that were committed before are not looked at.
    pub oldest: Timestamp,
}

/// The range of a walk that looks for what a file became is not longer than this.
const MAX_WALK: usize = 20_000;
/// No more versions of a file are looked at.
const MAX_CHANGES: usize = 500;

impl Mirror {
    /// The commits of a branch that say something to us, newest first: no commit comes before one
    /// that contains it. Where `known` is given, only those that the tip has and `known` has not: so
    /// a history is kept up to date cheaply (see `History::newer`). A `known` that the tip does not
    /// contain, or that is not there, is as none.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] for the tip.
    pub fn updates(
        &self,
        tip: &CommitId,
        known: Option<&CommitId>,
        limits: &HistoryLimits,
    ) -> Result<Vec<HistoryEntry>, Error> {
        let known = match known {
            Some(known) if self.is_ancestor(known, tip)? => Some(known),
            _ => None,
        };
        let (repository, _kept) = self.repository()?;
        let mut entries = Vec::new();
        for id in self.walk(&repository, tip, known, limits.commits)? {
            let commit = self.find_commit(&repository, &commit_id(id))?;
            let time = committed(&commit);
            if time >= limits.oldest {
                entries.extend(entry(&commit, time));
            }
        }
        Ok(entries)
    }

    /// The newest commit that `tip` has and `since` has not whose message has the trailer; `None`
    /// where there is none. So an update is found again after a push that was unclear. A `since` that
    /// is not there any more is as none.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] for the tip.
    pub fn find_trailer(
        &self,
        tip: &CommitId,
        since: &CommitId,
        key: &str,
        value: &str,
    ) -> Result<Option<CommitId>, Error> {
        let (repository, _kept) = self.repository()?;
        let since = match self.find_commit(&repository, since) {
            Err(Error::CommitNotFound { .. }) => None,
            found => found.map(|_| Some(since))?,
        };
        for id in self.walk(&repository, tip, since, MAX_WALK)? {
            let commit = self.find_commit(&repository, &commit_id(id))?;
            let message = String::from_utf8_lossy(commit.message_bytes());
            if message.contains(value)
                && trailers::values(&trailers::parse(&message), key).any(|found| found == value)
            {
                return Ok(Some(commit_id(id)));
            }
        }
        Ok(None)
    }

    /// The commits that `until` has and `after` has not which changed a file, newest first, with the
    /// file before and after each. A merge counts where the file is not what it was in the first
    /// parent. At most the newest 500 are given.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] for either; [`Error::InvalidPath`]; [`Error::TooLarge`].
    pub fn file_changes(
        &self,
        after: &CommitId,
        until: &CommitId,
        file: &str,
    ) -> Result<Vec<FileChange>, Error> {
        let path = checked(file)?;
        let (repository, _kept) = self.repository()?;
        let mut changes = Vec::new();
        for id in self.walk(&repository, until, Some(after), MAX_WALK)? {
            let commit = self.find_commit(&repository, &commit_id(id))?;
            let new = self.blob_at(&commit, &path)?;
            let old = match commit.parent(0) {
                Ok(parent) => self.blob_at(&parent, &path)?,
                Err(_) => None,
            };
            if old == new {
                continue;
            }
            let time = committed(&commit);
            changes.push(FileChange {
                commit: commit_id(id),
                author: author(&commit),
                time,
                subject: subject(&commit),
                entry: entry(&commit, time),
                before: self.content(&repository, old, &path)?,
                after: self.content(&repository, new, &path)?,
            });
            if changes.len() == MAX_CHANGES {
                break;
            }
        }
        Ok(changes)
    }

    /// The commits that `tip` has and `known` has not, children before parents, at most so many.
    fn walk(
        &self,
        repository: &Repository,
        tip: &CommitId,
        known: Option<&CommitId>,
        most: usize,
    ) -> Result<Vec<Oid>, Error> {
        let tip = self.find_commit(repository, tip)?.id();
        let known = match known {
            Some(known) => Some(self.find_commit(repository, known)?.id()),
            None => None,
        };
        let walk = || {
            let mut walk = repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
            walk.push(tip)?;
            if let Some(known) = known {
                walk.hide(known)?;
            }
            walk.take(most).collect::<Result<Vec<_>, _>>()
        };
        walk().map_err(|error| self.explain(&error))
    }

    /// The blob at a path of a commit; `None` where no plain file is.
    fn blob_at(&self, commit: &Commit<'_>, path: &str) -> Result<Option<Oid>, Error> {
        let tree = commit.tree().map_err(|error| self.explain(&error))?;
        match tree.get_path(std::path::Path::new(path)) {
            Ok(entry) if matches!(entry.filemode(), 0o100_644 | 0o100_664 | 0o100_755) => {
                Ok(Some(entry.id()))
            }
            Ok(_) => Ok(None),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(self.explain(&error)),
        }
    }

    /// What a blob holds.
    pub(super) fn content(
        &self,
        repository: &Repository,
        blob: Option<Oid>,
        path: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(id) = blob else {
            return Ok(None);
        };
        let git = |error: git2::Error| self.explain(&error);
        let odb = repository.odb().map_err(git)?;
        let (size, _) = odb.read_header(id).map_err(git)?;
        let limit = self.settings.max_file_bytes;
        if size as u64 > limit {
            return Err(Error::TooLarge {
                subject: format!("path `{path}`"),
                limit,
                setting: "max_file_bytes",
            });
        }
        let blob = repository.find_blob(id).map_err(git)?;
        Ok(Some(blob.content().to_vec()))
    }
}

fn committed(commit: &Commit<'_>) -> Timestamp {
    Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn author(commit: &Commit<'_>) -> String {
    let author = commit.author();
    let text = |bytes: &[u8]| crate::error::printable(&String::from_utf8_lossy(bytes));
    format!(
        "{} <{}>",
        text(author.name_bytes()),
        text(author.email_bytes())
    )
}

fn subject(commit: &Commit<'_>) -> String {
    const LONGEST: usize = 200;
    let message = String::from_utf8_lossy(commit.message_bytes());
    let subject = message.lines().next().unwrap_or_default();
    subject.chars().take(LONGEST).collect()
}

fn entry(commit: &Commit<'_>, time: Timestamp) -> Option<HistoryEntry> {
    let message = String::from_utf8_lossy(commit.message_bytes());
    HistoryEntry::read(commit_id(commit.id()), author(commit), time, &message)
}
