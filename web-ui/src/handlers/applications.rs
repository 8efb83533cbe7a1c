//! One application.

use axum::Json;
use axum::extract::State;

use super::{Named, ask, no_application};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::ApplicationDetail;

/// One application with its objects.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}",
    operation_id = "showApplication",
    tag = "applications",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ApplicationDetail), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<Json<ApplicationDetail>, Error> {
    let detail = ask(&shared, shared.questions.application(name.clone())).await?;
    detail.map(Json).ok_or_else(|| no_application(&name))
}
