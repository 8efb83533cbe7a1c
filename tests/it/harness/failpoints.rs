//! Failpoints: they end the agent of the tests, are documented, and are in no release.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;
use serde_json::json;
use syncline_tests::World;
use syncline_tests::programs::repository_root;
use syncline_tests::world::DEADLINE;

use crate::lifecycle_setup::turn;

const SIGABRT: i32 = 6;

#[tokio::test]
async fn a_failpoint_ends_the_agent_on_the_pass_that_it_names_and_a_new_start_goes_on() -> Result<()>
{
    let turn = turn().await?;
    let world = World::with_agent("failpoint", turn.control_plane, |settings| settings).await?;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first}\n";
    let first = world.repo.commit(&[("app/map.yaml", map)], "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &first).await?;

    // Repositories that other tests left behind would pass the point as well.
    let alone = format!("--watch-namespace={}", world.namespace);
    ensure!(world.agent().terminate(DEADLINE)?.success());
    let armed = world.agent().settings().flag(&alone);
    world
        .agent()
        .start_again(armed.failpoints("fetch.done=1*off->1*return(kill)"))
        .await?;
    let second = world.repo.commit(
        &[("app/map.yaml", &map.replace("first", "second"))],
        "Rename",
    )?;
    world.request("Repository", "config").await?;
    let status = world.agent().wait_until_ended(DEADLINE).await?;
    ensure!(
        status.signal() == Some(SIGABRT),
        "it ended with {status}, not at once"
    );
    ensure!(!world.exists("v1", "ConfigMap", "second").await?);

    let settings = world.agent().settings().without_failpoints();
    world.agent().start_again(settings).await?;
    world.wait_until_synced("app", &second).await?;
    ensure!(world.exists("v1", "ConfigMap", "second").await?);
    Ok(())
}

#[tokio::test]
async fn a_failpoint_makes_a_step_fail_for_the_reason_that_it_names() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("failpoint-error", turn.control_plane, |settings| {
        settings.failpoints("fetch.start=return(RedirectRefused)")
    })
    .await?;
    world.repo.commit(&[("app/a.txt", "a")], "Start")?;
    world.repository(json!({})).await?;
    world
        .wait_for_reason("Repository", "config", "RedirectRefused")
        .await?;
    world.agent().terminate(DEADLINE)?;
    let settings = world.agent().settings().without_failpoints();
    world.agent().start_again(settings).await?;
    world
        .wait_for_ours("Repository", "config", "fetched", |live| {
            live["status"]["revision"].is_string()
        })
        .await?;
    Ok(())
}

#[test]
fn a_release_is_built_without_failpoints() -> Result<()> {
    let root = repository_root();
    let dockerfile = std::fs::read_to_string(root.join("deploy/Dockerfile"))?;
    let builds: Vec<&str> = dockerfile
        .lines()
        .filter(|line| line.contains("cargo build"))
        .collect();
    ensure!(!builds.is_empty(), "the Dockerfile builds no agent");
    for line in &builds {
        ensure!(line.contains("--release"), "{line} is no release");
    }
    ensure!(
        !dockerfile.contains("feature") && !dockerfile.contains("failpoints"),
        "the Dockerfile names a feature"
    );
    let manifest = std::fs::read_to_string(root.join("agent/Cargo.toml"))?;
    ensure!(
        !Regex::new(r"(?m)^default\s*=")?.is_match(&manifest),
        "the agent has default features"
    );
    ensure!(
        Regex::new(r"(?m)^fail = .*optional = true")?.is_match(&manifest),
        "the library of the failpoints is not optional"
    );
    Ok(())
}

#[test]
fn every_failpoint_in_the_code_is_documented_and_the_other_way_round() -> Result<()> {
    let root = repository_root();
    let mut placed = BTreeSet::new();
    let call = Regex::new(r#"failpoint::(?:reached|check)\(\s*"([^"]+)""#)?;
    look_through(&root.join("agent"), &mut |text| {
        placed.extend(call.captures_iter(text).map(|found| found[1].to_owned()));
    })?;
    let page = std::fs::read_to_string(root.join("docs/failpoints.md"))?;
    let table = page.split("## Points").nth(1).context("no table")?;
    let documented: BTreeSet<String> = Regex::new(r"(?m)^\| `([^`]+)` \|")?
        .captures_iter(table)
        .map(|found| found[1].to_owned())
        .collect();
    ensure!(!placed.is_empty(), "no failpoint found");
    ensure!(
        placed == documented,
        "in the code: {placed:?}; in docs/failpoints.md: {documented:?}"
    );
    Ok(())
}

fn look_through(folder: &Path, see: &mut impl FnMut(&str)) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            look_through(&path, see)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
