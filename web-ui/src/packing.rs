//! Answers of the API on the wire: not sent again where the browser has them, and packed with gzip.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::assets::takes_gzip;
use crate::error::Error;
use crate::guard::is_json;
use crate::router::Shared;

/// The header that says up to which change of the stream an answer is the truth at least.
const CHANGES_AT: HeaderName = HeaderName::from_static("x-changes-at");
/// Smaller answers fit into one packet anyway.
const LEAST: usize = 1024;
/// From so many bytes on it is done beside the tasks that answer others.
const LONG: usize = 64 * 1024;

/// Names the content of each JSON answer to a question, says how new it is, and packs it.
pub(crate) async fn pack(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let asks = request.method() == Method::GET;
    // Asked before the answer is made: a change meanwhile is told by the stream, too.
    let newest = shared.questions.changes().newest();
    let known = request.headers().get(IF_NONE_MATCH).cloned();
    let packs = takes_gzip(request.headers());
    let response = next.run(request).await;
    if !asks || response.status() != StatusCode::OK || !is_json(response.headers()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    if let Ok(newest) = HeaderValue::from_str(&newest) {
        parts.headers.insert(CHANGES_AT, newest);
    }
    // The answer is in memory already.
    let Ok(plain) = to_bytes(body, usize::MAX).await else {
        return Error::Internal.into_response();
    };
    parts
        .headers
        .insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag_of(&plain)) {
        if known.is_some_and(|known| known == tag) {
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.remove(CONTENT_TYPE);
            parts.status = StatusCode::NOT_MODIFIED;
            parts.headers.insert(ETAG, tag);
            return Response::from_parts(parts, Body::empty());
        }
        parts.headers.insert(ETAG, tag);
    }
    if !packs || plain.len() < LEAST {
        return Response::from_parts(parts, Body::from(plain));
    }
    let body = match packed(plain.clone()).await {
        Some(packed) => {
            parts.headers.remove(CONTENT_LENGTH);
            parts
                .headers
                .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            packed
        }
        None => plain,
    };
    Response::from_parts(parts, Body::from(body))
}

/// Weak: packed and plain it is the same answer. It is compared within one agent only, by browsers
/// that may read the answer, so it need not resist anyone.
fn tag_of(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// `None` where it cannot be packed.
async fn packed(plain: Bytes) -> Option<Bytes> {
    if plain.len() < LONG {
        return gzip(&plain);
    }
    let task = tokio::task::spawn_blocking(move || gzip(&plain));
    task.await.ok().flatten()
}

fn gzip(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::default());
    encoder.write_all(plain).ok()?;
    Some(encoder.finish().ok()?.into())
}
