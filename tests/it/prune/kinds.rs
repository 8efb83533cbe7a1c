//! Definitions and what they define, and deletions that the cluster refuses.

use anyhow::{Result, ensure};
use kube::api::DeleteParams;
use serde_json::json;
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{World, objects, wait_for};

use super::{
    approve, borrowed, deletes, grant_cluster_role, map_files, nothing_was_deleted, turn,
    wait_until_gone,
};
use crate::deploy::{config_map, deploy, ensure_says, message, value_of, wait_for_value};

/// A definition in a group of the world's own, and one object of it.
fn widget(world: &World) -> (String, String, String) {
    let group = format!("{}.example.com", world.namespace);
    let crd = format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: widgets.{group}\nspec:\n  \
         group: {group}\n  scope: Namespaced\n  names: {{kind: Widget, plural: widgets}}\n  versions:\n  - name: v1\n    \
         served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n        type: object\n        \
         x-kubernetes-preserve-unknown-fields: true\n"
    );
    let object =
        format!("apiVersion: {group}/v1\nkind: Widget\nmetadata:\n  name: one\nspec:\n  size: 1\n");
    (group, crd, object)
}

#[tokio::test]
async fn inv_i09_a_definition_goes_only_with_approval_and_after_its_objects() -> Result<()> {
    let world = World::new("widgets").await?;
    grant_cluster_role(&world, DEPLOYER, "cluster-admin").await?;
    let (group, crd, object) = widget(&world);
    let stays = config_map("stays", "1");
    let files = [
        ("apps/web/crd.yaml", crd.as_str()),
        ("apps/web/one.yaml", object.as_str()),
        ("apps/web/stays.yaml", stays.as_str()),
    ];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    let name = format!("widgets.{group}");
    let audit = world.control_plane().audit().from_now()?;
    let both = ["apps/web/crd.yaml", "apps/web/one.yaml"];
    world.repo.remove(&both, "Remove both")?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "web", "PruneHeld")
        .await?;
    ensure_says(&message(&live), &["2 stay"])?;
    nothing_was_deleted(&world, &audit).await?;
    approve(&world, "web").await?;
    wait_until_gone(
        &world,
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &name,
    )
    .await?;
    let deleted = deletes(&world, &audit).await?;
    let order: Vec<_> = deleted
        .iter()
        .map(|event| event.object().resource)
        .collect();
    ensure!(
        order == ["widgets", "customresourcedefinitions"],
        "{order:?}"
    );
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}

#[tokio::test]
async fn inv_i10_what_could_not_be_deleted_goes_when_it_is_allowed_also_by_the_next_agent()
-> Result<()> {
    let turn = turn().await?;
    let world = turn
        .world("denied", |settings| settings.flag("--retry-slow=500ms"))
        .await?;
    let files = map_files("apps/web", &["kept", "later", "stays"]);
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let [policy, binding] = deny_deletes(&world);
    for (removed, restarts) in [("kept", false), ("later", true)] {
        world.apply(&policy).await?;
        world.apply(&binding).await?;
        wait_until_denied(&world, true).await?;
        world
            .repo
            .remove(&[&format!("apps/web/{removed}.yaml")], "Remove")?;
        world.request("Repository", "config").await?;
        let live = world
            .wait_for_reason("Application", "web", "AdmissionDenied")
            .await?;
        ensure_says(&message(&live), &[removed, "nothing is deleted here"])?;
        ensure!(value_of(&world, removed).await?.is_some());
        if restarts {
            ensure!(world.agent().terminate(DEADLINE)?.success());
            world.agent().lose_data()?;
            world.agent().restart().await?;
        }
        objects::delete(&world.client, &binding, None).await?;
        objects::delete(&world.client, &policy, None).await?;
        wait_until_denied(&world, false).await?;
        wait_for_value(&world, removed, None).await?;
        world.wait_until_synced("web", &world.repo.head()?).await?;
    }
    Ok(())
}

/// A policy that refuses every deletion of a ConfigMap in the world's namespace, and its binding.
fn deny_deletes(world: &World) -> [serde_json::Value; 2] {
    let name = &world.namespace;
    [
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": { "name": name },
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": name } },
                    "resourceRules": [{
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["DELETE"],
                        "resources": ["configmaps"],
                    }],
                },
                "validations": [{ "expression": "false", "message": "nothing is deleted here" }],
            },
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": { "name": name },
            "spec": { "policyName": name, "validationActions": ["Deny"] },
        }),
    ]
}

/// Waits until the API server heeds the policy, or no longer does.
async fn wait_until_denied(world: &World, denied: bool) -> Result<()> {
    use k8s_openapi::api::core::v1::ConfigMap;
    let maps = kube::Api::<ConfigMap>::namespaced(world.client.clone(), &world.namespace);
    wait_for("the policy", DEADLINE, async || {
        let trial = maps
            .delete("stays", &DeleteParams::default().dry_run())
            .await;
        ensure!(trial.is_err() == denied, "{trial:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_approval_counts_for_the_plan_that_was_seen() -> Result<()> {
    let world = World::new("seen").await?;
    let set = |name: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {name}\nspec:\n  accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Gi}}}}\n"
        )
    };
    let mut files = map_files("apps/web", &["stays"]);
    files.extend(["one", "two"].map(|name| (format!("apps/web/{name}.yaml"), set(name))));
    world.repo.commit(&borrowed(&files), "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    super::wait_until_applied(&world, "web", &world.repo.head()?).await?;
    let audit = world.control_plane().audit().from_now()?;
    world.repo.remove(&["apps/web/one.yaml"], "Remove one")?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "web", "PruneHeld")
        .await?;
    let first = live["status"]["planHash"].clone();
    // What is approved and what is pushed meanwhile are two things.
    world.repo.remove(&["apps/web/two.yaml"], "Remove two")?;
    world.request("Repository", "config").await?;
    world
        .wait_for_ours("Application", "web", "held anew", |live| {
            live["status"]["planHash"].is_string() && live["status"]["planHash"] != first
        })
        .await?;
    crate::deploy::annotate(
        &world,
        "Application",
        "web",
        "syncline.dev/approve",
        first.as_str().unwrap_or_default(),
    )
    .await?;
    world.request("Application", "web").await?;
    nothing_was_deleted(&world, &audit).await?;
    approve(&world, "web").await?;
    for name in ["one", "two"] {
        wait_until_gone(&world, "v1", "PersistentVolumeClaim", name).await?;
    }
    Ok(())
}
