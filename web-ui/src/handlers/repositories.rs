//! The repositories.

use axum::Json;
use axum::extract::State;

use super::ask;
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::RepositoryList;

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
