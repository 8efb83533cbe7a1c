//! History: the syncs of an application, and one of them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::{Named, ask, is_id};
use crate::error::{Error, ErrorBody};
use crate::questions::Page;
use crate::router::Shared;
use crate::views::{SyncDetail, SyncList};

/// Which part of the history.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    before: Option<String>,
    limit: Option<u32>,
}

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
    let Query(part) = part.map_err(|_| {
        Error::BadRequest("`limit` is a positive number and `before` the id of a sync".to_owned())
    })?;
    let limit = part.limit.unwrap_or(shared.settings.page_size);
    let most = shared.settings.max_page_size;
    if !(1..=most).contains(&limit) {
        return Err(Error::BadRequest(format!(
            "`limit` must be from 1 to {most}"
        )));
    }
    if part.before.as_deref().is_some_and(|id| !is_id(id)) {
        return Err(Error::BadRequest(
            "`before` is not the id of a sync".to_owned(),
        ));
    }
    let missing = || Error::NotFound(format!("application `{name}`"));
    // One more than asked for says whether there is a next page.
    let page = Page {
        before: part.before,
        limit: limit + 1,
    };
    let answer = ask(&shared, shared.questions.syncs(name.clone(), page)).await?;
    let mut items = answer.ok_or_else(missing)?;
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
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
