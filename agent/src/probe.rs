//! `/healthz`, `/readyz` and `/metrics`: served from the first moment, also while the agent waits
//! for its lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::metrics::Metrics;

/// How far the agent is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Another agent holds the lease, or nobody has given it to this one yet.
    #[default]
    Waiting,
    /// It has the lease and has not seen all of its own objects yet.
    Listing,
    /// It does its work.
    Ready,
    /// It was told to stop.
    Stopping,
}

/// What probes and metrics are answered from; a cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    phase: Arc<watch::Sender<Phase>>,
    /// Whether the API server answers the renewals of the lease.
    answering: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

impl Probe {
    /// Answers with these metrics; the agent waits for its lease.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            phase: Arc::default(),
            answering: Arc::new(AtomicBool::new(true)),
            metrics,
        }
    }

    /// The agent is further now. What stops stays stopping.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let moves = *current != Phase::Stopping && *current != phase;
            if moves {
                *current = phase;
            }
            moves
        });
    }

    /// Follows whether the lease is renewed: an agent that cannot reach the API server is not ready.
    pub(crate) fn follow(&self, mut renewing: watch::Receiver<bool>, tasks: &mut JoinSet<()>) {
        let answering = Arc::clone(&self.answering);
        tasks.spawn(async move {
            loop {
                answering.store(*renewing.borrow_and_update(), Ordering::Relaxed);
                if renewing.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Serves until the tasks are ended.
    pub(crate) fn serve(&self, listener: TcpListener, tasks: &mut JoinSet<()>) {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self.clone());
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the listener of probes and metrics ended");
            }
        });
    }
}

async fn readyz(State(probe): State<Probe>) -> Response {
    let why = match *probe.phase.borrow() {
        Phase::Ready if probe.answering.load(Ordering::Relaxed) => return "ok".into_response(),
        Phase::Ready => "the API server does not answer",
        Phase::Waiting => "waiting for the lease",
        Phase::Listing => "not all objects have been seen yet",
        Phase::Stopping => "stopping",
    };
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

async fn metrics(State(probe): State<Probe>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], probe.metrics.text()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn readiness(probe: &Probe) -> StatusCode {
        readyz(State(probe.clone())).await.status()
    }

    #[tokio::test]
    async fn only_an_agent_that_works_is_ready_and_one_that_stops_is_never_again() {
        let probe = Probe::new(Arc::new(Metrics::new()));
        assert_eq!(readiness(&probe).await, StatusCode::SERVICE_UNAVAILABLE);
        probe.enter(Phase::Listing);
        assert_eq!(readiness(&probe).await, StatusCode::SERVICE_UNAVAILABLE);
        probe.enter(Phase::Ready);
        assert_eq!(readiness(&probe).await, StatusCode::OK);
        let (renewing, follows) = watch::channel(false);
        let mut tasks = JoinSet::new();
        probe.follow(follows, &mut tasks);
        while readiness(&probe).await == StatusCode::OK {
            tokio::task::yield_now().await;
        }
        renewing.send_replace(true);
        while readiness(&probe).await != StatusCode::OK {
            tokio::task::yield_now().await;
        }
        probe.enter(Phase::Stopping);
        probe.enter(Phase::Ready);
        assert_eq!(readiness(&probe).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
