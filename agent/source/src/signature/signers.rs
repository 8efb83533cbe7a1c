//! The public keys that may sign, read from the entries of a Secret.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use pgp::composed::{PublicOrSecret, SignedPublicKey};
use ssh_key::PublicKey;

use super::NAMESPACE;

const PGP_BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The keys that may sign commits and tags. Clones share them.
#[derive(Clone)]
pub struct Signers(Arc<Keys>);

struct Keys {
    gpg: Vec<SignedPublicKey>,
    ssh: Vec<AllowedSigner>,
}

/// A line of an `allowed_signers` file, or a plain public key.
pub(super) struct AllowedSigner {
    pub(super) key: PublicKey,
    /// The principals, or the comment of a plain key.
    pub(super) name: String,
    pub(super) valid_after: Option<Timestamp>,
    pub(super) valid_before: Option<Timestamp>,
    /// The patterns of namespaces; any where there is none.
    namespaces: Option<String>,
}

/// Why the keys of a Secret cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignersError {
    /// A line or an entry is not what it should be.
    #[error("`{entry}`{}: {why}", at(*line))]
    Entry {
        /// The entry of the Secret.
        entry: String,
        /// The line in it, from 1; `None` where the whole entry is meant.
        line: Option<usize>,
        /// What is wrong with it.
        why: String,
    },
    /// No entry holds a key.
    #[error("there is no key: neither GPG public keys nor SSH public keys or `allowed_signers`")]
    Empty,
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!(" line {line}")).unwrap_or_default()
}

impl Signers {
    /// Reads keys from entries of a Secret, each a name and its bytes: GPG public keys, armoured or
    /// binary, several in one entry; lines of an `allowed_signers` file as `ssh-keygen` reads it;
    /// SSH public keys as in `*.pub` files.
    ///
    /// # Errors
    /// The entry and line that is none of these; or that there is no key at all.
    pub fn parse<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, SignersError> {
        let mut keys = Keys {
            gpg: Vec::new(),
            ssh: Vec::new(),
        };
        for (entry, bytes) in entries {
            let refuse = |line, why: String| SignersError::Entry {
                entry: entry.to_owned(),
                line,
                why,
            };
            match std::str::from_utf8(bytes) {
                Ok(text) if text.contains(PGP_BEGIN) => {
                    for (number, block) in text.split(PGP_BEGIN).enumerate().skip(1) {
                        let block = format!("{PGP_BEGIN}{block}");
                        let read = gpg_keys(block.as_bytes());
                        let read =
                            read.map_err(|why| refuse(None, format!("key {number} {why}")))?;
                        keys.gpg.extend(read);
                    }
                }
                Ok(text) if text.contains("PRIVATE KEY") => {
                    let why = "is a private key; put the public one there".to_owned();
                    return Err(refuse(None, why));
                }
                Ok(text) => {
                    for (number, line) in text.lines().enumerate() {
                        let line = line.trim();
                        if line.is_empty() || line.starts_with('#') {
                            continue;
                        }
                        let signer = allowed_signer(line);
                        keys.ssh
                            .push(signer.map_err(|why| refuse(Some(number + 1), why))?);
                    }
                }
                Err(_) => {
                    let read = gpg_keys(bytes);
                    keys.gpg.extend(read.map_err(|why| refuse(None, why))?);
                }
            }
        }
        if keys.gpg.is_empty() && keys.ssh.is_empty() {
            return Err(SignersError::Empty);
        }
        Ok(Self(Arc::new(keys)))
    }

    pub(super) fn gpg(&self) -> &[SignedPublicKey] {
        &self.0.gpg
    }

    pub(super) fn ssh(&self) -> &[AllowedSigner] {
        &self.0.ssh
    }
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signers")
            .field("gpg", &self.0.gpg.len())
            .field("ssh", &self.0.ssh.len())
            .finish()
    }
}

impl AllowedSigner {
    /// Whether it may sign for Git.
    pub(super) fn signs_for_git(&self) -> bool {
        let Some(patterns) = &self.namespaces else {
            return true;
        };
        let mut allowed = false;
        for pattern in patterns.split(',') {
            match pattern.strip_prefix('!') {
                Some(pattern) if matches(pattern, NAMESPACE) => return false,
                None if matches(pattern, NAMESPACE) => allowed = true,
                _ => {}
            }
        }
        allowed
    }
}

fn gpg_keys(bytes: &[u8]) -> Result<Vec<SignedPublicKey>, String> {
    let unreadable = |_| "is not a GPG public key, armoured or binary".to_owned();
    let (parsed, _) = PublicOrSecret::from_reader_many(bytes).map_err(unreadable)?;
    let mut keys = Vec::new();
    for key in parsed {
        match key.map_err(unreadable)? {
            PublicOrSecret::Public(key) => keys.push(key),
            PublicOrSecret::Secret(_) => {
                return Err("is a secret key; export the public one with `gpg --export`".to_owned());
            }
        }
    }
    if keys.is_empty() {
        return Err("holds no GPG public key".to_owned());
    }
    Ok(keys)
}

