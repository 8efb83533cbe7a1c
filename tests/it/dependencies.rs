//! Applications that wait for others and for objects, and what they read that changes: all of it by
//! events.

mod references;
mod same_repository;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::agent::{ACCOUNT, NAMESPACE};
use syncline_tests::control_plane::audit::AuditEvent;
use syncline_tests::objects;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{
    config_map, deploy, deployed, deployment, message, push, value_of, wait_for_value,
};
use crate::ui_session::Session;

const LINKS: usize = 10;

fn link(number: usize) -> String {
    format!("link-{number}")
}

fn file(number: usize) -> String {
    format!("apps/link-{number}/all.yaml")
}

/// A Deployment and a ConfigMap with a value.
fn content(number: usize, value: &str) -> String {
    let name = link(number);
    format!("{}---\n{}", deployment(&name), config_map(&name, value))
}

/// The spec of an application that needs others.
fn needs(names: &[&str]) -> Value {
    let all: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
    json!({ "dependsOn": all })
}

/// Waits until an Application says a reason and all of the parts.
async fn says(world: &World, name: &str, reason: &str, parts: &[&str]) -> Result<Value> {
    let what = format!("{reason} with {parts:?}");
    world
        .wait_for_ours("Application", name, &what, |live| {
            let text = message(live);
            live["status"]["sync"] == reason && parts.iter().all(|part| text.contains(part))
        })
        .await
}

/// Waits for an event on an Application whose note has all of the parts.
async fn wait_for_event(world: &World, name: &str, reason: &str, parts: &[&str]) -> Result<()> {
    let path = format!(
        "/apis/events.k8s.io/v1/namespaces/{}/events",
        world.namespace
    );
    wait_for(&format!("{reason} of {name}"), DEADLINE, async || {
        let request = http::Request::get(&path).body(Vec::new())?;
        let list: Value = serde_json::from_str(&world.client.request_text(request).await?)?;
        let all = list["items"].as_array().into_iter().flatten();
        let ours = all.filter(|event| {
            event["reason"] == reason
                && event["regarding"]["kind"] == "Application"
                && event["regarding"]["name"] == name
        });
        let notes: Vec<&str> = ours.filter_map(|event| event["note"].as_str()).collect();
        let found = notes
            .iter()
            .any(|note| parts.iter().all(|part| note.contains(part)));
        ensure!(found, "the notes are {notes:?}");
        Ok(())
    })
    .await
}

/// Whether the agent itself asked how Applications are, apart from its watch.
fn asks_for_applications(event: &AuditEvent, namespace: &str) -> bool {
    let agent = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let object = event.object();
    event.user.username == agent
        && ["get", "list"].contains(&event.verb.as_str())
        && object.resource == "applications"
        && (object.namespace == namespace || object.namespace.is_empty())
}

/// How often the agent has asked the Git server for the world's repository.
fn looks(world: &World) -> usize {
    let requests = world.git.requests(world.repo.name());
    let fetches = requests
        .iter()
        .filter(|r| r.query.contains("git-upload-pack") || r.path.ends_with("git-upload-pack"));
    fetches.count()
}

