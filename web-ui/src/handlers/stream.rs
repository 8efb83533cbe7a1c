//! The one event stream of a browser.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::sse::{Event, Sse};
use futures::Stream;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::UNBUFFERED;
use crate::error::{Error, ErrorBody};
use crate::feed::{Change, Entry};
use crate::guard::SessionEnds;
use crate::router::Shared;

/// Where a stream goes on. A browser names it in the header only where it reconnects by itself.
#[derive(Deserialize)]
pub(crate) struct GoesOn {
    after: Option<String>,
}

/// What a stream needs while it is open.
struct Open {
    waiting: VecDeque<Event>,
    receiver: Receiver<Entry>,
    ends: Instant,
    heartbeat: Duration,
    pause: Duration,
    /// When changes were told last.
    told: Option<Instant>,
    _place: OwnedSemaphorePermit,
}

/// Changes as they happen, each event with all that came since the one before. `hello` comes first;
/// `changes` names what to ask for again; `resync` means: ask for everything again; `beat` only says
/// that the stream is alive.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    operation_id = "openStream",
    tag = "agent",
    params(
        ("after" = Option<String>, Query, description = "Go on after this event"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same, and it counts more"),
    ),
    responses(
        (status = 200, body = Vec<Change>, content_type = "text/event-stream"),
        (status = "default", body = ErrorBody),
    )
)]
pub(crate) async fn open(
    State(shared): State<Shared>,
    Extension(SessionEnds(ends)): Extension<SessionEnds>,
    from: Result<Query<GoesOn>, QueryRejection>,
    headers: HeaderMap,
) -> Result<
    (
        [(HeaderName, &'static str); 1],
        Sse<impl Stream<Item = Result<Event, Infallible>>>,
    ),
    Error,
> {
    let place = shared
        .streams
        .clone()
        .try_acquire_owned()
        .map_err(|_| Error::TooManyStreams)?;
    let named = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let asked = from.ok().and_then(|Query(from)| from.after);
    let start = shared
        .questions
        .changes()
        .subscribe(named.or(asked.as_deref()))
        .ok_or(Error::ShuttingDown)?;
    // The name of the newest change goes out with `hello`, so it comes after those that were missed.
    let mut waiting = VecDeque::new();
    if !start.missed.is_empty() {
        waiting.push_back(changes(&start.missed));
    }
    if start.resync {
        waiting.push_back(resync());
    }
    waiting.push_back(Event::default().event("hello").id(start.id).data("{}"));
    let open = Open {
        waiting,
        receiver: start.receiver,
        ends,
        heartbeat: shared.settings.heartbeat,
        pause: shared.settings.stream_pause,
        told: None,
        _place: place,
    };
    let events = futures::stream::unfold(open, |mut open| async {
        let event = open.next().await?;
        Some((Ok(event), open))
    });
    Ok(([UNBUFFERED], Sse::new(events)))
}

impl Open {
    /// The next event; `None` when the session has ended or the agent shuts down.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        let quiet = Instant::now() + self.heartbeat;
        let first = match timeout_at(quiet.min(self.ends), self.receiver.recv()).await {
            Ok(Ok(entry)) => entry,
            Ok(Err(RecvError::Lagged(_))) => return Some(resync()),
            Ok(Err(RecvError::Closed)) => return None,
            Err(_) if Instant::now() >= self.ends => return None,
            Err(_) => return Some(Event::default().event("beat").data("{}")),
        };
        if let Some(told) = self.told {
            sleep_until((told + self.pause).min(self.ends)).await;
        }
        let mut entries = vec![first];
        loop {
            match self.receiver.try_recv() {
                Ok(entry) => entries.push(entry),
                Err(TryRecvError::Lagged(_)) => return Some(resync()),
                // An end is found again by the next one.
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.told = Some(Instant::now());
        Some(changes(&entries))
    }
}

/// Each change once, in the order in which they came first, under the id of the newest.
fn changes(entries: &[Entry]) -> Event {
    let id = entries.last().map_or("", |entry| entry.id.as_str());
    let mut told = HashSet::new();
    let changes: Vec<&Change> = entries
        .iter()
        .map(|entry| &entry.change)
        .filter(|change| told.insert(*change))
        .collect();
    let data = serde_json::to_string(&changes).unwrap_or_else(|_| "[]".to_owned());
    Event::default().event("changes").id(id).data(data)
}

fn resync() -> Event {
    Event::default().event("resync").data("{}")
}
