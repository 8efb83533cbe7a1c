//! Applications whose syncs wait for a person, and previews of other commits.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{annotate, config_map, message, push, value_of, wait_for_value};
use crate::ui_session::Session;

const APPROVE: &str = "syncline.dev/approve";

/// An Application of the folder `apps/web` that syncs by hand only, with its first commit applied.
async fn manual(name: &str) -> Result<World> {
    let world = World::new(name).await?;
    let first = config_map("web", "1");
    world
        .repo
        .commit(&[("apps/web/web.yaml", first.as_str())], "Start")?;
    world.repository(json!({})).await?;
    let manual = json!({ "sync": { "automatic": false } });
    world.application("web", "apps/web", manual).await?;
    let hash = proposed(&world, "1 to create").await?;
    ensure!(value_of(&world, "web").await?.is_none());
    annotate(&world, "Application", "web", APPROVE, &hash).await?;
    let first = world.repo.head()?;
    world.wait_until_synced("web", &first).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    Ok(world)
}

/// Waits until a plan with these counts waits for approval, and gives its hash.
async fn proposed(world: &World, counts: &str) -> Result<String> {
    let what = format!("a plan with {counts}");
    wait_for(&what, DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = world.ours("Application", "web").await?;
        let said = message(&live);
        let hash = live["status"]["planHash"].as_str().context("no plan")?;
        let plan = format!("plan {hash} of commit");
        ensure!(said.contains(&plan) && said.contains(counts), "{said:?}");
        Ok(hash.to_owned())
    })
    .await
}

