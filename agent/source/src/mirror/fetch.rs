//! Brings one branch of the mirror to the server's state.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use git2::{AutotagOption, Direction, FetchOptions, Oid, RemoteCallbacks, Repository};
use syncline_core::revision::CommitId;

use super::generation::Unfinished;
use super::{Generation, Mirror, branch_reference, commit_id, mirror_reference};
use crate::connection::Service;
use crate::error::Error;
use crate::listing::Listing;
use crate::operation::Operation;
use crate::settings::Access;

/// Most branches that are looked at for a commit.
const MOST_BRANCHES: usize = 32;

/// What a commit is asked for by.
const PIN: &str = "syncline-pin";

/// What a fetch found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The commit that the branch points to on the server.
    pub commit: CommitId,
    /// Whether that is another commit than the mirror had for the branch.
    pub changed: bool,
}

impl Mirror {
    /// Brings a branch up to date and gives its commit.
    ///
    /// It costs one request when nothing changed. Where the branch was rewritten, the new commit
    /// is given like any other; compare with [`Mirror::is_ancestor`].
    ///
    /// # Errors
    /// [`Error::BranchNotFound`] where the branch is gone or the repository is empty;
    /// [`Error::Auth`], [`Error::Unavailable`], [`Error::Timeout`], [`Error::RedirectRefused`] and
    /// others of the network. The mirror then stays as it was.
    pub fn fetch(&self, access: &Access, branch: &str) -> Result<Fetched, Error> {
        let reference = branch_reference(branch)?;
        let operation = Operation::begin(&self.settings, &self.url, access)?;
        let _turn = self.shared.turn.take(&operation)?;
        let generation = self.generation();
        let damaged = self.shared.damaged.load(Ordering::Relaxed);
        let repository = match generation.open() {
            Ok(repository) if !damaged => repository,
            // Somebody may also have emptied the folder of the mirrors.
            _ => return self.clone_anew(&operation, &generation, branch),
        };
        let fetched = self.fetch_into(&operation, &repository, branch, &reference)?;
        drop(repository);
        if fetched.changed && generation.is_overgrown(&self.settings)? {
            // The commit is here already; a clone that fails only puts the tidying off.
            if let Err(error) = self.clone_anew(&operation, &generation, branch) {
                tracing::warn!(git.url = %self.url, %error, "cannot clone the mirror anew to shrink it");
            }
        }
        Ok(fetched)
    }

    /// Makes sure that a commit is here, whatever branch has it.
    ///
    /// The server is asked for just that commit; one that gives only the tips of branches is asked
    /// for its branches, up to 32 of them. A commit that is here costs no request.
    ///
    /// # Errors
    /// [`Error::CommitNotFound`] where no branch that was looked at has it, and all of them could be
    /// fetched; others as [`Mirror::fetch`].
    pub fn fetch_commit(&self, access: &Access, commit: &CommitId) -> Result<(), Error> {
        let operation = Operation::begin(&self.settings, &self.url, access)?;
        let _turn = self.shared.turn.take(&operation)?;
        let explain = |error: git2::Error| self.explain(&error);
        let repository = self.generation().open().map_err(explain)?;
        let wanted = Oid::from_str(commit.as_str()).map_err(explain)?;
        let odb = repository.odb().map_err(explain)?;
        let kept = mirror_reference(&format!("pins/{wanted}"));
        let is_here = || odb.refresh().is_ok() && odb.exists(wanted);
        let mut failed = None;
        if !is_here() {
            let listing = Listing::request(&operation, Service::UploadPack)?;
            let pin = (PIN.to_owned(), wanted);
            let branches = listing.branches().take(MOST_BRANCHES);
            for (branch, tip) in std::iter::once(pin).chain(branches) {
                operation.advertise(listing.reduced_to(&branch, tip));
                let reference = branch_reference(&branch)?;
                let name = format!("{kept}-source");
                let got = download(&operation, &repository, &format!("+{reference}:{name}"));
                operation.remaining()?;
                if is_here() {
                    break;
                }
                if let Err(error) = got.map_err(|error| operation.explain(&error)) {
                    tracing::debug!(git.url = %self.url, branch, %error, "not with this branch");
                    // The server may refuse a commit, but not the tip of a branch that it lists.
                    failed = (branch != PIN).then_some(error);
                }
            }
        }
        if !is_here() || verify(&repository, wanted).is_err() {
            return Err(failed.unwrap_or_else(|| Error::CommitNotFound {
                url: self.url.clone(),
                commit: commit.clone(),
            }));
        }
        let pinned = repository.reference(&kept, wanted, true, "pin");
        pinned.map(drop).map_err(explain)
    }

