//! Annotations of one object: ours, and those of other tools that mean the same.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::World;

use super::{annotated, ensure_failed, outcome, sync_of};
use crate::deploy::{deploy, deployed, push, value_of};

/// An annotation, and the value of a ConfigMap with it after a first commit says 1 and a second 2.
const APPLY: [(&str, Option<&str>); 7] = [
    ("example.com/none: \"\"", Some("2")),
    ("syncline.dev/apply: ifNotPresent", Some("1")),
    ("syncline.dev/apply: ignore", None),
    ("kustomize.toolkit.fluxcd.io/ssa: IfNotPresent", Some("1")),
    ("kustomize.toolkit.fluxcd.io/ssa: Ignore", None),
    ("kustomize.toolkit.fluxcd.io/reconcile: disabled", None),
    (
        "argocd.argoproj.io/sync-options: ServerSideApply=true",
        Some("2"),
    ),
];

/// An annotation, and whether an object with it may be made anew.
const REPLACE: [(&str, bool); 5] = [
    ("syncline.dev/replace: allowed", true),
    ("kustomize.toolkit.fluxcd.io/force: enabled", true),
    ("argocd.argoproj.io/sync-options: Replace=true", true),
    ("argocd.argoproj.io/sync-options: Force=true", true),
    ("kustomize.toolkit.fluxcd.io/force: disabled", false),
];

/// All objects with a value.
fn files(value: &str) -> (String, String) {
    let apply = APPLY.iter().enumerate();
    let apply: Vec<_> = apply
        .map(|(n, (annotation, _))| annotated(&format!("apply-{n}"), value, annotation))
        .collect();
    let replace = REPLACE.iter().enumerate();
    let replace: Vec<_> = replace
        .map(|(n, (annotation, _))| {
            let map = annotated(&format!("replace-{n}"), value, annotation);
            format!("{map}immutable: true\n")
        })
        .collect();
    (apply.join("---\n"), replace.join("---\n"))
}

#[tokio::test]
async fn an_object_says_whether_it_is_written_and_may_be_made_anew() -> Result<()> {
    let world = World::new("directives").await?;
    let (apply, replace) = files("1");
    let applications = [
        ("apply", "apply", json!({})),
        ("replace", "replace", json!({})),
    ];
    let start = [
        ("apply/all.yaml", apply.as_str()),
        ("replace/all.yaml", &replace),
    ];
    deploy(&world, &start, &applications).await?;
    let (apply, replace) = files("2");
    let change = [
        ("apply/all.yaml", apply.as_str()),
        ("replace/all.yaml", &replace),
    ];
    let commit = push(&world, &change, "Change").await?;
    let sync = sync_of(&world, "apply", &commit).await?;
    ensure!(sync["summary"]["result"] == "succeeded", "{sync:#}");
    for (n, (annotation, wanted)) in APPLY.iter().enumerate() {
        let live = value_of(&world, &format!("apply-{n}")).await?;
        ensure!(live.as_deref() == *wanted, "{annotation}: {live:?}");
    }
    let sync = sync_of(&world, "replace", &commit).await?;
    for (n, (annotation, may)) in REPLACE.iter().enumerate() {
        let name = format!("replace-{n}");
        let live = value_of(&world, &name).await?;
        let wanted = if *may { "2" } else { "1" };
        ensure!(
            live.as_deref() == Some(wanted),
            "{annotation}: {live:?}: {sync:#}"
        );
        if *may {
            ensure!(outcome(&sync, "ConfigMap", &name)?["failure"].is_null());
        } else {
            let says = ["replace/all.yaml", "data", "immutable"];
            ensure_failed(&sync, "ConfigMap", &name, "ImmutableField", &says)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_ignored_object_of_somebody_else_is_never_written() -> Result<()> {
    let world = World::new("ignored").await?;
    let theirs = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "theirs" },
        "data": { "key": "their own" },
    });
    let before = world.apply(&theirs).await?;
    let audit = world.control_plane().audit().from_now()?;
    let map = annotated("theirs", "1", "syncline.dev/apply: ignore");
    deploy(
        &world,
        &[("app/map.yaml", &map)],
        &[("app", "app", json!({}))],
    )
    .await?;
    // It leaves Git: it was never ours to delete.
    let rest = annotated("ours", "1", "example.com/none: \"\"");
    let commit = world
        .repo
        .replace(&["app/map.yaml"], &[("app/rest.yaml", &rest)], "Leave")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("app", &commit).await?;
    let after = world.get("v1", "ConfigMap", "theirs").await?;
    ensure!(
        after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"],
        "it was written: {after:#}"
    );
    for write in deployed(&world, &audit)? {
        ensure!(write.object().name != "theirs", "{write:?}");
    }
    Ok(())
}