/// Reads `principals [options] type base64 [comment]`, or `type base64 [comment]`.
fn allowed_signer(line: &str) -> Result<AllowedSigner, String> {
    let is_type = |word: &str| {
        ["ssh-", "ecdsa-", "sk-"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    let (first, rest) = word(line)?;
    if is_type(first) {
        let key = key(line)?;
        return Ok(AllowedSigner {
            name: key.comment().to_owned(),
            key,
            valid_after: None,
            valid_before: None,
            namespaces: None,
        });
    }
    let name = first.trim_matches('"').to_owned();
    let (second, after) = word(rest)?;
    let (options, rest) = if is_type(second) {
        ("", rest)
    } else {
        (second, after)
    };
    let mut signer = AllowedSigner {
        key: key(rest)?,
        name,
        valid_after: None,
        valid_before: None,
        namespaces: None,
    };
    for option in split_outside_quotes(options) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "" => {}
            "namespaces" => signer.namespaces = Some(value.to_owned()),
            "valid-after" => signer.valid_after = Some(time(value)?),
            "valid-before" => signer.valid_before = Some(time(value)?),
            "cert-authority" => {
                return Err("certificate authorities are not supported; name the keys".to_owned());
            }
            _ => return Err(format!("the option `{name}` is not known")),
        }
    }
    Ok(signer)
}

fn key(text: &str) -> Result<PublicKey, String> {
    let text = text.trim();
    if text.contains("-cert-v01@") {
        return Err("certificates are not supported; name the key".to_owned());
    }
    PublicKey::from_openssh(text).map_err(|error| format!("is not an SSH public key: {error}"))
}

/// The first word, in which blanks may stand between quotes, and what comes after it.
fn word(text: &str) -> Result<(&str, &str), String> {
    let text = text.trim_start();
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_whitespace()
    });
    if quoted && end.is_none() {
        return Err("a quote does not end".to_owned());
    }
    Ok(text.split_at(end.unwrap_or(text.len())))
}

fn split_outside_quotes(options: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    options.split(move |c: char| {
        quoted ^= c == '"';
        !quoted && c == ','
    })
}

/// Reads `YYYYMMDD` or `YYYYMMDDHHMM[SS]`, with or without a `Z`. Without it `ssh-keygen` takes the
/// zone of the machine; here it is UTC as well.
fn time(text: &str) -> Result<Timestamp, String> {
    let refuse = || format!("`{text}` is not a time such as `20261231` or `202612312359Z`");
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let padded = match digits.len() {
        8 | 12 => format!("{digits:0<14}"),
        14 => digits.to_owned(),
        _ => return Err(refuse()),
    };
    if !padded.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse());
    }
    let part = |from: usize, to: usize| &padded[from..to];
    format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    )
    .parse()
    .map_err(|_| refuse())
}

/// Whether a pattern with `*` and `?` matches the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            matches(&pattern[1..], text) || (!text.is_empty() && matches(pattern, &text[1..]))
        }
        (Some(p), Some(t)) if p == '?' || p == t => {
            matches(&pattern[p.len_utf8()..], &text[t.len_utf8()..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn one(line: &str) -> AllowedSigner {
        allowed_signer(line).unwrap_or_else(|why| panic!("{line}: {why}"))
    }

    #[test]
    fn lines_of_allowed_signers_and_plain_keys_are_read() {
        let plain = one(&format!("{ED25519} ann@example.com"));
        assert_eq!(plain.name, "ann@example.com");
        assert!(plain.signs_for_git());
        let line = format!(
            "ann@example.com,*@example.org \
             namespaces=\"file,git\",Valid-After=\"20260101\",valid-before=\"202612312359Z\" {ED25519}"
        );
        let signer = one(&line);
        assert_eq!(signer.name, "ann@example.com,*@example.org");
        assert!(signer.signs_for_git());
        assert_eq!(
            signer.valid_after.unwrap().to_string(),
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(
            signer.valid_before.unwrap().to_string(),
            "2026-12-31T23:59:00Z"
        );
        assert_eq!(signer.key.key_data(), plain.key.key_data());
        assert_eq!(
            one(&format!("\"Ann Example\" {ED25519}")).name,
            "Ann Example"
        );
    }

    #[test]
    fn namespaces_are_patterns() {
        for (namespaces, git) in [
            ("git", true),
            ("g?t", true),
            ("*", true),
            ("file", false),
            ("*,!git", false),
            ("!file,*", true),
            ("!file", false),
        ] {
            let line = format!("ann namespaces=\"{namespaces}\" {ED25519}");
            assert_eq!(one(&line).signs_for_git(), git, "{namespaces}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_its_entry_and_line() {
        for (text, line, words) in [
            ("# nothing\n\n", None, "there is no key"),
            ("\nnonsense\n", Some(2), "SSH public key"),
            ("ann \"x y\n", Some(1), "quote"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\n", None, "private key"),
            (PGP_BEGIN, None, "key 1"),
            ("ann ssh-ed25519 AAAA\n", Some(1), "SSH public key"),
        ] {
            let error = Signers::parse([("keys", text.as_bytes())]).unwrap_err();
            assert!(error.to_string().contains(words), "{text}: {error}");
            let found = match &error {
                SignersError::Entry { entry, line, .. } => {
                    assert_eq!(entry, "keys");
                    *line
                }
                SignersError::Empty => None,
            };
            assert_eq!(found, line, "{text}");
        }
        for option in [
            "cert-authority",
            "unknown",
            "valid-after=\"2026\"",
            "valid-after=\"20261301\"",
        ] {
            let text = format!("ann {option} {ED25519}");
            assert!(
                Signers::parse([("keys", text.as_bytes())]).is_err(),
                "{option}"
            );
        }
        let error = Signers::parse([("binary", &[0xff_u8, 0xfe][..])]).unwrap_err();
        assert!(error.to_string().contains("`binary`"), "{error}");
    }
}
