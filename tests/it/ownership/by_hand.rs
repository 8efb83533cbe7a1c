//! What people change by hand: what is removed again, and what is left alone.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;

use super::{all_was_seen, apply_as, deploy_web, managers, wait_for_live, write_as, writes_to};
use crate::deploy::{
    Person, config_map, deployed_at_least, deployment, ensure_says, push, wait_for_value,
};
use crate::drift::kubectl;

/// A kind of any content, and the deployer's right to it.
async fn define_widgets(world: &World) -> Result<()> {
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let schema = json!({ "type": "object", "properties": { "spec": any } });
    let group = "ownership.example.com";
    let names = json!({ "plural": "widgets", "singular": "widget", "kind": "Widget" });
    world
        .apply(&json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("widgets.{group}") },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": names,
                "versions": [{
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "schema": { "openAPIV3Schema": schema },
                }],
            },
        }))
        .await?;
    super::allow(world, group, "widgets").await
}

fn main_container(live: &Value) -> &Value {
    &live["spec"]["template"]["spec"]["containers"][0]
}

#[tokio::test]
async fn what_people_add_by_hand_is_removed_and_the_history_says_who_added_what() -> Result<()> {
    let world = World::new("added").await?;
    define_widgets(&world).await?;
    let workloads = ["sidecar", "command", "variable"]
        .map(deployment)
        .join("---\n");
    let map = config_map("map", "1");
    let widget = "apiVersion: ownership.example.com/v1\nkind: Widget\nmetadata:\n  name: widget\n\
                  spec:\n  size: 1\n";
    let files = [
        ("apps/web/workloads.yaml", workloads.as_str()),
        ("apps/web/map.yaml", &map),
        ("apps/web/widget.yaml", widget),
    ];
    deploy_web(&world, &files, json!({})).await?;

    let pod = |container: Value| {
        json!({ "spec": { "template": { "spec": { "containers": [container] } } } }).to_string()
    };
    for (name, container) in [
        (
            "sidecar",
            json!({ "name": "helper", "image": "registry.example/helper:1" }),
        ),
        ("command", json!({ "name": "main", "command": ["sleep"] })),
        (
            "variable",
            json!({ "name": "main", "env": [{ "name": "DEBUG", "value": "1" }] }),
        ),
    ] {
        let object = format!("deployment/{name}");
        kubectl(&world, &["patch", &object, "--patch", &pod(container)])?;
    }
    let map = ("v1", "ConfigMap", "map");
    let widget = ("ownership.example.com/v1", "Widget", "widget");
    let more = json!({ "data": { "more": "1" } });
    world.edit(map.0, map.1, map.2, &more).await?;
    let colour = json!({ "spec": { "colour": "red" } });
    world.edit(widget.0, widget.1, widget.2, &colour).await?;

    let workload = |name| ("apps/v1", "Deployment", name);
    wait_for_live(&world, workload("sidecar"), "without a sidecar", |live| {
        live["spec"]["template"]["spec"]["containers"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
    })
    .await?;
    wait_for_live(&world, workload("command"), "without a command", |live| {
        main_container(live)["command"].is_null()
    })
    .await?;
    wait_for_live(
        &world,
        workload("variable"),
        "without the variable",
        |live| main_container(live)["env"].is_null(),
    )
    .await?;
    wait_for_live(&world, map, "without the key", |live| {
        live["data"] == json!({ "key": "1" })
    })
    .await?;
    wait_for_live(&world, widget, "without the key", |live| {
        live["spec"] == json!({ "size": 1 })
    })
    .await?;

    let person = Person::sign_in(world.agent()).await?;
    for (field, manager, object) in [
        ("containers[helper]", "kubectl-patch", "sidecar"),
        ("containers[main].command", "kubectl-patch", "command"),
        ("containers[main].env", "kubectl-patch", "variable"),
        ("data.more", "kubectl-edit", "map"),
        ("spec.colour", "kubectl-edit", "widget"),
    ] {
        // A repair that is cut off between its two writes is told of twice, so any row will do.
        let is_told = |drift: &Value| {
            drift["fields"].to_string().contains(field)
                && drift["manager"] == manager
                && drift["time"].is_string()
                && drift["object"].to_string().contains(object)
        };
        person
            .wait_for_sync(&world, "web", &format!("that tells of {field}"), |sync| {
                sync["drift"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(is_told))
            })
            .await?;
    }
    let sync = person
        .wait_for_sync(&world, "web", "that tells of the removal", |sync| {
            sync["outcomes"]
                .to_string()
                .contains("removed data.more (set by kubectl-edit)")
        })
        .await?;
    ensure!(sync["summary"]["cause"] == "drift", "{sync:#}");
    Ok(())
}

#[tokio::test]
async fn replicas_that_git_does_not_name_belong_to_whoever_sets_them() -> Result<()> {
    let world = World::new("replicas").await?;
    let unnamed = |name: &str| deployment(name).replace("  replicas: 2\n", "");
    let file = ["scaled", "patched"].map(unnamed).join("---\n");
    deploy_web(&world, &[("apps/web/workloads.yaml", &file)], json!({})).await?;
    let audit = world.control_plane().audit().from_now()?;
    kubectl(&world, &["scale", "deployment/scaled", "--replicas=3"])?;
    kubectl(&world, &["rollout", "restart", "deployment/scaled"])?;
    let three = r#"{"spec":{"replicas":3}}"#;
    kubectl(&world, &["patch", "deployment/patched", "--patch", three])?;
    all_was_seen(&world).await?;
    deployed_at_least(&world, &audit, 1).await?;
    for name in ["scaled", "patched"] {
        let writes = writes_to(&world, &audit, name)?;
        ensure!(writes.is_empty(), "{name} was written: {writes:?}");
    }

    // A commit that changes another field leaves them alone as well.
    let newer = file.replace(":1\n", ":2\n");
    let commit = push(&world, &[("apps/web/workloads.yaml", &newer)], "New image").await?;
    world.wait_until_synced("web", &commit).await?;
    for name in ["scaled", "patched"] {
        let live = world.get("apps/v1", "Deployment", name).await?;
        ensure!(live["spec"]["replicas"] == 3, "{live:#}");
        ensure_says(&main_container(&live)["image"].to_string(), &[":2"])?;
    }
    let live = world.get("apps/v1", "Deployment", "scaled").await?;
    let pod = &live["spec"]["template"]["metadata"];
    ensure!(
        pod["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string(),
        "{live:#}"
    );
    Ok(())
}

#[tokio::test]
async fn a_secret_of_plain_strings_is_compared_by_its_data() -> Result<()> {
    let secret = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\nstringData:\n  \
             password: {value}\n"
        )
    };
    let world = World::new("strings").await?;
    let path = "apps/web/secret.yaml";
    deploy_web(&world, &[(path, &secret("first"))], json!({})).await?;
    let login = ("v1", "Secret", "login");
    let is = |value: &'static str| move |live: &Value| live["data"] == json!({ "password": value });
    let (first, second) = ("Zmlyc3Q=", "c2Vjb25k");
    let audit = world.control_plane().audit().from_now()?;
    for change in [
        json!({ "data": { "password": "ZXZpbA==" } }),
        json!({ "stringData": { "more": "x" } }),
    ] {
        world.edit(login.0, login.1, login.2, &change).await?;
        wait_for_live(&world, login, "as in Git", is(first)).await?;
    }
    let commit = push(&world, &[(path, &secret("second"))], "Change it").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_live(&world, login, "as in Git again", is(second)).await?;
    all_was_seen(&world).await?;
    // The removal of a foreign field takes two: it is made ours, and left out.
    let writes = writes_to(&world, &audit, "login")?;
    ensure!(writes.len() <= 4, "{writes:?}");
    Ok(())
}

