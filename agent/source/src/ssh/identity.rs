//! Reads the private key that signs in over SSH.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::PrivateKey;
use sha2::{Digest, Sha256};

use crate::settings::SshCredentials;

/// Most keys that are kept in the clear; a passphrase is slow by intent.
const MOST_KEPT: usize = 64;

/// Keys that had a passphrase, by the hash of both.
static KEPT: Mutex<BTreeMap<[u8; 32], Arc<PrivateKey>>> = Mutex::new(BTreeMap::new());

/// The key, or what is wrong with it. No word comes from the key.
pub(super) fn read(credentials: &SshCredentials) -> Result<Arc<PrivateKey>, &'static str> {
    let Some(passphrase) = &credentials.passphrase else {
        let key = decode(credentials.identity.expose(), None);
        return key.ok_or("it is no private key that can be read, or it has a passphrase");
    };
    let mut hash = Sha256::new();
    for part in [passphrase, &credentials.identity] {
        hash.update((part.expose().len() as u64).to_be_bytes());
        hash.update(part.expose());
    }
    let hash = hash.finalize().into();
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = kept().get(&hash) {
        return Ok(Arc::clone(key));
    }
    let key = decode(credentials.identity.expose(), Some(passphrase.expose()));
    let key =
        key.ok_or("it is no private key that can be read, or its passphrase is another one")?;
    let mut kept = kept();
    if kept.len() >= MOST_KEPT {
        kept.clear();
    }
    kept.insert(hash, Arc::clone(&key));
    Ok(key)
}

fn decode(text: &str, passphrase: Option<&str>) -> Option<Arc<PrivateKey>> {
    // Editors leave `\r` and blanks, which the armour does not have.
    let lines: Vec<&str> = text.trim().lines().map(str::trim).collect();
    let key = russh::keys::decode_secret_key(&lines.join("\n"), passphrase).ok()?;
    (!key.is_encrypted()).then(|| Arc::new(key))
}
