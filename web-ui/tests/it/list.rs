//! The list of applications as a browser asks for it: filtered, sorted, part by part, packed.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};
use syncline_web_ui::Settings;

use crate::sample::Sample;
use crate::ui::Ui;

const LIST: &str = "/api/v1/applications";
/// Budget for a thousand applications, in bytes on the wire.
const BUDGET: usize = 25_000;

async fn shop() -> Ui {
    Ui::new(Sample::shop(), Settings::default()).sign_in().await
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_thousand_applications_are_a_few_packets() {
    let ui = Ui::new(Sample::many(1000), Settings::default());
    let ui = ui.sign_in().await;
    let packed = ui.ask(LIST, &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() <= BUDGET, "{} bytes", packed.body.len());
    let plain = ui.get(LIST).await;
    assert_eq!(plain.header("content-encoding"), "");
    let list = plain.json();
    assert_eq!(names(&list).len(), 1000);
    assert!(
        list["commits"].as_array().unwrap().len() > 100,
        "commits differ"
    );
    assert!(list["next"].is_null());
    // Nothing of a manifest, and nothing that only the page of an application shows.
    for word in ["objects", "remedy", "path", "manifest"] {
        assert!(!plain.text().contains(&format!("\"{word}\"")), "{word}");
    }
}

#[tokio::test]
async fn an_answer_that_the_browser_has_is_not_sent_again() {
    let ui = shop().await;
    let first = ui.get(LIST).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    let headers = [("if-none-match", tag.as_str()), ("accept-encoding", "gzip")];
    let again = ui.ask(LIST, &headers).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert!(again.body.is_empty() && again.header("etag") == tag);
    assert_eq!(again.header("cache-control"), "no-store");
    let other = ui.ask(&format!("{LIST}?q=ns:shop"), &headers).await;
    assert_eq!(other.status, StatusCode::OK);
    assert_ne!(other.header("etag"), tag);
}

#[tokio::test]
async fn a_list_has_what_its_filter_finds_and_counts_all() {
    let ui = shop().await;
    let all = ui.get(LIST).await.json();
    assert_eq!(all["all"], all["matching"]);
    assert_eq!(all["all"]["total"], 12);
    assert_eq!(all["all"]["failing"], 3);
    let query = "?q=state:failing%20-name:invoices";
    let some = ui.get(&format!("{LIST}{query}")).await.json();
    assert_eq!(some["matching"]["total"], 2);
    assert_eq!(some["all"], all["all"]);
    assert_eq!(
        names(&some),
        names(&all)
            .into_iter()
            .filter(|n| n != "invoices")
            .take(2)
            .collect::<Vec<_>>()
    );
    let first = &some["items"][0];
    let reason = first["reason"].as_str().unwrap();
    assert!(some["reasons"][reason]["sentence"].is_string());
    let commit = first["commit"].as_u64().unwrap() as usize;
    assert!(some["commits"][commit]["subject"].is_string());
}

#[tokio::test]
async fn a_filter_that_cannot_be_read_is_answered_with_the_place() {
    let ui = shop().await;
    let answer = ui.get(&format!("{LIST}?q=web%20colour:red")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "bad-filter");
    assert_eq!(error["at"], json!({"from": 4, "to": 10}));
    assert!(error["message"].as_str().unwrap().contains("`colour`"));
    for query in [
        "sort=size",
        "limit=0",
        "limit=2001",
        "limit=x",
        "after=here",
    ] {
        let answer = ui.get(&format!("{LIST}?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json()["error"]["code"], "bad-request", "{query}");
    }
}

#[tokio::test]
async fn parts_make_up_the_whole_list() {
    let ui = shop().await;
    for sort in ["severity", "-age", "sync", "name"] {
        let whole = names(&ui.get(&format!("{LIST}?sort={sort}")).await.json());
        let mut parts = Vec::new();
        let mut path = format!("{LIST}?sort={sort}&limit=5");
        loop {
            let part = ui.get(&path).await.json();
            parts.extend(names(&part));
            let Some(next) = part["next"].as_str() else {
                break;
            };
            path = format!("{LIST}?sort={sort}&limit=5&after={next}");
        }
        assert_eq!(parts, whole, "{sort}");
        assert_eq!(parts.iter().collect::<BTreeSet<_>>().len(), 12);
    }
}

#[tokio::test]
async fn the_names_of_all_are_told_for_a_search_in_the_browser() {
    let ui = shop().await;
    let names = ui.get("/api/v1/applications/names").await.json();
    let names = names["items"].as_array().unwrap();
    assert_eq!(names.len(), 12);
    assert!(
        names
            .windows(2)
            .all(|pair| pair[0].as_str() < pair[1].as_str())
    );
    assert!(names.contains(&json!("pay/invoices")));
}
