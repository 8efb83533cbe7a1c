//! The event stream over a real connection: batches, resuming, and a reader that stops reading.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::StatusCode;
use syncline_web_ui::{Settings, Topic, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::sample::Sample;
use crate::ui::Ui;

const PATIENCE: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(30);

/// A UI on a port, and a browser that is signed in there.
async fn served(settings: Settings) -> (Ui, SocketAddr) {
    let ui = Ui::new(Sample::shop(), settings).sign_in().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, ui.router.clone(), PATIENCE));
    (ui, address)
}

/// Asks for the stream, on a socket that holds little.
async fn open(ui: &Ui, address: SocketAddr, query: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut connection = socket.connect(address).await.unwrap();
    let request = format!(
        "GET /api/v1/stream{query} HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n",
        ui.cookie
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

/// Reads until a text comes.
async fn until(connection: &mut TcpStream, text: &str) -> String {
    let mut heard = String::new();
    let mut part = [0; 4096];
    while !heard.contains(text) {
        let read = tokio::time::timeout(LIMIT, connection.read(&mut part)).await;
        let count = read.expect("in time").unwrap();
        assert!(count > 0, "`{text}` did not come: {heard}");
        heard.push_str(std::str::from_utf8(&part[..count]).unwrap());
    }
    heard
}

#[tokio::test]
async fn changes_that_come_together_are_one_event_and_each_is_told_once() {
    let (ui, address) = served(Settings::default()).await;
    let mut stream = open(&ui, address, "").await;
    let head = until(&mut stream, "event: hello").await;
    assert!(head.contains("x-accel-buffering: no"), "{head}");
    ui.feed.publish(Topic::Application, "shop/first");
    until(&mut stream, "shop/first").await;
    for key in ["shop/web", "shop/web", "pay/api", "shop/web", "shop/last"] {
        ui.feed.publish(Topic::Application, key);
    }
    let text = until(&mut stream, "shop/last").await;
    assert_eq!(text.matches("event: changes").count(), 1, "{text}");
    assert_eq!(text.matches("shop/web").count(), 1, "{text}");
}

#[tokio::test]
async fn a_stream_goes_on_after_the_event_that_its_address_names() {
    let (ui, address) = served(Settings::default()).await;
    let mut stream = open(&ui, address, "").await;
    let text = until(&mut stream, "\ndata").await;
    let id = text.lines().find_map(|line| line.strip_prefix("id: "));
    let id = id.unwrap().to_owned();
    ui.feed.publish(Topic::Application, "shop/web");
    ui.feed.publish(Topic::Sync, "shop/web");
    let mut again = open(&ui, address, &format!("?after={id}")).await;
    let text = until(&mut again, "event: hello").await;
    assert_eq!(text.matches("event: changes").count(), 1, "{text}");
    assert_eq!(text.matches("shop/web").count(), 2, "both topics: {text}");
    assert!(!text.contains("resync"), "{text}");
    let mut stranger = open(&ui, address, "?after=another-1").await;
    until(&mut stranger, "event: resync").await;
}

#[tokio::test]
async fn an_answer_says_up_to_which_change_it_is_the_truth() {
    let (ui, address) = served(Settings::default()).await;
    let at = async || {
        let answer = ui.get("/api/v1/applications").await;
        answer.header("x-changes-at").to_owned()
    };
    let before = at().await;
    assert_eq!(before, at().await);
    ui.feed.publish(Topic::Application, "shop/web");
    let after = at().await;
    assert_ne!(before, after);
    let mut stream = open(&ui, address, &format!("?after={before}")).await;
    let text = until(&mut stream, "event: hello").await;
    assert!(text.contains("shop/web") && text.contains(&after), "{text}");
}

#[tokio::test]
async fn who_does_not_read_the_stream_is_dropped_and_its_place_is_free_again() {
    let settings = Settings {
        max_streams: 1,
        stream_pause: Duration::ZERO,
        ..Settings::default()
    };
    let (ui, address) = served(settings).await;
    let mut deaf = open(&ui, address, "").await;
    until(&mut deaf, "event: hello").await;
    let refused = ui.get("/api/v1/stream").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    // More than the buffers of both ends hold, and then nothing is taken for as long as is allowed.
    let begin = Instant::now();
    let mut number = 0_u64;
    loop {
        assert!(begin.elapsed() < LIMIT, "the place was never free");
        let begun = Instant::now();
        for _ in 0..50 {
            number += 1;
            let key = format!("shop/{number}-{}", "x".repeat(2000));
            ui.feed.publish(Topic::Application, key);
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "publishing waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut next = open(&ui, address, "").await;
        let answer = until(&mut next, "\r\n").await;
        if answer.starts_with("HTTP/1.1 200") {
            break;
        }
    }
    assert!(begin.elapsed() >= PATIENCE, "it was given its time");
}
