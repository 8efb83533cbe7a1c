//! The end of an Application.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, objects, wait_for};

use super::{config_map, deploy, value_of, wait_for_value};

const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: disk\nspec:\n  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      storage: 1Gi\n";

async fn delete(world: &World, name: &str) -> Result<()> {
    let object = objects::reference("syncline.dev/v1alpha1", "Application", name);
    objects::delete(&world.client, &object, Some(&world.namespace)).await
}

async fn wait_until_gone(world: &World, name: &str) -> Result<()> {
    wait_for("the Application to be gone", DEADLINE, async || {
        world.agent().ensure_running()?;
        let there = world
            .exists("syncline.dev/v1alpha1", "Application", name)
            .await?;
        ensure!(
            !there,
            "it is {:#}",
            world.ours("Application", name).await?["status"]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_objects_of_a_deleted_application_go_and_claims_stay() -> Result<()> {
    let world = World::new("delete").await?;
    let (web, other) = (config_map("web", "1"), config_map("other", "1"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/web/claim.yaml", CLAIM),
        ("apps/other/other.yaml", other.as_str()),
    ];
    let applications = [
        ("web", "apps/web", json!({})),
        ("other", "apps/other", json!({})),
    ];
    deploy(&world, &files, &applications).await?;
    delete(&world, "web").await?;
    wait_until_gone(&world, "web").await?;
    ensure!(
        value_of(&world, "web").await?.is_none(),
        "an object was left behind"
    );
    ensure!(
        world.exists("v1", "PersistentVolumeClaim", "disk").await?,
        "the claim is gone"
    );
    ensure!(value_of(&world, "other").await?.is_some());

    // The same again takes the claim over.
    world.application("web", "apps/web", json!({})).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}

#[tokio::test]
async fn the_objects_of_an_orphaning_application_stay() -> Result<()> {
    let world = World::new("orphan").await?;
    let file = config_map("web", "1");
    let spec = json!({ "deletionPolicy": "Orphan" });
    deploy(
        &world,
        &[("apps/web/web.yaml", &file)],
        &[("web", "apps/web", spec)],
    )
    .await?;
    let audit = world.control_plane().audit().from_now()?;
    delete(&world, "web").await?;
    wait_until_gone(&world, "web").await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    let writes = super::deployed(&world, &audit)?;
    ensure!(writes.is_empty(), "{writes:?}");
    Ok(())
}

#[tokio::test]
async fn a_deletion_does_not_wait_for_ever_for_a_missing_account() -> Result<()> {
    let world = World::alone("stuck", Options::default(), |settings| {
        settings
            .flag("--deletion-timeout=3s")
            .flag("--retry-first=200ms")
            .flag("--account-check-interval=100ms")
    })
    .await?;
    let file = config_map("web", "1");
    deploy(
        &world,
        &[("apps/web/web.yaml", &file)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let account = objects::reference("v1", "ServiceAccount", syncline_tests::world::DEPLOYER);
    objects::delete(&world.client, &account, Some(&world.namespace)).await?;
    // Until the agent has seen that, the account is believed to be there.
    wait_for("the account to be missed", DEADLINE, async || {
        world.request("Application", "web").await?;
        let live = world.ours("Application", "web").await?;
        let ready = objects::find_condition(&live, "Ready").context("no condition")?;
        ensure!(ready["reason"] == "AccountMissing", "{ready}");
        Ok(())
    })
    .await?;
    delete(&world, "web").await?;
    wait_until_gone(&world, "web").await?;
    ensure!(
        value_of(&world, "web").await?.is_some(),
        "deleted without an account"
    );
    ensure!(
        world.agent().log().contains("left behind"),
        "the log does not say what stays"
    );

    // One that never had its account goes at once.
    world
        .application("never", "apps/web", json!({ "serviceAccount": "applier" }))
        .await?;
    world
        .wait_for_reason("Application", "never", "AccountMissing")
        .await?;
    delete(&world, "never").await?;
    wait_until_gone(&world, "never").await
}
