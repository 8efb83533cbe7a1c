//! Health on real parts: what the pods of the kwok node do is told of the Application.

mod changes;
mod rules;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::Audit;
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

/// Commits the files, makes the Repository and the Application `web`, and waits until it has applied
/// the commit, however healthy it is then.
async fn apply(world: &World, files: &[(&str, &str)], more: Value) -> Result<()> {
    let commit = world.repo.commit(files, "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", more).await?;
    let what = format!("applied at {commit}");
    world
        .wait_for_ours("Application", "web", &what, |live| {
            let applied = live["status"]["lastAppliedRevision"].as_str();
            applied.is_some_and(|applied| applied.contains(&commit))
        })
        .await?;
    Ok(())
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

/// The looks at the pods of a workload since a mark: lists by its selector as an account of the world.
fn looks(world: &World, since: &Audit, name: &str) -> Result<usize> {
    let selector = format!("labelSelector=app%3D{name}");
    let events = since.events()?;
    let looks = events.iter().filter(|event| {
        let object = event.object();
        object.resource == "pods"
            && object.namespace == world.namespace
            && event.impersonated_user.is_some()
            && event.uri.contains(&selector)
    });
    Ok(looks.count())
}

/// Waits until the pods of a workload were looked at that often since a mark.
async fn wait_for_looks(world: &World, since: &Audit, name: &str, count: usize) -> Result<()> {
    wait_for(&format!("{count} looks at {name}"), DEADLINE, async || {
        world.agent().ensure_running()?;
        let found = looks(world, since, name)?;
        ensure!(found >= count, "{found} looks");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_pods_of_a_failing_workload_are_looked_at_and_those_of_a_healthy_one_beside_it_are_not()
-> Result<()> {
    let world = World::new("rest").await?;
    let broken = playing("broken", "crash-loop");
    let files = [
        ("apps/web/web.yaml", deployment("web")),
        ("apps/web/broken.yaml", broken),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, &**text)).collect();
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_for_health(&world, "Progressing", &["broken", "CrashLoopBackOff"]).await?;
    wait_for("web to be available", DEADLINE, async || {
        let live = world.get("apps/v1", "Deployment", "web").await?;
        let available = &live["status"]["availableReplicas"];
        ensure!(available == 2, "{available} are available");
        Ok(())
    })
    .await?;
    // A look at `web` that began before it was available is over with the next one at `broken`.
    let audit = world.control_plane().audit().from_now()?;
    wait_for_looks(&world, &audit, "broken", 1).await?;
    let audit = world.control_plane().audit().from_now()?;
    wait_for_looks(&world, &audit, "broken", 2).await?;
    ensure!(looks(&world, &audit, "web")? == 0, "web was looked at");
    Ok(())
}

#[tokio::test]
async fn pods_that_hang_are_degraded_by_the_progress_deadline_and_a_push_heals_them() -> Result<()>
{
    let world = World::new("hang").await?;
    let hasty = |text: String| {
        let replicas = "  replicas: 2\n";
        text.replace(replicas, "  replicas: 2\n  progressDeadlineSeconds: 3\n")
    };
    let file = hasty(playing("web", "hang"));
    apply(&world, &[("apps/web/web.yaml", &file)], json!({})).await?;
    wait_for_health(&world, "Progressing", &["0 of 2 replicas"]).await?;
    wait_for_health(
        &world,
        "Degraded",
        &["Deployment", "web", "0 of 2 replicas"],
    )
    .await?;

    let healed = hasty(deployment("web"));
    push(&world, &[("apps/web/web.yaml", &healed)], "Heal").await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    Ok(())
}

#[tokio::test]
async fn without_the_right_to_list_pods_the_state_is_told_and_the_right_is_named() -> Result<()> {
    let world = World::new("no-pods").await?;
    let version = "rbac.authorization.k8s.io/v1";
    // A name that the agent may act as, with rights that leave pods out.
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "applier" },
    });
    let role = json!({
        "apiVersion": version, "kind": "Role", "metadata": { "name": "applier" },
        "rules": [{ "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"] }],
    });
    let binding = json!({
        "apiVersion": version, "kind": "RoleBinding", "metadata": { "name": "applier" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "applier" },
        "subjects": [{
            "kind": "ServiceAccount", "name": "applier", "namespace": world.namespace,
        }],
    });
    for object in [account, role, binding] {
        world.apply(&object).await?;
    }
    let file = playing("web", "image-not-found");
    world
        .repo
        .commit(&[("apps/web/web.yaml", &file)], "Start")?;
    world.repository(json!({})).await?;
    let more = json!({ "serviceAccount": "applier" });
    world.application("web", "apps/web", more).await?;
    let parts = ["0 of 2 replicas", "`applier`", "may not list pods"];
    wait_for_health(&world, "Progressing", &parts).await?;
    Ok(())
}
