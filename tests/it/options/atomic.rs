//! `atomic: true`: a commit is applied as a whole or not at all.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::World;

use super::{ensure_failed, outcome, sync_of};
use crate::deploy::{config_map, deploy, deployed, deployment, push, value_of};

#[tokio::test]
async fn one_bad_object_of_an_atomic_commit_keeps_all_of_it_from_being_written() -> Result<()> {
    let world = World::new("atomic").await?;
    let atomic = json!({ "sync": { "atomic": true } });
    let (a, b) = (config_map("a", "1"), config_map("b", "1"));
    let files = [("app/a.yaml", a.as_str()), ("app/b.yaml", b.as_str())];
    deploy(&world, &files, &[("app", "app", atomic)]).await?;
    let audit = world.control_plane().audit().from_now()?;
    let bad = deployment("web").replace("replicas: 2", "replicas: -1");
    let service =
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  ports:\n  - port: 70000\n";
    let (a, new) = (config_map("a", "2"), config_map("new", "2"));
    let files = [
        ("app/a.yaml", a.as_str()),
        ("app/new.yaml", &new),
        ("app/web.yaml", &bad),
        ("app/service.yaml", service),
    ];
    world.repo.remove(&["app/b.yaml"], "Remove")?;
    let commit = push(&world, &files, "Change").await?;
    let sync = sync_of(&world, "app", &commit).await?;
    ensure!(sync["summary"]["result"] == "failed", "{sync:#}");
    // All that is wrong is said at once, with its place and the API server's words.
    let says = [
        "app/web.yaml",
        "spec.replicas",
        "greater than or equal to 0",
    ];
    ensure_failed(&sync, "Deployment", "web", "InvalidObject", &says)?;
    let says = [
        "app/service.yaml",
        "spec.ports[0].port",
        "between 1 and 65535",
    ];
    ensure_failed(&sync, "Service", "web", "InvalidObject", &says)?;
    for name in ["a", "new", "b"] {
        let reason = &outcome(&sync, "ConfigMap", name)?["failure"]["reason"];
        ensure!(reason == "NotAtomic", "{name}: {sync:#}");
    }
    let writes = deployed(&world, &audit)?;
    ensure!(writes.is_empty(), "{writes:#?}");
    ensure!(value_of(&world, "a").await?.as_deref() == Some("1"));
    ensure!(value_of(&world, "b").await?.as_deref() == Some("1"));

    let (good, service) = (deployment("web"), service.replace("70000", "80"));
    let files = [
        ("app/web.yaml", good.as_str()),
        ("app/service.yaml", &service),
    ];
    let commit = push(&world, &files, "Correct it").await?;
    let sync = sync_of(&world, "app", &commit).await?;
    ensure!(sync["summary"]["result"] == "succeeded", "{sync:#}");
    ensure!(value_of(&world, "a").await?.as_deref() == Some("2"));
    ensure!(value_of(&world, "new").await?.as_deref() == Some("2"));
    ensure!(value_of(&world, "b").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn an_atomic_commit_may_hold_a_kind_and_an_object_of_it() -> Result<()> {
    let world = World::new("atomic-kind").await?;
    crate::deploy::cluster_admin(&world).await?;
    let group = format!("{}.example.com", world.namespace);
    let definition = crate::crashes::definition(&group);
    let gadget = crate::crashes::gadget(&group);
    let map = config_map("a", "1");
    let files = [
        ("app/a.yaml", map.as_str()),
        ("app/gadget.yaml", &gadget),
        ("app/kind.json", &definition),
    ];
    let atomic = json!({ "sync": { "atomic": true } });
    deploy(&world, &files, &[("app", "app", atomic)]).await?;
    world
        .get(&format!("{group}/v1"), "Gadget", "gadget")
        .await?;
    Ok(())
}
