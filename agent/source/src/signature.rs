//! Signatures of commits and annotated tags: who made one, and whether they may.
//!
//! GPG signatures are OpenPGP (RFC 9580), SSH signatures are those of `ssh-keygen -Y sign` in the
//! namespace `git`. The judgement is that of `git verify-commit`: a GPG key that is expired or
//! revoked now signs nothing any more; `valid-after` and `valid-before` of an allowed SSH signer
//! count at the time that the committer or tagger names.

mod gpg;
mod signers;
mod ssh;
mod tags;

use std::fmt;

use jiff::Timestamp;

pub use signers::{Signers, SignersError};
pub use tags::{MOST_TAGS, SeenTag, TagContent, TagProblem, TagsProblem, verify_tags};

/// The namespace in which Git makes SSH signatures.
pub(crate) const NAMESPACE: &str = "git";

/// The header of a commit that holds its signature.
const HEADER: &[u8] = b"gpgsig";
const GPG_BEGIN: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const GPG_MESSAGE_BEGIN: &[u8] = b"-----BEGIN PGP MESSAGE-----";
const SSH_BEGIN: &[u8] = b"-----BEGIN SSH SIGNATURE-----";
const X509_BEGIN: &[u8] = b"-----BEGIN SIGNED MESSAGE-----";

/// What a signature is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureKind {
    /// An OpenPGP key.
    Gpg,
    /// An SSH key.
    Ssh,
}

impl fmt::Display for SignatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpg => "GPG",
            Self::Ssh => "SSH",
        })
    }
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// What with.
    pub kind: SignatureKind,
    /// The key: for GPG the fingerprint of the primary key in hexadecimal, for SSH `SHA256:..`.
    pub fingerprint: String,
    /// The first user id of a GPG key; the principals of an allowed SSH signer, or the comment of
    /// its key. May be empty.
    pub name: String,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            fingerprint,
            name,
        } = self;
        match name.as_str() {
            "" => write!(f, "the {kind} key {fingerprint}"),
            name => write!(f, "{name} with the {kind} key {fingerprint}"),
        }
    }
}

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// There is none.
    #[error("it is not signed")]
    Unsigned,
    /// The key is none of the allowed ones.
    #[error("it is signed by the key {key}, which is not among the allowed ones")]
    Unknown {
        /// Fingerprint or id of the key.
        key: String,
    },
    /// The signature belongs to other content, or the key may not sign.
    #[error("its signature by the key {key} is not valid: {why}")]
    Wrong {
        /// Fingerprint of the key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The key, or the signature, has expired.
    #[error("it is signed by the key {key}, which expired at {at}")]
    Expired {
        /// Fingerprint of the key.
        key: String,
        /// When it expired.
        at: Timestamp,
    },
    /// The key was revoked.
    #[error("it is signed by the key {key}, which was revoked")]
    Revoked {
        /// Fingerprint of the key.
        key: String,
    },
    /// The key is allowed only from a later time on, or is younger than the signature.
    #[error("it is signed by the key {key}, which is valid only from {at} on")]
    NotYetValid {
        /// Fingerprint of the key.
        key: String,
        /// From when on.
        at: Timestamp,
    },
    /// It is signed in a way that is not supported.
    #[error("it is signed by {what}, which is not supported")]
    Unsupported {
        /// What with.
        what: String,
    },
    /// What stands in place of a signature is none.
    #[error("its signature cannot be read: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
}

impl SignatureProblem {
    fn malformed(detail: impl fmt::Display) -> Self {
        Self::Malformed {
            detail: crate::error::printable(&detail.to_string()),
        }
    }
}

