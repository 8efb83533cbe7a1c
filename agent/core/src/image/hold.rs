//! Which values of ours somebody took back, read from the history of the branch itself, so that a
//! hold outlives the agent and its database.
//!
//! The updates of a place are a chain: each begins with the value that the one before it wrote, and
//! the last one's value is what the branch names now. Where the chain is broken, somebody else
//! changed the value in between, so the value before the break was taken back. It makes no
//! difference whether they did it with `git revert`, by hand, in a merge, squashed into another
//! change, or with a rollback of ours.
//!
//! ```text
//! History + Values -> suspects -> (changes of one file, from Git) -> judge -> Hold
//! ```

mod said;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::image::choose::admits;
use crate::image::policy::Policy;
use crate::image::reference::Tag;
use crate::image::update::{History, HistoryEntry, Place, UpdateNote};
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::record::Name;
use crate::revision::CommitId;
pub use said::{Said, pin, skips, written};

/// What the branch names at each place that a policy edits: tag, digest (`@sha256:..`) or both
/// (`tag@sha256:..`), written as in an [`UpdateNote`].
pub type Values = BTreeMap<Place, String>;

/// So many updates that undo each other are two writers at odds.
const ALTERNATIONS: usize = 3;

/// A value that an update wrote and that is not there any more, before it is known who changed it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Suspect {
    /// Where.
    pub place: Place,
    /// The value that was taken back.
    pub rejected: String,
    /// Who changed it is to be found among the commits that `until` contains and this one does not:
    /// the update, or the newest commit that let the value go.
    pub after: CommitId,
    /// The next update of the place, or the tip of the branch.
    pub until: CommitId,
    /// When the update was committed.
    pub written: Timestamp,
    /// Whether a commit let the value go: then it is held only if it was taken back once more.
    pub released: bool,
}

/// A version of a file in the history, and the one before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// The commit that changed the file.
    pub commit: CommitId,
    /// Name and address of its author, `Name <address>`.
    pub author: String,
    /// When it was committed.
    pub time: Timestamp,
    /// Its first line.
    pub subject: String,
    /// What it says to us, if anything.
    pub entry: Option<HistoryEntry>,
    /// The file in its (first) parent; `None` where it was not there.
    pub before: Option<Vec<u8>>,
    /// The file in the commit; `None` where it was deleted.
    pub after: Option<Vec<u8>>,
}

/// Who took a value back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    /// Name and address of the author, `Name <address>`.
    pub author: String,
    /// The commit.
    pub commit: CommitId,
    /// Its first line.
    pub subject: String,
    /// Why, where the commit has a `Syncline-Reason`.
    pub reason: Option<String>,
}

/// A value that is not written again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Where it was taken back.
    pub place: Place,
    /// The value: tag, digest (`@sha256:..`) or both (`tag@sha256:..`).
    pub value: String,
    /// Who took it back; `None` where no commit can be named.
    pub by: Option<HeldBy>,
    /// When it was taken back; when it was written, where that is not known.
    pub since: Timestamp,
}

