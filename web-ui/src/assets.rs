//! The built front end inside the binary.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::error::Error;
use crate::pages;
use crate::router::Shared;

/// One file of the front end.
pub(crate) struct Asset {
    path: &'static str,
    plain: &'static [u8],
    /// The same, packed with gzip.
    packed: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Whether the front end was there when the crate was built.
pub fn front_end_is_built() -> bool {
    find("index.html").is_some()
}

/// `/`: the application, or how to build it.
pub(crate) async fn index(headers: HeaderMap) -> Response {
    match find("index.html") {
        Some(asset) => serve(asset, &headers, "no-store"),
        None => pages::notice(
            StatusCode::OK,
            "/",
            "The front end was not built",
            &[
                "The agent runs and its API answers under `/api/v1`, but this binary was built without the pages.",
                "Build them with `cargo xtask ui` (it needs Node 20 or newer), then build the binary again.",
            ],
        ),
    }
}

/// `/assets/...`: files whose names change with their content.
pub(crate) async fn asset(
    State(shared): State<Shared>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    match find(&format!("assets/{path}")) {
        Some(asset) => serve(asset, &headers, "private, max-age=31536000, immutable"),
        None => {
            let error = Error::NotFound("such file".to_owned());
            error.into_page(&shared.settings.link_hint, &format!("/assets/{path}"))
        }
    }
}

fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

fn serve(asset: &Asset, headers: &HeaderMap, cache: &'static str) -> Response {
    let packed = asset.packed.filter(|_| takes_gzip(headers));
    let mut response = packed.unwrap_or(asset.plain).into_response();
    let answer = response.headers_mut();
    answer.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(content_type(asset.path)),
    );
    answer.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    answer.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if packed.is_some() {
        answer.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Whether a browser takes packed answers.
pub(crate) fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| {
            value.split(',').any(|coding| {
                let mut parts = coding.split(';').map(str::trim);
                parts.next() == Some("gzip") && !parts.any(|part| matches!(part, "q=0" | "q=0.0"))
            })
        })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        _ => "application/octet-stream",
    }
}
