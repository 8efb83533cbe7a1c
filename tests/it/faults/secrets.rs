//! Whatever goes wrong with a Secret, its values are told nowhere.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use syncline_tests::{Action, Rule};

use super::{until, wait_until_it_says, world};
use crate::deploy::push;

#[tokio::test]
async fn faults_around_a_secret_show_its_values_in_no_log_status_event_or_database() -> Result<()> {
    let world = world("canary").await?;
    let proxy = world.proxy()?;
    let canary = format!("canary-of-{}", world.namespace);
    let file = |value: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: token}}\nstringData: {{value: {value}}}\n"
        )
    };
    let path = format!("/namespaces/{}/secrets/token", world.namespace);
    let rule = |action| Rule::new(action).verb("patch").path(&path);
    let broken = proxy.add(rule(Action::Status(500)).first(2));
    let lost = proxy.add(rule(Action::DropAfter).first(1));
    world
        .repo
        .commit(&[("apps/web/token.yaml", &file(&canary))], "Start")?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    until("both faults", || {
        Ok(proxy.hits(lost) == 1 && proxy.hits(broken) == 2)
    })
    .await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    let patch = json!({ "data": { "value": STANDARD.encode(format!("{canary}-by-hand")) } });
    world.edit("v1", "Secret", "token", &patch).await?;
    let git = STANDARD.encode(&canary);
    syncline_tests::wait_for(
        "the value of Git",
        syncline_tests::world::DEADLINE,
        async || {
            let live = world.get("v1", "Secret", "token").await?;
            ensure!(live["data"]["value"] == git.as_str(), "it is another");
            Ok(())
        },
    )
    .await?;
    // The API server's own words would repeat this value.
    let wrong = format!("[{{x: {canary}}}]");
    push(&world, &[("apps/web/token.yaml", &file(&wrong))], "Wrong").await?;
    wait_until_it_says(&world, "Application", "web", &["token"]).await?;

    let mut told = vec![("log", world.agent().log().into_bytes())];
    for kind in ["Application", "Repository"] {
        let name = if kind == "Application" {
            "web"
        } else {
            "config"
        };
        told.push((kind, world.ours(kind, name).await?.to_string().into_bytes()));
    }
    let path = format!(
        "/apis/events.k8s.io/v1/namespaces/{}/events",
        world.namespace
    );
    let request = http::Request::get(path).body(Vec::new())?;
    told.push((
        "events",
        world.client.request_text(request).await?.into_bytes(),
    ));
    for entry in std::fs::read_dir(world.agent().data_folder())? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("history.db") {
            told.push((
                "database",
                std::fs::read(&file).context("read the database")?,
            ));
        }
    }
    ensure!(
        told.iter().any(|(what, _)| *what == "database"),
        "no database"
    );
    // The namespace is part of the canary, its own name of every object.
    for secret in [
        canary.as_bytes(),
        STANDARD.encode(&canary).trim_end_matches('=').as_bytes(),
    ] {
        for (what, bytes) in &told {
            let found = bytes.windows(secret.len()).any(|window| window == secret);
            ensure!(!found, "the {what} shows the value");
        }
    }
    Ok(())
}
