//! What a deletion needs as a proof, and what is never deleted.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::agent::NAMESPACE;
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{Action, FaultProxy, Rule, World, objects, wait_for};

use super::{
    borrowed, deletes, grant_cluster_role, map_files, nothing_was_deleted, only_deleted, turn,
};
use crate::deploy::{deploy, push, value_of, wait_for_value};

#[tokio::test]
async fn inv_i03_an_object_that_is_made_anew_before_its_deletion_survives() -> Result<()> {
    let turn = turn().await?;
    let proxy = FaultProxy::start(turn.control_plane).await?;
    let world = turn
        .world("anew", |settings| settings.through(&proxy))
        .await?;
    let files = map_files("apps/web", &["anew", "touched", "stays"]);
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    // The deletes are on their way while somebody else is faster.
    let late = |name| {
        Rule::new(Action::Delay(Duration::from_secs(1)))
            .verb("delete")
            .path(name)
    };
    let (anew, touched) = (
        proxy.add(late("/configmaps/anew")),
        proxy.add(late("/configmaps/touched")),
    );
    let commit = world
        .repo
        .remove(&["apps/web/anew.yaml", "apps/web/touched.yaml"], "Remove")?;
    world.request("Repository", "config").await?;
    let on_its_way = async |rule| {
        wait_for("the delete", DEADLINE, async || {
            ensure!(proxy.hits(rule) > 0, "it was not sent yet");
            Ok(())
        })
        .await
    };
    on_its_way(touched).await?;
    world
        .edit(
            "v1",
            "ConfigMap",
            "touched",
            &json!({ "data": { "more": "1" } }),
        )
        .await?;
    on_its_way(anew).await?;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "anew" }, "data": { "key": "new" } });
    objects::delete(&world.client, &map, Some(&world.namespace)).await?;
    world.apply(&map).await?;
    // The one that was only touched goes with the next look; the new one is somebody else's.
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "touched", None).await?;
    ensure!(
        value_of(&world, "anew").await?.as_deref() == Some("new"),
        "the new object is gone"
    );
    let deleted = deletes(&world, &audit).await?;
    let refused = deleted.iter().filter(|event| {
        event
            .response_status
            .as_ref()
            .is_some_and(|status| status.code == 409)
    });
    ensure!(refused.count() == 2, "{deleted:#?}");
    Ok(())
}

#[tokio::test]
async fn inv_i04_neither_copied_records_nor_equal_names_make_an_object_ours() -> Result<()> {
    let world = World::new("namesake").await?;
    let files = map_files("apps/web", &["a", "b", "c"]);
    let other = map_files("apps/other", &["d"]);
    let all = [borrowed(&files), borrowed(&other)].concat();
    let applications = [
        ("web", "apps/web", json!({})),
        ("other", "apps/other", json!({})),
    ];
    deploy(&world, &all, &applications).await?;

    // An application of the same name in another namespace writes into the first one.
    let twin = World::new("twin").await?;
    for object in syncline_tests::agent::account_with_role(&twin.namespace, DEPLOYER, "admin") {
        if object["kind"] == "RoleBinding" {
            let mut there = object;
            there["metadata"] = json!({ "name": "twin", "namespace": world.namespace });
            world.apply(&there).await?;
        }
    }
    let files = map_files("apps/web", &["e", "f"]);
    let there = json!({ "destination": { "namespace": world.namespace } });
    let first = twin.repo.commit(&borrowed(&files), "Start")?;
    twin.repository(json!({})).await?;
    twin.application("web", "apps/web", there).await?;
    twin.wait_until_synced("web", &first).await?;

    // A copy with everything that our objects carry.
    let mut copy = world.get("v1", "ConfigMap", "a").await?;
    let of = |field: &str| copy["metadata"][field].clone();
    copy["metadata"] =
        json!({ "name": "copy", "labels": of("labels"), "annotations": of("annotations") });
    world.apply(&copy).await?;

    let audit = world.control_plane().audit().from_now()?;
    let commit = world.repo.remove(&["apps/web/a.yaml"], "Remove a")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &commit).await?;
    let commit = twin.repo.remove(&["apps/web/e.yaml"], "Remove e")?;
    twin.request("Repository", "config").await?;
    twin.wait_until_synced("web", &commit).await?;
    only_deleted(&world, &audit, &["a"]).await?;
    only_deleted(&twin, &audit, &["e"]).await?;
    for name in ["b", "c", "d", "f", "copy"] {
        ensure!(
            world.exists("v1", "ConfigMap", name).await?,
            "{name} is gone"
        );
    }
    Ok(())
}

