//! Servers that speak TLS, with certificates of their own.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, ClientCertificate, Error, Mirror};

use crate::fixture::{Fixture, basic};
use crate::server::GitServer;

/// A certificate for loopback in PEM, and a server's configuration with it.
fn certificate() -> (Vec<u8>, ServerConfig) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let pem = made.cert.pem().into_bytes();
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    (pem, config)
}

#[test]
fn a_server_with_a_certificate_of_its_own_is_trusted_only_when_that_is_given() {
    let fixture = Fixture::new();
    let (pem, config) = certificate();
    let server = GitServer::start_tls(fixture.folder.path().join("served"), config);
    let url = RepoUrl::parse(&format!("{}/config.git", server.origin())).unwrap();
    let mirror = Mirror::open(&fixture.settings, &url).unwrap();
    let (other, _) = certificate();
    for ca_pem in [None, Some(other)] {
        let access = Access {
            ca_pem,
            ..basic("ann", "hunter2")
        };
        let error = mirror.fetch(&access, "main").unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    assert!(server.seen().is_empty(), "no credential was sent");
    let access = Access {
        ca_pem: Some(pem),
        ..basic("ann", "hunter2")
    };
    assert_eq!(
        mirror.fetch(&access, "main").unwrap().commit,
        fixture.head()
    );
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn certificates_that_cannot_be_read_are_refused_before_a_request() {
    let fixture = Fixture::new();
    let mirror = fixture.mirror();
    let broken = b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n";
    for pem in [&b""[..], b"hello", broken] {
        let access = Access {
            ca_pem: Some(pem.to_vec()),
            ..Access::default()
        };
        let error = mirror.fetch(&access, "main").unwrap_err();
        assert!(
            matches!(error, Error::InvalidCertificates { .. }),
            "{error}"
        );
        assert_eq!(error.reason(), Reason::AuthFailed);
    }
    assert!(fixture.server.seen().is_empty());
}

/// An authority for clients, and a client's certificate of it.
fn authority() -> (CertificateDer<'static>, ClientCertificate) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let client_key = KeyPair::generate().unwrap();
    let client = CertificateParams::new(vec!["ann".to_owned()]).unwrap();
    let client = client.signed_by(&client_key, &issuer).unwrap();
    let certificate = ClientCertificate {
        chain_pem: client.pem().into_bytes(),
        key_pem: Redacted::new(client_key.serialize_pem()),
    };
    (root.der().clone(), certificate)
}

#[test]
fn a_server_that_asks_for_a_client_certificate_is_shown_it() {
    let fixture = Fixture::new();
    let (root, ann) = authority();
    let (_, stranger) = authority();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let server = GitServer::start_tls(fixture.folder.path().join("served"), config);
    let url = RepoUrl::parse(&format!("{}/config.git", server.origin())).unwrap();
    let mirror = Mirror::open(&fixture.settings, &url).unwrap();
    let with = |client_certificate| Access {
        ca_pem: Some(made.cert.pem().into_bytes()),
        client_certificate,
        ..Access::default()
    };
    for client in [None, Some(stranger)] {
        let error = mirror.fetch(&with(client), "main").unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    }
    assert!(server.seen().is_empty());
    let broken = ClientCertificate {
        key_pem: Redacted::new("-----BEGIN NOTHING-----"),
        ..ann.clone()
    };
    let error = mirror.fetch(&with(Some(broken)), "main").unwrap_err();
    assert!(
        matches!(error, Error::InvalidClientCertificate { .. }),
        "{error}"
    );
    let fetched = mirror.fetch(&with(Some(ann)), "main").unwrap();
    assert_eq!(fetched.commit, fixture.head());
}
