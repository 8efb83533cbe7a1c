//! The pool of watches.

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use syncline_cluster::Live;
use syncline_cluster::watch::{Area, Change, Ensured, Event, Pool, Settings, WatchKey};
use syncline_tests::objects as plain;
use syncline_tests::world::DEADLINE;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Corner, INSTANCE};

async fn next(events: &mut mpsc::Receiver<Event>) -> Result<Change> {
    Ok(timeout(DEADLINE, events.recv())
        .await?
        .context("the pool ended")?
        .change)
}

async fn applied(events: &mut mpsc::Receiver<Event>) -> Result<Live> {
    match next(events).await? {
        Change::Applied(live) => Ok(*live),
        other => bail!("{other:?}"),
    }
}

#[tokio::test]
async fn a_watch_reports_what_is_there_what_changes_and_what_goes() -> Result<()> {
    let corner = Corner::new("watch").await?;
    corner.apply(&corner.config_map("one", "1")).await??;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let deployer = corner.deployer().await?;
    let (pool, mut events) = Pool::new(INSTANCE, Settings::default());
    let area = Area::Namespace(corner.namespace.clone());
    ensure!(pool.ensure(&deployer, &kind, area.clone()) == Ensured::Started);
    ensure!(pool.ensure(&deployer, &kind, area.clone()) == Ensured::Running && pool.len() == 1);
    let live = applied(&mut events).await?;
    ensure!(
        live.key.name == "one" && live.object.is_none(),
        "metadata only"
    );
    ensure!(matches!(next(&mut events).await?, Change::Restarted));

    let reference = plain::reference("v1", "ConfigMap", "one");
    let namespace = Some(corner.namespace.as_str());
    let edit = json!({ "data": { "value": "2" } });
    plain::edit(&corner.admin, &reference, namespace, "kubectl-edit", &edit).await?;
    let live = applied(&mut events).await?;
    ensure!(
        live.managed_fields
            .iter()
            .any(|entry| entry["manager"] == "kubectl-edit")
    );

    // The selector no longer sees it, and the API server speaks of a deletion.
    let edit = json!({ "metadata": { "labels": { "syncline.dev/managed": null } } });
    plain::edit(&corner.admin, &reference, namespace, "kubectl-edit", &edit).await?;
    let live = applied(&mut events).await?;
    ensure!(live.key.name == "one" && live.labels.is_empty(), "{live:?}");

    corner.apply(&corner.config_map("two", "1")).await??;
    ensure!(applied(&mut events).await?.key.name == "two");
    let two = plain::reference("v1", "ConfigMap", "two");
    plain::delete(&corner.admin, &two, namespace).await?;
    let change = next(&mut events).await?;
    ensure!(
        matches!(&change, Change::Deleted(key) if key.name == "two"),
        "{change:?}"
    );

    pool.retain(&HashSet::new());
    ensure!(pool.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_kind_with_health_brings_its_status_and_a_secret_never_its_values() -> Result<()> {
    let corner = Corner::new("health").await?;
    let labels = json!({ "syncline.dev/managed": INSTANCE });
    corner
        .apply(&json!({ "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": "db", "labels": labels }, "data": { "pw": "aHVudGVyMg==" } }))
        .await??;
    corner
        .apply(&json!({ "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "web", "labels": labels },
            "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
                "template": { "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": [{ "name": "web", "image": "registry.example/web:1" }] } } } }))
        .await??;
    let deployer = corner.deployer().await?;
    let (pool, mut events) = Pool::new(INSTANCE, Settings::default());
    let area = Area::Namespace(corner.namespace.clone());
    for (api_version, kind) in [("v1", "Secret"), ("apps/v1", "Deployment")] {
        let kind = corner.kind(api_version, kind).await?;
        ensure!(pool.ensure(&deployer, &kind, area.clone()) == Ensured::Started);
    }
    let mut secret = false;
    loop {
        let Change::Applied(live) = next(&mut events).await? else {
            continue;
        };
        ensure!(!format!("{live:?}").contains("aHVudGVyMg"));
        secret |= live.key.kind == "Secret";
        let ready = live.object.as_ref().is_some_and(|object| {
            object["status"]["readyReplicas"] == 2
                && object["spec"]["replicas"] == 2
                && object["spec"]["template"].is_null()
        });
        if ready && secret {
            return Ok(());
        }
    }
}

#[tokio::test]
async fn fault_f27_a_watch_without_the_right_says_so_once_and_another_account_replaces_it()
-> Result<()> {
    let corner = Corner::new("no-right").await?;
    let account = plain::reference("v1", "ServiceAccount", "nobody");
    plain::apply(&corner.admin, &account, Some(&corner.namespace)).await?;
    let nobody = corner.cluster.account(&corner.namespace, "nobody").await?;
    let deployer = corner.deployer().await?;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let (pool, mut events) = Pool::new(
        INSTANCE,
        Settings {
            budget: 1,
            ..Settings::default()
        },
    );
    let area = Area::Namespace(corner.namespace.clone());
    pool.ensure(&nobody, &kind, area.clone());
    let change = next(&mut events).await?;
    ensure!(matches!(&change, Change::Failing(_)), "{change:?}");
    ensure!(pool.failing() == [WatchKey::new(&kind, area.clone())]);
    ensure!(pool.ensure(&deployer, &kind, area.clone()) == Ensured::Started);
    let change = next(&mut events).await?;
    ensure!(matches!(&change, Change::Restarted), "{change:?}");
    let service = corner.kind("v1", "Service").await?;
    ensure!(pool.ensure(&deployer, &service, area) == Ensured::OverBudget);
    Ok(())
}
