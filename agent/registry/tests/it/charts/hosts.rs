//! Who gets the credentials, and who does not.

use rcgen::{CertificateParams, KeyPair};
use syncline_registry::Tls;
use syncline_registry::chart::PassCredentials;

use super::*;

/// A repository that wants the credentials of [`user`] for everything.
async fn closed(content: &'static str) -> Player {
    Player::start(move |heard, _| {
        if heard.header("authorization") == BASIC {
            serve(heard, content)
        } else {
            answer(401, &["WWW-Authenticate: Basic realm=\"charts\""], "")
        }
    })
    .await
}

#[tokio::test]
async fn credentials_go_to_the_repository_with_its_index_and_its_archives() {
    let player = closed("content").await;
    let archive = usual().fetch(&app(&player.host), &user()).await.unwrap();
    assert_eq!(archive.bytes, bytes("content"));
    assert_eq!(player.heard().len(), 2);
    let client = usual();
    let (reason, text) = client.failure(&app(&player.host), &Access::default()).await;
    assert_eq!(reason, Reason::ChartAuthFailed);
    assert!(text.contains("none are configured"), "{text}");
    let wrong = Access {
        auth: Auth::Basic {
            username: "aladdin".into(),
            password: Redacted::new("hunter2"),
        },
        ..Access::default()
    };
    // What one may see is never shown to another.
    client.fetch(&app(&player.host), &user()).await.unwrap();
    let error = client.fetch(&app(&player.host), &wrong).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ChartAuthFailed);
    assert!(!format!("{error} {error:?} {wrong:?}").contains("hunter2"));
}

#[tokio::test]
async fn no_credential_follows_a_redirect_to_another_host() {
    let other = Player::start(|heard, _| {
        let moved = heard.target.replace("/moved", "/charts");
        let index = index(&[("app", "1.0.0", "app-1.0.0.tgz", &sha256("content"))]);
        match moved.as_str() {
            "/charts/index.yaml" => answer(200, &[], &index),
            _ => answer(200, &[], "content"),
        }
    })
    .await;
    let to = other.host.clone();
    let player = Player::start(move |heard, _| {
        let moved = heard.target.replace("/charts", "/moved");
        answer(302, &[&format!("Location: http://{to}{moved}")], "")
    })
    .await;
    for pass_credentials in [PassCredentials::SameHost, PassCredentials::HostsOfIndex] {
        let access = Access {
            pass_credentials,
            ..user()
        };
        let archive = usual().fetch(&app(&player.host), &access).await.unwrap();
        assert_eq!(archive.bytes, bytes("content"));
    }
    assert!(
        player
            .heard()
            .iter()
            .all(|heard| heard.header("authorization") == BASIC)
    );
    assert_eq!(other.heard().len(), 4);
    assert!(
        other
            .heard()
            .iter()
            .all(|heard| heard.header("authorization").is_empty())
    );
}

#[tokio::test]
async fn a_redirect_on_the_same_host_keeps_the_credentials() {
    let player = Player::start(|heard, _| {
        assert_eq!(heard.header("authorization"), BASIC);
        match heard.target.as_str() {
            "/charts/index.yaml" => answer(301, &["Location: ../charts/moved/index.yaml"], ""),
            "/charts/moved/index.yaml" => {
                let index = index(&[("app", "1.0.0", "app-1.0.0.tgz", "")]);
                answer(200, &[], &index)
            }
            // Below the repository, as with Helm, not below where the index was found.
            "/charts/app-1.0.0.tgz" => answer(200, &[], "content"),
            _ => answer(404, &[], ""),
        }
    })
    .await;
    let archive = usual().fetch(&app(&player.host), &user()).await.unwrap();
    assert_eq!(archive.bytes, bytes("content"));
}

#[tokio::test]
async fn another_host_in_the_index_gets_credentials_only_where_that_is_said() {
    let other = closed("content").await;
    let url = format!("http://{}/charts/app-1.0.0.tgz", other.host);
    let player =
        Player::start(move |_, _| answer(200, &[], &index(&[("app", "1.0.0", &url, "")]))).await;
    let client = usual();
    let (reason, text) = client.failure(&app(&player.host), &user()).await;
    assert_eq!(reason, Reason::ChartAuthFailed, "{text}");
    assert!(text.contains("are not given to it"), "{text}");
    assert!(
        other
            .heard()
            .iter()
            .all(|heard| heard.header("authorization").is_empty())
    );
    let everywhere = Access {
        pass_credentials: PassCredentials::HostsOfIndex,
        ..user()
    };
    assert!(client.fetch(&app(&player.host), &everywhere).await.is_ok());
}

