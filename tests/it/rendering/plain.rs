//! Which files of a plain path count, and what is laid over all objects.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, wait_for};

use super::{CHART, map};
use crate::deploy::{config_map, deploy, metric, push, wait_for_value};

#[tokio::test]
async fn files_are_chosen_by_patterns_and_lists_are_taken_apart() -> Result<()> {
    let world = World::new("chosen").await?;
    let list = json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "item-1" } },
            { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "item-2" } },
        ],
    })
    .to_string();
    let json = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "json" } });
    let json = json.to_string();
    let maps = [
        "taken",
        "left-by-include",
        "left-by-exclude",
        "left-by-file",
    ]
    .map(|name| map(name, &["key: a"]));
    let files = [
        ("app/apps/taken.yaml", maps[0].as_str()),
        ("app/other/left.yaml", &maps[1]),
        ("app/apps/left.test.yaml", &maps[2]),
        ("app/apps/drafts/left.yaml", &maps[3]),
        ("app/.synclineignore", "# Not ready yet.\ndrafts/\n"),
        ("app/apps/json.json", &json),
        ("app/apps/list.yaml", &list),
    ];
    let source = json!({ "source": { "include": ["apps/**"], "exclude": ["**/*.test.yaml"] } });
    deploy(&world, &files, &[("app", "app", source)]).await?;
    for name in ["taken", "json", "item-1", "item-2"] {
        ensure!(
            world.exists("v1", "ConfigMap", name).await?,
            "{name} is not there"
        );
    }
    for name in ["left-by-include", "left-by-exclude", "left-by-file"] {
        ensure!(
            !world.exists("v1", "ConfigMap", name).await?,
            "{name} is there"
        );
    }
    Ok(())
}

#[tokio::test]
async fn labels_annotations_and_patches_are_laid_over_every_source() -> Result<()> {
    let world = World::new("over").await?;
    let [plain, kustomized, charted] =
        ["plain", "kustomized", "charted"].map(|name| map(name, &["key: git", "kept: git"]));
    let files = [
        ("plain/map.yaml", plain.as_str()),
        ("kustomize/kustomization.yaml", "resources: [map.yaml]\n"),
        ("kustomize/map.yaml", &kustomized),
        ("helm/Chart.yaml", CHART),
        ("helm/templates/map.yaml", &charted),
    ];
    let over: Value = json!({ "postRender": {
        "labels": { "team": "shop" },
        "annotations": { "example.com/owner": "shop" },
        "patches": [
            { "patch": "- op: replace\n  path: /data/key\n  value: patched\n", "target": { "kind": "ConfigMap" } },
        ],
    } });
    let applications = ["plain", "kustomize", "helm"].map(|name| (name, name, over.clone()));
    deploy(&world, &files, &applications).await?;
    for name in ["plain", "kustomized", "charted"] {
        let live = world.get("v1", "ConfigMap", name).await?;
        ensure!(
            live["data"] == json!({ "key": "patched", "kept": "git" }),
            "{live:#}"
        );
        ensure!(live["metadata"]["labels"]["team"] == "shop", "{live:#}");
        ensure!(
            live["metadata"]["annotations"]["example.com/owner"] == "shop",
            "{live:#}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_kustomization_that_becomes_a_chart_is_rendered_as_one() -> Result<()> {
    let world = World::new("becomes").await?;
    let before = config_map("turned", "kustomize");
    let files = [
        ("app/kustomization.yaml", "resources: [map.yaml]\n"),
        ("app/map.yaml", before.as_str()),
    ];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    wait_for_value(&world, "turned", Some("kustomize")).await?;
    let after = config_map("turned", "helm");
    let chart = [
        ("app/Chart.yaml", CHART),
        ("app/templates/map.yaml", &after),
    ];
    push(&world, &chart, "Make it a chart").await?;
    wait_for_value(&world, "turned", Some("helm")).await
}

#[tokio::test]
async fn a_revert_finds_the_render_of_before_in_memory() -> Result<()> {
    let world = World::alone("revert", Options::default(), |settings| settings).await?;
    let [one, two] = ["one", "two"].map(|value| config_map("back", value));
    let files = [
        ("app/kustomization.yaml", "resources: [map.yaml]\n"),
        ("app/map.yaml", one.as_str()),
    ];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    push(&world, &[("app/map.yaml", &two)], "Two").await?;
    wait_for_value(&world, "back", Some("two")).await?;
    push(&world, &[("app/map.yaml", &one)], "One again").await?;
    wait_for_value(&world, "back", Some("one")).await?;
    wait_for("the agent to count it", DEADLINE, async || {
        let hits = metric(world.agent(), "syncline_render_cache", "hits").await?;
        let renders = metric(world.agent(), "syncline_renderer", "renders").await?;
        ensure!(
            (hits, renders) == (1.0, 2.0),
            "{hits} hits, {renders} renders"
        );
        Ok(())
    })
    .await
}
