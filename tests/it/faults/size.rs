//! Many objects, large objects, many syncs, a small disk.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, objects, wait_for};

use super::{crowd, impatient, spoiled_and_mended, wait_until_it_says, world};
use crate::deploy::{config_map, deploy, push, wait_for_value};
use crate::lifecycle_setup::turn;

#[tokio::test]
async fn inv_i16_an_application_of_thousands_of_objects_syncs_and_keeps_no_list_in_its_status()
-> Result<()> {
    const COUNT: usize = 2000;
    let turn = turn().await?;
    let world = World::with_agent("thousands", turn.control_plane, |settings| settings).await?;
    let maps: Vec<String> = (0..COUNT)
        .map(|n| config_map(&format!("m{n}"), "1"))
        .collect();
    let commit = world
        .repo
        .commit(&[("apps/web/all.yaml", &maps.join("---\n"))], "Many")?;
    let begin = Instant::now();
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    let live = world.wait_until_synced("web", &commit).await?;
    let took = begin.elapsed();
    ensure!(took < Duration::from_mins(1), "it took {took:?}");
    for number in [0, COUNT / 2, COUNT - 1] {
        ensure!(
            world
                .exists("v1", "ConfigMap", &format!("m{number}"))
                .await?
        );
    }
    let size = live.to_string().len();
    ensure!(size < 16 * 1024, "the Application has {size} bytes");
    Ok(())
}

#[tokio::test]
async fn inv_i16_a_large_object_is_applied_and_one_that_is_too_large_is_named() -> Result<()> {
    let world = world("large").await?;
    let large = config_map("large", &"x".repeat(900 * 1024));
    let files = [("apps/web/large.yaml", large.as_str())];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    spoiled_and_mended_large(&world).await?;
    // The API server takes less than 1 MiB of data.
    let huge = config_map("huge", &"x".repeat(1200 * 1024));
    let small = config_map("small", "1");
    let files = [
        ("apps/web/huge.yaml", huge.as_str()),
        ("apps/web/small.yaml", &small),
    ];
    push(&world, &files, "Too large").await?;
    let live = wait_until_it_says(&world, "Application", "web", &["huge"]).await?;
    let message = objects::find_condition(&live, "Ready")
        .context("no condition")?
        .to_string();
    ensure!(
        !message.contains("xxxxxxxx"),
        "the message repeats the object"
    );
    wait_for_value(&world, "small", Some("1")).await
}

async fn spoiled_and_mended_large(world: &World) -> Result<()> {
    super::spoil(world, "large").await?;
    wait_for("the large object as in Git", DEADLINE, async || {
        let live = world.get("v1", "ConfigMap", "large").await?;
        let length = live["data"]["key"].as_str().map_or(0, str::len);
        ensure!(length == 900 * 1024, "it has {length} bytes");
        Ok(())
    })
    .await
}

/// The resident memory of a process, in KiB.
fn memory(process: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("no VmRSS")?.parse()?)
}

#[tokio::test]
async fn inv_i17_memory_stays_flat_over_many_syncs() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("flat", turn.control_plane, |settings| settings).await?;
    crowd(&world, 30).await?;
    let sync = async |count: usize| {
        for _ in 0..count {
            let before = synced_at(&world).await?;
            // Each of them reads, renders and writes.
            super::spoil(&world, "c0").await?;
            world.request("Application", "web").await?;
            wait_for("the next sync", DEADLINE, async || {
                ensure!(synced_at(&world).await? != before, "not yet");
                Ok(())
            })
            .await?;
        }
        anyhow::Ok(())
    };
    sync(30).await?;
    let warm = memory(world.agent().id())?;
    sync(100).await?;
    let after = memory(world.agent().id())?;
    let most = warm + 12 * 1024;
    ensure!(after <= most, "{warm} KiB became {after} KiB");
    Ok(())
}

/// What changes with each sync that a person asks for.
async fn synced_at(world: &World) -> Result<Value> {
    let live = world.ours("Application", "web").await?;
    Ok(live["status"]["lastSyncId"].clone())
}

#[tokio::test]
async fn inv_i18_a_full_disk_is_named_uses_nothing_half_read_and_passes() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("disk", turn.control_plane, |settings| {
        impatient(settings).disk("6m")
    })
    .await?;
    crowd(&world, 1).await?;
    let audit = world.control_plane().audit().from_now()?;
    // It does not compress.
    let mut large = Vec::new();
    let mut number = 1_u64;
    while large.len() < 24 * 1024 * 1024 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        large.extend(format!("{number:016x}").bytes());
    }
    let large = String::from_utf8(large)?;
    let commit = push(
        &world,
        &[
            ("large/file", &large),
            ("apps/web/c0.yaml", &config_map("c0", "2")),
        ],
        "Large",
    )
    .await?;
    let live = world
        .wait_for_ours("Repository", "config", "not ready", |live| {
            objects::find_condition(live, "Ready").is_some_and(|ready| ready["status"] == "False")
        })
        .await?;
    let ready = objects::find_condition(&live, "Ready").context("no condition")?;
    let message = ready["message"].as_str().unwrap_or_default().to_lowercase();
    ensure!(message.contains("space"), "{ready}");
    spoiled_and_mended(&world, "c0").await?;
    super::nothing_is_deleted(&world, &audit)?;
    world.agent().ensure_running()?;

    world.agent().enlarge_disk("200m")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c0", Some("2")).await
}
