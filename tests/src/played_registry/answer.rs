//! The API of a played registry, and the storage that it redirects to.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

use std::collections::BTreeMap;
use std::time::Instant;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LINK, LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use reqwest::Url;
use serde_json::json;

use super::{Plays, State, token};

/// The pulls that Docker Hub allows nobody in particular, and in how many seconds.
const PULLS: &str = "100;w=21600";

pub(super) fn api(state: &State, parts: &Parts) -> Response {
    if let Some(seconds) = state.changing().throttled {
        return refused(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS")
            .with(RETRY_AFTER, &seconds.to_string());
    }
    let Some((repository, what, name)) = asked(parts.uri.path()) else {
        return refused(StatusCode::NOT_FOUND, "UNSUPPORTED");
    };
    if !is_known(state, parts, repository) {
        return token::challenge(state, repository);
    }
    let exists = state.changing().tags.contains_key(repository);
    match what {
        _ if !exists => refused(StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
        "tags" => tags(
            state,
            repository,
            &pairs(parts.uri.query().unwrap_or_default()),
        ),
        "manifests" => manifest(state, &parts.method, repository, name),
        // These keep blobs elsewhere; the place is good for who has its address.
        _ if state.plays != Plays::Harbor => StatusCode::TEMPORARY_REDIRECT.into_response().with(
            LOCATION,
            &format!("http://{}/blobs/{name}?signed=yes", state.storage),
        ),
        _ => content(state, name),
    }
}

pub(super) fn storage(state: &State, parts: &Parts) -> Response {
    // Storage refuses a request with a second kind of identification, as S3 does.
    if parts.headers.contains_key(AUTHORIZATION) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    match parts.uri.path().strip_prefix("/blobs/") {
        Some(name) => content(state, name),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `/v2/REPOSITORY/{tags,manifests,blobs}/NAME`
fn asked(path: &str) -> Option<(&str, &str, &str)> {
    let (rest, name) = path.strip_prefix("/v2/")?.rsplit_once('/')?;
    let (repository, what) = rest.rsplit_once('/')?;
    let known = matches!(what, "manifests" | "blobs") || (what == "tags" && name == "list");
    known.then_some((repository, what, name))
}

fn is_known(state: &State, parts: &Parts, repository: &str) -> bool {
    if state.plays == Plays::Ecr {
        let user = token::user(state, &parts.headers);
        return matches!(user, Ok(Some(user)) if token::may_read(state, Some(&user), repository));
    }
    let token = parts
        .headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("Bearer "));
    token.is_some_and(|token| {
        let changing = state.changing();
        let good = changing.tokens.get(token);
        good.is_some_and(|(name, until)| name == repository && *until > Instant::now())
    })
}

fn tags(state: &State, repository: &str, query: &BTreeMap<String, String>) -> Response {
    let asked: Option<usize> = query.get("n").and_then(|number| number.parse().ok());
    let size = match (state.plays, asked) {
        (Plays::Ecr, Some(number)) if number > 1000 => {
            return refused(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED");
        }
        (Plays::GitLab, Some(number)) if number > 1000 => {
            return refused(StatusCode::BAD_REQUEST, "PAGINATION_NUMBER_INVALID");
        }
        (Plays::Quay, number) => number.unwrap_or(50).min(100),
        (Plays::DockerHub, None) => usize::MAX,
        (_, number) => number.unwrap_or(100),
    };
    let after = match state.plays {
        Plays::Quay => query.get("next_page").map(|cursor| opened(cursor)),
        Plays::Ecr => query.get("last").map(|cursor| opened(cursor)),
        _ => query.get("last").cloned(),
    };
    let all: Vec<String> = match state.changing().tags.get(repository) {
        Some(tags) => tags.keys().cloned().collect(),
        None => Vec::new(),
    };
    let left: Vec<&String> = all
        .iter()
        .filter(|tag| after.as_ref().is_none_or(|after| *tag > after))
        .collect();
    let page = &left[..left.len().min(size)];
    let body = json!({ "name": repository, "tags": page });
    let response = ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response();
    let Some(last) = page.last().filter(|_| left.len() > page.len()) else {
        return response;
    };
    let path = format!("/v2/{repository}/tags/list");
    let link = match state.plays {
        Plays::Quay => format!("<{path}?next_page={}&n={size}>; rel=\"next\"", closed(last)),
        Plays::Ecr => {
            let cursor = closed(last);
            format!("<http://{}{path}?last={cursor}>; rel=\"next\"", state.api)
        }
        Plays::Harbor | Plays::GitLab => format!("<{path}?n={size}&last={last}>; rel=\"next\""),
        _ => format!("<{path}?last={last}&n={size}>; rel=\"next\""),
    };
    response.with(LINK, &link)
}

fn manifest(state: &State, method: &Method, repository: &str, reference: &str) -> Response {
    let (digest, found) = {
        let mut changing = state.changing();
        let digest = if reference.contains(':') {
            Some(reference.to_owned())
        } else {
            let tags = changing.tags.get(repository);
            tags.and_then(|tags| tags.get(reference)).cloned()
        };
        let digest = digest.unwrap_or_default();
        if state.plays == Plays::DockerHub && method == Method::GET {
            if changing.pulls == 0 {
                drop(changing);
                return counted(
                    state,
                    refused(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
                );
            }
            changing.pulls -= 1;
        }
        let found = changing.content.get(&digest).cloned();
        (digest, found)
    };
    let Some((kind, bytes)) = found else {
        return refused(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN");
    };
    let response = ([(CONTENT_TYPE, kind)], Body::from(bytes)).into_response();
    let response = response.with(HeaderName::from_static("docker-content-digest"), &digest);
    if state.plays == Plays::DockerHub {
        counted(state, response)
    } else {
        response
    }
}

/// With what Docker Hub says of the pulls.
fn counted(state: &State, response: Response) -> Response {
    let left = state.changing().pulls;
    response
        .with(HeaderName::from_static("ratelimit-limit"), PULLS)
        .with(
            HeaderName::from_static("ratelimit-remaining"),
            &format!("{left};w=21600"),
        )
}

fn content(state: &State, name: &str) -> Response {
    match state.changing().content.get(name) {
        Some((_, bytes)) => bytes.clone().into_response(),
        None => refused(StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
    }
}

fn refused(status: StatusCode, code: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": "played" }] });
    (
        status,
        [(CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// Pairs of a query or a form.
pub(super) fn pairs(text: &str) -> BTreeMap<String, String> {
    match Url::parse(&format!("http://played/?{text}")) {
        Ok(url) => url.query_pairs().into_owned().collect(),
        Err(_) => BTreeMap::new(),
    }
}

/// A cursor that means nothing to others.
fn closed(tag: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(format!("cursor of {tag}"))
}

fn opened(cursor: &str) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix("cursor of ").map(str::to_owned))
        .unwrap_or_default()
}

/// A response with one more header.
trait With {
    fn with(self, name: HeaderName, value: &str) -> Self;
}

impl With for Response {
    fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers_mut().insert(name, value);
        }
        self
    }
}
