//! Chart repositories over HTTP.

use std::fs;
use std::time::Duration;

use super::*;
use crate::player::{HANG, stalled};

#[tokio::test]
async fn a_range_is_resolved_to_the_newest_version_and_its_archive_is_fetched_once() {
    let player = Player::start(|heard, _| match heard.target.as_str() {
        "/charts/index.yaml" => answer(
            200,
            &[],
            &index(&[
                ("app", "1.9.0", "sub/app-1.9.0.tgz", &sha256("nine")),
                ("app", "1.10.0", "sub/app-1.10.0.tgz", &sha256("ten")),
                ("app", "2.0.0-rc.1", "sub/app-2.tgz", &sha256("two")),
                ("app", "latest", "sub/app-latest.tgz", ""),
                ("other", "9.0.0", "other.tgz", ""),
            ]),
        ),
        "/charts/sub/app-1.10.0.tgz" => answer(200, &[], "ten"),
        "/charts/sub/app-2.tgz" => answer(200, &[], "two"),
        other => panic!("{other}"),
    })
    .await;
    let client = usual();
    let repository = format!("http://{}/charts/", player.host);
    for (version, expected) in [
        ("^1.2", "1.10.0"),
        ("", "1.10.0"),
        ("1.9.x", "1.9.0"),
        (">=2.0.0-0", "2.0.0-rc.1"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
    ] {
        let resolved = client
            .resolve(&chart(&repository, "app", version))
            .await
            .unwrap();
        assert_eq!(resolved.version, expected, "{version}");
    }
    let resolved = client
        .resolve(&chart(&repository, "app", "^1"))
        .await
        .unwrap();
    assert_eq!(resolved.source, format!("{repository}sub/app-1.10.0.tgz"));
    // One who is given up does not spoil it for the others; the task proves that it can be one.
    let charts = client.charts.clone();
    let (task, same) = (resolved.clone(), Access::default());
    let task = tokio::spawn(async move { charts.fetch(&task, &same).await });
    let access = Access::default();
    let both = tokio::join!(
        client.charts.fetch(&resolved, &access),
        client.charts.fetch(&resolved, &access)
    );
    for archive in [both.0, both.1, task.await.unwrap()] {
        let archive = archive.unwrap();
        assert_eq!(
            (archive.bytes, Some(archive.digest)),
            (bytes("ten"), resolved.digest)
        );
    }
    assert_eq!(player.heard().len(), 2, "one index and one archive");
    // Another process with the same folder needs no network for the archive.
    let settings = Settings::new(client.folder.path().join("charts"));
    let archive = Charts::new(settings)
        .unwrap()
        .fetch(&resolved, &access)
        .await;
    assert_eq!(
        (archive.unwrap().bytes, player.heard().len()),
        (bytes("ten"), 2)
    );
}

#[tokio::test]
async fn a_damaged_archive_in_the_folder_is_fetched_again() {
    let player = repository("content").await;
    let client = usual();
    let app = app(&player.host);
    client.fetch(&app, &Access::default()).await.unwrap();
    let folder = client.folder.path().join("charts");
    let path = folder.join(format!("{}.tgz", sha256("content")));
    fs::write(&path, "damaged").unwrap();
    let archive = client.fetch(&app, &Access::default()).await.unwrap();
    assert_eq!(
        (archive.bytes, fs::read(&path).unwrap()),
        (bytes("content"), b"content".to_vec())
    );
    // A folder that cannot be written makes it slower, not impossible.
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "a file").unwrap();
    assert!(client.fetch(&app, &Access::default()).await.is_ok());
}

