//! PGP secret keys.

use std::io::Read;

use pgp::composed::{Message, PublicOrSecret, SignedSecretKey};
use pgp::types::{KeyDetails, Password};
use zeroize::Zeroizing;

use super::SopsError;

/// More than any data key or share of one takes.
const KEY_LIMIT: u64 = 1024;

/// A secret key without its passphrase.
pub(super) struct PgpKey {
    fingerprint: String,
    subkeys: Vec<String>,
    key: SignedSecretKey,
}

impl PgpKey {
    /// The fingerprint of the primary key, upper-case hexadecimal.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether a file names this key, one of its subkeys, or the end of either.
    pub(super) fn is(&self, recipient: &str) -> bool {
        let name = recipient.trim_start_matches("0x").to_ascii_uppercase();
        let mut all = self.subkeys.iter().chain([&self.fingerprint]);
        name.len() >= 16 && all.any(|fingerprint| fingerprint.ends_with(&name))
    }

    /// What was encrypted for this key; none where it was for others, or is damaged.
    pub(super) fn open(&self, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (message, _) = Message::from_reader(sealed.as_bytes()).ok()?;
        let mut message = message.decrypt(&Password::empty(), &self.key).ok()?;
        if message.is_compressed() {
            message = message.decompress().ok()?;
        }
        let mut key = Zeroizing::new(Vec::with_capacity(64));
        message
            .by_ref()
            .take(KEY_LIMIT)
            .read_to_end(&mut key)
            .ok()?;
        Some(key)
    }
}

/// Reads the keys of one entry of a Secret, armoured or binary, and takes the passphrase off.
pub(super) fn read(
    entry: &str,
    content: &[u8],
    passphrase: Option<&[u8]>,
) -> Result<Vec<PgpKey>, SopsError> {
    let refused = |what: &str| SopsError::new("sops.key", format!("`{entry}` {what}"));
    let unreadable = || refused("is not a PGP secret key, armoured or binary");
    let passphrase = passphrase.map(|text| Password::from(text.trim_ascii_end()));
    let (parsed, _) = PublicOrSecret::from_reader_many(content).map_err(|_| unreadable())?;
    let mut keys = Vec::new();
    for key in parsed {
        match key.map_err(|_| unreadable())? {
            PublicOrSecret::Secret(key) => keys.push(unlock(key, passphrase.as_ref(), entry)?),
            PublicOrSecret::Public(_) => {
                return Err(refused(
                    "is a public key; export the secret one with `gpg --export-secret-keys`",
                ));
            }
        }
    }
    if keys.is_empty() {
        return Err(unreadable());
    }
    Ok(keys)
}

fn unlock(
    mut key: SignedSecretKey,
    passphrase: Option<&Password>,
    entry: &str,
) -> Result<PgpKey, SopsError> {
    let fingerprint = format!("{:X}", key.primary_key.fingerprint());
    let mut failed = None;
    let mut usable = 0;
    let mut count = |encrypted: bool, mut remove: Box<dyn FnMut(&Password) -> bool + '_>| {
        if !encrypted {
            usable += 1;
        } else if let Some(passphrase) = passphrase {
            if remove(passphrase) {
                usable += 1;
            } else {
                failed = Some("does not open with the passphrase");
            }
        } else {
            failed.get_or_insert("has a passphrase");
        }
    };
    let primary = &mut key.primary_key;
    count(
        primary.secret_params().is_encrypted(),
        Box::new(|passphrase| primary.remove_password(passphrase).is_ok()),
    );
    for subkey in &mut key.secret_subkeys {
        let subkey = &mut subkey.key;
        count(
            subkey.secret_params().is_encrypted(),
            Box::new(|passphrase| subkey.remove_password(passphrase).is_ok()),
        );
    }
    if let (0, Some(failed)) = (usable, failed) {
        let message = format!(
            "the PGP key {fingerprint} of `{entry}` {failed}; \
             the entry `passphrase` of the Secret holds it"
        );
        return Err(SopsError::new("sops.key", message));
    }
    Ok(PgpKey {
        fingerprint,
        subkeys: key
            .secret_subkeys
            .iter()
            .map(|subkey| format!("{:X}", subkey.key.fingerprint()))
            .collect(),
        key,
    })
}
