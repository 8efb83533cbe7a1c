//! How the health of an application changed.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::{Named, Part, ask};
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
    let missing = || Error::NotFound(format!("application `{name}`"));
    let answer = ask(&shared, shared.questions.health_changes(name.clone(), page)).await?;
    let mut items = answer.ok_or_else(missing)?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| item.id.clone());
    Ok(Json(HealthChangeList { items, next }))
}