#[tokio::test]
async fn plain_http_is_asked_only_where_it_is_allowed() {
    let client = usual();
    let access = Access::default();
    let far = chart("http://charts.invalid/stable", "app", "");
    let (reason, text) = client.failure(&far, &access).await;
    assert_eq!(reason, Reason::InvalidSpec);
    assert!(text.contains("without HTTPS"), "{text}");
    for target in [
        "http://charts.invalid/x",
        "ftp://127.0.0.1/x",
        "http://u:p@127.0.0.1/x",
    ] {
        let location = format!("Location: {target}");
        let player = Player::start(move |_, _| answer(307, &[&location], "")).await;
        let (reason, text) = client.failure(&app(&player.host), &access).await;
        assert_eq!(reason, Reason::InvalidSpec, "{text}");
        assert!(!text.contains("u:p"), "{text}");
    }
    let allowed = client_for("charts.invalid");
    let (reason, _) = allowed.failure(&far, &access).await;
    assert_eq!(reason, Reason::ChartUnavailable);
}

fn client_for(host: &str) -> Client {
    client(|settings| {
        settings.hosts.plain_http.insert(host.to_owned());
    })
}

#[tokio::test]
async fn the_query_of_a_url_is_in_no_message() {
    let player = Player::start(|heard, _| match heard.target.as_str() {
        "/charts/index.yaml?token=hunter2" => answer(
            200,
            &[],
            &index(&[
                ("app", "1.0.0", "app-1.0.0.tgz", ""),
                ("gone", "1.0.0", "gone.tgz", ""),
            ]),
        ),
        "/charts/app-1.0.0.tgz?token=hunter2" => answer(200, &[], "content"),
        _ => answer(404, &[], ""),
    })
    .await;
    let client = usual();
    let with = |name| {
        chart(
            &format!("http://{}/charts?token=hunter2", player.host),
            name,
            "",
        )
    };
    let resolved = client.resolve(&with("app")).await.unwrap();
    assert!(
        client
            .charts
            .fetch(&resolved, &Access::default())
            .await
            .is_ok()
    );
    assert!(!format!("{resolved:?}").contains("hunter2"));
    for name in ["gone", "missing"] {
        let error = client
            .fetch(&with(name), &Access::default())
            .await
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

/// A server with a certificate of its own that wants one from its clients, and the PEM of both.
struct Closed {
    host: String,
    access: Access,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Closed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Closed {
    async fn start() -> Self {
        use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).unwrap();
        let issue = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            (params.signed_by(&key, &authority).unwrap(), key)
        };
        let (server, server_key) = issue("localhost");
        let (client, client_key) = issue("client");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let verifier = rustls::server::WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        let config = rustls::ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![server.der().clone()], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("localhost:{}", listener.local_addr().unwrap().port());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut chunk = [0; 4096];
                    let read = stream.read(&mut chunk).await.unwrap_or(0);
                    let index = index(&[("app", "1.0.0", "app-1.0.0.tgz", &sha256("content"))]);
                    let body = if chunk[..read].starts_with(b"GET /charts/index.yaml") {
                        index
                    } else {
                        "content".to_owned()
                    };
                    let _ = stream.write_all(answer(200, &[], &body).as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        let pem = |text: String| Redacted::new(text);
        let secret = [
            ("ca.crt", pem(authority.pem())),
            ("tls.crt", pem(client.pem())),
            ("tls.key", pem(client_key.serialize_pem())),
        ];
        let find = |key: &str| {
            secret
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.clone())
        };
        let access = Access::from_secret(&app("localhost"), find).unwrap();
        Self { host, access, task }
    }
}

#[tokio::test]
async fn the_authorities_and_the_certificate_of_the_secret_are_used() {
    let server = Closed::start().await;
    let chart = chart(&format!("https://{}/charts", server.host), "app", "");
    let client = usual();
    let archive = client.fetch(&chart, &server.access).await.unwrap();
    assert_eq!(archive.bytes, bytes("content"));
    let without_certificate = Access {
        tls: Tls {
            identity: None,
            ..server.access.tls.clone()
        },
        ..Access::default()
    };
    for access in [Access::default(), without_certificate] {
        let (reason, text) = client.failure(&chart, &access).await;
        assert_eq!(reason, Reason::ChartUnavailable, "{text}");
    }
    let mut broken = server.access.clone();
    broken.tls.authorities =
        Some("-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----".into());
    let (reason, text) = client.failure(&chart, &broken).await;
    assert_eq!(reason, Reason::ChartAuthFailed, "{text}");
    // The certificate is not shown to the host that a redirect leads to.
    let to = format!("Location: https://{}/charts/index.yaml", server.host);
    let player = Player::start(move |_, _| answer(302, &[&to], "")).await;
    let (reason, _) = client.failure(&app(&player.host), &server.access).await;
    assert_eq!(reason, Reason::ChartUnavailable);
}
