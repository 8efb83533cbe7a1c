//! What the API of the web UI tells of an application that waits: for what, until when, what to do.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{config_map, deploy, push, value_of, wait_for_value};
use crate::ui_session::Session;

const FILE: &str = "apps/web/web.yaml";

async fn with_config(world: &World) -> Result<String> {
    let file = config_map("web", "1");
    deploy(world, &[(FILE, &file)], &[("web", "apps/web", json!({}))]).await
}

fn path_of(world: &World) -> String {
    format!("/api/v1/applications/{}/web", world.namespace)
}

/// Waits until the detail names a gate, and answers with the detail and the gate.
async fn gate(world: &World, session: &Session, hold: &str) -> Result<(Value, Value)> {
    wait_for(&format!("the gate {hold}"), DEADLINE, async || {
        let detail = session.get(&path_of(world)).await?;
        let mut gates = detail["gates"].as_array().into_iter().flatten();
        let gate = gates.find(|gate| gate["hold"] == hold).cloned();
        let gate = gate.with_context(|| format!("{:#}", detail["gates"]))?;
        let holds = detail["summary"]["holds"].as_array();
        let listed = holds.is_some_and(|holds| holds.contains(&json!(hold)));
        ensure!(listed, "{:#}", detail["summary"]);
        Ok((detail, gate))
    })
    .await
}

#[tokio::test]
async fn a_suspension_is_told_with_its_end_and_no_sync_may_be_asked_for() -> Result<()> {
    let world = World::new("ui-suspended").await?;
    let session = Session::open(world.agent()).await?;
    with_config(&world).await?;
    let end = jiff::Timestamp::now() + std::time::Duration::from_hours(1);
    let end = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let suspend = json!({ "suspend": { "reason": "holiday", "until": end } });
    world.application("web", "apps/web", suspend).await?;
    let (detail, gate) = gate(&world, &session, "suspended").await?;
    ensure!(
        gate["reason"] == "holiday" && gate["until"] == end,
        "{gate}"
    );
    ensure!(detail["gates"][0] == gate, "{detail:#}");
    let sync = format!("{}/sync", path_of(&world));
    let answer = session.send(Method::POST, &sync).await?;
    ensure!(answer.status() == 409, "it answered {}", answer.status());
    let text = answer.text().await?;
    ensure!(text.contains("holiday"), "{text}");
    Ok(())
}

#[tokio::test]
async fn an_application_that_waits_for_another_names_it_until_it_is_ready() -> Result<()> {
    let world = World::new("ui-blocked").await?;
    let session = Session::open(world.agent()).await?;
    let (web, base) = (config_map("web", "1"), config_map("base", "1"));
    let files = [(FILE, web.as_str()), ("apps/base/base.yaml", &base)];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let more = json!({ "dependsOn": [{ "name": "base" }] });
    world.application("web", "apps/web", more).await?;
    let (detail, gate) = gate(&world, &session, "blocked").await?;
    let said = gate["reason"].as_str().unwrap_or_default();
    ensure!(said.contains("Application base since "), "{gate}");
    let named = &detail["dependsOn"][0];
    ensure!(
        named["application"] == "base" && named["readiness"] == "blocking",
        "{detail:#}"
    );
    let why = named["why"].as_str().unwrap_or_default();
    ensure!(said.contains(why) && !why.is_empty(), "{named} and {gate}");
    ensure!(named["since"].is_string(), "{named}");
    ensure!(value_of(&world, "web").await?.is_none());

    world.application("base", "apps/base", json!({})).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    wait_for("nothing to wait for", DEADLINE, async || {
        let detail = session.get(&path_of(&world)).await?;
        ensure!(detail["gates"] == json!([]), "{:#}", detail["gates"]);
        let named = &detail["dependsOn"][0];
        ensure!(named["readiness"] == "ready", "{named}");
        Ok(())
    })
    .await?;
    let path = format!("/api/v1/applications/{}/base", world.namespace);
    let needed = session.get(&path).await?["neededBy"].clone();
    ensure!(
        needed == json!([{ "name": "web", "direct": true, "waits": false }]),
        "{needed}"
    );
    Ok(())
}

#[tokio::test]
async fn a_closed_window_is_told_with_its_rule_and_holds_only_what_is_newer() -> Result<()> {
    let world = World::new("ui-window").await?;
    let session = Session::open(world.agent()).await?;
    with_config(&world).await?;
    let never = json!([{ "kind": "Deny", "schedule": "0 * * * *", "duration": "2h" }]);
    let more = json!({ "sync": { "windows": never } });
    world.application("web", "apps/web", more).await?;
    let closed = wait_for("the windows", DEADLINE, async || {
        let detail = session.get(&path_of(&world)).await?;
        ensure!(detail["windows"].is_object(), "{detail:#}");
        Ok(detail)
    })
    .await?;
    ensure!(closed["gates"] == json!([]), "nothing newer: {closed:#}");
    let windows = &closed["windows"];
    ensure!(windows["open"] == false, "{windows:#}");
    let item = &windows["items"][0];
    ensure!(
        item["rule"] == "deny" && item["schedule"] == "0 * * * *" && item["seconds"] == 7200,
        "{item:#}"
    );
    ensure!(
        item["open"] == true && item["timeZone"] == "UTC",
        "{item:#}"
    );
    let newer = push(&world, &[(FILE, &config_map("web", "2"))], "Two").await?;
    let (_, gate) = gate(&world, &session, "window").await?;
    let said = gate["reason"].as_str().unwrap_or_default();
    ensure!(said.contains(&newer[..7]), "{gate}");
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    Ok(())
}

#[tokio::test]
async fn a_plan_that_waits_is_shown_with_its_changes_and_the_command_that_approves_it() -> Result<()>
{
    let world = World::new("ui-plan").await?;
    let session = Session::open(world.agent()).await?;
    let login = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {word: canary-of-a-plan}\n";
    let web = config_map("web", "1");
    let files = [(FILE, web.as_str()), ("apps/web/login.yaml", login)];
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let manual = json!({ "sync": { "automatic": false } });
    world.application("web", "apps/web", manual).await?;
    let (detail, _) = gate(&world, &session, "approval").await?;
    let approval = &detail["approval"];
    let hash = approval["planHash"].as_str().context("no plan")?;
    let command = approval["command"].as_str().unwrap_or_default();
    ensure!(
        command.ends_with(&format!("syncline.dev/approve={hash}")),
        "{command}"
    );
    let preview = session.get(&format!("{}/preview", path_of(&world))).await?;
    ensure!(preview["approval"]["planHash"] == hash, "{preview:#}");
    ensure!(preview["commit"]["id"] == commit.as_str(), "{preview:#}");
    ensure!(preview["counts"]["create"] == 2, "{preview:#}");
    let actions = preview["actions"].as_array().context("no actions")?;
    ensure!(
        actions.len() == 2 && actions.iter().all(|action| action["action"] == "create"),
        "{preview:#}"
    );
    for text in [detail.to_string(), preview.to_string()] {
        ensure!(!text.contains("canary-of-a-plan"), "{text}");
    }
    ensure!(value_of(&world, "web").await?.is_none());
    Ok(())
}