/// When a Deployment was made, and since when it is available: RFC 3339, whole seconds.
async fn times(world: &World, name: &str) -> Result<(String, String)> {
    let live = world.get("apps/v1", "Deployment", name).await?;
    let available = objects::condition(&live, "Available");
    let available = available.with_context(|| format!("{name} is not available"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let made = text(&live["metadata"]["creationTimestamp"]);
    Ok((made, text(&available["lastTransitionTime"])))
}

#[tokio::test]
async fn a_chain_of_ten_becomes_ready_without_a_poll_and_only_what_changes_is_synced() -> Result<()>
{
    let world = World::new("chain").await?;
    let files: Vec<(String, String)> = (0..LINKS).map(|n| (file(n), content(n, "1"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(f, c)| (&**f, &**c)).collect();
    let first = world.repo.commit(&files, "The whole chain")?;
    // Made in the wrong order: nobody's turn comes by chance.
    for number in (0..LINKS).rev() {
        let before = number.checked_sub(1).map(link);
        let needed: Vec<&str> = before.as_deref().into_iter().collect();
        let path = format!("apps/link-{number}");
        world
            .application(&link(number), &path, needs(&needed))
            .await?;
    }
    let audit = world.control_plane().audit().from_now()?;
    // From here on the Repository is looked at once, and again in an hour.
    world.repository(json!({})).await?;
    says(&world, "link-9", "Blocked", &["Application link-8"]).await?;
    world.wait_until_synced("link-0", &first).await?;
    let looked = looks(&world);
    for number in 1..LINKS {
        world.wait_until_synced(&link(number), &first).await?;
    }
    ensure!(
        looks(&world) == looked,
        "the repository was asked while the chain went on"
    );
    // The inventory list of each is written once, on the version that was read.
    let mut asked: Vec<String> = audit
        .events()?
        .into_iter()
        .filter(|event| asks_for_applications(event, &world.namespace))
        .map(|event| format!("{} {}", event.verb, event.uri))
        .collect();
    asked.sort_unstable();
    let once = asked.iter().collect::<BTreeSet<_>>().len() == asked.len();
    let lists = asked
        .iter()
        .any(|request| !request.contains("/applications/link-"));
    ensure!(once && !lists, "Applications were asked for: {asked:?}");
    for number in 1..LINKS {
        let (before, this) = (link(number - 1), link(number));
        let (_, ready) = times(&world, &before).await?;
        let (made, _) = times(&world, &this).await?;
        ensure!(
            made >= ready,
            "{this} was made {made}, {before} was ready {ready}"
        );
    }

    // What does not change makes nobody wait, and is not synced.
    let session = Session::open(world.agent()).await?;
    let mut rows = Vec::new();
    for number in 0..LINKS - 1 {
        let syncs = session.syncs(&world.namespace, &link(number)).await?;
        rows.push(syncs.len());
    }
    let audit = world.control_plane().audit().from_now()?;
    let changed = [(file(LINKS - 1), content(LINKS - 1, "2"))];
    let changed = [(&*changed[0].0, &*changed[0].1)];
    let second = push(&world, &changed, "The last link").await?;
    wait_for_value(&world, "link-9", Some("2")).await?;
    world.wait_until_synced("link-9", &second).await?;
    for (number, rows) in rows.iter().enumerate() {
        let syncs = session.syncs(&world.namespace, &link(number)).await?;
        ensure!(syncs.len() == *rows, "link-{number} was synced: {syncs:?}");
    }
    let others = deployed(&world, &audit)?
        .into_iter()
        .filter(|write| write.object().name != "link-9");
    ensure!(others.count() == 0, "another link was written");
    Ok(())
}

#[tokio::test]
async fn a_circle_is_named_and_its_end_lets_all_go_on() -> Result<()> {
    let world = World::new("circle").await?;
    let (a, b) = (config_map("a", "1"), config_map("b", "1"));
    let commit = world
        .repo
        .commit(&[("apps/a/a.yaml", &a), ("apps/b/b.yaml", &b)], "Start")?;
    world.repository(json!({})).await?;
    world.application("a", "apps/a", needs(&["b"])).await?;
    world.application("b", "apps/b", needs(&["a"])).await?;
    for name in ["a", "b"] {
        says(&world, name, "DependencyCycle", &["a -> b -> a"]).await?;
    }
    ensure!(value_of(&world, "a").await?.is_none());
    world.application("b", "apps/b", needs(&[])).await?;
    for name in ["b", "a"] {
        world.wait_until_synced(name, &commit).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_application_waits_for_the_condition_of_an_object() -> Result<()> {
    let world = World::new("object").await?;
    let gate = |open: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "gate" },
            "data": { "open": open },
        })
    };
    world.apply(&gate("no")).await?;
    let commit = world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "1"))], "Start")?;
    world.repository(json!({})).await?;
    let ready = json!({ "dependsOn": [{
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "gate",
        "ready": "self.data.open == 'yes'",
    }] });
    world.application("web", "apps/web", ready).await?;
    let parts = ["ConfigMap gate since ", "self.data.open == 'yes'"];
    says(&world, "web", "Blocked", &parts).await?;
    ensure!(value_of(&world, "web").await?.is_none());
    world.apply(&gate("yes")).await?;
    world.wait_until_synced("web", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn deleting_a_dependency_says_who_still_needs_it() -> Result<()> {
    let world = World::new("needed").await?;
    let map = |name: &str| config_map(name, "1");
    let (base, web, top) = (map("base"), map("web"), map("top"));
    let files = [
        ("apps/base/all.yaml", base.as_str()),
        ("apps/web/all.yaml", web.as_str()),
        ("apps/top/all.yaml", top.as_str()),
    ];
    let applications = [
        ("base", "apps/base", needs(&[])),
        ("web", "apps/web", needs(&["base"])),
        ("top", "apps/top", needs(&["web"])),
    ];
    deploy(&world, &files, &applications).await?;
    // Somebody else keeps an object of it for a while.
    let held = json!({ "metadata": { "finalizers": ["example.com/held"] } });
    world.edit("v1", "ConfigMap", "base", &held).await?;
    let application = objects::reference("syncline.dev/v1alpha1", "Application", "base");
    objects::delete(&world.client, &application, Some(&world.namespace)).await?;
    says(&world, "base", "Deleting", &["still needed by web, top"]).await?;
    wait_for_event(
        &world,
        "base",
        "Deleting",
        &["still needed by", "web", "top"],
    )
    .await?;
    let parts = ["Application base", "is being deleted"];
    wait_for_event(&world, "web", "Deleting", &parts).await?;
    let free = json!({ "metadata": { "finalizers": null } });
    world.edit("v1", "ConfigMap", "base", &free).await?;
    wait_for("the end of the Application", DEADLINE, async || {
        let api = "syncline.dev/v1alpha1";
        let there = world.exists(api, "Application", "base").await?;
        ensure!(!there, "it is still there");
        Ok(())
    })
    .await?;
    let newer = config_map("web", "2");
    push(&world, &[("apps/web/all.yaml", &newer)], "Two").await?;
    let parts = ["Application base since ", "it does not exist"];
    says(&world, "web", "Blocked", &parts).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("1"));
    Ok(())
}
