//! The end of an Application.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, objects, wait_for};

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
