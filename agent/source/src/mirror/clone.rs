//! A clone that a person works in, read as a mirror is read: only its commits count, and nothing in it
//! is changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use git2::{ErrorCode, Oid, Repository};
use syncline_core::revision::{CommitId, CommitInfo};
use syncline_core::url::{RepoUrl, identity};

use super::reference::{FEWEST_DIGITS, MOST_CANDIDATES, check};
use super::turn::Turn;
use super::{Generation, Mirror, Shared, commit_id};
use crate::error::{Error, printable};
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::transport::prepare;

/// A clone on this machine. Never fetched into, and never removed.
pub struct LocalClone {
    folder: PathBuf,
    mirror: Mirror,
}

impl LocalClone {
    /// The clone that a folder is part of. `url` is the repository that it is taken for.
    ///
    /// # Errors
    /// [`Error::NoClone`] where the folder is in none, or it cannot be opened.
    pub fn around(settings: &Settings, url: &RepoUrl, folder: &Path) -> Result<Self, Error> {
        let refused = |error: git2::Error| Error::NoClone {
            folder: folder.to_owned(),
            detail: printable(error.message()),
        };
        prepare().map_err(refused)?;
        let repository = Repository::discover(folder).map_err(refused)?;
        let path = repository.path().to_owned();
        let generation = Generation::of_clone(path.clone());
        generation.open().map_err(refused)?;
        let work = repository.workdir().unwrap_or(&path);
        Ok(Self {
            folder: work.to_owned(),
            mirror: Mirror {
                url: url.clone(),
                settings: Arc::new(settings.clone()),
                shared: Arc::new(Shared {
                    root: path,
                    generation: Mutex::new(Arc::new(generation)),
                    turn: Turn::default(),
                    damaged: AtomicBool::new(false),
                }),
            },
        })
    }

    /// Its work tree, or the bare repository itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The remotes of it that are the repository it is taken for, in whatever spelling.
    ///
    /// # Errors
    /// Where its settings cannot be read.
    pub fn remotes(&self) -> Result<Vec<String>, Error> {
        let (repository, _kept) = self.mirror.repository()?;
        let names = repository.remotes().map_err(|e| self.mirror.explain(&e))?;
        let wanted = self.mirror.url.identity();
        let is_it = |name: &&str| {
            let remote = repository.find_remote(name);
            remote.is_ok_and(|remote| remote.url().is_ok_and(|url| identity(url) == wanted))
        };
        let names = names.iter().filter_map(|name| name.ok().flatten());
        Ok(names.filter(is_it).map(str::to_owned).collect())
    }

    /// The commit that a reference stands for: a branch or tag of the clone, a branch that a remote
    /// had when it was last fetched (`origin/topic`, and `topic` where the clone has none), `HEAD`, a
    /// full name, a commit or the beginning of one. A name wins over digits.
    ///
    /// # Errors
    /// [`Error::NotInClone`], [`Error::AmbiguousReference`], [`Error::InvalidReference`].
    pub fn resolve(&self, reference: &str) -> Result<CommitId, Error> {
        check(reference)?;
        let (repository, _kept) = self.mirror.repository()?;
        if let Ok(commit) = CommitId::parse(reference) {
            let found = self.mirror.find_commit(&repository, &commit);
            return match found {
                Err(Error::CommitNotFound { .. }) => Err(self.not_here(reference)),
                found => found.map(|_| commit),
            };
        }
        let found = match self.named(&repository, reference)? {
            Some(commit) => commit,
            None => self.beginning_with(&repository, reference)?,
        };
        Ok(commit_id(found))
    }

    /// What people want to read of a commit.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`].
    pub fn commit_info(&self, commit: &CommitId) -> Result<CommitInfo, Error> {
        self.mirror.commit_info(commit)
    }

    /// The files of a commit.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`].
    pub fn snapshot(&self, commit: &CommitId) -> Result<Snapshot, Error> {
        self.mirror.snapshot(commit)
    }

    fn named(&self, repository: &Repository, name: &str) -> Result<Option<Oid>, Error> {
        if name == "HEAD" || name.starts_with("refs/") {
            return self.one(repository, name, &[name.to_owned()]);
        }
        let own = [format!("refs/heads/{name}"), format!("refs/tags/{name}")];
        if let Some(found) = self.one(repository, name, &own)? {
            return Ok(Some(found));
        }
        let remotes = self.remotes()?.into_iter();
        let mut fetched = vec![format!("refs/remotes/{name}")];
        fetched.extend(remotes.map(|remote| format!("refs/remotes/{remote}/{name}")));
        self.one(repository, name, &fetched)
    }

    /// The one commit that references of these names have; `None` where there are none.
    fn one(
        &self,
        repository: &Repository,
        name: &str,
        full: &[String],
    ) -> Result<Option<Oid>, Error> {
        let mut found: Vec<(&String, Oid)> = Vec::new();
        for full in full {
            let reference = match repository.find_reference(full) {
                Ok(reference) => reference,
                Err(error) if error.code() == ErrorCode::NotFound => continue,
                Err(error) if error.code() == ErrorCode::InvalidSpec => continue,
                Err(error) => return Err(self.mirror.explain(&error)),
            };
            // A branch without a commit, a tag of a file.
            if let Ok(commit) = reference.peel_to_commit() {
                found.push((full, commit.id()));
            }
        }
        let commits: BTreeSet<Oid> = found.iter().map(|(_, commit)| *commit).collect();
        if commits.len() > 1 {
            let found: Vec<_> = found.iter().map(|(full, _)| format!("`{full}`")).collect();
            return Err(self.ambiguous(name, &found.join(" and ")));
        }
        Ok(commits.first().copied())
    }

    fn beginning_with(&self, repository: &Repository, reference: &str) -> Result<Oid, Error> {
        let digits = reference.to_ascii_lowercase();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || !(FEWEST_DIGITS..=40).contains(&digits.len()) {
            return Err(self.not_here(reference));
        }
        let found = self.mirror.commits_here(repository, &digits)?;
        match found.as_slice() {
            [] => Err(self.not_here(reference)),
            [commit] => Ok(*commit),
            several => {
                let several = several.iter().take(MOST_CANDIDATES);
                let several: Vec<_> = several.map(|id| format!("`{id}`")).collect();
                Err(self.ambiguous(reference, &several.join(", ")))
            }
        }
    }

    fn not_here(&self, reference: &str) -> Error {
        Error::NotInClone {
            folder: self.folder.clone(),
            reference: printable(reference),
        }
    }

    fn ambiguous(&self, reference: &str, candidates: &str) -> Error {
        Error::AmbiguousReference {
            url: self.mirror.url.clone(),
            reference: printable(reference),
            candidates: candidates.to_owned(),
        }
    }
}
