//! What is known of a tag beyond its name: what its image says of itself, where its commit stands,
//! and whether a person holds it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::image::reference::{Digest, Tag, Version};

/// The label with the commit that an image was built from (OCI image annotations).
pub const LABEL_REVISION: &str = "org.opencontainers.image.revision";

/// What the manifest and the configuration of an image say. The content of one digest never
/// changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The digest of the manifest, or of the index where there is one.
    pub digest: Digest,
    /// When it was built, as the image says it; also where that says nothing, as in reproducible
    /// builds.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// What it runs on; empty where it does not say.
    #[serde(default)]
    pub platforms: BTreeSet<Platform>,
    /// Labels and annotations that say where it comes from.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl Facts {
    /// The commit that it was built from, as the image says it.
    pub fn revision(&self) -> Option<&str> {
        self.labels.get(LABEL_REVISION).map(String::as_str)
    }
}

/// What came of the look at the image behind one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// It was read.
    Facts(Arc<Facts>),
    /// It cannot be read: the tag is gone, or its manifest is none. Says why, without a full stop.
    Unreadable(String),
}

/// An operating system and an architecture, such as `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// Such as `linux`.
    pub os: String,
    /// Such as `amd64`.
    pub architecture: String,
    /// Such as `v8`.
    pub variant: Option<String>,
}

/// The text is not a platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform such as `linux/amd64` or `linux/arm/v7`")]
pub struct InvalidPlatform(String);

impl Platform {
    /// Reads `os/architecture`, perhaps with a variant.
    pub fn parse(text: &str) -> Result<Self, InvalidPlatform> {
        let word = |part: &str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            !part.is_empty() && part.bytes().all(known)
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(InvalidPlatform(text.chars().take(80).collect())),
        };
        if !parts.iter().all(|part| word(part)) {
            return Err(InvalidPlatform(text.chars().take(80).collect()));
        }
        Ok(Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        })
    }

    /// Whether an image for the other platform runs where this one is asked for. Where one of them
    /// names no variant, any will do.
    pub fn accepts(&self, other: &Self) -> bool {
        let variants = self.variant.as_ref().zip(other.variant.as_ref());
        self.os == other.os
            && self.architecture == other.architecture
            && variants.is_none_or(|(wanted, there)| wanted == there)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl TryFrom<String> for Platform {
    type Error = InvalidPlatform;
    fn try_from(text: String) -> Result<Self, InvalidPlatform> {
        Self::parse(&text)
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

/// Where a commit stands in a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitPlace {
    /// So many commits stand between it and the tip, in an order in which no commit comes before
    /// its children; the tip itself is 0.
    At(u64),
    /// The branch does not have it.
    Elsewhere,
    /// Several commits begin like that.
    Ambiguous,
}

/// A version that shall not be written to Git again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The tag; without a digest, whatever it stands for.
    pub version: Version,
    /// Who holds it and why, for people, without a full stop.
    pub because: String,
    /// Since when; `None` where that is not known.
    pub since: Option<Timestamp>,
    /// What else is held with it.
    pub reach: Reach,
}

/// What is held with a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Everything that is older: it was taken back in Git.
    Older,
    /// Nothing: a person skips it.
    Alone,
}

/// The tag that a person pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The tag.
    pub tag: Tag,
    /// Who pinned it and why, for people, without a full stop.
    pub because: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_two_or_three_words() {
        for text in ["linux/amd64", "linux/arm64/v8", "windows/amd64"] {
            assert_eq!(Platform::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/v7/x",
            "linux/a b",
            "linux//v7",
        ] {
            let error = Platform::parse(text).expect_err(text);
            assert!(!error.to_string().ends_with('.'), "{error}");
        }
    }

    #[test]
    fn a_platform_without_a_variant_accepts_any() {
        let accepts = |wanted: &str, there: &str| {
            let parse = |text| Platform::parse(text).unwrap();
            parse(wanted).accepts(&parse(there))
        };
        assert!(accepts("linux/arm64", "linux/arm64/v8"));
        assert!(accepts("linux/arm64/v8", "linux/arm64"));
        assert!(accepts("linux/arm/v7", "linux/arm/v7"));
        assert!(!accepts("linux/arm/v7", "linux/arm/v6"));
        assert!(!accepts("linux/amd64", "linux/arm64"));
        assert!(!accepts("linux/amd64", "windows/amd64"));
    }
}
