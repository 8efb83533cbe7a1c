//! What waits for a person, and how a person says yes.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::{
    annotated, approve, borrowed, map_files, nothing_was_deleted, only_deleted, turn, uids,
    wait_until_gone,
};
use crate::deploy::{
    config_map, deploy, deployment, ensure_says, message, push, value_of, wait_for_value,
};

/// A file of that many ConfigMaps, counted from `from`.
fn many(from: usize, count: usize) -> String {
    let maps: Vec<_> = (from..from + count)
        .map(|n| config_map(&format!("m{n:03}"), "1"))
        .collect();
    maps.join("---\n")
}

#[tokio::test]
async fn inv_i08_a_hundred_become_seventy_nine_at_once_and_forty_nine_with_approval() -> Result<()>
{
    let world = World::new("shrink").await?;
    let file = "apps/web/maps.yaml";
    deploy(
        &world,
        &[(file, &many(0, 100))],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let commit = push(&world, &[(file, &many(21, 79))], "Fewer").await?;
    world.wait_until_synced("web", &commit).await?;
    ensure!(uids(&world).await?.len() == 79);

    push(&world, &[(file, &many(0, 100))], "All again").await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    let audit = world.control_plane().audit().from_now()?;
    push(&world, &[(file, &many(51, 49))], "Far fewer").await?;
    let live = world
        .wait_for_reason("Application", "web", "PruneHeld")
        .await?;
    ensure_says(&message(&live), &["51 of 100"])?;
    nothing_was_deleted(&world, &audit).await?;
    approve(&world, "web").await?;
    wait_for("the prune", DEADLINE, async || {
        let count = uids(&world).await?.len();
        ensure!(count == 49, "{count} objects");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn inv_i08_names_with_another_generated_end_are_no_removal() -> Result<()> {
    let world = World::new("generated").await?;
    let with_hash = |hash: &str| {
        let work =
            |n: usize| deployment(&format!("job{n}-{hash}")).replace("replicas: 2", "replicas: 0");
        let all: Vec<_> = (0..7)
            .map(|n| {
                format!(
                    "{}---\n{}",
                    config_map(&format!("c{n}-{hash}"), "1"),
                    work(n)
                )
            })
            .collect();
        all.join("---\n")
    };
    let file = "apps/web/all.yaml";
    deploy(
        &world,
        &[(file, &with_hash("5t6f8b2k9d"))],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let commit = push(&world, &[(file, &with_hash("7c4m2h6g5f"))], "Generate anew").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c0-5t6f8b2k9d", None).await?;
    wait_until_gone(&world, "apps/v1", "Deployment", "job0-5t6f8b2k9d").await
}

#[tokio::test]
async fn inv_i08_workloads_with_another_prefix_are_held_also_by_the_next_agent() -> Result<()> {
    let turn = turn().await?;
    let world = turn.world("prefix", |settings| settings).await?;
    let kustomization = |prefix: &str| format!("namePrefix: {prefix}\nresources: [work.yaml]\n");
    let work: Vec<_> = (0..3)
        .map(|n| deployment(&format!("w{n}")).replace("replicas: 2", "replicas: 0"))
        .collect();
    let (work, old, new) = (
        work.join("---\n"),
        kustomization("old-"),
        kustomization("new-"),
    );
    let files = [
        ("apps/web/work.yaml", work.as_str()),
        ("apps/web/kustomization.yaml", old.as_str()),
    ];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    push(
        &world,
        &[("apps/web/kustomization.yaml", &new)],
        "Another prefix",
    )
    .await?;
    world
        .wait_for_reason("Application", "web", "ReplaceHeld")
        .await?;
    for loses_data in [false, true] {
        ensure!(world.agent().terminate(DEADLINE)?.success());
        if loses_data {
            world.agent().lose_data()?;
        }
        world.agent().restart().await?;
        let commit = push(
            &world,
            &[(
                "apps/web/kustomization.yaml",
                &format!("{new}# {loses_data}\n"),
            )],
            "More",
        )
        .await?;
        super::wait_until_applied(&world, "web", &commit).await?;
        nothing_was_deleted(&world, &audit).await?;
    }
    approve(&world, "web").await?;
    for n in 0..3 {
        wait_until_gone(&world, "apps/v1", "Deployment", &format!("old-w{n}")).await?;
    }
    only_deleted(&world, &audit, &["old-w0", "old-w1", "old-w2"]).await
}

#[tokio::test]
async fn inv_i08_one_trailer_approves_several_applications_and_a_later_commit_keeps_it()
-> Result<()> {
    let world = World::new("several").await?;
    let names: Vec<String> = (0..7).map(|n| format!("c{n}")).collect();
    let mut files = Vec::new();
    for application in ["a", "b", "c"] {
        let names: Vec<_> = names
            .iter()
            .map(|name| format!("{application}{name}"))
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        files.extend(map_files(&format!("apps/{application}"), &names));
    }
    let applications = ["a", "b", "c"].map(|name| (name, format!("apps/{name}")));
    let applications: Vec<_> = applications
        .iter()
        .map(|(name, path)| (*name, path.as_str(), json!({})))
        .collect();
    deploy(&world, &borrowed(&files), &applications).await?;
    let gone: Vec<_> = files
        .iter()
        .map(|(path, _)| path.as_str())
        .filter(|path| !path.ends_with("c6.yaml"))
        .collect();
    world
        .repo
        .remove(&gone, "Remove most\n\nSyncline-Prune: a, b")?;
    let commit = world
        .repo
        .commit(&[("README.md", "Hello\n")], "A later one")?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Application", "c", "PruneHeld")
        .await?;
    for name in ["a", "b"] {
        world.wait_until_synced(name, &commit).await?;
        for n in 0..6 {
            wait_for_value(&world, &format!("{name}c{n}"), None).await?;
        }
    }
    for n in 0..7 {
        ensure!(
            value_of(&world, &format!("cc{n}")).await?.is_some(),
            "cc{n} is gone"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_object_says_itself_whether_it_may_be_deleted() -> Result<()> {
    let world = World::new("words").await?;
    let stay = [
        ("never", "syncline.dev/prune", "never"),
        ("flux", "kustomize.toolkit.fluxcd.io/prune", "disabled"),
        ("argo", "argocd.argoproj.io/sync-options", "Prune=false"),
        ("helm", "helm.sh/resource-policy", "keep"),
    ];
    let ask = [
        ("confirm", "syncline.dev/prune", "confirm"),
        (
            "argo-confirm",
            "argocd.argoproj.io/sync-options",
            "Prune=confirm",
        ),
    ];
    let claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: always\n  annotations:\n    syncline.dev/prune: always\n\
                 spec:\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n";
    let orphan = deployment("orphan").replace(
        "  name: orphan\nspec",
        "  name: orphan\n  annotations:\n    syncline.dev/prune-propagation: orphan\nspec",
    );
    ensure!(orphan.contains("propagation"));
    let mut files: Vec<_> = stay
        .iter()
        .chain(&ask)
        .map(|(name, annotation, value)| {
            (
                format!("apps/web/{name}.yaml"),
                annotated(name, annotation, value),
            )
        })
        .collect();
    files.push(("apps/web/always.yaml".to_owned(), claim.to_owned()));
    files.push(("apps/web/orphan.yaml".to_owned(), orphan));
    let stays: Vec<String> = (0..12).map(|n| format!("s{n}")).collect();
    let stays: Vec<_> = stays.iter().map(String::as_str).collect();
    let rest = map_files("apps/web", &stays);
    let all = [borrowed(&files), borrowed(&rest)].concat();
    let first = world.repo.commit(&all, "Start")?;
    world.repository(json!({})).await?;
    let never = json!({ "sync": { "pruneApproval": "Never" } });
    world.application("web", "apps/web", never).await?;
    super::wait_until_applied(&world, "web", &first).await?;
    wait_for("the ReplicaSet", DEADLINE, async || {
        let sets = replica_sets(&world).await?;
        ensure!(sets == 1, "{sets}");
        Ok(())
    })
    .await?;
    let audit = world.control_plane().audit().from_now()?;
    let paths: Vec<_> = files.iter().map(|(path, _)| path.as_str()).collect();
    world.repo.remove(&paths, "Remove")?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Application", "web", "PruneHeld")
        .await?;
    wait_until_gone(&world, "apps/v1", "Deployment", "orphan").await?;
    wait_until_gone(&world, "v1", "PersistentVolumeClaim", "always").await?;
    only_deleted(&world, &audit, &["orphan", "always"]).await?;
    ensure!(
        replica_sets(&world).await? == 1,
        "what the Deployment had made is gone"
    );
    approve(&world, "web").await?;
    for (name, _, _) in ask {
        wait_for_value(&world, name, None).await?;
    }
    world.wait_until_synced("web", &world.repo.head()?).await?;
    only_deleted(
        &world,
        &audit,
        &["orphan", "always", "confirm", "argo-confirm"],
    )
    .await
}

async fn replica_sets(world: &World) -> Result<usize> {
    use k8s_openapi::api::apps::v1::ReplicaSet;
    let sets = kube::Api::<ReplicaSet>::namespaced(world.client.clone(), &world.namespace);
    Ok(sets
        .list_metadata(&kube::api::ListParams::default())
        .await?
        .items
        .len())
}

#[tokio::test]
async fn the_policy_asks_for_each_deletion_or_for_none() -> Result<()> {
    let world = World::new("policy").await?;
    let always = map_files("apps/always", &["one", "two", "three"]);
    let names: Vec<String> = (0..9).map(|n| format!("n{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let never = map_files("apps/never", &names);
    let all = [borrowed(&always), borrowed(&never)].concat();
    let says = |word: &str| json!({ "sync": { "pruneApproval": word } });
    let applications = [
        ("always", "apps/always", says("Always")),
        ("never", "apps/never", says("Never")),
    ];
    deploy(&world, &all, &applications).await?;
    let audit = world.control_plane().audit().from_now()?;
    let mut gone: Vec<_> = never
        .iter()
        .map(|(path, _)| path.as_str())
        .take(8)
        .collect();
    gone.push("apps/always/one.yaml");
    let commit = world.repo.remove(&gone, "Remove")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("never", &commit).await?;
    wait_for_value(&world, "n7", None).await?;
    world
        .wait_for_reason("Application", "always", "PruneHeld")
        .await?;
    only_deleted(&world, &audit, &names[..8]).await?;
    approve(&world, "always").await?;
    wait_for_value(&world, "one", None).await
}
