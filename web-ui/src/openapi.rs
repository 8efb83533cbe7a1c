//! The OpenAPI document: what the front end's types are generated from.

use utoipa::OpenApi;

use crate::error::ErrorBody;
use crate::feed::Change;
use crate::handlers::{
    about, actions, applications, calls, diff, health_changes, images, list, preview, records,
    repositories, resources, stream, syncs, timeline,
};
use crate::views::TimelineKind;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Syncline",
        description = "What runs, since when, by whom and why.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        about::show,
        actions::agent,
        actions::application,
        actions::image,
        actions::sync,
        applications::show,
        diff::show,
        calls::export,
        calls::list,
        health_changes::list,
        images::list,
        images::show,
        images::tag,
        images::tags,
        images::updates,
        list::list,
        list::names,
        preview::show,
        records::deliveries,
        records::dependencies,
        records::drift,
        repositories::list,
        repositories::show,
        resources::configuration,
        resources::events,
        resources::logs,
        resources::object,
        resources::tree,
        stream::open,
        syncs::list,
        syncs::show,
        timeline::context,
        timeline::list,
    ),
    components(schemas(ErrorBody, Change, TimelineKind, calls::Format))
)]
struct Description;

/// The OpenAPI document of the API, which is also served under `/api/v1/openapi.json`.
pub fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}
