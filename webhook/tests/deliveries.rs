//! What a sender meets: through the router, and over a real listener.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request, StatusCode};
use sha2::Sha256;
use syncline_core::record::{DeliveryVerdict, Name};
use syncline_core::redacted::Redacted;
use syncline_webhook::{
    Counters, Counts, Delivery, Hook, Provider, Registrations, Settings, Told, router,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::ServiceExt;

const SECRET: &str = "a secret of some length";
const GITHUB: &str = "/webhook/github";
const GENERIC: &str = "/webhook/generic";

struct Listener {
    routes: Router,
    registrations: Registrations,
    counters: Counters,
    deliveries: mpsc::Receiver<Delivery>,
    told: Arc<Mutex<Vec<Told>>>,
}

fn listener() -> Listener {
    with(Settings::default(), 16)
}

fn with(settings: Settings, capacity: usize) -> Listener {
    let (sender, deliveries) = mpsc::channel(capacity);
    let registrations = Registrations::default();
    registrations.replace([hook(
        "config",
        "https://git.example.com/acme/config.git",
        SECRET,
    )]);
    let counters = Counters::default();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let routes = router(
        settings,
        registrations.clone(),
        sender,
        counters.clone(),
        move |delivery| heard.lock().unwrap().push(delivery),
    );
    Listener {
        routes,
        registrations,
        counters,
        deliveries,
        told,
    }
}

fn hook(name: &str, url: &str, secret: &str) -> Hook {
    Hook {
        repository: Name::new("team", name),
        url_identity: syncline_core::url::identity(url),
        branch: "main".to_owned(),
        secret: Redacted::new(secret),
    }
}

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize()
        .into_bytes()
        .iter()
        .fold("sha256=".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

fn push(url: &str) -> Vec<u8> {
    format!(r#"{{"ref": "refs/heads/main", "repository": {{"clone_url": "{url}"}}}}"#).into_bytes()
}

fn config_push() -> Vec<u8> {
    push("https://git.example.com/acme/config.git")
}

/// A request as GitHub sends it; headers given replace those of the same name.
fn github(body: &[u8], headers: &[(&str, &str)]) -> Request<Body> {
    let signature = sign(SECRET, body);
    let mut request = Request::post(GITHUB)
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-hub-signature-256", &signature)
        .body(Body::from(body.to_vec()))
        .unwrap();
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

fn generic(body: &[u8]) -> Request<Body> {
    Request::post(GENERIC)
        .header("x-signature", sign(SECRET, body))
        .body(Body::from(body.to_vec()))
        .unwrap()
}

impl Listener {
    /// Status and body of the answer.
    async fn answer(&self, request: Request<Body>) -> (StatusCode, Vec<u8>) {
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        (
            status,
            to_bytes(answer.into_body(), 4096).await.unwrap().to_vec(),
        )
    }

    async fn status(&self, request: Request<Body>) -> StatusCode {
        self.answer(request).await.0
    }

    fn delivered(&mut self) -> Vec<Delivery> {
        std::iter::from_fn(|| self.deliveries.try_recv().ok()).collect()
    }

    fn counts(&self) -> Counts {
        self.counters.read()
    }

    /// Serves on a free port of loopback.
    async fn serve(&self) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = self.routes.clone();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }
}

#[tokio::test]
async fn a_signed_push_becomes_a_delivery() {
    let mut listener = listener();
    let request = github(&config_push(), &[("x-github-delivery", "72d3162e")]);
    assert_eq!(
        listener.answer(request).await,
        (StatusCode::ACCEPTED, Vec::new())
    );
    assert_eq!(
        listener.delivered(),
        [Delivery {
            repositories: vec![Name::new("team", "config")],
            branch: Some("main".into()),
            provider: Provider::GitHub,
            delivery_id: "72d3162e".into(),
        }]
    );
    assert_eq!(
        listener.counts(),
        Counts {
            accepted: 1,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn a_signed_generic_body_becomes_a_delivery() {
    let mut listener = listener();
    let body = br#"{"repository": "git@git.example.com:acme/config.git", "branch": "main"}"#;
    assert_eq!(listener.status(generic(body)).await, StatusCode::ACCEPTED);
    let delivered = listener.delivered();
    assert_eq!(delivered[0].repositories, [Name::new("team", "config")]);
    assert_eq!(delivered[0].branch.as_deref(), Some("main"));
    assert_eq!(delivered[0].provider, Provider::Generic);
    assert_eq!(delivered[0].delivery_id.len(), 64);
}

#[tokio::test]
async fn every_spelling_of_the_url_finds_the_repository() {
    let mut listener = listener();
    let spellings = [
        "https://git.example.com/acme/config.git",
        "https://GIT.example.com/Acme/Config",
        "ssh://git@git.example.com:22/acme/config.git",
        "git@git.example.com:acme/config.git",
    ];
    for url in spellings {
        assert_eq!(
            listener.status(github(&push(url), &[])).await,
            StatusCode::ACCEPTED
        );
        assert_eq!(listener.delivered().len(), 1, "{url}");
    }
}

#[tokio::test]
async fn bad_b61_a_delivery_without_a_valid_signature_is_401_and_nothing_else() {
    let mut listener = listener();
    let body = config_push();
    let right = sign(SECRET, &body);
    let wrong = [
        String::new(),
        "sha256=".to_owned(),
        "sha1=0123456789012345678901234567890123456789".to_owned(),
        right.replace("sha256=", "sha1="),
        right.replace("sha256=", "sha512="),
        right.replace("sha256=", ""),
        right[..right.len() - 2].to_owned(),
        format!("{right}00"),
        sign("another secret", &body),
        sign("", &body),
        sign(SECRET, b"another body"),
        format!("sha256={}", "00".repeat(32)),
    ];
    for signature in &wrong {
        let request = github(&body, &[("x-hub-signature-256", signature)]);
        let answer = listener.answer(request).await;
        assert_eq!(
            answer,
            (StatusCode::UNAUTHORIZED, Vec::new()),
            "{signature}"
        );
    }
    let mut missing = github(&body, &[("x-hub-signature", &right)]);
    missing.headers_mut().remove("x-hub-signature-256");
    assert_eq!(
        listener.answer(missing).await,
        (StatusCode::UNAUTHORIZED, Vec::new())
    );
    let mut twice = github(&body, &[]);
    twice
        .headers_mut()
        .append("x-hub-signature-256", right.parse().unwrap());
    assert_eq!(
        listener.answer(twice).await,
        (StatusCode::UNAUTHORIZED, Vec::new())
    );
    // Malformed and unsigned: the signature speaks first.
    let request = github(b"not json", &[("x-hub-signature-256", &right)]);
    assert_eq!(
        listener.answer(request).await,
        (StatusCode::UNAUTHORIZED, Vec::new())
    );
    // The header of the other format does not count.
    let request = Request::post(GENERIC)
        .header("x-hub-signature-256", &right)
        .body(Body::from(body.clone()))
        .unwrap();
    assert_eq!(
        listener.answer(request).await,
        (StatusCode::UNAUTHORIZED, Vec::new())
    );

    assert!(listener.delivered().is_empty());
    let rejected = wrong.len() as u64 + 4;
    assert_eq!(
        listener.counts(),
        Counts {
            rejected,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn bad_b61_without_any_hook_everything_is_401() {
    let listener = listener();
    listener.registrations.replace([]);
    let answer = listener.answer(github(&config_push(), &[])).await;
    assert_eq!(answer, (StatusCode::UNAUTHORIZED, Vec::new()));
}

#[tokio::test]
async fn bad_b61_an_empty_secret_signs_nothing() {
    let mut listener = listener();
    listener
        .registrations
        .replace([hook("open", "https://git.example.com/acme/config", "")]);
    let body = config_push();
    let request = github(&body, &[("x-hub-signature-256", &sign("", &body))]);
    assert_eq!(listener.status(request).await, StatusCode::UNAUTHORIZED);
    assert!(listener.delivered().is_empty());
}

#[tokio::test]
async fn a_secret_speaks_only_for_its_own_repositories() {
    let mut listener = listener();
    listener.registrations.replace([
        hook("config", "https://git.example.com/acme/config", SECRET),
        hook("copy", "https://git.example.com/acme/config.git", SECRET),
        hook("other-url", "https://git.example.com/acme/other", SECRET),
        hook(
            "other-secret",
            "https://git.example.com/acme/config",
            "of somebody else",
        ),
    ]);
    assert_eq!(
        listener.status(github(&config_push(), &[])).await,
        StatusCode::ACCEPTED
    );
    let names = [Name::new("team", "config"), Name::new("team", "copy")];
    assert_eq!(listener.delivered()[0].repositories, names);
    // The secret of the first hooks has no word about the last one.
    let body = config_push();
    let request = github(
        &body,
        &[("x-hub-signature-256", &sign("of somebody else", &body))],
    );
    listener.status(request).await;
    let counts = listener.counts();
    // The same body is the same delivery, whoever signed it.
    assert_eq!((counts.accepted, counts.duplicate), (1, 1));
}

#[tokio::test]
async fn replaced_hooks_count_at_once() {
    let mut listener = listener();
    let body = push("https://git.example.com/acme/new");
    assert_eq!(
        listener.status(github(&body, &[])).await,
        StatusCode::ACCEPTED
    );
    assert!(listener.delivered().is_empty());
    listener
        .registrations
        .replace([hook("new", "https://git.example.com/acme/new", SECRET)]);
    // A delivery that led to nothing before is not taken for a duplicate.
    assert_eq!(
        listener.status(github(&body, &[])).await,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        listener.delivered()[0].repositories,
        [Name::new("team", "new")]
    );
}

#[tokio::test]
async fn bad_b62_a_signed_body_of_another_form_is_400() {
    let mut listener = listener();
    // The first bytes of a gzip stream: nothing is ever unpacked.
    let bomb = [&[0x1f, 0x8b, 0x08, 0x00][..], &[0; 1000]].concat();
    let bodies: [&[u8]; 9] = [
        b"",
        b"null",
        b"[]",
        b"1e9",
        b"{}",
        br#"{"repository": null}"#,
        br#"{"repository": []}"#,
        br#"{"repository": {"id": 1.0}}"#,
        &bomb,
    ];
    for body in bodies {
        let request = github(body, &[("content-encoding", "gzip")]);
        assert_eq!(
            listener.answer(request).await,
            (StatusCode::BAD_REQUEST, Vec::new())
        );
        assert_eq!(
            listener.answer(generic(body)).await,
            (StatusCode::BAD_REQUEST, Vec::new())
        );
    }
    let mut eventless = github(&config_push(), &[]);
    eventless.headers_mut().remove("x-github-event");
    assert_eq!(listener.status(eventless).await, StatusCode::BAD_REQUEST);
    assert!(listener.delivered().is_empty());
    assert_eq!(
        listener.counts(),
        Counts {
            refused: 19,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn bad_b62_ids_as_floats_and_deleted_branches_are_only_a_hint() {
    let mut listener = listener();
    let body = br#"{"ref": "refs/heads/main", "deleted": true, "after": 0.0, "repository":
        {"id": 1.0e3, "clone_url": "https://git.example.com/acme/config", "owner": null}}"#;
    assert_eq!(
        listener.status(github(body, &[])).await,
        StatusCode::ACCEPTED
    );
    assert_eq!(listener.delivered()[0].branch.as_deref(), Some("main"));
}

#[tokio::test]
async fn bad_b63_an_unknown_repository_is_answered_like_a_known_one() {
    let mut listener = listener();
    let unknown = github(&push("https://git.example.com/acme/unknown"), &[]);
    let known = github(&config_push(), &[]);
    assert_eq!(listener.answer(unknown).await, listener.answer(known).await);
    assert_eq!(listener.delivered().len(), 1);
    assert_eq!(
        listener.counts(),
        Counts {
            accepted: 1,
            ignored: 1,
            ..Counts::default()
        }
    );
}

#[tokio::test(start_paused = true)]
async fn bad_b63_a_replay_is_answered_alike_and_counts_once_in_the_window() {
    let mut listener = listener();
    let request = || github(&config_push(), &[("x-github-delivery", "72d3162e")]);
    for _ in 0..3 {
        assert_eq!(
            listener.answer(request()).await,
            (StatusCode::ACCEPTED, Vec::new())
        );
    }
    assert_eq!(listener.delivered().len(), 1);
    assert_eq!(
        listener.counts(),
        Counts {
            accepted: 1,
            duplicate: 2,
            ..Counts::default()
        }
    );

    tokio::time::advance(Settings::default().duplicate_window).await;
    assert_eq!(listener.status(request()).await, StatusCode::ACCEPTED);
    assert_eq!(listener.delivered().len(), 1);
}

#[tokio::test]
async fn without_a_delivery_id_the_same_body_is_the_same_delivery() {
    let mut listener = listener();
    for _ in 0..2 {
        assert_eq!(
            listener.status(github(&config_push(), &[])).await,
            StatusCode::ACCEPTED
        );
    }
    assert_eq!(listener.delivered().len(), 1);
}

#[tokio::test]
async fn two_plain_bodies_without_an_id_may_be_two_pushes() {
    let mut listener = listener();
    let plain = br#"{"repository": "https://git.example.com/acme/config"}"#;
    let named = br#"{"repository": "https://git.example.com/acme/config", "delivery": "7"}"#;
    for _ in 0..2 {
        assert_eq!(listener.status(generic(plain)).await, StatusCode::ACCEPTED);
        assert_eq!(listener.status(generic(named)).await, StatusCode::ACCEPTED);
    }
    let ids: Vec<String> = listener
        .delivered()
        .into_iter()
        .map(|delivery| delivery.delivery_id)
        .collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[1], "7");
}

#[tokio::test]
async fn a_ping_and_other_events_are_202_and_ignored() {
    let mut listener = listener();
    for event in ["ping", "issues", "workflow_run"] {
        let request = github(br#"{"zen": "..."}"#, &[("x-github-event", event)]);
        assert_eq!(
            listener.answer(request).await,
            (StatusCode::ACCEPTED, Vec::new())
        );
    }
    assert!(listener.delivered().is_empty());
    assert_eq!(
        listener.counts(),
        Counts {
            ignored: 3,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn other_methods_are_405_and_other_paths_404() {
    let listener = listener();
    for method in [
        Method::GET,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ] {
        for path in [GITHUB, GENERIC] {
            let request = Request::builder()
                .method(&method)
                .uri(path)
                .body(Body::empty());
            let status = listener.status(request.unwrap()).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        }
    }
    for path in [
        "/",
        "/webhook",
        "/webhook/github/",
        "/webhook/gitlab",
        "/api/v1/applications",
    ] {
        let request = Request::post(path).body(Body::empty()).unwrap();
        assert_eq!(
            listener.answer(request).await,
            (StatusCode::NOT_FOUND, Vec::new())
        );
    }
}

#[tokio::test]
async fn a_full_channel_is_still_202_and_the_delivery_may_come_again() {
    let mut listener = with(Settings::default(), 1);
    let request = |id: &str| github(&config_push(), &[("x-github-delivery", id)]);
    for id in ["1", "2"] {
        assert_eq!(
            listener.answer(request(id)).await,
            (StatusCode::ACCEPTED, Vec::new())
        );
    }
    assert_eq!(
        listener.counts(),
        Counts {
            accepted: 1,
            overflowed: 1,
            ..Counts::default()
        }
    );
    assert_eq!(listener.delivered().len(), 1);
    assert_eq!(listener.status(request("2")).await, StatusCode::ACCEPTED);
    assert_eq!(listener.delivered()[0].delivery_id, "2");
}

#[tokio::test]
async fn fault_f39_a_storm_of_deliveries_half_of_them_invalid_keeps_the_queue_bounded() {
    let mut listener = with(Settings::default(), 16);
    let body = config_push();
    let wrong = sign("another secret", &body);
    for number in 0..5_000 {
        let id = number.to_string();
        let headers = [("x-github-delivery", id.as_str())];
        assert_eq!(
            listener.status(github(&body, &headers)).await,
            StatusCode::ACCEPTED
        );
        let invalid = github(&body, &[headers[0], ("x-hub-signature-256", &wrong)]);
        assert_eq!(listener.status(invalid).await, StatusCode::UNAUTHORIZED);
        assert!(listener.deliveries.len() <= 16);
    }
    let expected = Counts {
        accepted: 16,
        overflowed: 4_984,
        rejected: 5_000,
        ..Counts::default()
    };
    assert_eq!(listener.counts(), expected);
    assert_eq!(listener.delivered().len(), 16);
    let after = github(&body, &[("x-github-delivery", "after")]);
    assert_eq!(listener.status(after).await, StatusCode::ACCEPTED);
    assert_eq!(listener.delivered().len(), 1);
}

/// Sends bytes and reads the first line of the answer.
async fn status_line(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !answer.windows(2).any(|pair| pair == b"\r\n") {
        let length = stream.read(&mut chunk).await.unwrap();
        assert_ne!(length, 0, "closed without an answer");
        answer.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8(answer)
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

fn head(body: &[u8], framing: &str) -> String {
    let signature = sign(SECRET, body);
    format!(
        "POST {GITHUB} HTTP/1.1\r\nhost: hooks\r\nx-github-event: push\r\n\
         x-hub-signature-256: {signature}\r\n{framing}\r\n\r\n"
    )
}

#[tokio::test]
async fn over_a_real_listener_a_push_arrives() {
    let mut listener = listener();
    let mut stream = TcpStream::connect(listener.serve().await).await.unwrap();
    let body = config_push();
    let length = format!("content-length: {}", body.len());
    stream
        .write_all(head(&body, &length).as_bytes())
        .await
        .unwrap();
    stream.write_all(&body).await.unwrap();
    assert_eq!(status_line(&mut stream).await, "HTTP/1.1 202 Accepted");
    assert_eq!(
        listener.deliveries.recv().await.unwrap().branch.as_deref(),
        Some("main")
    );
}

#[tokio::test]
async fn bad_b62_a_body_of_2_gb_is_413_before_it_is_sent() {
    let listener = listener();
    let mut stream = TcpStream::connect(listener.serve().await).await.unwrap();
    let head = head(b"", "content-length: 2147483648");
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(
        status_line(&mut stream).await,
        "HTTP/1.1 413 Payload Too Large"
    );
    assert_eq!(
        listener.counts(),
        Counts {
            refused: 1,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn bad_b62_an_endless_body_is_413_at_the_limit() {
    let listener = with(
        Settings {
            max_body_bytes: 1000,
            ..Settings::default()
        },
        16,
    );
    let mut stream = TcpStream::connect(listener.serve().await).await.unwrap();
    let head = head(b"", "transfer-encoding: chunked");
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..11 {
        let chunk = format!("64\r\n{}\r\n", "a".repeat(100));
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    assert_eq!(
        status_line(&mut stream).await,
        "HTTP/1.1 413 Payload Too Large"
    );
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read() {
    let mut body = config_push();
    let limit = 4096;
    body.resize(limit, b' ');
    let mut listener = with(
        Settings {
            max_body_bytes: limit,
            ..Settings::default()
        },
        16,
    );
    assert_eq!(
        listener.status(github(&body, &[])).await,
        StatusCode::ACCEPTED
    );
    assert_eq!(listener.delivered().len(), 1);
    body.push(b' ');
    assert_eq!(
        listener.status(github(&body, &[])).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn bad_b62_a_slow_body_is_408() {
    let settings = Settings {
        body_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let listener = with(settings, 16);
    let mut stream = TcpStream::connect(listener.serve().await).await.unwrap();
    let body = config_push();
    let length = format!("content-length: {}", body.len());
    stream
        .write_all(head(&body, &length).as_bytes())
        .await
        .unwrap();
    stream.write_all(&body[..10]).await.unwrap();
    assert_eq!(
        status_line(&mut stream).await,
        "HTTP/1.1 408 Request Timeout"
    );
    assert_eq!(
        listener.counts(),
        Counts {
            refused: 1,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn slow_senders_hold_up_the_others_no_longer_than_the_timeout() {
    let settings = Settings {
        max_in_flight: 1,
        body_timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let mut listener = with(settings, 16);
    let address = listener.serve().await;
    let body = config_push();
    let length = format!("content-length: {}", body.len());
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(head(&body, &length).as_bytes())
        .await
        .unwrap();
    assert_eq!(status_line(&mut slow).await, "HTTP/1.1 408 Request Timeout");
    assert_eq!(
        listener.status(github(&body, &[])).await,
        StatusCode::ACCEPTED
    );
    assert_eq!(listener.delivered().len(), 1);
}

#[test]
fn no_secret_shows_in_debug_output() {
    let registrations = Registrations::default();
    let hook = hook("config", "https://git.example.com/acme/config", "hunter2");
    let shown = format!("{hook:?}");
    registrations.replace([hook]);
    let shown = format!("{shown} {registrations:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("hooks: 1"), "{shown}");
}

impl Listener {
    /// What was told of the only delivery so far.
    async fn told_of(&self, request: Request<Body>) -> Told {
        self.told.lock().unwrap().clear();
        self.status(request).await;
        let told = self.told.lock().unwrap().clone();
        let [one]: [Told; 1] = told.try_into().unwrap();
        one
    }
}

#[tokio::test]
async fn every_delivery_is_told_with_why_it_led_to_a_look_or_not() {
    let listener = listener();
    let body = config_push();
    let id = &[("x-github-delivery", "72d3162e"), ("x-gitea-event", "push")];
    let accepted = listener.told_of(github(&body, id)).await;
    assert_eq!(
        accepted,
        Told {
            provider: "gitea",
            delivery: "72d3162e".into(),
            event: "push".into(),
            branch: Some("main".into()),
            verdict: DeliveryVerdict::Accepted,
            reason: "Repository `team/config` is looked at".into(),
            repositories: vec![Name::new("team", "config")],
        }
    );
    let again = listener.told_of(github(&body, id)).await;
    assert_eq!(again.verdict, DeliveryVerdict::Duplicate);
    assert_eq!(again.repositories, accepted.repositories);

    let ping = listener
        .told_of(github(&body, &[("x-github-event", "ping"), id[0]]))
        .await;
    assert_eq!(ping.verdict, DeliveryVerdict::Ignored);
    assert_eq!(ping.delivery, "72d3162e");
    assert_eq!(
        (ping.event.as_str(), ping.reason.as_str()),
        ("ping", "`ping` is no push")
    );

    let unknown = listener
        .told_of(github(&push("https://git.example.com/acme/other"), &[]))
        .await;
    assert_eq!(unknown.verdict, DeliveryVerdict::Ignored);
    assert!(
        unknown.reason.contains("no Repository"),
        "{}",
        unknown.reason
    );
}

#[tokio::test]
async fn a_push_to_a_branch_that_nobody_follows_is_ignored_and_says_so() {
    let mut listener = listener();
    let url = "https://git.example.com/acme/config.git";
    let body = format!(r#"{{"repository": "{url}", "branch": "dev"}}"#);
    let told = listener.told_of(generic(body.as_bytes())).await;
    assert_eq!(told.verdict, DeliveryVerdict::Ignored);
    assert_eq!(told.reason, "the branch `dev` is followed by no Repository");
    assert!(listener.delivered().is_empty());
    assert_eq!(listener.counts().ignored, 1);
    // A tag says no branch: it may move one.
    let tag = format!(r#"{{"ref": "refs/tags/v1", "repository": {{"clone_url": "{url}"}}}}"#);
    let told = listener.told_of(github(tag.as_bytes(), &[])).await;
    assert_eq!(told.verdict, DeliveryVerdict::Accepted);
}

#[tokio::test]
async fn bad_b61_of_a_delivery_that_is_not_believed_nothing_of_its_content_is_told() {
    let listener = listener();
    let body = config_push();
    let wrong = sign("another secret", &body);
    let headers = [
        ("x-hub-signature-256", wrong.as_str()),
        ("x-github-delivery", "a-canary"),
        ("x-github-event", "a-canary"),
        ("x-gitea-event", "a-canary"),
    ];
    let told = listener.told_of(github(&body, &headers)).await;
    assert_eq!(told.verdict, DeliveryVerdict::Rejected);
    assert_eq!(told.provider, "github");
    let empty = Told {
        reason: String::new(),
        ..told.clone()
    };
    assert_eq!(
        empty,
        Told {
            provider: "github",
            delivery: String::new(),
            event: String::new(),
            branch: None,
            verdict: DeliveryVerdict::Rejected,
            reason: String::new(),
            repositories: Vec::new(),
        }
    );
    for word in ["canary", "acme", "main"] {
        assert!(!told.reason.contains(word), "{}", told.reason);
    }
    let unclaimed = github(&body, &[("x-hub-signature-256", "sha1=00")]);
    let told = listener.told_of(unclaimed).await;
    assert_eq!(told.reason, "it has no signature of the documented form");

    let settings = Settings {
        max_body_bytes: 8,
        ..Settings::default()
    };
    let told = with(settings, 1).told_of(github(&body, &headers)).await;
    assert_eq!(told.verdict, DeliveryVerdict::Refused);
    assert_eq!(told.reason, "the body is too large");
}
