//! How the health of an application changed.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::{Named, Part, ask, cut, no_application};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::HealthChangeList;

/// Changes of the health of an application, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/health-changes",
    operation_id = "listHealthChanges",
    tag = "applications",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("before" = Option<String>, Query, description = "Only changes older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses((status = 200, body = HealthChangeList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Named(name): Named,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<HealthChangeList>, Error> {
    let (page, limit) = Part::checked(part, &shared.settings)?;
    let answer = ask(&shared, shared.questions.health_changes(name.clone(), page)).await?;
    let mut items = answer.ok_or_else(|| no_application(&name))?;
    let next = cut(&mut items, limit, |item| &item.id);
    Ok(Json(HealthChangeList { items, next }))
}
