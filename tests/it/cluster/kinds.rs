//! Our kinds as the API server takes them, and what the agent writes on them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_cluster::Kind;
use syncline_cluster::own::{Change, OwnEvent, Settings};
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_tests::objects as plain;
use syncline_tests::world::DEADLINE;
use tokio::time::timeout;

use super::Corner;

fn ours(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    })
}

#[tokio::test]
async fn the_api_server_fills_the_defaults_in() -> Result<()> {
    let corner = Corner::new("defaults").await?;
    let object = ours(
        "Application",
        "shop",
        json!({ "repository": "config", "path": "apps/shop" }),
    );
    let live = plain::apply(&corner.admin, &object, Some(&corner.namespace)).await?;
    let sync = &live["spec"]["sync"];
    ensure!(sync["automatic"] == true && sync["prune"] == true && sync["selfHeal"] == true);
    ensure!(
        sync["timeout"] == "5m" && live["spec"]["renderer"] == "Auto",
        "{live}"
    );
    let object = ours(
        "Repository",
        "config",
        json!({ "url": "https://git.example.com/config" }),
    );
    let live = plain::apply(&corner.admin, &object, Some(&corner.namespace)).await?;
    ensure!(
        live["spec"]["ref"]["branch"] == "main" && live["spec"]["interval"] == "1m",
        "{live}"
    );
    Ok(())
}

