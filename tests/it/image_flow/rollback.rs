//! Commits that take commits back: by a person's command, and after a rollout that failed.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::{proved, running};
use crate::deploy::{deployment, ensure_says, push};
use crate::render_cli::syncline;

async fn rollback(world: &World, arguments: &[&str]) -> Result<Output> {
    let kubeconfig = world
        .control_plane()
        .admin_kubeconfig()
        .display()
        .to_string();
    let web = format!("{}/web", world.namespace);
    let mut all = vec![
        "rollback".to_owned(),
        web,
        "--kubeconfig".to_owned(),
        kubeconfig,
    ];
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    let run = move || {
        let arguments: Vec<&str> = all.iter().map(String::as_str).collect();
        syncline(Path::new("/"), &arguments)
    };
    tokio::task::spawn_blocking(run).await?
}

#[tokio::test]
async fn a_person_rolls_an_application_back_and_the_tag_is_held() -> Result<()> {
    let (images, start) = running("rollback", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    let update = images.updates()?[0].id.clone();
    world.wait_until_synced("web", &update).await?;
    // A commit that does not concern it stays.
    let other = push(world, &[("README.md", "Read me.\n")], "Say more").await?;

    let out = rollback(world, &["--reason", "the checkout is slow"]).await?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(out.status.code() == Some(2), "without a terminal: {said}");
    ensure_says(&said, &[&update[..7], "app/web.yaml", "--yes"])?;
    ensure!(world.repo.head()? == other, "it was done without a yes");

    let out = rollback(world, &["--reason", "the checkout is slow", "--yes"]).await?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(out.status.success(), "{said}");
    let commit = String::from_utf8(out.stdout)?.trim().to_owned();
    ensure!(world.repo.head()? == commit, "{commit} is not the tip");
    let log = world.repo.log()?;
    let message = &log.first().context("no commit")?.message;
    let trailer = format!("Syncline-Reverts: {update}");
    ensure_says(message, &["the checkout is slow", &trailer])?;
    ensure!(images.numstat(&commit)? == "1\t1\tapp/web.yaml\n");
    let before = world.repo.read(&start, "app/web.yaml")?;
    ensure!(world.repo.read("main", "app/web.yaml")? == before);
    world.wait_until_synced("web", &commit).await?;

    world.request("ImagePolicy", "web").await?;
    let message = images.wait_for_refusal("TagHeld").await?;
    ensure_says(&message, &["1.1.0"])?;
    ensure!(world.repo.head()? == commit, "it was written again");

    let out = rollback(world, &["--to", &commit, "--reason", "nothing", "--yes"]).await?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(out.status.code() == Some(1), "{said}");
    ensure_says(&said, &["no commit to revert"])?;
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_fails_is_reverted_once_and_the_revert_is_deployed() -> Result<()> {
    let images = crate::image_setup::Images::new("rollback-fails", &["1.0.0"]).await?;
    let world = &images.world;
    let good = deployment("web");
    let labels = "      labels:\n        app: web\n    spec:";
    let bad = good.replace(
        labels,
        "      labels:\n        app: web\n      annotations:\n        syncline.test/play: hang\n    spec:",
    );
    ensure!(good != bad);
    let start = world.repo.commit(&[("app/web.yaml", &good)], "Start")?;
    images.writable().await?;
    let sync = json!({ "sync": { "timeout": "20s", "onFailure": "Revert" } });
    world.application("web", "app", sync).await?;
    world.wait_until_synced("web", &start).await?;

    let broken = push(world, &[("app/web.yaml", &bad)], "Break the web").await?;
    let revert = wait_for("the revert", DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = world.ours("Application", "web").await?;
        let rollback = &live["status"]["rollback"];
        ensure!(rollback["reason"] == "RolledBack", "{:#}", live["status"]);
        let commit = rollback["commit"].as_str().context("no commit")?;
        Ok(commit.to_owned())
    })
    .await?;
    let log = world.repo.log()?;
    let trailer = format!("Syncline-Reverts: {broken}");
    ensure_says(&log.first().context("no commit")?.message, &[&trailer])?;
    ensure!(log.len() == 3, "{log:#?}");
    ensure!(world.repo.read("main", "app/web.yaml")? == good);
    world.wait_until_synced("web", &revert).await?;
    ensure!(world.repo.head()? == revert, "something else was committed");
    Ok(())
}
