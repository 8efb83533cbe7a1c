//! Any object of the cluster as JSON: reading YAML files, apply, get, delete, status.

use std::path::Path;

use anyhow::{Context as _, Result};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::Value;

/// The documents of a YAML file.
pub fn read_documents(file: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    documents(&text).with_context(|| format!("parse {}", file.display()))
}

/// The documents of a YAML text; empty ones are left out.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text)?;
    Ok(all
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// Applies an object as the administrator of the test (server-side, forced), and its status where
/// it has one and the kind keeps it apart. `namespace` is for one that names none.
pub async fn apply(client: &Client, object: &Value, namespace: Option<&str>) -> Result<Value> {
    apply_as(client, object, namespace, "syncline-tests").await
}

/// As [`apply`], under a field manager's name.
pub async fn apply_as(
    client: &Client,
    object: &Value,
    namespace: Option<&str>,
    manager: &str,
) -> Result<Value> {
    let api = api(client, object, namespace).await?;
    let name = name(object)?;
    let params = PatchParams::apply(manager).force();
    let applied = api
        .patch(name, &params, &Patch::Apply(object))
        .await
        .with_context(|| format!("apply {} {name}", object["kind"]))?;
    if object.get("status").is_some() {
        let named = serde_json::json!({
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "metadata": { "name": name },
            "status": object["status"],
        });
        api.patch_status(name, &params, &Patch::Apply(&named))
            .await
            .with_context(|| format!("apply the status of {} {name}", object["kind"]))?;
    }
    Ok(serde_json::to_value(applied)?)
}

/// The live object.
pub async fn get(client: &Client, object: &Value, namespace: Option<&str>) -> Result<Value> {
    let api = api(client, object, namespace).await?;
    let name = name(object)?;
    let live = api
        .get(name)
        .await
        .with_context(|| format!("get {} {name}", object["kind"]))?;
    Ok(serde_json::to_value(live)?)
}

/// Sends a merge patch under a field manager's name, as `kubectl edit` does.
pub async fn edit(
    client: &Client,
    object: &Value,
    namespace: Option<&str>,
    manager: &str,
    patch: &Value,
) -> Result<Value> {
    let api = api(client, object, namespace).await?;
    let name = name(object)?;
    let params = PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    };
    let live = api
        .patch(name, &params, &Patch::Merge(patch))
        .await
        .with_context(|| format!("edit {} {name}", object["kind"]))?;
    Ok(serde_json::to_value(live)?)
}

/// Deletes an object in the background.
pub async fn delete(client: &Client, object: &Value, namespace: Option<&str>) -> Result<()> {
    let api = api(client, object, namespace).await?;
    let name = name(object)?;
    api.delete(name, &DeleteParams::background())
        .await
        .with_context(|| format!("delete {} {name}", object["kind"]))?;
    Ok(())
}

/// A reference to an object for the functions here.
pub fn reference(api_version: &str, kind: &str, name: &str) -> Value {
    serde_json::json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } })
}

/// The condition of a type, if it is `True`.
pub fn condition(object: &Value, kind: &str) -> Option<Value> {
    let condition = find_condition(object, kind)?;
    (condition["status"] == "True").then(|| condition.clone())
}

/// The condition of a type, whatever its status.
pub fn find_condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|condition| condition["type"] == kind)
}

pub(crate) async fn api(
    client: &Client,
    object: &Value,
    namespace: Option<&str>,
) -> Result<Api<DynamicObject>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, version) = match text(&object["apiVersion"]).split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text(&object["apiVersion"])),
    };
    let kind = GroupVersionKind {
        group,
        version,
        kind: text(&object["kind"]),
    };
    let (resource, capabilities) = pinned_kind(client, &kind)
        .await
        .with_context(|| format!("look up the kind {kind:?}"))?;
    let named = object["metadata"]["namespace"].as_str().or(namespace);
    Ok(match (capabilities.scope, named) {
        (Scope::Namespaced, Some(namespace)) => {
            Api::namespaced_with(client.clone(), namespace, &resource)
        }
        (Scope::Namespaced, None) => Api::default_namespaced_with(client.clone(), &resource),
        (Scope::Cluster, _) => Api::all_with(client.clone(), &resource),
    })
}

pub(crate) fn name(object: &Value) -> Result<&str> {
    object["metadata"]["name"]
        .as_str()
        .context("the object has no name")
}
