//! Who may take an object over, and who has one that several Applications declare.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::agent::account_with_role;
use syncline_tests::world::DEPLOYER;
use syncline_tests::{World, objects};

use super::{
    borrowed, delete_application, map_files, nothing_was_deleted, only_deleted, owner, uids,
    wait_for_end, wait_for_owner,
};
use crate::deploy::{annotate, config_map, deploy, ensure_says, message, push, wait_for_value};

#[tokio::test]
async fn inv_i06_an_application_is_renamed_without_deleting_anything() -> Result<()> {
    let world = World::new("rename").await?;
    let files = map_files("apps/web", &["a", "b", "c"]);
    let commit = deploy(&world, &borrowed(&files), &[("old", "apps/web", json!({}))]).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;

    // The new one first.
    world.application("new", "apps/web", json!({})).await?;
    let live = world.wait_until_synced("new", &commit).await?;
    ensure!(owner(&world, "a").await? == "old", "{:#}", live["status"]);
    delete_application(&world, "old").await?;
    wait_for_end(&world, "old").await?;
    for name in ["a", "b", "c"] {
        wait_for_owner(&world, name, "new").await?;
    }

    // The old one first: nothing of it may be deleted with it.
    let orphan = json!({ "deletionPolicy": "Orphan" });
    world.application("new", "apps/web", orphan).await?;
    delete_application(&world, "new").await?;
    wait_for_end(&world, "new").await?;
    world.application("newest", "apps/web", json!({})).await?;
    world.wait_until_synced("newest", &commit).await?;
    for name in ["a", "b", "c"] {
        wait_for_owner(&world, name, "newest").await?;
    }
    ensure!(uids(&world).await? == before, "{:?}", uids(&world).await?);
    nothing_was_deleted(&world, &audit).await?;
    // It is its own now.
    world.repo.remove(&["apps/web/c.yaml"], "Remove c")?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "c", None).await
}

#[tokio::test]
async fn inv_i06_what_two_applications_declare_belongs_to_one_until_it_lets_go() -> Result<()> {
    let world = World::new("share").await?;
    let mut files = map_files("apps/a", &["a", "same", "other"]);
    files.extend(map_files("apps/b", &["b", "same"]));
    files.push(("apps/b/other.yaml".to_owned(), config_map("other", "2")));
    let commit = world.repo.commit(&borrowed(&files), "Start")?;
    world.repository(json!({})).await?;
    world.application("a", "apps/a", json!({})).await?;
    world.wait_until_synced("a", &commit).await?;
    let before = uids(&world).await?;
    world.application("b", "apps/b", json!({})).await?;
    let live = world.wait_for_reason("Application", "b", "OwnedBy").await?;
    ensure_says(&message(&live), &["other", "/a"])?;
    ensure!(owner(&world, "same").await? == "a");
    let audit = world.control_plane().audit().from_now()?;

    // Its retry would come in ten minutes.
    let commit = world
        .repo
        .remove(&["apps/a/same.yaml", "apps/a/other.yaml"], "Let go")?;
    world.request("Repository", "config").await?;
    wait_for_owner(&world, "same", "b").await?;
    wait_for_owner(&world, "other", "b").await?;
    wait_for_value(&world, "other", Some("2")).await?;
    for name in ["a", "b"] {
        world.wait_until_synced(name, &commit).await?;
    }
    let now = uids(&world).await?;
    ensure!(
        before.iter().all(|(name, uid)| now.get(name) == Some(uid)),
        "{before:?} {now:?}"
    );
    nothing_was_deleted(&world, &audit).await
}

#[tokio::test]
async fn inv_i06_another_account_takes_over_only_what_it_names_the_owner_of() -> Result<()> {
    let world = World::new("accounts").await?;
    for object in account_with_role(&world.namespace, "applier", "admin") {
        world.apply(&object).await?;
    }
    let mut files = map_files("apps/a", &["a", "moved"]);
    files.extend(map_files("apps/b", &["b"]));
    let other = json!({ "serviceAccount": "applier" });
    deploy(
        &world,
        &borrowed(&files),
        &[("a", "apps/a", json!({})), ("b", "apps/b", other)],
    )
    .await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    let moved = map_files("apps/b", &["moved"]);
    let commit = world
        .repo
        .replace(&["apps/a/moved.yaml"], &borrowed(&moved), "Move it")?;
    world.request("Repository", "config").await?;
    world.wait_for_reason("Application", "b", "OwnedBy").await?;
    let live = world
        .wait_for_reason("Application", "a", "ClaimedElsewhere")
        .await?;
    ensure_says(&message(&live), &["moved", "/b"])?;

    let adopts = json!({ "serviceAccount": "applier", "adoptFrom": "a" });
    world.application("b", "apps/b", adopts).await?;
    wait_for_owner(&world, "moved", "b").await?;
    for name in ["a", "b"] {
        world.wait_until_synced(name, &commit).await?;
    }
    ensure!(uids(&world).await? == before);
    nothing_was_deleted(&world, &audit).await
}

#[tokio::test]
async fn inv_i06_another_namespace_takes_over_only_where_the_owner_allows_it() -> Result<()> {
    let world = World::new("near").await?;
    let far = World::new("far").await?;
    for object in account_with_role(&far.namespace, DEPLOYER, "admin") {
        if object["kind"] == "RoleBinding" {
            let mut there = object;
            there["metadata"] = json!({ "name": "far", "namespace": world.namespace });
            world.apply(&there).await?;
        }
    }
    let files = map_files("apps/a", &["a", "moved"]);
    deploy(&world, &borrowed(&files), &[("a", "apps/a", json!({}))]).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    far.repo
        .commit(&borrowed(&map_files("apps/b", &["moved"])), "Take it")?;
    far.repository(json!({})).await?;
    let there = json!({ "destination": { "namespace": world.namespace } });
    far.application("b", "apps/b", there).await?;
    far.wait_for_ours("Application", "b", "declared alike", |live| {
        objects::condition(live, "Ready").is_some()
    })
    .await?;
    let commit = world.repo.remove(&["apps/a/moved.yaml"], "Let go")?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Application", "a", "ClaimedElsewhere")
        .await?;
    ensure!(owner(&world, "moved").await? == "a");

    annotate(&world, "Application", "a", "syncline.dev/adopt", "allowed").await?;
    wait_for_owner(&world, "moved", "b").await?;
    world.wait_until_synced("a", &commit).await?;
    ensure!(uids(&world).await? == before);
    nothing_was_deleted(&world, &audit).await?;
    nothing_was_deleted(&far, &audit).await?;
    // It is the other's to prune.
    push(
        &far,
        &[("apps/b/more.yaml", &config_map("more", "1"))],
        "More",
    )
    .await?;
    far.repo.remove(&["apps/b/moved.yaml"], "Remove it")?;
    far.request("Repository", "config").await?;
    wait_for_value(&world, "moved", None).await?;
    only_deleted(&far, &audit, &["moved"]).await
}
