//! The newest commit wins, and nothing starves.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::{states_since, turn, version_now};
use crate::deploy::{config_map, deploy, push, value_of};

const OBJECTS: usize = 24;
const FILE: &str = "apps/web/maps.yaml";

/// All objects with one value.
fn content(value: usize) -> String {
    let maps: Vec<_> = (0..OBJECTS)
        .map(|n| config_map(&format!("c{n:02}"), &value.to_string()))
        .collect();
    maps.join("---\n")
}

/// The commits that the syncs of the application were of, oldest first, with their results.
async fn results(world: &World) -> Result<Vec<(String, String)>> {
    let person = crate::deploy::Person::sign_in(world.agent()).await?;
    let syncs = person.syncs(world, "web").await?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = syncs.iter().rev().map(|sync| {
        (
            text(&sync["summary"]["revision"]["commit"]),
            text(&sync["summary"]["result"]),
        )
    });
    Ok(all.collect())
}

#[tokio::test]
async fn a_slow_sync_gives_way_to_a_newer_commit_three_times_and_not_for_ever() -> Result<()> {
    let turn = turn().await?;
    let slow = |settings: syncline_tests::AgentSettings| settings.flag("--apply-concurrency=1");
    let world = turn.world("newest", slow).await?;
    deploy(
        &world,
        &[(FILE, &content(0))],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let version = version_now(&world).await?;
    super::restart_with(&world, "apply.before=sleep(60)").await?;
    // Each commit comes while the sync of the one before is in its middle.
    let mut commits = Vec::new();
    for number in 1..=5 {
        commits.push(
            push(
                &world,
                &[(FILE, &content(number))],
                &format!("Number {number}"),
            )
            .await?,
        );
        let first = number.to_string();
        wait_for("the sync to be in its middle", DEADLINE, async || {
            // The fourth sync is let to its end, so the fifth commit begins after it.
            let value = value_of(&world, "c01").await?.context("it is gone")?;
            ensure!(value == first, "c01 is {value}");
            Ok(())
        })
        .await?;
    }
    world.wait_until_synced("web", &commits[4]).await?;
    let states = states_since(&world, &version, |states| {
        let is_last = |n: usize| {
            let states = states.get(&format!("c{n:02}"));
            states
                .and_then(|states| states.last())
                .is_some_and(|(_, data)| data["key"] == "5")
        };
        (0..OBJECTS).all(is_last)
    })
    .await?;
    let mut written = vec![0; 6];
    for (name, states) in &states {
        let mut before = 0;
        for (_, data) in states {
            let number: usize = data["key"].parse()?;
            ensure!(
                number >= before,
                "{name} went from {before} back to {number}"
            );
            before = number;
            written[number] += 1;
        }
    }
    for (number, count) in written.iter().enumerate().take(4).skip(1) {
        ensure!(
            *count < OBJECTS,
            "number {number} did not give way: {written:?}"
        );
    }
    ensure!(
        written[4] == OBJECTS && written[5] == OBJECTS,
        "not let to its end: {written:?}"
    );
    let results = results(&world).await?;
    for (commit, result) in commits.iter().zip([
        "superseded",
        "superseded",
        "superseded",
        "succeeded",
        "succeeded",
    ]) {
        let found = results
            .iter()
            .find(|(id, _)| id == commit)
            .with_context(|| format!("{results:?}"))?;
        ensure!(found.1 == result, "{found:?} is not {result}: {results:?}");
    }
    Ok(())
}
