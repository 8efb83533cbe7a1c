//! Identities of age: X25519, and SSH keys without a passphrase.

use std::io::Read;

use age::armor::ArmoredReader;
use age::{Decryptor, ssh, x25519};
use zeroize::Zeroizing;

use super::SopsError;

/// More than any data key or share of one takes.
const KEY_LIMIT: u64 = 1024;

/// An identity with its public part.
pub(super) struct AgeKey {
    public: String,
    identity: Box<dyn age::Identity + Send + Sync>,
}

impl AgeKey {
    /// The recipient, such as `age1...` or `ssh-ed25519 AAAA...`.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// Whether a file names this key; a recipient of SSH may have a comment behind it.
    pub(super) fn is(&self, recipient: &str) -> bool {
        let rest = recipient.strip_prefix(self.public.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }

    /// What was encrypted for this key; none where it was for others, or is damaged.
    pub(super) fn open(&self, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let decryptor = Decryptor::new_buffered(ArmoredReader::new(sealed.as_bytes())).ok()?;
        let identity: &dyn age::Identity = self.identity.as_ref();
        let reader = decryptor.decrypt(std::iter::once(identity)).ok()?;
        let mut key = Zeroizing::new(Vec::with_capacity(64));
        reader.take(KEY_LIMIT).read_to_end(&mut key).ok()?;
        Some(key)
    }
}

/// Reads the identities of one entry of a Secret: one a line, with empty lines and comments, or
/// one SSH key.
pub(super) fn read(entry: &str, content: &[u8]) -> Result<Vec<AgeKey>, SopsError> {
    let refused = |what: String| SopsError::new("sops.key", format!("`{entry}` {what}"));
    let text = std::str::from_utf8(content).map_err(|_| refused("is not text".into()))?;
    if text.trim_start().starts_with("-----BEGIN") {
        return read_ssh(text.trim_start())
            .map(|key| vec![key])
            .map_err(|what| refused(what.into()));
    }
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let identity: x25519::Identity = line.parse().map_err(|_| {
            let what = if line.starts_with("AGE-SECRET-KEY-PQ-") {
                "is a post-quantum identity, which is not supported yet"
            } else if line.starts_with("AGE-PLUGIN-") {
                "is an identity of a plugin, which is not supported"
            } else if line.starts_with("age1") {
                "is a recipient, the public half; the identity `AGE-SECRET-KEY-1...` is needed"
            } else {
                "is not an age identity `AGE-SECRET-KEY-1...`"
            };
            refused(format!("line {number} {what}"))
        })?;
        keys.push(AgeKey {
            public: identity.to_public().to_string(),
            identity: Box::new(identity),
        });
    }
    if keys.is_empty() {
        return Err(refused("holds no age identity".into()));
    }
    Ok(keys)
}

fn read_ssh(text: &str) -> Result<AgeKey, &'static str> {
    let unreadable = "is not an SSH key of the types ed25519 or rsa";
    let identity = ssh::Identity::from_buffer(text.as_bytes(), None).map_err(|_| unreadable)?;
    match &identity {
        ssh::Identity::Unencrypted(_) => {}
        ssh::Identity::Encrypted(_) => {
            return Err("is an SSH key with a passphrase, which is not supported");
        }
        ssh::Identity::Unsupported(_) => return Err(unreadable),
    }
    let public = ssh::Recipient::try_from(identity.clone()).map_err(|_| unreadable)?;
    Ok(AgeKey {
        public: public.to_string(),
        identity: Box::new(identity),
    })
}
