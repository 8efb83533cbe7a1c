//! The routes: what happens to a request, and what it is answered.

use std::any::Any;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest, Sha256};
use syncline_core::record::Name;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, timeout};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{debug, error, warn};

use crate::counters::{Counters, Fate};
use crate::duplicates::{self, Duplicates};
use crate::payload::{self, Hint};
use crate::refusal::{
    BUSY, OVERFLOWED, Refusal, TOO_LARGE, TOO_SLOW, UNCLAIMED, UNSIGNED, malformed,
};
use crate::registrations::{Matched, Registrations, Verified};
use crate::settings::Settings;
use crate::signature::Claim;
use crate::told::{Origin, Told, looked_at};

static GITHUB_SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");
static GITHUB_EVENT: HeaderName = HeaderName::from_static("x-github-event");
static GITHUB_DELIVERY: HeaderName = HeaderName::from_static("x-github-delivery");
static GENERIC_SIGNATURE: HeaderName = HeaderName::from_static("x-signature");

/// The longest delivery id that is passed on as it is.
const DELIVERY_ID_LIMIT: usize = 64;

/// Whose format a delivery has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// GitHub, and what speaks like it (Gitea, Forgejo).
    GitHub,
    /// The plain format for everything else.
    Generic,
}

impl Provider {
    /// The word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Generic => "generic",
        }
    }
}

/// A verified hint: look at these repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The Repositories whose secret signed the delivery and whose URL it names; never empty.
    pub repositories: Vec<Name>,
    /// The branch that was pushed to, as far as it is known. A hint only.
    pub branch: Option<String>,
    /// Whose format it had.
    pub provider: Provider,
    /// The sender's id, or the SHA-256 of the body; printable ASCII.
    pub delivery_id: String,
}

/// The routes of the listener: `POST /webhook/github` and `POST /webhook/generic`.
///
/// `/webhook/github` takes `X-Hub-Signature-256` as documented at
/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>,
/// `/webhook/generic` takes the same in `X-Signature`. What is verified and meant for a hook is
/// sent to `deliveries` without waiting; when that is full, the hint is dropped and counted.
///
/// `told` hears of every delivery, whatever became of it; it must not wait.
///
/// Serve it on a listener of its own, with nothing else on it; with `ConnectInfo` it is said of what
/// is not believed where it came from.
pub fn router(
    settings: Settings,
    registrations: Registrations,
    deliveries: Sender<Delivery>,
    counters: Counters,
    told: impl Fn(Told) + Send + Sync + 'static,
) -> Router {
    let duplicates = Duplicates::new(settings.duplicate_window, settings.duplicate_capacity);
    let receiver = Arc::new(Receiver {
        in_flight: Semaphore::new(settings.max_in_flight.max(1)),
        duplicates: Mutex::new(duplicates),
        overflowing: AtomicBool::new(false),
        settings,
        registrations,
        deliveries,
        counters,
        told: Box::new(told),
    });
    let routes = Router::new()
        .route("/webhook/github", post(github))
        .route("/webhook/generic", post(generic))
        .with_state(receiver);
    contain_panics(routes)
}

async fn github(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    receiver.receive(Provider::GitHub, request).await
}

async fn generic(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    receiver.receive(Provider::Generic, request).await
}

struct Receiver {
    settings: Settings,
    registrations: Registrations,
    deliveries: Sender<Delivery>,
    counters: Counters,
    told: Box<dyn Fn(Told) + Send + Sync>,
    in_flight: Semaphore,
    duplicates: Mutex<Duplicates>,
    /// Whether the last delivery found the channel full, so that a storm is one warning.
    overflowing: AtomicBool,
}

impl Receiver {
    async fn receive(&self, provider: Provider, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let from = Origin::of(&parts.extensions);
        let (status, fate, told) = match self.judge(provider, &parts.headers, body).await {
            Ok((fate, told)) => (StatusCode::ACCEPTED, fate, told),
            Err(refusal) => {
                debug!(
                    provider = provider.as_str(),
                    status = refusal.status.as_u16(),
                    why = refusal.why,
                    "a delivery was refused",
                );
                let told = Told::of_stranger(provider, &refusal, from);
                (refusal.status, refusal.fate, told)
            }
        };
        self.counters.count(fate);
        (self.told)(told);
        status.into_response()
    }

    async fn judge(
        &self,
        provider: Provider,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Fate, Told), Refusal> {
        let header = match provider {
            Provider::GitHub => &GITHUB_SIGNATURE,
            Provider::Generic => &GENERIC_SIGNATURE,
        };
        let claim = Claim::from_headers(headers, header).ok_or(UNCLAIMED)?;
        let bytes_and_permit = self.read(headers, body).await?;
        let body = &bytes_and_permit.0;

        let table = self.registrations.table();
        let verified = table.verified(&claim, body).await.ok_or(UNSIGNED)?;
        // From here on the sender is known to hold a secret of ours.
        let (event, sent_id) = match provider {
            Provider::GitHub => (
                text(headers, &GITHUB_EVENT),
                text(headers, &GITHUB_DELIVERY),
            ),
            Provider::Generic => ("push", ""),
        };
        let told = Told::of_sender(provider, headers, event);
        match event {
            "" => return Err(malformed("the header `X-GitHub-Event` is missing")),
            "push" => {}
            _ => {
                let why = format!("`{}` is no push", told.event);
                let delivery = passed_on(sent_id);
                let told = Told { delivery, ..told };
                return Ok(told.and(Fate::Ignored, why));
            }
        }
        let hint = match provider {
            Provider::GitHub => payload::github(body, text(headers, &CONTENT_TYPE)),
            Provider::Generic => payload::generic(body),
        };
        let mut hint = hint.map_err(|_| malformed("the body is not of the documented form"))?;
        if !sent_id.is_empty() {
            hint.delivery = Some(sent_id.to_owned());
        }
        Ok(self.deliver(provider, &verified, hint, body, told))
    }

