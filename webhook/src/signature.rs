//! The signature of a delivery: HMAC with SHA-256 over its raw bytes, in hexadecimal.
//!
//! The format is GitHub's:
//! <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

/// What a header claims, not yet verified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim([u8; 32]);

impl Claim {
    /// Reads `sha256=<64 hexadecimal digits>`. `None` where the header is missing, stands there
    /// twice, names another algorithm or has another length.
    pub(crate) fn from_headers(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return None;
        };
        let digits = value.as_bytes().strip_prefix(b"sha256=")?;
        let mut claim = [0; 32];
        if digits.len() != 2 * claim.len() {
            return None;
        }
        for (byte, pair) in claim.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(claim))
    }
}

/// A secret, ready to verify with.
#[derive(Clone)]
pub(crate) struct Verifier(Hmac<Sha256>);

impl Verifier {
    pub(crate) fn new(secret: &str) -> Self {
        let key = Hmac::new_from_slice(secret.as_bytes());
        Self(key.expect("HMAC takes a key of any length"))
    }

    /// Whether the secret signed these bytes; takes the same time for every claim.
    pub(crate) fn verify(&self, claim: &Claim, bytes: &[u8]) -> bool {
        let mut mac = self.0.clone();
        mac.update(bytes);
        mac.verify_slice(&claim.0).is_ok()
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(value: &str) -> Option<Claim> {
        let name = HeaderName::from_static("x-hub-signature-256");
        let mut headers = HeaderMap::new();
        headers.insert(name.clone(), value.parse().unwrap());
        Claim::from_headers(&headers, &name)
    }

    /// The vector of GitHub's documentation.
    #[test]
    fn the_documented_signature_is_verified() {
        let verifier = Verifier::new("It's a Secret to Everybody");
        let documented = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let claim = claim(&format!("sha256={documented}")).unwrap();
        assert!(verifier.verify(&claim, b"Hello, World!"));
        assert!(!verifier.verify(&claim, b"Hello, World?"));
        assert!(!Verifier::new("another").verify(&claim, b"Hello, World!"));
    }

    #[test]
    fn bad_b61_a_claim_of_another_form_is_none() {
        let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(claim(&format!("sha256={}", digits.to_uppercase())).is_some());
        for value in [
            String::new(),
            "sha256=".to_owned(),
            digits.to_owned(),
            format!("sha1={}", &digits[..40]),
            format!("sha1={digits}"),
            format!("SHA256={digits}"),
            format!("sha256={}", &digits[..62]),
            format!("sha256={}", &digits[..63]),
            format!("sha256={digits}00"),
            format!("sha256={}", "zz".repeat(32)),
            format!("sha256={}", "+1".repeat(32)),
        ] {
            assert!(claim(&value).is_none(), "{value}");
        }
    }

    #[test]
    fn bad_b61_two_claims_are_none() {
        let name = HeaderName::from_static("x-hub-signature-256");
        let value = format!("sha256={}", "00".repeat(32));
        let mut headers = HeaderMap::new();
        headers.append(name.clone(), value.parse().unwrap());
        headers.append(name.clone(), value.parse().unwrap());
        assert!(Claim::from_headers(&headers, &name).is_none());
    }
}
