//! Helm values from files, the Application, ConfigMaps and Secrets.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;

use super::{CHART, data, map, settings};
use crate::deploy::{deploy, ensure_says, message, wait_for_value};

/// A chart that shows its values `a` to `e` and `deep.list[0].name`.
fn chart() -> [(&'static str, String); 4] {
    let lines =
        ["a", "b", "c", "d", "e"].map(|key| format!("{key}: {{{{ .Values.{key} | quote }}}}"));
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.push("deep: {{ (first .Values.deep.list).name | quote }}");
    let defaults =
        "a: chart\nb: chart\nc: chart\nd: chart\ne: chart\ndeep: { list: [{ name: chart }] }\n";
    [
        ("shop/Chart.yaml", CHART.to_owned()),
        ("shop/values.yaml", defaults.to_owned()),
        ("shop/templates/map.yaml", map("shop", &lines)),
        (
            "shop/prod.yaml",
            "b: file\nc: file\nd: file\ne: file\n".to_owned(),
        ),
    ]
}

fn files<'a>(chart: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    let files = chart.iter().map(|(path, text)| (*path, text.as_str()));
    files.collect()
}

#[tokio::test]
async fn values_of_objects_win_over_inline_ones_and_those_over_files() -> Result<()> {
    let world = World::new("values").await?;
    settings(
        &world,
        "shop-values",
        json!({ "values.yaml": "d: map\ne: map\n" }),
    )
    .await?;
    world.secret("shop-secret", &[("e", "secret")]).await?;
    let from = json!([
        { "kind": "ConfigMap", "name": "shop-values" },
        { "kind": "ConfigMap", "name": "absent", "optional": true },
        { "kind": "Secret", "name": "shop-secret", "key": "e", "targetPath": "e" },
        { "kind": "Secret", "name": "shop-secret", "key": "e", "targetPath": "deep.list[0].name" },
    ]);
    let helm = json!({
        "valuesFiles": ["prod.yaml"],
        "values": { "c": "inline", "d": "inline", "e": "inline" },
        "valuesFrom": from,
    });
    let chart = chart();
    deploy(
        &world,
        &files(&chart),
        &[("shop", "shop", json!({ "helm": helm }))],
    )
    .await?;
    let live = data(&world, "shop").await?;
    let wanted: Value = json!({
        "a": "chart", "b": "file", "c": "inline", "d": "map", "e": "secret", "deep": "secret",
    });
    ensure!(live == wanted, "{live:#}");

    // A person who changed them asks for a sync.
    settings(
        &world,
        "shop-values",
        json!({ "values.yaml": "d: other\n" }),
    )
    .await?;
    world.request("Application", "shop").await?;
    syncline_tests::wait_for(
        "the changed value",
        syncline_tests::world::DEADLINE,
        async || {
            let live = data(&world, "shop").await?;
            ensure!(live["d"] == "other", "{live:#}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn a_missing_object_with_values_is_named_until_it_is_there() -> Result<()> {
    let world = World::new("absent").await?;
    let template = map("shop", &["key: {{ .Values.key | quote }}"]);
    let files = [
        ("shop/Chart.yaml", CHART),
        ("shop/templates/map.yaml", template.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let from = json!([{ "kind": "Secret", "name": "late", "key": "word", "targetPath": "key" }]);
    world
        .application("shop", "shop", json!({ "helm": { "valuesFrom": from } }))
        .await?;
    let live = world
        .wait_for_reason("Application", "shop", "SecretMissing")
        .await?;
    ensure_says(&message(&live), &["Secret", "late", "does not exist"])?;

    world.secret("late", &[("other", "hidden-value")]).await?;
    world.request("Application", "shop").await?;
    let live = world
        .wait_for_ours("Application", "shop", "the key is missing", |live| {
            message(live).contains("`word`")
        })
        .await?;
    ensure!(!message(&live).contains("hidden-value"));

    world.secret("late", &[("word", "hello")]).await?;
    world.request("Application", "shop").await?;
    wait_for_value(&world, "shop", Some("hello")).await
}
