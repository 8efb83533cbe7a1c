//! What a person asks the agent to do: read, carried out once, kept for the audit.
//!
//! ```text
//! body -> key known? the same answer -> read -> agent -> audit -> answer
//! ```

use axum::body::Bytes;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{Extension, FromRequest, FromRequestParts as _, Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use tracing::Instrument as _;

use super::{Named, no_application, no_image_policy};
use crate::error::{Error, ErrorBody};
use crate::guard::Caller;
use crate::questions::{Answer, Call, How, Unanswered};
use crate::router::Shared;
use crate::views::{ActionAnswer, AgentAction, ApplicationAction, ImageAction};

/// The header by which a call names itself.
const KEY: &str = "idempotency-key";
/// The longest name of a call, in bytes.
const LONGEST_KEY: usize = 128;
/// The longest detail that the audit keeps, in characters.
const LONGEST_DETAIL: usize = 1000;

/// How something is asked for.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(rename = "dryRun", default)]
    dry_run: bool,
}

/// Who asks for what, and how. A part that cannot be read is an answer, and the audit keeps it.
pub(crate) struct Said {
    caller: Caller,
    is_trial: Result<bool, Error>,
    key: Result<Option<String>, Error>,
    body: Result<Bytes, Error>,
}

impl<S: Send + Sync> FromRequest<S> for Said {
    type Rejection = ExtensionRejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, ExtensionRejection> {
        let (mut parts, body) = request.into_parts();
        let Extension(caller) = Extension::from_request_parts(&mut parts, state).await?;
        let asked = Query::<Asked>::try_from_uri(&parts.uri);
        let key = key(&parts.headers);
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await;
        Ok(Self {
            caller,
            is_trial: asked
                .map(|Query(asked)| asked.dry_run)
                .map_err(|_| bad("`dryRun` is `true` or `false`, once")),
            key,
            body: body.map_err(|_| bad("the body is too long")),
        })
    }
}

fn bad(what: &str) -> Error {
    Error::BadRequest(what.to_owned())
}

/// Does something with an Application, or says what would happen.
///
/// A call with the header `Idempotency-Key` is carried out once: the same again gets the same answer
/// for a day. A rollback may take as long as the agent's setting `preview_timeout`.
#[utoipa::path(
    post,
    path = "/api/v1/applications/{namespace}/{name}/actions",
    operation_id = "actOnApplication",
    tag = "applications",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("dryRun" = Option<bool>, Query, description = "Only say what would happen"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the call"),
    ),
    request_body = ApplicationAction,
    responses((status = 200, body = ActionAnswer), (status = "default", body = ErrorBody))
)]
pub(crate) async fn application(
    State(shared): State<Shared>,
    Named(name): Named,
    said: Said,
) -> Result<Response, Error> {
    run(shared, Target::Application(name), said).await
}

/// Does something with an ImagePolicy, or says what would happen.
///
/// A call with the header `Idempotency-Key` is carried out once.
#[utoipa::path(
    post,
    path = "/api/v1/images/{namespace}/{name}/actions",
    operation_id = "actOnImage",
    tag = "images",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("dryRun" = Option<bool>, Query, description = "Only say what would happen"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the call"),
    ),
    request_body = ImageAction,
    responses((status = 200, body = ActionAnswer), (status = "default", body = ErrorBody))
)]
pub(crate) async fn image(
    State(shared): State<Shared>,
    Named(name): Named,
    said: Said,
) -> Result<Response, Error> {
    run(shared, Target::Image(name), said).await
}

/// Does something with the agent itself, or says what would happen.
///
/// A call with the header `Idempotency-Key` is carried out once.
#[utoipa::path(
    post,
    path = "/api/v1/agent/actions",
    operation_id = "actOnAgent",
    tag = "agent",
    params(
        ("dryRun" = Option<bool>, Query, description = "Only say what would happen"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the call"),
    ),
    request_body = AgentAction,
    responses((status = 200, body = ActionAnswer), (status = "default", body = ErrorBody))
)]
pub(crate) async fn agent(State(shared): State<Shared>, said: Said) -> Result<Response, Error> {
    run(shared, Target::Agent, said).await
}

/// Asks for a sync now: the action `sync` for programs that need no answer. It runs when a worker is
/// free; the event stream tells how it goes.
#[utoipa::path(
    post,
    path = "/api/v1/applications/{namespace}/{name}/sync",
    operation_id = "requestSync",
    tag = "applications",
    params(
        ("namespace" = String, Path),
        ("name" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "Names the call"),
    ),
    responses((status = 202, description = "Queued"), (status = "default", body = ErrorBody))
)]
pub(crate) async fn sync(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Named(name): Named,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let said = Said {
        caller,
        is_trial: Ok(false),
        key: key(&headers),
        body: Ok(Bytes::from_static(br#"{"action":"sync"}"#)),
    };
    let response = run(shared, Target::Application(name), said).await?;
    Ok(match response.status() {
        StatusCode::OK => StatusCode::ACCEPTED.into_response(),
        _ => response,
    })
}

/// What is acted on.
#[derive(Clone, Debug)]
enum Target {
    Application(Name),
    Image(Name),
    Agent,
}

/// What is to be done with it.
enum Wish {
    Application(Name, ApplicationAction),
    Image(Name, ImageAction),
    Agent(AgentAction),
}

impl Target {
    fn kind(&self) -> &'static str {
        match self {
            Self::Application(_) => "Application",
            Self::Image(_) => "ImagePolicy",
            Self::Agent => "Agent",
        }
    }

    fn name(&self) -> Name {
        match self {
            Self::Application(name) | Self::Image(name) => name.clone(),
            Self::Agent => Name::new("", ""),
        }
    }

    /// The name of what is not there.
    fn missing(&self) -> Error {
        match self {
            Self::Application(name) => no_application(name),
            Self::Image(name) => no_image_policy(name),
            Self::Agent => Error::NotFound("agent".to_owned()),
        }
    }

    fn read(&self, body: &[u8]) -> Result<Wish, Error> {
        Ok(match self {
            Self::Application(name) => Wish::Application(name.clone(), read(body)?),
            Self::Image(name) => Wish::Image(name.clone(), read(body)?),
            Self::Agent => Wish::Agent(read(body)?),
        })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        Error::BadRequest(format!(
            "the body is not what the API description says: {error}"
        ))
    })
}

