//! Who owns which field, from end to end: the agent, the API server, and others who write.

mod adoption;
mod by_hand;
mod controllers;
mod other_tools;
mod policies;
mod under_our_name;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::{Audit, AuditEvent};
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{World, objects, programs, wait_for};

use crate::deploy::{config_map, deploy, deployed, wait_for_value};

/// The name of an object that only shows that the agent has seen everything before it.
const SENTINEL: &str = "sentinel";

/// Commits the files and a sentinel, and waits until the application `web` of them is synced.
async fn deploy_web(world: &World, files: &[(&str, &str)], more: Value) -> Result<String> {
    let sentinel = config_map(SENTINEL, "1");
    let mut all = vec![("apps/web/sentinel.yaml", sentinel.as_str())];
    all.extend(files);
    deploy(world, &all, &[("web", "apps/web", more)]).await
}

/// Changes the sentinel and waits for its repair: what was seen before the change was looked at.
async fn all_was_seen(world: &World) -> Result<()> {
    let change = json!({ "data": { "key": "9" } });
    world.edit("v1", "ConfigMap", SENTINEL, &change).await?;
    wait_for_value(world, SENTINEL, Some("1")).await
}

/// What was written since the mark as the world's deployer to objects of a name.
fn writes_to(world: &World, since: &Audit, name: &str) -> Result<Vec<AuditEvent>> {
    let mut writes = deployed(world, since)?;
    writes.retain(|write| write.object().name == name);
    Ok(writes)
}

/// Sends a merge patch under a field manager's name.
async fn write_as(
    world: &World,
    manager: &str,
    (api_version, kind, name): (&str, &str, &str),
    patch: &Value,
) -> Result<Value> {
    let object = objects::reference(api_version, kind, name);
    let namespace = Some(world.namespace.as_str());
    objects::edit(&world.client, &object, namespace, manager, patch).await
}

/// Applies an object on the server under a field manager's name, by force.
async fn apply_as(world: &World, manager: &str, object: &Value) -> Result<Value> {
    let namespace = Some(world.namespace.as_str());
    objects::apply_as(&world.client, object, namespace, manager).await
}

/// Waits until a live object is as `holds` says.
async fn wait_for_live(
    world: &World,
    (api_version, kind, name): (&str, &str, &str),
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<Value> {
    wait_for(&format!("{kind} {name}: {what}"), DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = world.get(api_version, kind, name).await?;
        ensure!(holds(&live), "it is {live:#}");
        Ok(live)
    })
    .await
}

/// Waits until the application `web` has applied a commit, however healthy it is.
async fn wait_until_applied(world: &World, commit: &str) -> Result<Value> {
    world
        .wait_for_ours("Application", "web", "applied", |live| {
            let applied = live["status"]["lastAppliedRevision"].as_str();
            applied.is_some_and(|applied| applied.contains(commit))
        })
        .await
}

/// The field managers of a live object.
fn managers(live: &Value) -> Vec<&str> {
    let entries = live["metadata"]["managedFields"].as_array();
    let entries = entries.into_iter().flatten();
    entries
        .filter_map(|entry| entry["manager"].as_str())
        .collect()
}

/// The name under which the agent writes an object.
fn our_manager(live: &Value) -> Result<String> {
    let ours = managers(live)
        .into_iter()
        .find(|name| name.starts_with("syncline-"));
    Ok(ours.context("no field is ours")?.to_owned())
}

/// Writes a text beside the world's repository and answers with the path.
fn file(world: &World, name: &str, text: &str) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("{}-{name}", world.namespace));
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Runs the real Helm in the world's namespace.
fn helm(world: &World, arguments: &[&str]) -> Result<()> {
    let out = Command::new(programs::helm()?)
        .env("KUBECONFIG", world.control_plane().admin_kubeconfig())
        .env("HELM_NAMESPACE", &world.namespace)
        .args(arguments)
        .output()
        .context("run helm")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "helm {arguments:?}: {errors}");
    Ok(())
}

/// Gives the world's deployer every right to a kind of its namespace.
async fn allow(world: &World, group: &str, resource: &str) -> Result<()> {
    let name = format!("{resource}-of-others");
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": name },
            "rules": [{ "apiGroups": [group], "resources": [resource], "verbs": ["*"] }],
        }))
        .await?;
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name },
            "subjects": [{
                "kind": "ServiceAccount",
                "name": DEPLOYER,
                "namespace": world.namespace,
            }],
        }))
        .await?;
    Ok(())
}
