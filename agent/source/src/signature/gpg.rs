//! Signatures with GPG keys: OpenPGP, RFC 9580.

use jiff::Timestamp;
use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::types::{KeyDetails, Tag};

use super::{SignatureKind, SignatureProblem, Signer, Signers};

/// Checks a detached signature; the key must be valid `now`, as the `gpg` program has it.
pub(super) fn verify(
    payload: &[u8],
    signature: &[u8],
    signers: &Signers,
    now: Timestamp,
) -> Result<Signer, SignatureProblem> {
    let signature = one(signature)?;
    for certificate in signers.gpg() {
        if issued_by(&signature, &certificate.primary_key) {
            return by_primary(payload, &signature, certificate, now);
        }
        for subkey in &certificate.public_subkeys {
            if issued_by(&signature, &subkey.key) {
                return by_subkey(payload, &signature, certificate, subkey, now);
            }
        }
    }
    let fingerprint = signature
        .issuer_fingerprint()
        .first()
        .map(|f| format!("{f:X}"));
    let id = || {
        signature
            .issuer_key_id()
            .first()
            .map(|id| id.to_string().to_uppercase())
    };
    let key = fingerprint
        .or_else(id)
        .unwrap_or_else(|| "without a name".to_owned());
    Err(SignatureProblem::Unknown { key })
}

/// The one signature of an armoured block. Several would each say something else.
fn one(armoured: &[u8]) -> Result<Signature, SignatureProblem> {
    let (mut found, _) =
        DetachedSignature::from_armor_many(armoured).map_err(SignatureProblem::malformed)?;
    let first = found
        .next()
        .ok_or_else(|| SignatureProblem::malformed("it is empty"))?
        .map_err(SignatureProblem::malformed)?;
    match found.next() {
        None => Ok(first.signature),
        Some(_) => Err(SignatureProblem::malformed("there is more than one")),
    }
}

fn issued_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    let (fingerprints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
    if fingerprints.is_empty() {
        ids.contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}

/// The fingerprint of the primary key, by which a certificate is called.
fn name_of(certificate: &SignedPublicKey) -> String {
    format!("{:X}", certificate.primary_key.fingerprint())
}

fn wrong(certificate: &SignedPublicKey, why: &str) -> SignatureProblem {
    SignatureProblem::Wrong {
        key: name_of(certificate),
        why: why.to_owned(),
    }
}

fn by_primary(
    payload: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    now: Timestamp,
) -> Result<Signer, SignatureProblem> {
    let made = content(
        payload,
        signature,
        certificate,
        &certificate.primary_key,
        now,
    )?;
    let state = State::of(certificate)?;
    state.check(certificate, now, made)?;
    if state.may_sign == Some(false) {
        return Err(wrong(certificate, "the primary key may not sign"));
    }
    Ok(state.signer(certificate))
}

fn by_subkey(
    payload: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: Timestamp,
) -> Result<Signer, SignatureProblem> {
    let made = content(payload, signature, certificate, &subkey.key, now)?;
    let state = State::of(certificate)?;
    state.check(certificate, now, made)?;
    let primary = &certificate.primary_key;
    let of_type = |kind| {
        let all = subkey.signatures.iter();
        all.filter(move |s| s.typ() == Some(kind))
            .filter(|s| s.verify_subkey_binding(primary, &subkey.key).is_ok())
    };
    if of_type(SignatureType::SubkeyRevocation).next().is_some() {
        return Err(SignatureProblem::Revoked {
            key: name_of(certificate),
        });
    }
    let binding = of_type(SignatureType::SubkeyBinding)
        .max_by_key(|s| s.created())
        .ok_or_else(|| wrong(certificate, "the subkey does not belong to its key"))?;
    let back = binding.embedded_signature();
    let signs = binding.key_flags().sign()
        && back.is_some_and(|back| {
            back.verify_primary_key_binding(&subkey.key, primary)
                .is_ok()
        });
    if !signs {
        return Err(wrong(certificate, "the subkey may not sign"));
    }
    let created = subkey.key.created_at();
    let expires = expiry(created, binding.key_expiration_time());
    check_times(certificate, created, expires, now, made)?;
    Ok(state.signer(certificate))
}

/// Checks that a key made the signature over the payload, and gives the time when it did.
fn content(
    payload: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    key: &impl pgp::types::VerifyingKey,
    now: Timestamp,
) -> Result<Timestamp, SignatureProblem> {
    let detached = matches!(
        signature.typ(),
        Some(SignatureType::Binary | SignatureType::Text)
    );
    if !detached {
        return Err(wrong(certificate, "it is not a signature of a document"));
    }
    let strong = matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha224
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    );
    if !strong {
        return Err(wrong(certificate, "its hash is too weak"));
    }
    signature
        .verify(key, payload)
        .map_err(|_| wrong(certificate, "the content is not what was signed"))?;
    let made = signature.created();
    let made = made.ok_or_else(|| wrong(certificate, "it has no time"))?;
    match expiry(made, signature.signature_expiration_time()) {
        Some(at) if at <= now => Err(SignatureProblem::Expired {
            key: name_of(certificate),
            at,
        }),
        _ => Ok(time(made)),
    }
}

