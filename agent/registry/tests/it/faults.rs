//! Behaviour against answers that a healthy registry does not give.

use std::time::{Duration, Instant};

use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_registry::{Age, Auth, Client, Error, Freshness, Settings};

use crate::player::{HANG, Player, answer, page};
use crate::{image, texts};

fn client() -> Client {
    Client::new(Settings::default()).unwrap()
}

fn user() -> Auth {
    Auth::Basic {
        username: "aladdin".into(),
        password: Redacted::new("open sesame"),
    }
}

/// `Authorization` of [`user`], in lower case.
const BASIC: &str = "basic ywxhzgrpbjpvcgvuihnlc2ftzq==";

#[tokio::test]
async fn an_opaque_cursor_is_followed_to_the_last_page() {
    let player = Player::start(|heard, _| match heard.target.split_once('?').unwrap().1 {
        "n=1000" => page(
            &[r#"Link: </v2/app/tags/list?next_page=gAAA%3D%3D&n=50>; rel="next""#],
            &["b"],
        ),
        "next_page=gAAA%3D%3D&n=50" => page(&["Link: <list?next_page=zz>; rel=next"], &["c", "a"]),
        "next_page=zz" => page(&[], &["a", "d"]),
        other => panic!("{other}"),
    })
    .await;
    let listing = client()
        .tags(&image(&player.host, "app"), &Auth::Anonymous, Age::Now)
        .await
        .unwrap();
    assert_eq!(texts(&listing), ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn bad_b56_entries_that_are_no_tags_are_counted_and_left_out() {
    let long = "a".repeat(129);
    let player = Player::start(move |_, _| page(&[], &["v1.2", "1.2.3+b", "latest", &long])).await;
    let listing = client()
        .tags(&image(&player.host, "app"), &Auth::Anonymous, Age::Now)
        .await
        .unwrap();
    assert_eq!(
        (texts(&listing), listing.invalid),
        (vec!["latest", "v1.2"], 2)
    );
}

#[tokio::test]
async fn no_tags_are_an_empty_list() {
    let player = Player::start(|_, _| answer(200, &[], r#"{"name":"app","tags":null}"#)).await;
    let listing = client()
        .tags(&image(&player.host, "app"), &Auth::Anonymous, Age::Now)
        .await
        .unwrap();
    assert!(listing.tags.is_empty());
}

#[tokio::test]
async fn fault_f14_a_list_that_is_cut_off_anywhere_gives_no_tags() {
    let whole = page(&[], &["1.0.0", "1.1.0"]);
    let cut_body = whole[..whole.len() - 12].to_owned();
    let without_length =
        "HTTP/1.1 200 x\r\nconnection: close\r\n\r\n{\"tags\":[\"1.0.0\",\"1".to_owned();
    let chunked = "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"tag\r\n".to_owned();
    let link = r#"Link: </v2/app/tags/list?last=1>; rel="next""#;
    for second_page in [
        cut_body,
        without_length,
        chunked,
        answer(200, &[], ""),
        answer(200, &[], "{}"),
        answer(200, &[], "<html>maintenance</html>"),
        answer(200, &[], r#"{"tags":[1]}"#),
        // A link to another host, and a circle.
        page(
            &[r#"Link: <https://evil.example.com/v2/app/tags/list>; rel="next""#],
            &["9"],
        ),
        page(&[link], &["9"]),
        answer(304, &[], ""),
    ] {
        let shown = second_page.clone();
        let player = Player::start(move |heard, _| {
            if heard.target.contains("last=") {
                second_page.clone()
            } else {
                page(&[link], &["1.0.0"])
            }
        })
        .await;
        let app = image(&player.host, "app");
        let error = client()
            .tags(&app, &Auth::Anonymous, Age::Now)
            .await
            .unwrap_err();
        assert_eq!(
            error.reason(),
            Reason::RegistryIncomplete,
            "{shown}\n{error}"
        );
    }
}

#[tokio::test]
async fn errors_and_redirects_of_a_page_give_no_tags() {
    let link = r#"Link: </v2/app/tags/list?last=1>; rel="next""#;
    for (status, reason) in [
        (500, Reason::RegistryUnavailable),
        (503, Reason::RegistryUnavailable),
        (302, Reason::RegistryUnavailable),
        (403, Reason::RegistryAuthFailed),
        (404, Reason::RegistryNotFound),
        (429, Reason::RegistryThrottled),
    ] {
        let player = Player::start(move |heard, _| {
            if heard.target.contains("last=") {
                answer(status, &["Location: http://127.0.0.1:1/"], "")
            } else {
                page(&[link], &["1.0.0"])
            }
        })
        .await;
        let app = image(&player.host, "app");
        let error = client()
            .tags(&app, &Auth::Anonymous, Age::Now)
            .await
            .unwrap_err();
        assert_eq!(error.reason(), reason, "{status}");
    }
}

#[tokio::test]
async fn fault_f13_a_host_that_asks_to_slow_down_is_left_alone_by_all_images() {
    let player = Player::start(|_, _| answer(429, &["Retry-After: 300"], "")).await;
    let client = client();
    let first = client
        .tags(&image(&player.host, "app"), &Auth::Anonymous, Age::Now)
        .await
        .unwrap_err();
    assert_eq!(first.retry_after(), Some(Duration::from_mins(5)));
    let second = client
        .clone()
        .tags(&image(&player.host, "other"), &user(), Age::Now)
        .await
        .unwrap_err();
    assert_eq!(second.reason(), Reason::RegistryThrottled);
    let left = second.retry_after().unwrap();
    assert!(
        left <= Duration::from_mins(5) && left > Duration::from_secs(200),
        "{left:?}"
    );
    assert_eq!(player.heard().len(), 1);
}

#[tokio::test]
async fn a_host_is_asked_again_after_the_time_that_it_named() {
    let player = Player::start(|_, before| match before {
        0 => answer(503, &["Retry-After: 0"], ""),
        _ => page(&[], &["1.0.0"]),
    })
    .await;
    let client = client();
    let app = image(&player.host, "app");
    let error = client
        .tags(&app, &Auth::Anonymous, Age::Now)
        .await
        .unwrap_err();
    // Never at once, whatever it says.
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    assert!(client.tags(&app, &Auth::Anonymous, Age::Now).await.is_err());
    assert_eq!(player.heard().len(), 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    let listing = loop {
        match client.tags(&app, &Auth::Anonymous, Age::Now).await {
            Ok(listing) => break listing,
            Err(error) => assert_eq!(error.reason(), Reason::RegistryThrottled),
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(texts(&listing), ["1.0.0"]);
    assert_eq!(player.heard().len(), 2);
}

#[tokio::test]
async fn a_registry_that_never_answers_is_given_up_at_the_deadline() {
    let player = Player::start(|_, _| HANG.to_owned()).await;
    let settings = Settings {
        timeout: Duration::from_millis(200),
        ..Settings::default()
    };
    let client = Client::new(settings).unwrap();
    let app = image(&player.host, "app");
    let error = client
        .tags(&app, &Auth::Anonymous, Age::Now)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryUnavailable);
    assert!(error.to_string().contains("deadline"), "{error}");
}

#[tokio::test]
async fn an_unchanged_list_is_asked_for_conditionally() {
    let player = Player::start(|heard, _| match heard.header("if-none-match") {
        "\"one\"" => answer(304, &[], ""),
        _ => page(&["ETag: \"one\""], &["1.0.0"]),
    })
    .await;
    let (client, app) = (client(), image(&player.host, "app"));
    let first = client.tags(&app, &Auth::Anonymous, Age::Now).await.unwrap();
    let second = client.tags(&app, &Auth::Anonymous, Age::Now).await.unwrap();
    assert_eq!(
        (first.freshness, second.freshness),
        (Freshness::Read, Freshness::NotModified)
    );
    assert_eq!(first.tags, second.tags);
    assert_eq!(player.heard().len(), 2);
    // Another credential has no list yet.
    let third = client.tags(&app, &user(), Age::Now).await.unwrap();
    assert_eq!(third.freshness, Freshness::Read);
}

#[tokio::test]
async fn the_first_page_of_several_is_never_taken_for_the_whole_list() {
    let player = Player::start(|heard, _| {
        if heard.target.contains("last=") {
            page(&["ETag: \"two\""], &["2"])
        } else {
            page(&["ETag: \"one\"", r#"Link: <?last=1>; rel="next""#], &["1"])
        }
    })
    .await;
    let (client, app) = (client(), image(&player.host, "app"));
    for freshness in [Freshness::Read, Freshness::Unchanged] {
        let listing = client.tags(&app, &Auth::Anonymous, Age::Now).await.unwrap();
        assert_eq!(
            (texts(&listing), listing.freshness),
            (vec!["1", "2"], freshness)
        );
    }
    assert!(
        player
            .heard()
            .iter()
            .all(|heard| heard.header("if-none-match").is_empty())
    );
}

/// A registry with its own token service, which knows one user.
async fn with_tokens(expires_in: u64) -> Player {
    Player::start(move |heard, _| {
        let target = heard.target.clone();
        let host = heard.header("host").to_owned();
        if target.starts_with("/token") {
            if heard.header("authorization") != BASIC {
                return answer(401, &[], "");
            }
            assert_eq!(target, "/token?service=reg&scope=repository%3Aapp%3Apull");
            let body = format!(r#"{{"token":"t0k3n","expires_in":{expires_in}}}"#);
            return answer(200, &[], &body);
        }
        if heard.header("authorization") == "bearer t0k3n" {
            return page(&[], &["1.0.0"]);
        }
        let challenge = format!(
            "WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"reg\",scope=\"repository:app:pull\""
        );
        answer(401, &[&challenge], "")
    })
    .await
}

#[tokio::test]
async fn a_token_is_fetched_once_and_kept_until_it_runs_out() {
    let player = with_tokens(3600).await;
    let (client, app) = (client(), image(&player.host, "app"));
    for _ in 0..3 {
        assert_eq!(
            texts(&client.tags(&app, &user(), Age::Now).await.unwrap()),
            ["1.0.0"]
        );
    }
    let tokens = |player: &Player| {
        player
            .heard()
            .iter()
            .filter(|heard| heard.target.starts_with("/token"))
            .count()
    };
    assert_eq!((tokens(&player), player.heard().len()), (1, 5));
    // The password goes to the token service, never to the list.
    for heard in player.heard() {
        let is_token = heard.target.starts_with("/token");
        assert_eq!(
            heard.header("authorization") == BASIC,
            is_token,
            "{heard:?}"
        );
    }

    // One that is within its margin of running out is not used again.
    let player = with_tokens(5).await;
    let app = image(&player.host, "app");
    for _ in 0..2 {
        assert!(client.tags(&app, &user(), Age::Now).await.is_ok());
    }
    assert_eq!(tokens(&player), 2);
}

#[tokio::test]
async fn a_token_service_that_refuses_is_an_authentication_failure() {
    let player = with_tokens(60).await;
    let app = image(&player.host, "app");
    let wrong = Auth::Basic {
        username: "aladdin".into(),
        password: Redacted::new("hunter2"),
    };
    for auth in [Auth::Anonymous, wrong] {
        let error = client().tags(&app, &auth, Age::Now).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RegistryAuthFailed, "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn bad_b59_a_token_service_on_another_host_never_hears_the_password() {
    let thief = Player::start(|_, _| answer(200, &[], r#"{"token":"x"}"#)).await;
    // The same machine by another name is another host.
    let realm = thief.host.replace("127.0.0.1", "localhost");
    let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{realm}/token\"");
    let player = Player::start(move |_, _| answer(401, &[&challenge], "")).await;
    let app = image(&player.host, "app");
    let error = client().tags(&app, &user(), Age::Now).await.unwrap_err();
    assert!(matches!(error, Error::Realm { .. }), "{error}");
    assert_eq!(error.reason().row().code, "registry.realm");
    assert!(thief.heard().is_empty());
    assert!(
        player
            .heard()
            .iter()
            .all(|heard| heard.header("authorization").is_empty())
    );
    // Without a password there is nothing to steal; the token is refused and that is the end.
    let error = client()
        .tags(&app, &Auth::Anonymous, Age::Now)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Reason::RegistryAuthFailed);
    assert_eq!((thief.heard().len(), player.heard().len()), (1, 3));
}
