//! Objects move between Applications of one agent: in both orders, and across a crash.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::{
    borrowed, delete_application, map_files, nothing_was_deleted, restart_with, start_after_kill,
    turn, uids, wait_for_end, wait_for_owner,
};
use crate::deploy::{config_map, deploy};

/// Moves the file of `moved` from one application's folder to another's.
fn carry(world: &World, from: &str, to: &str) -> Result<String> {
    let old = format!("apps/{from}/moved.yaml");
    let new = format!("apps/{to}/moved.yaml");
    world
        .repo
        .replace(&[&old], &[(&new, &config_map("moved", "1"))], "Move it")
}

async fn are_the_same(world: &World, before: &BTreeMap<String, String>) -> Result<()> {
    let now = uids(world).await?;
    ensure!(now == *before, "before {before:?}, now {now:?}");
    Ok(())
}

/// Waits until both applications have nothing to say against a commit.
async fn are_good(world: &World, commit: &str) -> Result<()> {
    for name in ["a", "b"] {
        world.wait_until_synced(name, commit).await?;
    }
    Ok(())
}

/// With one worker `a` syncs before `b`: a move to `b` begins where the object is left, a move to
/// `a` where it is taken.
#[tokio::test]
async fn inv_i06_a_moved_object_stays_the_same_whoever_syncs_first_and_across_a_crash() -> Result<()>
{
    let turn = turn().await?;
    let world = turn
        .world("move", |settings| settings.flag("--sync-workers=1"))
        .await?;
    let mut files = map_files("apps/a", &["a", "moved"]);
    files.extend(map_files("apps/b", &["b"]));
    let applications = [("a", "apps/a", json!({})), ("b", "apps/b", json!({}))];
    deploy(&world, &borrowed(&files), &applications).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    for (from, to) in [("a", "b"), ("b", "a")] {
        let commit = carry(&world, from, to)?;
        world.request("Repository", "config").await?;
        wait_for_owner(&world, "moved", to).await?;
        are_good(&world, &commit).await?;
    }
    let moves = [
        ("a", "b", "render.done=1*return(kill)"),
        ("b", "a", "render.done=1*off->1*return(kill)"),
        ("a", "b", "apply.before=1*return(kill)"),
        ("b", "a", "apply.after=1*return(kill)"),
    ];
    for (from, to, point) in moves {
        restart_with(&world, point).await?;
        let commit = carry(&world, from, to)?;
        world.request("Repository", "config").await?;
        start_after_kill(&world).await?;
        wait_for_owner(&world, "moved", to).await?;
        are_good(&world, &commit).await?;
        are_the_same(&world, &before).await?;
    }
    nothing_was_deleted(&world, &audit).await
}

#[tokio::test]
async fn inv_i06_a_prune_waits_until_the_others_of_the_commit_are_rendered() -> Result<()> {
    let world = World::new("waits").await?;
    let mut files = map_files("apps/a", &["a", "moved"]);
    files.extend(map_files("apps/b", &["b"]));
    let applications = [("a", "apps/a", json!({})), ("b", "apps/b", json!({}))];
    deploy(&world, &borrowed(&files), &applications).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    // The one that takes it over cannot be rendered.
    world
        .repo
        .commit(&[("apps/b/broken.yaml", "a: [\n")], "Break b")?;
    carry(&world, "a", "b")?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Application", "b", "YamlSyntax")
        .await?;
    let live = world.wait_for_ours("Application", "a", "waiting for b", |live| {
        crate::deploy::message(live).contains("moved")
    });
    crate::deploy::ensure_says(&crate::deploy::message(&live.await?), &["/b"])?;
    let commit = world.repo.remove(&["apps/b/broken.yaml"], "Mend b")?;
    world.request("Repository", "config").await?;
    wait_for_owner(&world, "moved", "b").await?;
    are_good(&world, &commit).await?;
    are_the_same(&world, &before).await?;
    nothing_was_deleted(&world, &audit).await
}

#[tokio::test]
async fn a_trailer_approves_also_what_first_waits_for_another_application() -> Result<()> {
    let turn = turn().await?;
    let world = turn
        .world("late", |settings| settings.flag("--sync-workers=1"))
        .await?;
    let names: Vec<String> = (0..8).map(|n| format!("c{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut files = map_files("apps/a", &names);
    files.extend(map_files("apps/b", &["b"]));
    let applications = [("a", "apps/a", json!({})), ("b", "apps/b", json!({}))];
    deploy(&world, &borrowed(&files), &applications).await?;
    let gone: Vec<String> = names[..6]
        .iter()
        .map(|name| format!("apps/a/{name}.yaml"))
        .collect();
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    // `a` syncs first, and `b` might take something over.
    let change = [("apps/b/b.yaml", config_map("b", "2"))];
    let change: Vec<_> = change
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let commit = world
        .repo
        .replace(&gone, &change, "Remove six\n\nSyncline-Prune: b, a")?;
    world.request("Repository", "config").await?;
    wait_for("the prune", DEADLINE, async || {
        let left = uids(&world).await?.len();
        let live = world.ours("Application", "a").await?;
        ensure!(left == 3, "{left} objects; {:#}", live["status"]);
        Ok(())
    })
    .await?;
    are_good(&world, &commit).await
}

#[tokio::test]
async fn inv_i06_a_rename_is_understood_in_any_order_while_the_agent_was_away() -> Result<()> {
    let turn = turn().await?;
    let world = turn.world("while", |settings| settings).await?;
    let files = map_files("apps/web", &["a", "b"]);
    deploy(&world, &borrowed(&files), &[("old", "apps/web", json!({}))]).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    for (old, new, loses_data) in [("old", "new", false), ("new", "newest", true)] {
        ensure!(world.agent().terminate(DEADLINE)?.success());
        delete_application(&world, old).await?;
        world.application(new, "apps/web", json!({})).await?;
        if loses_data {
            world.agent().lose_data()?;
        }
        world.agent().restart().await?;
        wait_for_end(&world, old).await?;
        wait_for_owner(&world, "a", new).await?;
        wait_for_owner(&world, "b", new).await?;
        world.wait_until_synced(new, &world.repo.head()?).await?;
        are_the_same(&world, &before).await?;
    }
    nothing_was_deleted(&world, &audit).await
}
