//! Health on real parts: what the pods of the kwok node do is told of the Application.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use crate::deploy::{deployment, message, push};

/// A Deployment whose pods play what an annotation says.
fn playing(name: &str, play: &str) -> String {
    let labels = format!("      labels:\n        app: {name}\n    spec:");
    let annotated = format!(
        "      labels:\n        app: {name}\n      annotations:\n        syncline.test/play: {play}\n    spec:"
    );
    deployment(name).replace(&labels, &annotated)
}

/// Waits until the Application is in a health and its Ready condition says all of the parts.
async fn wait_for_health(world: &World, health: &str, parts: &[&str]) -> Result<Value> {
    wait_for(&format!("{health} {parts:?}"), DEADLINE, async || {
        world.agent().ensure_running()?;
        let live = world
            .get("syncline.dev/v1alpha1", "Application", "web")
            .await?;
        let (found, said) = (&live["status"]["health"], message(&live));
        ensure!(found == health, "it is {found}: {said}");
        for part in parts {
            ensure!(said.contains(part), "it says {said:?}");
        }
        Ok(live)
    })
    .await
}

/// The notes of the events of a reason on the Applications of a world.
async fn notes(world: &World, reason: &str) -> Result<Vec<String>> {
    let path = format!(
        "/apis/events.k8s.io/v1/namespaces/{}/events",
        world.namespace
    );
    let request = http::Request::get(path).body(Vec::new())?;
    let list: Value = serde_json::from_str(&world.client.request_text(request).await?)?;
    let all = list["items"].as_array().into_iter().flatten();
    let ours = all
        .filter(|event| event["reason"] == reason && event["regarding"]["kind"] == "Application");
    let notes = ours.filter_map(|event| event["note"].as_str());
    Ok(notes.map(str::to_owned).collect())
}

#[tokio::test]
async fn an_image_that_is_not_found_is_named_within_seconds_and_a_push_heals_it() -> Result<()> {
    let world = World::new("image-missing").await?;
    let file = playing("web", "image-not-found");
    world
        .repo
        .commit(&[("apps/web/web.yaml", &file)], "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    let parts = [
        "Deployment",
        "web",
        "ImagePullBackOff",
        "registry.example/web:1",
    ];
    wait_for_health(&world, "Progressing", &parts).await?;

    push(&world, &[("apps/web/web.yaml", &deployment("web"))], "Heal").await?;
    let live = wait_for_health(&world, "Healthy", &[]).await?;
    ensure!(
        !message(&live).contains("ImagePullBackOff"),
        "it still says why"
    );
    ensure!(
        live["status"]["healthSince"].is_string(),
        "since when is not told"
    );
    wait_for("an event that it is healthy", DEADLINE, async || {
        let notes = notes(&world, "HealthChanged").await?;
        ensure!(
            notes.iter().any(|note| note.contains("Healthy")),
            "{notes:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn of_healthy_workloads_no_pod_is_asked_for() -> Result<()> {
    let world = World::new("rest").await?;
    let file = deployment("web");
    world
        .repo
        .commit(&[("apps/web/web.yaml", &file)], "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    let audit = world.control_plane().audit().from_now()?;
    // The Lease is renewed every few seconds: the time in which a look would have come.
    wait_for("some renewals of the Lease", DEADLINE, async || {
        let events = audit.events()?;
        let renewals = events
            .iter()
            .filter(|event| event.object().resource == "leases" && event.is_write());
        ensure!(renewals.count() > 3, "not yet");
        let pods = events.iter().filter(|event| {
            let object = event.object();
            object.resource == "pods"
                && object.namespace == world.namespace
                && event.impersonated_user.is_some()
        });
        ensure!(pods.count() == 0, "pods were asked for");
        Ok(())
    })
    .await
}
