//! What a policy allows, and how a tag is read as a version.
//!
//! Versions of tags: an optional `v`, three numbers (leading zeros are fine, so `2026.02.03` is a
//! version), an optional pre-release. A tag with one dot (`1.2`) is usually a moving tag and is not
//! a version here. The order is that of semantic versions; equal versions (`1.0.0`, `v1.0.0`) are
//! ordered by the bytes of the tag, so the same tags give the same choice in any order.

use semver::{Prerelease, Version};

use crate::image::reference::Tag;
use crate::version_range::number_of;
pub use crate::version_range::{Membership, Range, RangeError};

/// Whether a tag below the one in Git may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Downgrade {
    /// Never below what Git names.
    Refuse,
    /// The policy decides alone.
    Allow,
}

/// What may be chosen among the tags of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The range of `select.semver`.
    pub range: Range,
    /// Whether a tag below the one in Git may be chosen. Default: refused.
    pub downgrade: Downgrade,
    /// How many verdicts a choice keeps; all are counted. Default: 100.
    pub verdicts: usize,
}

impl Policy {
    /// Reads the range of `select.semver`.
    pub fn parse(range: &str) -> Result<Self, RangeError> {
        Ok(Self {
            range: Range::parse(range)?,
            downgrade: Downgrade::Refuse,
            verdicts: 100,
        })
    }
}

/// What a tag is as a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A version.
    Version(Version),
    /// Fewer than three numbers: `1`, `v1.2`. Mostly a tag that moves.
    Short,
    /// A signature, attestation or bill of materials that belongs to a digest.
    Attachment,
    /// No version, so it has no order: `latest`, a commit id.
    Unordered,
}

