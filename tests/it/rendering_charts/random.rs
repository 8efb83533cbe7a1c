//! What a chart draws at random is drawn once: later renders keep what is live.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::control_plane::audit::AuditEvent;
use syncline_tests::world::DEADLINE;
use syncline_tests::{Options, World, objects, wait_for};

use super::{CHART, map};
use crate::deploy::{Person, deploy, deployed, push, wait_for_value};

const SECRET: &str = r#"{{- $password := randAlphaNum 24 }}
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
  labels: {mark: {{ .Values.mark }}}
stringData:
  password: {{ $password | quote }}
data:
  token: {{ randAlphaNum 12 | b64enc }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {mark: {{ .Values.mark }}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations: {checksum/secret: {{ sha256sum $password }}}
    spec:
      containers: [{name: main, image: "registry.example/web:1"}]
"#;

/// All that was drawn, as it is live.
async fn drawn(world: &World) -> Result<(Value, Value)> {
    let secret = world.get("v1", "Secret", "app").await?;
    let live = world.get("apps/v1", "Deployment", "app").await?;
    let annotations = &live["spec"]["template"]["metadata"]["annotations"];
    ensure!(
        secret["data"]["password"].is_string(),
        "{}",
        secret["data"]["token"]
    );
    ensure!(secret["data"]["token"].is_string() && annotations["checksum/secret"].is_string());
    Ok((
        secret["data"].clone(),
        annotations["checksum/secret"].clone(),
    ))
}

fn is_of_chance(write: &AuditEvent) -> bool {
    ["secrets", "deployments"].contains(&&*write.object().resource)
}

#[tokio::test]
async fn what_a_chart_draws_at_random_is_written_once() -> Result<()> {
    let world = World::alone("random", Options::default(), |settings| settings).await?;
    let map = map("{{ .Values.word }}");
    let files = [
        ("app/Chart.yaml", CHART),
        ("app/templates/map.yaml", &*map),
        ("app/templates/secret.yaml", SECRET),
        ("app/values.yaml", "word: one\nmark: old\n"),
    ];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    let first = drawn(&world).await?;
    let audit = world.control_plane().audit().from_now()?;

    push(
        &world,
        &[("app/values.yaml", "word: two\nmark: old\n")],
        "Two",
    )
    .await?;
    wait_for_value(&world, "app", Some("two")).await?;
    let person = Person::sign_in(world.agent()).await?;
    world.request("Application", "app").await?;
    person
        .wait_for_sync(&world, "app", "that a person asked for", |sync| {
            sync["summary"]["cause"] == "user" && sync["summary"]["result"] == "succeeded"
        })
        .await?;
    ensure!(world.agent().terminate(DEADLINE)?.success());
    world.agent().restart().await?;
    push(
        &world,
        &[("app/values.yaml", "word: three\nmark: old\n")],
        "Three",
    )
    .await?;
    wait_for_value(&world, "app", Some("three")).await?;
    ensure!(drawn(&world).await? == first, "it was drawn anew");
    let writes = deployed(&world, &audit)?;
    ensure!(
        writes
            .iter()
            .any(|write| write.object().resource == "configmaps")
    );
    ensure!(!writes.iter().any(is_of_chance), "{writes:#?}");

    // What else changes in these objects is written, and the outcome says what was kept.
    push(
        &world,
        &[("app/values.yaml", "word: three\nmark: new\n")],
        "Mark",
    )
    .await?;
    let person = Person::sign_in(world.agent()).await?;
    let told = ["/stringData/password", "/data/token", "checksum~1secret"];
    person
        .wait_for_sync(&world, "app", "that says what it kept", |sync| {
            let text = sync.to_string();
            text.contains("kept what is live of") && told.iter().all(|part| text.contains(part))
        })
        .await?;
    ensure!(drawn(&world).await? == first, "it was drawn anew");

    // Nobody has the old value but those who use it.
    let secret = objects::reference("v1", "Secret", "app");
    objects::delete(&world.client, &secret, Some(&world.namespace)).await?;
    wait_for("the Secret to come back", DEADLINE, async || {
        drawn(&world).await
    })
    .await?;
    let log = world.agent().log();
    let password = first.0["password"].as_str().unwrap_or_default();
    ensure!(!log.contains(password), "the log shows it");
    Ok(())
}
