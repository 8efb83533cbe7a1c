//! Drift: what others change in the fields that Git names is put back, and only that.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::watch::Watch;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, objects, programs, wait_for};

use crate::deploy::{
    Person, config_map, deploy, deployed, deployed_at_least, deployment, ensure_says, message,
    push, value_of, wait_for_value,
};

/// A world with an application `web` of one ConfigMap `web`.
async fn with_config(name: &str, more: Value) -> Result<World> {
    let world = World::new(name).await?;
    let file = config_map("web", "1");
    deploy(
        &world,
        &[("apps/web/web.yaml", &file)],
        &[("web", "apps/web", more)],
    )
    .await?;
    Ok(world)
}

/// Runs the real kubectl in the world's namespace.
pub(crate) fn kubectl(world: &World, arguments: &[&str]) -> Result<()> {
    let out = Command::new(programs::control_plane("kubectl")?)
        .arg("--kubeconfig")
        .arg(world.control_plane().admin_kubeconfig())
        .args(["--namespace", &world.namespace])
        .args(arguments)
        .output()
        .context("run kubectl")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "kubectl {arguments:?}: {errors}");
    Ok(())
}

/// Waits for the history row of a repair, and answers with what it says of the drift.
pub(crate) async fn told(world: &World, person: &Person<'_>, field: &str) -> Result<Value> {
    let sync = person
        .wait_for_sync(world, "web", &format!("that put back {field}"), |sync| {
            sync["summary"]["cause"] == "drift"
                && sync["drift"].as_array().is_some_and(|all| {
                    all.iter()
                        .any(|drift| drift["fields"].to_string().contains(field))
                })
        })
        .await?;
    let all = sync["drift"].as_array().context("no drift")?;
    let one = all
        .iter()
        .find(|drift| drift["fields"].to_string().contains(field));
    Ok(one.context("no drift")?.clone())
}