impl Wish {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Application(_, action) => action.as_str(),
            Self::Image(_, action) => action.as_str(),
            Self::Agent(action) => action.as_str(),
        }
    }
}

async fn run(shared: Shared, target: Target, said: Said) -> Result<Response, Error> {
    let caller = said.caller;
    let (is_trial, body, key) = match (said.is_trial, said.body, said.key) {
        (Ok(is_trial), Ok(body), Ok(key)) => (is_trial, body, key),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
            keep(&shared, &caller, &target, "unknown", Err(&error));
            return Err(error);
        }
    };
    if is_trial {
        let answer = act(&shared, &target, target.read(&body)?, How::Try).await?;
        return Ok(axum::Json(answer).into_response());
    }
    let Some(key) = key else {
        return done(&shared, &caller, &target, &body).await;
    };
    let path = format!("{} {}", target.kind(), target.name());
    let known = shared
        .answered
        .of(&caller.actor, &key, (path.as_str(), body.as_ref()));
    let Ok(cell) = known else {
        let error = Error::KeyReused;
        keep(&shared, &caller, &target, "unknown", Err(&error));
        return Err(error);
    };
    // A browser that goes away does not stop what it asked for: asked again, it would be done twice.
    let call = async move {
        let work = || async {
            let response = done(&shared, &caller, &target, &body).await;
            let response = response.unwrap_or_else(Error::into_response);
            let status = response.status();
            let sent = axum::body::to_bytes(response.into_body(), usize::MAX).await;
            let sent = sent.unwrap_or_default();
            // What failed inside may be tried again by the same name.
            if status.is_server_error() {
                Err((status, sent))
            } else {
                Ok((status, sent))
            }
        };
        cell.get_or_try_init(work).await.cloned()
    };
    let work = tokio::spawn(call.in_current_span());
    let Ok(Ok((status, sent)) | Err((status, sent))) = work.await else {
        return Err(Error::Internal);
    };
    let json = HeaderValue::from_static("application/json");
    Ok((status, [(CONTENT_TYPE, json)], sent).into_response())
}

/// Carries a call out, and keeps it for the audit.
async fn done(
    shared: &Shared,
    caller: &Caller,
    target: &Target,
    body: &[u8],
) -> Result<Response, Error> {
    let wish = match target.read(body) {
        Ok(wish) => wish,
        Err(error) => {
            keep(shared, caller, target, "unknown", Err(&error));
            return Err(error);
        }
    };
    let word = wish.as_str();
    let how = How::Do(caller.actor.clone());
    match act(shared, target, wish, how).await {
        Ok(answer) => {
            keep(shared, caller, target, word, Ok(&answer));
            Ok(axum::Json(answer).into_response())
        }
        Err(error) => {
            keep(shared, caller, target, word, Err(&error));
            Err(error)
        }
    }
}

async fn act(
    shared: &Shared,
    target: &Target,
    wish: Wish,
    how: How,
) -> Result<ActionAnswer, Error> {
    let questions = &shared.questions;
    let answer: Answer<'_, Option<ActionAnswer>> = match wish {
        Wish::Application(name, action) => questions.act_on_application(name, action, how),
        Wish::Image(name, action) => questions.act_on_image(name, action, how),
        Wish::Agent(action) => {
            let answer = questions.act_on_agent(action, how);
            Box::pin(async move { answer.await.map(Some) })
        }
    };
    // The agent bounds it: a preview and a rollback take longer than an answer from memory.
    answer.await?.ok_or_else(|| target.missing())
}

/// The name of the call, where it has one.
fn key(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let mut given = headers.get_all(KEY).iter();
    let Some(first) = given.next() else {
        return Ok(None);
    };
    let text = first.to_str().unwrap_or_default();
    let is_key =
        (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !is_key || given.next().is_some() {
        return Err(Error::BadRequest(format!(
            "`Idempotency-Key` is given once and has from 1 to {LONGEST_KEY} visible letters"
        )));
    }
    Ok(Some(text.to_owned()))
}

fn keep(
    shared: &Shared,
    caller: &Caller,
    target: &Target,
    action: &str,
    ended: Result<&ActionAnswer, &Error>,
) {
    let detail = ended.map(|answer| answer.sentence.as_str());
    shared.questions.audit(Call {
        actor: caller.actor.clone(),
        address: caller.address.clone(),
        action: action.to_owned(),
        kind: target.kind(),
        target: target.name(),
        detail: detail
            .unwrap_or_default()
            .chars()
            .take(LONGEST_DETAIL)
            .collect(),
        failure: ended.err().map(failure),
    });
}

/// An error as the audit keeps it.
pub(crate) fn failure(error: &Error) -> Failure {
    let reason = match error {
        Error::Unanswered(Unanswered::Internal(_)) | Error::Internal => Reason::Internal,
        Error::Unanswered(Unanswered::Unavailable(_)) => Reason::ApiUnavailable,
        _ => Reason::ActionRefused,
    };
    Failure {
        reason,
        detail: error.to_string().chars().take(LONGEST_DETAIL).collect(),
    }
}