#[tokio::test]
async fn what_a_user_gets_wrong_is_refused_with_the_field() -> Result<()> {
    let corner = Corner::new("wrong").await?;
    let url = "https://git.example.com/config";
    let update = json!({ "repository": "config" });
    let select = json!({ "semver": "1" });
    for (kind, spec, field) in [
        ("Repository", json!({ "url": "file:///etc" }), "spec.url"),
        (
            "Repository",
            json!({ "url": "https://user:secret@host/x" }),
            "spec.url",
        ),
        (
            "Repository",
            json!({ "url": url, "interval": "0s" }),
            "spec.interval",
        ),
        (
            "Repository",
            json!({ "url": url, "interval": "soon" }),
            "spec.interval",
        ),
        (
            "Repository",
            json!({ "url": url, "interval": "25h" }),
            "spec.interval",
        ),
        (
            "Repository",
            json!({ "url": url, "ref": { "branch": "--upload-pack=x" } }),
            "branch",
        ),
        (
            "Repository",
            json!({ "url": url, "ref": { "branch": "a..b" } }),
            "branch",
        ),
        (
            "Repository",
            json!({ "url": url, "write": { "mode": "Sideways" } }),
            "mode",
        ),
        (
            "Application",
            json!({ "repository": "config", "path": "../x" }),
            "spec.path",
        ),
        (
            "Application",
            json!({ "repository": "config", "path": "/etc" }),
            "spec.path",
        ),
        ("Application", json!({ "path": "x" }), "spec.repository"),
        (
            "Application",
            json!({ "repository": "config", "path": "x", "renderer": "Plain", "helm": {} }),
            "spec.helm",
        ),
        (
            "ImagePolicy",
            json!({ "image": "registry/a:v1", "select": select, "update": update }),
            "spec.image",
        ),
        (
            "ImagePolicy",
            json!({ "image": "registry/a", "select": select,
                    "update": { "repository": "config", "paths": ["../x"] } }),
            "spec.update.paths",
        ),
    ] {
        let object = ours(kind, "wrong", spec);
        let Err(error) = plain::apply(&corner.admin, &object, Some(&corner.namespace)).await else {
            anyhow::bail!("{object} was taken");
        };
        let text = format!("{error:#}");
        ensure!(text.contains(field), "{object}: {text}");
    }
    for image in [
        "registry.example.com:5000/shop/web",
        "nginx",
        "127.0.0.1:5000/a/b-c_d.e",
    ] {
        let object = ours(
            "ImagePolicy",
            "good",
            json!({ "image": image, "select": select, "update": update }),
        );
        plain::apply(&corner.admin, &object, Some(&corner.namespace)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_status_becomes_exactly_what_was_written() -> Result<()> {
    let corner = Corner::new("status").await?;
    let object = ours(
        "Application",
        "shop",
        json!({ "repository": "config", "path": "x" }),
    );
    plain::apply(&corner.admin, &object, Some(&corner.namespace)).await?;
    let agent = corner.cluster.agent();
    let name = Name::new(&corner.namespace, "shop");
    let now = jiff::Timestamp::now();
    let conditions = |reason| syncline_cluster::kinds::conditions(&[], Some(1), now, reason, "why");
    let first = json!({ "conditions": conditions(Reason::PruneHeld), "planHash": "abc" });
    agent.patch_status(Kind::Application, &name, &first).await?;
    let live = plain::get(&corner.admin, &object, Some(&corner.namespace)).await?;
    ensure!(live["status"] == first, "{}", live["status"]);

    let second = json!({ "conditions": conditions(Reason::Synced), "health": "Healthy" });
    agent
        .patch_status(Kind::Application, &name, &second)
        .await?;
    let after = plain::get(&corner.admin, &object, Some(&corner.namespace)).await?;
    ensure!(
        after["status"] == second,
        "what was left out stayed: {}",
        after["status"]
    );

    agent
        .patch_status(Kind::Application, &name, &second)
        .await?;
    let again = plain::get(&corner.admin, &object, Some(&corner.namespace)).await?;
    let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
    ensure!(
        version(&after) == version(&again),
        "inv_i14: an equal status was written"
    );
    Ok(())
}

#[tokio::test]
async fn metadata_is_only_changed_on_the_version_that_was_read() -> Result<()> {
    let corner = Corner::new("metadata").await?;
    let object = ours(
        "Application",
        "shop",
        json!({ "repository": "config", "path": "x" }),
    );
    let live = plain::apply(&corner.admin, &object, Some(&corner.namespace)).await?;
    let version = live["metadata"]["resourceVersion"]
        .as_str()
        .context("no version")?;
    let agent = corner.cluster.agent();
    let name = Name::new(&corner.namespace, "shop");
    let more = json!({ "annotations": { "syncline.dev/approve": "abc" } });
    let next = agent
        .patch_metadata(Kind::Application, &name, version, more.clone())
        .await?;
    ensure!(next != version);
    let error = agent
        .patch_metadata(Kind::Application, &name, version, more)
        .await;
    ensure!(
        error
            .as_ref()
            .is_err_and(|e| e.reason() == Reason::Conflict),
        "{error:?}"
    );
    Ok(())
}

#[tokio::test]
async fn our_kinds_are_watched_and_events_published() -> Result<()> {
    let corner = Corner::new("own").await?;
    let settings = Settings {
        namespace: Some(corner.namespace.clone()),
        ..Settings::default()
    };
    let agent = corner.cluster.agent();
    let mut events = agent.watch_own(&settings);
    let mut ready = 0;
    while ready < 3 {
        let event = timeout(DEADLINE, events.recv())
            .await?
            .context("the watch ended")?;
        if let OwnEvent::Repository(Change::InitDone)
        | OwnEvent::Application(Change::InitDone)
        | OwnEvent::ImagePolicy(Change::InitDone) = event
        {
            ready += 1;
        }
    }
    let object = ours(
        "Repository",
        "config",
        json!({ "url": "https://git.example.com/config" }),
    );
    plain::apply(&corner.admin, &object, Some(&corner.namespace)).await?;
    let event = timeout(DEADLINE, events.recv())
        .await?
        .context("the watch ended")?;
    let OwnEvent::Repository(Change::Applied(repository)) = event else {
        anyhow::bail!("{event:?}");
    };
    ensure!(repository.spec.interval.get() == Duration::from_secs(60));
    let uid = repository.metadata.uid.clone().context("no uid")?;
    let name = syncline_cluster::kinds::name_of(repository.as_ref());
    let publisher = agent.events("test");
    publisher
        .publish(
            Kind::Repository,
            &name,
            &uid,
            Reason::AuthFailed,
            "no entry",
        )
        .await?;

    plain::delete(&corner.admin, &object, Some(&corner.namespace)).await?;
    let event = timeout(DEADLINE, events.recv())
        .await?
        .context("the watch ended")?;
    ensure!(
        matches!(&event, OwnEvent::Repository(Change::Deleted(gone)) if *gone == name),
        "{event:?}"
    );
    Ok(())
}
