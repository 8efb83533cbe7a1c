//! What a commit would change.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::{Named, no_application};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::PreviewView;

/// The longest name of a reference that is looked for.
const LONGEST_REFERENCE: usize = 250;

/// Which commit.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(rename = "ref")]
    reference: Option<String>,
}

/// What a commit would change in the cluster; nothing is written. It may take as long as the agent's
/// setting `preview_timeout`.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/preview",
    operation_id = "previewApplication",
    tag = "applications",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        (
            "ref" = Option<String>,
            Query,
            description = "Branch, tag, commit or full name of a reference; without it the plan that \
                           waits for a person, or that of the commit that is to run: the \
                           pinned one, or the newest"
        ),
    ),
    responses((status = 200, body = PreviewView), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Named(name): Named,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<PreviewView>, Error> {
    let Query(asked) = asked.map_err(|_| Error::BadRequest("`ref` is given once".to_owned()))?;
    let reference = checked(asked.reference)?;
    // The agent bounds it: to fetch and to render takes longer than an answer from memory.
    let preview = shared.questions.preview(name.clone(), reference).await?;
    preview.map(Json).ok_or_else(|| no_application(&name))
}

/// A reference that can be looked for, where one is named.
pub(super) fn checked(reference: Option<String>) -> Result<Option<String>, Error> {
    let length = reference.as_ref().map(String::len);
    if length.is_some_and(|length| !(1..=LONGEST_REFERENCE).contains(&length)) {
        return Err(Error::BadRequest(format!(
            "`ref` has from 1 to {LONGEST_REFERENCE} bytes"
        )));
    }
    Ok(reference)
}
