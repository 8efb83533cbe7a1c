//! The one event stream of a browser.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorBody};
use crate::feed::{Change, Entry};
use crate::guard::SessionEnds;
use crate::router::Shared;

/// What a stream needs while it is open.
struct Open {
    waiting: VecDeque<Event>,
    receiver: Receiver<Entry>,
    ends: Instant,
    _place: OwnedSemaphorePermit,
}

/// Changes as they happen. `hello` comes first; `change` names what to ask for again; `resync`
/// means: ask for everything again.
#[utoipa::path(
    get,
    path = "/api/v1/stream",
    operation_id = "openStream",
    tag = "agent",
    params(("Last-Event-ID" = Option<String>, Header, description = "Go on after this event")),
    responses(
        (status = 200, body = Change, content_type = "text/event-stream"),
        (status = "default", body = ErrorBody),
    )
)]
pub(crate) async fn open(
    State(shared): State<Shared>,
    Extension(SessionEnds(ends)): Extension<SessionEnds>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let place = shared
        .streams
        .clone()
        .try_acquire_owned()
        .map_err(|_| Error::TooManyStreams)?;
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let start = shared
        .questions
        .changes()
        .subscribe(after)
        .ok_or(Error::ShuttingDown)?;
    // The name of the newest change goes out with `hello`, so it comes after those that were missed.
    let mut waiting: VecDeque<_> = start.missed.iter().map(event).collect();
    if start.resync {
        waiting.push_back(Event::default().event("resync").data("{}"));
    }
    waiting.push_back(Event::default().event("hello").id(start.id).data("{}"));
    let open = Open {
        waiting,
        receiver: start.receiver,
        ends,
        _place: place,
    };
    let events = futures::stream::unfold(open, |mut open| async {
        let event = open.next().await?;
        Some((Ok(event), open))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(shared.settings.heartbeat)))
}

impl Open {
    /// The next event; `None` when the session has ended or the agent shuts down.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.waiting.pop_front() {
            return Some(event);
        }
        match timeout_at(self.ends, self.receiver.recv()).await {
            Ok(Ok(entry)) => Some(event(&entry)),
            Ok(Err(RecvError::Lagged(_))) => Some(Event::default().event("resync").data("{}")),
            Ok(Err(RecvError::Closed)) | Err(_) => None,
        }
    }
}

fn event(entry: &Entry) -> Event {
    let data = serde_json::to_string(&entry.change).unwrap_or_else(|_| "{}".to_owned());
    Event::default().event("change").id(&entry.id).data(data)
}
