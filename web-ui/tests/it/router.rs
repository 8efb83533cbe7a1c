//! The router as a browser meets it: signing in, refusals, headers, paging, the stream.

use std::time::Duration;

use axum::body::Body;
use futures::StreamExt as _;
use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use serde_json::Value;
use syncline_web_ui::{Questions as _, Settings, Topic};
use tower::ServiceExt as _;

use crate::sample::Sample;
use crate::ui::{Answer, Ui};

fn signed_out(settings: Settings) -> Ui {
    Ui::new(Sample::shop(), settings)
}

async fn signed_in(settings: Settings) -> Ui {
    signed_out(settings).sign_in().await
}

async fn ask(ui: &Ui, request: http::request::Builder) -> Answer {
    ui.send(request.body(Body::empty()).unwrap()).await
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "localhost:8410")
}

#[tokio::test]
async fn a_one_time_link_signs_one_browser_in_once() {
    let ui = signed_out(Settings::default());
    let token = ui.sessions.one_time_link().unwrap();
    let first = ask(&ui, request("GET", &format!("/login?token={token}"))).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    assert_eq!(first.headers[LOCATION], "./");
    let cookie = first.headers[SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"),
        "{cookie}"
    );
    assert!(!cookie.contains(&token), "the link is not the session");

    let inside = ask(
        &ui,
        request("GET", "/").header(COOKIE, cookie.split(';').next().unwrap()),
    )
    .await;
    assert_eq!(inside.status, StatusCode::OK);

    let second = ask(&ui, request("GET", &format!("/login?token={token}"))).await;
    assert_eq!(second.status, StatusCode::UNAUTHORIZED);
    assert!(second.headers.get(SET_COOKIE).is_none());
}

#[tokio::test]
async fn a_link_that_was_clicked_on_another_site_moves_on_by_itself() {
    let ui = signed_out(Settings::default());
    let token = ui.sessions.one_time_link().unwrap();
    let path = format!("/login?token={token}");
    let answer = ask(
        &ui,
        request("GET", &path).header("sec-fetch-site", "cross-site"),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.headers.contains_key(SET_COOKIE));
    assert!(answer.text().contains("http-equiv=\"refresh\""));
    assert!(!answer.text().contains(&token));
}

