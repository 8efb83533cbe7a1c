//! A client that applies objects, many at the same time, and does nothing else.

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;

use crate::objects;

/// How many requests it has under way at the same time.
pub(super) const CONCURRENCY: usize = 32;

/// Applies objects, many at the same time, without asking for their kinds.
pub(super) async fn apply_all(client: &Client, all: Vec<(Value, String)>) -> Result<()> {
    stream::iter(all)
        .map(async |(object, namespace)| apply(client, &object, Some(&namespace)).await)
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await
}

/// An object's kind and place, made without a look at the API server.
pub(super) fn api_of(
    client: &Client,
    object: &Value,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let kind = GroupVersionKind::gvk(group, version, &text(&object["kind"]));
    let resource = ApiResource::from_gvk(&kind);
    let named = object["metadata"]["namespace"].as_str().or(namespace);
    match named.filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

/// Applies one object, server-side and forced.
pub(super) async fn apply(client: &Client, object: &Value, namespace: Option<&str>) -> Result<()> {
    let name = objects::name(object)?;
    api_of(client, object, namespace)
        .patch(
            name,
            &PatchParams::apply("bench").force(),
            &Patch::Apply(object),
        )
        .await
        .with_context(|| format!("apply {} {name}", object["kind"]))?;
    Ok(())
}