    /// Reads the body; the permit that comes with it bounds how many there are at a time.
    async fn read(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Bytes, tokio::sync::SemaphorePermit<'_>), Refusal> {
        let limit = self.settings.max_body_bytes;
        let announced = text(headers, &CONTENT_LENGTH)
            .parse::<u64>()
            .ok()
            .unwrap_or_default();
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(TOO_LARGE);
        }
        let patience = self.settings.body_timeout;
        let permit = timeout(patience, self.in_flight.acquire()).await;
        let permit = permit
            .map_err(|_| BUSY)?
            .expect("the semaphore is never closed");
        let read = async {
            let mut bytes = BytesMut::new();
            let mut chunks = body.into_data_stream();
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|_| malformed("the body ended early"))?;
                if bytes.len() + chunk.len() > limit {
                    return Err(TOO_LARGE);
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes.freeze())
        };
        let bytes = timeout(patience, read).await.map_err(|_| TOO_SLOW)??;
        Ok((bytes, permit))
    }

    fn deliver(
        &self,
        provider: Provider,
        verified: &Verified<'_>,
        hint: Hint,
        body: &[u8],
        told: Told,
    ) -> (Fate, Told) {
        let sent_id = hint.delivery.as_deref();
        let told = Told {
            delivery: sent_id.map(passed_on).unwrap_or_default(),
            branch: hint.branch.clone(),
            ..told
        };
        let repositories = match verified.repositories(&hint.urls, hint.branch.as_deref()) {
            Matched::Repositories(repositories) => repositories,
            Matched::OtherBranch => {
                let branch = hint.branch.unwrap_or_default();
                let why = format!("the branch `{branch}` is followed by no Repository");
                return told.and(Fate::Ignored, why);
            }
            Matched::Nothing => {
                return told.and(Fate::Ignored, "no Repository with this secret has its URL");
            }
        };
        let told = Told {
            repositories: repositories.clone(),
            ..told
        };
        let body_id = || hexadecimal(&Sha256::digest(body));
        // Two pushes make two different bodies at GitHub, but may make the same one in the plain
        // format: without an id of its own such a delivery is never taken for a duplicate.
        let key = match (provider, sent_id) {
            (_, Some(id)) => Some(duplicates::key(id)),
            (Provider::GitHub, None) => Some(duplicates::key(&body_id())),
            (Provider::Generic, None) => None,
        };
        if let Some(key) = key
            && !self.duplicates().insert(Instant::now(), key)
        {
            return told.and(Fate::Duplicate, "it came before, and was looked at then");
        }
        let delivery_id = match told.delivery.as_str() {
            "" => body_id(),
            id => id.to_owned(),
        };
        debug!(
            provider = provider.as_str(),
            delivery_id,
            repositories = repositories.len(),
            "delivery verified"
        );
        let looks = looked_at(&repositories);
        let delivery = Delivery {
            repositories,
            branch: hint.branch,
            provider,
            delivery_id,
        };
        match self.deliveries.try_send(delivery) {
            Ok(()) => {
                self.overflowing.store(false, Ordering::Relaxed);
                told.and(Fate::Accepted, looks)
            }
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                // Sent again by hand, it gets its chance.
                if let Some(key) = key {
                    self.duplicates().forget(&key);
                }
                if !self.overflowing.swap(true, Ordering::Relaxed) {
                    warn!("deliveries arrive faster than they are looked at; polling covers them");
                }
                told.and(Fate::Overflowed, OVERFLOWED)
            }
        }
    }

    fn duplicates(&self) -> std::sync::MutexGuard<'_, Duplicates> {
        self.duplicates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value of a header; empty where it is missing or not text.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// The id as it is; empty where it is too long or more than plain text.
fn passed_on(id: &str) -> String {
    let id = Some(id).filter(|id| is_printable(id));
    id.unwrap_or_default().to_owned()
}

fn is_printable(id: &str) -> bool {
    id.len() <= DELIVERY_ID_LIMIT && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// A panic ends the request that met it and nothing else.
fn contain_panics(routes: Router) -> Router {
    routes.layer(CatchPanicLayer::custom(|_panic: Box<dyn Any + Send>| {
        // The panic's own words may quote the request.
        error!("a delivery met a panic");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }))
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_empty_500_and_the_next_request_is_answered() {
        async fn fails() -> StatusCode {
            panic!("the words of the request")
        }
        let routes = Router::new()
            .route("/panic", get(fails))
            .route("/fine", get(async || "fine"));
        let routes = contain_panics(routes);
        let ask = |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            routes.clone().oneshot(request)
        };
        let answer = ask("/panic").await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(answer.into_body(), 1024)
            .await
            .unwrap();
        assert!(body.is_empty());
        assert_eq!(ask("/fine").await.unwrap().status(), StatusCode::OK);
    }

    #[test]
    fn only_short_printable_ids_are_passed_on() {
        assert!(is_printable("72d3162e-cc78-11e3-81ab-4c9367dc0958"));
        assert!(!is_printable("a\u{1b}[31m"));
        assert!(!is_printable(&"a".repeat(65)));
        assert_eq!(hexadecimal(&[0, 15, 255]), "000fff");
    }
}
