//! A small HTTP server that plays answers which a healthy registry does not give.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// Path and query.
    pub(crate) target: String,
    /// The head in lower case.
    head: String,
}

impl Heard {
    /// The value of a header, in lower case; empty where it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .unwrap_or("")
    }
}

/// A server that answers each request with bytes; the connection is closed after each.
pub(crate) struct Player {
    pub(crate) host: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

impl Drop for Player {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Player {
    /// Starts it. The function gets the request and the number of requests before it.
    pub(crate) async fn start(
        answer: impl Fn(&Heard, usize) -> String + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(serve(listener, heard.clone(), Arc::new(answer)));
        Self { host, heard, task }
    }

    /// What came in so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve<F: Fn(&Heard, usize) -> String + Send + Sync + 'static>(
    listener: TcpListener,
    heard: Arc<Mutex<Vec<Heard>>>,
    answer: Arc<F>,
) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let (heard, answer) = (heard.clone(), answer.clone());
        tokio::spawn(async move {
            let Some(request) = read(&mut stream).await else {
                return;
            };
            let before = {
                let mut heard = heard.lock().unwrap();
                heard.push(request.clone());
                heard.len() - 1
            };
            let bytes = answer(&request, before);
            if bytes == HANG {
                // The connection stays open until the other side gives up.
                let _ = stream.read(&mut [0]).await;
                return;
            }
            if let Some(part) = bytes.strip_prefix(STALL) {
                let _ = stream.write_all(part.as_bytes()).await;
                let _ = stream.read(&mut [0]).await;
                return;
            }
            let _ = stream.write_all(bytes.as_bytes()).await;
            let _ = stream.shutdown().await;
        });
    }
}

async fn read(stream: &mut TcpStream) -> Option<Heard> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
    let head = String::from_utf8(bytes).ok()?;
    let target = head.split_ascii_whitespace().nth(1)?.to_owned();
    Some(Heard {
        target,
        head: head.to_ascii_lowercase(),
    })
}

/// An answer in the middle of which the connection stays open without another byte.
pub(crate) fn stalled(whole: &str, bytes: usize) -> String {
    format!("{STALL}{}", &whole[..bytes])
}

/// What begins the bytes of an answer after which the connection stays open.
const STALL: &str = "stall:";

/// The answer that never comes.
pub(crate) const HANG: &str = "hang";

/// A whole answer with a body.
pub(crate) fn answer(status: u16, headers: &[&str], body: &str) -> String {
    let mut text = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if status != 304 {
        text.extend(["content-length: ", &body.len().to_string(), "\r\n"]);
    }
    text.push_str("\r\n");
    text.push_str(body);
    text
}

/// A page of tags.
pub(crate) fn page(headers: &[&str], tags: &[&str]) -> String {
    let tags: Vec<String> = tags.iter().map(|tag| format!("\"{tag}\"")).collect();
    answer(
        200,
        headers,
        &format!("{{\"name\":\"app\",\"tags\":[{}]}}", tags.join(",")),
    )
}
