//! Makes commits without a checkout and pushes them, never by force.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use git2::build::TreeUpdateBuilder;
use git2::{
    Commit, Direction, FileMode, Oid, PushOptions, RemoteCallbacks, Repository, Signature, Time,
};
use jiff::Timestamp;
use syncline_core::revision::CommitId;

use super::{Mirror, branch_reference, commit_id, mirror_reference};
use crate::connection::Service;
use crate::error::{Error, printable};
use crate::listing::Listing;
use crate::operation::Operation;
use crate::settings::Access;
use crate::signing::SigningKey;
use crate::snapshot::checked;

/// What a new commit says beside its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// The whole message, with its trailers.
    pub message: String,
    /// Name of author and committer.
    pub author_name: String,
    /// E-mail address of author and committer.
    pub author_email: String,
    /// Time of author and committer. The same base, edits and time make the same commit.
    pub time: Timestamp,
    /// What signs the commit; `None` leaves it unsigned.
    pub signing: Option<SigningKey>,
}

/// How a push ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// The branch points to the commit.
    Accepted,
    /// Somebody else was first. Fetch, make the commit anew on the new tip, and push that.
    Lost {
        /// What the server or libgit2 said.
        message: String,
    },
    /// The connection ended after the commit was sent: it may have been taken or not. Fetch, and
    /// look for it (see [`Mirror::find_trailer`]) before it is made again.
    Unclear {
        /// What happened.
        message: String,
    },
}

/// How servers name a reference that moved between the look at it and the push.
const LOST_RACE: [&str; 9] = [
    "non-fast-forward",
    "non-fastforward",
    "fetch first",
    "failed to update ref",
    "cannot lock ref",
    "incorrect old value",
    "stale info",
    "reference already exists",
    "but expected",
];

impl Mirror {
    /// Makes a commit with one parent in which the given files have the given content. New files
    /// are plain files; existing ones keep their mode. Nothing is sent, see [`Mirror::push`].
    ///
    /// # Errors
    /// [`Error::NothingChanged`] where every file has its content already, so that no commit is
    /// ever empty; [`Error::InvalidPath`]; [`Error::Unsupported`] where a path is a link, a
    /// submodule or a directory; [`Error::CommitNotFound`] for the base; [`Error::NotSigned`].
    pub fn commit(
        &self,
        base: &CommitId,
        edits: &[(String, Vec<u8>)],
        new: &NewCommit,
    ) -> Result<CommitId, Error> {
        let (repository, _kept) = self.repository()?;
        let parent = self.find_commit(&repository, base)?;
        let tree = parent.tree().map_err(|error| self.explain(&error))?;
        let mut update = TreeUpdateBuilder::new();
        // The last of two edits of one path counts.
        let edits = edits
            .iter()
            .map(|(path, bytes)| Ok((checked(path)?, bytes)))
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        for (path, bytes) in edits {
            let mode = mode_of(&tree, &path)?;
            let blob = repository
                .blob(bytes)
                .map_err(|error| self.explain(&error))?;
            update.upsert(path, blob, mode);
        }
        let updated = update
            .create_updated(&repository, &tree)
            .map_err(|error| self.explain(&error))?;
        if updated == tree.id() {
            return Err(Error::NothingChanged);
        }
        self.write_commit(&repository, &parent, updated, new)
    }

    /// Makes a commit of a tree, signed where it is to be.
    pub(super) fn write_commit(
        &self,
        repository: &Repository,
        parent: &Commit<'_>,
        tree: Oid,
        new: &NewCommit,
    ) -> Result<CommitId, Error> {
        let git = |error: git2::Error| self.explain(&error);
        let tree = repository.find_tree(tree).map_err(git)?;
        let time = Time::new(new.time.as_second(), 0);
        let author = Signature::new(&new.author_name, &new.author_email, &time)
            .map_err(|_| Error::InvalidAuthor)?;
        let Some(key) = &new.signing else {
            return repository
                .commit(None, &author, &author, &new.message, &tree, &[parent])
                .map(commit_id)
                .map_err(git);
        };
        let content = repository
            .commit_create_buffer(&author, &author, &new.message, &tree, &[parent])
            .map_err(git)?;
        let content = std::str::from_utf8(&content).map_err(|_| Error::InvalidAuthor)?;
        let signature = key.sign(content.as_bytes(), new.time).map_err(|error| {
            let detail = error.to_string();
            Error::NotSigned { detail }
        })?;
        repository
            .commit_signed(content, &signature, None)
            .map(commit_id)
            .map_err(git)
    }

