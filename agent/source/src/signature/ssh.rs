//! Signatures with SSH keys, as `ssh-keygen -Y sign -n git` makes them.

use jiff::Timestamp;
use ssh_key::{HashAlg, PublicKey, SshSig};

use super::{NAMESPACE, SignatureKind, SignatureProblem, Signer, Signers};

/// Checks a signature; the signer must be valid at `made`.
pub(super) fn verify(
    payload: &[u8],
    signature: &[u8],
    signers: &Signers,
    made: Timestamp,
) -> Result<Signer, SignatureProblem> {
    let signature = SshSig::from_pem(signature).map_err(SignatureProblem::malformed)?;
    let key = signature
        .public_key()
        .fingerprint(HashAlg::Sha256)
        .to_string();
    let wrong = |why: &str| SignatureProblem::Wrong {
        key: key.clone(),
        why: why.to_owned(),
    };
    let known: Vec<_> = signers
        .ssh()
        .iter()
        .filter(|signer| signer.key.key_data() == signature.public_key())
        .collect();
    if known.is_empty() {
        return Err(SignatureProblem::Unknown { key });
    }
    if signature.namespace() != NAMESPACE {
        return Err(wrong("it was not made for Git"));
    }
    PublicKey::from(signature.public_key().clone())
        .verify(NAMESPACE, payload, &signature)
        .map_err(|_| wrong("the content is not what was signed"))?;
    let mut problem = wrong("the key may not sign for Git");
    for signer in known.iter().filter(|signer| signer.signs_for_git()) {
        match (signer.valid_after, signer.valid_before) {
            (Some(at), _) if made < at => {
                problem = SignatureProblem::NotYetValid {
                    key: key.clone(),
                    at,
                };
            }
            (_, Some(at)) if made > at => {
                problem = SignatureProblem::Expired {
                    key: key.clone(),
                    at,
                };
            }
            _ => {
                return Ok(Signer {
                    kind: SignatureKind::Ssh,
                    fingerprint: key,
                    name: signer.name.clone(),
                });
            }
        }
    }
    Err(problem)
}
