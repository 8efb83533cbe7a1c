//! A proxy in front of the API server that lets requests go wrong by rules, and counts them.
//!
//! The agent reaches it over plain HTTP on loopback; it reaches the API server over TLS. Headers
//! pass through, so each request is made as who made it. Answers are passed on piece by piece: a
//! watch sees its events as they come.

mod forward;
mod request;
mod rule;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest::{Certificate, redirect};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};

use crate::ControlPlane;
use crate::control_plane::install_crypto;

pub use request::{ProxiedRequest, Target};
pub use rule::{Action, Rule, RuleId};

use rule::Rules;

/// A proxy in front of one API server. Dropping it closes its connections.
#[derive(Debug)]
pub struct FaultProxy {
    state: Arc<State>,
    address: SocketAddr,
    /// Ends the listener and its connections; `None` while it is down.
    serving: Mutex<Option<AbortHandle>>,
}

/// What happens to watches that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// The connection is closed in the middle of the answer.
    Cut,
    /// The watch says that its version is too old (`ERROR`, 410) and ends.
    Expire,
    /// Nothing comes any more and the connection stays open, as behind a firewall that has
    /// forgotten it.
    Stall,
}

#[derive(Debug)]
struct State {
    server: String,
    client: reqwest::Client,
    rules: Mutex<Rules>,
    requests: Mutex<Vec<ProxiedRequest>>,
    latency: AtomicU64,
    next_watch: AtomicU64,
    watches: Mutex<HashMap<u64, OpenWatch>>,
    /// Answers that rules with [`Action::Stale`] repeat.
    kept: Mutex<HashMap<(RuleId, String), KeptAnswer>>,
}

#[derive(Debug)]
struct OpenWatch {
    uri: String,
    interrupt: oneshot::Sender<Interruption>,
}

#[derive(Clone, Debug)]
struct KeptAnswer {
    status: http::StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl FaultProxy {
    /// Starts a proxy in front of a control plane, without any rule.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        install_crypto();
        // HTTP/1.1 only: each watch has a connection of its own, as many as there are.
        let client = reqwest::Client::builder()
            .http1_only()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(30))
            .tls_certs_only([Certificate::from_pem(
                control_plane.certificate().as_bytes(),
            )?])
            .build()?;
        let state = Arc::new(State {
            server: control_plane.server().to_owned(),
            client,
            rules: Mutex::default(),
            requests: Mutex::default(),
            latency: AtomicU64::new(0),
            next_watch: AtomicU64::new(0),
            watches: Mutex::default(),
            kept: Mutex::default(),
        });
        let (address, serving) = listen(&state, SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        Ok(Self {
            state,
            address,
            serving: Mutex::new(Some(serving)),
        })
    }

    /// Its URL, for a kubeconfig in place of the API server's.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts a rule in force. The oldest rule that fits a request decides; delays add up.
    pub fn add(&self, rule: Rule) -> RuleId {
        lock(&self.state.rules).add(rule)
    }

    /// Takes a rule back. What it has stalled stays so until its connection ends.
    pub fn remove(&self, rule: RuleId) {
        lock(&self.state.rules).remove(rule);
        lock(&self.state.kept).retain(|(of, _), _| *of != rule);
    }

    /// Takes all rules back.
    pub fn clear(&self) {
        lock(&self.state.rules).clear();
        lock(&self.state.kept).clear();
    }

    /// How many requests a rule has hit; 0 for one that was taken back.
    pub fn hits(&self, rule: RuleId) -> u64 {
        lock(&self.state.rules).hits(rule)
    }

    /// Adds this much to the time of every request: they are passed on that much later.
    pub fn set_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.state.latency.store(micros, Ordering::Relaxed);
    }

    /// Interrupts the open watches whose path and query contain `part`; answers how many.
    pub fn interrupt(&self, part: &str, how: Interruption) -> usize {
        let mut watches = lock(&self.state.watches);
        let ids: Vec<u64> = watches
            .iter()
            .filter(|(_, watch)| watch.uri.contains(part))
            .map(|(id, _)| *id)
            .collect();
        // A watch that ends at this moment does not take the order any more.
        ids.iter()
            .filter_map(|id| watches.remove(id)?.interrupt.send(how).ok())
            .count()
    }

    /// How many watches are open whose path and query contain `part`. One that is stalled does not
    /// count.
    pub fn open_watches(&self, part: &str) -> usize {
        let watches = lock(&self.state.watches);
        watches
            .values()
            .filter(|watch| watch.uri.contains(part))
            .count()
    }

    /// Stops listening and closes all connections, until [`FaultProxy::come_back`].
    pub fn go_down(&self) {
        if let Some(serving) = lock(&self.serving).take() {
            serving.abort();
        }
    }

    /// Listens again, on the same port.
    pub async fn come_back(&self) -> Result<()> {
        let address = self.address;
        let deadline = Duration::from_secs(10);
        // The listener that was told to end may hold the port for a moment.
        let (_, serving) = crate::wait_for("the port of the proxy", deadline, async || {
            listen(&self.state, address).await
        })
        .await?;
        *lock(&self.serving) = Some(serving);
        Ok(())
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<ProxiedRequest> {
        lock(&self.state.requests).clone()
    }

    /// The requests that arrived at or after a moment.
    pub fn requests_since(&self, moment: Instant) -> Vec<ProxiedRequest> {
        let all = lock(&self.state.requests);
        let first = all.partition_point(|request| request.at < moment);
        all[first..].to_vec()
    }

    /// How many requests arrived since a moment, by verb and resource.
    pub fn counts_since(&self, moment: Instant) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        for request in self.requests_since(moment) {
            let target = request.target;
            *counts
                .entry((target.verb.to_owned(), target.resource))
                .or_default() += 1;
        }
        counts
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.go_down();
    }
}

/// A kubeconfig of this harness with another server, spoken to without TLS.
pub fn kubeconfig_through(server: &str, kubeconfig: &str) -> Result<String> {
    let mut config: Value = serde_json::from_str(kubeconfig).context("read the kubeconfig")?;
    config["clusters"][0]["cluster"] = json!({ "server": server });
    Ok(config.to_string())
}

/// Serves on the harness's own runtime. The task owns the connections: they end with it.
async fn listen(state: &Arc<State>, address: SocketAddr) -> Result<(SocketAddr, AbortHandle)> {
    let (bound, address_of) = oneshot::channel();
    let state = Arc::clone(state);
    let task = crate::background()?.spawn(async move {
        let listener = match TcpListener::bind(address).await {
            Ok(listener) => listener,
            Err(error) => return drop(bound.send(Err(error))),
        };
        // The asker may have given up.
        let _ = bound.send(listener.local_addr());
        let mut connections = JoinSet::new();
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(Arc::clone(&state), stream));
            }
            while connections.try_join_next().is_some() {}
        }
    });
    let address = address_of.await.context("the proxy ended")??;
    Ok((address, task.abort_handle()))
}

async fn serve(state: Arc<State>, stream: TcpStream) {
    // A small answer must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| forward::answer(Arc::clone(&state), request));
    // An error is a connection that was closed, by the client or on purpose.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
