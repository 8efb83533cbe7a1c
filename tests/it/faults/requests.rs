//! Requests that the API server refuses, forgets, or answers with what was true before.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::{Action, Rule};

use super::{
    borrowed, config_maps, crowd, deletions, files, nothing_is_deleted, spoil, spoiled_and_mended,
    until, wait_until_it_says, world,
};
use crate::deploy::{Person, deployed, ensure_says, wait_for_value};

#[tokio::test]
async fn fault_f17_a_sync_completes_and_waits_as_it_is_told_while_every_second_request_is_refused()
-> Result<()> {
    let world = world("throttled").await?;
    let proxy = world.proxy()?;
    let second = Duration::from_secs(1);
    let refused = Rule::new(Action::TooManyRequests(second)).path(&config_maps(&world));
    let rule = proxy.add(refused.every(2));
    let begin = Instant::now();
    crowd(&world, 6).await?;
    proxy.remove(rule);
    let requests = proxy.requests_since(begin);
    let refused = requests.iter().filter(|request| request.rule == Some(rule));
    ensure!(refused.clone().count() > 3, "{requests:#?}");
    for first in refused {
        let mut later = requests.iter().filter(|r| r.at > first.at);
        let again = later.find(|r| r.method == first.method && r.uri() == first.uri());
        if let Some(again) = again {
            let pause = again.at - first.at;
            ensure!(pause >= second, "{} again after {pause:?}", first.uri());
        }
    }
    Ok(())
}

#[tokio::test]
async fn fault_f18_one_object_that_the_api_server_fails_on_holds_up_no_other_and_comes_later()
-> Result<()> {
    let world = world("failing").await?;
    let proxy = world.proxy()?;
    let path = format!("{}/c3", config_maps(&world));
    let rule = proxy.add(Rule::new(Action::Status(500)).verb("patch").path(&path));
    let commit = world.repo.commit(&borrowed(&files(6)), "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_until_it_says(&world, "Application", "web", &["c3", "ApiUnavailable"]).await?;
    for name in ["c0", "c1", "c2", "c4", "c5"] {
        wait_for_value(&world, name, Some("1")).await?;
    }
    until("a retry", || Ok(proxy.hits(rule) >= 3)).await?;
    proxy.remove(rule);
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c3", Some("1")).await
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_again_without_harm() -> Result<()> {
    let world = world("lost").await?;
    let proxy = world.proxy()?;
    let audit = world.control_plane().audit().from_now()?;
    let of = |name: &str| format!("{}/{name}", config_maps(&world));
    let lost = |verb: &str, name: &str| {
        Rule::new(Action::DropAfter)
            .verb(verb)
            .path(&of(name))
            .first(1)
    };
    let patch = proxy.add(lost("patch", "c1"));
    crowd(&world, 3).await?;
    ensure!(proxy.hits(patch) == 1, "the answer was not lost");
    for (name, most) in [("c0", 1), ("c1", 2), ("c2", 1)] {
        let mut writes = deployed(&world, &audit)?;
        writes.retain(|write| write.object().name == name);
        ensure!(writes.len() <= most, "{name}: {writes:#?}");
    }

    let removal = proxy.add(lost("delete", "c2"));
    let commit = world.repo.remove(&["apps/web/c2.yaml"], "Remove c2")?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "c2", None).await?;
    world.wait_until_synced("web", &commit).await?;
    ensure!(proxy.hits(removal) == 1, "the answer was not lost");
    let deleted = deletions(&world, &audit)?;
    let only = deleted.iter().all(|delete| delete.object().name == "c2");
    ensure!(only && deleted.len() <= 2, "{deleted:#?}");
    Ok(())
}

#[tokio::test]
async fn fault_f21_what_was_planned_on_an_old_answer_is_refused_and_planned_anew() -> Result<()> {
    let world = world("stale").await?;
    let proxy = world.proxy()?;
    crowd(&world, 2).await?;
    let audit = world.control_plane().audit().from_now()?;
    let path = format!("{}/c0", config_maps(&world));
    let rule = proxy.add(Rule::new(Action::Stale).verb("get").path(&path));
    // The first repair reads the object; from then on that is all that can be read of it.
    for key in ["first", "second"] {
        let patch = json!({ "data": { key: "by hand" } });
        world.edit("v1", "ConfigMap", "c0", &patch).await?;
        if key == "first" {
            until("the first repair", || Ok(proxy.hits(rule) > 0)).await?;
            gone(&world, key).await?;
        }
    }
    let refused = || {
        let mut writes = deployed(&world, &audit)?;
        writes.retain(|write| {
            write
                .response_status
                .as_ref()
                .is_some_and(|s| s.code == 409)
        });
        anyhow::Ok(writes)
    };
    until("a write that is refused", || Ok(!refused()?.is_empty())).await?;
    proxy.remove(rule);
    gone(&world, "second").await?;
    nothing_is_deleted(&world, &audit)
}

/// Waits until the ConfigMap `c0` has no such key.
async fn gone(world: &syncline_tests::World, key: &str) -> Result<()> {
    syncline_tests::wait_for(
        &format!("{key} to be gone"),
        syncline_tests::world::DEADLINE,
        async || {
            let live = world.get("v1", "ConfigMap", "c0").await?;
            ensure!(live["data"][key].is_null(), "it is there");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn fault_f25_what_is_taken_by_force_is_said_with_the_field_and_its_former_owner() -> Result<()>
{
    let world = world("taken").await?;
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "c0" },
        "data": { "key": "theirs" },
    });
    syncline_tests::objects::apply(&world.client, &object, Some(&world.namespace)).await?;
    crowd(&world, 1).await?;
    wait_for_value(&world, "c0", Some("1")).await?;
    let person = Person::sign_in(world.agent()).await?;
    let sync = person
        .wait_for_sync(&world, "web", "that wrote", |sync| {
            sync["summary"]["result"] == "succeeded"
        })
        .await?;
    let note = sync["outcomes"][0]["note"].to_string();
    ensure_says(&note, &["taken over", "syncline-tests"])?;

    spoiled_and_mended(&world, "c0").await?;
    let sync = person
        .wait_for_sync(&world, "web", "that put it back", |sync| {
            sync["summary"]["cause"] == "drift" && sync["summary"]["finishedAt"].is_string()
        })
        .await?;
    let note = sync["outcomes"][0]["note"].to_string();
    ensure_says(&note, &["put back data", "kubectl-edit"])
}

#[tokio::test]
async fn inv_i13_reads_that_fail_for_a_while_do_not_become_a_storm() -> Result<()> {
    let world = world("storm").await?;
    let proxy = world.proxy()?;
    crowd(&world, 1).await?;
    let audit = world.control_plane().audit().from_now()?;
    let reads = |verb: &str| {
        Rule::new(Action::Status(503))
            .verb(verb)
            .path(&config_maps(&world))
    };
    let rules: Vec<_> = ["get", "list", "watch"]
        .map(reads)
        .map(|rule| proxy.add(rule))
        .into();
    proxy.interrupt(&config_maps(&world), syncline_tests::Interruption::Cut);
    spoil(&world, "c0").await?;
    let begin = Instant::now();
    tokio::time::sleep(super::A_WHILE).await;
    let path = config_maps(&world);
    let mut requests = proxy.requests_since(begin);
    requests.retain(|request| request.path.contains(&path));
    ensure!(requests.len() <= 40, "{} requests", requests.len());
    for rule in rules {
        proxy.remove(rule);
    }
    wait_for_value(&world, "c0", Some("1")).await?;
    nothing_is_deleted(&world, &audit)
}
