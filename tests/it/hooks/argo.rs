//! The annotations of Argo CD on plain YAML.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::{World, objects};

use super::{ensure_in_order, job, rolled_out, uid, wait_until_started};
use crate::deploy::{config_map, deploy, deployment};

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
