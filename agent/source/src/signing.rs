//! Signs our commits, with an SSH key or a GPG key.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use pgp::composed::{ArmorOptions, Deserializable, DetachedSignature, SignedSecretKey};
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails, KeyVersion, Password, S2kParams, SecretParams, StringToKey};
use rsa::signature::{SignatureEncoding, Signer};
use ssh_key::private::{KeypairData, RsaKeypair};
use ssh_key::{Algorithm, HashAlg, LineEnding, Mpint, PrivateKey, SshSig};
use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;

use crate::signature::{NAMESPACE, SignatureKind};

const SSH_BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const GPG_BEGIN: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----";

/// A private key that signs commits, without its passphrase. Clones share it.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    fingerprint: String,
    key: Key,
}

enum Key {
    Ssh(Box<PrivateKey>),
    Gpg(Box<SignedSecretKey>, Component),
}

/// The key of a GPG secret key that signs.
#[derive(Clone, Copy)]
enum Component {
    Primary,
    Subkey(usize),
}

/// Why a key cannot sign. No message carries a part of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// It is something else.
    #[error(
        "it is neither an SSH private key in the format of OpenSSH nor an armoured GPG secret key"
    )]
    NotAKey,
    /// It has a passphrase, and none is given.
    #[error("the key has a passphrase, and there is none beside it")]
    PassphraseMissing,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
    /// It is a key, but not one that can sign here.
    #[error("the key cannot sign: {0}")]
    Unusable(String),
}

impl SigningKeyError {
    /// The reason code under which it is reported.
    pub fn reason(&self) -> Reason {
        Reason::SigningKeyInvalid
    }
}

impl SigningKey {
    /// Reads a private key, SSH in the format of OpenSSH or GPG armoured, and takes its passphrase
    /// off, which may take a second. Of a GPG key the newest subkey that signs is used, else the
    /// primary key.
    ///
    /// # Errors
    /// [`SigningKeyError`].
    pub fn parse(key: &Redacted, passphrase: Option<&Redacted>) -> Result<Self, SigningKeyError> {
        let text = key.expose().trim();
        let passphrase = passphrase.map(|text| text.expose().trim_end_matches(['\r', '\n']));
        let inner = if text.starts_with(SSH_BEGIN) {
            ssh(text, passphrase)?
        } else if text.starts_with(GPG_BEGIN) {
            gpg(text, passphrase)?
        } else {
            return Err(SigningKeyError::NotAKey);
        };
        Ok(Self(Arc::new(inner)))
    }

    /// What it signs with.
    pub fn kind(&self) -> SignatureKind {
        match self.0.key {
            Key::Ssh(_) => SignatureKind::Ssh,
            Key::Gpg(..) => SignatureKind::Gpg,
        }
    }

    /// For SSH `SHA256:..`, for GPG the fingerprint of the primary key in hexadecimal.
    pub fn fingerprint(&self) -> &str {
        &self.0.fingerprint
    }

    /// The armoured signature of a payload. `time` is the time of a GPG signature.
    ///
    /// # Errors
    /// [`SigningKeyError::Unusable`].
    pub fn sign(&self, payload: &[u8], time: Timestamp) -> Result<String, SigningKeyError> {
        match &self.0.key {
            Key::Ssh(key) => sign_ssh(key, payload),
            Key::Gpg(key, Component::Primary) => sign_gpg(&key.primary_key, payload, time),
            Key::Gpg(key, Component::Subkey(number)) => {
                sign_gpg(&key.secret_subkeys[*number].key, payload, time)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.kind(), self.fingerprint())
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.fingerprint() == other.fingerprint()
    }
}

impl Eq for SigningKey {}

fn unusable(error: impl fmt::Display) -> SigningKeyError {
    SigningKeyError::Unusable(crate::error::printable(&error.to_string()))
}

fn ssh(text: &str, passphrase: Option<&str>) -> Result<Inner, SigningKeyError> {
    let mut key = PrivateKey::from_openssh(text).map_err(|_| SigningKeyError::NotAKey)?;
    if key.is_encrypted() {
        let passphrase = passphrase.ok_or(SigningKeyError::PassphraseMissing)?;
        key = key
            .decrypt(passphrase)
            .map_err(|_| SigningKeyError::WrongPassphrase)?;
    }
    let algorithm = key.algorithm();
    if algorithm.as_str().starts_with("sk-") {
        let why = "it is in a hardware token".to_owned();
        return Err(SigningKeyError::Unusable(why));
    }
    // Some kinds of keys are read and cannot sign.
    sign_ssh(&key, b"")?;
    Ok(Inner {
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        key: Key::Ssh(Box::new(key)),
    })
}

fn sign_ssh(key: &PrivateKey, payload: &[u8]) -> Result<String, SigningKeyError> {
    let signature = match key.key_data() {
        KeypairData::Rsa(pair) => {
            let content =
                SshSig::signed_data(NAMESPACE, HashAlg::Sha512, payload).map_err(unusable)?;
            let signature = sign_rsa(pair, &content)?;
            let public = key.public_key().key_data().clone();
            SshSig::new(public, NAMESPACE, HashAlg::Sha512, signature)
        }
        _ => key.sign(NAMESPACE, HashAlg::Sha512, payload),
    };
    signature
        .and_then(|signature| signature.to_pem(LineEnding::LF))
        .map_err(unusable)
}

/// The signature `rsa-sha2-512` of a content, RFC 8332.
fn sign_rsa(pair: &RsaKeypair, content: &[u8]) -> Result<ssh_key::Signature, SigningKeyError> {
    let number = |number: &Mpint| {
        let bytes = number.as_positive_bytes();
        bytes
            .map(rsa::BigUint::from_bytes_be)
            .ok_or_else(|| unusable("a part of it is not a positive number"))
    };
    let (public, private) = (&pair.public, &pair.private);
    let primes = vec![number(&private.p)?, number(&private.q)?];
    let key = rsa::RsaPrivateKey::from_components(
        number(&public.n)?,
        number(&public.e)?,
        number(&private.d)?,
        primes,
    );
    let key = rsa::pkcs1v15::SigningKey::<rsa::sha2::Sha512>::new(key.map_err(unusable)?);
    let signature = key.try_sign(content).map_err(unusable)?;
    let algorithm = Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    };
    ssh_key::Signature::new(algorithm, signature.to_vec()).map_err(unusable)
}

