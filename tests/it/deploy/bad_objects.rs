//! What is wrong with one of our own objects, or with the rights of its account, is named.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::{Options, World, objects};

use super::{config_map, deploy, ensure_says, message, push, value_of};

const CLUSTER_ROLE: &str = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: NAME\nrules: []\n";

#[tokio::test]
async fn a_missing_right_is_named_and_the_other_objects_are_applied() -> Result<()> {
    let world = World::new("right").await?;
    let role = CLUSTER_ROLE.replace("NAME", &world.namespace);
    let (web, other) = (config_map("web", "1"), config_map("other", "1"));
    let files = [
        ("apps/web/a-role.yaml", role.as_str()),
        ("apps/web/web.yaml", web.as_str()),
        ("apps/other/other.yaml", other.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    world.application("other", "apps/other", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "web", "Denied")
        .await?;
    ensure_says(
        &message(&live),
        &["apps/web/a-role.yaml:1", "clusterroles", "deployer"],
    )?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    world
        .wait_until_synced("other", &world.repo.head()?)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_missing_service_account_is_named_and_is_used_once_it_is_there() -> Result<()> {
    let world = World::new("account").await?;
    let (web, other) = (config_map("web", "1"), config_map("other", "1"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/other/other.yaml", other.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world
        .application("web", "apps/web", json!({ "serviceAccount": "applier" }))
        .await?;
    world.application("other", "apps/other", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "web", "AccountMissing")
        .await?;
    ensure_says(&message(&live), &[&format!("{}/applier", world.namespace)])?;
    world
        .wait_until_synced("other", &world.repo.head()?)
        .await?;
    ensure!(value_of(&world, "web").await?.is_none());

    for object in syncline_tests::agent::account_with_role(&world.namespace, "applier", "admin") {
        world.apply(&object).await?;
    }
    world.request("Application", "web").await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}

#[tokio::test]
async fn an_account_that_may_not_be_impersonated_is_named() -> Result<()> {
    let world = World::new("impersonate").await?;
    world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "1"))], "Start")?;
    world.repository(json!({})).await?;
    world.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "boss" } })).await?;
    world
        .application("web", "apps/web", json!({ "serviceAccount": "boss" }))
        .await?;
    let live = world
        .wait_for_reason("Application", "web", "Denied")
        .await?;
    ensure_says(&message(&live), &["boss"])?;
    ensure!(value_of(&world, "web").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_missing_namespace_is_named_and_is_made_on_wish() -> Result<()> {
    let world = World::new("namespace").await?;
    cluster_admin(&world).await?;
    let target = format!("{}-target", world.namespace);
    world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "1"))], "Start")?;
    world.repository(json!({})).await?;
    world
        .application(
            "web",
            "apps/web",
            json!({ "destination": { "namespace": target } }),
        )
        .await?;
    let live = world
        .wait_for_reason("Application", "web", "NamespaceMissing")
        .await?;
    ensure_says(
        &message(&live),
        &["apps/web/web.yaml:1", &target, "createNamespace"],
    )?;

    let destination = json!({ "namespace": target, "createNamespace": true });
    world
        .application("web", "apps/web", json!({ "destination": destination }))
        .await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    let mut there = objects::reference("v1", "ConfigMap", "web");
    there["metadata"]["namespace"] = target.into();
    objects::get(&world.client, &there, None).await?;
    Ok(())
}

#[tokio::test]
async fn the_schema_refuses_a_wrong_and_an_unknown_field_by_name() -> Result<()> {
    let world = World::new("schema").await?;
    for (more, named) in [
        (json!({ "path": "../up" }), "spec.path"),
        (
            json!({ "sync": { "timeout": "soon" } }),
            "spec.sync.timeout",
        ),
        (json!({ "selfHeal": true }), "selfHeal"),
        (
            json!({ "deletionPolicy": "Perhaps" }),
            "spec.deletionPolicy",
        ),
    ] {
        let refused = world.application("web", "apps/web", more).await;
        let error = refused
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default();
        ensure_says(&error, &[named])?;
    }
    Ok(())
}

/// An object may be older than the schema: here the schema allows everything.
#[tokio::test]
async fn an_object_of_ours_with_a_wrong_field_says_so_and_the_others_live() -> Result<()> {
    let world = World::alone("unchecked", Options::default(), |settings| settings).await?;
    deploy(
        &world,
        &[("apps/web/web.yaml", &config_map("web", "1"))],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    for kind in ["applications", "repositories"] {
        let name = format!("{kind}.syncline.dev");
        let crd = objects::reference("apiextensions.k8s.io/v1", "CustomResourceDefinition", &name);
        let mut live = objects::get(&world.client, &crd, None).await?;
        let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        live["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
        let patch = json!({ "spec": { "versions": live["spec"]["versions"] } });
        objects::edit(&world.client, &crd, None, "test", &patch).await?;
    }
    syncline_tests::wait_for(
        "the schema to be gone",
        syncline_tests::world::DEADLINE,
        async || {
            world
                .application(
                    "wrong",
                    "apps/web",
                    json!({ "sync": { "timeout": "soon" } }),
                )
                .await
        },
    )
    .await?;
    world
        .apply(&json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "wrong" },
            "spec": { "url": 7 },
        }))
        .await?;
    let live = world
        .wait_for_reason("Application", "wrong", "InvalidSpec")
        .await?;
    ensure_says(&message(&live), &["timeout"])?;
    let live = world
        .wait_for_reason("Repository", "wrong", "InvalidSpec")
        .await?;
    ensure_says(&message(&live), &["url"])?;

    // An unknown field does no harm to the known ones, and the others live.
    world
        .application(
            "unknown",
            "apps/web",
            json!({ "colour": "green", "path": "apps/more" }),
        )
        .await?;
    let files = [
        ("apps/web/web.yaml", config_map("web", "2")),
        ("apps/more/more.yaml", config_map("more", "1")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let commit = push(&world, &files, "Change").await?;
    world.wait_until_synced("web", &commit).await?;
    world.wait_until_synced("unknown", &commit).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("2"));

    // It works as soon as it is right, also after it was right before.
    world
        .application(
            "wrong",
            "apps/right",
            json!({ "sync": { "timeout": "1m" } }),
        )
        .await?;
    world
        .wait_for_reason("Application", "wrong", "PathNotFound")
        .await?;
    Ok(())
}

/// Gives the world's deployer all rights.
pub(crate) async fn cluster_admin(world: &World) -> Result<()> {
    world
        .apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": { "name": world.namespace },
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "cluster-admin",
            },
            "subjects": [{
                "kind": "ServiceAccount",
                "name": syncline_tests::world::DEPLOYER,
                "namespace": world.namespace,
            }],
        }))
        .await?;
    Ok(())
}
