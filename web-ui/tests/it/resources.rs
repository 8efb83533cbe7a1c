//! Tree, objects, events and logs as a browser asks for them.

use std::time::Duration;

use futures::StreamExt as _;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use syncline_web_ui::Settings;

use crate::sample::Sample;
use crate::ui::Ui;

const WEB: &str = "/api/v1/applications/shop/web";

async fn shop(settings: Settings) -> Ui {
    Ui::new(Sample::shop(), settings).sign_in().await
}

#[tokio::test]
async fn a_tree_tells_each_line_with_the_one_that_it_is_below() {
    let ui = shop(Settings::default()).await;
    let tree = ui.get(&format!("{WEB}/resources")).await;
    let (status, tree) = (tree.status, tree.json());
    assert_eq!(status, StatusCode::OK);
    let items = tree["items"].as_array().unwrap();
    let pod = items.iter().find(|item| item["object"]["kind"] == "Pod");
    let pod = pod.unwrap();
    let set = &items[pod["parent"].as_u64().unwrap() as usize];
    assert_eq!(set["object"]["kind"], "ReplicaSet");
    assert_eq!(pod["sync"], Value::Null);
    assert_eq!(pod["containers"][0]["name"], "web");
    let missing = ui.get("/api/v1/applications/shop/none/resources").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_object_is_found_by_its_names_and_one_of_another_application_is_not() {
    let ui = shop(Settings::default()).await;
    let object = ui
        .get(&format!("{WEB}/objects/apps/Deployment/shop/web"))
        .await;
    let (status, object) = (object.status, object.json());
    assert_eq!(status, StatusCode::OK);
    assert_eq!(object["node"]["origin"]["file"], "apps/web/deployment.yaml");
    let service = ui.get(&format!("{WEB}/objects/-/Service/shop/web")).await;
    let (status, service) = (service.status, service.json());
    assert_eq!(
        (status, &service["node"]["object"]["group"]),
        (StatusCode::OK, &"".into())
    );
    for (path, expected) in [
        ("apps/Deployment/pay/api", StatusCode::NOT_FOUND),
        ("apps/Deployment/-/web", StatusCode::NOT_FOUND),
        ("apps/..%2Fx/shop/web", StatusCode::BAD_REQUEST),
        ("apps/Deployment/shop/a%2Fb", StatusCode::BAD_REQUEST),
        ("apps/Deployment/shop/a%3Fb", StatusCode::BAD_REQUEST),
    ] {
        let body = ui.get(&format!("{WEB}/objects/{path}")).await;
        let (status, body) = (body.status, body.json());
        assert_eq!(status, expected, "{path}: {body}");
    }
}

#[tokio::test]
async fn events_are_of_all_objects_or_of_the_one_that_is_named_whole() {
    let ui = shop(Settings::default()).await;
    let all = ui.get(&format!("{WEB}/events")).await;
    let (status, all) = (all.status, all.json());
    assert_eq!(status, StatusCode::OK);
    let first = &all["items"][0]["object"];
    let name = first["name"].as_str().unwrap();
    let one = ui
        .get(&format!("{WEB}/events?kind=Pod&namespace=shop&name={name}"))
        .await;
    let one = one.json();
    let items = one["items"].as_array().unwrap();
    assert!(items.len() == 1 && items[0]["object"] == *first, "{one}");
    for query in [
        "kind=Pod",
        "name=web",
        "namespace=shop",
        "kind=P%20d&name=x",
    ] {
        let body = ui.get(&format!("{WEB}/events?{query}")).await;
        let (status, body) = (body.status, body.json());
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {body}");
    }
}

#[tokio::test]
async fn a_log_is_one_entry_a_line_and_its_end_says_why() {
    let ui = shop(Settings::default()).await;
    let answer = ui.get(&format!("{WEB}/logs?tail=100")).await;
    assert_eq!(answer.headers[CONTENT_TYPE], "application/x-ndjson");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    let entries: Vec<Value> = answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries[0]["type"], "line");
    assert_eq!(entries.last().unwrap()["type"], "end");
    for query in [
        "pod=A",
        "container=..",
        "tail=10001",
        "since=yesterday",
        "follow=maybe",
    ] {
        let answer = ui.get(&format!("{WEB}/logs?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    let other = ui.get(&format!("{WEB}/logs?pod=of-another")).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_and_the_rest_of_the_tree_is_told() {
    let ui = shop(Settings::default()).await;
    let invoices = "/api/v1/applications/pay/invoices";
    let tree = ui.get(&format!("{invoices}/resources")).await;
    let (status, tree) = (tree.status, tree.json());
    assert_eq!(status, StatusCode::OK);
    assert!(!tree["items"].as_array().unwrap().is_empty());
    assert_eq!(tree["missing"][0]["resource"], "pods");
    let log = ui.get(&format!("{invoices}/logs")).await;
    let (status, log) = (log.status, log.json());
    assert_eq!(
        (status, &log["error"]["code"]),
        (StatusCode::FORBIDDEN, &"forbidden".into())
    );
    let message = log["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("pay/deployer") && message.contains("pods"),
        "{message}"
    );
}

#[tokio::test]
async fn a_log_that_is_followed_ends_with_the_session() {
    let ui = shop(Settings {
        session_lifetime: Duration::from_secs(2),
        ..Settings::default()
    })
    .await;
    let answer = ui.open(&format!("{WEB}/logs?follow=true")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let mut chunks = answer.into_body().into_data_stream();
    let all = async { while chunks.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(20), all)
        .await
        .unwrap();
}
