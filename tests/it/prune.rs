//! Nothing is deleted without proof: hand-over, prune, holds, approvals, deletion.
//!
//! The audit log of the API server is the oracle of what was deleted.

mod approvals;
mod end;
mod handover;
mod kinds;
mod moves;
mod newest;
mod proof;
mod rewritten;
mod rights;
mod sources;
mod two_agents;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{ListParams, WatchEvent, WatchParams};
use serde_json::{Value, json};
use syncline_tests::agent::NAMESPACE;
use syncline_tests::control_plane::audit::{Audit, AuditEvent};
use syncline_tests::world::{DEADLINE, suffix};
use syncline_tests::{AgentSettings, ControlPlane, Options, World, objects, wait_for};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::deploy::config_map;

/// The right to start an agent in the control plane of these tests, until it is dropped.
struct Turn {
    control_plane: &'static ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for the turn.
async fn turn() -> Result<Turn> {
    static TURN: Mutex<()> = Mutex::const_new(());
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    let turn = TURN.lock().await;
    let control_plane = PLANE
        .get_or_try_init(|| ControlPlane::start(Options::default()))
        .await?;
    forget_lease(&control_plane.admin().await?).await?;
    Ok(Turn {
        control_plane,
        _turn: turn,
    })
}

impl Turn {
    /// A world with an agent of its own that tries again soon.
    async fn world(
        &self,
        name: &str,
        settle: impl FnOnce(AgentSettings) -> AgentSettings,
    ) -> Result<World> {
        let soon = |settings: AgentSettings| {
            settle(
                settings
                    .flag("--retry-first=200ms")
                    .flag("--account-check-interval=100ms"),
            )
        };
        World::with_agent(name, self.control_plane, soon).await
    }
}

/// Takes the Lease from an agent that was killed, so that nobody waits for its end.
async fn forget_lease(client: &kube::Client) -> Result<()> {
    let lease = objects::reference("coordination.k8s.io/v1", "Lease", "syncline");
    match objects::delete(client, &lease, Some(NAMESPACE)).await {
        Err(error) if !syncline_tests::world::is_not_found(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Starts an agent again that a failpoint has killed, without failpoints.
async fn start_after_kill(world: &World) -> Result<()> {
    world.agent().wait_until_ended(DEADLINE).await?;
    forget_lease(&world.client).await?;
    let settings = world.agent().settings().without_failpoints();
    world.agent().start_again(settings).await
}

/// Starts the agent of a world anew with other failpoints.
async fn restart_with(world: &World, points: &str) -> Result<()> {
    ensure!(world.agent().terminate(DEADLINE)?.success());
    let settings = world.agent().settings().failpoints(points);
    world.agent().start_again(settings).await
}

/// Gives the deployer of a world a role of the whole cluster.
async fn grant_cluster_role(world: &World, account: &str, role: &str) -> Result<()> {
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": { "name": format!("{}-{account}-{role}", world.namespace) },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role,
            },
            "subjects": [{
                "kind": "ServiceAccount",
                "name": account,
                "namespace": world.namespace,
            }],
        }))
        .await?;
    Ok(())
}

/// The deletes since the mark that an account of the world's namespace asked for, in order. All
/// that was answered before this call is among them.
async fn deletes(world: &World, since: &Audit) -> Result<Vec<AuditEvent>> {
    let marker = format!("marker-{}", suffix());
    world
        .apply(&json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": marker },
        }))
        .await?;
    let events = wait_for("the marker in the audit log", DEADLINE, async || {
        let events = since.events()?;
        ensure!(
            events.iter().any(|event| event.object().name == marker),
            "not yet"
        );
        Ok(events)
    })
    .await?;
    let accounts = format!("system:serviceaccount:{}:", world.namespace);
    let deleting = events.into_iter().filter(|event| {
        event.is_write()
            && event.verb.starts_with("delete")
            && event.effective_user().starts_with(&accounts)
    });
    Ok(deleting.collect())
}

/// Fails if anything was deleted since the mark.
async fn nothing_was_deleted(world: &World, since: &Audit) -> Result<()> {
    let deleted = deletes(world, since).await?;
    ensure!(deleted.is_empty(), "deleted: {deleted:#?}");
    Ok(())
}

/// Fails unless exactly these objects were deleted since the mark; names, in any order.
async fn only_deleted(world: &World, since: &Audit, names: &[&str]) -> Result<()> {
    let deleted = deletes(world, since).await?;
    let mut found: Vec<String> = deleted.iter().map(|event| event.object().name).collect();
    found.sort();
    let mut names = names.to_vec();
    names.sort_unstable();
    ensure!(found == names, "deleted: {deleted:#?}");
    Ok(())
}

/// The uid of every ConfigMap of a world that the agent manages, by name.
async fn uids(world: &World) -> Result<BTreeMap<String, String>> {
    let maps = Api::<ConfigMap>::namespaced(world.client.clone(), &world.namespace);
    let ours = ListParams::default().labels("syncline.dev/managed");
    let list = maps.list_metadata(&ours).await?;
    let items = list.items.into_iter().map(|item| {
        let name = item.metadata.name.context("no name")?;
        Ok((name, item.metadata.uid.context("no uid")?))
    });
    items.collect()
}

