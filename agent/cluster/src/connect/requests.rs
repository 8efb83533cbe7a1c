//! Sending requests inside a bound: permits, deadlines, and what the API server asks to repeat.
//!
//! ```text
//!  permit -> attempt -> 429, 503, 504? permit given back, Retry-After, permit again
//!                    -> answer: its body keeps the permit until it is read, and has a limit too
//! ```
//!
//! A deadline begins with the first permit, so a queue does not use it up, and covers all
//! attempts. No permit is held during a pause. The permits are handed out first come, first
//! served: an application sends at most its apply concurrency at once (8 of 32 by default) and
//! queues again after each answer, so that one with 10,000 objects is never ahead of another one by
//! more than that.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{Request, Response, StatusCode, Uri};
use kube::Client;
use kube::client::Body;
use kube::core::Status;
use kube::core::response::StatusDetails;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout_at};

use super::Settings;
use crate::backoff::Backoff;
use crate::error::redact;

/// What a client is for. Each lane has its own bound, so that hundreds of watches that start again
/// hold up no write, and nothing holds up the Lease.
#[derive(Clone)]
pub(super) struct Lane {
    permits: Option<Arc<Semaphore>>,
    repeats: Repeats,
    limits: Arc<Limits>,
}

/// Who asks again after a 429, 503 or 504.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// The lane, inside the deadline.
    Here,
    /// The caller, who has pauses of its own.
    Caller,
}

struct Limits {
    timeout: Duration,
    silence: Duration,
    retry_least: Duration,
    retry_most: Duration,
}

/// The lanes of one cluster.
pub(super) struct Lanes {
    pub(super) calls: Lane,
    pub(super) watches: Lane,
    pub(super) lease: Lane,
}

impl Lanes {
    pub(super) fn new(settings: &Settings) -> Self {
        let limits = Arc::new(Limits {
            timeout: settings.request_timeout,
            silence: settings.watch_silence,
            retry_least: settings.retry_least,
            retry_most: settings.retry_most,
        });
        let lane = |permits: Option<usize>, repeats| Lane {
            permits: permits.map(|permits| Arc::new(Semaphore::new(permits.max(1)))),
            repeats,
            limits: Arc::clone(&limits),
        };
        Self {
            calls: lane(Some(settings.max_concurrent_requests), Repeats::Here),
            watches: lane(Some(settings.max_concurrent_lists), Repeats::Caller),
            lease: lane(None, Repeats::Caller),
        }
    }
}

/// A request took longer than its deadline.
#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
pub(crate) struct TimedOut(pub(crate) Duration);

impl Lane {
    /// Sends a request; see the module.
    pub(super) async fn send(
        &self,
        base: &Client,
        request: Request<Body>,
        answers: Answers,
    ) -> Result<Response<Limited>, kube::Error> {
        let watch = is_watch(request.uri());
        let limits = &self.limits;
        let late = |_| kube::Error::Service(Box::new(TimedOut(limits.timeout)));
        let (parts, mut body) = request.into_parts();
        let mut permit = self.permit().await;
        let deadline = Instant::now() + limits.timeout;
        let mut backoff = Backoff::new(limits.retry_least, limits.retry_most);
        let mut attempts = 1;
        let response = loop {
            let again = body.try_clone();
            let request = Request::from_parts(parts.clone(), body);
            let response = timeout_at(deadline, base.send(request))
                .await
                .map_err(late)??;
            let pause = self.pause(&response, attempts, &mut backoff);
            let fits = pause.filter(|pause| Instant::now() + *pause < deadline);
            let (Some(pause), Some(again)) = (fits, again) else {
                break response;
            };
            drop((response, permit));
            sleep(pause).await;
            permit = timeout_at(deadline, self.permit()).await.map_err(late)?;
            attempts += 1;
            body = again;
        };
        let failed = response.status().is_client_error() || response.status().is_server_error();
        let response = if failed {
            timeout_at(deadline, explained(response, attempts, answers))
                .await
                .map_err(late)??
        } else {
            response
        };
        let follows = is_follow(&parts.uri);
        let limit = match (failed, watch, follows) {
            (false, true, _) => Limit::Silence(limits.silence, parts.uri.path().to_owned()),
            (false, _, true) => Limit::Reader,
            _ => Limit::Deadline(limits.timeout),
        };
        Ok(response.map(|body| Limited {
            body,
            timer: Box::pin(match &limit {
                Limit::Silence(silence, _) => sleep(*silence),
                Limit::Deadline(_) | Limit::Reader => tokio::time::sleep_until(deadline),
            }),
            limit,
            ended: false,
            _permit: permit.filter(|_| !watch && !follows),
        }))
    }

    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let permits = Arc::clone(self.permits.as_ref()?);
        let permit = permits.acquire_owned().await;
        Some(permit.expect("the semaphore is never closed"))
    }

    /// How long to wait before the request is sent again, where it should be.
    fn pause(
        &self,
        response: &Response<Body>,
        attempts: u32,
        backoff: &mut Backoff,
    ) -> Option<Duration> {
        let asks = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ];
        if self.repeats == Repeats::Caller || !asks.contains(&response.status()) {
            return None;
        }
        let own = backoff.delay();
        match retry_after(response) {
            Some(asked) => Some(asked.max(own)),
            None => (attempts < UNASKED_ATTEMPTS).then_some(own),
        }
    }
}

