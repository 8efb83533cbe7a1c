//! What the API of the web UI tells of what is recorded beside syncs: deliveries, drift, calls; and of
//! repositories and dependencies.

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use syncline_tests::git_server::signature;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{config_map, deploy};
use crate::ui_session::Session;
use crate::webhook::{post, secret_of, world_with_hook};

/// The newest item of a list for which something holds. Other tests use the same agent.
async fn item(session: &Session, path: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    wait_for(&format!("an item of {path}"), DEADLINE, async || {
        let list = session.get(path).await?;
        let mut items = list["items"].as_array().into_iter().flatten();
        let found = items.find(|item| is_it(item)).cloned();
        found.with_context(|| format!("{list:#}"))
    })
    .await
}

fn names(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .map(|item| item["name"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[tokio::test]
async fn a_delivery_is_told_with_what_it_matched_and_which_application_it_led_to() -> Result<()> {
    let world = world_with_hook("ui-delivery").await?;
    let session = Session::open(world.agent()).await?;
    let namespace = world.namespace.as_str();
    let map = config_map("a", "2");
    let commit = world.repo.commit(&[("app/a.yaml", &map)], "Change")?;
    let status = world.deliver(&secret_of(&world)).await?;
    ensure!((200..300).contains(&status), "it answered {status}");
    world.wait_until_synced("app", &commit).await?;
    let matched = |item: &Value| {
        item["repositories"][0]["namespace"] == namespace
            && !names(&item["applications"]).is_empty()
    };
    let told = item(&session, "/api/v1/webhooks?verdict=accepted", matched).await?;
    ensure!(
        told["event"] == "push" && told["branch"] == "main",
        "{told:#}"
    );
    ensure!(names(&told["repositories"]) == ["config"], "{told:#}");
    ensure!(names(&told["applications"]) == ["app"], "{told:#}");
    ensure!(
        told["time"].is_string() && told["delivery"].is_string(),
        "{told:#}"
    );

    let path = format!("/api/v1/repositories/{namespace}/config");
    let detail = session.get(&path).await?;
    let summary = &detail["summary"];
    ensure!(summary["webhook"] == "ready", "{detail:#}");
    ensure!(
        summary["lastDelivery"]["verdict"] == "accepted",
        "{detail:#}"
    );
    ensure!(summary["head"]["id"] == commit.as_str(), "{detail:#}");
    ensure!(summary["nextLook"].is_string(), "{detail:#}");
    ensure!(names(&detail["readers"]) == ["app"], "{detail:#}");
    let missing = format!("/api/v1/repositories/{namespace}/other");
    let answer = session.send(Method::GET, &missing).await?;
    ensure!(answer.status() == 404, "it answered {}", answer.status());
    Ok(())
}

#[tokio::test]
async fn a_delivery_that_leads_to_nothing_is_told_with_why_and_without_what_is_not_believed()
-> Result<()> {
    let world = world_with_hook("ui-ignored").await?;
    let session = Session::open(world.agent()).await?;
    // A branch that only this world has.
    let branch = format!("of-{}", world.namespace);
    let body = json!({ "repository": world.repo.url(), "branch": branch }).to_string();
    let sign = signature(&secret_of(&world), &body)?;
    let (status, _) = post(&world, "generic", Some(("x-signature", &sign)), &body).await?;
    ensure!(status == 202, "it answered {status}");
    let told = item(&session, "/api/v1/webhooks?verdict=ignored", |item| {
        item["branch"] == branch.as_str()
    })
    .await?;
    let expected = format!("the branch `{branch}` is followed by no Repository");
    ensure!(told["reason"] == expected.as_str(), "{told:#}");
    ensure!(names(&told["repositories"]).is_empty(), "{told:#}");

    let (status, _) = post(&world, "generic", Some(("x-signature", &sign[..60])), &body).await?;
    ensure!(status == 401, "it answered {status}");
    let wrong = signature("another-secret", &body)?;
    let (status, _) = post(&world, "generic", Some(("x-signature", &wrong)), &body).await?;
    ensure!(status == 401, "it answered {status}");
    let list = wait_for("the rejected ones to be counted", DEADLINE, async || {
        let list = session.get("/api/v1/webhooks?verdict=rejected").await?;
        let counted = list["counts"]["rejected"].as_u64().unwrap_or_default();
        ensure!(
            counted >= 2 && !names(&list["items"]).is_empty(),
            "{list:#}"
        );
        Ok(list)
    })
    .await?;
    let text = list.to_string();
    ensure!(
        !text.contains(&branch) && !text.contains(world.repo.url()),
        "{text}"
    );
    let answer = session
        .send(Method::GET, "/api/v1/webhooks?verdict=good")
        .await?;
    ensure!(answer.status() == 400, "it answered {}", answer.status());
    Ok(())
}

#[tokio::test]
async fn drift_is_told_with_field_client_and_what_becomes_of_it_and_stays_in_history() -> Result<()>
{
    let world = World::new("ui-drift").await?;
    let session = Session::open(world.agent()).await?;
    let file = config_map("web", "1");
    let more = json!({ "sync": { "selfHeal": false } });
    deploy(
        &world,
        &[("apps/web/web.yaml", &file)],
        &[("web", "apps/web", more)],
    )
    .await?;
    let patch = json!({ "data": { "key": "changed" } });
    world.edit("v1", "ConfigMap", "web", &patch).await?;
    let namespace = world.namespace.as_str();
    let ours = |item: &Value| item["namespace"] == namespace && item["application"] == "web";
    let now = wait_for("the drift to be told", DEADLINE, async || {
        let list = session.get("/api/v1/drift").await?;
        let mut now = list["now"].as_array().into_iter().flatten();
        let found = now.find(|item| ours(item) && item["manager"].is_string());
        found.cloned().with_context(|| format!("{list:#}"))
    })
    .await?;
    ensure!(now["manager"] == "kubectl-edit", "{now:#}");
    ensure!(
        now["fields"][0]
            .as_str()
            .is_some_and(|field| field.contains("data")),
        "{now:#}"
    );
    ensure!(now["selfHeal"] == false && now["gone"] == false, "{now:#}");
    ensure!(now["object"]["kind"] == "ConfigMap", "{now:#}");
    let next = now["next"].as_str().unwrap_or_default();
    ensure!(next.contains("selfHeal"), "{now:#}");
    let sync = now["sync"].as_str().context("no sync")?;
    session.get(&format!("/api/v1/syncs/{sync}")).await?;

    let heal = json!({ "sync": { "selfHeal": true } });
    world.application("web", "apps/web", heal).await?;
    wait_for("the drift to be over", DEADLINE, async || {
        let list = session.get("/api/v1/drift").await?;
        let mut now = list["now"].as_array().into_iter().flatten();
        ensure!(!now.any(ours), "{list:#}");
        Ok(())
    })
    .await?;
    let found = item(&session, "/api/v1/drift", |item| {
        ours(item) && item["result"] == "succeeded"
    })
    .await?;
    ensure!(found["items"][0]["manager"] == "kubectl-edit", "{found:#}");
    Ok(())
}

#[tokio::test]
async fn dependencies_are_drawn_with_who_waits_and_circles_are_named() -> Result<()> {
    let world = World::new("ui-graph").await?;
    let session = Session::open(world.agent()).await?;
    let namespace = world.namespace.as_str();
    let needs = |name: &str| json!({ "dependsOn": [{ "name": name }] });
    for (name, needs) in [
        ("a", needs("b")),
        ("b", needs("a")),
        ("web", needs("db")),
        ("alone", json!({})),
    ] {
        world
            .application(name, &format!("apps/{name}"), needs)
            .await?;
    }
    let around = |name: &str| format!("/api/v1/dependencies?namespace={namespace}&name={name}");
    let circle = wait_for("the circle", DEADLINE, async || {
        let graph = session.get(&around("a")).await?;
        ensure!(names(&graph["circles"][0]) == ["a", "b", "a"], "{graph:#}");
        Ok(graph)
    })
    .await?;
    ensure!(names(&circle["applications"]) == ["a", "b"], "{circle:#}");
    let closing = circle["needs"].as_array().into_iter().flatten();
    let closing = closing.filter(|need| need["closesCircle"] == true).count();
    ensure!(closing == 1, "{circle:#}");

    let chain = wait_for("the chain", DEADLINE, async || {
        let graph = session.get(&around("web")).await?;
        ensure!(names(&graph["applications"]) == ["db", "web"], "{graph:#}");
        Ok(graph)
    })
    .await?;
    let (missing, web) = (&chain["applications"][0], &chain["applications"][1]);
    ensure!(missing["severity"].is_null(), "{chain:#}");
    ensure!(missing["x"].as_i64() < web["x"].as_i64(), "{chain:#}");
    ensure!(chain["needs"][0]["why"] == "it does not exist", "{chain:#}");

    let alone = session.get(&around("alone")).await?;
    ensure!(names(&alone["applications"]) == ["alone"], "{alone:#}");
    ensure!(alone["needs"] == json!([]), "{alone:#}");
    let answer = session.send(Method::GET, &around("nobody")).await?;
    ensure!(answer.status() == 404, "it answered {}", answer.status());
    Ok(())
}

#[tokio::test]
async fn calls_can_be_asked_for_by_filter_and_taken_as_a_file() -> Result<()> {
    let world = World::new("ui-audit").await?;
    let session = Session::open(world.agent()).await?;
    let target = format!("{}/nobody", world.namespace);
    let list = session
        .get(&format!("/api/v1/audit?target={target}"))
        .await?;
    ensure!(list["items"] == json!([]), "{list:#}");
    for (query, expected) in [
        ("target=nobody", 400),
        ("since=yesterday", 400),
        (
            "actor=mia&action=sync&kind=Application&since=2026-01-01T00:00:00Z",
            200,
        ),
    ] {
        let answer = session
            .send(Method::GET, &format!("/api/v1/audit?{query}"))
            .await?;
        ensure!(
            answer.status() == expected,
            "{query} answered {}",
            answer.status()
        );
    }
    for (format, kind) in [("csv", "text/csv"), ("jsonl", "application/jsonl")] {
        let path = format!("/api/v1/audit/export?format={format}&target={target}");
        let answer = session.send(Method::GET, &path).await?;
        ensure!(answer.status() == 200, "it answered {}", answer.status());
        let header = |name: &str| {
            let value = answer.headers().get(name).map(|value| value.to_str());
            value.and_then(Result::ok).unwrap_or_default().to_owned()
        };
        ensure!(
            header("content-type").starts_with(kind),
            "{}",
            header("content-type")
        );
        ensure!(
            header("content-disposition").starts_with("attachment"),
            "{}",
            header("content-disposition")
        );
        let text = answer.text().await?;
        let columns = text.starts_with("id,time,actor,");
        ensure!(columns == (format == "csv"), "{text}");
    }
    let answer = session.send(Method::GET, "/api/v1/audit/export").await?;
    ensure!(answer.status() == 400, "it answered {}", answer.status());
    Ok(())
}
