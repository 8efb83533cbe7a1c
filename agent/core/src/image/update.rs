//! What our commits say of themselves in trailers, and what the history of a branch says about
//! updates, so that nothing of it has to be kept anywhere else.
//!
//! An update has `Syncline-Update: <id>` and, for each changed place, `Syncline-Image: <policy>
//! <place> <old> <new>`. A commit that takes commits back has `Syncline-Reverts: <commit>` for each,
//! a commit that lets a held tag go `Syncline-Release: <policy> <tag>`.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use crate::names;
use crate::record::Name;
use crate::revision::CommitId;
use crate::trailers::{self, Trailer};

/// A scalar in a file of a repository.
///
/// Printed as `file:path`, and as `file#2:path` in the second document. Blanks and control
/// characters are written as `%` and two hexadecimal digits for each byte, as are `%`, and `:` and
/// `#` of the file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Path of the file from the root of the repository.
    pub file: String,
    /// Number of the YAML document in the file, from 1.
    pub document: usize,
    /// Where it is in the document, such as `spec.containers[0].image`.
    pub path: String,
}

impl Place {
    /// Reads what [`Place`] prints; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (file, path) = text.split_once(':')?;
        let (file, document) = match file.split_once('#') {
            Some((file, document)) => (file, document.parse().ok().filter(|n| *n > 0)?),
            None => (file, 1),
        };
        Some(Self {
            file: unescape(file)?,
            document,
            path: unescape(path)?,
        })
        .filter(|place| !place.file.is_empty())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.file, &[':', '#']))?;
        if self.document != 1 {
            write!(f, "#{}", self.document)?;
        }
        write!(f, ":{}", escape(&self.path, &[]))
    }
}

/// One change of an update: which policy wrote what in which place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateNote {
    /// The ImagePolicy.
    pub policy: Name,
    /// What was changed.
    pub place: Place,
    /// Tag, digest (`@sha256:..`) or both (`tag@sha256:..`) before.
    pub old: String,
    /// The same after.
    pub new: String,
}

impl UpdateNote {
    /// The trailer that says it.
    pub fn trailer(&self) -> Trailer {
        let (old, new) = (escape(&self.old, &[]), escape(&self.new, &[]));
        let value = format!("{} {} {old} {new}", self.policy, self.place);
        Trailer::new(names::TRAILER_IMAGE, value)
    }

    /// Reads the value of a trailer; `None` where it is not one of ours.
    pub fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let note = Self {
            policy: policy(words.next()?)?,
            place: Place::parse(words.next()?)?,
            old: unescape(words.next()?)?,
            new: unescape(words.next()?)?,
        };
        words.next().is_none().then_some(note)
    }
}

/// A commit that says something to us: it has a trailer that begins with `Syncline-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The commit.
    pub commit: CommitId,
    /// Name and address of its author, `Name <address>`.
    pub author: String,
    /// When it was committed.
    pub time: Timestamp,
    /// Its first line.
    pub subject: String,
    /// All its trailers but those of what it changed.
    pub trailers: Vec<Trailer>,
    /// What it changed, by its own words; nothing for commits that are no updates.
    pub notes: Vec<UpdateNote>,
}

impl HistoryEntry {
    /// Reads the message of a commit; `None` where it says nothing to us.
    pub fn read(commit: CommitId, author: String, time: Timestamp, message: &str) -> Option<Self> {
        // Most commits have none, and need not be taken apart.
        if !message.contains(TRAILER_PREFIX) {
            return None;
        }
        let trailers = trailers::parse(message);
        if !trailers.iter().any(|t| t.key.starts_with(TRAILER_PREFIX)) {
            return None;
        }
        let (notes, trailers) = trailers
            .into_iter()
            .partition::<Vec<_>, _>(|trailer| trailer.is(names::TRAILER_IMAGE));
        let subject = message.lines().next().unwrap_or_default();
        let mut entry = Self {
            commit,
            author,
            time,
            subject: subject.chars().take(SUBJECT_CHARACTERS).collect(),
            trailers,
            notes: Vec::new(),
        };
        if entry.is_update() {
            let values = notes.iter().map(|trailer| trailer.value.as_str());
            entry.notes = values.filter_map(UpdateNote::parse).collect();
        }
        Some(entry)
    }

    /// The id under which we wrote it, as an update or to take updates back.
    pub fn update(&self) -> Option<&str> {
        trailers::values(&self.trailers, names::TRAILER_UPDATE).next()
    }

    /// Whether it is an update of ours, and not a commit that takes updates back.
    pub fn is_update(&self) -> bool {
        self.update().is_some() && self.reverts().next().is_none()
    }

    /// The commits that it takes back.
    pub fn reverts(&self) -> impl Iterator<Item = CommitId> {
        trailers::values(&self.trailers, names::TRAILER_REVERTS)
            .flat_map(|value| value.split([',', ' ']))
            .filter_map(|id| CommitId::parse(id).ok())
    }

    /// The tags that it lets go, each with its policy.
    pub fn releases(&self) -> impl Iterator<Item = (Name, String)> {
        trailers::values(&self.trailers, names::TRAILER_RELEASE).filter_map(|value| {
            let (name, tag) = value.split_once(' ')?;
            Some((policy(name)?, tag.trim().to_owned()))
        })
    }

    /// Why it was made, where it says so in a trailer.
    pub fn reason(&self) -> Option<&str> {
        trailers::values(&self.trailers, names::TRAILER_REASON).next()
    }
}

/// What the newest commits of a branch say to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The newest commit of the branch.
    pub tip: CommitId,
    /// The commits that say something, newest first: no commit comes before one that contains it.
    pub entries: Vec<HistoryEntry>,
}

impl History {
    /// The history at a newer tip, of what that tip has and this one has not, newest first. What was
    /// committed before `oldest` is forgotten, and of the rest at most `most` entries are kept.
    pub fn newer(
        self,
        tip: CommitId,
        newer: Vec<HistoryEntry>,
        oldest: Timestamp,
        most: usize,
    ) -> Self {
        let mut entries = newer;
        entries.extend(self.entries);
        entries.retain(|entry| entry.time >= oldest);
        entries.truncate(most);
        Self { tip, entries }
    }

    /// The update that made a commit, where the commit is one of ours.
    pub fn entry(&self, commit: &CommitId) -> Option<&HistoryEntry> {
        self.entries.iter().find(|entry| &entry.commit == commit)
    }
}

/// What all our trailers begin with.
const TRAILER_PREFIX: &str = "Syncline-";
/// How much of a first line is kept.
const SUBJECT_CHARACTERS: usize = 200;

/// Reads `namespace/name`.
fn policy(text: &str) -> Option<Name> {
    let (namespace, name) = text.split_once('/')?;
    let valid = !namespace.is_empty() && !name.is_empty() && !name.contains('/');
    valid.then(|| Name::new(namespace, name))
}

fn escape(text: &str, more: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '%' || c.is_whitespace() || c.is_control() || more.contains(&c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(escaped, "%{byte:02X}").expect("a string takes everything");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
