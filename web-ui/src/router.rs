//! Which path is answered by what.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::error::Error;
use crate::guard::{guard, is_api};
use crate::handlers::{
    about, applications, health_changes, images, login, openapi, preview, repositories, stream,
    syncs,
};
use crate::questions::Questions;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::{assets, pages};

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) sessions: Sessions,
    pub(crate) questions: Arc<dyn Questions>,
    pub(crate) streams: Arc<Semaphore>,
}

/// Pages, API and event stream. Serve it on a loopback address only.
pub fn router(settings: Settings, sessions: Sessions, questions: Arc<dyn Questions>) -> Router {
    let shared = Shared {
        streams: Arc::new(Semaphore::new(settings.max_streams)),
        settings: Arc::new(settings),
        sessions,
        questions,
    };
    let api = Router::new()
        .route("/applications", get(applications::list))
        .route("/applications/{namespace}/{name}", get(applications::show))
        .route(
            "/applications/{namespace}/{name}/sync",
            post(applications::request_sync),
        )
        .route(
            "/applications/{namespace}/{name}/preview",
            get(preview::show),
        )
        .route("/applications/{namespace}/{name}/syncs", get(syncs::list))
        .route(
            "/applications/{namespace}/{name}/health-changes",
            get(health_changes::list),
        )
        .route("/syncs/{id}", get(syncs::show))
        .route("/images", get(images::list))
        .route("/images/{namespace}/{name}", get(images::show))
        .route("/images/{namespace}/{name}/tags", get(images::tags))
        .route("/images/{namespace}/{name}/tags/{tag}", get(images::tag))
        .route("/images/{namespace}/{name}/updates", get(images::updates))
        .route("/repositories", get(repositories::list))
        .route("/about", get(about::show))
        .route("/stream", get(stream::open))
        .route("/openapi.json", get(openapi::show));
    Router::new()
        .route("/", get(assets::index))
        .route("/login", get(login::redeem))
        .route("/notice.css", get(pages::style))
        .route("/assets/{*path}", get(assets::asset))
        .nest("/api/v1", api)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(|_| Error::Internal.into_response()))
        .layer(from_fn_with_state(shared.clone(), guard))
        .with_state(shared)
}

async fn no_such_path(State(shared): State<Shared>, request: Request) -> Response {
    let error = Error::NotFound("such path".to_owned());
    if is_api(request.uri().path()) {
        error.into_response()
    } else {
        error.into_page(&shared.settings.link_hint)
    }
}

async fn no_such_method() -> Error {
    Error::Method
}
