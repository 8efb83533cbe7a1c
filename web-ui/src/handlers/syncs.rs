//! History: the syncs of an application, and one of them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};

use super::{Named, Part, ask, is_id};
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
    let missing = || Error::NotFound(format!("application `{name}`"));
    let answer = ask(&shared, shared.questions.syncs(name.clone(), page)).await?;
    let mut items = answer.ok_or_else(missing)?;
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|sync| sync.id.clone());
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
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SyncDetail>, Error> {
    let id = id
        .ok()
        .map(|Path(id)| id)
        .filter(|id| is_id(id))
        .ok_or_else(|| Error::BadRequest("the path holds no id of a sync".to_owned()))?;
    let detail = ask(&shared, shared.questions.sync(id.clone())).await?;
    detail
        .map(Json)
        .ok_or_else(|| Error::NotFound(format!("sync `{id}`")))
}
