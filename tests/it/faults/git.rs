//! A Git server that is away or refuses: the last good commit holds, and is held.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::{Access, Fault, GitServer, World};

use super::{
    A_WHILE, crowd, file, impatient, nothing_is_deleted, spoiled_and_mended, wait_until_it_says,
    world,
};
use crate::deploy::{config_map, wait_for_value};
use crate::lifecycle_setup::turn;

/// Deploys an application `web` of one ConfigMap from a Git server of its own.
async fn deployed_from(git: &GitServer, world: &World) -> Result<syncline_tests::Repo> {
    let repo = git.create("own", Access::Open)?;
    let commit = repo.commit(&[("apps/web/c0.yaml", &config_map("c0", "1"))], "Start")?;
    let source = json!({ "url": repo.url(), "interval": "1s" });
    world.repository(source).await?;
    world.application("web", "apps/web", json!({})).await?;
    world.wait_until_synced("web", &commit).await?;
    Ok(repo)
}

#[tokio::test]
async fn fault_f01_while_the_git_server_is_away_its_last_commit_is_kept_and_held() -> Result<()> {
    let world = world("away").await?;
    let git = GitServer::start().await?;
    let repo = deployed_from(&git, &world).await?;
    let audit = world.control_plane().audit().from_now()?;
    git.go_down().await?;
    world
        .wait_for_reason("Repository", "config", "SourceUnavailable")
        .await?;
    spoiled_and_mended(&world, "c0").await?;
    git.come_back().await?;
    let commit = repo.commit(&[("apps/web/c0.yaml", &config_map("c0", "2"))], "Change")?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c0", Some("2")).await?;
    nothing_is_deleted(&world, &audit)
}

#[tokio::test]
async fn fault_f01_an_agent_that_starts_while_the_git_server_is_away_puts_drift_back() -> Result<()>
{
    let turn = turn().await?;
    let world = World::with_agent("restart", turn.control_plane, impatient).await?;
    let git = GitServer::start().await?;
    let repo = deployed_from(&git, &world).await?;
    let audit = world.control_plane().audit().from_now()?;
    world.agent().terminate(syncline_tests::world::DEADLINE)?;
    git.go_down().await?;
    super::spoil(&world, "c0").await?;
    world.agent().restart().await?;
    wait_for_value(&world, "c0", Some("1")).await?;
    spoiled_and_mended(&world, "c0").await?;
    world
        .wait_for_reason("Repository", "config", "SourceUnavailable")
        .await?;
    git.come_back().await?;
    let commit = repo.commit(&[("apps/web/c0.yaml", &config_map("c0", "2"))], "Change")?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c0", Some("2")).await?;
    nothing_is_deleted(&world, &audit)
}

#[tokio::test]
async fn fault_f04_a_git_server_that_refuses_the_credentials_is_asked_rarely_and_nothing_is_pruned()
-> Result<()> {
    let world = world("refused").await?;
    crowd(&world, 2).await?;
    let audit = world.control_plane().audit().from_now()?;
    let name = world.repo.name().to_owned();
    let commit = world.repo.remove(&[&file(1)], "Remove c1")?;
    for code in [401, 403] {
        world.git.set_fault(&name, Some(Fault::Status(code)));
        world.request("Repository", "config").await?;
        wait_until_it_says(&world, "Repository", "config", &["AuthFailed"]).await?;
        let before = world.git.requests(&name).len();
        tokio::time::sleep(A_WHILE / 3).await;
        let after = world.git.requests(&name).len();
        ensure!(after - before <= 2, "{} requests", after - before);
        spoiled_and_mended(&world, "c1").await?;
    }
    nothing_is_deleted(&world, &audit)?;
    world.git.set_fault(&name, None);
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c1", None).await
}
