//! The key of a file, from whichever of its recipients is ours.

use std::fmt;

use zeroize::Zeroizing;

use super::SopsError;
use super::keys::Keys;
use super::metadata::{Group, Metadata};
use super::shamir;

/// The 256 bits that every value of a file is encrypted with. Never printed.
pub(super) struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Decrypts the key of a file; with several groups of recipients, as many shares as it needs.
pub(super) fn unwrap(metadata: &Metadata, keys: &Keys) -> Result<DataKey, SopsError> {
    let groups = metadata.groups.len();
    let mut damaged = None;
    let mut shares = Vec::new();
    for group in &metadata.groups {
        match open(group, keys) {
            Ok(Some(share)) => shares.push(share),
            Ok(None) => {}
            Err(recipient) => damaged = Some(recipient),
        }
        if shares.len() == metadata.threshold {
            break;
        }
    }
    if shares.len() < metadata.threshold {
        return Err(match damaged {
            Some(recipient) => SopsError::format(format!(
                "the key that the metadata hold for {recipient} is damaged"
            )),
            None => no_key(metadata, keys, shares.len()),
        });
    }
    let key = if groups == 1 {
        shares.pop()
    } else {
        shamir::combine(&shares)
    };
    key.and_then(|key| DataKey::from_bytes(&key))
        .ok_or_else(|| {
            SopsError::format("what the metadata hold for our keys is not the key of a file")
        })
}

/// The key or share of a group; an error names the recipient whose key is ours and does not open.
fn open<'a>(group: &'a Group, keys: &Keys) -> Result<Option<Zeroizing<Vec<u8>>>, &'a str> {
    let mut damaged = None;
    for recipient in &group.age {
        if let Some(key) = keys.age.iter().find(|key| key.is(&recipient.name)) {
            match key.open(&recipient.sealed) {
                Some(share) => return Ok(Some(share)),
                None => damaged = Some(recipient.name.as_str()),
            }
        }
    }
    for recipient in &group.pgp {
        if let Some(key) = keys.pgp.iter().find(|key| key.is(&recipient.name)) {
            match key.open(&recipient.sealed) {
                Some(share) => return Ok(Some(share)),
                None => damaged = Some(recipient.name.as_str()),
            }
        }
    }
    match damaged {
        Some(recipient) => Err(recipient),
        None => Ok(None),
    }
}

fn no_key(metadata: &Metadata, keys: &Keys, opened: usize) -> SopsError {
    let cloud = metadata.cloud().join(", ");
    let recipients: Vec<String> = metadata.recipients().map(short).collect();
    if recipients.is_empty() && !cloud.is_empty() {
        let message = format!(
            "the file can be opened with {cloud} only: cloud key services are not supported yet; \
             add a recipient of age or PGP"
        );
        return SopsError::new("sops.kms", message);
    }
    if recipients.is_empty() {
        return SopsError::format("the metadata name no recipient");
    }
    let what = if metadata.groups.len() == 1 {
        "no key of the Secret fits".to_owned()
    } else {
        format!(
            "the file needs {} of its {} key groups and the keys of the Secret open {opened}",
            metadata.threshold,
            metadata.groups.len()
        )
    };
    let cloud = if cloud.is_empty() {
        cloud
    } else {
        format!(" ({cloud}: cloud key services are not supported yet)")
    };
    let message = format!(
        "{what}: the file is for {}; the Secret has {}{cloud}",
        recipients.join(", "),
        keys.public_parts()
            .into_iter()
            .map(short)
            .collect::<Vec<_>>()
            .join(", ")
    );
    SopsError::new("sops.no_key", message)
}

/// A recipient as messages name it: those of age and PGP whole, the long ones of SSH by their start.
fn short(recipient: &str) -> String {
    const LENGTH: usize = 80;
    let mut shown: String = recipient.chars().take(LENGTH).collect();
    if shown.len() < recipient.len() {
        shown.push('…');
    }
    shown
}
