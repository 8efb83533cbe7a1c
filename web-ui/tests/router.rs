//! The router as a browser meets it: signing in, refusals, headers, paging, the stream.

#![allow(
    unreachable_pub,
    dead_code,
    reason = "the sample is shared with the example"
)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../examples/fixture/sample.rs"]
mod sample;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use futures::StreamExt as _;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use sample::Sample;
use serde_json::Value;
use syncline_web_ui::{Feed, Questions as _, Sessions, Settings, Topic, router};
use tower::ServiceExt as _;

struct Ui {
    router: Router,
    sessions: Sessions,
    feed: Feed,
    cookie: String,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Ui {
    async fn signed_in(settings: Settings) -> Self {
        let mut ui = Self::signed_out(settings);
        let token = ui.sessions.one_time_link().unwrap();
        let answer = ui
            .ask(request("GET", &format!("/login?token={token}")))
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        answer
            .header("set-cookie")
            .split(';')
            .next()
            .unwrap()
            .clone_into(&mut ui.cookie);
        ui
    }

    fn signed_out(settings: Settings) -> Self {
        let sample = Sample::shop();
        let feed = sample.changes();
        let sessions = Sessions::new(&settings).unwrap();
        let router = router(settings, sessions.clone(), Arc::new(sample));
        Self {
            router,
            sessions,
            feed,
            cookie: String::new(),
        }
    }

    async fn ask(&self, request: http::request::Builder) -> Answer {
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(request("GET", path).header(COOKIE, &self.cookie))
            .await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 1 << 22).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    fn post(&self, path: &str) -> http::request::Builder {
        request("POST", path)
            .header(COOKIE, &self.cookie)
            .header(CONTENT_TYPE, "application/json")
            .header(ORIGIN, "http://localhost:8410")
            .header("sec-fetch-site", "same-origin")
    }
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost:8410")
}

#[tokio::test]
async fn a_one_time_link_signs_one_browser_in_once() {
    let ui = Ui::signed_out(Settings::default());
    let token = ui.sessions.one_time_link().unwrap();
    let first = ui
        .ask(request("GET", &format!("/login?token={token}")))
        .await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    assert_eq!(first.headers[LOCATION], "./");
    let cookie = first.headers[SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(&token), "the link is not the session");

    let inside = ui
        .ask(request("GET", "/").header(COOKIE, cookie.split(';').next().unwrap()))
        .await;
    assert_eq!(inside.status, StatusCode::OK);

    let second = ui
        .ask(request("GET", &format!("/login?token={token}")))
        .await;
    assert_eq!(second.status, StatusCode::UNAUTHORIZED);
    assert!(second.headers.get(SET_COOKIE).is_none());
}

#[tokio::test]
async fn a_link_that_was_clicked_on_another_site_moves_on_by_itself() {
    let ui = Ui::signed_out(Settings::default());
    let token = ui.sessions.one_time_link().unwrap();
    let path = format!("/login?token={token}");
    let answer = ui
        .ask(request("GET", &path).header("sec-fetch-site", "cross-site"))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.headers.contains_key(SET_COOKIE));
    assert!(answer.body.contains("http-equiv=\"refresh\""));
    assert!(!answer.body.contains(&token));
}

