//! A branch that no longer contains what was applied.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::{World, objects};

use super::{borrowed, map_files, nothing_was_deleted, only_deleted};
use crate::deploy::{annotate, config_map, deploy, ensure_says, message, push, wait_for_value};

#[tokio::test]
async fn inv_i22_fault_f7_fault_f9_a_rewritten_branch_waits_for_a_person_or_for_its_restoration()
-> Result<()> {
    let world = World::new("history").await?;
    let files = map_files("apps/web", &["a"]);
    let first = deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let more = [("apps/web/b.yaml", config_map("b", "1"))];
    let second = push(&world, &[(more[0].0, more[0].1.as_str())], "Add b").await?;
    world.wait_until_synced("web", &second).await?;
    let audit = world.control_plane().audit().from_now()?;

    // A mirror that lags behind and a person who forces an older commit look the same; a history
    // that has nothing in common is no better.
    world
        .repo
        .git(&["checkout", "--quiet", "--orphan", "another"])?;
    world
        .repo
        .git(&["commit", "--quiet", "--message", "Another history"])?;
    let unrelated = world.repo.git(&["rev-parse", "HEAD"])?.trim().to_owned();
    for wrong in [&first, &unrelated] {
        world.repo.git(&[
            "push",
            "--quiet",
            "--force",
            "origin",
            &format!("{wrong}:refs/heads/main"),
        ])?;
        world.request("Repository", "config").await?;
        let live = world
            .wait_for_ours("Repository", "config", "held", |live| {
                let ready = objects::find_condition(live, "Ready");
                ready.is_some_and(|ready| ready["reason"] == "HistoryRewritten")
                    && message(live).contains(wrong.as_str())
            })
            .await?;
        ensure_says(&message(&live), &[&second])?;
        // Nobody but a person who names the commit ends that.
        annotate(
            &world,
            "Repository",
            "config",
            "syncline.dev/approve",
            &second,
        )
        .await?;
        world.request("Application", "web").await?;
        // The branch is restored.
        world.repo.git(&[
            "push",
            "--quiet",
            "--force",
            "origin",
            &format!("{second}:refs/heads/main"),
        ])?;
        world.request("Repository", "config").await?;
        world
            .wait_for_ours("Repository", "config", "fetched", |live| {
                objects::condition(live, "Ready").is_some()
            })
            .await?;
    }
    nothing_was_deleted(&world, &audit).await?;

    world.repo.git(&[
        "push",
        "--quiet",
        "--force",
        "origin",
        &format!("{first}:refs/heads/main"),
    ])?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Repository", "config", "HistoryRewritten")
        .await?;
    annotate(
        &world,
        "Repository",
        "config",
        "syncline.dev/approve",
        &first,
    )
    .await?;
    wait_for_value(&world, "b", None).await?;
    world.wait_until_synced("web", &first).await?;
    ensure!(objects::condition(&world.ours("Repository", "config").await?, "Ready").is_some());
    only_deleted(&world, &audit, &["b"]).await
}
