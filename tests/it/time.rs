//! When a commit is applied: windows, pins, suspensions, the freeze, and how often it is tried.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::process::command;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, programs, wait_for};

use crate::deploy::{
    config_map, deploy, ensure_says, message, metric, push, value_of, wait_for_value,
};
use crate::lifecycle_setup::turn;

const FILE: &str = "apps/web/web.yaml";

/// A world in which the ConfigMap `web` has the value `1`.
async fn with_config(world: &World, more: Value) -> Result<String> {
    let file = config_map("web", "1");
    deploy(world, &[(FILE, &file)], &[("web", "apps/web", more)]).await
}

async fn drift_is_repaired(world: &World, value: &str) -> Result<()> {
    let patch = json!({ "data": { "key": "by hand" } });
    world.edit("v1", "ConfigMap", "web", &patch).await?;
    wait_for_value(world, "web", Some(value)).await
}

async fn says(world: &World, reason: &str, parts: &[&str]) -> Result<Value> {
    let what = format!("{reason} with {parts:?}");
    world
        .wait_for_ours("Application", "web", &what, |live| {
            let text = message(live);
            live["status"]["sync"] == reason && parts.iter().all(|part| text.contains(part))
        })
        .await
}

#[tokio::test]
async fn a_window_in_the_hour_that_does_not_exist_opens_at_the_first_moment_after_it() -> Result<()>
{
    let turn = turn().await?;
    let world = World::with_agent("window", turn.control_plane, |settings| settings).await?;
    let windows = json!([{
        "kind": "Allow",
        "schedule": "30 2 * * *",
        "duration": "1h",
        "timeZone": "Europe/Berlin",
    }]);
    with_config(&world, json!({})).await?;
    let agent = world.agent();
    ensure!(agent.terminate(DEADLINE)?.success());
    let more = json!({ "sync": { "windows": windows } });
    world.application("web", "apps/web", more).await?;
    let newer = world
        .repo
        .commit(&[(FILE, &config_map("web", "2"))], "Two")?;
    // On this night in Berlin 02:00 becomes 03:00, at 01:00 UTC.
    let night = agent
        .settings()
        .failpoints("clock=return(2030-03-31T00:59:15Z)");
    agent.start_again(night).await?;
    let opens = "opens at 2030-03-31T01:00:00Z (Europe/Berlin 03:00)";
    let live = says(&world, "WindowClosed", &[&newer[..7], " waits; ", opens]).await?;
    ensure!(
        live["status"]["nextTry"] == "2030-03-31T01:00:00Z",
        "{live}"
    );
    ensure!(live["status"]["health"] == "Healthy", "{live}");
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    drift_is_repaired(&world, "1").await?;
    // Nobody asks for it.
    wait_for_value(&world, "web", Some("2")).await?;
    world.wait_until_synced("web", &newer).await?;
    Ok(())
}

#[tokio::test]
async fn a_person_overrides_a_window_and_a_commit_elsewhere_does_not_wait_for_it() -> Result<()> {
    let world = World::new("override").await?;
    let never = json!([{ "kind": "Deny", "schedule": "0 * * * *", "duration": "2h" }]);
    with_config(&world, json!({})).await?;
    let more = json!({ "sync": { "windows": never } });
    world.application("web", "apps/web", more).await?;
    push(&world, &[("README.md", "elsewhere")], "Elsewhere").await?;
    let newer = push(&world, &[(FILE, &config_map("web", "2"))], "Two").await?;
    says(&world, "WindowClosed", &[&newer[..7]]).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    world.request("Application", "web").await?;
    wait_for_value(&world, "web", Some("2")).await?;
    world.wait_until_synced("web", &newer).await?;
    Ok(())
}

#[tokio::test]
async fn a_pinned_application_goes_back_and_stays_there_until_the_pin_is_gone() -> Result<()> {
    let world = World::new("pin").await?;
    let first = with_config(&world, json!({})).await?;
    push(&world, &[(FILE, &config_map("web", "2"))], "Two").await?;
    wait_for_value(&world, "web", Some("2")).await?;
    let pin = json!({ "pin": { "commit": first[..7], "reason": "two leaks" } });
    world.application("web", "apps/web", pin).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let newest = push(&world, &[(FILE, &config_map("web", "3"))], "Three").await?;
    says(&world, "Pinned", &[&newest[..7], &first[..7], "two leaks"]).await?;
    drift_is_repaired(&world, "1").await?;
    let wrong = json!({ "pin": { "commit": "1111111", "reason": "x" } });
    world.application("web", "apps/web", wrong).await?;
    says(
        &world,
        "RevisionNotFound",
        &["`spec.pin.commit`", "1111111"],
    )
    .await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    world.application("web", "apps/web", json!({})).await?;
    wait_for_value(&world, "web", Some("3")).await?;
    world.wait_until_synced("web", &newest).await?;
    Ok(())
}

