//! One module per resource: checks what the request says, asks the agent, shapes the answer.

pub(crate) mod about;
pub(crate) mod actions;
pub(crate) mod applications;
pub(crate) mod calls;
pub(crate) mod diff;
pub(crate) mod health_changes;
pub(crate) mod images;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod openapi;
pub(crate) mod preview;
pub(crate) mod records;
pub(crate) mod repositories;
pub(crate) mod resources;
pub(crate) mod stream;
pub(crate) mod syncs;
pub(crate) mod timeline;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use http::HeaderName;
use http::request::Parts;
use serde::Deserialize;
use syncline_core::record::Name;

use crate::error::Error;
use crate::questions::{Answer, Page};
use crate::router::Shared;
use crate::settings::Settings;

/// What a proxy must be told so that it passes on as it comes what goes on for long.
const UNBUFFERED: (HeaderName, &str) = (HeaderName::from_static("x-accel-buffering"), "no");

/// Asks the agent, and does not wait for ever.
async fn ask<T>(shared: &Shared, answer: Answer<'_, T>) -> Result<T, Error> {
    match tokio::time::timeout(shared.settings.answer_timeout, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Slow),
    }
}

/// `{namespace}/{name}` of a path, checked to be a name that Kubernetes can have.
pub(crate) struct Named(pub(crate) Name);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path((namespace, name)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::BadRequest("the path is not valid".to_owned()))?;
        name_in_path(namespace, name).map(Self)
    }
}

/// `{id}` of a path, checked to be one that a sync can have.
pub(crate) struct SyncId(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for SyncId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok();
        id.map(|Path(id)| Self(id))
            .filter(|Self(id)| is_id(id))
            .ok_or_else(|| Error::BadRequest("the path holds no id of a sync".to_owned()))
    }
}

/// Which part of a list that is sorted newest first.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    before: Option<String>,
    limit: Option<u32>,
}

impl Part {
    /// The page to ask for, which is one item longer than what is shown: the item more says whether
    /// there is a next page. With it how many are shown.
    fn checked(
        part: Result<Query<Self>, QueryRejection>,
        settings: &Settings,
    ) -> Result<(Page, usize), Error> {
        let Query(part) = part.map_err(|_| {
            Error::BadRequest("`limit` is a positive number and `before` an id".to_owned())
        })?;
        let limit = part.limit.unwrap_or(settings.page_size);
        let most = settings.max_page_size;
        if !(1..=most).contains(&limit) {
            return Err(Error::BadRequest(format!(
                "`limit` must be from 1 to {most}"
            )));
        }
        if part.before.as_deref().is_some_and(|id| !is_id(id)) {
            return Err(Error::BadRequest("`before` is no id".to_owned()));
        }
        let page = Page {
            before: part.before,
            limit: limit + 1,
        };
        Ok((page, limit as usize))
    }
}

/// Leaves of a page what is shown. The id to go on before, where there is more.
fn cut<T>(items: &mut Vec<T>, limit: usize, id: impl Fn(&T) -> &str) -> Option<String> {
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    last.map(|item| id(item).to_owned())
}

fn no_application(name: &Name) -> Error {
    Error::NotFound(format!("application `{name}`"))
}

fn no_image_policy(name: &Name) -> Error {
    Error::NotFound(format!("image policy `{name}`"))
}

fn name_in_path(namespace: String, name: String) -> Result<Name, Error> {
    if is_name(&namespace) && is_name(&name) {
        Ok(Name::new(namespace, name))
    } else {
        Err(Error::BadRequest("the path holds no valid name".to_owned()))
    }
}

/// Lower-case letters, digits, `-` and `.`; a letter or digit at both ends; at most 253.
fn is_name(text: &str) -> bool {
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    text.len() <= 253
        && ends_well(text.as_bytes().first())
        && ends_well(text.as_bytes().last())
        && text
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
}

/// Whether a text can be the id of something in history.
fn is_id(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