/// How often a request is sent whose refusals do not name a time to come back: an aggregated API
/// that is down says nothing else, and the rest of a sync should not wait for it.
const UNASKED_ATTEMPTS: u32 = 4;

/// Whether the answers of a request may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// As they are.
    Shown,
    /// Without anything that could be a value: the request is about a Secret (M5).
    Redacted,
}

fn retry_after<T>(response: &Response<T>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn is_watch(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query
        .split('&')
        .any(|pair| pair == "watch=true" || pair == "watch=1")
}

/// Whether a log is read while it is written.
fn is_follow(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    uri.path().ends_with("/log") && query.split('&').any(|pair| pair == "follow=true")
}

/// An error answer as a status that says all that is known: also when the API server wants to be
/// asked again (some answers have that in a header and a body of plain text), and how often it
/// was asked.
async fn explained(
    response: Response<Body>,
    attempts: u32,
    answers: Answers,
) -> Result<Response<Body>, kube::Error> {
    let asked = retry_after(&response);
    let (mut parts, body) = response.into_parts();
    let bytes = body.collect_bytes().await?;
    let code = parts.status.as_u16();
    let mut status: Status = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&bytes);
        let reason = parts.status.canonical_reason().unwrap_or_default();
        Status::failure(text.trim(), &reason.replace(' ', "")).with_code(code)
    });
    if answers == Answers::Redacted {
        redact(&mut status);
    }
    if let Some(asked) = asked {
        let details = status.details.get_or_insert_with(|| StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
        if details.retry_after_seconds == 0 {
            details.retry_after_seconds = u32::try_from(asked.as_secs()).unwrap_or(u32::MAX);
        }
    }
    if attempts > 1 {
        let reason = if status.message.is_empty() {
            &status.reason
        } else {
            &status.message
        };
        status.message = format!("{reason} (asked {attempts} times)");
    }
    let bytes = serde_json::to_vec(&status).map_err(kube::Error::SerdeError)?;
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// A body with a limit of time; it keeps the permit of its request until it is dropped.
pub(super) struct Limited {
    body: Body,
    limit: Limit,
    timer: Pin<Box<Sleep>>,
    ended: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

enum Limit {
    /// All of it has to be there; then the request failed.
    Deadline(Duration),
    /// A watch at this path ends when nothing comes for this long: the API server sends a bookmark
    /// about every minute. Who reads it goes on from the last version.
    Silence(Duration, String),
    /// A log that is followed may be quiet for hours: who reads it ends it.
    Reader,
}

impl http_body::Body for Limited {
    type Data = <Body as http_body::Body>::Data;
    type Error = kube::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            if let Limit::Silence(silence, _) = &this.limit {
                this.timer.as_mut().reset(Instant::now() + *silence);
            }
            return Poll::Ready(frame);
        }
        if matches!(this.limit, Limit::Reader) || this.timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        this.ended = true;
        Poll::Ready(match &this.limit {
            Limit::Deadline(timeout) => {
                Some(Err(kube::Error::Service(Box::new(TimedOut(*timeout)))))
            }
            Limit::Silence(silence, path) => {
                tracing::warn!(path, ?silence, "a watch fell silent and is started again");
                None
            }
            Limit::Reader => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_watch_is_limited_by_its_silence() {
        for (uri, watch) in [
            ("/api/v1/configmaps?&watch=true&timeoutSeconds=290", true),
            ("/api/v1/configmaps?limit=500&watch=1", true),
            ("/api/v1/configmaps?labelSelector=watch", false),
            ("/api/v1/namespaces/watch=true/configmaps", false),
        ] {
            assert_eq!(is_watch(&uri.parse().unwrap()), watch, "{uri}");
        }
    }

    #[test]
    fn a_log_that_is_followed_is_told_from_one_that_is_read_to_its_end() {
        let path = "/api/v1/namespaces/shop/pods/web/log";
        for (uri, follows) in [
            (
                format!("{path}?container=web&follow=true&timestamps=true"),
                true,
            ),
            (format!("{path}?container=web"), false),
            (
                "/api/v1/configmaps?labelSelector=follow=true".to_owned(),
                false,
            ),
        ] {
            assert_eq!(is_follow(&uri.parse().unwrap()), follows, "{uri}");
        }
    }

    #[tokio::test]
    async fn a_log_that_is_followed_holds_no_permit() {
        let (lane, server) = (one_at_a_time(), busy_server(1));
        let log = send(
            &lane,
            &server,
            "/api/v1/namespaces/a/pods/b/log?&follow=true",
        )
        .await;
        let free = || lane.permits.as_ref().unwrap().available_permits();
        assert_eq!((log.status(), free()), (StatusCode::OK, 1));
        let list = send(&lane, &server, "/api/v1/namespaces/a/pods").await;
        assert_eq!((list.status(), free()), (StatusCode::OK, 0));
    }

    #[tokio::test]
    async fn an_answer_of_plain_text_keeps_its_code_its_words_and_the_time_that_it_names() {
        let response = Response::builder()
            .status(429)
            .header(RETRY_AFTER, "7")
            .body(Body::from(
                b"Too many requests, please try again later.\n".to_vec(),
            ))
            .unwrap();
        let response = explained(response, 3, Answers::Shown).await.unwrap();
        let bytes = response.into_body().collect_bytes().await.unwrap();
        let status: Status = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            (status.code, status.reason.as_str()),
            (429, "TooManyRequests")
        );
        assert_eq!(
            status.message,
            "Too many requests, please try again later. (asked 3 times)"
        );
        assert_eq!(status.details.unwrap().retry_after_seconds, 7);
    }

    /// An API server that asks to wait for so many seconds the first time it sees `/busy`.
    fn busy_server(seconds: u32) -> Client {
        let seen = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let service = tower::service_fn(move |request: Request<Body>| {
            let busy = request.uri().path() == "/busy"
                && seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            let response = if busy {
                Response::builder()
                    .status(429)
                    .header(RETRY_AFTER, seconds.to_string())
                    .body(Body::empty())
            } else {
                Response::builder().body(Body::from(b"fine".to_vec()))
            };
            std::future::ready(response)
        });
        Client::new(service, "default")
    }

    fn one_at_a_time() -> Lane {
        let settings = Settings {
            max_concurrent_requests: 1,
            request_timeout: Duration::from_secs(20),
            ..Settings::default()
        };
        Lanes::new(&settings).calls
    }

    async fn send(lane: &Lane, server: &Client, path: &str) -> Response<Limited> {
        let request = Request::get(path).body(Body::empty()).unwrap();
        lane.send(server, request, Answers::Shown).await.unwrap()
    }

    #[tokio::test]
    async fn fault_f17_a_request_that_has_to_wait_gives_its_permit_to_others_and_is_repeated() {
        let (lane, server) = (one_at_a_time(), busy_server(1));
        let waits = async {
            let response = send(&lane, &server, "/busy").await;
            (response.status(), Instant::now())
        };
        let passes = async {
            let response = send(&lane, &server, "/other").await;
            (response.status(), Instant::now())
        };
        let begin = Instant::now();
        let ((repeated, late), (other, soon)) = tokio::join!(waits, passes);
        assert_eq!((repeated, other), (StatusCode::OK, StatusCode::OK));
        assert!(soon < late, "it waited for the pause of another");
        assert!(
            late - begin >= Duration::from_secs(1),
            "it was repeated too early"
        );
    }

    #[tokio::test]
    async fn a_pause_beyond_the_deadline_is_answered_at_once_with_its_length() {
        let (lane, server) = (one_at_a_time(), busy_server(300));
        let response = send(&lane, &server, "/busy").await;
        assert_eq!(response.status(), 429);
        assert_eq!(retry_after(&response), Some(Duration::from_secs(300)));
        let permit = Arc::clone(lane.permits.as_ref().unwrap());
        assert_eq!(
            permit.available_permits(),
            0,
            "its body is still to be read"
        );
        drop(response);
        assert_eq!(permit.available_permits(), 1);
    }
}
