//! Objects that exist already come under an application, and what leaves Git then goes away.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;

use super::{deploy_web, file, helm, managers, wait_for_live, wait_until_applied};
use crate::deploy::{config_map, push, wait_for_value};
use crate::drift::kubectl;

const DOOR: (&str, &str, &str) = ("v1", "Service", "door");
const CLAIM: (&str, &str, &str) = ("v1", "PersistentVolumeClaim", "claim");
const WORK: (&str, &str, &str) = ("batch/v1", "Job", "work");
const MAP: (&str, &str, &str) = ("v1", "ConfigMap", "map");

/// A Service with a node port, a claim and a Job; `more` is a line of labels of each.
fn allocating(more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: door\n  labels:\n    app: web\n{more}\
         spec:\n  type: NodePort\n  selector:\n    app: web\n  ports:\n  - port: 80\n---\n\
         apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: claim\n  labels:\n    \
         app: web\n{more}spec:\n  storageClassName: \"\"\n  accessModes: [ReadWriteOnce]\n  \
         resources:\n    requests:\n      storage: 1Gi\n---\n\
         apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: work\n  labels:\n    app: web\n{more}\
         spec:\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      \
         - name: main\n        image: registry.example/work:1\n"
    )
}

fn create(world: &World, verb: &[&str], text: &str) -> Result<()> {
    let path = file(world, "objects.yaml", text)?;
    let path = path.to_string_lossy();
    let done = kubectl(world, &[verb, &["--filename", &path]].concat());
    std::fs::remove_file(path.as_ref())?;
    done
}

#[tokio::test]
async fn what_kubectl_created_comes_over_with_all_that_the_server_allocated() -> Result<()> {
    let world = World::new("created").await?;
    create(
        &world,
        &["create"],
        &allocating("    old: \"1\"\n    leaves: \"1\"\n"),
    )?;
    let bound = |live: &Value| live["spec"]["volumeName"].is_string();
    wait_for_live(&world, CLAIM, "bound", bound).await?;
    let mut before = Vec::new();
    for object in [DOOR, CLAIM, WORK] {
        let live = world.get(object.0, object.1, object.2).await?;
        ensure!(managers(&live).contains(&"kubectl-create"), "{live:#}");
        before.push(live);
    }
    let path = "apps/web/objects.yaml";
    let text = allocating("    leaves: \"1\"\n");
    world.repo.commit(&[(path, &text)], "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    let head = world.repo.head()?;
    wait_until_applied(&world, &head).await?;
    let labels = |live: &Value| live["metadata"]["labels"].clone();
    for (object, before) in [DOOR, CLAIM, WORK].iter().zip(&before) {
        let live = world.get(object.0, object.1, object.2).await?;
        ensure!(
            live["metadata"]["uid"] == before["metadata"]["uid"],
            "{live:#}"
        );
        ensure!(live["spec"] == before["spec"], "{live:#} was {before:#}");
        ensure!(!managers(&live).contains(&"kubectl-create"), "{live:#}");
        ensure!(labels(&live)["old"].is_null(), "{live:#}");
        ensure!(labels(&live)["leaves"] == "1", "{live:#}");
    }
    let commit = push(&world, &[(path, &allocating(""))], "Less").await?;
    wait_until_applied(&world, &commit).await?;
    for (object, before) in [DOOR, CLAIM, WORK].iter().zip(&before) {
        let live = world.get(object.0, object.1, object.2).await?;
        ensure!(labels(&live)["leaves"].is_null(), "{live:#}");
        ensure!(live["spec"] == before["spec"], "{live:#} was {before:#}");
    }
    Ok(())
}

/// The ConfigMap `map` with some keys.
fn with_keys(keys: &[&str]) -> String {
    let more = keys.iter().map(|key| format!("  {key}: \"1\"\n"));
    config_map("map", "1") + &more.collect::<String>()
}

/// Takes `map` over, which another tool made with the keys `leaves` and `old`: what Git does not
/// name goes now, and what leaves Git goes later.
async fn comes_over(world: &World, manager: &str) -> Result<()> {
    let before = world.get("v1", "ConfigMap", "map").await?;
    ensure!(managers(&before) == [manager], "{before:#}");
    let path = "apps/web/map.yaml";
    deploy_web(world, &[(path, &with_keys(&["leaves"]))], json!({})).await?;
    let live = world.get("v1", "ConfigMap", "map").await?;
    ensure!(
        live["metadata"]["uid"] == before["metadata"]["uid"],
        "{live:#}"
    );
    ensure!(
        live["data"] == json!({ "key": "1", "leaves": "1" }),
        "{live:#}"
    );
    ensure!(!managers(&live).contains(&manager), "{live:#}");
    let last_applied = "kubectl.kubernetes.io/last-applied-configuration";
    ensure!(
        live["metadata"]["annotations"][last_applied].is_null(),
        "{live:#}"
    );
    push(world, &[(path, &with_keys(&[]))], "Less").await?;
    wait_for_live(world, MAP, "without the key", |live| {
        live["data"] == json!({ "key": "1" })
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn what_kubectl_applied_on_the_client_comes_over() -> Result<()> {
    let world = World::new("client-side").await?;
    create(&world, &["apply"], &with_keys(&["old", "leaves"]))?;
    comes_over(&world, "kubectl-client-side-apply").await
}

#[tokio::test]
async fn what_kubectl_applied_on_the_server_comes_over() -> Result<()> {
    let world = World::new("server-side").await?;
    create(
        &world,
        &["apply", "--server-side"],
        &with_keys(&["old", "leaves"]),
    )?;
    comes_over(&world, "kubectl").await
}

#[tokio::test]
async fn a_release_of_helm_comes_over() -> Result<()> {
    let world = World::new("helm").await?;
    let chart = std::env::temp_dir().join(format!("{}-chart", world.namespace));
    std::fs::create_dir_all(chart.join("templates"))?;
    let head = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
    std::fs::write(chart.join("Chart.yaml"), head)?;
    std::fs::write(
        chart.join("templates/map.yaml"),
        with_keys(&["old", "leaves"]),
    )?;
    let path = chart.to_string_lossy();
    let installed = ["true", "false"].map(|server_side| {
        let release = format!("server-side-{server_side}");
        let flag = format!("--server-side={server_side}");
        (release, flag)
    });
    let (release, flag) = &installed[0];
    helm(&world, &["install", release, &path, flag])?;
    comes_over(&world, "helm").await?;

    // Its record goes as the documentation says, and nothing else with it.
    let record = format!("owner=helm,name={release}");
    kubectl(&world, &["delete", "secret", "--selector", &record])?;
    wait_for_value(&world, "map", Some("1")).await?;

    // A release that was applied on the client, as by Helm 3.
    let other = with_keys(&["old", "leaves"]).replace("name: map", "name: other");
    std::fs::write(chart.join("templates/map.yaml"), &other)?;
    let (release, flag) = &installed[1];
    helm(&world, &["install", release, &path, flag])?;
    std::fs::remove_dir_all(&chart)?;
    let in_git = config_map("other", "1");
    let commit = push(&world, &[("apps/web/other.yaml", &in_git)], "Adopt").await?;
    world.wait_until_synced("web", &commit).await?;
    let live = world.get("v1", "ConfigMap", "other").await?;
    ensure!(live["data"] == json!({ "key": "1" }), "{live:#}");
    Ok(())
}
