//! The annotations of Argo CD on plain YAML.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, objects, wait_for};

use super::{ensure_in_order, job, rolled_out, uid, wait_until_started};
use crate::deploy::{config_map, deploy, deployment, value_of, wait_for_value};

#[tokio::test]
async fn hooks_of_argo_cd_run_before_what_they_prepare_and_after_it_is_healthy() -> Result<()> {
    let world = World::new("argo-hooks").await?;
    let hook = |name: &str, moment: &str, wave: &str| {
        let moment = format!("argocd.argoproj.io/hook: {moment}");
        let wave = format!("argocd.argoproj.io/sync-wave: \"{wave}\"");
        job(name, &[&moment, &wave], "")
    };
    let (late, early) = (
        hook("a-late", "PreSync", "2"),
        hook("z-early", "PreSync", "-2"),
    );
    let (after, failed) = (
        hook("after", "PostSync", "0"),
        hook("failed", "SyncFail", "0"),
    );
    let skipped = config_map("skipped", "1").replace(
        "  name: skipped\n",
        "  name: skipped\n  annotations:\n    argocd.argoproj.io/hook: Skip\n",
    );
    // Its pods are ready after two seconds.
    let web = deployment("web").replace(
        "        app: web\n    spec:",
        "        app: web\n      annotations:\n        syncline.test/play: slow\n    spec:",
    );
    ensure!(web.contains("play: slow"), "{web}");
    let files = [
        ("app/late.yaml", late.as_str()),
        ("app/early.yaml", &early),
        ("app/after.yaml", &after),
        ("app/failed.yaml", &failed),
        ("app/skipped.yaml", &skipped),
        ("app/web.yaml", &web),
    ];
    let audit = world.control_plane().audit().from_now()?;
    let commit = deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    rolled_out(&world, "app", &commit).await?;
    wait_until_started(&world, &audit, &["z-early", "a-late", "after"]).await?;
    let order = [
        "create jobs a-late",
        "patch deployments web",
        "create jobs after",
    ];
    ensure_in_order(&world, &audit, &order)?;

    let live = world.get("apps/v1", "Deployment", "web").await?;
    let available = objects::condition(&live, "Available").context("it is not available")?;
    let after = world.get("batch/v1", "Job", "after").await?;
    let time = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (ready, began) = (
        time(&available["lastTransitionTime"]),
        time(&after["metadata"]["creationTimestamp"]),
    );
    ensure!(
        !ready.is_empty() && began >= ready,
        "{began} is before {ready}"
    );
    ensure!(uid(&world, "failed").await?.is_none(), "nothing failed");
    ensure!(
        !world.exists("v1", "ConfigMap", "skipped").await?,
        "applied"
    );
    Ok(())
}

#[tokio::test]
async fn a_pod_that_is_a_sync_hook_runs_with_its_wave_until_it_ends() -> Result<()> {
    let world = World::new("sync-hook").await?;
    let in_wave = |text: &str, wave: &str| {
        let annotated = format!(
            "metadata:\n  annotations:\n    argocd.argoproj.io/sync-wave: \"{wave}\"\n  name:"
        );
        text.replacen("metadata:\n  name:", &annotated, 1)
    };
    let probe = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: probe\n  annotations:\n    \
                 argocd.argoproj.io/hook: Sync\n    argocd.argoproj.io/sync-wave: \"1\"\n    \
                 syncline.test/play: hang\nspec:\n  restartPolicy: Never\n  containers:\n  - name: \
                 main\n    image: registry.example/probe:1\n";
    let (first, beside, later) = (
        in_wave(&config_map("first", "1"), "0"),
        in_wave(&config_map("beside", "1"), "1"),
        in_wave(&config_map("later", "1"), "2"),
    );
    let files = [
        ("app/first.yaml", first.as_str()),
        ("app/beside.yaml", &beside),
        ("app/later.yaml", &later),
        ("app/probe.yaml", probe),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world
        .wait_for_ours("Application", "app", "waiting for the pod", |live| {
            live["status"]["waitingFor"].to_string().contains("probe")
        })
        .await?;
    wait_for_value(&world, "beside", Some("1")).await?;
    ensure!(value_of(&world, "first").await?.as_deref() == Some("1"));
    ensure!(
        value_of(&world, "later").await?.is_none(),
        "it did not wait"
    );

    let pods: Api<Pod> = Api::namespaced(world.client.clone(), &world.namespace);
    wait_for("the pod to run", DEADLINE, async || {
        let status = pods.get("probe").await?.status.unwrap_or_default();
        ensure!(status.phase.as_deref() == Some("Running"), "{status:?}");
        Ok(())
    })
    .await?;
    ensure!(
        value_of(&world, "later").await?.is_none(),
        "running is no end"
    );
    let ended = Patch::Merge(json!({ "status": { "phase": "Succeeded" } }));
    pods.patch_status("probe", &PatchParams::default(), &ended)
        .await?;
    wait_for_value(&world, "later", Some("1")).await?;
    rolled_out(&world, "app", &commit).await?;
    Ok(())
}