/// Reads a tag as a version.
pub fn read(tag: &Tag) -> Reading {
    let text = tag.as_str();
    if let Some(digest) = text.strip_prefix("sha256-") {
        let hex = digest.split_once('.').map_or(digest, |(hex, _kind)| hex);
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Reading::Attachment;
        }
    }
    let body = text.strip_prefix('v').unwrap_or(text);
    let (core, pre) = match body.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (body, None),
    };
    let mut numbers = Vec::with_capacity(3);
    for part in core.split('.') {
        match number_of(part) {
            Some(number) => numbers.push(number),
            None => return Reading::Unordered,
        }
    }
    let pre = match pre.map(Prerelease::new) {
        None => Prerelease::EMPTY,
        Some(Ok(pre)) if !pre.is_empty() => pre,
        Some(_) => return Reading::Unordered,
    };
    match numbers[..] {
        [major, minor, patch] => Reading::Version(Version {
            pre,
            ..Version::new(major, minor, patch)
        }),
        // A long number alone is a build number or a date, not the start of a version.
        [_, _] => Reading::Short,
        [_] if core.len() < 4 => Reading::Short,
        _ => Reading::Unordered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::choose::choose;

    /// What the policy chooses among the tags.
    fn best(range: &str, tags: &[&str]) -> Option<String> {
        let tags: Vec<Tag> = tags.iter().map(|t| Tag::parse(t).unwrap()).collect();
        choose(&tags, &Policy::parse(range).unwrap(), None)
            .chosen
            .map(String::from)
    }

    #[test]
    fn ranges_mean_what_users_of_helm_and_flux_expect() {
        let all = [
            "0.1.9", "0.2.0", "0.2.7", "0.3.0", "1.0.0", "1.2.2", "1.2.3", "1.2.9", "1.3.0",
            "1.9.9", "2.0.0", "2.1.0", "3.0.0", "10.0.0",
        ];
        for (range, expected) in [
            ("*", Some("10.0.0")),
            ("x", Some("10.0.0")),
            (">=1.0 <2", Some("1.9.9")),
            (">= 1.0, < 2", Some("1.9.9")),
            (">1 <3", Some("2.1.0")),
            (">1.2 <1.4", Some("1.3.0")),
            (">1.2.9 <1.4", Some("1.3.0")),
            ("1.x", Some("1.9.9")),
            ("1.2.*", Some("1.2.9")),
            ("1", Some("1.9.9")),
            ("=1.2", Some("1.2.9")),
            ("v1.2.3", Some("1.2.3")),
            ("1.2.3 - 2.0.0", Some("2.0.0")),
            ("1.2.3 - 2", Some("2.1.0")),
            ("1.0.0 || 2.x", Some("2.1.0")),
            ("^0.2", Some("0.2.7")),
            ("^0.2.0", Some("0.2.7")),
            ("^0", Some("0.3.0")),
            ("^0.0.3", None),
            ("^1.2", Some("1.9.9")),
            ("~1.2", Some("1.2.9")),
            ("~1.2.3", Some("1.2.9")),
            ("~1", Some("1.9.9")),
            ("~>1.2.3", Some("1.2.9")),
            ("<=1", Some("1.9.9")),
            ("<=1.2", Some("1.2.9")),
            ("<=1.2.3", Some("1.2.3")),
            ("<0.2", Some("0.1.9")),
            ("<3 !=2.x", Some("1.9.9")),
            ("<=2.0.0 !=2.0.0", Some("1.9.9")),
            (">=4 <9", None),
        ] {
            assert_eq!(best(range, &all).as_deref(), expected, "{range}");
        }
    }

    #[test]
    fn inv_i21_a_pre_release_is_chosen_only_if_the_range_says_so() {
        let tags = ["1.0.0", "1.1.0-rc.1", "1.1.0-rc.10", "1.1.0-rc.2"];
        assert_eq!(best("*", &tags).as_deref(), Some("1.0.0"));
        assert_eq!(best(">=1.0.0-0", &tags).as_deref(), Some("1.1.0-rc.10"));
        assert_eq!(best(">=1.0.0", &tags).as_deref(), Some("1.0.0"));
        let next = ["1.0.0", "1.1.0-rc.1", "2.0.0-rc1"];
        assert_eq!(best("^1.x-0", &next).as_deref(), Some("1.1.0-rc.1"));
        assert_eq!(best(">=1.0.0-0 <2", &next).as_deref(), Some("1.1.0-rc.1"));
        assert_eq!(
            best("*", &["1.2.3-alpine", "1.2.2"]).as_deref(),
            Some("1.2.2")
        );
        assert_eq!(
            best("*-0", &["1.2.3-alpine", "1.2.2"]).as_deref(),
            Some("1.2.3-alpine")
        );
        assert_eq!(
            best("1.0.0 || >=2.0.0-0", &next).as_deref(),
            Some("2.0.0-rc1")
        );
    }

    #[test]
    fn a_tag_needs_three_numbers_and_may_have_a_v_and_leading_zeros() {
        assert_eq!(
            best("1.x", &["1.0", "1.1", "1.0.0"]).as_deref(),
            Some("1.0.0")
        );
        assert_eq!(best("*", &["v1.2.3", "1.2.2"]).as_deref(), Some("v1.2.3"));
        let dates = ["2025.12.31", "2026.02.03", "2026.2.10"];
        assert_eq!(best(">=2026", &dates).as_deref(), Some("2026.2.10"));
        assert_eq!(
            best("2025.02.01 - 2026.02.03", &dates).as_deref(),
            Some("2026.02.03")
        );
        for (tag, reading) in [
            ("latest", Reading::Unordered),
            ("1", Reading::Short),
            ("v1.2-alpine", Reading::Short),
            ("1.2.3.4", Reading::Unordered),
            ("V1.2.3", Reading::Unordered),
            ("1.2.x", Reading::Unordered),
            ("1.2.3-", Reading::Unordered),
            ("20260101120000001", Reading::Unordered),
            ("1.99999999999999999999.0", Reading::Unordered),
        ] {
            assert_eq!(read(&Tag::parse(tag).unwrap()), reading, "{tag}");
        }
        let attached = format!("sha256-{}.sig", "a".repeat(64));
        assert_eq!(read(&Tag::parse(&attached).unwrap()), Reading::Attachment);
    }

    #[test]
    fn bad_b57_a_range_that_is_no_range_is_refused_with_its_code() {
        for range in [
            "",
            "  ",
            ">=",
            "^x",
            ">=*",
            "1.2.3 -",
            "- 1.2",
            "||",
            "1 ||",
            "one",
            "1.2.3.4",
            "1..2",
            "1.2.3-",
            ">>1",
            "1.2.3-a..b",
            "> 1 < ",
            ">=2 <1",
            "<0",
            "99999999999999999999",
        ] {
            let error = Policy::parse(range).expect_err(range);
            assert_eq!(error.reason().row().code, "policy.range", "{range}");
            assert!(!error.to_string().ends_with('.'), "{error}");
        }
        assert_eq!(Policy::parse(&"1 ".repeat(400)), Err(RangeError::TooLong));
    }
}