#[tokio::test]
async fn nothing_but_the_way_in_is_served_without_a_session() {
    let hint = "Run `the command`.".to_owned();
    let ui = Ui::signed_out(Settings {
        link_hint: hint,
        ..Settings::default()
    });
    for path in [
        "/",
        "/assets/app.js",
        "/nowhere",
        "/api/v1/about",
        "/api/v1/stream",
        "/api/v1/openapi.json",
    ] {
        for cookie in ["", "syncline-00000000=0", "session=x"] {
            let answer = ui.ask(request("GET", path).header(COOKIE, cookie)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {cookie}");
        }
    }
    let page = ui.ask(request("GET", "/")).await;
    assert!(
        page.body.contains("<code>the command</code>"),
        "{}",
        page.body
    );
    let api = ui.ask(request("GET", "/api/v1/about")).await;
    assert_eq!(api.json()["error"]["code"], "unauthenticated");
    assert_eq!(
        ui.ask(request("GET", "/notice.css")).await.status,
        StatusCode::OK
    );
    assert_eq!(
        ui.ask(request("GET", "/login")).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_session_ends() {
    let short = Settings {
        session_lifetime: Duration::ZERO,
        ..Settings::default()
    };
    let ui = Ui::signed_in(short).await;
    assert_eq!(
        ui.get("/api/v1/about").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_foreign_host_name_reads_nothing() {
    let allowed = Settings {
        allowed_hosts: vec!["ui.example.com".into()],
        ..Settings::default()
    };
    let ui = Ui::signed_in(allowed).await;
    for (host, status) in [
        ("localhost", StatusCode::OK),
        ("LOCALHOST:1", StatusCode::OK),
        ("127.0.0.1:8410", StatusCode::OK),
        ("[::1]:8410", StatusCode::OK),
        ("ui.example.com", StatusCode::OK),
        ("evil.example.com", StatusCode::MISDIRECTED_REQUEST),
        (
            "localhost.evil.example.com",
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (
            "localhost:8410.evil.example.com",
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (
            "127.0.0.1.evil.example.com:8410",
            StatusCode::MISDIRECTED_REQUEST,
        ),
        ("", StatusCode::MISDIRECTED_REQUEST),
    ] {
        for path in ["/", "/api/v1/about"] {
            let request = Request::builder()
                .uri(path)
                .header(HOST, host)
                .header(COOKIE, &ui.cookie);
            assert_eq!(ui.ask(request).await.status, status, "{host} {path}");
        }
    }
    let nameless = Request::builder().uri("/").header(COOKIE, &ui.cookie);
    assert_eq!(
        ui.ask(nameless).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    let twice = request("GET", "/")
        .header(HOST, "localhost")
        .header(COOKIE, &ui.cookie);
    assert_eq!(ui.ask(twice).await.status, StatusCode::MISDIRECTED_REQUEST);
    let absolute = request("GET", "http://evil.example.com/").header(COOKIE, &ui.cookie);
    assert_eq!(
        ui.ask(absolute).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
}

#[tokio::test]
async fn other_sites_can_neither_command_nor_read() {
    let ui = Ui::signed_in(Settings::default()).await;
    let path = "/api/v1/applications/shop/web/sync";
    let bare = || {
        request("POST", path)
            .header(COOKIE, &ui.cookie)
            .header(CONTENT_TYPE, "application/json")
    };
    for (name, value) in [
        ("origin", "https://evil.example.com"),
        ("origin", "http://localhost:9999"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = ui.ask(bare().header(name, value)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {value}");
        assert_eq!(answer.json()["error"]["code"], "cross-origin");
    }
    let read = request("GET", "/api/v1/about").header(COOKIE, &ui.cookie);
    let answer = ui.ask(read.header("sec-fetch-site", "same-site")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let form = request("POST", path)
            .header(COOKIE, &ui.cookie)
            .header(CONTENT_TYPE, kind);
        assert_eq!(
            ui.ask(form).await.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{kind}"
        );
    }
    assert_eq!(ui.ask(ui.post(path)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn every_answer_carries_the_content_security_policy() {
    let ui = Ui::signed_in(Settings::default()).await;
    let answers = [
        ui.get("/").await,
        ui.get("/nowhere").await,
        ui.get("/assets/nothing.js").await,
        ui.get("/api/v1/about").await,
        ui.get("/api/v1/nowhere").await,
        ui.get("/notice.css").await,
        ui.ask(request("GET", "/")).await,
        ui.ask(request("GET", "/login?token=wrong")).await,
        ui.ask(Request::builder().uri("/").header(HOST, "evil.example.com"))
            .await,
        ui.ask(ui.post("/")).await,
    ];
    for answer in answers {
        let policy = answer.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{} {policy}", answer.status);
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_said_in_one_shape() {
    let ui = Ui::signed_in(Settings::default()).await;
    for path in [
        "/api/v1/nowhere",
        "/api/v1/applications/shop/nothing",
        "/api/v1/applications/shop/nothing/syncs",
        "/api/v1/syncs/01JD4Z7Q2M0000000000000000",
    ] {
        let answer = ui.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        let error = &answer.json()["error"];
        assert_eq!(error["code"], "not-found", "{path}");
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("there is no "),
            "{path}"
        );
    }
    let answer = ui
        .ask(ui.post("/api/v1/applications/shop/nothing/sync"))
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = ui.ask(ui.post("/api/v1/about")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.json()["error"]["code"], "method-not-allowed");
}

#[tokio::test]
async fn bad_b69_a_page_size_or_name_that_cannot_be_is_a_bad_request() {
    let ui = Ui::signed_in(Settings::default()).await;
    let long = "a".repeat(254);
    for path in [
        "/api/v1/applications/shop/web/syncs?limit=-1",
        "/api/v1/applications/shop/web/syncs?limit=0",
        "/api/v1/applications/shop/web/syncs?limit=201",
        "/api/v1/applications/shop/web/syncs?limit=4294967296",
        "/api/v1/applications/shop/web/syncs?limit=many",
        "/api/v1/applications/shop/web/syncs?before=%27",
        "/api/v1/applications/%2e%2e/web",
        "/api/v1/applications/shop/%2e%2e%2fweb",
        "/api/v1/applications/shop/%ff",
        "/api/v1/applications/shop/Web",
        &format!("/api/v1/applications/shop/{long}"),
        "/api/v1/syncs/%2e%2e",
        "/api/v1/syncs/1",
    ] {
        let answer = ui.get(path).await;
        assert_eq!(
            answer.status,
            StatusCode::BAD_REQUEST,
            "{path}: {}",
            answer.body
        );
        assert_eq!(answer.json()["error"]["code"], "bad-request", "{path}");
    }
}

#[tokio::test]
async fn applications_that_fail_come_first() {
    let ui = Ui::signed_in(Settings::default()).await;
    let list = ui.get("/api/v1/applications").await.json();
    let order: Vec<_> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["severity"].as_str().unwrap())
        .collect();
    assert_eq!(
        order,
        [
            "failing",
            "failing",
            "failing",
            "waiting",
            "progressing",
            "progressing",
            "suspended",
            "suspended",
            "healthy",
            "healthy",
            "healthy",
            "healthy"
        ]
    );
    let detail = ui.get("/api/v1/applications/pay/invoices").await.json();
    let why = &detail["summary"]["why"];
    assert_eq!(why["reason"], "YamlSyntax");
    assert_eq!(why["class"], "input");
    assert!(
        why["detail"]
            .as_str()
            .unwrap()
            .contains("deployment.yaml:14")
    );
    assert!(!why["remedy"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn history_is_read_page_by_page_without_gap_or_repetition() {
    let ui = Ui::signed_in(Settings::default()).await;
    let base = "/api/v1/applications/pay/payments-api/syncs?limit=15";
    let mut ids: Vec<String> = Vec::new();
    let mut path = base.to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = ui.get(&path).await.json();
        let items = page["items"].as_array().unwrap().clone();
        sizes.push(items.len());
        ids.extend(
            items
                .iter()
                .map(|sync| sync["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("{base}&before={next}");
    }
    assert_eq!(sizes, [15, 15, 10]);
    assert!(
        ids.windows(2).all(|pair| pair[0] > pair[1]),
        "newest first, each once"
    );

    let sync = ui.get(&format!("/api/v1/syncs/{}", ids[0])).await.json();
    assert_eq!(sync["steps"][0]["name"], "fetch");
    assert_eq!(sync["outcomes"].as_array().unwrap().len(), 4);
    assert_eq!(sync["summary"]["counts"]["failed"], 1);
    assert_eq!(sync["drift"][0]["manager"], "kubectl-edit");
}

#[tokio::test]
async fn what_git_changed_is_told_for_each_object() {
    let ui = Ui::signed_in(Settings::default()).await;
    let list = ui.get("/api/v1/applications/shop/web/syncs").await.json();
    let id = list["items"][0]["id"].as_str().unwrap();
    let sync = ui.get(&format!("/api/v1/syncs/{id}")).await.json();
    let changes = sync["outcomes"][0]["changes"].as_array().unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (&change["path"], &change["before"], &change["after"]))
        .collect();
    let text = Value::from;
    assert_eq!(told.len(), 6);
    assert_eq!(
        told[4..],
        [
            (&text("spec.minReadySeconds"), &text("5"), &Value::Null),
            (&text("spec.replicas"), &text("2"), &text("3")),
        ]
    );
    // Markup is sent as it is: a page shows it as text.
    assert_eq!(changes[1]["before"], "\"<b>not bold</b>\"");
}

#[tokio::test]
async fn a_plan_that_waits_is_told_with_the_ways_to_approve_it() {
    let ui = Ui::signed_in(Settings::default()).await;
    let held = ui.get("/api/v1/applications/pay/audit-log").await.json();
    let hash = "3b1f6c0a9d5e42787c11f0de54a0b9e2";
    assert_eq!(
        held["approval"],
        serde_json::json!({
            "planHash": hash,
            "command": format!(
                "kubectl -n pay annotate applications.syncline.dev audit-log --overwrite \
                 syncline.dev/approve={hash}"
            ),
            "trailer": "Syncline-Prune: audit-log",
            "held": ["PersistentVolumeClaim pay/audit-data: it holds data"],
        })
    );
    let well = ui.get("/api/v1/applications/infra/monitoring").await.json();
    assert_eq!(well["approval"], Value::Null);
    assert_eq!(
        well["checkedSlowly"],
        serde_json::json!(["PrometheusRule.monitoring.coreos.com"])
    );
    assert_eq!(well["notes"], "Open a tunnel to Grafana and sign in.");
}

#[tokio::test]
async fn a_refusal_of_the_agent_is_a_conflict_with_its_words() {
    let ui = Ui::signed_in(Settings::default()).await;
    let answer = ui
        .ask(ui.post("/api/v1/applications/infra/legacy-batch/sync"))
        .await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(
        answer.json()["error"]["message"],
        "the application is suspended"
    );
}

#[tokio::test]
async fn the_other_resources_are_served() {
    let ui = Ui::signed_in(Settings::default()).await;
    let repositories = ui.get("/api/v1/repositories").await.json();
    assert_eq!(
        repositories["items"][0]["why"]["reason"],
        "SourceUnavailable"
    );
    assert_eq!(ui.get("/api/v1/about").await.json()["instance"], "sample");
}

#[tokio::test]
async fn image_policies_are_listed_by_name_and_shown_with_the_counts_of_their_rules() {
    let ui = Ui::signed_in(Settings::default()).await;
    let list = ui.get("/api/v1/images").await.json();
    let names = list["items"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cart", "ledger", "search", "web"]);
    assert_eq!(list["items"][1]["severity"], "failing");
    assert!(list["items"][1]["nextScan"].is_string());

    let web = ui.get("/api/v1/images/shop/web").await.json();
    assert_eq!(web["summary"]["chosen"], "2.4.1");
    assert_eq!(web["places"][0]["file"], "apps/web/deployment.yaml");
    let counts = web["counts"].as_array().unwrap();
    let tags: u64 = counts.iter().map(|c| c["tags"].as_u64().unwrap()).sum();
    assert_eq!(tags, 5);
    let cart = ui.get("/api/v1/images/shop/cart").await.json();
    let held = &cart["held"][0];
    assert_eq!(
        held["command"],
        "kubectl -n shop annotate imagepolicies.syncline.dev cart --overwrite \
         syncline.dev/release=2.5.0"
    );
    assert_eq!(held["trailer"], "Syncline-Release: shop/cart 2.5.0");
    for path in ["", "/tags", "/tags/1.0.0", "/updates"] {
        let answer = ui.get(&format!("/api/v1/images/shop/none{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        let message = answer.json()["error"]["message"].clone();
        assert_eq!(message, "there is no image policy `shop/none`");
    }
}

#[tokio::test]
async fn tags_are_told_in_parts_by_rule_and_by_text() {
    let ui = Ui::signed_in(Settings::default()).await;
    let tags = "/api/v1/images/shop/ledger/tags";
    let first = ui.get(tags).await.json();
    assert_eq!(first["total"], 1_201);
    assert_eq!(first["items"].as_array().unwrap().len(), 200);
    assert_eq!(first["items"][0]["verdict"], "chosen");
    let mut seen = 0;
    let mut from = Some(0);
    while let Some(next) = from {
        let part = ui.get(&format!("{tags}?from={next}&limit=150")).await;
        let part = part.json();
        seen += part["items"].as_array().unwrap().len();
        from = part["next"].as_u64();
    }
    assert_eq!(seen, 1_201);
    let outside = ui.get(&format!("{tags}?rule=outside-range")).await.json();
    assert_eq!(outside["total"], 1_200);
    let some = ui
        .get(&format!("{tags}?rule=outside-range&search=119."))
        .await;
    assert_eq!(some.json()["total"], 10);
    let none = ui.get(&format!("{tags}?search=%3Cb%3E")).await.json();
    assert!(none["total"] == 0 && none["next"].is_null(), "{none}");
    let beyond = ui.get(&format!("{tags}?from=4294967295")).await.json();
    assert!(beyond["items"] == serde_json::json!([]) && beyond["next"].is_null());
    let long = "x".repeat(129);
    for query in [
        "limit=0",
        "limit=201",
        "limit=x",
        "from=-1",
        "rule=a&rule=b",
        &format!("search={long}"),
    ] {
        let answer = ui.get(&format!("{tags}?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_tag_is_judged_whether_the_registry_lists_it_or_not() {
    let ui = Ui::signed_in(Settings::default()).await;
    let listed = ui.get("/api/v1/images/shop/web/tags/2.4.0").await.json();
    assert_eq!(listed["listed"], true);
    assert_eq!(listed["verdict"]["rule"], "older");
    let other = ui.get("/api/v1/images/shop/web/tags/9.9.9").await.json();
    assert_eq!(other["listed"], false);
    assert_eq!(other["verdict"]["verdict"], "refused");
    for tag in [
        ".hidden",
        "-x",
        "a%2Fb",
        "a%20b",
        "%C3%A4",
        &"1".repeat(129),
    ] {
        let answer = ui.get(&format!("/api/v1/images/shop/web/tags/{tag}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{tag}");
    }
}

#[tokio::test]
async fn the_commits_of_an_image_policy_are_told_page_by_page() {
    let ui = Ui::signed_in(Settings::default()).await;
    let path = "/api/v1/images/shop/web/updates";
    let first = ui.get(path).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 30);
    let next = first["next"].as_str().unwrap();
    let rest = ui.get(&format!("{path}?before={next}")).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 5);
    assert!(rest["next"].is_null());
    let answer = ui.get(&format!("{path}?before=1")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_key_of_a_program_reads_the_api_and_nothing_else() {
    let ui = Ui::signed_out(Settings::default());
    let key = ui.sessions.key().expose().to_owned();
    let ask = async |method: &str, path: &str, key: &str| {
        let request = request(method, path)
            .header("authorization", format!("Bearer {key}"))
            .header(CONTENT_TYPE, "application/json");
        ui.ask(request).await.status
    };
    assert_eq!(ask("GET", "/api/v1/images", &key).await, StatusCode::OK);
    for (method, path, key) in [
        ("GET", "/api/v1/images", ""),
        ("GET", "/api/v1/images", &key[1..]),
        ("GET", "/", key.as_str()),
        ("POST", "/api/v1/applications/shop/web/sync", key.as_str()),
    ] {
        let status = ask(method, path, key).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let foreign = request("GET", "/api/v1/images")
        .header("authorization", format!("Bearer {key}"))
        .header("sec-fetch-site", "cross-site");
    assert_eq!(ui.ask(foreign).await.status, StatusCode::FORBIDDEN);
}

struct Stream {
    body: axum::body::BodyDataStream,
    text: String,
}

impl Stream {
    async fn open(ui: &Ui, after: Option<&str>) -> Self {
        let mut request = request("GET", "/api/v1/stream").header(COOKIE, &ui.cookie);
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = ui.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    /// Reads until the text arrives; fails when the stream ends or ten seconds have passed.
    async fn until(&mut self, text: &str) -> &str {
        while !self.text.contains(text) {
            let next = tokio::time::timeout(Duration::from_secs(10), self.body.next());
            let Ok(Some(Ok(bytes))) = next.await else {
                panic!("`{text}` did not come: {}", self.text);
            };
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        &self.text
    }

    async fn rest(mut self) -> String {
        while let Ok(Some(Ok(bytes))) =
            tokio::time::timeout(Duration::from_secs(10), self.body.next()).await
        {
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
        self.text
    }
}

fn last_id(text: &str) -> &str {
    text.lines()
        .rev()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap()
}

#[tokio::test]
async fn the_stream_tells_a_change_and_goes_on_where_it_was_cut() {
    let ui = Ui::signed_in(Settings::default()).await;
    let mut stream = Stream::open(&ui, None).await;
    stream.until("event: hello").await;
    ui.feed.publish(Topic::Application, "shop/web");
    let text = stream.until("shop/web").await;
    assert!(text.contains("event: change"), "{text}");
    assert!(
        text.contains(r#"{"topic":"application","key":"shop/web"}"#),
        "{text}"
    );
    let id = last_id(stream.until("shop/web\"}\n\n").await).to_owned();
    drop(stream);

    ui.feed.publish(Topic::Sync, "pay/invoices");
    let mut again = Stream::open(&ui, Some(&id)).await;
    let text = again.until("event: hello").await;
    assert!(
        text.contains("pay/invoices") && !text.contains("shop/web"),
        "{text}"
    );
    assert!(!text.contains("resync"), "{text}");
}

#[tokio::test]
async fn a_stream_that_falls_behind_is_told_to_ask_for_everything() {
    let ui = Ui::signed_in(Settings::default()).await;
    let mut stream = Stream::open(&ui, None).await;
    stream.until("event: hello").await;
    for number in 0..1000 {
        ui.feed
            .publish(Topic::Application, format!("shop/a-{number}"));
    }
    let text = stream.until("shop/a-999\"").await;
    assert!(text.contains("event: resync"), "{text}");
    assert!(
        text.matches("event: change").count() <= 64,
        "the buffer is bounded"
    );

    let mut stranger = Stream::open(&ui, Some("another-1")).await;
    stranger.until("event: resync").await;
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_agent() {
    let ui = Ui::signed_in(Settings {
        max_streams: 1,
        ..Settings::default()
    })
    .await;
    let mut stream = Stream::open(&ui, None).await;
    stream.until("event: hello").await;
    let refused = ui.get("/api/v1/stream").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.json()["error"]["code"], "too-many-streams");
    ui.feed.close();
    assert!(stream.rest().await.contains("hello"));
    let closed = ui.get("/api/v1/stream").await;
    assert_eq!(closed.json()["error"]["code"], "shutting-down");
}

#[tokio::test]
async fn a_quiet_stream_shows_signs_of_life() {
    let ui = Ui::signed_in(Settings {
        heartbeat: Duration::from_millis(5),
        ..Settings::default()
    })
    .await;
    let mut stream = Stream::open(&ui, None).await;
    stream.until("\n:\n").await;
}

#[tokio::test]
async fn the_committed_openapi_document_is_the_current_one() {
    let ui = Ui::signed_in(Settings::default()).await;
    let served = ui.get("/api/v1/openapi.json").await.json();
    let committed = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json"))
        .unwrap_or_default();
    let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
    assert_eq!(
        served, committed,
        "run `cargo run -p syncline-web-ui --example openapi > web-ui/openapi.json`, then `npm run gen`"
    );
}

#[tokio::test]
async fn packed_files_are_sent_only_to_those_who_take_them() {
    let ui = Ui::signed_in(Settings::default()).await;
    let plain = ui.get("/").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(plain.body.contains("<!doctype html>"));
    if syncline_web_ui::front_end_is_built() {
        let packed = request("GET", "/")
            .header(COOKIE, &ui.cookie)
            .header("accept-encoding", "br, gzip");
        assert_eq!(ui.ask(packed).await.header("content-encoding"), "gzip");
    } else {
        assert!(plain.body.contains("cargo xtask ui"));
    }
}

#[tokio::test]
async fn what_an_application_waits_for_is_told_with_its_rollout_and_its_order() {
    let ui = Ui::signed_in(Settings::default()).await;
    let detail = ui.get("/api/v1/applications/shop/orders").await.json();
    let summary = &detail["summary"];
    assert_eq!(
        summary["holds"],
        serde_json::json!(["blocked", "paused"]),
        "{summary}"
    );
    assert_eq!(summary["waitingFor"].as_array().unwrap().len(), 2);
    assert!(summary["nextTry"].is_string() && summary["healthSince"].is_string());
    let rollout = &detail["rollout"];
    assert_eq!(
        (&rollout["phase"], &rollout["wave"], &rollout["position"]),
        (&"waves".into(), &0.into(), &2.into())
    );
    let hooks = rollout["hooks"].as_array().unwrap();
    let states: Vec<_> = hooks.iter().map(|hook| hook["state"].as_str()).collect();
    assert_eq!(
        states,
        [Some("succeeded"), Some("succeeded"), Some("waiting")]
    );
    assert_eq!(rollout["pauses"][1]["state"], "running");
    let dependency = &detail["dependsOn"][0];
    assert_eq!(dependency["application"], "search");
    assert_eq!(dependency["readiness"], "blocking");
    let through = detail["dependsOn"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&through["via"], &through["depth"]),
        (&"search".into(), &2.into())
    );
    assert_eq!(detail["windows"]["open"], true);
    let local = detail["windows"]["items"][0]["changes"]["local"].as_str();
    assert!(local.unwrap().contains(" +0"), "{local:?}");
}

#[tokio::test]
async fn changes_of_health_are_read_page_by_page() {
    let ui = Ui::signed_in(Settings::default()).await;
    let base = "/api/v1/applications/shop/orders/health-changes?limit=3";
    let first = ui.get(base).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    assert_eq!(first["items"][1]["changes"], 5);
    let next = first["next"].as_str().unwrap();
    let rest = ui.get(&format!("{base}&before={next}")).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next"], Value::Null);
    let missing = "/api/v1/applications/shop/nothing/health-changes";
    assert_eq!(ui.get(missing).await.status, StatusCode::NOT_FOUND);
    let wrong = ui.get(&format!("{base}&before=x")).await.status;
    assert_eq!(wrong, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_freeze_is_told_where_the_version_is() {
    let ui = Ui::signed_in(Settings::default()).await;
    let about = ui.get("/api/v1/about").await.json();
    assert_eq!(about["freeze"], Value::Null);
    let frozen = Sample::frozen().about().await.unwrap().freeze.unwrap();
    assert_eq!(frozen.by, "ada");
}
