//! A hook runs once, whatever comes meanwhile.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::World;
use syncline_tests::world::DEADLINE;

use super::{
    arrive, ask_for_sync, ensure_in_order, finish, job, rolled_out, started, uid,
    wait_until_started,
};
use crate::deploy::{config_map, deploy, value_of};
use crate::lifecycle_setup::turn;

const FILE: &str = "app/web.yaml";

/// Waits until the status says that the migration runs.
async fn runs(world: &World) -> Result<()> {
    world
        .wait_for_ours("Application", "app", "waiting for the hook", |live| {
            live["status"]["waitingFor"].to_string().contains("migrate")
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_migration_during_which_three_commits_arrive_runs_once_and_to_its_end() -> Result<()> {
    let world = World::new("migration").await?;
    let migrate = job("migrate", &["syncline.dev/hook: before"], "hang");
    let web = config_map("web", "1");
    let files = [("app/migrate.yaml", migrate.as_str()), (FILE, &web)];
    let audit = world.control_plane().audit().from_now()?;
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    runs(&world).await?;
    let uid_before = uid(&world, "migrate").await?;
    let mut last = String::new();
    for value in ["2", "3", "4"] {
        last = arrive(&world, &[(FILE, &config_map("web", value))], value).await?;
    }
    ensure!(value_of(&world, "web").await?.is_none(), "it did not wait");
    finish(&world, "migrate").await?;
    rolled_out(&world, "app", &last).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("4"));
    wait_until_started(&world, &audit, &["migrate"]).await?;
    ensure!(
        uid(&world, "migrate").await? == uid_before,
        "it was replaced"
    );
    ensure_in_order(
        &world,
        &audit,
        &["create jobs migrate", "patch configmaps web"],
    )
}

#[tokio::test]
async fn a_restart_waits_for_the_hook_that_runs_and_starts_none_that_ran() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("hook-restart", turn.control_plane, |settings| settings).await?;
    let migrate = job("migrate", &["syncline.dev/hook: before"], "hang");
    let web = config_map("web", "1");
    let files = [("app/migrate.yaml", migrate.as_str()), (FILE, &web)];
    let audit = world.control_plane().audit().from_now()?;
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    wait_until_started(&world, &audit, &["migrate"]).await?;
    let before = uid(&world, "migrate").await?;
    world.agent().kill()?;
    world.agent().restart().await?;
    runs(&world).await?;
    finish(&world, "migrate").await?;
    rolled_out(&world, "app", &commit).await?;

    ensure!(world.agent().terminate(DEADLINE)?.success());
    world.agent().restart().await?;
    ask_for_sync(&world, "app", &commit).await?;
    let started = started(&world, &audit)?;
    ensure!(started == ["migrate"], "started were {started:?}");
    ensure!(uid(&world, "migrate").await? == before, "it was replaced");
    Ok(())
}

#[tokio::test]
async fn a_job_that_becomes_a_hook_is_made_anew_and_not_pruned() -> Result<()> {
    let world = World::new("becomes-hook").await?;
    let plain = job("migrate", &["example.com/plain: \"yes\""], "");
    let web = config_map("web", "1");
    let files = [("app/migrate.yaml", plain.as_str()), (FILE, &web)];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    let before = uid(&world, "migrate").await?;
    ensure!(before.is_some(), "it is not there");
    let audit = world.control_plane().audit().from_now()?;
    let hook = job("migrate", &["syncline.dev/hook: before"], "");
    let commit = arrive(&world, &[("app/migrate.yaml", &hook)], "A hook").await?;
    rolled_out(&world, "app", &commit).await?;
    wait_until_started(&world, &audit, &["migrate"]).await?;
    ask_for_sync(&world, "app", &commit).await?;
    let after = uid(&world, "migrate").await?;
    ensure!(
        after.is_some() && after != before,
        "{before:?} became {after:?}"
    );
    Ok(())
}
