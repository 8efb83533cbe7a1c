//! The agent ends, is killed, or loses its data: cluster and Git are enough.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, wait_for};

use super::{config_map, deploy, deployed, deployment, metric, value_of, wait_for_value};

#[tokio::test]
async fn neither_a_restart_nor_the_loss_of_its_data_makes_the_agent_write_a_workload() -> Result<()>
{
    let world = World::alone("restart", Options::default(), |settings| settings).await?;
    let (web, workload) = (config_map("web", "1"), deployment("web"));
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  token: hello\n";
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/web/secret.yaml", secret),
        ("apps/work/work.yaml", workload.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    world.application("work", "apps/work", json!({})).await?;
    let commit = world.repo.head()?;
    world.wait_until_synced("web", &commit).await?;
    // Without controllers a workload stays on its way.
    world
        .wait_for_ours("Application", "work", "applied", |live| {
            live["status"]["lastAppliedRevision"]
                .as_str()
                .is_some_and(|it| it.contains(&commit))
        })
        .await?;
    let agent = world.agent();
    for loses_data in [false, true] {
        let audit = world.control_plane().audit().from_now()?;
        ensure!(agent.terminate(DEADLINE)?.success());
        if loses_data {
            agent.lose_data()?;
        }
        agent.restart().await?;
        wait_for("both start-up syncs", DEADLINE, async || {
            agent.ensure_running()?;
            let ended = metric(agent, "syncline_syncs_total", "result=\"succeeded\"").await?;
            ensure!(ended >= 2.0, "{ended} ended");
            Ok(())
        })
        .await?;
        let writes = deployed(&world, &audit)?;
        ensure!(
            writes.is_empty(),
            "written after a start (data lost: {loses_data}): {writes:?}"
        );
        // It still looks after them.
        world
            .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
            .await?;
        wait_for_value(&world, "web", Some("1")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_commit_that_arrives_while_the_agent_is_away_is_applied_after_its_start() -> Result<()> {
    let world = World::alone("away", Options::default(), |settings| settings).await?;
    let files = [
        ("apps/web/web.yaml", config_map("web", "1")),
        ("apps/web/old.yaml", config_map("old", "1")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    ensure!(world.agent().terminate(DEADLINE)?.success());
    let commit = world.repo.replace(
        &["apps/web/old.yaml"],
        &[("apps/web/web.yaml", &config_map("web", "2"))],
        "Change",
    )?;
    world
        .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
        .await?;
    world.agent().restart().await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "web", Some("2")).await?;
    wait_for_value(&world, "old", None).await
}

const MANY: usize = 300;

#[tokio::test]
async fn an_agent_that_is_killed_in_a_big_sync_goes_on_where_it_was() -> Result<()> {
    let world = World::alone("killed", Options::default(), |settings| {
        // One at a time, so that the kill comes in the middle; a short lease, so that it goes on.
        settings
            .flag("--apply-concurrency=1")
            .flag("--lease-duration=4s")
            .flag("--lease-renew-deadline=3s")
            .flag("--lease-retry=500ms")
    })
    .await?;
    let file: Vec<_> = (0..MANY)
        .map(|n| config_map(&format!("c{n}"), "1"))
        .collect();
    let old = config_map("old", "1");
    deploy(
        &world,
        &[("apps/web/old.yaml", &old)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let commit = world.repo.replace(
        &["apps/web/old.yaml"],
        &[("apps/web/many.yaml", &file.join("---\n"))],
        "Many",
    )?;
    world.request("Repository", "config").await?;
    let maps = Api::<ConfigMap>::namespaced(world.client.clone(), &world.namespace);
    let ours = ListParams::default().labels("syncline.dev/managed");
    let uids = async || -> Result<BTreeMap<String, String>> {
        let list = maps.list_metadata(&ours).await?;
        let items = list.items.into_iter().map(|item| {
            let name = item.metadata.name.context("no name")?;
            Ok((name, item.metadata.uid.context("no uid")?))
        });
        items.collect()
    };
    wait_for("the sync to be in its middle", DEADLINE, async || {
        let count = uids().await?.len();
        ensure!(count > 20, "{count} objects");
        Ok(())
    })
    .await?;
    world.agent().kill()?;
    let before = uids().await?;
    ensure!(before.len() < MANY, "the sync was over before the kill");
    world.agent().restart().await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for("the prune", DEADLINE, async || {
        ensure!(
            value_of(&world, "old").await?.is_none(),
            "the removed object is still there"
        );
        Ok(())
    })
    .await?;
    let after = uids().await?;
    ensure!(after.len() == MANY, "{} objects", after.len());
    for (name, uid) in before.iter().filter(|(name, _)| *name != "old") {
        ensure!(
            after.get(name) == Some(uid),
            "{name} was deleted and made anew"
        );
    }
    Ok(())
}
