//! What a start does: nothing where all stands, whatever the database remembers.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::control_plane::audit::Audit;
use syncline_tests::world::DEADLINE;
use syncline_tests::{ControlPlane, World, wait_for};

use super::{history, secluded};
use crate::deploy::{config_map, deploy, deployed, metric, push, wait_for_value};
use crate::lifecycle_setup::turn;

const APPLICATIONS: [&str; 3] = ["a", "b", "c"];

/// Three applications of two objects each.
async fn three(name: &str, control_plane: &'static ControlPlane) -> Result<World> {
    let world = secluded(name, control_plane, |settings| settings).await?;
    let mut files = Vec::new();
    for name in APPLICATIONS {
        for n in [1, 2] {
            let map = format!("{name}{n}");
            files.push((format!("{name}/{map}.yaml"), config_map(&map, "1")));
        }
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let applications = APPLICATIONS.map(|name| (name, name, json!({})));
    deploy(&world, &files, &applications).await?;
    Ok(world)
}

/// Ends the agent, does something meanwhile, and starts it again. Answers with what was logged by
/// the API server since it came back, and once all start-up syncs have ended.
async fn away(world: &World, meanwhile: impl AsyncFnOnce() -> Result<()>) -> Result<Audit> {
    let agent = world.agent();
    ensure!(agent.terminate(DEADLINE)?.success());
    meanwhile().await?;
    let audit = world.control_plane().audit().from_now()?;
    agent.restart().await?;
    wait_for("all start-up syncs", DEADLINE, async || {
        agent.ensure_running()?;
        let ended = metric(agent, "syncline_syncs_total", "").await?;
        ensure!(ended >= 3.0, "{ended} ended");
        Ok(())
    })
    .await?;
    Ok(audit)
}

async fn renders(world: &World) -> Result<f64> {
    metric(world.agent(), "syncline_renders_total", "").await
}

/// The names of the objects that were written as the deployer, with how often.
fn written(world: &World, audit: &Audit) -> Result<BTreeMap<String, usize>> {
    let mut written = BTreeMap::new();
    for write in deployed(world, audit)? {
        *written.entry(write.object().name).or_default() += 1;
    }
    Ok(written)
}

#[tokio::test]
async fn a_start_renders_nothing_and_writes_nothing_but_finds_drift_and_commits_of_the_meantime()
-> Result<()> {
    let turn = turn().await?;
    let world = three("start", turn.control_plane).await?;
    let audit = away(&world, async || Ok(())).await?;
    let rendered = renders(&world).await?;
    ensure!(rendered < 0.5, "{rendered} renders");
    let mut writes = audit.writes()?;
    writes.retain(|write| {
        let own = write.user_agent.contains("syncline") || write.impersonated_user.is_some();
        own && write.object().resource != "leases"
            // An impersonated review of rights changes nothing.
            && !write.object().resource.ends_with("reviews")
    });
    ensure!(writes.is_empty(), "{writes:#?}");

    // Drift of the time without an agent.
    let audit = away(&world, async || {
        world
            .edit("v1", "ConfigMap", "a1", &json!({ "data": { "key": "9" } }))
            .await?;
        let map = syncline_tests::objects::reference("v1", "ConfigMap", "b1");
        syncline_tests::objects::delete(&world.client, &map, Some(&world.namespace)).await
    })
    .await?;
    wait_for_value(&world, "a1", Some("1")).await?;
    wait_for_value(&world, "b1", Some("1")).await?;
    let written_names: Vec<_> = written(&world, &audit)?.into_keys().collect();
    ensure!(written_names == ["a1", "b1"], "{written_names:?}");
    let rendered = renders(&world).await?;
    ensure!(
        rendered < 2.5,
        "{rendered} renders for two drifted applications"
    );

    // A commit of the time without an agent.
    let audit = away(&world, async || {
        world
            .repo
            .commit(&[("c/c1.yaml", &config_map("c1", "2"))], "Change")?;
        Ok(())
    })
    .await?;
    world.wait_until_synced("c", &world.repo.head()?).await?;
    wait_for_value(&world, "c1", Some("2")).await?;
    let rendered = renders(&world).await?;
    ensure!(
        (rendered - 1.0).abs() < 0.5,
        "{rendered} renders for one change"
    );
    let written = written(&world, &audit)?;
    ensure!(
        written == BTreeMap::from([("c1".to_owned(), 1)]),
        "{written:?}"
    );
    Ok(())
}

#[tokio::test]
async fn without_its_database_the_agent_renders_once_and_writes_only_what_differs() -> Result<()> {
    let turn = turn().await?;
    let world = three("lost", turn.control_plane).await?;
    let lose = || -> Result<()> {
        for end in ["", "-wal", "-shm"] {
            let file = format!("{}{end}", history::file(&world).display());
            match std::fs::remove_file(file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(())
    };
    let audit = away(&world, async || lose()).await?;
    let rendered = renders(&world).await?;
    ensure!(
        (rendered - 3.0).abs() < 0.5,
        "{rendered} renders of three applications"
    );
    let writes = written(&world, &audit)?;
    ensure!(writes.is_empty(), "{writes:?}");

    // A hash that differs, and a field that was lost.
    let audit = away(&world, async || {
        let old = json!({ "metadata": { "annotations": { "syncline.dev/applied": "0" } } });
        world.edit("v1", "ConfigMap", "a1", &old).await?;
        let lost = json!({ "data": { "key": null } });
        world.edit("v1", "ConfigMap", "b2", &lost).await?;
        lose()
    })
    .await?;
    wait_for_value(&world, "b2", Some("1")).await?;
    wait_for("the hash", DEADLINE, async || {
        let live = world.get("v1", "ConfigMap", "a1").await?;
        let applied = &live["metadata"]["annotations"]["syncline.dev/applied"];
        ensure!(applied != "0", "it is {applied}");
        Ok(())
    })
    .await?;
    let names: Vec<_> = written(&world, &audit)?.into_keys().collect();
    ensure!(names == ["a1", "b2"], "{names:?}");
    Ok(())
}

/// Lies that a database may tell, and what then stands in the cluster all the same.
const LIES: [&str; 6] = [
    "update kept_objects set applied = x'00112233445566778899aabbccddeeff' where name = 'a'",
    "update kept_objects set ours = x'00112233445566778899aabbccddeeff' where name = 'a'",
    "update kept_objects set uid = 'nobody', resource_version = '1' where name = 'b'",
    "delete from kept_objects where object_name = 'b1'",
    "update kept_objects set name = case name when 'a' then 'b' else 'a' end where name in ('a', 'b')",
    "update kept_applications set inputs = x'00112233445566778899aabbccddeeff'",
];

#[tokio::test]
async fn a_database_that_lies_hurts_nothing() -> Result<()> {
    let turn = turn().await?;
    let world = three("lies", turn.control_plane).await?;
    let mut value = 1;
    for lie in LIES {
        let audit = away(&world, async || {
            let rows = history::change(&world, lie).await?;
            ensure!(rows > 0, "{lie}: no row");
            Ok(())
        })
        .await?;
        // It still knows what each application wants, also what a commit removes or changes.
        value += 1;
        let (text, value) = (config_map("a1", &value.to_string()), value.to_string());
        let commit = push(&world, &[("a/a1.yaml", &text)], "Change").await?;
        world.wait_until_synced("a", &commit).await?;
        wait_for_value(&world, "a1", Some(&value)).await?;
        for name in ["a2", "b1", "b2", "c1", "c2"] {
            wait_for_value(&world, name, Some("1")).await?;
        }
        let deleted = deployed(&world, &audit)?;
        let deleted: Vec<_> = deleted
            .iter()
            .filter(|write| write.verb == "delete")
            .collect();
        ensure!(deleted.is_empty(), "{lie}: {deleted:#?}");
    }
    // Nothing was forgotten either.
    let commit = world.repo.remove(&["b/b1.yaml"], "Remove")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("b", &commit).await?;
    wait_for_value(&world, "b1", None).await
}
