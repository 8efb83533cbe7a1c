//! Fields that cannot be changed: an error, or a new object where its annotation allows that.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;
use syncline_tests::control_plane::audit::AuditEvent;

use super::{ensure_failed, outcome, sync_of};
use crate::deploy::{deployment, push};

const ALLOWED: &str = "\n  annotations: {syncline.dev/replace: allowed}";

/// A Deployment, a Job and a Service of which a field that cannot be changed has that value; `address` is the last
/// part, in two digits, of a cluster IP that no other test has and the server gives to nobody (KEP-3070).
fn three(value: &str, annotations: &str, address: u8) -> Vec<(&'static str, String)> {
    let web = deployment("web")
        .replace(
            "      app: web\n  t",
            &format!("      app: web\n      tier: \"{value}\"\n  t"),
        )
        .replace(
            "app: web\n    s",
            &format!("app: web\n        tier: \"{value}\"\n    s"),
        )
        .replacen("name: web", &format!("name: web{annotations}"), 1);
    let job = format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: job{annotations}\nspec:\n  template:\n    \
         spec:\n      restartPolicy: Never\n      containers:\n      - name: main\n        \
         image: registry.example/job:{value}\n"
    );
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: service{annotations}\nspec:\n  \
         clusterIP: {}\n  ports:\n  - port: 80\n",
        if value == "1" {
            format!("10.96.0.{address}")
        } else {
            format!("10.96.0.1{address}")
        }
    );
    vec![
        ("app/web.yaml", web),
        ("app/job.yaml", job),
        ("app/service.yaml", service),
    ]
}

const OBJECTS: [(&str, &str, &str); 3] = [
    ("apps/v1", "Deployment", "web"),
    ("batch/v1", "Job", "job"),
    ("v1", "Service", "service"),
];

async fn uids(world: &World) -> Result<Vec<Value>> {
    let mut uids = Vec::new();
    for (api_version, kind, name) in OBJECTS {
        uids.push(world.get(api_version, kind, name).await?["metadata"]["uid"].clone());
    }
    Ok(uids)
}

/// The first commit with its three objects.
async fn begin(name: &str, annotations: &str, address: u8) -> Result<World> {
    let world = World::new(name).await?;
    let files = three("1", annotations, address);
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    let sync = sync_of(&world, "app", &commit).await?;
    ensure!(sync["summary"]["result"] == "succeeded", "{sync:#}");
    Ok(world)
}

#[tokio::test]
async fn fault_f26_a_field_that_cannot_be_changed_is_named_and_the_object_stays() -> Result<()> {
    let world = begin("immutable", "", 11).await?;
    let before = uids(&world).await?;
    let files = three("2", "", 11);
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let commit = push(&world, &files, "Change").await?;
    let sync = sync_of(&world, "app", &commit).await?;
    let fields = ["spec.selector", "spec.template", "spec.clusterIPs"];
    for (((_, kind, name), (file, _)), field) in OBJECTS.iter().zip(&files).zip(fields) {
        ensure_failed(&sync, kind, name, "ImmutableField", &[file, field])?;
    }
    ensure!(uids(&world).await? == before, "an object was made anew");
    Ok(())
}

#[tokio::test]
async fn an_object_that_may_be_replaced_is_made_anew_after_a_trial() -> Result<()> {
    let world = begin("replace", ALLOWED, 12).await?;
    let before = uids(&world).await?;
    let audit = world.control_plane().audit().from_now()?;
    let files = three("2", ALLOWED, 12);
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let commit = push(&world, &files, "Change").await?;
    let sync = sync_of(&world, "app", &commit).await?;
    ensure!(sync["summary"]["result"] == "succeeded", "{sync:#}");
    for (old, new) in before.iter().zip(uids(&world).await?) {
        ensure!(*old != new, "an object was not made anew: {sync:#}");
    }
    let events = audit.events()?;
    for resource in ["deployments", "jobs", "services"] {
        let at = |matches: &dyn Fn(&AuditEvent) -> bool| {
            let namespace = &world.namespace;
            events
                .iter()
                .position(|event| {
                    let object = event.object();
                    object.resource == resource && object.namespace == *namespace && matches(event)
                })
                .with_context(|| format!("{resource}: {events:#?}"))
        };
        let trial = at(&|event| event.verb == "create" && event.uri.contains("dryRun=All"))?;
        let deleted = at(&|event| event.verb == "delete")?;
        ensure!(trial < deleted, "{resource}: deleted before the trial");
    }
    Ok(())
}

#[tokio::test]
async fn an_object_stays_where_the_new_one_would_be_refused() -> Result<()> {
    let world = begin("refused", ALLOWED, 13).await?;
    let before = uids(&world).await?;
    let web = three("2", ALLOWED, 13).swap_remove(0).1;
    let bad = web.replace("replicas: 2", "replicas: -1");
    let commit = push(&world, &[("app/web.yaml", &bad)], "Change").await?;
    let sync = sync_of(&world, "app", &commit).await?;
    ensure_failed(
        &sync,
        "Deployment",
        "web",
        "InvalidObject",
        &["app/web.yaml", "spec.replicas"],
    )?;
    ensure!(uids(&world).await? == before, "the old one did not stay");

    let commit = push(&world, &[("app/web.yaml", &web)], "Correct it").await?;
    let sync = sync_of(&world, "app", &commit).await?;
    ensure!(
        outcome(&sync, "Deployment", "web")?["failure"].is_null(),
        "{sync:#}"
    );
    ensure!(uids(&world).await?[0] != before[0]);
    Ok(())
}
