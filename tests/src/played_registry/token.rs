//! The token service of a played registry.
//!
//! <https://distribution.github.io/distribution/spec/auth/token/> and, for an identity token,
//! <https://distribution.github.io/distribution/spec/auth/oauth/>.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::{Plays, State};

/// The identity token that each user of a played registry may be exchanged for: its name after this.
pub const IDENTITY: &str = "identity-of-";

fn path(plays: Plays) -> &'static str {
    match plays {
        Plays::DockerHub | Plays::Ghcr => "/token",
        Plays::Quay => "/v2/auth",
        Plays::Harbor => "/service/token",
        Plays::GitLab => "/jwt/auth",
        Plays::Ecr => "",
    }
}

/// Whether the API's own host has the token service under this path.
pub(super) fn is_its_path(state: &State, asked: &str) -> bool {
    state.token == state.api && !path(state.plays).is_empty() && asked == path(state.plays)
}

/// Who asks, by user name and password: `Err` for a wrong one.
pub(super) fn user(state: &State, headers: &HeaderMap) -> Result<Option<String>, ()> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let text = header.to_str().map_err(|_| ())?;
    let encoded = text.strip_prefix("Basic ").ok_or(())?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded);
    let decoded = String::from_utf8(decoded.map_err(|_| ())?).map_err(|_| ())?;
    let (name, password) = decoded.split_once(':').ok_or(())?;
    match state.changing().users.get(name) {
        Some((known, _)) if known == password => Ok(Some(name.to_owned())),
        _ => Err(()),
    }
}

/// Whether somebody, or nobody, may read a repository.
pub(super) fn may_read(state: &State, user: Option<&str>, repository: &str) -> bool {
    let changing = state.changing();
    let beginning = user.and_then(|user| changing.users.get(user));
    !changing.private.contains(repository)
        || beginning.is_some_and(|(_, beginning)| repository.starts_with(beginning))
}

/// The answer of the API to who has no token for the repository.
pub(super) fn challenge(state: &State, repository: &str) -> Response {
    let value = match state.plays {
        Plays::Ecr => {
            r#"Basic realm="https://ecr.example.com/",service="ecr.amazonaws.com""#.into()
        }
        plays => format!(
            r#"Bearer realm="http://{}{}",service="{}",scope="repository:{repository}:pull""#,
            state.token,
            path(plays),
            service(plays),
        ),
    };
    let body =
        json!({ "errors": [{ "code": "UNAUTHORIZED", "message": "authentication required" }] });
    let headers = [(WWW_AUTHENTICATE, value)];
    (StatusCode::UNAUTHORIZED, headers, body.to_string()).into_response()
}

fn service(plays: Plays) -> &'static str {
    match plays {
        Plays::DockerHub => "registry.docker.io",
        Plays::Ghcr => "ghcr.io",
        Plays::Quay => "quay.io",
        Plays::Harbor => "harbor-registry",
        Plays::GitLab => "container_registry",
        Plays::Ecr => "ecr.amazonaws.com",
    }
}

pub(super) fn answer(state: &State, parts: &Parts, body: &[u8]) -> Response {
    if parts.uri.path() != path(state.plays) {
        return StatusCode::NOT_FOUND.into_response();
    }
    let sent = match parts.method {
        Method::POST => String::from_utf8_lossy(body).into_owned(),
        _ => parts.uri.query().unwrap_or_default().to_owned(),
    };
    let sent: BTreeMap<String, String> = super::answer::pairs(&sent);
    let field = |name: &str| sent.get(name).map(String::as_str).unwrap_or_default();
    let user = match parts.method {
        Method::POST => {
            let name = field("refresh_token").strip_prefix(IDENTITY);
            let known = |name: &&str| state.changing().users.contains_key(*name);
            match name.filter(known) {
                Some(name) if field("grant_type") == "refresh_token" => Some(name.to_owned()),
                _ => return StatusCode::UNAUTHORIZED.into_response(),
            }
        }
        _ => match user(state, &parts.headers) {
            Ok(user) => user,
            Err(()) => return StatusCode::UNAUTHORIZED.into_response(),
        },
    };
    if field("service") != service(state.plays) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let scope = field("scope");
    let repository = scope
        .strip_prefix("repository:")
        .and_then(|rest| rest.strip_suffix(":pull"))
        .unwrap_or_default();
    let readable = may_read(state, user.as_deref(), repository);
    // GitHub and GitLab refuse here; the others give a token that is good for nothing.
    if !readable && matches!(state.plays, Plays::Ghcr | Plays::GitLab) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut changing = state.changing();
    changing.given += 1;
    let token = format!("token-{}", changing.given);
    if readable {
        let until = Instant::now() + state.lifetime();
        let good = (repository.to_owned(), until);
        changing.tokens.insert(token.clone(), good);
    }
    let seconds = state.lifetime().as_secs();
    let body = match state.plays {
        Plays::DockerHub | Plays::Harbor => {
            json!({ "token": token, "access_token": token, "expires_in": seconds })
        }
        _ => json!({ "token": token }),
    };
    body.to_string().into_response()
}
