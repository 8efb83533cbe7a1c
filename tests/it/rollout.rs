//! In which order a commit is rolled out, on real parts: waves, pauses, hooks, prunes.

mod failures;
mod order;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::Audit;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{config_map, deployed, deployment, message};

/// A ConfigMap of a wave, as YAML.
pub(crate) fn config_of_wave(name: &str, value: &str, wave: i32) -> String {
    let annotated =
        format!("metadata:\n  annotations:\n    syncline.dev/wave: \"{wave}\"\n  name: {name}\n");
    config_map(name, value).replace(&format!("metadata:\n  name: {name}\n"), &annotated)
}

/// A Deployment whose pods play what an annotation says.
pub(crate) fn playing(name: &str, play: &str) -> String {
    let labels = format!("      labels:\n        app: {name}\n    spec:");
    let annotated = format!(
        "      labels:\n        app: {name}\n      annotations:\n        syncline.test/play: {play}\n    spec:"
    );
    deployment(name).replace(&labels, &annotated)
}

/// A hook before the waves whose pod does not end by itself; `more` is one more annotation.
fn migration(more: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    \
         syncline.dev/hook: before\n    {more}\nspec:\n  backoffLimit: 0\n  template:\n    metadata:\n      \
         annotations:\n        syncline.test/play: hang\n    spec:\n      restartPolicy: Never\n      \
         containers:\n      - name: main\n        image: registry.example/migrate:1\n"
    )
}

/// Makes the Repository and the Application `web` over `apps/web`; `sync` is `spec.sync`.
async fn begin(world: &World, sync: Value) -> Result<()> {
    world.repository(json!({})).await?;
    world
        .application("web", "apps/web", json!({ "sync": sync }))
        .await?;
    Ok(())
}

/// Waits until the Application says a word of its sync and all parts of a sentence.
async fn says(world: &World, reason: &str, parts: &[&str]) -> Result<Value> {
    wait_for(&format!("{reason} {parts:?}"), DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = world.ours("Application", "web").await?;
        let status = &live["status"];
        let said = format!("{} {}", message(&live), status["waitingFor"]);
        ensure!(status["sync"] == reason, "its status is {status:#}");
        for part in parts {
            ensure!(said.contains(part), "it says {said:?}: {status:#}");
        }
        Ok(live)
    })
    .await
}

/// The pods of the Job `migrate`.
async fn pods(world: &World) -> Result<(Api<Pod>, Vec<Pod>)> {
    let api = Api::<Pod>::namespaced(world.client.clone(), &world.namespace);
    let list = api
        .list(&ListParams::default().labels("job-name=migrate"))
        .await?;
    Ok((api, list.items))
}

/// Waits until the migration runs, and answers with the UID of its Job.
async fn wait_for_migration(world: &World) -> Result<String> {
    wait_for("the migration to run", DEADLINE, async || {
        world.agent().ensure_running()?;
        let job = world.get("batch/v1", "Job", "migrate").await?;
        ensure!(job["metadata"]["deletionTimestamp"].is_null(), "it goes");
        ensure!(job["status"]["active"] == 1, "{:#}", job["status"]);
        let uid = job["metadata"]["uid"].as_str().context("no uid")?;
        Ok(uid.to_owned())
    })
    .await
}

/// Ends the pod of the Job with this UID well.
async fn end_migration(world: &World, job: &str) -> Result<()> {
    wait_for("a pod of the migration", DEADLINE, async || {
        let (api, pods) = pods(world).await?;
        let running = |pod: &&Pod| {
            let owners = pod.metadata.owner_references.as_ref();
            let ours = owners.is_some_and(|owners| owners.iter().any(|owner| owner.uid == job));
            let status = pod.status.as_ref();
            ours && status.and_then(|status| status.phase.as_deref()) == Some("Running")
        };
        let pod = pods.iter().find(running).context("none runs")?;
        let name = pod.metadata.name.as_deref().context("no name")?;
        let patch = Patch::Merge(json!({ "status": { "phase": "Succeeded" } }));
        api.patch_status(name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    })
    .await
}

/// What the world's deployer did with a verb, in its order, as `resource/name`.
fn done(world: &World, since: &Audit, verbs: &[&str]) -> Result<Vec<String>> {
    let writes = deployed(world, since)?;
    let writes = writes
        .iter()
        .filter(|write| verbs.contains(&write.verb.as_str()));
    let done = writes.map(|write| {
        let object = write.object();
        // The name of what is created stands in the path of a patch and nowhere for a create.
        format!("{}/{}", object.resource, object.name)
    });
    Ok(done.collect())
}
