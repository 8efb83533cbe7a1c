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
    begin(&world, json!({ "timeout": "20s" })).await?;
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
    world.wait_until_synced("web", &fix).await?;
    ensure!(value_of(&world, "two").await?.as_deref() == Some("2"));
    Ok(())
}

#[tokio::test]
async fn a_hook_that_never_ends_fails_at_its_deadline_and_a_person_runs_it_again() -> Result<()> {
    let world = World::new("hook-late").await?;
    let (migrate, web) = (
        migration("syncline.dev/hook-timeout: 15s"),
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
    let second = wait_for("another run", DEADLINE, async || {
        let second = wait_for_migration(&world).await?;
        ensure!(second != first, "it is the first one");
        Ok(second)
    })
    .await?;
    end_migration(&world, &second).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world.wait_until_synced("web", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_failed_is_tried_again_by_its_back_off_and_what_succeeded_runs_once()
-> Result<()> {
    let world = World::new("rollout-retry").await?;
    let fails = migration("syncline.dev/hook-timeout: 5m").replace("play: hang", "play: fail");
    let first = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a-first\n  annotations:\n    \
                 syncline.dev/hook: before\n";
    let web = config_map("web", "1");
    let files = [
        ("apps/web/first.yaml", first),
        ("apps/web/migrate.yaml", fails.as_str()),
        ("apps/web/web.yaml", web.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    let audit = world.control_plane().audit().from_now()?;
    let retry = json!({ "first": "1s", "most": "1s" });
    begin(&world, json!({ "onFailure": "Retry", "retry": retry })).await?;
    wait_for("a third run", DEADLINE, async || {
        world.agent().ensure_running()?;
        let deleted = done(&world, &audit, &["delete"])?;
        let runs = deleted.iter().filter(|it| *it == "jobs/migrate").count();
        ensure!(runs >= 2, "{deleted:?}");
        Ok(())
    })
    .await?;
    let deleted = done(&world, &audit, &["delete"])?;
    ensure!(
        !deleted.contains(&"configmaps/a-first".to_owned()),
        "it ran again: {deleted:?}"
    );
    ensure!(value_of(&world, "web").await?.is_none());
    let files = ["apps/web/migrate.yaml", "apps/web/first.yaml"];
    let commit = world.repo.replace(&files, &[], "Without it")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "web", Some("1")).await
}
