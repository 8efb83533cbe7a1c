//! Nothing is deleted without proof: what is pruned at once, and what waits for a person.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;

use super::{annotate, config_map, deploy, ensure_says, message, value_of, wait_for_value};

/// A world with an application of some ConfigMaps `c0`, `c1`, ... in a file each.
async fn crowd(name: &str, count: usize) -> Result<World> {
    let world = World::new(name).await?;
    let files: Vec<_> = (0..count)
        .map(|n| (file(n), config_map(&format!("c{n}"), "1")))
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    Ok(world)
}

fn file(n: usize) -> String {
    format!("apps/web/c{n}.yaml")
}

/// Removes the files of the first few of a crowd.
async fn remove(world: &World, count: usize, message: &str) -> Result<String> {
    let files: Vec<_> = (0..count).map(file).collect();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let commit = world.repo.remove(&files, message)?;
    world.request("Repository", "config").await?;
    Ok(commit)
}

fn plan_hash(live: &Value) -> Result<String> {
    let hash = live["status"]["planHash"].as_str();
    Ok(hash.context("the status has no plan hash")?.to_owned())
}

async fn are_there(world: &World, count: usize) -> Result<()> {
    for n in 0..count {
        ensure!(
            value_of(world, &format!("c{n}")).await?.is_some(),
            "c{n} is gone"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_object_whose_file_is_removed_is_pruned_and_no_other() -> Result<()> {
    let world = crowd("removed", 3).await?;
    // Somebody else's object, and one that is ours by its label only.
    for labels in [json!({}), json!({ "syncline.dev/managed": "somebody" })] {
        let name = format!(
            "foreign{}",
            labels.as_object().map_or(0, serde_json::Map::len)
        );
        let metadata = json!({ "name": name, "labels": labels });
        world
            .apply(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata }))
            .await?;
    }
    let commit = remove(&world, 1, "Remove c0").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c0", None).await?;
    for name in ["c1", "c2", "foreign0", "foreign1"] {
        ensure!(
            world.exists("v1", "ConfigMap", name).await?,
            "{name} is gone"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_empty_path_is_held_until_the_plan_is_approved() -> Result<()> {
    let world = crowd("empty", 2).await?;
    world.repo.replace(
        &[&file(0), &file(1)],
        &[("apps/web/README.md", "Empty\n")],
        "Empty it",
    )?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "web", "EmptyPath")
        .await?;
    let hash = plan_hash(&live)?;
    ensure_says(&message(&live), &[&hash])?;
    are_there(&world, 2).await?;

    annotate(
        &world,
        "Application",
        "web",
        "syncline.dev/approve",
        "another",
    )
    .await?;
    world.request("Application", "web").await?;
    are_there(&world, 2).await?;
    annotate(&world, "Application", "web", "syncline.dev/approve", &hash).await?;
    wait_for_value(&world, "c0", None).await?;
    wait_for_value(&world, "c1", None).await
}

#[tokio::test]
async fn the_removal_of_more_than_half_is_held_until_the_plan_is_approved() -> Result<()> {
    let world = crowd("half", 9).await?;
    remove(&world, 6, "Remove six").await?;
    let live = world
        .wait_for_reason("Application", "web", "PruneHeld")
        .await?;
    let hash = plan_hash(&live)?;
    ensure_says(&message(&live), &["6 of 9", &hash])?;
    are_there(&world, 9).await?;

    // Another plan needs another approval.
    world.repo.remove(&[&file(6)], "Remove one more")?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_ours("Application", "web", "held with another plan", |live| {
            plan_hash(live).is_ok_and(|other| other != hash)
        })
        .await?;
    annotate(&world, "Application", "web", "syncline.dev/approve", &hash).await?;
    world.request("Application", "web").await?;
    are_there(&world, 9).await?;
    annotate(
        &world,
        "Application",
        "web",
        "syncline.dev/approve",
        &plan_hash(&live)?,
    )
    .await?;
    for n in 0..7 {
        wait_for_value(&world, &format!("c{n}"), None).await?;
    }
    let live = world.wait_until_synced("web", &world.repo.head()?).await?;
    ensure!(live["status"]["planHash"].is_null(), "{:#}", live["status"]);
    ensure!(value_of(&world, "c8").await?.is_some());
    Ok(())
}

#[tokio::test]
async fn a_commit_approves_its_own_removals_by_a_trailer() -> Result<()> {
    let world = crowd("trailer", 8).await?;
    let commit = remove(&world, 6, "Remove six\n\nSyncline-Prune: web").await?;
    world.wait_until_synced("web", &commit).await?;
    for n in 0..6 {
        ensure!(
            value_of(&world, &format!("c{n}")).await?.is_none(),
            "c{n} is still there"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_later_empty_commit_approves_what_is_held() -> Result<()> {
    let world = crowd("later", 8).await?;
    remove(&world, 6, "Remove six").await?;
    world
        .wait_for_reason("Application", "web", "PruneHeld")
        .await?;
    // For another application: approves nothing here.
    for application in ["other", "web"] {
        are_there(&world, 8).await?;
        let message = format!("Approve it\n\nSyncline-Prune: {application}");
        world
            .repo
            .git(&["commit", "--quiet", "--allow-empty", "--message", &message])?;
        world
            .repo
            .git(&["push", "--quiet", "origin", "HEAD:main"])?;
        world.request("Repository", "config").await?;
        let head = world.repo.head()?;
        world
            .wait_for_ours("Repository", "config", "fetched", |live| {
                live["status"]["revision"]
                    .as_str()
                    .is_some_and(|revision| revision.contains(&head))
            })
            .await?;
    }
    for n in 0..6 {
        wait_for_value(&world, &format!("c{n}"), None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_holds_data_is_not_removed_without_approval() -> Result<()> {
    let world = World::new("data").await?;
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: disk\nspec:\n  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      storage: 1Gi\n";
    let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata:\n  name: db\nspec:\n  serviceName: db\n  replicas: 0\n  selector:\n    matchLabels: {app: db}\n  template:\n    metadata:\n      labels: {app: db}\n    spec:\n      containers:\n      - {name: db, image: \"registry.example/db:1\"}\n";
    let (keep, go) = (config_map("keep", "1"), config_map("go", "1"));
    let files = [
        ("apps/web/claim.yaml", claim),
        ("apps/web/set.yaml", set),
        ("apps/web/keep.yaml", keep.as_str()),
        ("apps/web/go.yaml", go.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    // A claim without a pod may wait for its volume; that is not the question here.
    wait_for_value(&world, "keep", Some("1")).await?;
    wait_for_value(&world, "go", Some("1")).await?;
    world
        .wait_for_ours("Application", "web", "applied", |live| {
            live["status"]["lastAppliedRevision"].is_string()
        })
        .await?;
    world.repo.remove(
        &[
            "apps/web/claim.yaml",
            "apps/web/set.yaml",
            "apps/web/go.yaml",
        ],
        "Remove",
    )?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "web", "PruneHeld")
        .await?;
    let hash = plan_hash(&live)?;
    ensure_says(&message(&live), &[&hash])?;
    // What holds no data goes.
    wait_for_value(&world, "go", None).await?;
    ensure!(world.exists("v1", "PersistentVolumeClaim", "disk").await?);
    ensure!(world.exists("apps/v1", "StatefulSet", "db").await?);
    let live = world
        .wait_for_ours("Application", "web", "held", |live| {
            live["status"]["planHash"].is_string()
        })
        .await?;
    let hash = plan_hash(&live)?;
    annotate(&world, "Application", "web", "syncline.dev/approve", &hash).await?;
    syncline_tests::wait_for(
        "the approved removal",
        syncline_tests::world::DEADLINE,
        async || {
            for (api_version, kind, name) in [
                ("v1", "PersistentVolumeClaim", "disk"),
                ("apps/v1", "StatefulSet", "db"),
            ] {
                ensure!(
                    !world.exists(api_version, kind, name).await?,
                    "{name} is still there"
                );
            }
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn prune_can_be_switched_off_for_an_application_and_for_an_object() -> Result<()> {
    let world = World::new("keep").await?;
    let never = config_map("never", "1").replace(
        "  name: never\n",
        "  name: never\n  annotations:\n    syncline.dev/prune: never\n",
    );
    let (off, stays, go) = (
        config_map("kept", "1"),
        config_map("stays", "1"),
        config_map("go", "1"),
    );
    let files = [
        ("apps/off/kept.yaml", off.as_str()),
        ("apps/off/stays.yaml", stays.as_str()),
        ("apps/web/never.yaml", never.as_str()),
        ("apps/web/go.yaml", go.as_str()),
        ("apps/web/stays2.yaml", &config_map("stays2", "1")),
    ];
    let off = json!({ "sync": { "prune": false } });
    deploy(
        &world,
        &files,
        &[("off", "apps/off", off), ("web", "apps/web", json!({}))],
    )
    .await?;
    let commit = world.repo.remove(
        &[
            "apps/off/kept.yaml",
            "apps/web/never.yaml",
            "apps/web/go.yaml",
        ],
        "Remove",
    )?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("off", &commit).await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "go", None).await?;
    ensure!(
        value_of(&world, "kept").await?.is_some(),
        "`prune: false` was not heard"
    );
    ensure!(
        value_of(&world, "never").await?.is_some(),
        "`prune: never` was not heard"
    );
    Ok(())
}
