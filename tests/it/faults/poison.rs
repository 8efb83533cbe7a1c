//! Objects that are hard to work on: only the application that has them is concerned.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::spoil;
use crate::deploy::{config_map, deploy, push, wait_for_value};

/// Pushes a change of the neighbour and fails if it takes longer than five seconds.
async fn in_time(world: &World, value: &str) -> Result<()> {
    let begin = Instant::now();
    push(
        world,
        &[("apps/web/c0.yaml", &config_map("c0", value))],
        "Change",
    )
    .await?;
    wait_for_value(world, "c0", Some(value)).await?;
    let took = begin.elapsed();
    ensure!(took < Duration::from_secs(5), "it took {took:?}");
    Ok(())
}

#[tokio::test]
async fn inv_i15_an_object_with_very_many_fields_holds_up_no_other_application() -> Result<()> {
    let world = super::world("wide").await?;
    let map = config_map("c0", "1");
    deploy(
        &world,
        &[("apps/web/c0.yaml", &map)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let mut wide = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: wide\ndata:\n".to_owned();
    for number in 0..15_000 {
        writeln!(wide, "  key-{number}: \"{number}\"")?;
    }
    world.application("wide", "apps/wide", json!({})).await?;
    push(&world, &[("apps/wide/wide.yaml", &wide)], "Wide").await?;
    in_time(&world, "2").await?;
    wait_for("the wide object", DEADLINE, async || {
        let live = world.get("v1", "ConfigMap", "wide").await?;
        ensure!(live["data"]["key-14999"] == "14999", "it is not complete");
        Ok(())
    })
    .await?;
    spoil_wide(&world).await?;
    in_time(&world, "3").await
}

async fn spoil_wide(world: &World) -> Result<()> {
    spoil(world, "wide").await?;
    wait_for("the wide object as in Git", DEADLINE, async || {
        let live = world.get("v1", "ConfigMap", "wide").await?;
        ensure!(live["data"]["key"].is_null(), "it is not put back");
        Ok(())
    })
    .await
}