    /// Moves a branch of the server to a commit that descends from its tip. A commit that is the
    /// tip already counts as accepted. A branch that is gone is not made anew.
    ///
    /// # Errors
    /// [`Error::PushDenied`] where a hook or a right stands against it; [`Error::BranchNotFound`];
    /// [`Error::Auth`] and the errors of the network before the commit was sent.
    pub fn push(&self, access: &Access, branch: &str, commit: &CommitId) -> Result<Push, Error> {
        let reference = branch_reference(branch)?;
        let operation = Operation::begin(&self.settings, &self.url, access)?;
        let _turn = self.shared.turn.take(&operation)?;
        let (repository, _kept) = self.repository()?;
        let id = match self.find_commit(&repository, commit) {
            Ok(commit) => commit.id(),
            // It was made in a mirror that has been cloned anew since.
            Err(error @ Error::CommitNotFound { .. }) => {
                return Ok(Push::Lost {
                    message: error.to_string(),
                });
            }
            Err(error) => return Err(error),
        };
        let listing = Listing::request(&operation, Service::ReceivePack)?;
        let Some(tip) = listing.branch(branch) else {
            return Err(listing.branch_not_found(&self.url, branch, None));
        };
        if tip != id {
            operation.advertise(listing.reduced_to(branch, tip));
            let sent = send(&operation, &repository, commit, &reference);
            match sent.map_err(|error| self.remember(error))? {
                Push::Accepted => {}
                other => return Ok(other),
            }
        }
        repository
            .reference(&mirror_reference(branch), id, true, "push")
            .map_err(|error| self.explain(&error))?;
        Ok(Push::Accepted)
    }
}

/// The mode that an edited file gets.
fn mode_of(tree: &git2::Tree<'_>, path: &str) -> Result<FileMode, Error> {
    let mode = |path: &str| {
        tree.get_path(Path::new(path))
            .ok()
            .map(|entry| entry.filemode())
    };
    let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
    let plain = parents
        .into_iter()
        .all(|parent| matches!(mode(parent), None | Some(0o040_000)));
    match mode(path) {
        None if plain && !path.is_empty() => Ok(FileMode::Blob),
        Some(0o100_755) => Ok(FileMode::BlobExecutable),
        Some(0o100_644 | 0o100_664) => Ok(FileMode::Blob),
        _ => Err(Error::Unsupported {
            subject: format!("path `{path}`"),
            what: "edits of links, submodules and directories",
        }),
    }
}

fn send(
    operation: &Arc<Operation>,
    repository: &Repository,
    commit: &CommitId,
    reference: &str,
) -> Result<Push, Error> {
    let refusal: Mutex<Option<String>> = Mutex::default();
    let said: Mutex<Vec<u8>> = Mutex::default();
    let upload = || {
        let _scope = operation.enter();
        let mut remote = repository.remote_anonymous(operation.remote())?;
        let mut callbacks = RemoteCallbacks::new();
        callbacks.push_update_reference(|_, status| {
            if let Some(status) = status {
                let mut refusal = refusal.lock().unwrap_or_else(PoisonError::into_inner);
                refusal.get_or_insert_with(|| status.to_owned());
            }
            Ok(())
        });
        callbacks.sideband_progress(|bytes| {
            const LONGEST: usize = 4096;
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() < LONGEST {
                said.extend_from_slice(&bytes[..bytes.len().min(LONGEST)]);
            }
            operation.remaining().is_ok()
        });
        let mut options = PushOptions::new();
        options
            .remote_callbacks(callbacks)
            .packbuilder_parallelism(1);
        remote.connect(Direction::Push)?;
        remote.push(&[format!("{commit}:{reference}")], Some(&mut options))
    };
    let uploaded = upload();
    let refusal = refusal.into_inner().unwrap_or_else(PoisonError::into_inner);
    match (uploaded, refusal) {
        (Ok(()), None) => Ok(Push::Accepted),
        // libgit2 calls a push that the server refused a success.
        (_, Some(status)) => {
            if LOST_RACE.iter().any(|sign| status.contains(sign)) {
                return Ok(Push::Lost {
                    message: printable(&status),
                });
            }
            let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
            let said = String::from_utf8_lossy(&said).into_owned();
            let message = printable(&format!("{status} {said}"));
            Err(Error::PushDenied {
                url: operation.url.clone(),
                message,
            })
        }
        (Err(error), None) if error.code() == git2::ErrorCode::NotFastForward => Ok(Push::Lost {
            message: printable(error.message()),
        }),
        (Err(error), None) => match operation.explain(&error) {
            unclear
            @ (Error::Unavailable { .. } | Error::Timeout { .. } | Error::NotGit { .. })
                if operation.pack_sent() =>
            {
                Ok(Push::Unclear {
                    message: unclear.to_string(),
                })
            }
            clear => Err(clear),
        },
    }
}
