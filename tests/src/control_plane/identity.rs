//! The certificates of a control plane: one authority, and a client certificate for each user.

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

/// The certificate authority of one control plane.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, PEM.
    pub certificate: String,
}

/// A certificate and its key, PEM.
#[derive(Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Authority {
    /// Makes an authority.
    pub fn generate() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        params.distinguished_name = name("syncline-tests", None);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            certificate,
        })
    }

    /// The certificate of the API server.
    pub fn server(&self) -> Result<Identity> {
        let names = [
            "127.0.0.1",
            "localhost",
            "kubernetes",
            "kubernetes.default.svc",
            "10.96.0.1",
        ];
        self.sign(
            "kube-apiserver",
            None,
            &names,
            ExtendedKeyUsagePurpose::ServerAuth,
        )
    }

    /// The certificate of a user, in a group or none.
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Identity> {
        self.sign(user, group, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A kubeconfig that proves `user` with a client certificate. JSON, which is YAML as well.
    pub fn kubeconfig(&self, server: &str, user: &str, group: Option<&str>) -> Result<String> {
        let identity = self.client(user, group)?;
        Ok(self.kubeconfig_with(
            server,
            json!({
                "client-certificate-data": STANDARD.encode(identity.certificate),
                "client-key-data": STANDARD.encode(identity.key),
            }),
        ))
    }

    /// A kubeconfig with a bearer token.
    pub fn kubeconfig_with_token(&self, server: &str, token: &str) -> String {
        self.kubeconfig_with(server, json!({ "token": token }))
    }

    fn kubeconfig_with(&self, server: &str, user: serde_json::Value) -> String {
        let authority = STANDARD.encode(&self.certificate);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "syncline-tests",
                "cluster": { "server": server, "certificate-authority-data": authority },
            }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{
                "name": "syncline-tests",
                "context": { "cluster": "syncline-tests", "user": "user" },
            }],
            "current-context": "syncline-tests",
        })
        .to_string()
    }

    fn sign(
        &self,
        user: &str,
        group: Option<&str>,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = name(user, group);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity {
            certificate,
            key: key.serialize_pem(),
        })
    }
}

fn name(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}
