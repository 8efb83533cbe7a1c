//! The way in: a one-time link becomes a session.

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use crate::error::Error;
use crate::pages;
use crate::router::Shared;
use crate::sessions::Way;

/// What the link carries.
#[derive(Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    token: String,
}

/// Uses the link up, hands a session to the browser and leads it to the application.
pub(crate) async fn redeem(
    State(shared): State<Shared>,
    Extension(way): Extension<Way>,
    Query(link): Query<Link>,
    headers: HeaderMap,
) -> Response {
    let refuse = |error: Error| error.into_page(&shared.settings.link_hint, "/login");
    let id = match shared.sessions.redeem(&link.token) {
        Ok(Some(id)) => id,
        Ok(None) => return refuse(Error::Unauthenticated),
        Err(error) => {
            tracing::error!(%error, "a session could not be started");
            return refuse(Error::Internal);
        }
    };
    let Ok(cookie) = HeaderValue::from_str(&shared.sessions.set_cookie(&id, way)) else {
        return refuse(Error::Internal);
    };
    let from_elsewhere = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    let mut response = if from_elsewhere {
        Html(pages::onward()).into_response()
    } else {
        Redirect::to("./").into_response()
    };
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}
