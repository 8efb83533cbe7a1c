//! Ranges of versions as users of Helm, Flux and npm write them.
//!
//! A range is comparisons (`=`, `!=`, `<`, `<=`, `>`, `>=`, `~`, `^`) joined by spaces or commas, sets
//! of them joined by `||`, wildcards (`1.x`, `*`), spans (`1.2.3 - 2.0.0`). Pre-releases are
//! allowed in a set only where one of its versions has a pre-release (`>=1.0.0-0 <2`), and then
//! still not those of an excluded upper bound: `2.0.0-rc.1` is not below `<2`.
//!
//! That is the dialect of image policies. Charts are chosen in the dialect of Helm, see
//! [`Range::parse_as_helm`].

mod helm;

use std::cmp::Ordering;
use std::fmt;

use semver::{Prerelease, Version};

use crate::outcome::Failure;
use crate::reason::Reason;

/// The longest range that is read.
const MAX_RANGE: usize = 512;

/// Why a range is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Nothing is there.
    #[error("the range is empty; `*` allows every version without a pre-release")]
    Empty,
    /// It is over a limit.
    #[error("the range is longer than {MAX_RANGE} characters")]
    TooLong,
    /// An operator with nothing, or a wildcard, behind it.
    #[error("`{0}` needs a version, such as `{0}1.2`")]
    NoVersion(String),
    /// Something that is neither operator nor version.
    #[error("`{0}` is not a version; a range looks like `>=1.0 <2`, `1.x` or `1.2.3 - 2.0.0`")]
    NotAVersion(String),
    /// No version can satisfy it.
    #[error("no version can be in `{0}`")]
    Nothing(String),
}

impl RangeError {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        Reason::InvalidRange
    }

    /// As a failure with its detail.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: self.reason(),
            detail: self.to_string(),
        }
    }
}

/// What a version is to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is in the range.
    In,
    /// It would be, if the range named a pre-release.
    PreRelease,
    /// It is not.
    Out,
}

/// A range of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    text: String,
    sets: Vec<Set>,
    dialect: Dialect,
}

/// Whose rules a range follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Policy,
    Helm,
}

/// Comparisons that must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    comparisons: Vec<Comparison>,
    pre_releases: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    operator: Operator,
    bound: Partial,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Tilde,
    Caret,
}

/// A version whose last parts may be open: `1`, `1.x`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Partial {
    floor: Version,
    /// How many of the three numbers are given.
    parts: u8,
}

