//! The keys of a Secret.

use std::fmt;

use super::SopsError;
use super::age_keys::{self, AgeKey};
use super::pgp_keys::{self, PgpKey};

/// Keys that open files: identities of age and secret keys of PGP.
///
/// `Debug` prints their public parts only.
#[derive(Default)]
pub struct Keys {
    pub(super) age: Vec<AgeKey>,
    pub(super) pgp: Vec<PgpKey>,
}

/// What an entry of the Secret is by its name.
enum Entry {
    Age,
    Pgp,
    Passphrase,
}

const UNDERSTOOD: &str = "`*.agekey`, `age.txt` and `keys.txt` (identities of age), \
     `ssh-privatekey`, `id_ed25519` and `id_rsa` (SSH keys as identities of age), \
     `*.asc`, `*.gpg` and `*.pgp` (secret keys of PGP) and `passphrase` (of the PGP keys)";

impl Keys {
    /// Reads the entries of a Secret: name and content.
    ///
    /// `*.agekey`, `age.txt` and `keys.txt` hold identities of age, one a line, with comments;
    /// `ssh-privatekey`, `id_ed25519` and `id_rsa` an SSH key; `*.asc`, `*.gpg` and `*.pgp` secret
    /// keys of PGP, whose passphrase, where they have one, is the entry `passphrase`. Any other
    /// name is an error, and so is a key that cannot be read or a Secret without keys
    /// (`sops.key`). Taking off a passphrase takes a good part of a second: keep the keys.
    pub fn from_secret<'a>(
        entries: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, SopsError> {
        let mut entries: Vec<_> = entries.collect();
        entries.sort_unstable();
        let mut kinds = Vec::with_capacity(entries.len());
        for (name, _) in &entries {
            kinds.push(kind(name).ok_or_else(|| {
                let message = format!("`{name}` names no key that is understood: {UNDERSTOOD} are");
                SopsError::new("sops.key", message)
            })?);
        }
        let passphrase = kinds
            .iter()
            .zip(&entries)
            .find(|(kind, _)| matches!(kind, Entry::Passphrase))
            .map(|(_, (_, content))| *content);
        let mut keys = Self::default();
        for ((name, content), kind) in entries.iter().zip(&kinds) {
            match kind {
                Entry::Age => keys.age.extend(age_keys::read(name, content)?),
                Entry::Pgp => keys.pgp.extend(pgp_keys::read(name, content, passphrase)?),
                Entry::Passphrase => {}
            }
        }
        if keys.age.is_empty() && keys.pgp.is_empty() {
            let message = format!("the Secret holds no key: {UNDERSTOOD} are understood");
            return Err(SopsError::new("sops.key", message));
        }
        Ok(keys)
    }

    /// The public parts of the keys: recipients of age and fingerprints of PGP.
    pub fn public_parts(&self) -> Vec<&str> {
        let age = self.age.iter().map(AgeKey::public);
        age.chain(self.pgp.iter().map(PgpKey::fingerprint))
            .collect()
    }
}

fn kind(name: &str) -> Option<Entry> {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match (name, extension) {
        ("age.txt" | "keys.txt" | "ssh-privatekey" | "id_ed25519" | "id_rsa", _)
        | (_, "agekey") => Some(Entry::Age),
        (_, "asc" | "gpg" | "pgp") => Some(Entry::Pgp),
        ("passphrase", _) => Some(Entry::Passphrase),
        _ => None,
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keys").field(&self.public_parts()).finish()
    }
}
