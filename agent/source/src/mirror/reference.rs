//! Finds the commit of any reference that a person names, and fetches it beside the branches.

use std::collections::BTreeMap;

use git2::{ErrorCode, Oid, Repository};
use syncline_core::revision::CommitId;

use super::fetch::download;
use super::{Mirror, commit_id};
use crate::connection::Service;
use crate::error::{Error, printable};
use crate::listing::Listing;
use crate::operation::Operation;
use crate::settings::Access;

/// The longest name of a reference that is looked for.
const LONGEST: usize = 250;
/// Fewest digits of a commit that is not named in full.
pub(super) const FEWEST_DIGITS: usize = 4;
/// Most commits that are named where digits stand for several.
pub(super) const MOST_CANDIDATES: usize = 4;
/// The name under which libgit2 is shown the one reference that it is to fetch.
const ASKED: &str = "syncline-reference";

impl Mirror {
    /// The commit that a reference stands for, fetched where it is not here: a branch, a tag, a full
    /// name such as `refs/pull/1/head`, a commit or the beginning of one. No branch of the mirror
    /// moves by that, and what was fetched is kept until the mirror is cloned anew.
    ///
    /// A name wins over digits. Of digits that are not a whole commit the commits that are here and
    /// the tips on the server are known.
    ///
    /// # Errors
    /// [`Error::ReferenceNotFound`], [`Error::AmbiguousReference`] where a branch and a tag have the
    /// name or several commits begin so, [`Error::InvalidReference`]; others as [`Mirror::fetch`].
    pub fn fetch_reference(&self, access: &Access, reference: &str) -> Result<CommitId, Error> {
        check(reference)?;
        if let Ok(commit) = CommitId::parse(reference) {
            self.fetch_commit(access, &commit)?;
            return Ok(commit);
        }
        let operation = Operation::begin(&self.settings, &self.url, access)?;
        let _turn = self.shared.turn.take(&operation)?;
        let repository = self.generation().open().map_err(|e| self.explain(&e))?;
        let listing = Listing::request(&operation, Service::UploadPack)?;
        let tip = match self.named(&listing, reference)? {
            Some(tip) => tip,
            None => self.beginning_with(&repository, &listing, reference)?,
        };
        let odb = repository.odb().map_err(|error| self.explain(&error))?;
        if !odb.exists(tip) {
            operation.advertise(listing.reduced_to(ASKED, tip));
            let asked = [format!("refs/heads/{ASKED}")];
            let downloaded = download(&operation, &repository, &asked);
            downloaded.map_err(|error| self.remember(operation.explain(&error)))?;
        }
        let object = repository.find_object(tip, None);
        let commit = object.and_then(|object| object.peel_to_commit());
        commit
            .map(|commit| commit_id(commit.id()))
            .map_err(|error| match error.code() {
                // A tag of a file or of a directory.
                ErrorCode::InvalidSpec | ErrorCode::Peel => self.not_found(reference),
                _ => self.explain(&error),
            })
    }

    /// The tip of a reference of that name.
    fn named(&self, listing: &Listing, reference: &str) -> Result<Option<Oid>, Error> {
        if reference == "HEAD" || reference.starts_with("refs/") {
            return Ok(listing.reference(reference));
        }
        let branch = listing.branch(reference);
        let tag = listing.reference(&format!("refs/tags/{reference}"));
        match (branch, tag) {
            (Some(branch), Some(tag)) if branch != tag => Err(self.ambiguous(
                reference,
                &format!("`refs/heads/{reference}` and `refs/tags/{reference}`"),
            )),
            (branch, tag) => Ok(branch.or(tag)),
        }
    }

    /// The one commit that begins with these digits.
    fn beginning_with(
        &self,
        repository: &Repository,
        listing: &Listing,
        reference: &str,
    ) -> Result<Oid, Error> {
        let digits = reference.to_ascii_lowercase();
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex || digits.len() < FEWEST_DIGITS || digits.len() > 40 {
            return Err(self.not_found(reference));
        }
        // By commit; what is here is asked of nobody.
        let mut found: BTreeMap<Oid, Oid> = listing
            .commits_beginning_with(&digits)
            .into_iter()
            .collect();
        let here = self.commits_here(repository, &digits)?;
        found.extend(here.into_iter().map(|commit| (commit, commit)));
        let mut tips = found.values();
        match (tips.next(), tips.next()) {
            (None, _) => Err(self.not_found(reference)),
            (Some(tip), None) => Ok(*tip),
            (Some(_), Some(_)) => {
                let several = found.keys().take(MOST_CANDIDATES);
                let several: Vec<_> = several.map(|id| format!("`{id}`")).collect();
                Err(self.ambiguous(reference, &several.join(", ")))
            }
        }
    }

    /// The commits of the mirror that begin with these digits; other objects do not count.
    pub(super) fn commits_here(
        &self,
        repository: &Repository,
        digits: &str,
    ) -> Result<Vec<Oid>, Error> {
        let explain = |error: git2::Error| self.explain(&error);
        let odb = repository.odb().map_err(explain)?;
        let mut found = Vec::new();
        // One look-up where it is plain; only digits that several objects share need all of them.
        match repository.find_commit_by_prefix(digits) {
            Ok(commit) => found.push(commit.id()),
            Err(error) if error.code() == ErrorCode::Ambiguous => {
                odb.foreach(|id| {
                    if id.to_string().starts_with(digits) {
                        found.push(*id);
                    }
                    true
                })
                .map_err(explain)?;
                found.retain(|id| repository.find_commit(*id).is_ok());
            }
            Err(_) => {}
        }
        Ok(found)
    }

    fn not_found(&self, reference: &str) -> Error {
        Error::ReferenceNotFound {
            url: self.url.clone(),
            reference: printable(reference),
        }
    }

    fn ambiguous(&self, reference: &str, candidates: &str) -> Error {
        Error::AmbiguousReference {
            url: self.url.clone(),
            reference: printable(reference),
            candidates: candidates.to_owned(),
        }
    }
}

/// Refuses what can never be a reference, before anybody is asked.
pub(super) fn check(reference: &str) -> Result<(), Error> {
    let full = format!("refs/heads/{reference}");
    let valid = !reference.starts_with('-')
        && reference.len() <= LONGEST
        && git2::Reference::is_valid_name(&full);
    if valid {
        return Ok(());
    }
    let reference = reference.chars().take(64).flat_map(char::escape_debug);
    Err(Error::InvalidReference {
        reference: reference.collect(),
    })
}