impl Hold {
    /// Whether a candidate (tag, digest or both, as in `value`) is the held one. A hold without a
    /// digest holds its tag with any digest.
    pub fn holds(&self, candidate: &str) -> bool {
        is_same(&self.value, candidate)
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, value, .. } = self;
        write!(f, "`{value}` was taken back in `{}`", place.file)?;
        let Some(by) = &self.by else {
            return Ok(());
        };
        let (commit, subject) = (by.commit.short(), &by.subject);
        write!(f, " by {} in commit {commit} (`{subject}`)", by.author)?;
        match &by.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// The values of a policy's places that are not there any more. Cheap: it reads nothing but its
/// arguments, and is mostly empty. A suspect is the same as long as the history around it is, so
/// what [`judge`] says of one can be kept.
pub fn suspects(policy: &Name, values: &Values, history: &History) -> Vec<Suspect> {
    let mut found = Vec::new();
    for (place, current) in values {
        let chain = chain(place, history);
        for (number, link) in chain.iter().enumerate() {
            let next = chain.get(number + 1);
            let value = next.map_or(current.as_str(), |next| next.note.old.as_str());
            if is_same(value, &link.note.new) {
                continue;
            }
            let rejected = &link.note.new;
            let release = history.entries[..link.at].iter().find(|entry| {
                let mut releases = entry.releases();
                releases.any(|(name, tag)| &name == policy && is_same(&tag, rejected))
            });
            let until = next.map_or(&history.tip, |next| &next.entry.commit);
            found.push(Suspect {
                place: place.clone(),
                rejected: rejected.clone(),
                after: release.unwrap_or(link.entry).commit.clone(),
                until: until.clone(),
                written: link.entry.time,
                released: release.is_some(),
            });
        }
    }
    found
}

/// Whether and by whom a value was taken back. `changes` are those of the file in the range of the
/// suspect, newest first; `read` gives the value at a place of a version of the file.
pub fn judge(
    suspect: &Suspect,
    changes: &[FileChange],
    read: &dyn Fn(&Place, &[u8]) -> Option<String>,
) -> Option<Hold> {
    let mut by = None;
    for change in changes.iter().rev() {
        let names = |bytes: &Option<Vec<u8>>| {
            let value = bytes.as_ref().and_then(|b| read(&suspect.place, b));
            value.map(|value| is_same(&value, &suspect.rejected))
        };
        match (names(&change.before), names(&change.after)) {
            (Some(true), Some(false)) => {
                by.get_or_insert(change);
            }
            // Somebody set it again.
            (Some(false) | None, Some(true)) => by = None,
            _ => {}
        }
    }
    if by.is_none() && suspect.released {
        return None;
    }
    Some(Hold {
        place: suspect.place.clone(),
        value: suspect.rejected.clone(),
        since: by.map_or(suspect.written, |change| change.time),
        by: by.map(|change| HeldBy {
            author: change.author.clone(),
            commit: change.commit.clone(),
            subject: change.subject.clone(),
            reason: change
                .entry
                .as_ref()
                .and_then(|entry| entry.reason())
                .map(str::to_owned),
        }),
    })
}

/// All holds of a policy, each value once, newest first: [`suspects`] and [`judge`] together.
/// `changes` answers the changes of the suspect's file in its range, newest first.
///
/// # Errors
/// Those of `changes`.
pub fn holds<E>(
    policy: &Name,
    values: &Values,
    history: &History,
    mut changes: impl FnMut(&Suspect) -> Result<Vec<FileChange>, E>,
    read: &dyn Fn(&Place, &[u8]) -> Option<String>,
) -> Result<Vec<Hold>, E> {
    let mut found: Vec<Hold> = Vec::new();
    for suspect in suspects(policy, values, history) {
        let Some(hold) = judge(&suspect, &changes(&suspect)?, read) else {
            continue;
        };
        match found.iter_mut().find(|other| other.value == hold.value) {
            // The one that names somebody says more, and of those the newer one.
            Some(other) if (other.by.is_some(), other.since) <= (hold.by.is_some(), hold.since) => {
                *other = hold;
            }
            Some(_) => {}
            None => found.push(hold),
        }
    }
    found.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.value.cmp(&b.value)));
    Ok(found)
}

/// The holds of versions among which the policy chooses. What its filter or its range does not let
/// through any more is not written anyway, so it holds nothing older back; it is held again where the
/// policy lets it through again.
pub fn counting(mut holds: Vec<Hold>, policy: &Policy) -> Vec<Hold> {
    holds.retain(|hold| {
        let tag = hold.value.split('@').next().unwrap_or_default();
        // A digest alone passes every filter of tags.
        Tag::parse(tag).map_or(tag.is_empty(), |tag| admits(policy, &tag))
    });
    holds
}

/// The holds that the annotation `syncline.dev/release` of the policy does not let go: tags with
/// commas between, with or without a digest.
pub fn unreleased(mut holds: Vec<Hold>, annotation: Option<&str>) -> Vec<Hold> {
    holds.retain(|hold| !released(annotation, &hold.value));
    holds
}