#[tokio::test]
async fn a_field_of_null_is_no_drift_for_ever() -> Result<()> {
    let world = World::new("null").await?;
    let audit = world.control_plane().audit().from_now()?;
    let file = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: empty\n  annotations: null\n  \
                labels:\ndata:\n  key: \"1\"\nbinaryData: null\n";
    deploy_web(&world, &[("apps/web/empty.yaml", file)], json!({})).await?;
    for _ in 0..2 {
        world.request("Application", "web").await?;
        all_was_seen(&world).await?;
    }
    deployed_at_least(&world, &audit, 3).await?;
    let writes = writes_to(&world, &audit, "empty")?;
    ensure!(writes.len() == 1, "{writes:?}");
    Ok(())
}

#[tokio::test]
async fn two_writers_with_the_same_values_share_the_object_in_peace() -> Result<()> {
    let world = World::new("same").await?;
    let map = config_map("map", "1");
    deploy_web(&world, &[("apps/web/map.yaml", &map)], json!({})).await?;
    let audit = world.control_plane().audit().from_now()?;
    let same = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "map" },
        "data": { "key": "1" },
    });
    for _ in 0..3 {
        let live = apply_as(&world, "kubectl", &same).await?;
        ensure!(managers(&live).len() == 2, "{live:#}");
        write_as(
            &world,
            "another",
            ("v1", "ConfigMap", "map"),
            &json!({ "data": { "key": "1" } }),
        )
        .await?;
        all_was_seen(&world).await?;
    }
    let writes = writes_to(&world, &audit, "map")?;
    ensure!(writes.is_empty(), "{writes:?}");
    let commit = push(
        &world,
        &[("apps/web/map.yaml", &config_map("map", "2"))],
        "2",
    )
    .await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "map", Some("2")).await
}