impl Range {
    /// Reads a range of an image policy.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        if text.len() > MAX_RANGE {
            return Err(RangeError::TooLong);
        }
        if text.trim().is_empty() {
            return Err(RangeError::Empty);
        }
        let sets = text
            .split("||")
            .map(Set::parse)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            text: text.trim().to_owned(),
            sets,
            dialect: Dialect::Policy,
        })
    }

    /// Reads a range exactly as Helm reads the version of a chart; empty is `*`.
    pub fn parse_as_helm(text: &str) -> Result<Self, RangeError> {
        if text.len() > MAX_RANGE {
            return Err(RangeError::TooLong);
        }
        Ok(Self {
            text: text.trim().to_owned(),
            sets: helm::parse(if text.is_empty() { "*" } else { text })?,
            dialect: Dialect::Helm,
        })
    }

    /// The first version that the range names, for a message about versions near it.
    pub fn first_bound(&self) -> Option<&Version> {
        let comparison = self.sets.first()?.comparisons.first()?;
        (comparison.bound.parts > 0).then_some(&comparison.bound.floor)
    }

    /// What a version is to this range.
    pub fn membership(&self, version: &Version) -> Membership {
        let mut found = Membership::Out;
        for set in &self.sets {
            if set.comparisons.iter().all(|comparison| match self.dialect {
                Dialect::Policy => comparison.holds(version),
                Dialect::Helm => helm::holds(comparison, version),
            }) {
                if version.pre.is_empty() || set.pre_releases {
                    return Membership::In;
                }
                found = Membership::PreRelease;
            }
        }
        found
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Set {
    fn parse(text: &str) -> Result<Self, RangeError> {
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter(|w| !w.is_empty())
            .collect();
        if words.is_empty() {
            return Err(RangeError::Empty);
        }
        let mut comparisons = Vec::new();
        let mut at = 0;
        while let Some(&word) = words.get(at) {
            at += 1;
            if words.get(at) == Some(&"-") {
                // A span: both ends are in it.
                let end = words
                    .get(at + 1)
                    .ok_or_else(|| RangeError::NoVersion("-".into()))?;
                comparisons.push(Comparison::new(Operator::GreaterEqual, word)?);
                comparisons.push(Comparison::new(Operator::LessEqual, end)?);
                at += 2;
                continue;
            }
            let (operator, sign, mut version) = Operator::split(word);
            if version.is_empty() {
                // The operator may stand apart from its version: `>= 1.0`.
                version = words
                    .get(at)
                    .ok_or_else(|| RangeError::NoVersion(sign.into()))?;
                at += 1;
            }
            let comparison = Comparison::new(operator, version)?;
            if comparison.bound.parts == 0 && !sign.is_empty() {
                return Err(RangeError::NoVersion(sign.into()));
            }
            comparisons.push(comparison);
        }
        let pre_releases = comparisons.iter().any(|c| !c.bound.floor.pre.is_empty());
        let set = Self {
            comparisons,
            pre_releases,
        };
        if set.is_plainly_empty() {
            Err(RangeError::Nothing(text.trim().into()))
        } else {
            Ok(set)
        }
    }

    /// Whether a lower bound lies above an upper bound, so that a typing error is found.
    fn is_plainly_empty(&self) -> bool {
        let lower = self
            .comparisons
            .iter()
            .filter(|c| {
                !matches!(
                    c.operator,
                    Operator::Less | Operator::LessEqual | Operator::NotEqual
                )
            })
            .map(|c| &c.bound.floor)
            .max();
        let upper = self
            .comparisons
            .iter()
            .filter_map(|c| match c.operator {
                Operator::Less => Some((&c.bound.floor, false)),
                Operator::LessEqual if c.bound.parts == 3 => Some((&c.bound.floor, true)),
                _ => None,
            })
            .min();
        match (lower, upper) {
            (_, Some((upper, false))) if *upper == Version::new(0, 0, 0) => true,
            (Some(lower), Some((upper, true))) => lower > upper,
            (Some(lower), Some((upper, false))) => lower >= upper,
            _ => false,
        }
    }
}

impl Operator {
    /// The operator at the start of a word, how it is written, and what follows.
    fn split(word: &str) -> (Self, &str, &str) {
        const SIGNS: [(&str, Operator); 11] = [
            ("!=", Operator::NotEqual),
            (">=", Operator::GreaterEqual),
            ("=>", Operator::GreaterEqual),
            ("<=", Operator::LessEqual),
            ("=<", Operator::LessEqual),
            ("~>", Operator::Tilde),
            ("=", Operator::Equal),
            (">", Operator::Greater),
            ("<", Operator::Less),
            ("~", Operator::Tilde),
            ("^", Operator::Caret),
        ];
        for (sign, operator) in SIGNS {
            if let Some(rest) = word.strip_prefix(sign) {
                return (operator, &word[..sign.len()], rest);
            }
        }
        (Self::Equal, "", word)
    }
}

impl Comparison {
    fn new(operator: Operator, version: &str) -> Result<Self, RangeError> {
        Ok(Self {
            operator,
            bound: Partial::parse(version)?,
        })
    }

    /// Whether it holds, pre-releases left aside.
    fn holds(&self, version: &Version) -> bool {
        let (bound, parts) = (&self.bound.floor, self.bound.parts);
        let order = version.cmp_precedence(bound);
        let same_major = version.major == bound.major;
        let same_minor = same_major && version.minor == bound.minor;
        // Whether the given numbers are the same; all of them are, for a wildcard.
        let same_parts = match parts {
            0 => true,
            1 => same_major,
            2 => same_minor,
            _ => order == Ordering::Equal,
        };
        match self.operator {
            Operator::Equal => same_parts && order != Ordering::Less,
            Operator::NotEqual => !same_parts,
            Operator::Less => {
                // `2.0.0-rc.1` is a candidate for 2.0.0, which is what `<2` keeps out.
                let candidate_of_bound = bound.pre.is_empty()
                    && !version.pre.is_empty()
                    && same_minor
                    && version.patch == bound.patch;
                order == Ordering::Less && !candidate_of_bound
            }
            Operator::LessEqual => order != Ordering::Greater || (parts < 3 && same_parts),
            Operator::Greater => order == Ordering::Greater && !(parts < 3 && same_parts),
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::Tilde => {
                order != Ordering::Less && same_major && (parts < 2 || version.minor == bound.minor)
            }
            Operator::Caret => {
                order != Ordering::Less
                    && if bound.major > 0 || parts == 1 {
                        same_major
                    } else if bound.minor > 0 || parts == 2 {
                        same_minor
                    } else {
                        same_minor && version.patch == bound.patch
                    }
            }
        }
    }
}

impl Partial {
    fn parse(text: &str) -> Result<Self, RangeError> {
        let wrong = || RangeError::NotAVersion(clip(text));
        let body = text.strip_prefix('v').unwrap_or(text);
        let body = body.split_once('+').map_or(body, |(body, _build)| body);
        let (core, pre) = match body.split_once('-') {
            Some((core, pre)) => (core, Prerelease::new(pre).map_err(|_| wrong())?),
            None => (body, Prerelease::EMPTY),
        };
        if body.ends_with('-') {
            return Err(wrong());
        }
        let mut numbers = [0u64; 3];
        let mut parts = 0u8;
        let mut open = false;
        for (index, part) in core.split('.').enumerate() {
            let Some(number) = numbers.get_mut(index) else {
                return Err(wrong());
            };
            if matches!(part, "x" | "X" | "*") {
                open = true;
            } else {
                let value = number_of(part).ok_or_else(wrong)?;
                // What follows a wildcard does not count, as in `1.x.3`.
                if !open {
                    *number = value;
                    parts += 1;
                }
            }
        }
        let [major, minor, patch] = numbers;
        let mut floor = Version::new(major, minor, patch);
        floor.pre = pre;
        Ok(Self { floor, parts })
    }
}

fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Reads the version of a chart as Helm does: `v` in front and missing numbers are fine, and so
/// are leading zeros.
pub fn chart_version(text: &str) -> Option<Version> {
    helm::version(text)
}

/// A number of a version; leading zeros are fine.
pub(crate) fn number_of(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
