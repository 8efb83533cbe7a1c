//! A registry of many images with many tags each, answered from memory.
//!
//! It plays the part of the OCI distribution API that a client reads
//! (<https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>): tag lists with
//! paging and `ETag`, manifests and configurations by tag and by digest. Nothing is stored for a
//! tag, so that a million of them cost nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::extract::{Request, State as Shared};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use crate::registry::digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A running registry. It listens until the process ends.
#[derive(Clone, Debug)]
pub(super) struct TagServer {
    state: Arc<State>,
    address: SocketAddr,
}

/// What it was asked for so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    /// All requests.
    pub(super) all: usize,
    /// First pages of tag lists.
    pub(super) lists: usize,
    /// Those of them that were answered with 304.
    pub(super) not_modified: usize,
}

#[derive(Debug)]
struct State {
    /// How many tags each image has.
    images: Vec<AtomicUsize>,
    asked: Mutex<Asked>,
    /// Manifests and configurations that were asked for, by digest.
    content: Mutex<HashMap<String, (&'static str, Vec<u8>)>>,
}

impl TagServer {
    /// Starts one with so many images of so many tags.
    pub(super) async fn start(images: usize, tags: usize) -> Result<Self> {
        let state = Arc::new(State {
            images: (0..images).map(|_| AtomicUsize::new(tags)).collect(),
            asked: Mutex::default(),
            content: Mutex::default(),
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
        let address = address.await.context("the registry ended")??;
        Ok(Self { state, address })
    }

    /// The name of an image, without a tag.
    pub(super) fn image(&self, number: usize) -> String {
        format!("{}/bench/image-{number}", self.address)
    }

    /// The newest tag of an image.
    pub(super) fn newest(&self, number: usize) -> String {
        tag(self.state.images[number].load(Ordering::SeqCst) - 1)
    }

    /// Adds a tag that is newer than all others to an image; answers with it.
    pub(super) fn push(&self, number: usize) -> String {
        tag(self.state.images[number].fetch_add(1, Ordering::SeqCst))
    }

    /// What it was asked for so far.
    pub(super) fn asked(&self) -> Asked {
        *self.state.asked()
    }
}

impl Asked {
    /// What came after another moment.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            all: self.all - earlier.all,
            lists: self.lists - earlier.lists,
            not_modified: self.not_modified - earlier.not_modified,
        }
    }
}

/// The tags of an image in the order of their age: a version each.
pub(super) fn tag(number: usize) -> String {
    format!("1.{}.{}", number / 50, number % 50)
}

impl State {
    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Result<Response> {
        self.asked().all += 1;
        let path = request.uri().path();
        if path.trim_end_matches('/') == "/v2" {
            return Ok(StatusCode::OK.into_response());
        }
        let (image, rest) = path
            .strip_prefix("/v2/bench/image-")
            .and_then(|rest| rest.split_once('/'))
            .context("no such repository")?;
        let image: usize = image.parse()?;
        let count = self.images.get(image).context("no such repository")?;
        let count = count.load(Ordering::SeqCst);
        if rest == "tags/list" {
            return self.list(image, count, request.uri().query(), request.headers());
        }
        let (kind, reference) = rest.split_once('/').context("no such path")?;
        if kind == "manifests" && !reference.contains(':') {
            let known = (0..count).rev().any(|number| tag(number) == reference);
            ensure!(known, "no such tag");
            return Ok(self.manifest(image, reference));
        }
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        let (kind, bytes) = content.get(reference).context("no such digest")?;
        Ok(found(kind, reference, bytes.clone()))
    }

    fn list(
        &self,
        image: usize,
        count: usize,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Response> {
        let value = |name: &str| {
            query?
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let (last, version) = (value("last"), format!("\"{image}-{count}\""));
        if last.is_none() {
            self.asked().lists += 1;
        }
        let known = headers.get(header::IF_NONE_MATCH);
        if known.is_some_and(|known| known.as_bytes() == version.as_bytes()) {
            self.asked().not_modified += 1;
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, version)]).into_response());
        }
        let mut tags: Vec<String> = (0..count).map(tag).collect();
        tags.sort();
        if let Some(last) = last {
            tags.retain(|tag| tag.as_str() > last);
        }
        let most = value("n").and_then(|n| n.parse().ok()).unwrap_or(count);
        let more = tags.len() > most;
        tags.truncate(most);
        let name = format!("bench/image-{image}");
        let body = json!({ "name": name, "tags": tags }).to_string();
        let head = [
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (header::ETAG, version),
        ];
        let mut response = (head, body).into_response();
        if let (true, Some(last)) = (more, tags.last()) {
            let next = format!("</v2/{name}/tags/list?n={most}&last={last}>; rel=\"next\"");
            response.headers_mut().insert(header::LINK, next.parse()?);
        }
        Ok(response)
    }

    /// The manifest of a tag; it and its configuration are kept for later.
    fn manifest(&self, image: usize, tag: &str) -> Response {
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "2026-01-02T03:04:05Z",
            "config": { "Labels": {
                "org.opencontainers.image.title": format!("image-{image}"),
                "org.opencontainers.image.version": tag,
            } },
            "rootfs": { "type": "layers", "diff_ids": [] },
        })
        .to_string()
        .into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "digest": digest(&config), "size": config.len() },
            "layers": [],
        })
        .to_string()
        .into_bytes();
        let name = digest(&manifest);
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        content.insert(digest(&config), (CONFIG, config));
        content.insert(name.clone(), (MANIFEST, manifest.clone()));
        found(MANIFEST, &name, manifest)
    }
}

async fn answer(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    match state.answer(&request) {
        Ok(response) => response,
        Err(error) => {
            let body =
                json!({ "errors": [{ "code": "NAME_UNKNOWN", "message": error.to_string() }] });
            (StatusCode::NOT_FOUND, body.to_string()).into_response()
        }
    }
}

fn found(kind: &str, digest: &str, bytes: Vec<u8>) -> Response {
    let head = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::HeaderName::from_static("docker-content-digest"),
            digest.to_owned(),
        ),
    ];
    (head, bytes).into_response()
}
