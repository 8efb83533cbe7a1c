//! A proxy before a real registry that lets lists of tags go wrong, and counts what is asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{StatusCode, header};
use reqwest::Client;
use serde_json::json;

use crate::Registry;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryFault {
    /// Every request is answered with 429 and this `Retry-After`.
    Throttle(Duration),
    /// A list has pages of so many tags, and the second one goes wrong in this way.
    SecondPage {
        /// How many tags the first page has.
        size: usize,
        /// What happens to the second.
        page: BrokenPage,
    },
    /// These tags are left out of every list.
    Omit(Vec<String>),
}

/// How a page goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenPage {
    /// It is answered with this status.
    Status(u16),
    /// The connection is closed in its middle.
    Cut,
}

/// A running proxy. It listens until the process ends; its registry may go away and come back.
#[derive(Debug)]
pub struct RegistryProxy {
    state: Arc<State>,
    address: SocketAddr,
}

#[derive(Debug)]
struct State {
    /// The registry's host and port.
    behind: String,
    client: Client,
    fault: Mutex<Option<RegistryFault>>,
    requests: Mutex<Vec<String>>,
}

impl RegistryProxy {
    /// Starts one on a free loopback port, before a registry that asks for no password.
    pub async fn start(registry: &Registry) -> Result<Self> {
        let state = Arc::new(State {
            behind: registry.host(),
            client: Client::builder().timeout(Duration::from_secs(30)).build()?,
            fault: Mutex::default(),
            requests: Mutex::default(),
        });
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&state));
        let (bound, address) = tokio::sync::oneshot::channel();
        crate::background()?.spawn(async move {
            let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
            let listener = match tokio::net::TcpListener::bind(loopback).await {
                Ok(listener) => listener,
                Err(error) => return drop(bound.send(Err(error))),
            };
            // The asker may have given up.
            let _ = bound.send(listener.local_addr());
            let _ = axum::serve(listener, app).await;
        });
        let address = address.await.context("the proxy ended")??;
        Ok(Self { state, address })
    }

    /// The full name of an image of the registry by way of this proxy, without a tag.
    pub fn image(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Host and port, the first part of an image's name.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Lets requests go wrong, or right again.
    pub fn set_fault(&self, fault: Option<RegistryFault>) {
        *lock(&self.state.fault) = fault;
    }

    /// Path and query of all requests so far.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state.requests).clone()
    }
}

async fn answer(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    let asked = request.uri().to_string();
    lock(&state.requests).push(asked.clone());
    let fault = lock(&state.fault).clone();
    let list = request
        .uri()
        .path()
        .strip_suffix("/tags/list")
        .and_then(|path| path.strip_prefix("/v2/"))
        .map(str::to_owned);
    let answered = match (fault, list) {
        (Some(RegistryFault::Throttle(after)), _) => {
            let head = [(header::RETRY_AFTER, after.as_secs().to_string())];
            Ok((StatusCode::TOO_MANY_REQUESTS, head).into_response())
        }
        (Some(fault), Some(repository)) => {
            let second = asked.contains("last=");
            list_wrongly(&state, &repository, second, &fault).await
        }
        (_, _) => pass_on(&state, request).await,
    };
    answered.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}

async fn list_wrongly(
    state: &State,
    repository: &str,
    second: bool,
    fault: &RegistryFault,
) -> Result<Response> {
    #[derive(serde::Deserialize)]
    struct List {
        tags: Option<Vec<String>>,
    }
    let url = format!("http://{}/v2/{repository}/tags/list", state.behind);
    let whole = state.client.get(url).send().await?.error_for_status()?;
    let whole: List = serde_json::from_slice(&whole.bytes().await?)?;
    let mut tags = whole.tags.unwrap_or_default();
    let mut response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    match fault {
        RegistryFault::Throttle(_) => {}
        RegistryFault::Omit(omitted) => tags.retain(|tag| !omitted.contains(tag)),
        RegistryFault::SecondPage { size, page } if second => match page {
            BrokenPage::Status(code) => {
                return Ok(response.status(*code).body(Body::empty())?);
            }
            BrokenPage::Cut => {
                let text = json!({ "name": repository, "tags": tags.split_off(*size) }).to_string();
                let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
                let cut = std::io::Error::other("the test asked for it");
                // What is pending is sent: the client has the head and the half before the cut.
                let sent = stream::once(tokio::task::yield_now())
                    .filter_map(|()| std::future::ready(None));
                let body = stream::iter([Ok(half)])
                    .chain(sent)
                    .chain(stream::iter([Err(cut)]));
                let response = response.header(header::CONTENT_LENGTH, text.len());
                return Ok(response.body(Body::from_stream(body))?);
            }
        },
        RegistryFault::SecondPage { size, .. } => {
            tags.truncate(*size);
            let last = tags.last().context("a page has at least one tag")?;
            let next = format!("</v2/{repository}/tags/list?last={last}>; rel=\"next\"");
            response = response.header(header::LINK, next);
        }
    }
    let body = json!({ "name": repository, "tags": tags }).to_string();
    Ok(response.body(Body::from(body))?)
}

async fn pass_on(state: &State, request: Request) -> Result<Response> {
    let (head, body) = request.into_parts();
    let url = format!("http://{}{}", state.behind, head.uri);
    let body = to_bytes(body, 1 << 20).await?;
    let mut headers = head.headers;
    headers.remove(header::HOST);
    let sent = state.client.request(head.method, url).headers(headers);
    let answer = sent.body(body).send().await?;
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        response = response.header(name, value);
    }
    Ok(response.body(Body::from(answer.bytes().await?))?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