async fn wait_for_words(world: &World, words: &str) -> Result<()> {
    wait_for(words, DEADLINE, async || {
        world.agent().ensure_running()?;
        let said = message(&world.ours("Application", "web").await?);
        ensure!(said.contains(words), "{said:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_plan_waits_and_only_the_hash_of_this_plan_applies_it() -> Result<()> {
    let world = manual("approve-plan").await?;
    let (web, side) = (config_map("web", "2"), config_map("side", "2"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/web/side.yaml", side.as_str()),
    ];
    let second = push(&world, &files, "Change and add").await?;
    let hash = proposed(&world, "1 to create, 1 to update").await?;
    // Another hash does nothing, and is told so.
    annotate(&world, "Application", "web", APPROVE, "1111111111111111").await?;
    wait_for_words(&world, "approved plan 1111111111111111 is not the plan").await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    ensure!(value_of(&world, "side").await?.is_none());
    annotate(&world, "Application", "web", APPROVE, &hash).await?;
    world.wait_until_synced("web", &second).await?;
    wait_for_value(&world, "web", Some("2")).await?;
    wait_for_value(&world, "side", Some("2")).await?;
    let status = world.ours("Application", "web").await?["status"].clone();
    ensure!(status["planHash"].is_null(), "{status:#}");
    Ok(())
}

#[tokio::test]
async fn a_push_in_between_invalidates_an_approval() -> Result<()> {
    let world = manual("approve-late").await?;
    let two = config_map("web", "2");
    push(&world, &[("apps/web/web.yaml", two.as_str())], "Two").await?;
    let hash = proposed(&world, "1 to update").await?;
    let three = config_map("web", "3");
    let third = push(&world, &[("apps/web/web.yaml", three.as_str())], "Three").await?;
    let newer = wait_for("the plan of the newer commit", DEADLINE, async || {
        let newer = proposed(&world, "1 to update").await?;
        ensure!(newer != hash, "it is the old one");
        Ok(newer)
    })
    .await?;
    annotate(&world, "Application", "web", APPROVE, &hash).await?;
    wait_for_words(&world, &format!("approved plan {hash} is not the plan")).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    annotate(&world, "Application", "web", APPROVE, &newer).await?;
    world.wait_until_synced("web", &third).await?;
    wait_for_value(&world, "web", Some("3")).await
}

#[tokio::test]
async fn a_trailer_in_git_approves_the_plan_and_its_prunes() -> Result<()> {
    let world = manual("approve-trailer").await?;
    let other = config_map("other", "1");
    let files = [("apps/web/other.yaml", other.as_str())];
    let message = "Replace\n\nSyncline-Approve: web";
    let second = world
        .repo
        .replace(&["apps/web/web.yaml"], &files, message)?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &second).await?;
    wait_for_value(&world, "other", Some("1")).await?;
    wait_for_value(&world, "web", None).await
}

/// A hook that ends by itself: a ConfigMap is there, and that is all it has to be.
fn hook(value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: migrate\n  annotations:\n    \
         syncline.dev/hook: before\ndata:\n  key: \"{value}\"\n"
    )
}

#[tokio::test]
async fn a_commit_that_brings_nothing_but_a_hook_waits_and_the_hook_runs_once_approved()
-> Result<()> {
    let world = manual("approve-hook").await?;
    let file = hook("1");
    let second = push(&world, &[("apps/web/hook.yaml", &file)], "Migrate").await?;
    let hash = proposed(&world, "1 hooks to run").await?;
    ensure!(!world.exists("v1", "ConfigMap", "migrate").await?, "it ran");
    // Another hook is another plan.
    let file = hook("2");
    let third = push(&world, &[("apps/web/hook.yaml", &file)], "Migrate").await?;
    let newer = wait_for("the plan of the newer hook", DEADLINE, async || {
        let newer = proposed(&world, "1 hooks to run").await?;
        ensure!(newer != hash, "it is the old one");
        Ok(newer)
    })
    .await?;
    let before = world.control_plane().audit().from_now()?;
    annotate(&world, "Application", "web", APPROVE, &newer).await?;
    let live = world.wait_until_synced("web", &third).await?;
    ensure!(live["status"]["planHash"].is_null(), "{live:#}");
    ensure!(second != third);
    let writes = before.writes()?.into_iter();
    let runs = writes.filter(|write| {
        let object = write.object();
        object.namespace == world.namespace && object.name == "migrate"
    });
    ensure!(runs.count() > 0, "the hook did not run");
    Ok(())
}

#[tokio::test]
async fn a_request_while_the_application_is_suspended_is_not_made_up_for_later() -> Result<()> {
    let world = manual("approve-later").await?;
    let suspended = json!({
        "sync": { "automatic": false },
        "suspend": { "reason": "the move" },
    });
    world.application("web", "apps/web", suspended).await?;
    wait_for_words(&world, "the move").await?;
    let two = config_map("web", "2");
    let second = push(&world, &[("apps/web/web.yaml", two.as_str())], "Two").await?;
    world.request("Application", "web").await?;
    wait_for_words(&world, "the move").await?;
    let manual = json!({ "sync": { "automatic": false } });
    world.application("web", "apps/web", manual).await?;
    // Not applied: its plan waits.
    proposed(&world, "1 to update").await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    world.request("Application", "web").await?;
    world.wait_until_synced("web", &second).await?;
    wait_for_value(&world, "web", Some("2")).await
}

#[tokio::test]
async fn a_preview_of_another_branch_shows_its_changes_and_writes_nothing() -> Result<()> {
    let world = World::new("preview-branch").await?;
    let first = config_map("web", "1");
    let start = world
        .repo
        .commit(&[("apps/web/web.yaml", first.as_str())], "Start")?;
    world.repo.git(&["branch", "live", &start])?;
    world.repo.git(&["push", "origin", "live"])?;
    world
        .repository(json!({ "ref": { "branch": "live" } }))
        .await?;
    world.application("web", "apps/web", json!({})).await?;
    world.wait_until_synced("web", &start).await?;
    let second = config_map("web", "2");
    let topic = world
        .repo
        .commit(&[("apps/web/web.yaml", second.as_str())], "Topic")?;
    let session = Session::open(world.agent()).await?;
    let before = world.control_plane().audit().from_now()?;
    let path = format!("/api/v1/applications/{}/web/preview?ref", world.namespace);
    for reference in ["main", "refs/heads/main", topic.as_str(), &topic[..8]] {
        let preview: Value = session.get(&format!("{path}={reference}")).await?;
        ensure!(preview["commit"]["id"] == topic.as_str(), "{preview:#}");
        let actions = preview["actions"].as_array().context("no actions")?;
        ensure!(
            actions.len() == 1 && actions[0]["action"] == "update",
            "{preview:#}"
        );
        let change = &actions[0]["changes"][0];
        ensure!(
            change["path"] == "data.key" && change["after"] == "\"2\"",
            "{preview:#}"
        );
    }
    let missing = session.get(&format!("{path}=nowhere")).await;
    let said = missing
        .err()
        .context("there is no such branch")?
        .to_string();
    ensure!(said.contains("`nowhere`"), "{said}");
    let writes = before.writes()?.into_iter();
    let here: Vec<_> = writes
        .filter(|write| write.object().namespace == world.namespace)
        .collect();
    ensure!(here.is_empty(), "{here:?}");
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    Ok(())
}
