//! Applications: the list, one of them, and asking for a sync.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::{Named, ask};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::{ApplicationDetail, ApplicationList};

/// All applications, those that need attention first.
#[utoipa::path(
    get,
    path = "/api/v1/applications",
    operation_id = "listApplications",
    tag = "applications",
    responses((status = 200, body = ApplicationList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<ApplicationList>, Error> {
    let mut items = ask(&shared, shared.questions.applications()).await?;
    items.sort_by(|a, b| {
        let key = |item: &crate::views::ApplicationSummary| (item.severity, item.why.since);
        key(a)
            .cmp(&key(b))
            .then_with(|| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)))
    });
    Ok(Json(ApplicationList { items }))
}

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
    let missing = || Error::NotFound(format!("application `{name}`"));
    let detail = ask(&shared, shared.questions.application(name.clone())).await?;
    detail.map(Json).ok_or_else(missing)
}

/// Asks for a sync now. It runs when a worker is free; the event stream tells how it goes.
#[utoipa::path(
    post,
    path = "/api/v1/applications/{namespace}/{name}/sync",
    operation_id = "requestSync",
    tag = "applications",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 202, description = "Queued"), (status = "default", body = ErrorBody))
)]
pub(crate) async fn request_sync(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<StatusCode, Error> {
    let missing = || Error::NotFound(format!("application `{name}`"));
    let queued = ask(&shared, shared.questions.request_sync(name.clone())).await?;
    queued.map(|()| StatusCode::ACCEPTED).ok_or_else(missing)
}
