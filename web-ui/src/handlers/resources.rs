//! The objects of an application in the cluster: tree, one of them, events, logs, configuration.

use axum::body::{Body, Bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use futures::StreamExt as _;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use serde::Deserialize;

use super::{Named, UNBUFFERED, ask, is_name, name_in_path, no_application};
use crate::error::{Error, ErrorBody};
use crate::guard::SessionEnds;
use crate::questions::LogsWanted;
use crate::router::Shared;
use crate::views::{
    ConfigurationView, EventsView, LogEntry, ObjectDetail, ObjectName, ResourcesView,
};

/// What stands in a path for the core group, and for no namespace.
const NONE: &str = "-";
/// Most lines of each container that may be asked for.
const MOST_LINES: u32 = 10_000;

/// The objects of an application with what the cluster made below them, read as its service account.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/resources",
    operation_id = "listResources",
    tag = "resources",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ResourcesView), (status = "default", body = ErrorBody))
)]
pub(crate) async fn tree(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<Json<ResourcesView>, Error> {
    let tree = ask(&shared, shared.questions.resources(name.clone())).await?;
    tree.map(Json).ok_or_else(|| no_application(&name))
}

/// Which object events are about.
#[derive(Debug, Deserialize)]
pub(crate) struct About {
    group: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// What Kubernetes says about the objects of an application and what is below them, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/events",
    operation_id = "listEvents",
    tag = "resources",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("kind" = Option<String>, Query, description = "With `name`: only what is about this object"),
        ("group" = Option<String>, Query, description = "API group of that object; `-` for the core group"),
        ("namespace" = Option<String>, Query, description = "Namespace of that object; `-` for none"),
        ("name" = Option<String>, Query, description = "Name of that object"),
    ),
    responses((status = 200, body = EventsView), (status = "default", body = ErrorBody))
)]
pub(crate) async fn events(
    State(shared): State<Shared>,
    Named(name): Named,
    about: Result<Query<About>, QueryRejection>,
) -> Result<Json<EventsView>, Error> {
    let wrong = || {
        let what = "`kind` and `name` name an object, with `group` and `namespace`";
        Error::BadRequest(what.to_owned())
    };
    let Query(about) = about.map_err(|_| wrong())?;
    let object = match (about.kind, about.name) {
        (None, None) if about.group.is_none() && about.namespace.is_none() => None,
        (Some(kind), Some(object)) => {
            let group = about.group.unwrap_or_else(|| NONE.to_owned());
            let namespace = about.namespace.unwrap_or_else(|| NONE.to_owned());
            Some(object_name(&group, &kind, &namespace, &object)?)
        }
        _ => return Err(wrong()),
    };
    let events = ask(&shared, shared.questions.events(name.clone(), object)).await?;
    events.map(Json).ok_or_else(|| no_application(&name))
}

/// One object of an application, or one that is below them.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/objects/{group}/{kind}/{object_namespace}/{object}",
    operation_id = "showObject",
    tag = "resources",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("group" = String, Path, description = "API group; `-` for the core group"),
        ("kind" = String, Path),
        ("object_namespace" = String, Path, description = "Namespace; `-` for none"),
        ("object" = String, Path, description = "Name of the object"),
    ),
    responses((status = 200, body = ObjectDetail), (status = "default", body = ErrorBody))
)]
pub(crate) async fn object(
    State(shared): State<Shared>,
    path: Result<Path<[String; 6]>, PathRejection>,
) -> Result<Json<ObjectDetail>, Error> {
    let Path([namespace, name, group, kind, object_namespace, object]) =
        path.map_err(|_| Error::BadRequest("the path is not valid".to_owned()))?;
    let name = name_in_path(namespace, name)?;
    let object = object_name(&group, &kind, &object_namespace, &object)?;
    let missing = || {
        let what = format!("{} `{}` of this application", object.kind, object.name);
        Error::NotFound(what)
    };
    let found = ask(&shared, shared.questions.object(name, object.clone())).await?;
    found.map(Json).ok_or_else(missing)
}

/// Which logs are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    pod: Option<String>,
    namespace: Option<String>,
    container: Option<String>,
    previous: bool,
    since: Option<Timestamp>,
    tail: Option<u32>,
    follow: bool,
}

