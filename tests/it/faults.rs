//! Faults of the API server and of Git, and what they must not lead to.
//!
//! Most tests share a control plane with one agent, which reaches the API server through a proxy;
//! each lets only those requests go wrong that are about its own namespace.

mod admission;
mod calm;
mod discovery;
mod git;
mod poison;
mod requests;
mod restarts;
mod secrets;
mod size;
mod watches;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::{Audit, AuditEvent};
use syncline_tests::world::DEADLINE;
use syncline_tests::{
    AgentProcess, AgentSettings, ControlPlane, FaultProxy, Options, World, objects, wait_for,
};
use tokio::sync::OnceCell;

use crate::deploy::{config_map, deploy, wait_for_value};

/// What the tests here share.
struct Parts {
    control_plane: ControlPlane,
    proxy: FaultProxy,
}

/// Times that a test does not have to wait for.
fn impatient(settings: AgentSettings) -> AgentSettings {
    settings
        .flag("--retry-first=200ms")
        .flag("--retry-most=2s")
        .flag("--retry-slow=2s")
}

/// A world behind the proxy that all share.
async fn world(name: &str) -> Result<World> {
    static PARTS: OnceCell<Parts> = OnceCell::const_new();
    static AGENT: OnceCell<AgentProcess> = OnceCell::const_new();
    let parts = PARTS
        .get_or_try_init(|| async {
            let control_plane = ControlPlane::start(Options::default()).await?;
            let proxy = FaultProxy::start(&control_plane).await?;
            anyhow::Ok(Parts {
                control_plane,
                proxy,
            })
        })
        .await?;
    let agent = AGENT
        .get_or_try_init(|| async {
            let settings = AgentSettings::in_cluster(&parts.control_plane).await?;
            AgentProcess::start(impatient(settings.through(&parts.proxy))).await
        })
        .await?;
    World::among(name, &parts.control_plane, agent, &parts.proxy).await
}

/// The path of the ConfigMaps of a world.
fn config_maps(world: &World) -> String {
    format!("/namespaces/{}/configmaps", world.namespace)
}

/// Deploys an application `web` of ConfigMaps `c0`, `c1`, ... in a file each.
async fn crowd(world: &World, count: usize) -> Result<String> {
    let files = files(count);
    deploy(world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await
}

/// The files of a crowd.
fn files(count: usize) -> Vec<(String, String)> {
    (0..count)
        .map(|n| (file(n), config_map(&format!("c{n}"), "1")))
        .collect()
}

fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    let pairs = files.iter();
    pairs
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect()
}

fn file(n: usize) -> String {
    format!("apps/web/c{n}.yaml")
}

/// Sets the value of a ConfigMap behind the agent's back.
async fn spoil(world: &World, name: &str) -> Result<()> {
    let patch = json!({ "data": { "key": "spoiled" } });
    world.edit("v1", "ConfigMap", name, &patch).await
}

/// Spoils a ConfigMap, and waits until it is as in Git again.
async fn spoiled_and_mended(world: &World, name: &str) -> Result<()> {
    spoil(world, name).await?;
    wait_for_value(world, name, Some("1")).await
}

/// What was deleted in a world since the mark, by whomever.
fn deletions(world: &World, since: &Audit) -> Result<Vec<AuditEvent>> {
    let mut writes = since.writes()?;
    writes.retain(|write| {
        write.verb.starts_with("delete") && write.object().namespace == world.namespace
    });
    Ok(writes)
}

/// Fails if anything was deleted in a world since the mark.
fn nothing_is_deleted(world: &World, since: &Audit) -> Result<()> {
    let deleted = deletions(world, since)?;
    ensure!(deleted.is_empty(), "{deleted:#?}");
    Ok(())
}

/// Deletes an object of the cluster.
async fn delete(world: &World, api_version: &str, kind: &str, name: &str) -> Result<()> {
    let object = objects::reference(api_version, kind, name);
    objects::delete(&world.client, &object, Some(&world.namespace)).await
}

/// Waits until the message of one of our own objects, not ready, has all parts.
async fn wait_until_it_says(
    world: &World,
    kind: &str,
    name: &str,
    parts: &[&str],
) -> Result<Value> {
    world
        .wait_for_ours(kind, name, &format!("saying {parts:?}"), |live| {
            let ready = objects::find_condition(live, "Ready");
            ready.is_some_and(|ready| {
                let text = format!("{} {}", ready["reason"], ready["message"]);
                ready["status"] == "False" && parts.iter().all(|part| text.contains(part))
            })
        })
        .await
}

/// Waits for something of the proxy's or the audit log's counts.
async fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    wait_for(what, DEADLINE, async || {
        ensure!(holds()?, "not yet");
        Ok(())
    })
    .await
}

/// A fault lasts this long where there is no end of it to wait for.
const A_WHILE: Duration = Duration::from_secs(3);
