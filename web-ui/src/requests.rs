//! Every request has a number: in its answer, and on what is logged while it is answered.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;

use crate::sessions::random_hex;

/// The header that holds the number.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Numbers a request. What it says of itself is not believed: a number is ours.
pub(crate) async fn number(request: Request, next: Next) -> Response {
    // Without a number a request is worth as much.
    let Ok(id) = random_hex::<6>() else {
        return next.run(request).await;
    };
    let span = tracing::error_span!("request", id);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
