//! What runs here.

use axum::Json;
use axum::extract::State;

use super::ask;
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::About;

/// What runs here.
#[utoipa::path(
    get,
    path = "/api/v1/about",
    operation_id = "about",
    tag = "agent",
    responses((status = 200, body = About), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(State(shared): State<Shared>) -> Result<Json<About>, Error> {
    Ok(Json(ask(&shared, shared.questions.about()).await?))
}
