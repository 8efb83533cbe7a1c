//! Differences as the API tells them: live against Git, against another commit, between two syncs.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::deploy;
use crate::ui_session::Session;

fn map(name: &str, data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{{data}}}\n")
}

/// What differs in the object of this name.
fn of<'a>(diff: &'a Value, name: &str) -> Result<&'a Value> {
    let mut objects = diff["objects"].as_array().into_iter().flatten();
    let found = objects.find(|object| object["object"]["name"] == name);
    found.with_context(|| format!("nothing of {name} in {diff:#}"))
}

fn text<'a>(object: &'a Value, side: &str) -> &'a str {
    object[side].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_is_live_is_told_beside_what_git_wants_with_the_owners_of_fields() -> Result<()> {
    let world = World::new("diff-live").await?;
    let session = Session::open(world.agent()).await?;
    let (first, other) = (map("map", "a: \"1\", left: git"), map("other", "a: \"1\""));
    let files = [("app/map.yaml", first.as_str()), ("app/other.yaml", &other)];
    let spec = json!({
        "sync": { "selfHeal": false },
        "ignore": [{ "kind": "ConfigMap", "name": "map", "fields": ["/data/left"] }],
    });
    let commit = deploy(&world, &files, &[("app", "app", spec)]).await?;
    let path = format!("/api/v1/applications/{}/app/diff", world.namespace);
    let diff = session.get(&path).await?;
    ensure!(
        diff["objects"] == json!([]) && diff["unchanged"] == 2,
        "{diff:#}"
    );
    ensure!(
        diff["ignored"] == json!(["`/data/left` of ConfigMap `map`"]),
        "{diff:#}"
    );
    ensure!(
        diff["from"]["title"] == "live" && diff["to"]["title"] == "main",
        "{diff:#}"
    );
    ensure!(diff["to"]["commit"]["id"] == commit.as_str(), "{diff:#}");

    let by_hand = json!({ "data": { "a": "2", "left": "hand" } });
    world.edit("v1", "ConfigMap", "map", &by_hand).await?;
    let diff = wait_for("the difference", DEADLINE, async || {
        let diff = session.get(&path).await?;
        of(&diff, "map")?;
        Ok(diff)
    })
    .await?;
    let object = of(&diff, "map")?;
    let (before, after) = (text(object, "before"), text(object, "after"));
    ensure!(
        before.contains("a: \"2\"") && after.contains("a: \"1\""),
        "{object:#}"
    );
    ensure!(
        before.replace("a: \"2\"", "a: \"1\"") == after,
        "{object:#}"
    );
    ensure!(
        !before.contains("resourceVersion") && !before.contains("syncline.dev"),
        "{before}"
    );
    let owners = object["owners"].as_array().context("no owners")?;
    ensure!(
        owners.len() == 1 && owners[0]["path"] == "data.a",
        "{object:#}"
    );
    ensure!(
        owners[0]["managers"][0]["name"] == "kubectl-edit",
        "{object:#}"
    );
    ensure!(owners[0]["managers"][0]["time"].is_string(), "{object:#}");
    let ignored = json!([{ "fields": ["data.left"], "because": "`spec.ignore` names it" }]);
    ensure!(object["ignored"] == ignored, "{object:#}");
    let live = world.get("v1", "ConfigMap", "map").await?;
    ensure!(live["data"]["a"] == "2", "the answer wrote something");

    // Of another commit.
    let second = map("map", "a: \"3\", b: \"4\"");
    let branch = world.repo.commit(&[("app/map.yaml", &second)], "Another")?;
    let diff = session.get(&format!("{path}?ref={branch}")).await?;
    let object = of(&diff, "map")?;
    ensure!(text(object, "after").contains("b: \"4\""), "{object:#}");
    ensure!(diff["to"]["commit"]["subject"] == "Another", "{diff:#}");

    for (query, status) in [
        ("?from=01ARZ3NDEKTSV4RRFFQ69G5FAV", 400),
        ("?ref=nowhere", 409),
        (
            "?from=01ARZ3NDEKTSV4RRFFQ69G5FAV&to=01ARZ3NDEKTSV4RRFFQ69G5FAW",
            409,
        ),
    ] {
        let answer = session.send(Method::GET, &format!("{path}{query}")).await?;
        ensure!(answer.status() == status, "{query}: {}", answer.status());
    }
    let nobody = format!("/api/v1/applications/{}/none/diff", world.namespace);
    ensure!(session.send(Method::GET, &nobody).await?.status() == 404);
    Ok(())
}

#[tokio::test]
async fn what_two_syncs_left_is_compared_from_history() -> Result<()> {
    let world = World::new("diff-syncs").await?;
    let session = Session::open(world.agent()).await?;
    let (one, two, same) = (
        map("changed", "a: \"1\""),
        map("gone", "a: \"1\""),
        map("same", "a: \"1\""),
    );
    let files = [
        ("app/changed.yaml", one.as_str()),
        ("app/gone.yaml", &two),
        ("app/same.yaml", &same),
    ];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    let (changed, new) = (map("changed", "a: \"2\""), map("new", "a: \"1\""));
    let files = [
        ("app/changed.yaml", changed.as_str()),
        ("app/new.yaml", &new),
    ];
    let commit = world
        .repo
        .replace(&["app/gone.yaml"], &files, "Change them")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("app", &commit).await?;
    let namespace = &world.namespace;
    let (from, to) = wait_for("both syncs in the history", DEADLINE, async || {
        let syncs = session.syncs(namespace, "app").await?;
        let id = |count: &str, number: u32| {
            let mut syncs = syncs.iter();
            let sync =
                syncs.find(|sync| sync["counts"][count] == number && sync["result"] == "succeeded");
            let sync = sync.with_context(|| format!("no sync with {number} {count}"))?;
            Ok::<_, anyhow::Error>(sync["id"].as_str().context("no id")?.to_owned())
        };
        Ok((id("created", 3)?, id("pruned", 1)?))
    })
    .await?;
    let path = format!("/api/v1/applications/{namespace}/app/diff");
    let diff = session.get(&format!("{path}?from={from}&to={to}")).await?;
    ensure!(diff["unchanged"] == 1, "{diff:#}");
    ensure!(diff["from"]["sync"] == from.as_str() && diff["to"]["sync"] == to.as_str());
    ensure!(diff["to"]["commit"]["id"] == commit.as_str(), "{diff:#}");
    for (name, action, before, after) in [
        ("changed", "update", "a: \"1\"", "a: \"2\""),
        ("gone", "prune", "a: \"1\"", ""),
        ("new", "create", "", "a: \"1\""),
    ] {
        let object = of(&diff, name)?;
        ensure!(object["action"] == action, "{object:#}");
        ensure!(text(object, "before").contains(before), "{object:#}");
        ensure!(text(object, "after").contains(after), "{object:#}");
    }
    let (gone, new) = (of(&diff, "gone")?, of(&diff, "new")?);
    ensure!(
        gone["after"].is_null() && new["before"].is_null(),
        "{diff:#}"
    );
    let back = session.get(&format!("{path}?from={to}&to={from}")).await?;
    ensure!(of(&back, "new")?["action"] == "prune", "{back:#}");
    let same = session.get(&format!("{path}?from={to}&to={to}")).await?;
    ensure!(same["objects"] == json!([]), "{same:#}");
    Ok(())
}
