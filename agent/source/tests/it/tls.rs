//! Servers that speak TLS, with certificates of their own.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use syncline_core::reason::Reason;
use syncline_core::url::RepoUrl;
use syncline_source::{Access, Error, Mirror};

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
