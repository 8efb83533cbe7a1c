//! `selfHeal: false`, `conflicts: Fail`, and the pace of repairs against another writer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::watch::Watch;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, objects};

use super::{apply_as, wait_for_live, write_as, writes_to};
use crate::deploy::{
    Person, config_map, deploy, deployed, deployed_at_least, ensure_says, message, push,
    wait_for_value,
};
use crate::drift::kubectl;
use crate::lifecycle_setup::turn;

#[tokio::test]
async fn without_self_heal_drift_of_each_sort_waits_for_the_next_commit() -> Result<()> {
    let world = World::new("reported").await?;
    let names = ["changed", "added", "deleted"];
    let path = |name: &str| format!("apps/{name}/map.yaml");
    let files = names.map(|name| (path(name), config_map(name, "1")));
    let files = files
        .each_ref()
        .map(|(path, text)| (path.as_str(), text.as_str()));
    let reports = || json!({ "sync": { "selfHeal": false } });
    let applications = names.map(|name| (name, path(name).replace("/map.yaml", "")));
    let applications = applications
        .each_ref()
        .map(|(name, path)| (*name, path.as_str(), reports()));
    deploy(&world, &files, &applications).await?;

    let audit = world.control_plane().audit().from_now()?;
    let edits = [
        ("changed", json!({ "data": { "key": "9" } })),
        ("added", json!({ "data": { "more": "1" } })),
    ];
    for (name, change) in edits {
        world.edit("v1", "ConfigMap", name, &change).await?;
    }
    kubectl(&world, &["delete", "configmap/deleted"])?;
    for (name, what) in [
        ("changed", "data"),
        ("added", "data.more"),
        ("deleted", "gone"),
    ] {
        let live = world
            .wait_for_reason("Application", name, "DriftFound")
            .await?;
        ensure_says(&message(&live), &["ConfigMap", name, what])?;
    }
    let writes = deployed(&world, &audit)?;
    ensure!(writes.is_empty(), "{writes:?}");

    let newer = names.map(|name| (path(name), config_map(name, "2")));
    let newer = newer
        .each_ref()
        .map(|(path, text)| (path.as_str(), text.as_str()));
    let commit = push(&world, &newer, "Change all").await?;
    for name in names {
        world.wait_until_synced(name, &commit).await?;
        let live = world.get("v1", "ConfigMap", name).await?;
        ensure!(live["data"] == json!({ "key": "2" }), "{live:#}");
    }
    // What is known and left alone is not looked at again and again.
    let events = audit.events()?;
    let of_maps = events.iter().filter(|event| {
        let object = event.object();
        object.resource == "configmaps" && object.namespace == world.namespace
    });
    let count = of_maps.count();
    ensure!(count < 60, "{count} requests for three objects");
    Ok(())
}

#[tokio::test]
async fn with_conflicts_fail_a_field_of_another_writer_fails_its_object_and_no_other() -> Result<()>
{
    let world = World::new("conflict").await?;
    // What a person made of it is taken over, and what the rival holds is not.
    kubectl(
        &world,
        &["create", "configmap", "held", "--from-literal=old=1"],
    )?;
    let held = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "held" },
        "data": { "key": "rival" },
    });
    apply_as(&world, "rival", &held).await?;
    let before = world.get("v1", "ConfigMap", "held").await?;
    let (file, other) = (config_map("held", "1"), config_map("free", "1"));
    let files = [
        ("apps/web/held.yaml", file.as_str()),
        ("apps/web/free.yaml", &other),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let strict = json!({ "sync": { "conflicts": "Fail" } });
    world.application("web", "apps/web", strict).await?;
    let live = world
        .wait_for_reason("Application", "web", "FieldConflict")
        .await?;
    ensure_says(
        &message(&live),
        &["held", "\"rival\"", ".data.key", "apps/web/held.yaml"],
    )?;
    wait_for_value(&world, "free", Some("1")).await?;
    ensure!(
        world.get("v1", "ConfigMap", "held").await? == before,
        "it was written"
    );

    // The rival gives the field up.
    let mut nothing = held.clone();
    nothing["data"] = json!({ "rest": "1" });
    apply_as(&world, "rival", &nothing).await?;
    world.request("Application", "web").await?;
    let both = json!({ "key": "1", "rest": "1" });
    let map = ("v1", "ConfigMap", "held");
    wait_for_live(&world, map, "of both", |live| live["data"] == both).await?;
    Ok(())
}

#[tokio::test]
async fn inv_i14_a_fight_is_slowed_down_named_and_forgotten_when_it_ends() -> Result<()> {
    const ROUNDS: usize = 7;
    let turn = turn().await?;
    let world = World::with_agent("fight", turn.control_plane, |settings| {
        settings
            .flag("--retry-first=200ms")
            .flag("--retry-most=1s")
            .flag("--drift-calm=3s")
            .flag("--late-interval=200ms")
    })
    .await?;
    let map = config_map("web", "1");
    deploy(
        &world,
        &[("apps/web/web.yaml", &map)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let audit = world.control_plane().audit().from_now()?;
    let map = ("v1", "ConfigMap", "web");
    let object = objects::reference(map.0, map.1, map.2);
    let mut watch = Watch::open(&world.client, &object, &world.namespace).await?;
    let is = |value: String| {
        move |live: Option<&Value>| live.is_some_and(|live| live["data"]["key"] == value.as_str())
    };
    let begin = Instant::now();
    for round in 0..ROUNDS {
        let theirs = json!({ "data": { "key": format!("theirs{round}") } });
        write_as(&world, "rival-operator", map, &theirs).await?;
        watch
            .until("the rival's value", DEADLINE, is(format!("theirs{round}")))
            .await?;
        watch
            .until("the value of Git", DEADLINE, is("1".to_owned()))
            .await?;
    }
    // At once, then after 0.2, 0.4, 0.8, 1, 1 and 1 s; a little less is seen where the event of
    // the edit came late.
    let took = begin.elapsed();
    ensure!(
        took > Duration::from_secs_f64(4.4 * 0.8),
        "{ROUNDS} rounds in {took:?}"
    );
    let writes = deployed_at_least(&world, &audit, ROUNDS).await?;
    ensure!(writes.len() == ROUNDS, "{writes:?}");

    let fighting = world
        .wait_for_ours("Application", "web", "fighting", |live| {
            objects::find_condition(live, "Ready")
                .is_some_and(|ready| ready["reason"] == "Fighting")
        })
        .await?;
    ensure_says(&message(&fighting), &["web", "rival-operator"])?;
    let person = Person::sign_in(world.agent()).await?;
    person
        .wait_for_sync(&world, "web", "that names the rival", |sync| {
            sync["drift"].to_string().contains("rival-operator")
        })
        .await?;

    // It calms down by itself, and then repairs at once again.
    world
        .wait_for_ours("Application", "web", "calm", |live| {
            objects::find_condition(live, "Ready").is_some_and(|ready| ready["reason"] == "Synced")
        })
        .await?;
    let late = writes_to(&world, &audit, "web")?;
    ensure!(late.len() == ROUNDS, "{late:?}");
    world
        .edit(map.0, map.1, map.2, &json!({ "data": { "key": "9" } }))
        .await?;
    let edited = watch
        .until("the edit", DEADLINE, is("9".to_owned()))
        .await?;
    let repaired = watch
        .until("the repair", DEADLINE, is("1".to_owned()))
        .await?;
    let gap = repaired - edited;
    ensure!(gap < Duration::from_millis(900), "repaired after {gap:?}");
    Ok(())
}
