//! Objects are held against the schema of the server before anything is sent.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{cluster_admin, config_map, deployment, ensure_says, message, push, value_of};

#[tokio::test]
async fn all_wrong_fields_of_an_object_are_named_with_their_lines_and_only_it_is_not_applied()
-> Result<()> {
    let world = World::new("fields").await?;
    let wrong = deployment("web")
        .replace("replicas: 2", "replicas: many")
        .replace(
            "        image:",
            "        imagePullPolice: Always\n        image:",
        );
    let files = [
        ("app/web.yaml", wrong),
        ("app/good.yaml", config_map("good", "1")),
    ];
    let files = [
        (files[0].0, files[0].1.as_str()),
        (files[1].0, files[1].1.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    let live = world
        .wait_for_ours("Application", "app", "both are named", |live| {
            let said = message(live);
            said.contains("replicas") && said.contains("imagePullPolice")
        })
        .await?;
    let lines: Vec<_> = files[0].1.lines().collect();
    let line = |text: &str| {
        let at = lines.iter().position(|line| line.contains(text));
        format!("app/web.yaml:{}", at.unwrap_or_default() + 1)
    };
    let said = message(&live);
    ensure_says(
        &said,
        &[
            &line("replicas: many"),
            &line("imagePullPolice"),
            "imagePullPolicy",
        ],
    )?;
    ensure!(value_of(&world, "good").await?.as_deref() == Some("1"));
    ensure!(!world.exists("apps/v1", "Deployment", "web").await?);
    Ok(())
}

#[tokio::test]
async fn a_wrong_field_is_only_a_warning_where_the_application_says_so() -> Result<()> {
    let world = World::new("warned").await?;
    let wrong = deployment("web").replace("  replicas: 2\n", "  replicas: 2\n  replicsa: 3\n");
    let good = config_map("good", "1");
    let files = [("app/web.yaml", wrong.as_str()), ("app/good.yaml", &good)];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "app", "UnknownField")
        .await?;
    ensure_says(&message(&live), &["app/web.yaml:7", "replicsa", "replicas"])?;
    ensure!(value_of(&world, "good").await?.is_some());

    // The API server has the last word, and on this object alone.
    world
        .application("app", "app", json!({ "validate": "Warn" }))
        .await?;
    let live = world
        .wait_for_reason("Application", "app", "InvalidObject")
        .await?;
    ensure_says(&message(&live), &["app/web.yaml:1", "replicsa"])?;
    ensure!(value_of(&world, "good").await?.as_deref() == Some("1"));
    wait_for("a warning", DEADLINE, async || {
        let events: kube::Api<k8s_openapi::api::core::v1::Event> =
            kube::Api::namespaced(world.client.clone(), &world.namespace);
        let events = events.list(&kube::api::ListParams::default()).await?;
        let warned = events.items.iter().any(|event| {
            let note = event.message.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some("Ignored") && note.contains("app/web.yaml:7")
        });
        ensure!(warned, "{:#?}", events.items);
        Ok(())
    })
    .await
}

/// A kind of the world's own, and one object of it with a field.
fn kind_and_object(world: &World, field: &str) -> (String, String) {
    let group = format!("{}.example.com", world.namespace);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("widgets.{group}") },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": { "kind": "Widget", "plural": "widgets", "singular": "widget" },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "properties": { "spec": {
                        "type": "object",
                        "properties": { "size": { "type": "integer" } },
                    } },
                } },
            }],
        },
    });
    let object =
        format!("apiVersion: {group}/v1\nkind: Widget\nmetadata:\n  name: one\nspec:\n  {field}\n");
    (definition.to_string(), object)
}

#[tokio::test]
async fn an_object_is_held_against_the_definition_in_the_same_commit() -> Result<()> {
    let world = World::new("definition").await?;
    cluster_admin(&world).await?;
    let (definition, wrong) = kind_and_object(&world, "size: large");
    let files = [
        ("app/definition.json", definition.as_str()),
        ("app/one.yaml", &wrong),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "app", "FieldType")
        .await?;
    ensure_says(&message(&live), &["app/one.yaml:6", "/spec/size"])?;

    let (_, right) = kind_and_object(&world, "size: 3");
    let commit = push(&world, &[("app/one.yaml", &right)], "Correct it").await?;
    world.wait_until_synced("app", &commit).await?;
    let group = format!("{}.example.com/v1", world.namespace);
    let live = world.get(&group, "Widget", "one").await?;
    ensure!(live["spec"]["size"] == 3, "{live:#}");
    Ok(())
}
