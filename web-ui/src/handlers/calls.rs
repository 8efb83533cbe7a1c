//! Calls that changed something, or were to: a list, and the whole of it as a file.

mod export;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use jiff::Timestamp;
use serde::Deserialize;
use syncline_core::record::Name;

use super::{Part, ask, cut, is_name};
use crate::error::{Error, ErrorBody};
use crate::questions::CallFilter;
use crate::router::Shared;
use crate::views::CallList;

pub(crate) use export::{__path_export, Format, export};

/// The longest text that is compared with a record.
const LONGEST: usize = 256;

/// Which calls.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    actor: Option<String>,
    action: Option<String>,
    kind: Option<String>,
    target: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wanted {
    fn checked(wanted: Result<Query<Self>, QueryRejection>) -> Result<CallFilter, Error> {
        let Query(wanted) = wanted.map_err(|_| {
            Error::BadRequest(
                "`since` and `until` are times like `2026-01-31T12:00:00Z`; each is given once"
                    .to_owned(),
            )
        })?;
        // An empty field of a form asks for nothing.
        let said = |text: Option<String>| text.filter(|text| !text.is_empty());
        let filter = CallFilter {
            actor: said(wanted.actor),
            action: said(wanted.action),
            kind: said(wanted.kind),
            target: said(wanted.target).map(|text| name_of(&text)).transpose()?,
            since: wanted.since,
            until: wanted.until,
        };
        for text in [&filter.actor, &filter.action, &filter.kind]
            .into_iter()
            .flatten()
        {
            if text.len() > LONGEST {
                return Err(Error::BadRequest(format!(
                    "`actor`, `action` and `kind` have at most {LONGEST} bytes"
                )));
            }
        }
        Ok(filter)
    }
}

fn name_of(text: &str) -> Result<Name, Error> {
    match text.split_once('/') {
        Some((namespace, name)) if is_name(namespace) && is_name(name) => {
            Ok(Name::new(namespace, name))
        }
        _ => Err(Error::BadRequest("`target` is `namespace/name`".to_owned())),
    }
}

/// Calls through the API that changed something, or were to: who, from where, what, and how it
/// ended; the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "listCalls",
    tag = "audit",
    params(
        ("actor" = Option<String>, Query, description = "Only those of this one"),
        ("action" = Option<String>, Query, description = "Only those that asked for this"),
        ("kind" = Option<String>, Query, description = "Only those about an object of this kind"),
        ("target" = Option<String>, Query, description = "Only those about this `namespace/name`"),
        ("since" = Option<Timestamp>, Query, description = "Only those at this time or later"),
        ("until" = Option<Timestamp>, Query, description = "Only those before this time"),
        ("before" = Option<String>, Query, description = "Only those older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses((status = 200, body = CallList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    wanted: Result<Query<Wanted>, QueryRejection>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<CallList>, Error> {
    let filter = Wanted::checked(wanted)?;
    let (page, limit) = Part::checked(part, &shared.settings)?;
    let mut items = ask(&shared, shared.questions.calls(page, filter)).await?;
    let next = cut(&mut items, limit, |item| &item.id);
    Ok(Json(CallList { items, next }))
}
