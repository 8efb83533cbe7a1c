//! Brings one branch of the mirror to the server's state.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use git2::{AutotagOption, Direction, FetchOptions, Oid, RemoteCallbacks, Repository};
use syncline_core::revision::CommitId;

use super::generation::Unfinished;
use super::{Generation, Mirror, branch_reference, commit_id, mirror_reference, tags};
use crate::connection::Service;
use crate::error::Error;
use crate::listing::{ListedTags, Listing};
use crate::operation::Operation;
use crate::settings::Access;

/// Most branches that are looked at for a commit.
const MOST_BRANCHES: usize = 32;

/// What a commit is asked for by.
const PIN: &str = "syncline-pin";

/// Which tags come with a branch.
#[derive(Clone, Copy)]
enum Tags {
    None,
    OfTip,
}

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
        self.fetch_branch(access, branch, Tags::None)
    }

    /// The same, and brings the tags that lead to the commit with it, at most [`MOST_TAGS`] of them,
    /// for [`Mirror::verify`]; also where they are all that is new. A tag that the server has no
    /// more, or that leads elsewhere there, is forgotten, whatever commit it was of.
    ///
    /// It costs one request when nothing changed.
    ///
    /// # Errors
    /// As [`Mirror::fetch`].
    ///
    /// [`MOST_TAGS`]: crate::signature::MOST_TAGS
    pub fn fetch_tagged(&self, access: &Access, branch: &str) -> Result<Fetched, Error> {
        self.fetch_branch(access, branch, Tags::OfTip)
    }

    /// Brings the tags that lead to a commit, whatever branch has it; otherwise as
    /// [`Mirror::fetch_tagged`]. It costs one request when the tags are here.
    ///
    /// # Errors
    /// Those of the network, as [`Mirror::fetch`].
    pub fn fetch_tags(&self, access: &Access, commit: &CommitId) -> Result<(), Error> {
        let operation = Operation::begin(&self.settings, &self.url, access)?;
        let _turn = self.shared.turn.take(&operation)?;
        let explain = |error: git2::Error| self.explain(&error);
        let repository = self.generation().open().map_err(explain)?;
        let commit = Oid::from_str(commit.as_str()).map_err(explain)?;
        let listing = Listing::request(&operation, Service::UploadPack)?;
        let commits = BTreeSet::from([commit]);
        self.bring(&operation, &repository, &listing, Vec::new(), &commits)
    }

    fn fetch_branch(&self, access: &Access, branch: &str, tags: Tags) -> Result<Fetched, Error> {
        // Before anybody is asked.
        branch_reference(branch)?;
        let operation = Operation::begin(&self.settings, &self.url, access)?;
        let _turn = self.shared.turn.take(&operation)?;
        let generation = self.generation();
        let damaged = self.shared.damaged.load(Ordering::Relaxed);
        let repository = match generation.open() {
            Ok(repository) if !damaged => repository,
            // Somebody may also have emptied the folder of the mirrors.
            _ => return self.clone_anew(&operation, &generation, branch, tags),
        };
        let fetched = self.fetch_into(&operation, &repository, branch, tags, BTreeSet::new())?;
        drop(repository);
        if fetched.changed && generation.is_overgrown(&self.settings)? {
            // The commit is here already; a clone that fails only puts the tidying off.
            if let Err(error) = self.clone_anew(&operation, &generation, branch, tags) {
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
                let asked = [branch_reference(&branch)?];
                let got = download(&operation, &repository, &asked);
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

    /// Fetches a branch. The tags of the commits `tagged` are brought in any case.
    fn fetch_into(
        &self,
        operation: &Arc<Operation>,
        repository: &Repository,
        branch: &str,
        tags: Tags,
        mut tagged: BTreeSet<Oid>,
    ) -> Result<Fetched, Error> {
        let reference = branch_reference(branch)?;
        let kept = mirror_reference(branch);
        let old = repository.refname_to_id(&kept).ok();
        let listing = Listing::request(operation, Service::UploadPack)?;
        let Some(tip) = listing.branch(branch) else {
            // What the mirror has of it stays: it tells where the branch went.
            return Err(listing.branch_not_found(&self.url, branch, old));
        };
        if matches!(tags, Tags::OfTip) {
            tagged.insert(tip);
        }
        let moved = (old != Some(tip)).then_some((reference, tip));
        let moved = moved.into_iter().collect();
        self.bring(operation, repository, &listing, moved, &tagged)?;
        if old != Some(tip) {
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

    /// Gets what is not here of these references and of the tags of these commits, in one exchange,
    /// and keeps the tags. Without any of them nothing is done.
    fn bring(
        &self,
        operation: &Arc<Operation>,
        repository: &Repository,
        listing: &Listing,
        mut wanted: Vec<(String, Oid)>,
        tagged: &BTreeSet<Oid>,
    ) -> Result<(), Error> {
        let listed = if tagged.is_empty() {
            ListedTags::new()
        } else {
            listing.tags()
        };
        let found = tags::leading_to(&listed, tagged);
        // Under names of ours: theirs may be odd.
        let numbered = found.iter().enumerate();
        wanted.extend(numbered.map(|(number, tag)| (format!("refs/tags/{number}"), tag.id)));
        let odb = repository.odb().map_err(|error| self.explain(&error))?;
        // A lightweight tag has the id of its commit.
        let mut asked = BTreeSet::new();
        wanted.retain(|(_, id)| !odb.exists(*id) && asked.insert(*id));
        if !wanted.is_empty() {
            operation.advertise(listing.reduced(&wanted));
            let names: Vec<String> = wanted.into_iter().map(|(name, _)| name).collect();
            download(operation, repository, &names)
                .map_err(|error| self.remember(operation.explain(&error)))?;
        }
        if tagged.is_empty() {
            return Ok(());
        }
        tags::keep(repository, &listed, &found).map_err(|error| self.explain(&error))
    }

    /// Clones into a new generation, which takes the place of the old one when it is complete.
    fn clone_anew(
        &self,
        operation: &Arc<Operation>,
        old: &Generation,
        branch: &str,
        tags: Tags,
    ) -> Result<Fetched, Error> {
        let known = old.open().ok();
        let before = known
            .as_ref()
            .and_then(|known| known.refname_to_id(&mirror_reference(branch)).ok());
        let kept = known.and_then(|known| tags::kept(&known).ok());
        let tagged = kept.into_iter().flatten().map(|tag| tag.commit).collect();
        let (unfinished, repository) = Unfinished::create(&self.shared.root, old.number + 1)?;
        let fetched = self.fetch_into(operation, &repository, branch, tags, tagged)?;
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

/// Gets the pack of these references, which are advertised. No reference of the mirror is moved: that
/// is the caller's, after it has looked at what came.
pub(super) fn download(
    operation: &Arc<Operation>,
    repository: &Repository,
    names: &[String],
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
    let refspecs: Vec<String> = names.iter().map(|name| format!("+{name}:{name}")).collect();
    remote.download(&refspecs, Some(&mut options))?;
    remote.disconnect()
}

fn verify(repository: &Repository, tip: Oid) -> Result<(), git2::Error> {
    repository.find_commit(tip)?.tree().map(drop)
}
