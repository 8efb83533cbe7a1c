//! All calls that fit a filter as a file, a part at a time.

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Wanted;
use crate::error::{Error, ErrorBody};
use crate::handlers::ask;
use crate::questions::{CallFilter, Page};
use crate::router::Shared;
use crate::views::CallView;

/// The columns of the table, named as in the API.
const COLUMNS: &str = "id,time,actor,address,action,kind,namespace,name,detail,outcome,reason\r\n";

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// A table (RFC 4180), with a line of names first.
    Csv,
    /// One JSON object in each line.
    Jsonl,
}

/// In which form.
#[derive(Debug, Deserialize)]
pub(crate) struct Form {
    format: Format,
}

/// All calls that fit, the newest first, as a file.
#[utoipa::path(
    get,
    path = "/api/v1/audit/export",
    operation_id = "exportCalls",
    tag = "audit",
    params(
        ("format" = Format, Query, description = "In which form"),
        ("actor" = Option<String>, Query, description = "Only those of this one"),
        ("action" = Option<String>, Query, description = "Only those that asked for this"),
        ("kind" = Option<String>, Query, description = "Only those about an object of this kind"),
        ("target" = Option<String>, Query, description = "Only those about this `namespace/name`"),
        ("since" = Option<Timestamp>, Query, description = "Only those at this time or later"),
        ("until" = Option<Timestamp>, Query, description = "Only those before this time"),
    ),
    responses(
        (status = 200, description = "The file", content((String = "text/csv"), (String = "application/jsonl"))),
        (status = "default", body = ErrorBody),
    )
)]
pub(crate) async fn export(
    State(shared): State<Shared>,
    form: Result<Query<Form>, QueryRejection>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(Form { format }) =
        form.map_err(|_| Error::BadRequest("`format` is `csv` or `jsonl`".to_owned()))?;
    let filter = Wanted::checked(wanted)?;
    // A failure of the first part is an answer; a later one cuts the file off.
    let first = part(&shared, &filter, None).await?;
    let begin = match format {
        Format::Csv => COLUMNS,
        Format::Jsonl => "",
    };
    let rest = stream::try_unfold(
        (shared, filter, first),
        move |(shared, filter, items)| async move {
            let Some(last) = items.last().map(|item| item.id.clone()) else {
                return Ok::<_, std::io::Error>(None);
            };
            let text = items
                .iter()
                .map(|item| line(format, item))
                .collect::<Result<String, _>>()
                .map_err(cut)?;
            let next = part(&shared, &filter, Some(last)).await.map_err(cut)?;
            Ok(Some((Bytes::from(text), (shared, filter, next))))
        },
    );
    let begin = stream::iter([Ok(Bytes::from_static(begin.as_bytes()))]);
    let (kind, name) = match format {
        Format::Csv => (
            "text/csv; charset=utf-8",
            "attachment; filename=\"syncline-activity.csv\"",
        ),
        Format::Jsonl => (
            "application/jsonl",
            "attachment; filename=\"syncline-activity.jsonl\"",
        ),
    };
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_DISPOSITION, name),
        (CACHE_CONTROL, "no-store"),
    ];
    let body = Body::from_stream(futures::StreamExt::chain(begin, rest));
    Ok((headers, body).into_response())
}

/// What ends a file before its end: a browser says that it failed.
fn cut(error: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::other(error.to_string())
}

async fn part(
    shared: &Shared,
    filter: &CallFilter,
    before: Option<String>,
) -> Result<Vec<CallView>, Error> {
    let page = Page {
        before,
        limit: shared.settings.max_page_size,
    };
    ask(shared, shared.questions.calls(page, filter.clone())).await
}

fn line(format: Format, item: &CallView) -> Result<String, Error> {
    match format {
        Format::Jsonl => {
            let mut text = serde_json::to_string(item).map_err(|_| Error::Internal)?;
            text.push('\n');
            Ok(text)
        }
        Format::Csv => {
            let (outcome, reason) = match &item.failure {
                None => ("done", String::new()),
                Some(why) => ("refused", format!("{}: {}", why.reason, why.detail)),
            };
            let time = item.time.to_string();
            let cells = [
                &item.id,
                &time,
                &item.actor,
                item.address.as_deref().unwrap_or_default(),
                &item.action,
                &item.kind,
                &item.namespace,
                &item.name,
                &item.detail,
                outcome,
                &reason,
            ];
            Ok(format!("{}\r\n", cells.map(cell).join(",")))
        }
    }
}

/// A value of a table. One that a spreadsheet would take for a formula begins with an apostrophe.
fn cell(value: &str) -> String {
    let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let value = if formula {
        format!("'{value}")
    } else {
        value.to_owned()
    };
    if value.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", value.replace('"', "\"\""))
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_a_table_is_one_value_and_never_a_formula() {
        for (value, written) in [
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
        ] {
            assert_eq!(cell(value), written);
        }
    }
}
