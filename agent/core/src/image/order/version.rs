//! A tag as a version: an optional `v`, three numbers (leading zeros are fine, so `2026.02.03` is a
//! version), an optional pre-release, and in extracted values optional build metadata.
//!
//! A tag with one dot (`1.2`) usually moves and is no version, unless somebody says that it counts:
//! by extracting it, or by pinning its digest.

use semver::{BuildMetadata, Prerelease, Version};

use crate::version_range::number_of;

/// How many numbers a version needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// All three.
    Three,
    /// Two are enough, or a single one of up to three digits; those that are missing are 0.
    Few,
    /// One is enough, of any length.
    Any,
}

/// What a value is as a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A version.
    Version(Version),
    /// Fewer than three numbers: `1`, `v1.2`. Mostly a tag that moves.
    Short,
    /// No version, so it has no order: `latest`, a commit id.
    Unordered,
}

/// Reads a value as a version.
pub fn read(value: &str, numbers: Numbers) -> Reading {
    let body = value.strip_prefix('v').unwrap_or(value);
    let (body, build) = match body.split_once('+') {
        Some((body, build)) => (body, Some(build)),
        None => (body, None),
    };
    let (core, pre) = match body.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (body, None),
    };
    let mut found = [0u64; 3];
    let mut count = 0;
    for part in core.split('.') {
        match (found.get_mut(count), number_of(part)) {
            (Some(place), Some(number)) => *place = number,
            _ => return Reading::Unordered,
        }
        count += 1;
    }
    let pre = match pre.map(Prerelease::new) {
        None => Prerelease::EMPTY,
        Some(Ok(pre)) if !pre.is_empty() => pre,
        Some(_) => return Reading::Unordered,
    };
    let build = match build.map(BuildMetadata::new) {
        None => BuildMetadata::EMPTY,
        Some(Ok(build)) if !build.is_empty() => build,
        Some(_) => return Reading::Unordered,
    };
    let [major, minor, patch] = found;
    // A long number alone is a build number or a date, not the start of a version.
    let is_few = count == 2 || (count == 1 && core.len() < 4);
    let enough = match numbers {
        Numbers::Three => count == 3,
        Numbers::Few => count == 3 || is_few,
        Numbers::Any => true,
    };
    if enough {
        Reading::Version(Version {
            major,
            minor,
            patch,
            pre,
            build,
        })
    } else if is_few {
        Reading::Short
    } else {
        Reading::Unordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Reading {
        Reading::Version(Version::parse(text).unwrap())
    }

    #[test]
    fn bad_b56_a_tag_needs_three_numbers_and_may_have_a_v_and_leading_zeros() {
        for (value, reading) in [
            ("1.2.3", version("1.2.3")),
            ("v1.2.3-rc.1", version("1.2.3-rc.1")),
            ("2026.02.03", version("2026.2.3")),
            ("1.2.3+b.7", version("1.2.3+b.7")),
            ("1.2.3-rc.1+b-7", version("1.2.3-rc.1+b-7")),
            ("latest", Reading::Unordered),
            ("1", Reading::Short),
            ("v1.2-alpine", Reading::Short),
            ("1.2.3.4", Reading::Unordered),
            ("V1.2.3", Reading::Unordered),
            ("1.2.x", Reading::Unordered),
            ("1.2.3-", Reading::Unordered),
            ("1.2.3+", Reading::Unordered),
            ("1.2.3-01", Reading::Unordered),
            ("20260101120000001", Reading::Unordered),
            ("1.99999999999999999999.0", Reading::Unordered),
            ("", Reading::Unordered),
        ] {
            assert_eq!(read(value, Numbers::Three), reading, "{value}");
        }
    }

    #[test]
    fn fewer_numbers_are_enough_where_somebody_says_so() {
        for (value, reading) in [
            ("1.2", version("1.2.0")),
            ("v16", version("16.0.0")),
            ("3.20-rc.1", version("3.20.0-rc.1")),
            ("1.2.3.4", Reading::Unordered),
            ("latest", Reading::Unordered),
        ] {
            assert_eq!(read(value, Numbers::Any), reading, "{value}");
            assert_eq!(read(value, Numbers::Few), reading, "{value}");
        }
        let date = "20260203";
        assert_eq!(read(date, Numbers::Few), Reading::Unordered);
        assert_eq!(read(date, Numbers::Any), version("20260203.0.0"));
    }
}