#[tokio::test]
async fn an_index_is_asked_for_once_per_interval_and_then_conditionally() {
    let player = Player::start(|heard, _| {
        if heard.header("if-none-match") == "\"a\"" && !heard.header("if-modified-since").is_empty()
        {
            return answer(304, &[], "");
        }
        let headers = [
            "ETag: \"a\"",
            "Last-Modified: Sat, 21 Nov 2026 08:00:00 GMT",
        ];
        let entries: Vec<String> = (0..10_000).map(|n| format!("1.{n}.0")).collect();
        let entries: Vec<_> = entries
            .iter()
            .map(|v| ("app", v.as_str(), "x.tgz", ""))
            .collect();
        answer(200, &headers, &index(&entries))
    })
    .await;
    let client = usual();
    let repository = format!("http://{}", player.host);
    let wanted: Vec<ChartRef> = (0..50)
        .map(|n| chart(&repository, "app", &format!("<1.{n}.5")))
        .collect();
    let found = futures(&client, &wanted).await;
    assert!(found.iter().all(Result::is_ok) && found.len() == 50);
    assert_eq!(player.heard().len(), 1);

    let impatient = client_with_interval(Duration::ZERO);
    for version in ["^1", "1.7.x"] {
        let found = impatient
            .resolve(&chart(&repository, "app", version))
            .await
            .unwrap();
        assert_eq!(
            found.version,
            if version == "^1" { "1.9999.0" } else { "1.7.0" }
        );
    }
    let heard = player.heard();
    assert_eq!(heard.len(), 3);
    assert_eq!(
        (
            heard[1].header("if-none-match"),
            heard[2].header("if-none-match")
        ),
        ("", "\"a\"")
    );
}

fn client_with_interval(interval: Duration) -> Client {
    client(|settings| settings.interval = interval)
}

