//! One request: what the rules say about it, its way to the API server, and its answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use futures::future::{Either, select};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use tokio::sync::oneshot;

use super::request::ProxiedRequest;
use super::rule::{Action, RuleId};
use super::{Interruption, KeptAnswer, OpenWatch, State, lock};

/// No object is larger; the API server refuses far smaller ones.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// Answers a request. An error closes the connection without an answer.
pub(super) async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let arrived = ProxiedRequest::of(&parts);
    let verdict = lock(&state.rules).judge(&arrived);
    let index = {
        let mut requests = lock(&state.requests);
        requests.push(ProxiedRequest {
            rule: verdict.action.map(|(rule, _)| rule),
            ..arrived.clone()
        });
        requests.len() - 1
    };
    let latency = Duration::from_micros(state.latency.load(Ordering::Relaxed));
    let delay = verdict.delay + latency;
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let body = to_bytes(Body::new(body), LARGEST_BODY).await?;
    let passing = Passing {
        state: &state,
        request: &arrived,
        headers: parts.headers,
        body,
    };
    let response = passing.meet(verdict.action).await?;
    let mut requests = lock(&state.requests);
    if let Some(request) = requests.get_mut(index) {
        request.status = Some(response.status().as_u16());
        request.took = Some(request.at.elapsed());
    }
    Ok(response)
}

/// A request on its way.
struct Passing<'a> {
    state: &'a Arc<State>,
    request: &'a ProxiedRequest,
    headers: HeaderMap,
    body: Bytes,
}

impl Passing<'_> {
    async fn meet(self, action: Option<(RuleId, Action)>) -> Result<Response<Body>> {
        let watches = self.request.target.verb == "watch";
        match action {
            None | Some((_, Action::Delay(_))) => self.pass(None).await,
            Some((_, Action::Cut(bytes))) => self.pass(Some(bytes)).await,
            Some((rule, Action::Stale)) => self.repeat(rule).await,
            Some((_, Action::TooManyRequests(after))) => {
                let mut response = refusal(StatusCode::TOO_MANY_REQUESTS)?;
                let seconds = after.as_secs_f64().ceil() as u64;
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, seconds.into());
                Ok(response)
            }
            Some((_, Action::Status(status))) => refusal(StatusCode::from_u16(status)?),
            Some((_, Action::Text(text))) => Ok(Response::builder()
                .header(header::CONTENT_TYPE, "text/plain")
                .body(Body::from(text))?),
            Some((_, Action::Expired)) if watches => Ok(Response::builder()
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(expired_event()))?),
            Some((_, Action::Expired)) => refusal(StatusCode::GONE),
            Some((_, Action::DropBefore)) => bail!("the connection is closed by a rule"),
            Some((_, Action::DropAfter)) => {
                let answer = self.send().await?;
                // The write is complete when the answer has begun.
                bail!("the answer {} is dropped by a rule", answer.status())
            }
            Some((_, Action::Stall)) => std::future::pending().await,
        }
    }

    async fn send(&self) -> Result<reqwest::Response> {
        let url = format!("{}{}", self.state.server, self.request.uri());
        let method = self.request.method.parse()?;
        let mut headers = self.headers.clone();
        for name in [
            header::HOST,
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
        ] {
            headers.remove(name);
        }
        let request = self.state.client.request(method, url).headers(headers);
        let request = if self.body.is_empty() {
            request
        } else {
            request.body(self.body.clone())
        };
        Ok(request.send().await?)
    }

    /// Passes the request on, and its answer back as it comes, or only its first bytes.
    async fn pass(self, cut: Option<usize>) -> Result<Response<Body>> {
        let answer = self.send().await?;
        let mut response = Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            *headers = passed_on(answer.headers());
        }
        let interrupt = (self.request.target.verb == "watch" && answer.status().is_success())
            .then(|| self.open_watch());
        let flow = Flow {
            source: answer.bytes_stream().map_err(anyhow::Error::from).boxed(),
            left: cut,
            interrupt,
        };
        Ok(response.body(Body::from_stream(flow.into_stream()))?)
    }

    /// Answers with the first answer that was given under this rule.
    async fn repeat(self, rule: RuleId) -> Result<Response<Body>> {
        let accept = self.headers.get(header::ACCEPT);
        let key = (rule, format!("{} {accept:?}", self.request.uri()));
        let kept = lock(&self.state.kept).get(&key).cloned();
        let kept = match kept {
            Some(kept) => kept,
            None => {
                let answer = self.send().await?;
                let kept = KeptAnswer {
                    status: answer.status(),
                    headers: passed_on(answer.headers()),
                    body: answer.bytes().await?,
                };
                lock(&self.state.kept).insert(key, kept.clone());
                kept
            }
        };
        let mut response = Response::new(Body::from(kept.body));
        *response.status_mut() = kept.status;
        *response.headers_mut() = kept.headers;
        Ok(response)
    }

    fn open_watch(&self) -> Interrupt {
        let id = self.state.next_watch.fetch_add(1, Ordering::Relaxed);
        let (interrupt, order) = oneshot::channel();
        let uri = self.request.uri();
        lock(&self.state.watches).insert(id, OpenWatch { uri, interrupt });
        Interrupt {
            order,
            _entry: Entry {
                state: Arc::clone(self.state),
                id,
            },
        }
    }
}

