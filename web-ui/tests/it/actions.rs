//! Actions as a browser asks for them: refusals, dry runs, names of calls, the audit.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use syncline_core::reason::Reason;
use syncline_web_ui::Settings;

use crate::sample::Sample;
use crate::sample::actions::Asked;
use crate::ui::Ui;

const WEB: &str = "/api/v1/applications/shop/web/actions";

/// A browser, and what it asked the agent for.
struct Asking {
    ui: Ui,
    asked: Arc<Asked>,
}

impl Asking {
    async fn new(settings: Settings) -> Self {
        let sample = Sample::shop();
        let asked = Arc::clone(&sample.asked);
        let ui = Ui::new(sample, settings).sign_in().await;
        Self { ui, asked }
    }

    async fn send(&self, path: &str, key: Option<&str>, body: &str) -> (StatusCode, Value) {
        let mut request = self.post(path);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.answer(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    async fn answer(&self, request: Request<Body>) -> (StatusCode, Value) {
        let answer = self.ui.send(request).await;
        let body = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer.status, body)
    }

    fn post(&self, path: &str) -> http::request::Builder {
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        self.ui.post(path).extension(ConnectInfo(peer))
    }

    async fn syncs(&self) -> usize {
        let path = "/api/v1/applications/shop/web/syncs?limit=200";
        self.ui.get(path).await.json()["items"]
            .as_array()
            .unwrap()
            .len()
    }
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_does_and_keeps_nothing() {
    let ui = Asking::new(Settings::default()).await;
    let before = ui.syncs().await;
    let path = format!("{WEB}?dryRun=true");
    let (status, body) = ui.send(&path, Some("1"), r#"{"action":"sync"}"#).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["done"], false);
    assert_eq!(body["command"], "syncline sync shop/web");
    assert!(body["preview"]["counts"].is_object(), "{body}");
    assert_eq!(ui.syncs().await, before);
    assert!(ui.asked.calls().is_empty());
}

#[tokio::test]
async fn a_call_with_a_name_is_carried_out_once() {
    let ui = Asking::new(Settings::default()).await;
    let before = ui.syncs().await;
    let first = ui.send(WEB, Some("a-1"), r#"{"action":"sync"}"#).await;
    assert_eq!(first.0, StatusCode::OK);
    assert_eq!(first.1["done"], true);
    let again = ui.send(WEB, Some("a-1"), r#"{"action":"sync"}"#).await;
    assert_eq!(again, first);
    assert_eq!(ui.syncs().await, before + 1);
    assert_eq!(ui.asked.calls().len(), 1, "nothing was done twice");

    let (status, body) = ui.send(WEB, Some("a-1"), r#"{"action":"refresh"}"#).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(code(&body), "key-reused");
    let elsewhere = "/api/v1/applications/shop/search/actions";
    let (status, _) = ui
        .send(elsewhere, Some("a-1"), r#"{"action":"sync"}"#)
        .await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);

    ui.send(WEB, Some("a-2"), r#"{"action":"sync"}"#).await;
    ui.send(WEB, None, r#"{"action":"sync"}"#).await;
    assert_eq!(ui.syncs().await, before + 3);
}

#[tokio::test]
async fn calls_of_the_same_name_at_the_same_moment_are_one() {
    let ui = Asking::new(Settings::default()).await;
    let before = ui.syncs().await;
    let send = || ui.send(WEB, Some("same"), r#"{"action":"sync"}"#);
    let all = futures::future::join_all((0..8).map(|_| send())).await;
    assert!(all.iter().all(|answer| answer.0 == StatusCode::OK));
    assert_eq!(ui.syncs().await, before + 1);
}

#[tokio::test]
async fn a_name_is_forgotten_after_its_time() {
    let settings = Settings {
        named_call_lifetime: Duration::ZERO,
        ..Settings::default()
    };
    let ui = Asking::new(settings).await;
    let before = ui.syncs().await;
    for _ in 0..2 {
        ui.send(WEB, Some("1"), r#"{"action":"sync"}"#).await;
    }
    assert_eq!(ui.syncs().await, before + 2);
}

#[tokio::test]
async fn every_call_is_kept_also_the_refused_ones_and_says_by_whom_and_from_where() {
    let ui = Asking::new(Settings::default()).await;
    let calls = [
        (WEB, r#"{"action":"sync"}"#, StatusCode::OK),
        (WEB, r#"{"action":"unpin"}"#, StatusCode::CONFLICT),
        (
            WEB,
            r#"{"action":"suspend","reason":" "}"#,
            StatusCode::BAD_REQUEST,
        ),
        (WEB, r#"{"action":"explode"}"#, StatusCode::BAD_REQUEST),
        (WEB, "no json", StatusCode::BAD_REQUEST),
        (
            "/api/v1/applications/shop/none/actions",
            r#"{"action":"sync"}"#,
            StatusCode::NOT_FOUND,
        ),
        (
            "/api/v1/images/shop/web/actions",
            r#"{"action":"refresh"}"#,
            StatusCode::OK,
        ),
        (
            "/api/v1/agent/actions",
            r#"{"action":"unfreeze"}"#,
            StatusCode::OK,
        ),
    ];
    for (path, body, expected) in calls {
        let (status, answer) = ui.send(path, None, body).await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
    let kept = ui.asked.calls();
    let told: Vec<_> = kept
        .iter()
        .map(|call| {
            let refused = call.failure.is_some();
            (
                call.kind,
                call.target.name.as_str(),
                call.action.as_str(),
                refused,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Application", "web", "sync", false),
            ("Application", "web", "unpin", true),
            ("Application", "web", "suspend", true),
            ("Application", "web", "unknown", true),
            ("Application", "web", "unknown", true),
            ("Application", "none", "sync", true),
            ("ImagePolicy", "web", "refresh", false),
            ("Agent", "", "unfreeze", false),
        ]
    );
    for call in &kept {
        assert!(call.actor.starts_with("web UI session "), "{}", call.actor);
        assert!(
            !ui.ui
                .cookie
                .contains(&call.actor["web UI session ".len()..])
        );
        assert_eq!(call.address.as_deref(), Some("127.0.0.1"));
    }
    let why = kept[1].failure.as_ref().unwrap();
    assert_eq!(why.reason, Reason::ActionRefused);
    assert_eq!(why.detail, "it is not pinned");
}

#[tokio::test]
async fn what_another_site_sends_with_a_session_is_refused_and_kept() {
    let ui = Asking::new(Settings::default()).await;
    let foreign = ui.post(WEB).header("sec-fetch-site", "cross-site");
    let (status, body) = ui
        .answer(foreign.body(Body::from(r#"{"action":"sync"}"#)).unwrap())
        .await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(code(&body), "cross-origin");
    let kept = ui.asked.calls();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].target.name, "web");
    assert!(kept[0].failure.is_some());

    let request = Request::builder()
        .method("POST")
        .uri(WEB)
        .header(HOST, "localhost:8410")
        .header(CONTENT_TYPE, "application/json");
    let (status, _) = ui.answer(request.body(Body::from("{}")).unwrap()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        ui.asked.calls().len(),
        1,
        "nobody who is not signed in fills it"
    );
}

#[tokio::test]
async fn names_of_calls_are_checked_and_belong_to_one_session() {
    let mut ui = Asking::new(Settings::default()).await;
    for key in ["", "two words", &"x".repeat(129)] {
        let (status, body) = ui.send(WEB, Some(key), r#"{"action":"sync"}"#).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    let before = ui.syncs().await;
    ui.send(WEB, Some("1"), r#"{"action":"sync"}"#).await;
    let before_that = ui.ui.cookie.clone();
    ui.ui = ui.ui.sign_in().await;
    assert_ne!(ui.ui.cookie, before_that);
    let (status, _) = ui.send(WEB, Some("1"), r#"{"action":"sync"}"#).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(ui.syncs().await, before + 2);
}

#[tokio::test]
async fn the_page_of_an_application_says_what_may_be_asked_for_and_why_not() {
    let ui = Asking::new(Settings::default()).await;
    let body = ui.ui.get("/api/v1/applications/shop/web").await.json();
    let allowed = body["allowedActions"].as_array().unwrap();
    let named: Vec<_> = allowed.iter().map(|one| &one["action"]).collect();
    assert_eq!(
        json!(named),
        json!([
            "sync", "refresh", "approve", "abort", "rollback", "suspend", "resume", "pin", "unpin"
        ])
    );
    let unpin = allowed.iter().find(|one| one["action"] == "unpin").unwrap();
    assert_eq!(unpin["whyNot"], "it is not pinned");
    assert!(allowed[0]["whyNot"].is_null(), "{body}");
}