/// The log of a pod, or of all pods of an application: one JSON object a line, without secrets. With
/// `follow` it goes on while the containers write, until the reader goes, or a bound of the agent is
/// reached, which the last line says.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/logs",
    operation_id = "readLogs",
    tag = "resources",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("pod" = Option<String>, Query, description = "Name of the pod; without it all pods"),
        ("namespace" = Option<String>, Query, description = "Namespace of the pod"),
        ("container" = Option<String>, Query, description = "Name of the container; without it all of them"),
        ("previous" = Option<bool>, Query, description = "The log of the run before this one"),
        ("since" = Option<Timestamp>, Query, description = "Only what was written since then"),
        ("tail" = Option<u32>, Query, description = "Only so many lines of each container, from the end"),
        ("follow" = Option<bool>, Query, description = "Goes on while the containers write"),
    ),
    responses(
        (status = 200, body = LogEntry, content_type = "application/x-ndjson"),
        (status = "default", body = ErrorBody),
    )
)]
pub(crate) async fn logs(
    State(shared): State<Shared>,
    Extension(SessionEnds(ends)): Extension<SessionEnds>,
    Named(name): Named,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(asked) = asked.map_err(|error| Error::BadRequest(error.body_text()))?;
    let names = [&asked.pod, &asked.namespace, &asked.container];
    if names.into_iter().flatten().any(|name| !is_name(name)) {
        let what = "`pod`, `namespace` and `container` are names";
        return Err(Error::BadRequest(what.to_owned()));
    }
    if asked.tail.is_some_and(|lines| lines > MOST_LINES) {
        return Err(Error::BadRequest(format!(
            "`tail` must be at most {MOST_LINES}"
        )));
    }
    let missing = || match &asked.pod {
        Some(pod) => Error::NotFound(format!("pod `{pod}` of this application with such a log")),
        None => no_application(&name),
    };
    let wanted = LogsWanted {
        pod: asked.pod.clone(),
        namespace: asked.namespace,
        container: asked.container,
        previous: asked.previous,
        since: asked.since,
        tail: asked.tail,
        follow: asked.follow,
    };
    let entries = ask(&shared, shared.questions.logs(name.clone(), wanted)).await?;
    let entries = entries.ok_or_else(missing)?;
    let lines = entries
        .map(|entry| {
            let mut line = serde_json::to_vec(&entry)?;
            line.push(b'\n');
            Ok::<_, serde_json::Error>(Bytes::from(line))
        })
        .take_until(tokio::time::sleep_until(ends));
    let headers = [(CONTENT_TYPE, "application/x-ndjson"), UNBUFFERED];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// The spec of an Application as the agent understands it, with the defaults of what it does not name.
#[utoipa::path(
    get,
    path = "/api/v1/applications/{namespace}/{name}/configuration",
    operation_id = "showConfiguration",
    tag = "resources",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = ConfigurationView), (status = "default", body = ErrorBody))
)]
pub(crate) async fn configuration(
    State(shared): State<Shared>,
    Named(name): Named,
) -> Result<Json<ConfigurationView>, Error> {
    let found = ask(&shared, shared.questions.configuration(name.clone())).await?;
    found.map(Json).ok_or_else(|| no_application(&name))
}

/// An object as paths and queries name it.
fn object_name(group: &str, kind: &str, namespace: &str, name: &str) -> Result<ObjectName, Error> {
    let is_kind = (1..=63).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_alphanumeric());
    let given = |text: &str| (text != NONE).then(|| text.to_owned());
    let (group, namespace) = (given(group), given(namespace));
    let fits = |name: &Option<String>| name.as_deref().is_none_or(is_name);
    if !is_kind || !fits(&group) || !fits(&namespace) || !is_object_name(name) {
        let what = "the path holds no valid object".to_owned();
        return Err(Error::BadRequest(what));
    }
    Ok(ObjectName {
        group: group.unwrap_or_default(),
        kind: kind.to_owned(),
        namespace,
        name: name.to_owned(),
    })
}

/// What the name of any object can be: roles may have a colon, for example.
fn is_object_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(['/', '%', '?', '#'])
        && !name.chars().any(char::is_control)
}