/// Resolves all of them at once.
async fn futures(client: &Client, wanted: &[ChartRef]) -> Vec<Result<ResolvedChart, ChartError>> {
    let mut tasks = tokio::task::JoinSet::new();
    for chart in wanted {
        let (charts, chart) = (client.charts.clone(), chart.clone());
        tasks.spawn(async move { charts.resolve(&chart, &Access::default()).await });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn what_does_not_exist_is_said_with_what_does() {
    let player = Player::start(|heard, _| match heard.target.as_str() {
        "/index.yaml" => {
            let versions: Vec<String> = (0..9).map(|n| format!("1.{n}.0")).collect();
            let mut all: Vec<_> = versions
                .iter()
                .map(|v| ("app", v.as_str(), "gone.tgz", ""))
                .collect();
            all.push(("application", "1.0.0", "x.tgz", ""));
            answer(200, &[], &index(&all))
        }
        _ => answer(404, &[], ""),
    })
    .await;
    let client = usual();
    let access = Access::default();
    let repository = format!("http://{}", player.host);
    let (reason, text) = client
        .failure(&chart(&repository, "app", "1.4.7"), &access)
        .await;
    assert_eq!(reason, Reason::ChartNotFound);
    assert!(
        text.ends_with("it has 1.3.0, 1.4.0, 1.5.0, 1.6.0, 1.7.0 (of 9)"),
        "{text}"
    );
    let (reason, text) = client
        .failure(&chart(&repository, "App", ""), &access)
        .await;
    assert_eq!(reason, Reason::ChartNotFound);
    assert!(text.contains("it has `app`, `application`"), "{text}");
    let (reason, text) = client
        .failure(&chart(&repository, "app", "1.4.0"), &access)
        .await;
    assert_eq!(reason, Reason::ChartNotFound, "{text}");
    let elsewhere = format!("http://{}/charts", player.host);
    let (reason, text) = client.failure(&chart(&elsewhere, "app", ""), &access).await;
    assert_eq!(reason, Reason::ChartNotFound);
    assert!(text.starts_with("the index of `http://"), "{text}");
    let (reason, _) = client
        .failure(&chart(&repository, "app", ">="), &access)
        .await;
    assert_eq!(reason, Reason::ChartVersion);
}

#[tokio::test]
async fn bad_b38_an_archive_with_another_digest_is_never_used_nor_kept() {
    let digest = sha256("what was published");
    let player = Player::start(move |heard, _| match heard.target.as_str() {
        "/charts/index.yaml" => answer(
            200,
            &[],
            &index(&[
                ("app", "1.0.0", "app.tgz", &digest),
                ("broken", "1.0.0", "app.tgz", &digest[..60]),
                ("free", "1.0.0", "app.tgz", ""),
            ]),
        ),
        _ => answer(200, &[], "something else"),
    })
    .await;
    let client = usual();
    let access = Access::default();
    let (reason, text) = client.failure(&app(&player.host), &access).await;
    assert_eq!(reason, Reason::ChartDigest);
    assert!(
        text.contains(&sha256("something else")) && text.contains(&sha256("what was published"))
    );
    assert!(!client.folder.path().join("charts").exists());
    let broken = ChartRef {
        name: "broken".into(),
        ..app(&player.host)
    };
    assert_eq!(
        client.failure(&broken, &access).await.0,
        Reason::ChartDigest
    );
    // A lock file decides where the index says nothing, and is not overruled where it does.
    let free = ChartRef {
        name: "free".into(),
        ..app(&player.host)
    };
    let free = client.resolve(&free).await.unwrap();
    assert_eq!(free.digest, None);
    let archive = client.charts.fetch(&free, &access).await.unwrap();
    assert_eq!(archive.digest, ArchiveDigest::of(b"something else"));
    let other = ArchiveDigest::of(b"locked");
    let locked = free.clone().locked(other).unwrap();
    let error = client.charts.fetch(&locked, &access).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ChartDigest);
    assert!(free.locked(archive.digest).is_ok());
    let resolved = client.resolve(&app(&player.host)).await.unwrap();
    assert_eq!(
        resolved.locked(other).unwrap_err().reason(),
        Reason::ChartDigest
    );
}

#[tokio::test]
async fn fault_f12_a_repository_that_is_slow_cut_off_or_gone_gives_no_chart() {
    let index = index(&[("app", "1.0.0", "app-1.0.0.tgz", &sha256("content"))]);
    let whole = answer(200, &[], &index);
    let open = format!(
        "HTTP/1.1 200 x\r\nconnection: close\r\n\r\n{}",
        &index[..index.len() - 34]
    );
    for (played, says) in [
        (HANG.to_owned(), "deadline"),
        (stalled(&whole, whole.len() - 20), "deadline"),
        (whole[..whole.len() - 20].to_owned(), ""),
        (open, "cut off"),
        (
            "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n5\r\napiVe\r\n".to_owned(),
            "",
        ),
        ("nonsense".to_owned(), ""),
        (answer(500, &[], ""), "500"),
        (answer(304, &[], ""), "304"),
        (answer(302, &[], ""), "nowhere"),
        (
            answer(302, &["Location: /index.yaml"], ""),
            "more than 10 times",
        ),
        (answer(200, &["Content-Encoding: br"], "x"), "`br`"),
    ] {
        let shown = played.clone();
        let player = Player::start(move |_, _| played.clone()).await;
        let (reason, text) = client(soon)
            .failure(&app(&player.host), &Access::default())
            .await;
        assert_eq!(reason, Reason::ChartUnavailable, "{shown}: {text}");
        assert!(text.contains(says), "{shown}: {text}");
    }
    // The same for the archive.
    for played in [
        HANG.to_owned(),
        stalled(&answer(200, &[], "content"), 60),
        answer(503, &[], ""),
    ] {
        let player = Player::start(move |heard, _| match heard.target.as_str() {
            "/charts/index.yaml" => serve(heard, "content"),
            _ => played.clone(),
        })
        .await;
        let client = client(soon);
        let (reason, _) = client.failure(&app(&player.host), &Access::default()).await;
        assert_eq!(reason, Reason::ChartUnavailable);
    }
    let player = repository("content").await;
    let host = player.host.clone();
    drop(player);
    let (reason, _) = usual().failure(&app(&host), &Access::default()).await;
    assert_eq!(reason, Reason::ChartUnavailable);
}

#[tokio::test]
async fn a_failure_is_believed_for_a_moment_by_all_charts_of_the_repository() {
    let player = Player::start(|_, _| HANG.to_owned()).await;
    let client = client(soon);
    let wanted: Vec<ChartRef> = (0..20)
        .map(|n| ChartRef {
            name: format!("app-{n}"),
            ..app(&player.host)
        })
        .collect();
    for found in futures(&client, &wanted).await {
        assert_eq!(found.unwrap_err().reason(), Reason::ChartUnavailable);
    }
    assert_eq!(player.heard().len(), 1);
}

#[tokio::test]
async fn fault_f13_a_repository_that_asks_to_slow_down_is_left_alone() {
    let player = Player::start(|_, _| answer(429, &["Retry-After: 300"], "")).await;
    let client = client(|settings| settings.failure_interval = Duration::ZERO);
    for path in ["a", "b"] {
        let chart = chart(&format!("http://{}/{path}", player.host), "app", "");
        let error = client.resolve(&chart).await.unwrap_err();
        assert_eq!(error.reason(), Reason::ChartUnavailable);
        let wait = error.retry_after().unwrap();
        assert!(
            wait > Duration::from_secs(200) && wait <= Duration::from_mins(5),
            "{wait:?}"
        );
    }
    assert_eq!(player.heard().len(), 1);
}

#[tokio::test]
async fn bad_b48_an_index_over_the_limit_or_none_at_all_is_an_index_that_cannot_be_used() {
    let large = index(&[("app", "1.0.0", "app.tgz", "")]) + &"#".repeat(2000);
    let chunked = format!(
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    for (body, says) in [
        (answer(200, &[], &large), "max_index_bytes"),
        (chunked, "max_index_bytes"),
        (answer(200, &[], "<html>sign in</html>"), "not readable"),
        (answer(200, &[], "entries: {}"), "apiVersion"),
        (answer(200, &[], ""), "not readable"),
    ] {
        let player = Player::start(move |_, _| body.clone()).await;
        let client = client(|settings| settings.max_index_bytes = 1000);
        let (reason, text) = client.failure(&app(&player.host), &Access::default()).await;
        assert_eq!(reason, Reason::ChartIndex, "{text}");
        assert!(text.contains(says), "{text}");
    }
    let player = repository("a long archive").await;
    let client = client(|settings| settings.max_archive_bytes = 5);
    let (reason, text) = client.failure(&app(&player.host), &Access::default()).await;
    assert_eq!(reason, Reason::TooLarge, "{text}");
}

#[tokio::test]
async fn versions_that_are_broken_do_not_stop_the_others() {
    let player = Player::start(|heard, _| match heard.target.as_str() {
        "/charts/index.yaml" => answer(
            200,
            &[],
            &index(&[
                ("app", "0.9", "app-0.9.tgz", ""),
                ("app", "1.0.0", "app-1.0.0.tgz", ""),
                ("app", "nonsense", "app-1.0.0.tgz", ""),
                ("odd", "1.0.0", "'http://[::bad'", ""),
                ("none", "1.0.0", "~", ""),
                ("file", "1.0.0", "file:///etc/passwd", ""),
            ]),
        ),
        _ => answer(200, &[], "content"),
    })
    .await;
    let client = usual();
    let access = Access::default();
    assert!(client.fetch(&app(&player.host), &access).await.is_ok());
    for (name, expected) in [
        ("odd", Reason::ChartIndex),
        ("none", Reason::ChartIndex),
        ("file", Reason::InvalidSpec),
    ] {
        let chart = ChartRef {
            name: name.into(),
            ..app(&player.host)
        };
        assert_eq!(client.failure(&chart, &access).await.0, expected, "{name}");
    }
}
