//! What a chart sees of its release and of the cluster, and what Helm's own words mean here.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{CHART, map};
use crate::crashes::{definition, gadget};
use crate::deploy::{cluster_admin, config_map, deploy, push, value_of, wait_for_value};

const RELEASE: &str = r#"{{ if .Release.IsInstall }}install{{ else if .Release.IsUpgrade }}upgrade{{ end }} {{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }} {{ .Capabilities.APIVersions.Has "syncline.dev/v1alpha1/Application" }} {{ .Capabilities.APIVersions.Has "none.example.com/v1" }} {{ .Values.word }}"#;

#[tokio::test]
async fn the_first_sync_is_an_install_and_the_chart_sees_the_cluster() -> Result<()> {
    let world = super::world("release").await?;
    let request = http::Request::get("/version").body(Vec::new())?;
    let version: Value = serde_json::from_str(&world.client.request_text(request).await?)?;
    let version = version["gitVersion"].as_str().context("no version")?;
    let map = map(RELEASE);
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/templates/map.yaml", &map),
        ("app/values.yaml", "word: one\n"),
    ];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    let first = format!("install {version} true true false one");
    ensure!(
        value_of(&world, "app").await?.as_deref() == Some(&*first),
        "{:?}",
        value_of(&world, "app").await?
    );
    push(&world, &[("app/values.yaml", "word: two\n")], "Change").await?;
    let second = format!("upgrade {version} true true false two");
    wait_for_value(&world, "app", Some(&second)).await
}

#[tokio::test]
async fn what_a_chart_wants_kept_is_not_pruned_and_its_kinds_are_updated() -> Result<()> {
    let world = super::world("chart-words").await?;
    cluster_admin(&world).await?;
    let group = format!("{}.example.com", world.namespace);
    let kept = config_map("kept", "1").replace(
        "  name: kept\n",
        "  name: kept\n  annotations: {helm.sh/resource-policy: keep}\n",
    );
    let (gone, kind, gadget) = (config_map("gone", "1"), definition(&group), gadget(&group));
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/crds/gadgets.yaml", &kind),
        ("app/templates/gadget.yaml", &gadget),
        ("app/templates/gone.yaml", &gone),
        ("app/templates/kept.yaml", &kept),
    ];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    ensure!(value_of(&world, "kept").await?.is_some() && value_of(&world, "gone").await?.is_some());
    world
        .get(&format!("{group}/v1"), "Gadget", "gadget")
        .await?;

    let removed = ["app/templates/gone.yaml", "app/templates/kept.yaml"];
    world.repo.remove(&removed, "Remove")?;
    let chart = CHART.replace("0.1.0", "0.2.0");
    let mut kind: Value = serde_json::from_str(&kind)?;
    kind["spec"]["names"]["shortNames"] = json!([format!("g{}", world.namespace)]);
    let kind = kind.to_string();
    let files = [
        ("app/Chart.yaml", &*chart),
        ("app/crds/gadgets.yaml", &kind),
    ];
    let commit = push(&world, &files, "Change").await?;
    world.wait_until_synced("app", &commit).await?;
    ensure!(value_of(&world, "gone").await?.is_none());
    ensure!(value_of(&world, "kept").await?.as_deref() == Some("1"));
    let name = format!("gadgets.{group}");
    let live = world
        .get("apiextensions.k8s.io/v1", "CustomResourceDefinition", &name)
        .await?;
    let short = &live["spec"]["names"]["shortNames"][0];
    ensure!(*short == format!("g{}", world.namespace), "{live:#}");
    Ok(())
}
