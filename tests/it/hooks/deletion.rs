//! Hooks of the end of an Application.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, objects, wait_for};

use super::{CHART, MAP, ensure_in_order, finish, job, started, uid, wait_until_started};
use crate::deploy::{config_map, deploy, ensure_says, message, value_of};
use crate::lifecycle_setup::turn;

const API: &str = "syncline.dev/v1alpha1";

async fn delete(world: &World) -> Result<()> {
    let object = objects::reference(API, "Application", "app");
    objects::delete(&world.client, &object, Some(&world.namespace)).await
}

async fn wait_until_gone(world: &World) -> Result<()> {
    wait_for("the Application to be gone", DEADLINE, async || {
        world.agent().ensure_running()?;
        let there = world.exists(API, "Application", "app").await?;
        ensure!(!there, "it is there");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn hooks_run_before_the_objects_of_a_deleted_application_go_and_after_that() -> Result<()> {
    let world = World::new("delete-hooks").await?;
    let backup = job("backup", &["syncline.dev/hook: before-delete"], "hang");
    let goodbye = job("goodbye", &["helm.sh/hook: post-delete"], "");
    let web = config_map("web", "1");
    let files = [
        ("app/backup.yaml", backup.as_str()),
        ("app/goodbye.yaml", &goodbye),
        ("app/web.yaml", &web),
    ];
    let audit = world.control_plane().audit().from_now()?;
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    ensure!(
        started(&world, &audit)?.is_empty(),
        "nothing is deleted yet"
    );

    delete(&world).await?;
    let live = world
        .wait_for_ours("Application", "app", "waiting for the backup", |live| {
            message(live).contains("backup")
        })
        .await?;
    ensure_says(&message(&live), &["before-delete", "runs"])?;
    ensure!(value_of(&world, "web").await?.is_some(), "it did not wait");
    finish(&world, "backup").await?;
    wait_until_gone(&world).await?;
    wait_until_started(&world, &audit, &["backup", "goodbye"]).await?;
    let order = [
        "create jobs backup",
        "delete configmaps web",
        "create jobs goodbye",
        "delete jobs goodbye",
    ];
    ensure_in_order(&world, &audit, &order)?;
    ensure_in_order(
        &world,
        &audit,
        &["create jobs backup", "delete jobs backup"],
    )?;
    ensure!(value_of(&world, "web").await?.is_none(), "it is there");
    for hook in ["backup", "goodbye"] {
        ensure!(uid(&world, hook).await?.is_none(), "{hook} was left behind");
    }
    Ok(())
}

#[tokio::test]
async fn inv_i12_a_deletion_whose_hooks_cannot_be_rendered_any_more_goes_on_without_them()
-> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("delete-blind", turn.control_plane, |settings| {
        settings
            .flag("--deletion-timeout=3s")
            .flag("--retry-first=200ms")
    })
    .await?;
    let backup = job("backup", &["helm.sh/hook: pre-delete"], "");
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/templates/map.yaml", MAP),
        ("app/templates/backup.yaml", &backup),
    ];
    world.secret("values", &[("word", "one")]).await?;
    let from = json!([{ "kind": "Secret", "name": "values", "key": "word", "targetPath": "word" }]);
    let spec = json!({ "helm": { "valuesFrom": from } });
    deploy(&world, &files, &[("app", "app", spec)]).await?;
    ensure!(value_of(&world, "app").await?.as_deref() == Some("one"));

    // The agent that has the render in memory goes, and what it was made of.
    let audit = world.control_plane().audit().from_now()?;
    ensure!(world.agent().terminate(DEADLINE)?.success());
    let secret = objects::reference("v1", "Secret", "values");
    objects::delete(&world.client, &secret, Some(&world.namespace)).await?;
    delete(&world).await?;
    world.agent().restart().await?;
    world
        .wait_for_ours("Application", "app", "saying why it waits", |live| {
            message(live).contains("cannot be rendered")
        })
        .await?;
    ensure!(value_of(&world, "app").await?.is_some(), "it did not wait");
    wait_until_gone(&world).await?;
    ensure!(
        value_of(&world, "app").await?.is_none(),
        "it was left behind"
    );
    ensure!(started(&world, &audit)?.is_empty(), "what was started?");
    Ok(())
}
