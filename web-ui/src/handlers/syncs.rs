//! History: the syncs of an application, and one of them.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};

use super::{Named, Part, SyncId, ask, cut, no_application};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::{SyncDetail, SyncList};

/// Syncs of an application, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/syncs",
    operation_id = "listSyncs",
    tag = "syncs",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("before" = Option<String>, Query, description = "Only syncs older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses((status = 200, body = SyncList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Named(name): Named,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<SyncList>, Error> {
    let (page, limit) = Part::checked(part, &shared.settings)?;
    let answer = ask(&shared, shared.questions.syncs(name.clone(), page)).await?;
    let mut items = answer.ok_or_else(|| no_application(&name))?;
    let next = cut(&mut items, limit, |sync| &sync.id);
    Ok(Json(SyncList { items, next }))
}

/// One sync: steps, outcome of each object, drift.
#[utoipa::path(
    get,
    path = "/api/v1/syncs/{id}",
    operation_id = "showSync",
    tag = "syncs",
    params(("id" = String, Path)),
    responses((status = 200, body = SyncDetail), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    SyncId(id): SyncId,
) -> Result<Json<SyncDetail>, Error> {
    let detail = ask(&shared, shared.questions.sync(id.clone())).await?;
    detail
        .map(Json)
        .ok_or_else(|| Error::NotFound(format!("sync `{id}`")))
}