/// Two writers take turns at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternation {
    /// Where.
    pub place: Place,
    /// The value that is there now.
    pub value: String,
    /// The value before it, and before that again.
    pub other: String,
    /// The policies that wrote, each once.
    pub policies: Vec<Name>,
    /// When the first of the updates was committed.
    pub since: Timestamp,
}

impl Alternation {
    /// The same as the reason for which updates stop.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: Reason::WritersDisagree,
            detail: self.to_string(),
        }
    }
}

impl fmt::Display for Alternation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policies: Vec<String> = self.policies.iter().map(|p| format!("`{p}`")).collect();
        write!(
            f,
            "`{}` goes to and fro between `{}` and `{}` by {}",
            self.place,
            self.other,
            self.value,
            policies.join(" and ")
        )
    }
}

/// The first place at which the newest updates undo each other, three or more in a row. It ends when
/// somebody else changes the value, or lets one of the two values go: by a commit with
/// `Syncline-Release` for one of the policies, or by the annotation of the policy that asks.
pub fn alternation(
    values: &Values,
    history: &History,
    annotation: Option<&str>,
) -> Option<Alternation> {
    values.iter().find_map(|(place, current)| {
        let chain = chain(place, history);
        let last = chain.last().filter(|l| is_same(&l.note.new, current))?;
        let undone = chain
            .windows(2)
            .rev()
            .take_while(|pair| {
                let [first, second] = pair else { return false };
                let (first, second) = (first.note, second.note);
                is_same(&first.new, &second.old) && is_same(&first.old, &second.new)
            })
            .count();
        let run = &chain[chain.len() - 1 - undone..];
        if run.len() < ALTERNATIONS {
            return None;
        }
        let mut policies: Vec<Name> = run.iter().map(|link| link.note.policy.clone()).collect();
        policies.sort();
        policies.dedup();
        let (value, other) = (&last.note.new, &last.note.old);
        let let_go = history.entries[..last.at].iter().any(|entry| {
            let mut releases = entry.releases();
            releases.any(|(name, tag)| {
                policies.contains(&name) && (is_same(&tag, value) || is_same(&tag, other))
            })
        });
        if let_go || released(annotation, value) || released(annotation, other) {
            return None;
        }
        Some(Alternation {
            place: place.clone(),
            value: value.clone(),
            other: other.clone(),
            policies,
            since: run[0].entry.time,
        })
    })
}

/// An update of a place.
struct Link<'a> {
    /// Its number in the history; newer ones have lower numbers.
    at: usize,
    entry: &'a HistoryEntry,
    note: &'a UpdateNote,
}

/// The updates of a place, oldest first, of whichever policy.
fn chain<'a>(place: &Place, history: &'a History) -> Vec<Link<'a>> {
    let mut links: Vec<Link<'a>> = history
        .entries
        .iter()
        .enumerate()
        .filter_map(|(at, entry)| {
            let note = entry.notes.iter().find(|note| &note.place == place)?;
            Some(Link { at, entry, note })
        })
        .collect();
    links.reverse();
    links
}

fn released(annotation: Option<&str>, value: &str) -> bool {
    let tags = annotation.into_iter().flat_map(|text| text.split(','));
    let mut tags = tags.map(str::trim).filter(|tag| !tag.is_empty());
    tags.any(|tag| is_same(tag, value))
}

/// Whether two values are the same image as far as both say: a digest counts where both have one.
pub fn is_same(a: &str, b: &str) -> bool {
    let parts = |value: &str| {
        let (tag, digest) = match value.split_once('@') {
            Some((tag, digest)) => (tag.to_owned(), Some(digest.to_owned())),
            None => (value.to_owned(), None),
        };
        (Some(tag).filter(|tag| !tag.is_empty()), digest)
    };
    let ((tag_a, digest_a), (tag_b, digest_b)) = (parts(a), parts(b));
    match (digest_a, digest_b) {
        (Some(a), Some(b)) => a == b && (tag_a.is_none() || tag_b.is_none() || tag_a == tag_b),
        _ => tag_a.is_some() && tag_a == tag_b,
    }
}

#[cfg(test)]
pub(crate) mod tests;