/// What the self-signatures of a certificate say of its primary key.
struct State {
    /// The first user id that is signed by the key and not revoked.
    user: String,
    revoked: bool,
    expires: Option<Timestamp>,
    /// `None` where nothing says what it is for: then it may.
    may_sign: Option<bool>,
}

impl State {
    fn of(certificate: &SignedPublicKey) -> Result<Self, SignatureProblem> {
        let primary = &certificate.primary_key;
        let details = &certificate.details;
        let revoked = details
            .revocation_signatures
            .iter()
            .any(|signature| signature.verify_key(primary).is_ok());
        let direct = details
            .direct_signatures
            .iter()
            .filter(|signature| signature.verify_key(primary).is_ok())
            .max_by_key(|signature| signature.created());
        let mut user: Option<String> = None;
        let mut newest: Option<&Signature> = None;
        for one in &details.users {
            let newest_of = |revocation: bool| {
                let all = one.signatures.iter();
                all.filter(|s| (s.typ() == Some(SignatureType::CertRevocation)) == revocation)
                    .filter(|s| {
                        s.verify_certification(primary, Tag::UserId, &one.id)
                            .is_ok()
                    })
                    .max_by_key(|s| s.created())
            };
            let Some(certified) = newest_of(false) else {
                continue;
            };
            if newest_of(true).is_some_and(|r| r.created() >= certified.created()) {
                continue;
            }
            let id = || String::from_utf8_lossy(one.id.id()).into_owned();
            user.get_or_insert_with(|| crate::error::printable(&id()));
            if newest.is_none_or(|other| other.created() <= certified.created()) {
                newest = Some(certified);
            }
        }
        if newest.is_none() && direct.is_none() {
            return Err(wrong(
                certificate,
                "the key has no valid signature of its own",
            ));
        }
        let both = [newest, direct];
        let created = primary.created_at();
        let expires = both
            .iter()
            .flatten()
            .filter_map(|signature| expiry(created, signature.key_expiration_time()))
            .min();
        let may_sign = both.iter().flatten().find_map(|signature| flags(signature));
        Ok(Self {
            user: user.unwrap_or_default(),
            revoked,
            expires,
            may_sign,
        })
    }

    fn check(
        &self,
        certificate: &SignedPublicKey,
        now: Timestamp,
        made: Timestamp,
    ) -> Result<(), SignatureProblem> {
        if self.revoked {
            return Err(SignatureProblem::Revoked {
                key: name_of(certificate),
            });
        }
        let created = certificate.primary_key.created_at();
        check_times(certificate, created, self.expires, now, made)
    }

    fn signer(self, certificate: &SignedPublicKey) -> Signer {
        Signer {
            kind: SignatureKind::Gpg,
            fingerprint: name_of(certificate),
            name: self.user,
        }
    }
}

/// Whether a key may sign, by the flags of its self-signature; `None` where there are none.
fn flags(signature: &Signature) -> Option<bool> {
    let mut hashed = signature.config()?.hashed_subpackets();
    hashed.find_map(|packet| match &packet.data {
        SubpacketData::KeyFlags(flags) => Some(flags.sign()),
        _ => None,
    })
}

fn check_times(
    certificate: &SignedPublicKey,
    created: pgp::types::Timestamp,
    expires: Option<Timestamp>,
    now: Timestamp,
    made: Timestamp,
) -> Result<(), SignatureProblem> {
    let key = name_of(certificate);
    match expires {
        Some(at) if at <= now => Err(SignatureProblem::Expired { key, at }),
        _ if made < time(created) => Err(SignatureProblem::NotYetValid {
            key,
            at: time(created),
        }),
        _ => Ok(()),
    }
}

fn time(time: pgp::types::Timestamp) -> Timestamp {
    Timestamp::from_second(i64::from(time.as_secs())).expect("32 bits of seconds are in range")
}

/// When something expires; `None` where it does not.
fn expiry(from: pgp::types::Timestamp, after: Option<pgp::types::Duration>) -> Option<Timestamp> {
    let seconds = after
        .map(|after| after.as_secs())
        .filter(|seconds| *seconds > 0)?;
    let at = i64::from(from.as_secs()) + i64::from(seconds);
    Some(Timestamp::from_second(at).expect("33 bits of seconds are in range"))
}
