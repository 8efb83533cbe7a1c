//! The past of an application, and what stands around one sync.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::{Named, Part, SyncId, ask, cut, no_application};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::{SyncContext, TimelineEntry, TimelineKind, TimelineList};

/// Which kind alone.
#[derive(Debug, Deserialize)]
pub(crate) struct Only {
    only: Option<TimelineKind>,
}

/// What happened to an application, the newest first: syncs, calls of people, changes of health.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/timeline",
    operation_id = "showTimeline",
    tag = "applications",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("only" = Option<TimelineKind>, Query, description = "Only what is of this kind"),
        ("before" = Option<String>, Query, description = "Only what is older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses((status = 200, body = TimelineList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    Named(name): Named,
    only: Result<Query<Only>, QueryRejection>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<TimelineList>, Error> {
    let Query(Only { only }) = only.map_err(|_| {
        Error::BadRequest("`only` is `sync`, `failed`, `act` or `health`".to_owned())
    })?;
    let (page, limit) = Part::checked(part, &shared.settings)?;
    let answer = ask(&shared, shared.questions.timeline(name.clone(), page, only)).await?;
    let mut items = answer.ok_or_else(|| no_application(&name))?;
    let next = cut(&mut items, limit, TimelineEntry::id);
    Ok(Json(TimelineList { items, next }))
}

/// The commits that a sync brought, and the syncs before and after it.
#[utoipa::path(
    get,
    path = "/api/v1/syncs/{id}/context",
    operation_id = "showSyncContext",
    tag = "syncs",
    params(("id" = String, Path)),
    responses((status = 200, body = SyncContext), (status = "default", body = ErrorBody))
)]
pub(crate) async fn context(
    State(shared): State<Shared>,
    SyncId(id): SyncId,
) -> Result<Json<SyncContext>, Error> {
    let context = ask(&shared, shared.questions.sync_context(id.clone())).await?;
    context
        .map(Json)
        .ok_or_else(|| Error::NotFound(format!("sync `{id}`")))
}
