//! How tags are compared: what each order reads out of a value, and which of two is newer.

pub mod commit;
pub mod number;
pub mod version;

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;

use crate::image::reference::Tag;
use crate::version_range::Range;

/// What makes one tag newer than another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// The semantic version, inside of a range.
    Semver(Range),
    /// The number, of any length.
    Numerical(Take),
    /// The bytes of the value.
    Alphabetical(Take),
    /// The time at which the image was built.
    Newest,
    /// Nothing: one tag, wherever it moves.
    DigestOf(Tag),
    /// The commit that the tag names.
    Commits(By),
}

/// Which end of an order is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The highest number, or the last in the alphabet.
    Greatest,
    /// The lowest number, or the first in the alphabet.
    Least,
}

/// What orders commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The time at which the image of the tag was built.
    Creation,
    /// The history of the branch of a Repository.
    History {
        /// Its name, in the policy's namespace.
        repository: String,
    },
}

impl Order {
    /// Whether it is the time of an image that it compares.
    pub fn is_by_creation(&self) -> bool {
        matches!(self, Self::Newest | Self::Commits(By::Creation))
    }
}

/// For people, such as `>=1.0 <2` or `newest build`.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Semver(range) => write!(f, "{range}"),
            Self::Numerical(Take::Greatest) => f.write_str("highest number"),
            Self::Numerical(Take::Least) => f.write_str("lowest number"),
            Self::Alphabetical(Take::Greatest) => f.write_str("last in the alphabet"),
            Self::Alphabetical(Take::Least) => f.write_str("first in the alphabet"),
            Self::Newest => f.write_str("newest build"),
            Self::DigestOf(tag) => write!(f, "digest of {tag}"),
            Self::Commits(By::Creation) => f.write_str("newest build of a commit"),
            Self::Commits(By::History { repository }) => {
                write!(f, "newest commit of {repository}")
            }
        }
    }
}

/// What is compared of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The version.
    Version(semver::Version),
    /// The value itself, as a number or as text.
    Value,
    /// When its image was built.
    Created(Timestamp),
    /// How many commits stand above its commit.
    Depth(u64),
}

/// Compares the keys and values of two tags; the greater is the newer one.
pub(super) fn compare(order: &Order, a: (&Key, &str), b: (&Key, &str)) -> Ordering {
    let directed = |take: Take, ordering: Ordering| match take {
        Take::Greatest => ordering,
        Take::Least => ordering.reverse(),
    };
    match (a.0, b.0) {
        // Build metadata is compared last; semantic versions leave its order open.
        (Key::Version(x), Key::Version(y)) => x.cmp(y),
        (Key::Created(x), Key::Created(y)) => x.cmp(y),
        (Key::Depth(x), Key::Depth(y)) => y.cmp(x),
        _ => match order {
            Order::Numerical(take) => directed(*take, number::compare(a.1, b.1)),
            Order::Alphabetical(take) => directed(*take, a.1.as_bytes().cmp(b.1.as_bytes())),
            _ => Ordering::Equal,
        },
    }
}