fn gpg(text: &str, passphrase: Option<&str>) -> Result<Inner, SigningKeyError> {
    let (mut key, _) = SignedSecretKey::from_armor_single(text.as_bytes())
        .map_err(|_| SigningKeyError::NotAKey)?;
    if key.primary_key.version() != KeyVersion::V4 {
        let why = "only version 4 of OpenPGP keys is supported".to_owned();
        return Err(SigningKeyError::Unusable(why));
    }
    let component = signing_component(&key)?;
    let password = passphrase.map(Password::from);
    let params = match component {
        Component::Primary => key.primary_key.secret_params(),
        Component::Subkey(number) => key.secret_subkeys[number].key.secret_params(),
    };
    if params.is_encrypted() {
        let password = password.ok_or(SigningKeyError::PassphraseMissing)?;
        let removed = match component {
            Component::Primary => key.primary_key.remove_password(&password),
            Component::Subkey(number) => key.secret_subkeys[number].key.remove_password(&password),
        };
        removed.map_err(|_| SigningKeyError::WrongPassphrase)?;
    }
    Ok(Inner {
        fingerprint: format!("{:X}", key.primary_key.fingerprint()),
        key: Key::Gpg(Box::new(key), component),
    })
}

/// The newest subkey that signs, else the primary key.
fn signing_component(key: &SignedSecretKey) -> Result<Component, SigningKeyError> {
    let primary = key.primary_key.public_key();
    let mut best = None;
    for (number, subkey) in key.secret_subkeys.iter().enumerate() {
        let public = subkey.key.public_key();
        let valid = |kind| {
            let all = subkey.signatures.iter();
            all.filter(move |s| s.typ() == Some(kind))
                .filter(|s| s.verify_subkey_binding(primary, public).is_ok())
        };
        let revoked = valid(SignatureType::SubkeyRevocation).next().is_some();
        let binding = valid(SignatureType::SubkeyBinding).max_by_key(|s| s.created());
        let signs = binding.is_some_and(|binding| binding.key_flags().sign());
        if signs && !revoked && !is_stub(subkey.key.secret_params()) {
            let created = subkey.key.created_at();
            if best.is_none_or(|(other, _)| other <= created) {
                best = Some((created, number));
            }
        }
    }
    if let Some((_, number)) = best {
        return Ok(Component::Subkey(number));
    }
    if is_stub(key.primary_key.secret_params()) {
        let why = "it holds no secret part that signs".to_owned();
        return Err(SigningKeyError::Unusable(why));
    }
    Ok(Component::Primary)
}

/// Whether only the public part is there, as `gpg --export-secret-subkeys` leaves it.
fn is_stub(params: &SecretParams) -> bool {
    match params {
        SecretParams::Plain(_) => false,
        // GnuPG's own string-to-key 101, without a secret part.
        SecretParams::Encrypted(params) => match params.string_to_key_params() {
            S2kParams::Cfb { s2k, .. } | S2kParams::MalleableCfb { s2k, .. } => {
                matches!(s2k, StringToKey::Private { .. })
            }
            _ => false,
        },
    }
}

fn sign_gpg(
    key: &impl pgp::types::SigningKey,
    payload: &[u8],
    time: Timestamp,
) -> Result<String, SigningKeyError> {
    let seconds = u32::try_from(time.as_second()).map_err(unusable)?;
    let subpacket = |data| Subpacket::regular(data).map_err(unusable);
    let mut config = SignatureConfig::v4(SignatureType::Binary, key.algorithm(), key.hash_alg());
    config.hashed_subpackets = vec![
        subpacket(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        subpacket(SubpacketData::SignatureCreationTime(
            pgp::types::Timestamp::from_secs(seconds),
        ))?,
    ];
    config.unhashed_subpackets = vec![subpacket(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    let signature = config
        .sign(key, &Password::empty(), payload)
        .map_err(unusable)?;
    DetachedSignature::new(signature)
        .to_armored_string(ArmorOptions::default())
        .map_err(unusable)
}