/// Why a commit is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitRefused {
    /// For its own signature.
    #[error(transparent)]
    Commit(#[from] SignatureProblem),
    /// For the tags that point to it.
    #[error(transparent)]
    Tags(#[from] TagsProblem),
}

/// Checks the signature of a commit. `object` is what `git cat-file commit` prints, `now` the time at
/// which keys must be valid.
///
/// # Errors
/// [`SignatureProblem`], also where there is no signature.
pub fn verify_commit(
    object: &[u8],
    signers: &Signers,
    now: Timestamp,
) -> Result<Signer, SignatureProblem> {
    let (payload, signature) = split_commit(object).ok_or(SignatureProblem::Unsigned)?;
    verify_at(
        &payload,
        &signature,
        signers,
        now,
        made(object, b"committer "),
    )
}

/// Checks the signature of an annotated tag. `object` is what `git cat-file tag` prints, `now` the
/// time at which keys must be valid.
///
/// # Errors
/// [`SignatureProblem`], also where there is no signature.
pub fn verify_tag(
    object: &[u8],
    signers: &Signers,
    now: Timestamp,
) -> Result<Signer, SignatureProblem> {
    let at = tag_signature(object).ok_or(SignatureProblem::Unsigned)?;
    let (payload, signature) = object.split_at(at);
    verify_at(payload, signature, signers, now, made(object, b"tagger "))
}

/// Checks a signature over a payload; allowed SSH signers must be valid `now`, as GPG keys.
///
/// # Errors
/// [`SignatureProblem`].
pub fn verify(
    payload: &[u8],
    signature: &[u8],
    signers: &Signers,
    now: Timestamp,
) -> Result<Signer, SignatureProblem> {
    verify_at(payload, signature, signers, now, None)
}

fn verify_at(
    payload: &[u8],
    signature: &[u8],
    signers: &Signers,
    now: Timestamp,
    made: Option<Timestamp>,
) -> Result<Signer, SignatureProblem> {
    let signature = signature.trim_ascii();
    if signature.starts_with(SSH_BEGIN) {
        ssh::verify(payload, signature, signers, made.unwrap_or(now))
    } else if signature.starts_with(GPG_BEGIN) || signature.starts_with(GPG_MESSAGE_BEGIN) {
        gpg::verify(payload, signature, signers, now)
    } else if signature.starts_with(X509_BEGIN) {
        let what = "an X.509 certificate".to_owned();
        Err(SignatureProblem::Unsupported { what })
    } else {
        Err(SignatureProblem::malformed("it is of no known kind"))
    }
}

/// The commit without the header of its signature, and the signature; `None` where it has none.
fn split_commit(object: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let end = object
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .map_or(object.len(), |at| at + 1);
    let (headers, rest) = object.split_at(end);
    let mut payload = Vec::with_capacity(object.len());
    let mut signature: Option<Vec<u8>> = None;
    let mut within = Within::Other;
    for line in headers.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        within = match (line.first(), within) {
            (Some(b' '), within) => within,
            _ if name == HEADER && signature.is_none() => Within::Signature,
            // The same commit signed under its other hash: no part of the payload.
            _ if name == b"gpgsig-sha256" => Within::Left,
            _ => Within::Other,
        };
        match within {
            Within::Other => payload.extend_from_slice(line),
            Within::Left => {}
            Within::Signature => {
                let value = line.strip_prefix(HEADER).unwrap_or(line);
                let value = value.strip_prefix(b" ").unwrap_or(value);
                signature.get_or_insert_default().extend_from_slice(value);
            }
        }
    }
    payload.extend_from_slice(rest);
    signature.map(|signature| (payload, signature))
}

/// Which header a line belongs to.
#[derive(Clone, Copy)]
enum Within {
    Other,
    Signature,
    Left,
}

/// Where the signature begins in a tag: at the last line that begins one, as Git looks for it.
fn tag_signature(object: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut found = None;
    for line in object.split_inclusive(|byte| *byte == b'\n') {
        let begins = [GPG_BEGIN, GPG_MESSAGE_BEGIN, SSH_BEGIN, X509_BEGIN];
        if begins.iter().any(|begin| line.starts_with(begin)) {
            found = Some(at);
        }
        at += line.len();
    }
    found
}

/// The time in the header of a committer or tagger: `Name <address> seconds zone`.
fn made(object: &[u8], header: &[u8]) -> Option<Timestamp> {
    let lines = object.split(|byte| *byte == b'\n');
    let mut headers = lines.take_while(|line| !line.is_empty());
    let line = headers.find_map(|line| line.strip_prefix(header))?;
    let after = line.iter().rposition(|byte| *byte == b'>')? + 1;
    let seconds = std::str::from_utf8(&line[after..]).ok()?;
    let seconds = seconds.split_whitespace().next()?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests;
