//! Whom a client trusts, and the certificate that it shows.

use reqwest::{Certificate, ClientBuilder, Identity};
use syncline_core::redacted::Redacted;

/// Whom a client trusts, and the certificate that it shows. Default: the usual authorities, none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// PEM of the authorities that are trusted instead of the usual ones.
    pub authorities: Option<String>,
    /// The certificate that the client shows where it is asked for one.
    pub identity: Option<ClientCertificate>,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    /// PEM of the certificate and what stands between it and its authority.
    pub certificate: String,
    /// PEM of its key.
    pub key: Redacted,
}

impl Tls {
    /// The same without the certificate, for a host that has no business with it.
    pub(crate) fn without_identity(&self) -> Self {
        Self {
            authorities: self.authorities.clone(),
            identity: None,
        }
    }

    pub(crate) fn apply(&self, mut builder: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        if let Some(authorities) = &self.authorities {
            builder = builder.tls_certs_only(Certificate::from_pem_bundle(authorities.as_bytes())?);
        }
        if let Some(identity) = &self.identity {
            let pem = format!("{}\n{}\n", identity.certificate, identity.key.expose());
            builder = builder.identity(Identity::from_pem(pem.as_bytes())?);
        }
        Ok(builder)
    }
}
