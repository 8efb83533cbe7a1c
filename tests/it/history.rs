//! The agent with its history in PostgreSQL, and with a file that breaks.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::postgres::{Durability, Postgres};
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, wait_for};

use crate::deploy::{config_map, deploy, metric, push};
use crate::ui_session::Session;

/// Commits a value, the first one with the Application, and waits until it is synced.
async fn commit_and_wait(world: &World, value: &str) -> Result<String> {
    let map = config_map("a", value);
    let files = [("app/a.yaml", map.as_str())];
    if value == "1" {
        return deploy(world, &files, &[("app", "app", json!({}))]).await;
    }
    let commit = push(world, &files, &format!("Set {value}")).await?;
    world.wait_until_synced("app", &commit).await?;
    Ok(commit)
}

/// Waits until the newest syncs have these commits.
async fn wait_for_syncs(world: &World, session: &Session, commits: &[&String]) -> Result<()> {
    wait_for("the syncs in the history", DEADLINE, async || {
        let syncs = session.syncs(&world.namespace, "app").await?;
        for commit in commits {
            let of_commit = |sync: &&serde_json::Value| {
                sync["revision"]["commit"] == commit.as_str() && sync["result"] == "succeeded"
            };
            let found = syncs.iter().filter(of_commit).count();
            ensure!(found == 1, "{found} syncs of {commit}: {syncs:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn fault_f33_syncs_go_on_without_postgresql_and_are_in_its_history_when_it_is_back()
-> Result<()> {
    let server = Postgres::start(Durability::Full).await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("url");
    std::fs::write(&file, server.create("history").await?)?;
    server.stop()?;
    let flag = format!("--database-url-file={}", file.display());
    let world = World::alone("pg-history", Options::default(), |settings| {
        settings.flag(&flag)
    })
    .await?;
    let session = Session::open(world.agent()).await?;

    // Away from the start.
    let first = commit_and_wait(&world, "1").await?;
    let about = session.get("/api/v1/about").await?;
    ensure!(about["history"]["database"] == "PostgreSQL", "{about:#}");
    let notice = about["history"]["notice"].as_str().context("no notice")?;
    ensure!(notice.contains("/history"), "{notice}");
    wait_for("the alarm", DEADLINE, async || {
        let failing = metric(world.agent(), "syncline_history_failing", "").await?;
        ensure!(failing > 0.5, "it is {failing}");
        Ok(())
    })
    .await?;
    server.resume().await?;
    wait_for_syncs(&world, &session, &[&first]).await?;

    // Away in between.
    server.stop()?;
    let second = commit_and_wait(&world, "2").await?;
    server.resume().await?;
    wait_for_syncs(&world, &session, &[&first, &second]).await?;
    wait_for("the end of the alarm", DEADLINE, async || {
        let about = session.get("/api/v1/about").await?;
        ensure!(about["history"]["notice"].is_null(), "{about:#}");
        let failing = metric(world.agent(), "syncline_history_failing", "").await?;
        ensure!(failing < 0.5, "it is {failing}");
        Ok(())
    })
    .await?;
    let lost = metric(world.agent(), "syncline_history_dropped", "").await?;
    ensure!(lost < 0.5, "{lost} records were lost");

    // A restart finds all of it, and what was kept of the application: nothing is rendered.
    world.agent().terminate(DEADLINE)?;
    world.agent().restart().await?;
    let session = Session::open(world.agent()).await?;
    wait_for_syncs(&world, &session, &[&first, &second]).await?;
    ensure!(!world.agent().log().contains("p@ss/word") && !world.agent().log().contains("p%40ss"));
    Ok(())
}

#[tokio::test]
async fn fault_f34_a_history_that_is_damaged_under_the_agent_is_set_aside_with_an_alarm_and_syncs_go_on()
-> Result<()> {
    let world = World::alone("damaged-history", Options::default(), |settings| settings).await?;
    let session = Session::open(world.agent()).await?;
    let first = commit_and_wait(&world, "1").await?;
    wait_for_syncs(&world, &session, &[&first]).await?;
    let path = world.agent().data_folder().join("history.db");
    // The log is a file of its own, and may hold all there is: both are overwritten.
    for suffix in ["", "-wal"] {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        let length = std::fs::metadata(&name)?.len();
        let file = std::fs::OpenOptions::new().write(true).open(&name)?;
        let nothing = vec![0x5a; usize::try_from(length)?];
        std::os::unix::fs::FileExt::write_all_at(&file, &nothing, 0)?;
    }
    // What SQLite holds in memory may hide it for a while, but not from a sync and a reader.
    commit_and_wait(&world, "2").await?;
    wait_for("the damage to be seen", DEADLINE, async || {
        session.syncs(&world.namespace, "app").await?;
        let about = session.get("/api/v1/about").await?;
        let notice = about["history"]["notice"].as_str().context("no notice")?;
        ensure!(notice.contains("history.db.damaged-"), "{notice}");
        Ok(())
    })
    .await?;
    let third = commit_and_wait(&world, "3").await?;
    wait_for_syncs(&world, &session, &[&third]).await?;
    wait_for("the alarm", DEADLINE, async || {
        let damaged = metric(world.agent(), "syncline_history_damaged", "").await?;
        ensure!(damaged > 0.5, "it is {damaged}");
        Ok(())
    })
    .await?;
    world.agent().ensure_running()
}
