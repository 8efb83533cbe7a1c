//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::Error;
use crate::guard::{guard, is_api};
use crate::handlers::{
    about, actions, applications, calls, diff, health_changes, images, list, login, openapi,
    preview, records, repositories, resources, stream, syncs, timeline,
};
use crate::idempotency::Answered;
use crate::packing::pack;
use crate::public_url::{PublicUrl, below};
use crate::questions::Questions;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::{assets, pages, requests};

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) sessions: Sessions,
    pub(crate) questions: Arc<dyn Questions>,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) answered: Answered,
}

/// Pages, API and event stream. Serve it on a loopback address only, by [`crate::serve`].
pub fn router(settings: Settings, sessions: Sessions, questions: Arc<dyn Questions>) -> Router {
    let base = settings.public_url.as_ref().map(PublicUrl::path);
    let base = base.unwrap_or_default().to_owned();
    let shared = Shared {
        streams: Arc::new(Semaphore::new(settings.max_streams)),
        answered: Answered::new(settings.max_named_calls, settings.named_call_lifetime),
        settings: Arc::new(settings),
        sessions,
        questions,
    };
    let api = Router::new()
        .route("/applications", get(list::list))
        .route("/applications/names", get(list::names))
        .route("/applications/{namespace}/{name}", get(applications::show))
        .route("/applications/{namespace}/{name}/sync", post(actions::sync))
        .route(
            "/applications/{namespace}/{name}/actions",
            post(actions::application),
        )
        .route("/images/{namespace}/{name}/actions", post(actions::image))
        .route("/agent/actions", post(actions::agent))
        .route(
            "/applications/{namespace}/{name}/preview",
            get(preview::show),
        )
        .route("/applications/{namespace}/{name}/diff", get(diff::show))
        .route("/applications/{namespace}/{name}/syncs", get(syncs::list))
        .route(
            "/applications/{namespace}/{name}/health-changes",
            get(health_changes::list),
        )
        .route(
            "/applications/{namespace}/{name}/timeline",
            get(timeline::list),
        )
        .route(
            "/applications/{namespace}/{name}/resources",
            get(resources::tree),
        )
        .route(
            "/applications/{namespace}/{name}/events",
            get(resources::events),
        )
        .route(
            "/applications/{namespace}/{name}/logs",
            get(resources::logs),
        )
        .route(
            "/applications/{namespace}/{name}/configuration",
            get(resources::configuration),
        )
        .route(
            "/applications/{namespace}/{name}/objects/{group}/{kind}/{object_namespace}/{object}",
            get(resources::object),
        )
        .route("/syncs/{id}", get(syncs::show))
        .route("/syncs/{id}/context", get(timeline::context))
        .route("/images", get(images::list))
        .route("/images/{namespace}/{name}", get(images::show))
        .route("/images/{namespace}/{name}/tags", get(images::tags))
        .route("/images/{namespace}/{name}/tags/{tag}", get(images::tag))
        .route("/images/{namespace}/{name}/updates", get(images::updates))
        .route("/repositories", get(repositories::list))
        .route("/repositories/{namespace}/{name}", get(repositories::show))
        .route("/webhooks", get(records::deliveries))
        .route("/drift", get(records::drift))
        .route("/dependencies", get(records::dependencies))
        .route("/audit", get(calls::list))
        .route("/audit/export", get(calls::export))
        .route("/about", get(about::show))
        .route("/stream", get(stream::open))
        .route("/openapi.json", get(openapi::show))
        .layer(from_fn_with_state(shared.clone(), pack));
    let router = Router::new()
        .route("/", get(assets::index))
        .route("/login", get(login::redeem))
        .route("/notice.css", get(pages::style))
        .route("/assets/{*path}", get(assets::asset))
        .nest("/api/v1", api)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(|_| Error::Internal.into_response()))
        .layer(from_fn_with_state(shared.clone(), guard))
        .layer(from_fn(requests::number))
        .with_state(shared);
    below(base, router)
}

async fn no_such_path(State(shared): State<Shared>, request: Request) -> Response {
    let error = Error::NotFound("such path".to_owned());
    if is_api(request.uri().path()) {
        error.into_response()
    } else {
        error.into_page(&shared.settings.link_hint, request.uri().path())
    }
}

async fn no_such_method() -> Error {
    Error::Method
}
