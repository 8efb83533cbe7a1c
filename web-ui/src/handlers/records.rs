//! Deliveries of webhooks, what others changed, and the graph of dependencies.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;
use syncline_core::record::Name;

use super::{Part, ask, cut, is_name};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::{DeliveryList, DeliveryVerdict, DependencyGraph, DriftList};

/// Which deliveries alone.
#[derive(Debug, Deserialize)]
pub(crate) struct Only {
    verdict: Option<DeliveryVerdict>,
}

/// Deliveries of webhooks, the newest first, each with what became of it and why. A flood of what is
/// not believed is listed in part, and counted.
#[utoipa::path(
    get,
    path = "/api/v1/webhooks",
    operation_id = "listDeliveries",
    tag = "webhooks",
    params(
        ("verdict" = Option<DeliveryVerdict>, Query, description = "Only those that this became of"),
        ("before" = Option<String>, Query, description = "Only those older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses((status = 200, body = DeliveryList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn deliveries(
    State(shared): State<Shared>,
    only: Result<Query<Only>, QueryRejection>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<DeliveryList>, Error> {
    let Query(Only { verdict }) = only.map_err(|_| {
        Error::BadRequest(
            "`verdict` is `accepted`, `ignored`, `duplicate`, `rejected` or `refused`".to_owned(),
        )
    })?;
    let (page, limit) = Part::checked(part, &shared.settings)?;
    let only = verdict.map(Into::into);
    let part = ask(&shared, shared.questions.deliveries(page, only)).await?;
    let mut items = part.items;
    let next = cut(&mut items, limit, |item| &item.id);
    Ok(Json(DeliveryList {
        items,
        next,
        counts: part.counts,
        hooks: part.hooks as u32,
    }))
}

/// What others changed: what differs now, and the syncs that found something, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/drift",
    operation_id = "listDrift",
    tag = "drift",
    params(
        ("before" = Option<String>, Query, description = "Only syncs older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many syncs"),
    ),
    responses((status = 200, body = DriftList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn drift(
    State(shared): State<Shared>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<DriftList>, Error> {
    let (page, limit) = Part::checked(part, &shared.settings)?;
    let part = ask(&shared, shared.questions.drift(page)).await?;
    let mut items = part.items;
    let next = cut(&mut items, limit, |item| &item.id);
    Ok(Json(DriftList {
        now: part.now,
        items,
        next,
    }))
}

/// Around which application.
#[derive(Debug, Deserialize)]
pub(crate) struct Around {
    namespace: Option<String>,
    name: Option<String>,
}

/// What needs what, drawn: all applications that have dependencies, or those that hang together with
/// one.
#[utoipa::path(
    get,
    path = "/api/v1/dependencies",
    operation_id = "drawDependencies",
    tag = "applications",
    params(
        ("namespace" = Option<String>, Query, description = "Around an application of this namespace"),
        ("name" = Option<String>, Query, description = "Around the application of this name"),
    ),
    responses((status = 200, body = DependencyGraph), (status = "default", body = ErrorBody))
)]
pub(crate) async fn dependencies(
    State(shared): State<Shared>,
    around: Result<Query<Around>, QueryRejection>,
) -> Result<Json<DependencyGraph>, Error> {
    let around = around
        .ok()
        .map(|Query(around)| (around.namespace, around.name));
    let of = match around {
        Some((None, None)) => None,
        Some((Some(namespace), Some(name))) if is_name(&namespace) && is_name(&name) => {
            Some(Name::new(namespace, name))
        }
        _ => {
            return Err(Error::BadRequest(
                "`namespace` and `name` are given together and are those of an application"
                    .to_owned(),
            ));
        }
    };
    let graph = ask(&shared, shared.questions.dependency_graph(of.clone())).await?;
    let of = of.map(|name| name.to_string()).unwrap_or_default();
    graph
        .map(Json)
        .ok_or_else(|| Error::NotFound(format!("application `{of}`")))
}
