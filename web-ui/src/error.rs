//! Every way in which a request can fail, and the one shape in which the API says so.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::filter::FilterError;
use crate::pages;
use crate::questions::Unanswered;

/// The body of every failed request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What failed.
    error: ErrorText,
}

/// What failed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ErrorText {
    /// A word for programs.
    #[schema(example = "not-found")]
    code: String,
    /// A sentence for people.
    message: String,
    /// Which part of a text of the request is wrong, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Part>,
}

/// A part of a text, in characters from 0.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct Part {
    /// The first character.
    from: u32,
    /// The character after the last.
    to: u32,
}

/// Every way in which a request can fail.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Filter(FilterError),
    #[error("a session is needed; open a one-time link first")]
    Unauthenticated,
    #[error("this host name is not served here")]
    WrongHost,
    #[error("requests from other sites are refused")]
    CrossOrigin,
    #[error("the body must be `application/json`")]
    NotJson,
    #[error("there is no {0}")]
    NotFound(String),
    #[error("this `Idempotency-Key` was used for another call; each call has its own")]
    KeyReused,
    #[error("the method is not allowed here")]
    Method,
    #[error("too many event streams are open")]
    TooManyStreams,
    #[error("the agent is shutting down")]
    ShuttingDown,
    #[error("no answer came in time")]
    Slow,
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("something failed inside; the agent's log says what")]
    Internal,
}

impl Error {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad-request"),
            Self::Filter(_) => (StatusCode::BAD_REQUEST, "bad-filter"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::WrongHost => (StatusCode::MISDIRECTED_REQUEST, "wrong-host"),
            Self::CrossOrigin => (StatusCode::FORBIDDEN, "cross-origin"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not-found"),
            Self::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "key-reused"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"),
            Self::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "too-many-streams"),
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, "shutting-down"),
            Self::Slow => (StatusCode::GATEWAY_TIMEOUT, "slow"),
            Self::Unanswered(Unanswered::Refused(_)) => (StatusCode::CONFLICT, "refused"),
            Self::Unanswered(Unanswered::Forbidden(_)) => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Unanswered(Unanswered::Invalid(_)) => (StatusCode::BAD_REQUEST, "bad-request"),
            Self::Unanswered(Unanswered::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
            Self::Unanswered(Unanswered::Internal(_)) | Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
    }

    /// The same failure as a page for a browser that is not asking the API, under the path of the
    /// request.
    pub(crate) fn into_page(self, hint: &str, path: &str) -> Response {
        let (status, _) = self.status_and_code();
        let text = self.to_string();
        match self {
            Self::Unauthenticated => pages::notice(
                status,
                path,
                "A one-time link is needed",
                &[hint, "Each link signs one browser in, once."],
            ),
            Self::NotFound(_) => pages::notice(
                status,
                path,
                "There is no such page",
                &["The application starts at `/`, below the address of the web UI."],
            ),
            _ => pages::notice(status, path, "This request was refused", &[&text]),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if let Self::Unanswered(Unanswered::Internal(cause)) = &self {
            tracing::error!(error = %cause, "a question of the web UI could not be answered");
        }
        let (status, code) = self.status_and_code();
        let at = match &self {
            Self::Filter(error) => Some(Part {
                from: error.span.from as u32,
                to: error.span.to as u32,
            }),
            _ => None,
        };
        let text = ErrorText {
            code: code.to_owned(),
            message: self.to_string(),
            at,
        };
        (status, Json(ErrorBody { error: text })).into_response()
    }
}
