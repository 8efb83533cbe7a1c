//! A commit costs only the applications that it touches.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::{Audit, AuditEvent};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::secluded;
use crate::deploy::{Person, config_map, metric, push};
use crate::lifecycle_setup::turn;

const COUNT: usize = 10;

fn name(n: usize) -> String {
    format!("app-{n}")
}

/// Ten applications of one repository.
async fn ten(world: &World) -> Result<()> {
    let files: Vec<_> = (0..COUNT)
        .map(|n| {
            (
                format!("{}/map.yaml", name(n)),
                config_map(&format!("map-{n}"), "1"),
            )
        })
        .collect();
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    for n in 0..COUNT {
        world.application(&name(n), &name(n), json!({})).await?;
    }
    for n in 0..COUNT {
        world
            .wait_until_synced(&name(n), &world.repo.head()?)
            .await?;
    }
    Ok(())
}

/// How many syncs the history has of each application.
async fn rows(world: &World) -> Result<BTreeMap<String, usize>> {
    let person = Person::sign_in(world.agent()).await?;
    let mut rows = BTreeMap::new();
    for n in 0..COUNT {
        let syncs = person.syncs(world, &name(n)).await?;
        rows.insert(name(n), syncs.len());
    }
    Ok(rows)
}

/// What was written in the world's namespace by the agent or in its name, but for one application
/// and the Repository.
fn others(world: &World, since: &Audit, touched: &str) -> Result<Vec<AuditEvent>> {
    let mut writes = since.writes()?;
    writes.retain(|write| {
        let object = write.object();
        let own = ["repositories", "leases"].contains(&object.resource.as_str());
        let touched = [touched, &touched.replace("app", "map")].contains(&object.name.as_str())
            || object.name.starts_with(&format!("{touched}."));
        let by_us = write.user_agent.contains("syncline") || write.impersonated_user.is_some();
        object.namespace == world.namespace && by_us && !own && !touched
    });
    Ok(writes)
}

async fn until_known(world: &World, commit: &str) -> Result<Value> {
    world
        .wait_for_ours("Repository", "config", "at the commit", |live| {
            live["status"]["revision"]
                .as_str()
                .is_some_and(|it| it.contains(commit))
        })
        .await
}

#[tokio::test]
async fn inv_i14_a_commit_that_touches_one_application_of_ten_is_nothing_to_the_others()
-> Result<()> {
    let turn = turn().await?;
    let world = secluded("ten", turn.control_plane, |settings| settings).await?;
    ten(&world).await?;
    let agent = world.agent();
    let before = rows(&world).await?;
    let renders = metric(agent, "syncline_renders_total", "").await?;
    let audit = world.control_plane().audit().from_now()?;
    let text = config_map("map-3", "2");
    let commit = push(&world, &[("app-3/map.yaml", &text)], "Change one").await?;
    world.wait_until_synced("app-3", &commit).await?;
    // A commit that touches none.
    let commit = push(&world, &[("README.md", "Read me\n")], "Explain").await?;
    until_known(&world, &commit).await?;
    // What comes after it has to wait for whatever it began.
    let text = config_map("map-3", "3");
    let commit = push(&world, &[("app-3/map.yaml", &text)], "Change it again").await?;
    world.wait_until_synced("app-3", &commit).await?;
    until_known(&world, &commit).await?;

    let rendered = metric(agent, "syncline_renders_total", "").await? - renders;
    ensure!(
        (rendered - 2.0).abs() < 0.5,
        "{rendered} renders for two changes"
    );
    let writes = others(&world, &audit, "app-3")?;
    ensure!(writes.is_empty(), "untouched applications: {writes:#?}");
    let touched = |write: &AuditEvent| write.object().name == "map-3";
    let count = wait_for("both writes in the audit log", DEADLINE, async || {
        let count = audit
            .writes()?
            .iter()
            .filter(|write| touched(write))
            .count();
        ensure!(count >= 2, "{count} writes");
        Ok(count)
    })
    .await?;
    ensure!(count == 2, "{count} writes of two changes");
    let after = rows(&world).await?;
    for (name, count) in &before {
        let more = after.get(name).context("no rows")? - count;
        let wanted = if name == "app-3" { 2 } else { 0 };
        ensure!(more == wanted, "{name}: {more} new rows");
    }
    Ok(())
}
