//! A part of the API that cannot be reached: its kinds are unknown, not absent.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{World, objects, wait_for};

use super::{impatient, nothing_is_deleted, wait_until_it_says};
use crate::deploy::{config_map, deploy, wait_for_value};
use crate::lifecycle_setup::turn;

/// Defines the kind `Thing` of a group of the world's own, which its deployer may manage.
async fn define(world: &World) -> Result<String> {
    let group = format!("{}.example.com", world.namespace);
    world
        .apply(&json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("things.{group}") },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": { "kind": "Thing", "plural": "things" },
                "versions": [{
                    "name": "v1",
                    "served": true,
                    "storage": true,
                    "schema": { "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": true,
                    } },
                }],
            },
        }))
        .await?;
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": "things" },
            "rules": [{ "apiGroups": [group], "resources": ["*"], "verbs": ["*"] }],
        }))
        .await?;
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": "things" },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "things",
            },
            "subjects": [{
                "kind": "ServiceAccount",
                "name": DEPLOYER,
                "namespace": world.namespace,
            }],
        }))
        .await?;
    Ok(group)
}

/// Waits until the API server says that it serves a group, or that it cannot.
async fn wait_until_served(world: &World, group: &str, status: &str) -> Result<()> {
    let service = reference(group);
    wait_for("the aggregated API", DEADLINE, async || {
        let live = objects::get(&world.client, &service, None).await?;
        let available = objects::find_condition(&live, "Available");
        let available = available.context("not looked at yet")?;
        ensure!(available["status"] == status, "{available}");
        Ok(())
    })
    .await
}

fn reference(group: &str) -> Value {
    objects::reference(
        "apiregistration.k8s.io/v1",
        "APIService",
        &format!("v1.{group}"),
    )
}

#[tokio::test]
async fn fault_f24_nothing_is_pruned_in_a_group_that_is_down_and_the_rest_is_synced() -> Result<()>
{
    let turn = turn().await?;
    let world = World::with_agent("aggregated", turn.control_plane, |settings| {
        impatient(settings).flag("--request-timeout=3s")
    })
    .await?;
    let group = define(&world).await?;
    wait_until_served(&world, &group, "True").await?;
    let thing =
        |name: &str| format!("apiVersion: {group}/v1\nkind: Thing\nmetadata:\n  name: {name}\n");
    let files = [
        ("apps/web/one.yaml", &*thing("one")),
        ("apps/web/two.yaml", &*thing("two")),
        ("apps/web/map.yaml", &*config_map("map", "1")),
        ("apps/web/old.yaml", &*config_map("old", "1")),
    ];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;

    // Somebody points the group at a server that is not there.
    let label = "kube-aggregator.kubernetes.io/automanaged";
    let patch = json!({
        "metadata": { "labels": { label: null } },
        "spec": {
            "service": { "namespace": world.namespace, "name": "nowhere" },
            "insecureSkipTLSVerify": true,
        },
    });
    objects::edit(&world.client, &reference(&group), None, "test", &patch).await?;
    wait_until_served(&world, &group, "False").await?;

    let audit = world.control_plane().audit().from_now()?;
    let commit = world.repo.replace(
        &["apps/web/two.yaml"],
        &[("apps/web/map.yaml", &config_map("map", "2"))],
        "Remove a thing and change a map",
    )?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "map", Some("2")).await?;
    nothing_is_deleted(&world, &audit)?;
    // Of the object, or of its whole kind where that has to be listed.
    wait_until_it_says(&world, "Application", "web", &["Thing"]).await?;
    nothing_is_deleted(&world, &audit)?;

    objects::delete(&world.client, &reference(&group), None).await?;
    wait_until_served(&world, &group, "True").await?;
    let api_version = format!("{group}/v1");
    wait_for("the thing to be pruned", DEADLINE, async || {
        let there = world.exists(&api_version, "Thing", "two").await?;
        ensure!(
            !there,
            "{:#}",
            world.ours("Application", "web").await?["status"]
        );
        Ok(())
    })
    .await?;
    world.wait_until_synced("web", &commit).await?;
    ensure!(
        world.exists(&api_version, "Thing", "one").await?,
        "the other thing is gone"
    );
    Ok(())
}
