//! Hooks run once and to their end, whatever happens meanwhile.

use syncline_tests::Options;

use super::*;
use crate::deploy::{push, value_of, wait_for_value};

/// How often the Job of the migration was created.
fn creations(world: &World, since: &Audit) -> Result<usize> {
    let done = done(world, since, &["create", "patch"])?;
    Ok(done.iter().filter(|it| it.starts_with("jobs/")).count())
}

#[tokio::test]
async fn a_migration_in_which_three_commits_arrive_runs_once_and_the_newest_is_applied()
-> Result<()> {
    let world = World::new("migration").await?;
    let audit = world.control_plane().audit().from_now()?;
    let (migrate, web) = (
        migration("syncline.dev/hook-timeout: 5m"),
        config_map("web", "1"),
    );
    let files = [
        ("apps/web/migrate.yaml", migrate.as_str()),
        ("apps/web/web.yaml", web.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    begin(&world, json!({})).await?;
    let uid = wait_for_migration(&world).await?;
    let mut newest = String::new();
    for value in ["2", "3", "4"] {
        let text = config_map("web", value);
        newest = push(&world, &[("apps/web/web.yaml", &text)], "Change").await?;
        world
            .wait_for_ours("Repository", "config", "fetched", |live| {
                let head = live["status"]["revision"].as_str().unwrap_or_default();
                head.contains(&newest)
            })
            .await?;
        says(&world, "WaitsForHook", &["migrate"]).await?;
        ensure!(value_of(&world, "web").await?.is_none(), "it was written");
    }
    end_migration(&world, &uid).await?;
    wait_for_value(&world, "web", Some("4")).await?;
    world.wait_until_synced("web", &newest).await?;
    let job = world.get("batch/v1", "Job", "migrate").await?;
    ensure!(
        job["metadata"]["uid"] == uid.as_str(),
        "it is another Job: {job:#}"
    );
    let count = creations(&world, &audit)?;
    ensure!(count == 1, "the migration was started {count} times");
    Ok(())
}

#[tokio::test]
async fn an_agent_that_is_killed_while_a_hook_runs_starts_nothing_twice() -> Result<()> {
    let world = World::alone("hook-kill", Options::default(), |settings| {
        settings
            .flag("--lease-duration=4s")
            .flag("--lease-renew-deadline=3s")
            .flag("--lease-retry=500ms")
    })
    .await?;
    let audit = world.control_plane().audit().from_now()?;
    let (migrate, web) = (
        migration("syncline.dev/hook-timeout: 5m"),
        config_map("web", "1"),
    );
    let files = [
        ("apps/web/migrate.yaml", migrate.as_str()),
        ("apps/web/web.yaml", web.as_str()),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    begin(&world, json!({})).await?;
    let uid = wait_for_migration(&world).await?;
    says(&world, "WaitsForHook", &["migrate"]).await?;
    world.agent().kill()?;
    world.agent().restart().await?;
    end_migration(&world, &uid).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world.wait_until_synced("web", &commit).await?;
    let job = world.get("batch/v1", "Job", "migrate").await?;
    ensure!(
        job["metadata"]["uid"] == uid.as_str(),
        "it is another Job: {job:#}"
    );
    let count = creations(&world, &audit)?;
    ensure!(count == 1, "the migration was started {count} times");
    Ok(())
}
