//! The OpenAPI document: what the front end's types are generated from.

use utoipa::OpenApi;

use crate::error::ErrorBody;
use crate::feed::Change;
use crate::handlers::{
    about, applications, health_changes, images, preview, repositories, stream, syncs,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Syncline",
        description = "What runs, since when, by whom and why.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        about::show,
        applications::list,
        applications::show,
        applications::request_sync,
        health_changes::list,
        images::list,
        images::show,
        images::tag,
        images::tags,
        images::updates,
        preview::show,
        repositories::list,
        stream::open,
        syncs::list,
        syncs::show,
    ),
    components(schemas(ErrorBody, Change))
)]
struct Description;

/// The OpenAPI document of the API, which is also served under `/api/v1/openapi.json`.
pub fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}
