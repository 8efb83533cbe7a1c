//! The repositories: all of them, and one with who reads it.

use axum::Json;
use axum::extract::State;

use super::{Named, ask};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::{RepositoryDetail, RepositoryList};

/// All repositories, by namespace and name.
#[utoipa::path(
    get,
    path = "/api/v1/repositories",
    operation_id = "listRepositories",
    tag = "repositories",
    responses((status = 200, body = RepositoryList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<RepositoryList>, Error> {
    let mut items = ask(&shared, shared.questions.repositories()).await?;
    items.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(Json(RepositoryList { items }))
}

/// One repository: how far it was read, when again, who reads it.
#[utoipa::path(
    get,
    path = "/api/v1/repositories/{namespace}/{name}",
    operation_id = "showRepository",
    tag = "repositories",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = RepositoryDetail), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<Json<RepositoryDetail>, Error> {
    let detail = ask(&shared, shared.questions.repository(name.clone())).await?;
    detail
        .map(Json)
        .ok_or_else(|| Error::NotFound(format!("repository `{name}`")))
}