#[tokio::test]
async fn nothing_but_the_way_in_is_served_without_a_session() {
    let hint = "Run `the command`.".to_owned();
    let ui = signed_out(Settings {
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
            let answer = ask(&ui, request("GET", path).header(COOKIE, cookie)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {cookie}");
        }
    }
    let page = ask(&ui, request("GET", "/")).await;
    assert!(
        page.text().contains("<code>the command</code>"),
        "{}",
        page.text()
    );
    let api = ask(&ui, request("GET", "/api/v1/about")).await;
    assert_eq!(api.json()["error"]["code"], "unauthenticated");
    assert_eq!(
        ask(&ui, request("GET", "/notice.css")).await.status,
        StatusCode::OK
    );
    assert_eq!(
        ask(&ui, request("GET", "/login")).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_session_ends() {
    let short = Settings {
        session_lifetime: Duration::ZERO,
        ..Settings::default()
    };
    let ui = signed_in(short).await;
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
    let ui = signed_in(allowed).await;
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
            assert_eq!(ask(&ui, request).await.status, status, "{host} {path}");
        }
    }
    let nameless = Request::builder().uri("/").header(COOKIE, &ui.cookie);
    assert_eq!(
        ask(&ui, nameless).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    let twice = request("GET", "/")
        .header(HOST, "localhost")
        .header(COOKIE, &ui.cookie);
    assert_eq!(
        ask(&ui, twice).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
    let absolute = request("GET", "http://evil.example.com/").header(COOKIE, &ui.cookie);
    assert_eq!(
        ask(&ui, absolute).await.status,
        StatusCode::MISDIRECTED_REQUEST
    );
}

#[tokio::test]
async fn other_sites_can_neither_command_nor_read() {
    let ui = signed_in(Settings::default()).await;
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
        let answer = ask(&ui, bare().header(name, value)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {value}");
        assert_eq!(answer.json()["error"]["code"], "cross-origin");
    }
    let read = request("GET", "/api/v1/about").header(COOKIE, &ui.cookie);
    let answer = ask(&ui, read.header("sec-fetch-site", "same-site")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let form = request("POST", path)
            .header(COOKIE, &ui.cookie)
            .header(CONTENT_TYPE, kind);
        assert_eq!(
            ask(&ui, form).await.status,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{kind}"
        );
    }
    assert_eq!(ask(&ui, ui.post(path)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn every_answer_carries_the_content_security_policy() {
    let ui = signed_in(Settings::default()).await;
    let answers = [
        ui.get("/").await,
        ui.get("/nowhere").await,
        ui.get("/assets/nothing.js").await,
        ui.get("/api/v1/about").await,
        ui.get("/api/v1/nowhere").await,
        ui.get("/notice.css").await,
        ask(&ui, request("GET", "/")).await,
        ask(&ui, request("GET", "/login?token=wrong")).await,
        ask(
            &ui,
            Request::builder().uri("/").header(HOST, "evil.example.com"),
        )
        .await,
        ask(&ui, ui.post("/")).await,
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
    let ui = signed_in(Settings::default()).await;
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
    let answer = ask(&ui, ui.post("/api/v1/applications/shop/nothing/sync")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = ask(&ui, ui.post("/api/v1/about")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(answer.json()["error"]["code"], "method-not-allowed");
}

#[tokio::test]
async fn bad_b69_a_page_size_or_name_that_cannot_be_is_a_bad_request() {
    let ui = signed_in(Settings::default()).await;
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
            answer.text()
        );
        assert_eq!(answer.json()["error"]["code"], "bad-request", "{path}");
    }
}

#[tokio::test]
async fn applications_that_fail_come_first() {
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
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
    assert_eq!(sync["steps"][0]["name"], "look");
    assert_eq!(sync["outcomes"].as_array().unwrap().len(), 4);
    assert_eq!(sync["summary"]["counts"]["failed"], 1);
    assert_eq!(sync["drift"][0]["manager"], "kubectl-edit");
}

#[tokio::test]
async fn a_timeline_is_everything_in_one_order_or_one_kind_of_it() {
    let ui = signed_in(Settings::default()).await;
    let base = "/api/v1/applications/pay/payments-api/timeline";
    let mut path = format!("{base}?limit=20");
    let mut seen: Vec<(String, String)> = Vec::new();
    loop {
        let page = ui.get(&path).await.json();
        let text = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| (text(item, "id"), text(item, "kind"))),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("{base}?limit=20&before={next}");
    }
    assert!(
        seen.windows(2).all(|pair| pair[0].0 > pair[1].0),
        "newest first, each once: {seen:?}"
    );
    for (kind, count) in [("sync", 40), ("act", 4), ("health", 4)] {
        let found = seen.iter().filter(|(_, one)| one == kind).count();
        assert_eq!(found, count, "{kind}");
        let alone = ui.get(&format!("{base}?only={kind}&limit=100")).await;
        assert_eq!(alone.json()["items"].as_array().unwrap().len(), count);
    }
    let failed = ui.get(&format!("{base}?only=failed")).await.json();
    let failed = failed["items"].as_array().unwrap();
    assert!(!failed.is_empty() && failed.iter().all(|sync| sync["result"] == "failed"));
    let wrong = ui.get(&format!("{base}?only=everything")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn around_a_sync_stand_its_commits_and_the_syncs_before_and_after() {
    let ui = signed_in(Settings::default()).await;
    let list = ui.get("/api/v1/applications/pay/payments-api/syncs");
    let list = list.await.json();
    let id = |at: usize| list["items"][at]["id"].as_str().unwrap().to_owned();
    let context = async |id: &str| ui.get(&format!("/api/v1/syncs/{id}/context")).await;
    let newest = context(&id(0)).await.json();
    assert_eq!(newest["newer"], Value::Null);
    assert_eq!(newest["older"]["id"], id(1));
    assert_eq!(newest["commits"].as_array().unwrap().len(), 3);
    assert_eq!(context(&id(1)).await.json()["newer"]["id"], id(0));
    let missing = context("01JD4Z7Q2M0000000000000000").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_answer_has_a_number_of_its_own_also_a_refusal() {
    let ui = signed_in(Settings::default()).await;
    let given = request("GET", "/api/v1/about").header("x-request-id", "mine");
    let answers = [
        ui.get("/api/v1/about").await,
        ui.get("/api/v1/nothing").await,
        ask(&ui, given).await,
    ];
    let numbers = answers
        .each_ref()
        .map(|answer| answer.header("x-request-id"));
    assert!(
        numbers.iter().all(|number| number.len() == 12),
        "{numbers:?}"
    );
    assert!(
        numbers[0] != numbers[1] && numbers[1] != numbers[2],
        "{numbers:?}"
    );
}

#[tokio::test]
async fn what_git_changed_is_told_for_each_object() {
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
    let answer = ask(&ui, ui.post("/api/v1/applications/infra/legacy-batch/sync")).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(
        answer.json()["error"]["message"],
        "Suspended: no sync runs until `spec.suspend` is removed (invented)"
    );
}

#[tokio::test]
async fn the_other_resources_are_served() {
    let ui = signed_in(Settings::default()).await;
    let repositories = ui.get("/api/v1/repositories").await.json();
    assert_eq!(
        repositories["items"][0]["why"]["reason"],
        "SourceUnavailable"
    );
    assert_eq!(ui.get("/api/v1/about").await.json()["instance"], "sample");
}

#[tokio::test]
async fn image_policies_are_listed_by_name_and_shown_with_the_counts_of_their_rules() {
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_out(Settings::default());
    let key = ui.sessions.key().expose().to_owned();
    let with_key = async |method: &str, path: &str, key: &str| {
        let request = request(method, path)
            .header("authorization", format!("Bearer {key}"))
            .header(CONTENT_TYPE, "application/json");
        ask(&ui, request).await.status
    };
    assert_eq!(
        with_key("GET", "/api/v1/images", &key).await,
        StatusCode::OK
    );
    for (method, path, key) in [
        ("GET", "/api/v1/images", ""),
        ("GET", "/api/v1/images", &key[1..]),
        ("GET", "/", key.as_str()),
        ("POST", "/api/v1/applications/shop/web/sync", key.as_str()),
    ] {
        let status = with_key(method, path, key).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
    }
    let foreign = request("GET", "/api/v1/images")
        .header("authorization", format!("Bearer {key}"))
        .header("sec-fetch-site", "cross-site");
    assert_eq!(ask(&ui, foreign).await.status, StatusCode::FORBIDDEN);
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
    let ui = signed_in(Settings::default()).await;
    let mut stream = Stream::open(&ui, None).await;
    stream.until("event: hello").await;
    ui.feed.publish(Topic::Application, "shop/web");
    let text = stream.until("shop/web").await;
    assert!(text.contains("event: changes"), "{text}");
    assert!(
        text.contains(r#"{"topic":"application","key":"shop/web"}"#),
        "{text}"
    );
    let id = last_id(stream.until("shop/web\"}]\n\n").await).to_owned();
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
    let ui = signed_in(Settings::default()).await;
    let mut stream = Stream::open(&ui, None).await;
    stream.until("event: hello").await;
    for number in 0..1000 {
        ui.feed
            .publish(Topic::Application, format!("shop/a-{number}"));
    }
    let text = stream.until("shop/a-999\"").await;
    assert!(text.contains("event: resync"), "{text}");
    assert!(
        text.matches("shop/a-").count() <= 64,
        "the buffer is bounded"
    );

    let mut stranger = Stream::open(&ui, Some("another-1")).await;
    stranger.until("event: resync").await;
}

#[tokio::test]
async fn streams_are_bounded_and_end_with_the_agent() {
    let ui = signed_in(Settings {
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
    let ui = signed_in(Settings {
        heartbeat: Duration::from_millis(5),
        ..Settings::default()
    })
    .await;
    let mut stream = Stream::open(&ui, None).await;
    stream.until("event: beat").await;
}

#[tokio::test]
async fn the_committed_openapi_document_is_the_current_one() {
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
    let plain = ui.get("/").await;
    assert_eq!(plain.header("content-encoding"), "");
    assert!(plain.text().contains("<!doctype html>"));
    if syncline_web_ui::front_end_is_built() {
        let packed = request("GET", "/")
            .header(COOKIE, &ui.cookie)
            .header("accept-encoding", "br, gzip");
        assert_eq!(ask(&ui, packed).await.header("content-encoding"), "gzip");
    } else {
        assert!(plain.text().contains("cargo xtask ui"));
    }
}

#[tokio::test]
async fn what_an_application_waits_for_is_told_with_its_rollout_and_its_order() {
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
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
    let ui = signed_in(Settings::default()).await;
    let about = ui.get("/api/v1/about").await.json();
    assert_eq!(about["freeze"], Value::Null);
    let frozen = Sample::frozen().about().await.unwrap().freeze.unwrap();
    assert_eq!(frozen.by, "ada");
}

#[tokio::test]
async fn records_are_told_in_parts_and_of_one_kind_alone() {
    let ui = signed_in(Settings::default()).await;
    for path in ["webhooks", "audit", "drift"] {
        let first = ui.get(&format!("/api/v1/{path}?limit=2")).await.json();
        let items = first["items"].as_array().unwrap();
        assert_eq!(items.len(), 2, "{path}");
        let next = first["next"].as_str().unwrap();
        assert_eq!(items[1]["id"], next, "{path}");
        let second = ui
            .get(&format!("/api/v1/{path}?limit=2&before={next}"))
            .await;
        let second = second.json();
        assert!(second["items"][0]["id"].as_str().unwrap() < next, "{path}");
        for bad in ["limit=0", "before=x"] {
            let answer = ui.get(&format!("/api/v1/{path}?{bad}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}?{bad}");
        }
    }
    let rejected = ui.get("/api/v1/webhooks?verdict=rejected").await.json();
    let rejected = rejected["items"].as_array().unwrap();
    assert!(!rejected.is_empty() && rejected.iter().all(|item| item["verdict"] == "rejected"));
    let mia = ui
        .get("/api/v1/audit?actor=mia&action=suspend&target=")
        .await
        .json();
    assert_eq!(mia["items"].as_array().unwrap().len(), 1);
    for bad in [
        "audit?target=web",
        "audit?since=now",
        "webhooks?verdict=good",
    ] {
        let answer = ui.get(&format!("/api/v1/{bad}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn all_calls_that_fit_are_in_the_file_however_many_parts_they_come_in() {
    let ui = signed_in(Settings {
        max_page_size: 7,
        page_size: 7,
        ..Settings::default()
    })
    .await;
    let table = ui.get("/api/v1/audit/export?format=csv").await;
    assert_eq!(table.status, StatusCode::OK);
    assert_eq!(table.header("content-type"), "text/csv; charset=utf-8");
    assert!(
        table
            .header("content-disposition")
            .starts_with("attachment")
    );
    let table = table.text();
    let lines: Vec<&str> = table.split("\r\n").collect();
    assert!(lines[0].starts_with("id,time,actor,address,action,"));
    // A line of names, 55 calls, and nothing after the last line.
    assert_eq!(lines.len(), 57);
    assert!(lines[2].contains(",refused,"), "{}", lines[2]);
    let objects = ui
        .get("/api/v1/audit/export?format=jsonl&action=sync")
        .await;
    // To have a name it would have to be in memory as a whole.
    assert_eq!(objects.header("etag"), "");
    let objects: Vec<Value> = objects
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(objects.len(), 52);
    assert!(objects.iter().all(|call| call["action"] == "sync"));
    let answer = ui.get("/api/v1/audit/export?format=xlsx").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_repository_and_what_hangs_together_with_one_application_are_told() {
    let ui = signed_in(Settings::default()).await;
    let repository = ui.get("/api/v1/repositories/shop/config").await.json();
    assert_eq!(repository["summary"]["name"], "config");
    assert!(!repository["readers"].as_array().unwrap().is_empty());
    let all = ui.get("/api/v1/dependencies").await.json();
    let around = "/api/v1/dependencies?namespace=shop&name=web";
    let around = ui.get(around).await.json();
    let count = |graph: &Value| graph["applications"].as_array().unwrap().len();
    assert!(count(&around) > 1 && count(&around) <= count(&all));
    for (path, status) in [
        ("repositories/shop/none", StatusCode::NOT_FOUND),
        (
            "dependencies?namespace=shop&name=none",
            StatusCode::NOT_FOUND,
        ),
        ("dependencies?namespace=shop", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(
            ui.get(&format!("/api/v1/{path}")).await.status,
            status,
            "{path}"
        );
    }
}
