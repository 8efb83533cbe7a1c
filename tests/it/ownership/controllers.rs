//! What other controllers set: kept or removed as `foreign` says, and given up for an autoscaler.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;

use super::{deploy_web, wait_for_live, wait_until_applied, write_as};
use crate::deploy::{Person, config_map, deploy, deployment, ensure_says, push};

const WEB: (&str, &str, &str) = ("apps/v1", "Deployment", "web");

/// The Deployment `web` with a number of replicas and a version of its image.
fn workload(replicas: u32, version: u32) -> String {
    let replicas = format!("replicas: {replicas}");
    let file = deployment("web").replace("replicas: 2", &replicas);
    file.replace("web:1", &format!("web:{version}"))
}

/// Waits for a version of the image, and answers with the number of replicas then.
async fn replicas_at(world: &World, version: u32) -> Result<Value> {
    let image = format!("registry.example/web:{version}");
    let live = wait_for_live(world, WEB, &format!("with version {version}"), |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] == image.as_str()
    })
    .await?;
    Ok(live["spec"]["replicas"].clone())
}

#[tokio::test]
async fn foreign_fields_stay_or_go_as_the_policy_says() -> Result<()> {
    let world = World::new("policy").await?;
    let policies = ["remove-manual", "keep", "remove-all"];
    let files = policies.map(|name| (format!("apps/{name}/map.yaml"), config_map(name, "1")));
    let files = files
        .each_ref()
        .map(|(path, text)| (path.as_str(), text.as_str()));
    let with = |foreign: &str| json!({ "sync": { "foreign": foreign } });
    let applications = [
        ("remove-manual", "apps/remove-manual", json!({})),
        ("keep", "apps/keep", with("Keep")),
        ("remove-all", "apps/remove-all", with("RemoveAll")),
    ];
    deploy(&world, &files, &applications).await?;
    for name in policies {
        let map = ("v1", "ConfigMap", name);
        write_as(
            &world,
            "some-operator",
            map,
            &json!({ "data": { "operator": "1" } }),
        )
        .await?;
        write_as(
            &world,
            "k9s",
            map,
            &json!({ "data": { "person": "1", "key": "9" } }),
        )
        .await?;
    }
    for (name, expected) in [
        ("remove-manual", json!({ "key": "1", "operator": "1" })),
        (
            "keep",
            json!({ "key": "1", "operator": "1", "person": "1" }),
        ),
        ("remove-all", json!({ "key": "1" })),
    ] {
        let map = ("v1", "ConfigMap", name);
        wait_for_live(&world, map, "as the policy says", |live| {
            live["data"] == expected
        })
        .await?;
    }
    let person = Person::sign_in(world.agent()).await?;
    for (name, told) in [
        ("remove-manual", "removed data.person (set by k9s)"),
        ("remove-manual", "left data.operator (set by some-operator)"),
        ("keep", "left data.operator (set by some-operator)"),
        ("keep", "left data.person (set by k9s)"),
        ("remove-all", "removed data.operator (set by some-operator)"),
    ] {
        person
            .wait_for_sync(&world, name, &format!("that says {told}"), |sync| {
                sync["outcomes"].to_string().contains(told)
            })
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_new_rule_of_ignore_keeps_the_live_value_of_its_field() -> Result<()> {
    let world = World::new("ignore").await?;
    let path = "apps/web/web.yaml";
    deploy_web(&world, &[(path, &workload(5, 1))], json!({})).await?;
    let ignore = json!({
        "ignore": [{ "group": "apps", "kind": "Deployment", "fields": ["/spec/replicas"] }],
    });
    world.application("web", "apps/web", ignore).await?;
    let commit = push(&world, &[(path, &workload(2, 2))], "Two replicas").await?;
    ensure!(replicas_at(&world, 2).await? == 5, "they were reset");
    let live = world.wait_until_synced("web", &commit).await?;
    ensure!(
        live["status"]["conditions"].to_string().contains("Synced"),
        "{live:#}"
    );
    let manager = world.get("apps/v1", "Deployment", "web").await?;
    let ours = manager["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    let mut ours = ours.filter(|entry| entry["manager"].to_string().contains("syncline-"));
    ensure!(ours.all(|entry| entry["fieldsV1"]["f:spec"]["f:replicas"].is_null()));

    // Whoever scales it now is left alone.
    write_as(
        &world,
        "kubectl-edit",
        WEB,
        &json!({ "spec": { "replicas": 7 } }),
    )
    .await?;
    push(&world, &[(path, &workload(2, 3))], "Another version").await?;
    ensure!(replicas_at(&world, 3).await? == 7, "they were put back");

    // Without the rule Git's value holds again.
    world.application("web", "apps/web", json!({})).await?;
    wait_for_live(&world, WEB, "with two replicas", |live| {
        live["spec"]["replicas"] == 2
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_rule_ends_the_quarrel_about_a_field_that_drifted() -> Result<()> {
    let world = World::new("give-up").await?;
    let reports = json!({ "sync": { "selfHeal": false } });
    let path = "apps/web/web.yaml";
    let commit = deploy_web(&world, &[(path, &workload(2, 1))], reports).await?;
    write_as(&world, "scaler", WEB, &json!({ "spec": { "replicas": 5 } })).await?;
    world
        .wait_for_reason("Application", "web", "DriftFound")
        .await?;
    let ignore = json!({
        "sync": { "selfHeal": false },
        "ignore": [{ "kind": "Deployment", "name": "web", "fields": ["/spec/replicas"] }],
    });
    world.application("web", "apps/web", ignore).await?;
    world.wait_until_synced("web", &commit).await?;
    let live = world.get("apps/v1", "Deployment", "web").await?;
    ensure!(live["spec"]["replicas"] == 5, "{live:#}");
    Ok(())
}

#[tokio::test]
async fn a_manager_that_ignore_names_keeps_what_it_sets() -> Result<()> {
    let world = World::new("manager").await?;
    let ignore = json!({ "ignore": [{ "manager": "vpa-*" }] });
    let path = "apps/web/web.yaml";
    deploy_web(&world, &[(path, &workload(2, 1))], ignore).await?;
    write_as(
        &world,
        "vpa-updater",
        WEB,
        &json!({ "spec": { "replicas": 4 } }),
    )
    .await?;
    super::all_was_seen(&world).await?;
    push(&world, &[(path, &workload(3, 2))], "Three replicas").await?;
    ensure!(replicas_at(&world, 2).await? == 4, "they were taken");
    Ok(())
}

#[tokio::test]
async fn a_move_to_an_autoscaler_keeps_the_number_of_replicas() -> Result<()> {
    let world = World::new("autoscale").await?;
    let path = "apps/web/web.yaml";
    deploy_web(&world, &[(path, &workload(4, 1))], json!({})).await?;
    let scaled = workload(4, 2).replace("  replicas: 4\n", "");
    let scaler = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata:\n  \
                  name: web\nspec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    \
                  kind: Deployment\n    name: web\n  minReplicas: 2\n  maxReplicas: 9\n";
    let files = [(path, scaled.as_str()), ("apps/web/scaler.yaml", scaler)];
    let commit = push(&world, &files, "Scale by itself").await?;
    ensure!(replicas_at(&world, 2).await? == 4, "they were reset");
    wait_until_applied(&world, &commit).await?;
    let person = Person::sign_in(world.agent()).await?;
    let sync = person
        .wait_for_sync(&world, "web", "that gave the replicas up", |sync| {
            sync["outcomes"]
                .to_string()
                .contains("gave up spec.replicas")
        })
        .await?;
    ensure_says(&sync["outcomes"].to_string(), &["HorizontalPodAutoscaler"])?;
    Ok(())
}
