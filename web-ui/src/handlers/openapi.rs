//! The description of the API for programs.

use axum::Json;
use utoipa::openapi::OpenApi;

/// The OpenAPI document of this API.
pub(crate) async fn show() -> Json<OpenApi> {
    Json(crate::openapi::document())
}
