//! The tags that lead to commits: kept beside the branches for as long as the server has them so.

use std::collections::{BTreeMap, BTreeSet};

use git2::{ObjectType, Oid, Repository};
use jiff::Timestamp;
use syncline_core::application::VerifyMode;
use syncline_core::revision::CommitId;

use super::Mirror;
use crate::error::Error;
use crate::listing::ListedTags;
use crate::signature::{
    CommitRefused, MOST_TAGS, SeenTag, Signer, Signers, TagContent, verify_commit, verify_tags,
};

/// Where they are kept: a folder for each commit, in it one reference for each tag.
const KEPT: &str = "refs/syncline-tags/";

/// Most tags that are kept. Those of the oldest commits go first; who needs one fetches it again.
const MOST_KEPT: usize = 256;

/// The longest name of a tag that is looked at, as it stands in a file name.
const LONGEST: usize = 200;

/// A tag of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// Without `refs/tags/`.
    pub(super) name: String,
    /// What it points to: an object of its own, or the commit.
    pub(super) id: Oid,
    /// The commit that it leads to.
    pub(super) commit: Oid,
}

impl Tag {
    /// The reference under which it is kept.
    fn reference(&self) -> String {
        format!("{KEPT}{}/{}", self.commit, escaped(&self.name))
    }
}

impl Mirror {
    /// Who signed what has to be signed for a commit to be used, if that is one of the signers: of
    /// the tag where one has to be. Tags count as they were fetched, by [`Mirror::fetch_tagged`] or
    /// [`Mirror::fetch_tags`].
    ///
    /// # Errors
    /// [`Error::Signature`] where that is not signed, or not by a key that counts now;
    /// [`Error::CommitNotFound`].
    pub fn verify(
        &self,
        commit: &CommitId,
        mode: VerifyMode,
        signers: &Signers,
        now: Timestamp,
    ) -> Result<Signer, Error> {
        let (repository, _kept) = self.repository()?;
        let id = self.find_commit(&repository, commit)?.id();
        let refused = |problem: CommitRefused| Error::Signature {
            url: self.url.clone(),
            commit: commit.clone(),
            problem: Box::new(problem),
        };
        let by_commit = || {
            let odb = repository.odb().map_err(|error| self.explain(&error))?;
            let object = odb.read(id).map_err(|error| self.explain(&error))?;
            let signer = verify_commit(object.data(), signers, now);
            signer.map_err(|problem| refused(problem.into()))
        };
        let by_tag = || {
            let most_bytes = self.settings.max_file_bytes;
            let seen = seen(&repository, id, most_bytes).map_err(|error| self.explain(&error))?;
            let signer = verify_tags(commit, &seen, signers, now);
            signer.map_err(|problem| refused(problem.into()))
        };
        match mode {
            VerifyMode::Commit => by_commit(),
            VerifyMode::Tag => by_tag(),
            VerifyMode::CommitAndTag => by_commit().and_then(|_| by_tag()),
        }
    }
}

/// The tags of the server that lead to these commits, of each commit at most [`MOST_TAGS`].
pub(super) fn leading_to(listed: &ListedTags<'_>, commits: &BTreeSet<Oid>) -> Vec<Tag> {
    let mut counts: BTreeMap<Oid, usize> = BTreeMap::new();
    let mut tags = Vec::new();
    for (name, (id, commit)) in listed {
        if !commits.contains(commit) || !can_be_kept(name) {
            continue;
        }
        let count = counts.entry(*commit).or_default();
        *count += 1;
        if *count <= MOST_TAGS {
            tags.push(Tag {
                name: (*name).to_owned(),
                id: *id,
                commit: *commit,
            });
        }
    }
    tags
}

