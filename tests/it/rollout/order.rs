//! Waves, pauses, prunes.

use super::*;
use crate::deploy::{push, value_of, wait_for_value};

#[tokio::test]
async fn a_wave_is_written_when_the_one_below_it_is_healthy_and_not_before() -> Result<()> {
    let world = World::new("waves").await?;
    let (web, next) = (playing("web", "slow"), config_of_wave("next", "1", 1));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/web/next.yaml", next.as_str()),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    begin(&world, json!({})).await?;
    let live = says(&world, "WaitsForWave", &["Deployment", "web"]).await?;
    let rollout = &live["status"]["rollout"];
    ensure!(rollout["wave"] == 0 && rollout["waves"] == 2, "{rollout:#}");
    world.wait_until_synced("web", &commit).await?;
    let web = world.get("apps/v1", "Deployment", "web").await?;
    let available = syncline_tests::objects::find_condition(&web, "Available");
    let available = available.and_then(|it| it["lastTransitionTime"].as_str());
    let next = world.get("v1", "ConfigMap", "next").await?;
    let created = next["metadata"]["creationTimestamp"].as_str();
    ensure!(
        available.is_some() && available <= created,
        "available at {available:?}, the next wave was written at {created:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_pause_ends_by_its_time_and_one_by_what_a_config_map_says() -> Result<()> {
    let world = World::new("pauses").await?;
    let files = [
        ("apps/web/a.yaml", config_of_wave("a", "1", 0)),
        ("apps/web/b.yaml", config_of_wave("b", "1", 1)),
        ("apps/web/c.yaml", config_of_wave("c", "1", 2)),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let commit = world.repo.commit(&files, "Start")?;
    let condition = "self.data.result == 'passed'";
    let until = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": "load-test", "condition": condition,
    });
    let pauses = json!([{ "afterWave": 0, "for": "2s" }, { "afterWave": 1, "until": until }]);
    begin(&world, json!({ "pauses": pauses })).await?;
    let live = says(&world, "Paused", &["load-test"]).await?;
    ensure!(value_of(&world, "c").await?.is_none());
    let time = |value: &Value| -> Result<jiff::Timestamp> {
        Ok(value.as_str().context("no time")?.parse()?)
    };
    let begun = &live["status"]["rollout"]["pauses"];
    let between = time(&begun[1]["since"])?.duration_since(time(&begun[0]["since"])?);
    ensure!(between.as_secs_f64() >= 2.0, "{between:?}: {begun:#}");
    let load_test = |result: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "load-test" },
            "data": { "result": result },
        })
    };
    world.apply(&load_test("running")).await?;
    says(&world, "Paused", &["load-test"]).await?;
    ensure!(value_of(&world, "c").await?.is_none());
    world.apply(&load_test("passed")).await?;
    wait_for_value(&world, "c", Some("1")).await?;
    world.wait_until_synced("web", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn what_left_git_goes_the_highest_wave_first() -> Result<()> {
    let world = World::new("prune-waves").await?;
    let stays = config_map("stays", "1");
    // Their names stand the other way round.
    let files = [
        ("apps/web/a.yaml", config_of_wave("a", "1", 2)),
        ("apps/web/b.yaml", config_of_wave("b", "1", 1)),
        ("apps/web/c.yaml", config_of_wave("c", "1", 0)),
        ("apps/web/stays.yaml", stays),
    ];
    let paths = ["apps/web/a.yaml", "apps/web/b.yaml", "apps/web/c.yaml"];
    let files = files.each_ref().map(|(path, text)| (*path, text.as_str()));
    let commit = world.repo.commit(&files, "Start")?;
    begin(&world, json!({})).await?;
    world.wait_until_synced("web", &commit).await?;
    // The middle one goes when its finalizer is taken away.
    let held = json!({ "metadata": { "finalizers": ["example.com/held"] } });
    world.edit("v1", "ConfigMap", "b", &held).await?;
    let audit = world.control_plane().audit().from_now()?;
    let commit = world.repo.replace(&paths, &[], "Remove them")?;
    world.request("Repository", "config").await?;
    says(&world, "Progressing", &["ConfigMap", "/b"]).await?;
    ensure!(value_of(&world, "c").await?.is_some(), "too early");
    let free = json!({ "metadata": { "finalizers": null } });
    world.edit("v1", "ConfigMap", "b", &free).await?;
    wait_for_value(&world, "c", None).await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for("three deletes in the audit log", DEADLINE, async || {
        let mut done = done(&world, &audit, &["delete"])?;
        done.dedup();
        let expected = ["configmaps/a", "configmaps/b", "configmaps/c"];
        ensure!(done == expected, "{done:?}");
        Ok(())
    })
    .await?;
    push(&world, &[("README.md", "Read me\n")], "Explain").await?;
    ensure!(value_of(&world, "stays").await?.is_some());
    Ok(())
}