/// The way on which an open watch is interrupted.
struct Interrupt {
    order: oneshot::Receiver<Interruption>,
    _entry: Entry,
}

/// The entry of an open watch; it is removed when the watch ends.
struct Entry {
    state: Arc<State>,
    id: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        lock(&self.state.watches).remove(&self.id);
    }
}

/// The body of an answer on its way back.
struct Flow {
    source: BoxStream<'static, Result<Bytes>>,
    /// How many bytes may still pass.
    left: Option<usize>,
    interrupt: Option<Interrupt>,
}

impl Flow {
    fn into_stream(self) -> impl futures::Stream<Item = Result<Bytes>> + Send {
        stream::unfold(Some(self), async |flow| {
            let mut flow = flow?;
            match flow.next().await {
                Some(Piece::More(bytes)) => Some((Ok(bytes), Some(flow))),
                Some(Piece::Last(bytes)) => Some((Ok(bytes), None)),
                Some(Piece::Broken(error)) => Some((Err(error), None)),
                None => None,
            }
        })
    }

    async fn next(&mut self) -> Option<Piece> {
        if self.left == Some(0) {
            // What came before is sent only when there is nothing more for the moment.
            tokio::task::yield_now().await;
            return Some(Piece::Broken(anyhow::anyhow!("cut by a rule")));
        }
        let piece = match &mut self.interrupt {
            None => self.source.next().await,
            Some(interrupt) => match select(&mut interrupt.order, self.source.next()).await {
                Either::Left((Ok(Interruption::Cut), _)) => {
                    return Some(Piece::Broken(anyhow::anyhow!("cut by the test")));
                }
                Either::Left((Ok(Interruption::Expire), _)) => {
                    return Some(Piece::Last(expired_event()));
                }
                // The watch is off the list: nobody else can interrupt it.
                Either::Left((Ok(Interruption::Stall) | Err(_), _)) => std::future::pending().await,
                Either::Right((piece, _)) => piece,
            },
        };
        match piece? {
            Err(error) => Some(Piece::Broken(error)),
            Ok(mut bytes) => {
                if let Some(left) = &mut self.left {
                    bytes.truncate(*left);
                    *left -= bytes.len();
                }
                Some(Piece::More(bytes))
            }
        }
    }
}

enum Piece {
    More(Bytes),
    Last(Bytes),
    Broken(anyhow::Error),
}

/// The headers of an answer without those of its connection.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [header::CONNECTION, header::TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

/// The answer with a `Status` object that the API server gives for a code.
fn refusal(status: StatusCode) -> Result<Response<Body>> {
    Ok(Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(status_object(status).to_string()))?)
}

/// The event with which a watch says that its version is too old.
fn expired_event() -> Bytes {
    let event = json!({ "type": "ERROR", "object": status_object(StatusCode::GONE) });
    Bytes::from(format!("{event}\n"))
}

fn status_object(status: StatusCode) -> serde_json::Value {
    let (reason, message) = match status.as_u16() {
        403 => ("Forbidden", "forbidden"),
        404 => ("NotFound", "not found"),
        409 => ("Conflict", "the object has been modified"),
        410 => ("Expired", "too old resource version: 1 (2)"),
        429 => (
            "TooManyRequests",
            "the server has received too many requests",
        ),
        503 => (
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        504 => (
            "Timeout",
            "the server was unable to return a response in time",
        ),
        _ => (
            "InternalError",
            "an error on the server has prevented the request",
        ),
    };
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status.as_u16(),
    })
}