    fn fetch_into(
        &self,
        operation: &Arc<Operation>,
        repository: &Repository,
        branch: &str,
        reference: &str,
    ) -> Result<Fetched, Error> {
        let kept = mirror_reference(branch);
        let old = repository.refname_to_id(&kept).ok();
        let listing = Listing::request(operation, Service::UploadPack)?;
        let Some(tip) = listing.branch(branch) else {
            // What the mirror has of it stays: it tells where the branch went.
            return Err(listing.branch_not_found(&self.url, branch, old));
        };
        if old != Some(tip) {
            if !repository
                .odb()
                .map_err(|error| self.explain(&error))?
                .exists(tip)
            {
                operation.advertise(listing.reduced_to(branch, tip));
                download(operation, repository, &format!("+{reference}:{kept}"))
                    .map_err(|error| self.remember(operation.explain(&error)))?;
            }
            verify(repository, tip).map_err(|error| self.explain(&error))?;
            repository
                .reference(&kept, tip, true, "fetch")
                .map_err(|error| self.explain(&error))?;
        }
        Ok(Fetched {
            commit: commit_id(tip),
            changed: old != Some(tip),
        })
    }

    /// Clones into a new generation, which takes the place of the old one when it is complete.
    fn clone_anew(
        &self,
        operation: &Arc<Operation>,
        old: &Generation,
        branch: &str,
    ) -> Result<Fetched, Error> {
        let reference = branch_reference(branch)?;
        let before = old
            .open()
            .and_then(|repository| repository.refname_to_id(&mirror_reference(branch)))
            .ok();
        let (unfinished, repository) = Unfinished::create(&self.shared.root, old.number + 1)?;
        let fetched = self.fetch_into(operation, &repository, branch, &reference)?;
        drop(repository);
        let generation = Arc::new(unfinished.finish()?);
        *self
            .shared
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = generation;
        self.shared.damaged.store(false, Ordering::Relaxed);
        old.retire();
        let changed = before.map(commit_id).as_ref() != Some(&fetched.commit);
        Ok(Fetched {
            commit: fetched.commit,
            changed,
        })
    }
}

/// Gets the pack. The mirror's reference is moved by the caller, after it has looked at the commit.
pub(super) fn download(
    operation: &Arc<Operation>,
    repository: &Repository,
    refspec: &str,
) -> Result<(), git2::Error> {
    let _scope = operation.enter();
    let mut remote = repository.remote_anonymous(operation.remote())?;
    remote.connect(Direction::Fetch)?;
    let mut callbacks = RemoteCallbacks::new();
    callbacks.transfer_progress(|progress| {
        operation.progress(progress.received_objects(), progress.total_objects());
        operation.remaining().is_ok()
    });
    let mut options = FetchOptions::new();
    options
        .remote_callbacks(callbacks)
        .download_tags(AutotagOption::None);
    remote.download(&[refspec], Some(&mut options))?;
    remote.disconnect()
}

fn verify(repository: &Repository, tip: Oid) -> Result<(), git2::Error> {
    repository.find_commit(tip)?.tree().map(drop)
}