#[tokio::test]
async fn inv_i05_an_object_that_is_declared_twice_changes_and_deletes_nothing() -> Result<()> {
    let world = World::new("double").await?;
    let files = map_files("apps/web", &["a", "b"]);
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    let a = crate::deploy::config_map("a", "2");
    let double = format!("{a}---\n{a}");
    for (path, text) in [
        ("apps/web/a.yaml", double.as_str()),
        ("apps/web/again.yaml", a.as_str()),
    ] {
        world
            .repo
            .replace(&["apps/web/b.yaml"], &[(path, text)], "Twice")?;
        world.request("Repository", "config").await?;
        let live = world
            .wait_for_reason("Application", "web", "DuplicateObject")
            .await?;
        crate::deploy::ensure_says(&crate::deploy::message(&live), &["a.yaml", path])?;
        let start = borrowed(&files);
        let commit = if path.ends_with("again.yaml") {
            world.repo.replace(&[path], &start, "Once")?
        } else {
            world.repo.commit(&start, "Once")?
        };
        world.request("Repository", "config").await?;
        world.wait_until_synced("web", &commit).await?;
    }
    nothing_was_deleted(&world, &audit).await?;
    let written = crate::deploy::deployed(&world, &audit)?;
    ensure!(written.is_empty(), "{written:#?}");
    Ok(())
}

#[tokio::test]
async fn inv_i07_the_namespaces_of_kubernetes_and_what_is_the_agents_are_never_pruned() -> Result<()>
{
    let turn = turn().await?;
    let world = turn.world("sacred", |settings| settings).await?;
    grant_cluster_role(&world, DEPLOYER, "cluster-admin").await?;
    let crd = "customresourcedefinitions.apiextensions.k8s.io";
    let crd = std::process::Command::new(syncline_tests::programs::control_plane("kubectl")?)
        .arg("--kubeconfig")
        .arg(world.control_plane().admin_kubeconfig())
        .args(["get", crd, "imagepolicies.syncline.dev", "-o", "json"])
        .output()?;
    let crd: serde_json::Value = serde_json::from_slice(&crd.stdout)?;
    let crd = json!({
        "apiVersion": crd["apiVersion"],
        "kind": crd["kind"],
        "metadata": { "name": crd["metadata"]["name"] },
        "spec": crd["spec"],
    });
    let namespaces = ["default", "kube-public", "kube-node-lease", NAMESPACE];
    let mut files: Vec<_> = namespaces
        .iter()
        .map(|name| {
            (
                format!("apps/web/{name}.yaml"),
                format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"),
            )
        })
        .collect();
    files.push(("apps/web/crd.yaml".to_owned(), crd.to_string()));
    let inside = crate::deploy::config_map("inside", "1").replace(
        "  name: inside\n",
        &format!("  name: inside\n  namespace: {NAMESPACE}\n"),
    );
    files.push(("apps/web/inside.yaml".to_owned(), inside));
    files.extend(map_files("apps/web", &["stays", "goes"]));
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    let removed: Vec<&str> = files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| !path.contains("stays"))
        .collect();
    world
        .repo
        .remove(&removed, "Remove\n\nSyncline-Prune: web")?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "goes", None).await?;
    world
        .wait_for_reason("Application", "web", "Protected")
        .await?;
    only_deleted(&world, &audit, &["goes"]).await?;
    // They are no longer wanted by anybody, also not by a later agent.
    ensure!(world.agent().terminate(DEADLINE)?.success());
    world.agent().restart().await?;
    push(
        &world,
        &[(
            "apps/web/stays.yaml",
            &crate::deploy::config_map("stays", "2"),
        )],
        "Change",
    )
    .await?;
    wait_for_value(&world, "stays", Some("2")).await?;
    only_deleted(&world, &audit, &["goes"]).await
}
