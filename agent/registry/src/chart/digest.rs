//! The SHA-256 of the archive of a chart.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of the archive of a chart. Printed as 64 hexadecimal digits with `sha256:` in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveDigest([u8; 32]);

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256: 64 hexadecimal digits, with or without `sha256:` in front")]
pub struct NotAnArchiveDigest;

impl ArchiveDigest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 digits alone.
    pub(super) fn hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl fmt::Display for ArchiveDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl FromStr for ArchiveDigest {
    type Err = NotAnArchiveDigest;

    fn from_str(text: &str) -> Result<Self, NotAnArchiveDigest> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text).as_bytes();
        if hex.len() != 64 || !hex.iter().all(u8::is_ascii_hexdigit) {
            return Err(NotAnArchiveDigest);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            let pair = str::from_utf8(pair).map_err(|_| NotAnArchiveDigest)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAnArchiveDigest)?;
        }
        Ok(Self(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_with_and_without_its_algorithm_and_nothing_else_is_one() {
        let digest = ArchiveDigest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(text[7..].to_uppercase().parse(), Ok(digest));
        for bad in ["", "sha256:", &text[..70], "sha512:00", &"+".repeat(64)] {
            assert_eq!(
                bad.parse::<ArchiveDigest>(),
                Err(NotAnArchiveDigest),
                "{bad}"
            );
        }
    }
}
