//! A short hash that is compared and kept, 16 bytes: of a desired object or of a set of fields.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// 16 bytes of a hash; printed as 32 hexadecimal digits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 16]);

/// A text that is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 32 hexadecimal digits")]
pub struct NotADigest;

impl Digest {
    /// The first 16 bytes of a longer hash; missing bytes are zero.
    pub fn from_hash(hash: &[u8]) -> Self {
        let mut bytes = [0; 16];
        for (byte, from) in bytes.iter_mut().zip(hash) {
            *byte = *from;
        }
        Self(bytes)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 16]> for Digest {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).map_err(|_| NotADigest)?;
        if plain {
            Ok(Self(number.to_be_bytes()))
        } else {
            Err(NotADigest)
        }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_back_from_its_text_and_nothing_else_is_one() {
        let digest = Digest::from_hash(&[0, 1, 0xab, 255]);
        let text = digest.to_string();
        assert_eq!(text, "0001abff000000000000000000000000");
        assert_eq!(text.parse(), Ok(digest));
        for bad in [
            "",
            "00",
            "+0001abff00000000000000000000000",
            "g001abff000000000000000000000000",
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(NotADigest), "{bad}");
        }
    }
}
