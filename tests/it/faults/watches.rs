//! Watches that expire, are cut or fall silent: nothing is missed, and nothing is asked too often.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::{Action, FaultProxy, Interruption, Rule, World};

use super::{
    A_WHILE, config_maps, crowd, impatient, nothing_is_deleted, spoiled_and_mended, until, world,
};
use crate::lifecycle_setup::turn;

/// How many requests of a verb for a world's ConfigMaps arrived since a moment.
fn count(proxy: &FaultProxy, world: &World, verb: &str, since: Instant) -> usize {
    let mut requests = proxy.requests_since(since);
    let path = config_maps(world);
    requests.retain(|r| r.path.contains(&path) && r.target.verb == verb);
    requests.len()
}

#[tokio::test]
async fn fault_f19_a_watch_that_is_too_old_lists_anew_and_infers_no_deletion() -> Result<()> {
    let world = world("expired").await?;
    let proxy = world.proxy()?;
    crowd(&world, 3).await?;
    let audit = world.control_plane().audit().from_now()?;
    let path = config_maps(&world);
    let begin = Instant::now();
    // The first list is refused as too old as well.
    let rule = proxy.add(Rule::new(Action::Expired).verb("list").path(&path).first(1));
    ensure!(
        proxy.interrupt(&path, Interruption::Expire) == 1,
        "no watch"
    );
    spoiled_and_mended(&world, "c0").await?;
    until(
        "the watch to be open",
        || Ok(proxy.open_watches(&path) == 1),
    )
    .await?;
    ensure!(proxy.hits(rule) == 1, "no list was refused");
    let lists = count(proxy, &world, "list", begin);
    ensure!(
        lists <= 3,
        "{lists} lists: one refused, and at most two more"
    );
    nothing_is_deleted(&world, &audit)
}

#[tokio::test]
async fn inv_i13_a_watch_that_is_cut_again_and_again_is_opened_with_growing_pauses() -> Result<()> {
    let world = world("cut").await?;
    let proxy = world.proxy()?;
    crowd(&world, 2).await?;
    let audit = world.control_plane().audit().from_now()?;
    let path = config_maps(&world);
    let begin = Instant::now();
    let mut cuts = 0;
    while begin.elapsed() < A_WHILE {
        cuts += proxy.interrupt(&path, Interruption::Cut);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let opened = count(proxy, &world, "watch", begin);
    ensure!(cuts >= 2, "only {cuts} cuts");
    ensure!(opened <= 10, "opened {opened} times in {A_WHILE:?}");
    let lists = count(proxy, &world, "list", begin);
    ensure!(
        lists == 0,
        "{lists} lists: a cut watch goes on from where it was"
    );
    spoiled_and_mended(&world, "c1").await?;
    nothing_is_deleted(&world, &audit)
}

#[tokio::test]
async fn fault_f20_a_watch_that_falls_silent_is_opened_anew_and_finds_what_it_missed() -> Result<()>
{
    let turn = turn().await?;
    let world = World::with_agent_behind_proxy("silent", turn.control_plane, |settings| {
        impatient(settings).flag("--watch-silence=2s")
    })
    .await?;
    let proxy = world.proxy()?;
    crowd(&world, 1).await?;
    let path = config_maps(&world);
    until(
        "the watch to be open",
        || Ok(proxy.open_watches(&path) == 1),
    )
    .await?;
    ensure!(proxy.interrupt(&path, Interruption::Stall) == 1, "no watch");
    let begin = Instant::now();
    spoiled_and_mended(&world, "c0").await?;
    ensure!(
        count(proxy, &world, "watch", begin) > 0,
        "no watch was opened"
    );
    let lists = count(proxy, &world, "list", begin);
    ensure!(lists == 0, "{lists} lists");
    let took = begin.elapsed();
    ensure!(took < Duration::from_secs(20), "it took {took:?}");
    Ok(())
}

#[tokio::test]
async fn fault_f20_the_slow_check_finds_drift_that_no_watch_may_show() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent_behind_proxy("unwatched", turn.control_plane, |settings| {
        impatient(settings)
            .flag("--full-check-interval=2s")
            .flag("--late-interval=300ms")
    })
    .await?;
    let proxy = world.proxy()?;
    for (name, code) in [("forbidden", 403), ("broken", 500)] {
        let path = config_maps(&world);
        let rule = proxy.add(Rule::new(Action::Status(code)).verb("watch").path(&path));
        if code == 403 {
            crowd(&world, 1).await?;
        } else {
            proxy.interrupt(&path, Interruption::Cut);
        }
        let patch = json!({ "data": { name: "by hand" } });
        world.edit("v1", "ConfigMap", "c0", &patch).await?;
        spoiled_and_mended(&world, "c0").await?;
        // A list before the watch may have shown it.
        until("the refusal of the watch", || Ok(proxy.hits(rule) > 0)).await?;
        proxy.remove(rule);
    }
    Ok(())
}
