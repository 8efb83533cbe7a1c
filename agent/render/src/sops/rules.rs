//! Which values of a file are encrypted, by the rules that its metadata state.

use regex::Regex;

use super::SopsError;
use super::leaf::Path;

/// What the rules say of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Encrypted,
    Plain,
    /// The rules look at comments: the value itself tells.
    AsWritten,
}

/// The rules of one file.
#[derive(Debug)]
pub(super) enum Rules {
    UnencryptedSuffix(String),
    EncryptedSuffix(String),
    UnencryptedRegex(Regex),
    EncryptedRegex(Regex),
    ByComment,
}

impl Rules {
    /// Reads the one rule that the metadata have; without one the suffix `_unencrypted` is it.
    pub(super) fn read<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Self, SopsError> {
        let regex = |text: &str| {
            Regex::new(text).map_err(|_| {
                SopsError::format("a regular expression in the metadata cannot be read")
            })
        };
        let names = ["unencrypted_comment_regex", "encrypted_comment_regex"];
        if names.iter().any(|name| field(name).is_some()) {
            return Ok(Self::ByComment);
        }
        if let Some(text) = field("encrypted_regex") {
            return Ok(Self::EncryptedRegex(regex(text)?));
        }
        if let Some(text) = field("unencrypted_regex") {
            return Ok(Self::UnencryptedRegex(regex(text)?));
        }
        if let Some(suffix) = field("encrypted_suffix") {
            return Ok(Self::EncryptedSuffix(suffix.to_owned()));
        }
        let suffix = field("unencrypted_suffix").unwrap_or("_unencrypted");
        Ok(Self::UnencryptedSuffix(suffix.to_owned()))
    }

    pub(super) fn verdict(&self, path: &Path) -> Verdict {
        let encrypted = match self {
            Self::UnencryptedSuffix(suffix) => !path
                .keys_from_the_end()
                .any(|key| key.ends_with(suffix.as_str())),
            Self::EncryptedSuffix(suffix) => path
                .keys_from_the_end()
                .any(|key| key.ends_with(suffix.as_str())),
            Self::UnencryptedRegex(regex) => {
                !path.keys_from_the_end().any(|key| regex.is_match(key))
            }
            Self::EncryptedRegex(regex) => path.keys_from_the_end().any(|key| regex.is_match(key)),
            Self::ByComment => return Verdict::AsWritten,
        };
        if encrypted {
            Verdict::Encrypted
        } else {
            Verdict::Plain
        }
    }
}