#[tokio::test]
async fn a_suspension_with_an_end_ends_without_anybody() -> Result<()> {
    let world = World::new("until").await?;
    with_config(&world, json!({})).await?;
    let end = jiff::Timestamp::now() + std::time::Duration::from_secs(10);
    let end = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let suspend = json!({ "suspend": { "reason": "holiday", "until": end } });
    world.application("web", "apps/web", suspend).await?;
    says(&world, "Suspended", &["holiday; until ", &end]).await?;
    let newer = push(&world, &[(FILE, &config_map("web", "2"))], "Two").await?;
    wait_for_value(&world, "web", Some("2")).await?;
    world.wait_until_synced("web", &newer).await?;
    Ok(())
}

#[tokio::test]
async fn a_sync_that_fails_too_often_waits_for_a_commit() -> Result<()> {
    let world = World::new("tries").await?;
    let retry = json!({ "sync": { "retry": { "limit": 1, "first": "1s", "most": "1s" } } });
    with_config(&world, retry).await?;
    push(&world, &[(FILE, "kind: [\n")], "Break it").await?;
    let live = says(&world, "RetriesExhausted", &["2 tries", "web.yaml"]).await?;
    ensure!(live["status"]["nextTry"].is_null(), "{live}");
    let newer = push(&world, &[(FILE, &config_map("web", "2"))], "Mend it").await?;
    world.wait_until_synced("web", &newer).await?;
    Ok(())
}

#[tokio::test]
async fn while_the_agent_is_frozen_nothing_is_synced_repaired_or_deleted() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("freeze", turn.control_plane, |settings| settings).await?;
    with_config(&world, json!({})).await?;
    let run = |arguments: &[&str]| -> Result<String> {
        let kubeconfig = turn.control_plane.admin_kubeconfig();
        let out = command(programs::agent()?)
            .args(arguments)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .output()?;
        let error = String::from_utf8_lossy(&out.stderr);
        ensure!(out.status.success(), "{arguments:?}: {error}");
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let printed = run(&["freeze", "--reason", "the database moves", "--for", "2h"])?;
    ensure_says(&printed, &["frozen: the database moves (by ", "until 2"])?;
    says(
        &world,
        "Frozen",
        &["the database moves", "syncline unfreeze"],
    )
    .await?;
    ensure!((metric(world.agent(), "syncline_frozen", "").await? - 1.0).abs() < 0.1);
    push(&world, &[(FILE, &config_map("web", "2"))], "Two").await?;
    world
        .wait_for_ours("Repository", "config", "the commit is fetched", |live| {
            let revision = live["status"]["revision"].as_str().unwrap_or_default();
            world.repo.head().is_ok_and(|head| revision.contains(&head))
        })
        .await?;
    // Also after a restart, before anything else.
    ensure!(world.agent().terminate(DEADLINE)?.success());
    world.agent().restart().await?;
    let patch = json!({ "data": { "key": "by hand" } });
    world.edit("v1", "ConfigMap", "web", &patch).await?;
    let object = syncline_tests::objects::reference("syncline.dev/v1alpha1", "Application", "web");
    let client = turn.control_plane.admin().await?;
    syncline_tests::objects::delete(&client, &object, Some(&world.namespace)).await?;
    says(
        &world,
        "Frozen",
        &["the deletion waits", "the database moves"],
    )
    .await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("by hand"));
    ensure!(run(&["unfreeze"])? == "not frozen any more\n");
    wait_for("the end of the Application", DEADLINE, async || {
        let there = world
            .exists("syncline.dev/v1alpha1", "Application", "web")
            .await?;
        ensure!(!there, "it is still there");
        Ok(())
    })
    .await?;
    ensure!(run(&["unfreeze"])? == "it was not frozen\n");
    Ok(())
}
