//! The image policies: all of them, one, its tags and its commits.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;

use super::{Named, Part, ask, cut, name_in_path, no_image_policy};
use crate::error::{Error, ErrorBody};
use crate::router::Shared;
use crate::views::{ImageDetail, ImageList, ImageUpdateList, TagAnswer, TagList};

/// The longest tag that a registry may have.
const LONGEST_TAG: usize = 128;

/// All image policies, by namespace and name.
#[utoipa::path(
    get,
    path = "/api/v1/images",
    operation_id = "listImages",
    tag = "images",
    responses((status = 200, body = ImageList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn list(State(shared): State<Shared>) -> Result<Json<ImageList>, Error> {
    let mut items = ask(&shared, shared.questions.images()).await?;
    items.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
    Ok(Json(ImageList { items }))
}

/// One image policy: what it chose, how many tags each rule decided, where Git names the image.
#[utoipa::path(
    get,
    path = "/api/v1/images/{namespace}/{name}",
    operation_id = "showImage",
    tag = "images",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ImageDetail), (status = "default", body = ErrorBody))
)]
pub(crate) async fn show(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<Json<ImageDetail>, Error> {
    let detail = ask(&shared, shared.questions.image(name.clone())).await?;
    detail.map(Json).ok_or_else(|| no_image_policy(&name))
}

/// Which tags.
#[derive(Debug, Deserialize)]
pub(crate) struct Wanted {
    rule: Option<String>,
    search: Option<String>,
    from: Option<u32>,
    limit: Option<u32>,
}

/// The tags that the registry listed at the last look, each with its verdict.
#[utoipa::path(
    get,
    path = "/api/v1/images/{namespace}/{name}/tags",
    operation_id = "listTags",
    tag = "images",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("rule" = Option<String>, Query, description = "Only tags that this rule decided"),
        ("search" = Option<String>, Query, description = "Only tags that hold this text"),
        ("from" = Option<u32>, Query, description = "Without so many first ones"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses((status = 200, body = TagList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn tags(
    State(shared): State<Shared>,
    Named(name): Named,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<TagList>, Error> {
    let Query(wanted) = wanted.map_err(|_| {
        Error::BadRequest("`from` and `limit` are numbers, each is given once".to_owned())
    })?;
    let most = shared.settings.max_page_size;
    let limit = wanted.limit.unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(Error::BadRequest(format!(
            "`limit` must be from 1 to {most}"
        )));
    }
    for text in [&wanted.rule, &wanted.search].into_iter().flatten() {
        if text.len() > LONGEST_TAG {
            return Err(Error::BadRequest(format!(
                "`rule` and `search` have at most {LONGEST_TAG} bytes"
            )));
        }
    }
    let all = ask(&shared, shared.questions.image_tags(name.clone())).await?;
    let mut items = all.ok_or_else(|| no_image_policy(&name))?;
    let search = wanted.search.unwrap_or_default().to_lowercase();
    items.retain(|item| {
        wanted.rule.as_ref().is_none_or(|rule| item.rule == *rule)
            && item.tag.to_lowercase().contains(&search)
    });
    let total = items.len() as u32;
    let from = wanted.from.unwrap_or(0);
    let items: Vec<_> = items
        .into_iter()
        .skip(from as usize)
        .take(limit as usize)
        .collect();
    let end = from.saturating_add(items.len() as u32);
    Ok(Json(TagList {
        next: (!items.is_empty() && end < total).then_some(end),
        items,
        total,
    }))
}

/// What the policy says of a tag, or would say if the registry listed it.
#[utoipa::path(
    get,
    path = "/api/v1/images/{namespace}/{name}/tags/{tag}",
    operation_id = "judgeTag",
    tag = "images",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("tag" = String, Path),
    ),
    responses((status = 200, body = TagAnswer), (status = "default", body = ErrorBody))
)]
pub(crate) async fn tag(
    State(shared): State<Shared>,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<TagAnswer>, Error> {
    let Path((namespace, name, tag)) =
        path.map_err(|_| Error::BadRequest("the path is not valid".to_owned()))?;
    let name = name_in_path(namespace, name)?;
    if !is_tag(&tag) {
        return Err(Error::BadRequest(
            "a tag has letters, digits, `_`, `.` and `-`, at most 128, and begins with none of the \
             last two"
                .to_owned(),
        ));
    }
    let answer = ask(&shared, shared.questions.image_tag(name.clone(), tag)).await?;
    answer.map(Json).ok_or_else(|| no_image_policy(&name))
}

/// Commits of an image policy, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/images/{namespace}/{name}/updates",
    operation_id = "listUpdates",
    tag = "images",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("before" = Option<String>, Query, description = "Only commits older than this one"),
        ("limit" = Option<u32>, Query, minimum = 1, description = "At most so many"),
    ),
    responses((status = 200, body = ImageUpdateList), (status = "default", body = ErrorBody))
)]
pub(crate) async fn updates(
    State(shared): State<Shared>,
    Named(name): Named,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<ImageUpdateList>, Error> {
    let (page, limit) = Part::checked(part, &shared.settings)?;
    let answer = ask(&shared, shared.questions.image_updates(name.clone(), page)).await?;
    let mut items = answer.ok_or_else(|| no_image_policy(&name))?;
    let next = cut(&mut items, limit, |item| &item.id);
    Ok(Json(ImageUpdateList { items, next }))
}

/// The `tag` of the OCI distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= LONGEST_TAG
        && text.as_bytes().first().is_some_and(|first| is_word(*first))
        && text.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'))
}
