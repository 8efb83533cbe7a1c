//! What was healthy and fails later: recorded with its time, as one row where it goes to and fro, and
//! no reason to apply anything.

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::{notes, wait_for_health};
use crate::deploy::{Person, deploy, deployed_at_least, deployment};

/// Writes whether all pods of the world are ready, as their kubelet would.
async fn pods_are_ready(world: &World, ready: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(world.client.clone(), &world.namespace);
    let patch = json!({ "status": { "conditions": [
        { "type": "Ready", "status": ready },
        { "type": "ContainersReady", "status": ready },
    ] } });
    let found = pods.list(&ListParams::default()).await?;
    ensure!(!found.items.is_empty(), "there are no pods");
    for pod in found {
        let name = pod.metadata.name.context("a pod without a name")?;
        let patch = Patch::Strategic(&patch);
        pods.patch_status(&name, &PatchParams::default(), &patch)
            .await?;
    }
    Ok(())
}

/// The changes of health that came by themselves.
async fn own_changes(person: &Person<'_>, world: &World) -> Result<Vec<Value>> {
    let path = format!("/applications/{}/web/health-changes", world.namespace);
    let list: Value = serde_json::from_str(&person.read(&path).await?)?;
    let items = list["items"].as_array().context("no list")?;
    let own = items.iter().filter(|change| change["sync"].is_null());
    Ok(own.cloned().collect())
}

/// Waits until there is one change that came by itself and counts as that many; answers with it.
async fn wait_for_change(person: &Person<'_>, world: &World, count: u32) -> Result<Value> {
    wait_for(&format!("one row of {count}"), DEADLINE, async || {
        let own = own_changes(person, world).await?;
        ensure!(own.len() == 1 && own[0]["changes"] == count, "{own:#?}");
        Ok(own[0].clone())
    })
    .await
}

#[tokio::test]
async fn a_failure_after_success_is_one_row_with_its_time_and_nothing_is_applied_again()
-> Result<()> {
    let world = World::new("health-change").await?;
    let audit = world.control_plane().audit().from_now()?;
    let file = deployment("web");
    let files = [("apps/web/web.yaml", file.as_str())];
    let commit = deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    let person = Person::sign_in(world.agent()).await?;
    let before = own_changes(&person, &world).await?;
    ensure!(before.is_empty(), "{before:#?}");

    let began = jiff::Timestamp::now();
    pods_are_ready(&world, "False").await?;
    let live = wait_for_health(&world, "Progressing", &["web", "0 of 2 replicas"]).await?;
    let change = wait_for_change(&person, &world, 1).await?;
    let time: jiff::Timestamp = change["time"].as_str().context("no time")?.parse()?;
    ensure!(time >= began && time <= jiff::Timestamp::now(), "{change}");
    ensure!(live["status"]["healthSince"].is_string(), "{live}");
    ensure!(
        change["before"] == "Healthy" && change["after"] == "Progressing",
        "{change}"
    );
    ensure!(change["commit"] == commit.as_str(), "{change}");
    ensure!(change["object"].as_str().is_some_and(|o| o.contains("web")));

    pods_are_ready(&world, "True").await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    wait_for_change(&person, &world, 2).await?;
    pods_are_ready(&world, "False").await?;
    wait_for_health(&world, "Progressing", &[]).await?;
    wait_for_change(&person, &world, 3).await?;
    pods_are_ready(&world, "True").await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    let change = wait_for_change(&person, &world, 4).await?;
    ensure!(
        change["before"] == "Healthy" && change["after"] == "Healthy",
        "{change}"
    );

    // The first sync wrote it, and nobody since.
    let writes = deployed_at_least(&world, &audit, 1).await?;
    ensure!(writes.len() == 1, "{writes:#?}");
    let said = notes(&world, "HealthChanged").await?;
    let own = said
        .iter()
        .filter(|note| note.contains("Healthy -> Progressing"));
    ensure!(own.count() == 1, "{said:?}");
    Ok(())
}

#[tokio::test]
async fn a_restart_of_the_agent_is_no_change_of_health() -> Result<()> {
    let turn = crate::lifecycle_setup::turn().await?;
    let world = World::with_agent("health-told", turn.control_plane, |settings| settings).await?;
    let file = deployment("web");
    let files = [("apps/web/web.yaml", file.as_str())];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    pods_are_ready(&world, "False").await?;
    let told = wait_for_health(&world, "Progressing", &["0 of 2 replicas"]).await?;
    let since = &told["status"]["healthSince"];
    let agent = world.agent();
    ensure!(agent.terminate(DEADLINE)?.success());
    agent.restart().await?;
    pods_are_ready(&world, "True").await?;
    let person = Person::sign_in(agent).await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    // The change of before the restart is a row of its own, and so is the one after it.
    let own = wait_for("both changes", DEADLINE, async || {
        let own = own_changes(&person, &world).await?;
        ensure!(own.len() == 2, "{own:#?}");
        Ok(own)
    })
    .await?;
    let (newer, older) = (&own[0], &own[1]);
    ensure!(
        newer["before"] == "Progressing" && newer["after"] == "Healthy",
        "{newer}"
    );
    ensure!(
        older["before"] == "Healthy" && older["after"] == "Progressing",
        "{older}"
    );
    let at: jiff::Timestamp = older["time"].as_str().context("no time")?.parse()?;
    let since: jiff::Timestamp = since.as_str().context("no time")?.parse()?;
    ensure!(at.as_second() == since.as_second(), "{at} {since}");
    Ok(())
}
