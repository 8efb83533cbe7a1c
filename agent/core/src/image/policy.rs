//! What a policy allows and prefers among the tags of an image.

use std::fmt;

pub use crate::image::filter::{Filter, Matching, Pattern, PatternError, Template, TemplateError};
pub use crate::image::order::version::{Numbers, Reading, read};
pub use crate::image::order::{By, Order, Take};
pub use crate::version_range::{Membership, Range, RangeError};

/// Whether a tag below the one in Git may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downgrade {
    /// Never below what Git names.
    Refuse,
    /// The policy decides alone.
    Allow,
}

/// What is written to Git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The tag.
    Tag,
    /// The tag and the digest that it stands for.
    Digest,
}

/// What may be chosen among the tags of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which tags are considered.
    pub filter: Filter,
    /// Which of two is newer.
    pub order: Order,
    /// Whether a tag below the one in Git may be chosen. Default: refused.
    pub downgrade: Downgrade,
    /// What is written; always the digest where the order is [`Order::DigestOf`].
    pub pin: Pin,
}

impl Policy {
    /// All tags in this order, never down, without digests where the order does without.
    pub fn of(order: Order) -> Self {
        let pin = match order {
            Order::DigestOf(_) => Pin::Digest,
            _ => Pin::Tag,
        };
        Self {
            filter: Filter::default(),
            order,
            downgrade: Downgrade::Refuse,
            pin,
        }
    }

    /// The newest version of a range.
    pub fn parse(range: &str) -> Result<Self, RangeError> {
        Range::parse(range).map(|range| Self::of(Order::Semver(range)))
    }

    /// What a person should know of it although it is valid, without full stops.
    pub fn warnings(&self) -> Vec<String> {
        self.filter.warnings()
    }

    /// How many numbers a version needs.
    pub(super) fn numbers(&self) -> Numbers {
        if self.filter.extracts() {
            Numbers::Any
        } else if self.pin == Pin::Digest {
            Numbers::Few
        } else {
            Numbers::Three
        }
    }
}

/// For people, such as `>=1.0 <2` or `newest build`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.order.fmt(f)
    }
}
