//! The end of an Application: by the same proofs, never stuck and never silent.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::world::{DEADLINE, DEPLOYER};
use syncline_tests::{World, objects, wait_for};

use super::{
    annotated, borrowed, delete_application, deletes, map_files, nothing_was_deleted, only_deleted,
    turn, uids, wait_for_end, wait_for_owner,
};
use crate::deploy::{config_map, deploy, ensure_says, message, value_of};

#[tokio::test]
async fn inv_i12_a_deletion_does_not_wait_for_ever_for_a_missing_account() -> Result<()> {
    let turn = turn().await?;
    let world = turn
        .world("stuck", |settings| settings.flag("--deletion-timeout=2s"))
        .await?;
    let file = config_map("web", "1");
    deploy(
        &world,
        &[("apps/web/web.yaml", &file)],
        &[("web", "apps/web", json!({}))],
    )
    .await?;
    let account = objects::reference("v1", "ServiceAccount", DEPLOYER);
    objects::delete(&world.client, &account, Some(&world.namespace)).await?;
    // Until the agent has seen that, the account is believed to be there.
    wait_for("the account to be missed", DEADLINE, async || {
        world.request("Application", "web").await?;
        let live = world.ours("Application", "web").await?;
        let ready = objects::find_condition(&live, "Ready").context("no condition")?;
        ensure!(ready["reason"] == "AccountMissing", "{ready}");
        Ok(())
    })
    .await?;
    let audit = world.control_plane().audit().from_now()?;
    delete_application(&world, "web").await?;
    wait_for_end(&world, "web").await?;
    nothing_was_deleted(&world, &audit).await?;
    ensure!(
        value_of(&world, "web").await?.is_some(),
        "deleted without an account"
    );
    ensure!(
        world.agent().log().contains("left behind"),
        "the log does not say what stays"
    );

    // One that never had its account goes at once.
    world
        .application("never", "apps/web", json!({ "serviceAccount": "applier" }))
        .await?;
    world
        .wait_for_reason("Application", "never", "AccountMissing")
        .await?;
    delete_application(&world, "never").await?;
    wait_for_end(&world, "never").await
}

#[tokio::test]
async fn inv_i12_an_object_that_does_not_end_is_named_and_the_others_go() -> Result<()> {
    let world = World::new("finalizer").await?;
    let held = config_map("held", "1").replace(
        "  name: held\n",
        "  name: held\n  finalizers: [example.com/hold]\n",
    );
    let files = [
        ("apps/web/held.yaml", held),
        ("apps/web/goes.yaml", config_map("goes", "1")),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text));
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    delete_application(&world, "web").await?;
    world
        .wait_for_ours("Application", "web", "waiting for the finalizer", |live| {
            message(live).contains("held is being deleted") || message(live).contains("held")
        })
        .await?;
    ensure!(
        value_of(&world, "goes").await?.is_none(),
        "it waits for the other"
    );
    let free = json!({ "metadata": { "finalizers": null } });
    world.edit("v1", "ConfigMap", "held", &free).await?;
    wait_for_end(&world, "web").await
}

#[tokio::test]
async fn inv_i12_what_holds_data_or_asks_to_stay_stays_and_is_listed() -> Result<()> {
    let world = World::new("listed").await?;
    let claim = |name: &str, more: &str| {
        format!(
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {name}\n{more}spec:\n  accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Gi}}}}\n"
        )
    };
    let mut files = map_files("apps/web", &["goes"]);
    files.push(("apps/web/disk.yaml".to_owned(), claim("disk", "")));
    let always = "  annotations:\n    syncline.dev/prune: always\n";
    files.push(("apps/web/scratch.yaml".to_owned(), claim("scratch", always)));
    files.push((
        "apps/web/kept.yaml".to_owned(),
        annotated("kept", "argocd.argoproj.io/sync-options", "Delete=false"),
    ));
    let commit = world.repo.commit(&borrowed(&files), "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    super::wait_until_applied(&world, "web", &commit).await?;
    let audit = world.control_plane().audit().from_now()?;
    delete_application(&world, "web").await?;
    wait_for_end(&world, "web").await?;
    let deleted = deletes(&world, &audit).await?;
    let names: Vec<_> = deleted.iter().map(|event| event.object().name).collect();
    ensure!(
        names.contains(&"goes".to_owned()) && names.contains(&"scratch".to_owned()),
        "{names:?}"
    );
    ensure!(
        !names.contains(&"disk".to_owned()) && !names.contains(&"kept".to_owned()),
        "{names:?}"
    );
    let events = kube::Api::<k8s_openapi::api::events::v1::Event>::namespaced(
        world.client.clone(),
        &world.namespace,
    );
    wait_for("the event that lists what stays", DEADLINE, async || {
        let all = events.list(&kube::api::ListParams::default()).await?;
        let notes: Vec<_> = all
            .items
            .into_iter()
            .filter(|event| event.reason.as_deref() == Some("Orphaned"))
            .filter_map(|event| event.note)
            .collect();
        ensure!(
            notes
                .iter()
                .any(|note| note.contains("disk") && note.contains("kept")),
            "{notes:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn inv_i12_a_deletion_waits_for_the_render_of_those_who_may_take_objects_over() -> Result<()>
{
    let world = World::new("patient").await?;
    let files = map_files("apps/web", &["a", "b"]);
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    // The new one cannot be rendered yet.
    let broken = [
        ("apps/new/a.yaml", config_map("a", "1")),
        ("apps/new/broken.yaml", "a: [\n".to_owned()),
    ];
    let broken = broken.map(|(path, text)| (path.to_owned(), text));
    world.repo.commit(&borrowed(&broken), "Break the new one")?;
    world.request("Repository", "config").await?;
    world.application("new", "apps/new", json!({})).await?;
    world
        .wait_for_reason("Application", "new", "YamlSyntax")
        .await?;
    delete_application(&world, "web").await?;
    let live = world.wait_for_ours("Application", "web", "waiting for the other", |live| {
        message(live).contains("/new")
    });
    ensure_says(&message(&live.await?), &["rendered"])?;
    nothing_was_deleted(&world, &audit).await?;
    world.repo.remove(&["apps/new/broken.yaml"], "Mend it")?;
    world.request("Repository", "config").await?;
    wait_for_end(&world, "web").await?;
    wait_for_owner(&world, "a", "new").await?;
    ensure!(
        uids(&world).await?.get("a") == before.get("a"),
        "it was made anew"
    );
    only_deleted(&world, &audit, &["b"]).await
}