/// All tags that are kept.
pub(super) fn kept(repository: &Repository) -> Result<Vec<Tag>, git2::Error> {
    let mut tags = Vec::new();
    for reference in repository.references_glob(&format!("{KEPT}*"))? {
        let reference = reference?;
        let name = String::from_utf8_lossy(reference.name_bytes()).into_owned();
        let place = name
            .strip_prefix(KEPT)
            .and_then(|rest| rest.split_once('/'));
        let Some(((commit, name), id)) = place.zip(reference.target()) else {
            continue;
        };
        tags.push(Tag {
            name: unescaped(name),
            id,
            commit: Oid::from_str(commit)?,
        });
    }
    Ok(tags)
}

/// Keeps these tags, whose objects are here, and lets those go that the server has no more, or that
/// lead elsewhere there.
pub(super) fn keep(
    repository: &Repository,
    listed: &ListedTags<'_>,
    tags: &[Tag],
) -> Result<(), git2::Error> {
    let is_listed = |tag: &Tag| listed.get(tag.name.as_str()) == Some(&(tag.id, tag.commit));
    let (mut stay, gone): (Vec<Tag>, Vec<Tag>) = kept(repository)?.into_iter().partition(is_listed);
    for tag in gone {
        forget(repository, &tag)?;
    }
    for tag in tags {
        if stay.contains(tag) {
            continue;
        }
        // What the server says of a tag need not be so.
        let object = repository.find_object(tag.id, None);
        let leads_to = object.and_then(|object| object.peel_to_commit());
        if leads_to.is_ok_and(|commit| commit.id() == tag.commit) {
            repository.reference(&tag.reference(), tag.id, true, "tag")?;
            stay.push(tag.clone());
        }
    }
    let most = MOST_KEPT.max(tags.len());
    if stay.len() > most {
        let surplus = stay.len() - most;
        stay.retain(|tag| !tags.contains(tag));
        let made = |tag: &Tag| {
            let commit = repository.find_commit(tag.commit);
            commit.map_or(0, |commit| commit.time().seconds())
        };
        stay.sort_by_cached_key(made);
        for tag in stay.iter().take(surplus) {
            forget(repository, tag)?;
        }
    }
    Ok(())
}

fn forget(repository: &Repository, tag: &Tag) -> Result<(), git2::Error> {
    repository.find_reference(&tag.reference())?.delete()
}

/// The tags of a commit with their content, in the order of their names. Of one that is larger than
/// so many bytes nothing is read.
fn seen(repository: &Repository, commit: Oid, most: u64) -> Result<Vec<SeenTag>, git2::Error> {
    let odb = repository.odb()?;
    let mut seen = Vec::new();
    for tag in kept(repository)? {
        if tag.commit != commit {
            continue;
        }
        let content = match odb.read_header(tag.id)? {
            (size, ObjectType::Tag) if size as u64 > most => TagContent::TooLarge(size),
            (_, ObjectType::Tag) => TagContent::Annotated(odb.read(tag.id)?.data().to_vec()),
            _ => TagContent::Lightweight,
        };
        let name = tag.name;
        seen.push(SeenTag { name, content });
    }
    seen.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(seen)
}

/// Whether a tag of that name can stand in a reference of ours.
fn can_be_kept(name: &str) -> bool {
    escaped(name).len() <= LONGEST
        && git2::Reference::is_valid_name(&format!("refs/tags/{name}"))
        && git2::Reference::is_valid_name(&format!("{KEPT}{}", escaped(name)))
}

/// A name without slashes: a tag `v1` that becomes `v1/x` would otherwise stand in its own way.
fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

fn unescaped(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_where_it_is_kept() {
        for name in ["v1", "release/1", "a%2Fb", "%", "%25/%2F", "ü/ä"] {
            assert!(!escaped(name).contains('/'));
            assert_eq!(unescaped(&escaped(name)), name);
            assert!(can_be_kept(name));
        }
        for name in ["", "a..b", "a b", "-\u{7}", "a.lock"] {
            assert!(!can_be_kept(name), "{name:?}");
        }
        assert!(!can_be_kept(&"a".repeat(LONGEST + 1)));
    }
}
