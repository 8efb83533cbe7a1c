//! Rollouts that fail, and what goes on after that.

use super::*;
use crate::deploy::{push, value_of, wait_for_value};

#[tokio::test]
async fn a_wave_that_is_not_healthy_in_time_holds_the_next_ones_until_a_fix() -> Result<()> {
    let world = World::new("wave-fails").await?;
    let (good, bad) = (deployment("web"), playing("web", "hang"));
    let (one, two) = (config_of_wave("one", "1", 0), config_of_wave("two", "1", 1));
    let files = [
        ("apps/web/web.yaml", good.as_str()),
        ("apps/web/one.yaml", one.as_str()),
        ("apps/web/two.yaml", two.as_str()),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    begin(&world, json!({ "timeout": "8s" })).await?;
    world.wait_until_synced("web", &commit).await?;

    let (one, two) = (config_of_wave("one", "2", 0), config_of_wave("two", "2", 1));
    let files = [
        ("apps/web/web.yaml", bad.as_str()),
        ("apps/web/one.yaml", one.as_str()),
        ("apps/web/two.yaml", two.as_str()),
    ];
    let broken = push(&world, &files, "Break the web").await?;
    let parts = ["not healthy within", "web", &broken[..7], "Break the web"];
    let live = says(&world, "RolloutFailed", &parts).await?;
    ensure!(
        live["status"]["rollout"]["phase"] == "Failed",
        "{:#}",
        live["status"]
    );
    ensure!(value_of(&world, "one").await?.as_deref() == Some("2"));
    ensure!(value_of(&world, "two").await?.as_deref() == Some("1"));

    let fix = push(&world, &[("apps/web/web.yaml", &good)], "Fix the web").await?;
    wait_for_value(&world, "two", Some("2")).await?;
    world.wait_until_synced("web", &fix).await?;
    Ok(())
}

#[tokio::test]
async fn a_hook_that_never_ends_fails_at_its_deadline_and_a_person_runs_it_again() -> Result<()> {
    let world = World::new("hook-late").await?;
    let (migrate, web) = (
        migration("syncline.dev/hook-timeout: 3s"),
        config_map("web", "1"),
    );
    let files = [
        ("apps/web/migrate.yaml", migrate.as_str()),
        ("apps/web/web.yaml", web.as_str()),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    begin(&world, json!({})).await?;
    let first = wait_for_migration(&world).await?;
    says(&world, "HookFailed", &["migrate", "did not end within"]).await?;
    ensure!(value_of(&world, "web").await?.is_none());
    let job = world.get("batch/v1", "Job", "migrate").await?;
    ensure!(
        job["metadata"]["uid"] == first.as_str(),
        "it ran again: {job:#}"
    );
    world.request("Application", "web").await?;
    wait_for("another run", DEADLINE, async || {
        let second = wait_for_migration(&world).await?;
        ensure!(second != first, "it is the first one");
        Ok(())
    })
    .await?;
    end_migration(&world).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world.wait_until_synced("web", &commit).await?;
    Ok(())
}
