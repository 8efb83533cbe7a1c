//! The web UI behind a proxy: under a path, over TLS, with a cookie of its own.

use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, HOST};
use http::{Request, StatusCode};
use syncline_web_ui::Settings;

use crate::sample::Sample;
use crate::ui::Ui;

const HOST_NAME: &str = "ops.example.com";

fn behind_a_proxy() -> Ui {
    let settings = Settings {
        public_url: Some("https://ops.example.com/gitops".parse().unwrap()),
        ..Settings::default()
    };
    Ui {
        host: HOST_NAME,
        ..Ui::new(Sample::shop(), settings)
    }
}

#[tokio::test]
async fn over_tls_the_cookie_is_one_that_no_other_host_can_set() {
    let ui = behind_a_proxy();
    let answer = ui.get(&ui.link()).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-syncline-"), "{cookie}");
    for attribute in ["; Secure", "; Path=/;", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie} lacks {attribute}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let named = cookie.split(';').next().unwrap();
    let ui = Ui {
        cookie: named.to_owned(),
        ..ui
    };
    assert_eq!(ui.get("/api/v1/about").await.status, StatusCode::OK);
    // The same session without the promise of the browser, and on the way round the proxy.
    let plain = Ui {
        cookie: named.replace("__Host-", ""),
        ..ui
    };
    assert_eq!(plain.get("/").await.status, StatusCode::UNAUTHORIZED);
    let direct = Ui {
        host: "localhost:8080",
        cookie: named.to_owned(),
        ..plain
    };
    assert_eq!(direct.get("/").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn on_loopback_the_cookie_is_a_plain_one() {
    let ui = Ui {
        host: "localhost:8080",
        ..behind_a_proxy()
    };
    let answer = ui.get(&ui.link()).await;
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("syncline-") && !cookie.contains("Secure"),
        "{cookie}"
    );
}

#[tokio::test]
async fn the_path_of_the_proxy_is_taken_off_where_it_was_left_on() {
    let ui = behind_a_proxy().sign_in().await;
    for path in [
        "/gitops/",
        "/gitops/api/v1/about",
        "/gitops/api/v1/applications/shop/web?x=1",
        "/",
        "/api/v1/about",
    ] {
        assert_eq!(ui.get(path).await.status, StatusCode::OK, "{path}");
    }
    for path in ["/gitopsy/", "/other/api/v1/about", "/gitops/gitops/"] {
        assert_eq!(ui.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let bare = ui.get("/gitops?x=1").await;
    assert_eq!(bare.status, StatusCode::SEE_OTHER);
    assert_eq!(bare.header("location"), "gitops/?x=1");
    // What is refused below the path is refused as the API does.
    let stranger = Ui {
        cookie: String::new(),
        ..ui
    };
    let answer = stranger.get("/gitops/api/v1/about").await;
    assert_eq!(answer.json()["error"]["code"], "unauthenticated");
}

#[tokio::test]
async fn no_page_names_an_absolute_address() {
    let ui = behind_a_proxy().sign_in().await;
    let stranger = Ui {
        cookie: String::new(),
        ..behind_a_proxy()
    };
    for page in [
        ui.get("/").await,
        ui.get("/a/b/c").await,
        ui.get("/login?token=used").await,
        stranger.get("/").await,
    ] {
        let text = page.text();
        for absolute in ["href=\"/", "src=\"/", "href=\"http", "src=\"http"] {
            assert!(!text.contains(absolute), "{absolute} in {text}");
        }
    }
    let deep = ui.get("/a/b/c").await.text();
    assert!(deep.contains("href=\"../../notice.css\""), "{deep}");
}

#[tokio::test]
async fn only_pages_of_the_public_address_may_command_through_it() {
    let ui = behind_a_proxy().sign_in().await;
    let path = "/gitops/api/v1/applications/shop/web/sync";
    for (origin, status) in [
        ("https://ops.example.com", StatusCode::ACCEPTED),
        ("http://ops.example.com", StatusCode::FORBIDDEN),
        ("https://ops.example.com:8443", StatusCode::FORBIDDEN),
        ("https://evil.example.com", StatusCode::FORBIDDEN),
    ] {
        let request = Request::post(path)
            .header(HOST, HOST_NAME)
            .header(COOKIE, &ui.cookie)
            .header(CONTENT_TYPE, "application/json")
            .header("origin", origin);
        let request = request.body(Body::from("{}")).unwrap();
        assert_eq!(ui.send(request).await.status, status, "{origin}");
    }
    let foreign = Ui {
        host: "ops.example.com.evil.example.com",
        ..ui
    };
    let answer = foreign.get("/gitops/").await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);
}