/// The application that the owner record of a ConfigMap names.
async fn owner(world: &World, name: &str) -> Result<String> {
    let live = world.get("v1", "ConfigMap", name).await?;
    let record = live["metadata"]["annotations"]["syncline.dev/owner"].as_str();
    let record = record.unwrap_or_default();
    let owner = record.split_once(':').map_or(record, |(owner, _)| owner);
    Ok(owner.rsplit('/').next().unwrap_or_default().to_owned())
}

/// Waits until a ConfigMap belongs to an application.
async fn wait_for_owner(world: &World, name: &str, application: &str) -> Result<()> {
    wait_for(
        &format!("{name} to pass to {application}"),
        DEADLINE,
        async || {
            world.agent().ensure_running()?;
            let owner = owner(world, name).await?;
            ensure!(owner == application, "it belongs to {owner:?}");
            Ok(())
        },
    )
    .await
}

/// Waits until an object is gone.
async fn wait_until_gone(world: &World, api_version: &str, kind: &str, name: &str) -> Result<()> {
    wait_for(&format!("{kind} {name} to be gone"), DEADLINE, async || {
        world.agent().ensure_running()?;
        ensure!(!world.exists(api_version, kind, name).await?, "it is there");
        Ok(())
    })
    .await
}

/// Deletes an Application, as a person does.
async fn delete_application(world: &World, name: &str) -> Result<()> {
    let object = objects::reference("syncline.dev/v1alpha1", "Application", name);
    objects::delete(&world.client, &object, Some(&world.namespace)).await
}

/// Waits until a deleted Application is gone.
async fn wait_for_end(world: &World, name: &str) -> Result<()> {
    wait_until_gone(world, "syncline.dev/v1alpha1", "Application", name).await
}

/// Approves the plan that an Application shows.
async fn approve(world: &World, application: &str) -> Result<()> {
    let live = world.ours("Application", application).await?;
    let hash = live["status"]["planHash"]
        .as_str()
        .context("no plan waits")?;
    crate::deploy::annotate(
        world,
        "Application",
        application,
        "syncline.dev/approve",
        hash,
    )
    .await
}

/// Waits until a commit was settled for an application, whatever the outcome of its objects is.
async fn wait_until_applied(world: &World, application: &str, commit: &str) -> Result<Value> {
    world
        .wait_for_ours(
            "Application",
            application,
            &format!("applied {commit}"),
            |live| {
                let applied = live["status"]["lastAppliedRevision"].as_str();
                applied.is_some_and(|applied| applied.contains(commit))
            },
        )
        .await
}

/// ConfigMaps of the deploy tests, each in a file of a folder.
fn map_files(folder: &str, names: &[&str]) -> Vec<(String, String)> {
    let file = |name: &&str| (format!("{folder}/{name}.yaml"), config_map(name, "1"));
    names.iter().map(file).collect()
}

/// Borrows files for a commit.
fn borrowed(files: &[(String, String)]) -> Vec<(&str, &str)> {
    files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect()
}

/// Adds an annotation to a manifest of [`config_map`].
fn annotated(name: &str, annotation: &str, value: &str) -> String {
    config_map(name, "1").replace(
        &format!("  name: {name}\n"),
        &format!("  name: {name}\n  annotations:\n    {annotation}: \"{value}\"\n"),
    )
}

/// A ConfigMap at one moment: its version and its data.
type State = (u128, BTreeMap<String, String>);

/// Every state that the ConfigMaps of a world have gone through since a version of the list, by
/// name, oldest first.
async fn states_since(
    world: &World,
    version: &str,
    until: impl Fn(&BTreeMap<String, Vec<State>>) -> bool,
) -> Result<BTreeMap<String, Vec<State>>> {
    use futures::TryStreamExt as _;
    let maps = Api::<ConfigMap>::namespaced(world.client.clone(), &world.namespace);
    let events = maps.watch(&WatchParams::default(), version).await?;
    futures::pin_mut!(events);
    let mut states: BTreeMap<String, Vec<State>> = BTreeMap::new();
    let read = async {
        while let Some(event) = events.try_next().await? {
            if let WatchEvent::Added(map) | WatchEvent::Modified(map) = event {
                let version = map
                    .metadata
                    .resource_version
                    .context("no version")?
                    .parse()?;
                let name = map.metadata.name.context("no name")?;
                let data = map.data.unwrap_or_default();
                states.entry(name).or_default().push((version, data));
                if until(&states) {
                    return Ok(());
                }
            }
        }
        anyhow::bail!("the watch ended")
    };
    let ended = tokio::time::timeout(DEADLINE, read).await;
    ended.with_context(|| format!("waited for a last state: {states:#?}"))??;
    Ok(states)
}

/// The version of the list of ConfigMaps at the moment.
async fn version_now(world: &World) -> Result<String> {
    let maps = Api::<ConfigMap>::namespaced(world.client.clone(), &world.namespace);
    let list = maps.list_metadata(&ListParams::default()).await?;
    list.metadata.resource_version.context("no version")
}
