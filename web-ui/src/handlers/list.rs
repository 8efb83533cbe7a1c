//! The list of applications, and their names.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::ask;
use crate::error::{Error, ErrorBody};
use crate::filter::Filter;
use crate::list::{self, Wish};
use crate::router::Shared;
use crate::views::{ApplicationList, ApplicationNames};

/// Which applications, in which order, from where on.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    q: String,
    sort: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Applications that a filter finds, those that need attention first. With `If-None-Match` the
/// answer is 304 where it would be the same again.
#[utoipa::path(
    get,
    path = "/api/v1/applications",
    operation_id = "listApplications",
    tag = "applications",
    params(
        ("q" = Option<String>, Query, description = "Words and terms that must all hold", example = "health:degraded ns:pay* -label:team=shop"),
        ("sort" = Option<String>, Query, description = "`severity`, `name`, `age` or `sync`; with `-` before it the other way round"),
        ("after" = Option<String>, Query, description = "Go on after the part whose `next` this is"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses(
        (status = 200, body = ApplicationList),
        (status = 304, description = "The same as the one with this ETag"),
        (status = "default", body = ErrorBody),
    )
)]
pub(crate) async fn list(
    State(shared): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<ApplicationList>, Error> {
    let wish = wish(asked, shared.settings.list_limit)?;
    let applications = ask(&shared, shared.questions.listed()).await?;
    Ok(Json(list::part(&applications, &wish)))
}

fn wish(asked: Result<Query<Asked>, QueryRejection>, most: usize) -> Result<Wish, Error> {
    let refused = |text: &str| Error::BadRequest(text.to_owned());
    let Query(asked) = asked.map_err(|_| refused("`limit` is a positive number"))?;
    let limit = asked.limit.unwrap_or(most);
    if !(1..=most).contains(&limit) {
        let text = format!("`limit` must be from 1 to {most}");
        return Err(Error::BadRequest(text));
    }
    let sorting = asked.sort.as_deref().map(str::parse).transpose();
    let after = asked.after.as_deref().map(str::parse).transpose();
    Ok(Wish {
        filter: Filter::parse(&asked.q).map_err(Error::Filter)?,
        sorting: sorting
            .map_err(|_| refused("`sort` is `severity`, `name`, `age` or `sync`"))?
            .unwrap_or_default(),
        after: after.map_err(|_| refused("`after` is no `next` of a list"))?,
        limit,
    })
}

/// The names of all applications, for a search that runs in the browser.
#[utoipa::path(
    get,
    path = "/api/v1/applications/names",
    operation_id = "listApplicationNames",
    tag = "applications",
    responses((status = 200, body = ApplicationNames), (status = "default", body = ErrorBody))
)]
pub(crate) async fn names(State(shared): State<Shared>) -> Result<Json<ApplicationNames>, Error> {
    let names = ask(&shared, shared.questions.names()).await?;
    let mut items: Vec<String> = names.iter().map(ToString::to_string).collect();
    items.sort_unstable();
    Ok(Json(ApplicationNames { items }))
}
