//! The template function `lookup`: off unless it is asked for, and then as the service account.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{CHART, map, refused};
use crate::deploy::{Person, value_of, wait_for_value};

const FOUND: &str = r#"{{ (lookup "v1" "Secret" .Release.Namespace "given").data.word | b64dec }} {{ len (lookup "v1" "Service" .Release.Namespace "").items }} {{ empty (lookup "v1" "Secret" .Release.Namespace "none") }} {{ empty (lookup "none.example.com/v1" "None" .Release.Namespace "none") }}"#;
const NODES: &str = r#"{{ len (lookup "v1" "Node" "" "").items | quote }}"#;
const BROKEN: &str =
    r#"{{ fail (printf "got %s" (lookup "v1" "Secret" .Release.Namespace "given").data.word) }}"#;

#[tokio::test]
async fn bad_b43_lookup_is_answered_as_the_service_account_where_the_application_asks_for_it()
-> Result<()> {
    let world = super::world("lookup").await?;
    let canary = "lookup-canary-77";
    world.secret("given", &[("word", canary)]).await?;
    for name in ["a", "b"] {
        world
            .apply(&json!({
                "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
                "spec": { "ports": [{ "port": 80 }] },
            }))
            .await?;
    }
    let mut files = Vec::new();
    for (name, value) in [("found", FOUND), ("nodes", NODES), ("broken", BROKEN)] {
        files.push((format!("{name}/Chart.yaml"), CHART.to_owned()));
        files.push((format!("{name}/templates/map.yaml"), map(value)));
    }
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let asks = json!({ "helm": { "lookup": true } });
    world.application("silent", "found", json!({})).await?;
    world.application("found", "found", asks.clone()).await?;
    world.application("nodes", "nodes", asks.clone()).await?;
    world.application("broken", "broken", asks).await?;

    let found = format!("{canary} 2 true true");
    wait_for_value(&world, "found", Some(&found)).await?;
    let says = [
        "helm.func_denied",
        "found/templates/map.yaml",
        "helm.lookup",
    ];
    refused(&world, "silent", "HelmFailed", &says).await?;
    ensure!(value_of(&world, "silent").await?.is_none());
    let says = ["lookup of Node", "nodes", "forbidden"];
    refused(&world, "nodes", "Denied", &says).await?;
    let live = refused(&world, "broken", "HelmFailed", &["helm.fail"]).await?;

    // What was looked up is in no message.
    let person = Person::sign_in(world.agent()).await?;
    let syncs = person.syncs(&world, "broken").await?;
    let told = format!("{} {}", live["status"], json!(syncs));
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(canary);
    for secret in [canary, &encoded] {
        ensure!(!told.contains(secret), "{told}");
        ensure!(!world.agent().log().contains(secret), "it is in the log");
    }
    let syncs = person.syncs(&world, "found").await?;
    syncs.first().context("no history")?;
    Ok(())
}