#[tokio::test]
async fn a_scaled_deployment_is_put_back_and_the_history_names_kubectl() -> Result<()> {
    let world = World::new("scale").await?;
    let file = deployment("web");
    deploy(
        &world,
        &[("apps/web/web.yaml", &file)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let object = objects::reference("apps/v1", "Deployment", "web");
    let mut watch = Watch::open(&world.client, &object, &world.namespace).await?;
    kubectl(&world, &["scale", "deployment/web", "--replicas=5"])?;
    watch
        .until("five replicas", DEADLINE, |live| {
            live.is_some_and(|live| live["spec"]["replicas"] == 5)
        })
        .await?;
    watch
        .until("two replicas again", DEADLINE, |live| {
            live.is_some_and(|live| live["spec"]["replicas"] == 2)
        })
        .await?;
    let person = Person::sign_in(world.agent()).await?;
    let drift = told(&world, &person, "spec.replicas").await?;
    ensure_says(&drift["manager"].to_string(), &["kubectl"])?;
    ensure_says(&drift["object"].to_string(), &["Deployment", "web"])?;

    kubectl(
        &world,
        &[
            "set",
            "image",
            "deployment/web",
            "main=registry.example/evil:1",
        ],
    )?;
    wait_for("the image of Git", DEADLINE, async || {
        let live = world.get("apps/v1", "Deployment", "web").await?;
        let image = &live["spec"]["template"]["spec"]["containers"][0]["image"];
        ensure!(image == "registry.example/web:1", "it is {image}");
        Ok(())
    })
    .await?;
    let drift = told(&world, &person, "image").await?;
    ensure_says(&drift["manager"].to_string(), &["kubectl-set"])
}

#[tokio::test]
async fn a_restart_of_a_rollout_is_no_drift() -> Result<()> {
    let world = World::new("rollout").await?;
    let (file, other) = (deployment("web"), config_map("web", "1"));
    let files = [
        ("apps/web/web.yaml", file.as_str()),
        ("apps/web/other.yaml", other.as_str()),
    ];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    kubectl(&world, &["rollout", "restart", "deployment/web"])?;
    // Whatever was seen before this repair was seen.
    world
        .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
        .await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let live = world.get("apps/v1", "Deployment", "web").await?;
    let annotations = &live["spec"]["template"]["metadata"]["annotations"];
    ensure!(
        annotations["kubectl.kubernetes.io/restartedAt"].is_string(),
        "{live:#}"
    );
    Ok(())
}

#[tokio::test]
async fn an_edited_a_removed_and_a_deleted_thing_are_put_back() -> Result<()> {
    let world = with_config("edit", json!({})).await?;
    let person = Person::sign_in(world.agent()).await?;
    world
        .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
        .await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let drift = told(&world, &person, "data").await?;
    ensure!(
        drift["manager"] == "kubectl-edit" && drift["time"].is_string(),
        "{drift:#}"
    );

    world
        .edit(
            "v1",
            "ConfigMap",
            "web",
            &json!({ "data": { "key": null } }),
        )
        .await?;
    wait_for_value(&world, "web", Some("1")).await?;

    let uid = world.get("v1", "ConfigMap", "web").await?["metadata"]["uid"].clone();
    kubectl(&world, &["delete", "configmap/web"])?;
    wait_for_value(&world, "web", Some("1")).await?;
    let live = world.get("v1", "ConfigMap", "web").await?;
    ensure!(live["metadata"]["uid"] != uid, "it was not deleted");
    person
        .wait_for_sync(&world, "web", "that made it anew", |sync| {
            sync["summary"]["cause"] == "drift" && sync["summary"]["counts"]["created"] == 1
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn our_own_label_and_annotations_are_put_back() -> Result<()> {
    let removals = [
        json!({ "labels": { "syncline.dev/managed": null } }),
        json!({ "labels": { "syncline.dev/managed": "another" } }),
        json!({ "annotations": { "syncline.dev/owner": null } }),
        json!({ "annotations": { "syncline.dev/applied": null } }),
        json!({ "labels": null, "annotations": null }),
        json!({ "managedFields": [{}] }),
    ];
    let world = World::new("marks").await?;
    // An object each: repeated drift of one object is repaired slowly.
    let text = (0..removals.len()).map(|n| config_map(&format!("m{n}"), "1"));
    let text = text.collect::<Vec<_>>().join("---\n");
    let applications = [("web", "apps/web", json!({}))];
    deploy(&world, &[("apps/web/web.yaml", &text)], &applications).await?;
    for (n, removal) in removals.iter().enumerate() {
        let name = format!("m{n}");
        let before = world.get("v1", "ConfigMap", &name).await?["metadata"].clone();
        let change = json!({ "metadata": removal });
        world.edit("v1", "ConfigMap", &name, &change).await?;
        wait_for(&format!("{removal} to be put back"), DEADLINE, async || {
            let live = world.get("v1", "ConfigMap", &name).await?["metadata"].clone();
            for field in ["labels", "annotations"] {
                ensure!(live[field] == before[field], "{field} are {}", live[field]);
            }
            let managers = live["managedFields"].to_string();
            ensure!(managers.contains("\"syncline-"), "{live:#}");
            ensure!(live["uid"] == before["uid"]);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn without_self_heal_drift_is_only_reported() -> Result<()> {
    let world = with_config("report", json!({ "sync": { "selfHeal": false } })).await?;
    let audit = world.control_plane().audit().from_now()?;
    world
        .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
        .await?;
    let live = world
        .wait_for_reason("Application", "web", "DriftFound")
        .await?;
    ensure_says(&message(&live), &["web"])?;
    let writes = deployed(&world, &audit)?;
    ensure!(writes.is_empty(), "{writes:?}");
    ensure!(value_of(&world, "web").await?.as_deref() == Some("9"));

    // A commit writes what it changes, and no more.
    let second = config_map("second", "2");
    push(&world, &[("apps/web/second.yaml", &second)], "Add one").await?;
    wait_for_value(&world, "second", Some("2")).await?;
    let head = world.repo.head()?;
    world
        .wait_for_ours("Application", "web", "applied", |live| {
            let applied = live["status"]["lastAppliedRevision"].as_str();
            applied.is_some_and(|applied| applied.contains(&head))
        })
        .await?;
    world
        .wait_for_reason("Application", "web", "DriftFound")
        .await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("9"));

    world.request("Application", "web").await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}

#[tokio::test]
async fn what_others_add_beside_the_fields_of_git_is_no_drift() -> Result<()> {
    let world = World::new("foreign").await?;
    let (file, other) = (deployment("web"), config_map("web", "1"));
    let files = [
        ("apps/web/web.yaml", file.as_str()),
        ("apps/web/other.yaml", other.as_str()),
    ];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    let foreign =
        json!({ "metadata": { "labels": { "team": "a" }, "annotations": { "note": "b" } } });
    world.edit("v1", "ConfigMap", "web", &foreign).await?;
    world.edit("apps/v1", "Deployment", "web", &foreign).await?;
    // Another manager's status.
    world
        .apply(&json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": "web" },
            "status": { "observedGeneration": 1 },
        }))
        .await?;
    // Whatever was seen before this repair was seen.
    world
        .edit("v1", "ConfigMap", "web", &json!({ "data": { "key": "9" } }))
        .await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let writes = deployed_at_least(&world, &audit, 1).await?;
    ensure!(
        writes.len() == 1 && writes[0].object().resource == "configmaps",
        "more than the one repair: {writes:?}"
    );
    let live = world.get("v1", "ConfigMap", "web").await?;
    ensure!(live["metadata"]["labels"]["team"] == "a", "{live:#}");
    ensure!(live["metadata"]["annotations"]["note"] == "b", "{live:#}");
    Ok(())
}

#[tokio::test]
async fn two_writers_that_fight_over_a_field_slow_down() -> Result<()> {
    const ROUNDS: usize = 4;
    let world = with_config("fight", json!({})).await?;
    let audit = world.control_plane().audit().from_now()?;
    let object = objects::reference("v1", "ConfigMap", "web");
    let mut watch = Watch::open(&world.client, &object, &world.namespace).await?;
    let mut gaps = Vec::new();
    for round in 0..ROUNDS {
        let value = format!("other{round}");
        world
            .edit(
                "v1",
                "ConfigMap",
                "web",
                &json!({ "data": { "key": value } }),
            )
            .await?;
        let edited = watch
            .until("the other's value", DEADLINE, |live| {
                live.is_some_and(|live| live["data"]["key"] == value.as_str())
            })
            .await?;
        let repaired = watch
            .until("the value of Git", DEADLINE, |live| {
                live.is_some_and(|live| live["data"]["key"] == "1")
            })
            .await?;
        gaps.push(repaired - edited);
    }
    // At once, then after one, two and four seconds with the default settings; a little less is
    // seen where the event of the edit came late.
    for (gap, least) in gaps.iter().zip([0.0, 0.8, 1.6, 3.2]) {
        ensure!(
            *gap >= Duration::from_secs_f64(least),
            "repaired after {gaps:?}"
        );
    }
    let writes = deployed_at_least(&world, &audit, ROUNDS).await?;
    ensure!(
        writes.len() == ROUNDS,
        "{} writes for {ROUNDS} edits: {writes:?}",
        writes.len()
    );

    // A commit does not wait for the fight.
    let commit = push(
        &world,
        &[("apps/web/web.yaml", &config_map("web", "2"))],
        "Change",
    )
    .await?;
    world.wait_until_synced("web", &commit).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("2"));
    Ok(())
}
