//! A secret that went into a render is in the cluster, and nowhere else.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{World, wait_for};

use super::secrets::{MAPS, SECRETS, decrypt, key};
use super::{CHART, data, map};
use crate::deploy::{Person, deploy, deployment, ensure_says, message};

/// What must be seen nowhere; of each the first and the second value.
const CANARIES: [[&str; 2]; 5] = [
    ["canary-helm-1", "canary-helm-2"],
    ["canary-variable-1", "canary-variable-2"],
    ["canary-sealed-map-1", "canary-sealed-map-2"],
    ["canary-sealed-secret-1", "canary-sealed-secret-2"],
    ["canary, not a label", "canary, not a label"],
];
const APPLICATIONS: [&str; 4] = ["helm", "variables", "sealed", "refused"];

async fn give(world: &World, turn: usize) -> Result<()> {
    world
        .secret("values", &[("password", CANARIES[0][turn])])
        .await?;
    world
        .secret("variables", &[("PASSWORD", CANARIES[1][turn])])
        .await?;
    Ok(())
}

/// Waits until the secrets of a turn have arrived in the cluster.
async fn arrived(world: &World, turn: usize) -> Result<()> {
    for (place, name) in ["charted", "substituted", "sealed"].iter().enumerate() {
        wait_for(&format!("the secret of {name}"), DEADLINE, async || {
            let live = data(world, name).await?["password"].to_string();
            ensure!(live.contains(CANARIES[place][turn]), "it is {live}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Everything that the agent shows, says or keeps.
async fn channels(world: &World, person: &Person<'_>) -> Result<Vec<(String, Vec<u8>)>> {
    let agent = world.agent();
    let metrics = reqwest::get(agent.metrics_url("/metrics"))
        .await?
        .text()
        .await?;
    let events: kube::Api<k8s_openapi::api::core::v1::Event> =
        kube::Api::namespaced(world.client.clone(), &world.namespace);
    let events =
        serde_json::to_string(&events.list(&kube::api::ListParams::default()).await?.items)?;
    let list = person.read("/applications").await?;
    let mut channels = vec![
        ("/applications".to_owned(), list.into_bytes()),
        ("the log".to_owned(), agent.log().into_bytes()),
        ("/metrics".to_owned(), metrics.into_bytes()),
        ("the events".to_owned(), events.into_bytes()),
    ];
    for name in APPLICATIONS {
        let live = world.ours("Application", name).await?;
        let path = format!("/applications/{}/{name}", world.namespace);
        let answer = person.read(&path).await?;
        let syncs = json!(person.syncs(world, name).await?).to_string();
        channels.extend([
            (
                format!("the status of {name}"),
                live.to_string().into_bytes(),
            ),
            (path, answer.into_bytes()),
            (format!("the syncs of {name}"), syncs.into_bytes()),
        ]);
    }
    for file in std::fs::read_dir(agent.data_folder())? {
        let file = file?.path();
        if file.is_file() {
            let content = std::fs::read(&file).unwrap_or_default();
            channels.push((file.display().to_string(), content));
        }
    }
    Ok(channels)
}

#[tokio::test]
async fn inv_i30_secrets_of_a_render_are_shown_nowhere() -> Result<()> {
    let world = World::new("canaries").await?;
    key(&world, "age.agekey").await?;
    give(&world, 0).await?;
    let argument = |name: &str, text: &str| {
        deployment(name).replace(
            "      - name: main\n",
            &format!("      - name: main\n        args: [\"--password={text}\"]\n"),
        )
    };
    let charted = map("charted", &["password: \"p:{{ .Values.password }}\""]);
    let charted_web = argument("charted", "{{ .Values.password }}");
    let substituted = map("substituted", &["password: \"p:${PASSWORD}\""]);
    let substituted_web = argument("substituted", "${PASSWORD}");
    let files = [
        ("helm/Chart.yaml", CHART),
        ("helm/templates/map.yaml", charted.as_str()),
        ("helm/templates/web.yaml", &charted_web),
        ("variables/map.yaml", &substituted),
        ("variables/web.yaml", &substituted_web),
        ("sealed/map.yaml", MAPS[0]),
        ("sealed/secret.yaml", SECRETS[0]),
    ];
    let from = json!([{ "kind": "Secret", "name": "values", "key": "password", "targetPath": "password" }]);
    let variables = json!([{ "kind": "Secret", "name": "variables" }]);
    let applications = [
        ("helm", "helm", json!({ "helm": { "valuesFrom": from } })),
        (
            "variables",
            "variables",
            json!({ "substitute": { "from": variables } }),
        ),
        ("sealed", "sealed", decrypt()),
    ];
    deploy(&world, &files, &applications).await?;
    arrived(&world, 0).await?;

    // Each secret changes, so that a difference is kept.
    give(&world, 1).await?;
    let files = [
        ("sealed/map.yaml", MAPS[1]),
        ("sealed/secret.yaml", SECRETS[1]),
    ];
    world.repo.commit(&files, "Change the secrets")?;
    world.request("Repository", "config").await?;
    for name in &APPLICATIONS[..3] {
        world.request("Application", name).await?;
    }
    arrived(&world, 1).await?;
    let person = Person::sign_in(world.agent()).await?;
    for (application, object) in [
        ("helm", "charted"),
        ("variables", "substituted"),
        ("sealed", "sealed"),
    ] {
        person
            .wait_for_sync(&world, application, "with a change of the map", |sync| {
                let outcomes = sync["outcomes"].as_array();
                outcomes.into_iter().flatten().any(|outcome| {
                    outcome["object"]["kind"] == "ConfigMap"
                        && outcome["object"]["name"] == object
                        && outcome["changes"][0]["path"] == "data.password"
                        && outcome["changes"][0]["before"] != outcome["changes"][0]["after"]
                })
            })
            .await?;
    }

    // Somebody changes what holds a secret by hand, and it is put back.
    let other = json!({ "data": { "password": "by-hand" } });
    for name in ["charted", "substituted", "sealed"] {
        world.edit("v1", "ConfigMap", name, &other).await?;
    }
    arrived(&world, 1).await?;

    // Something goes wrong around a secret: in the chart, and at the API server.
    let broken = charted.replace("}}\"", "}}\"\n  bad: {{ fail .Values.password }}");
    let refused = map("refused", &["key: \"1\""]).replace(
        "  name: refused\n",
        "  name: refused\n  labels:\n    bad: \"${LABEL}\"\n",
    );
    world.secret("labels", &[("LABEL", CANARIES[4][0])]).await?;
    let files = [
        ("helm/templates/map.yaml", broken.as_str()),
        ("refused/map.yaml", &refused),
    ];
    world.repo.commit(&files, "Break the chart")?;
    world.request("Repository", "config").await?;
    let from = json!([{ "kind": "Secret", "name": "labels" }]);
    let more = json!({ "substitute": { "from": from } });
    world.application("refused", "refused", more).await?;
    for (name, reason) in [("helm", "HelmFailed"), ("refused", "InvalidObject")] {
        let live = world.wait_for_reason("Application", name, reason).await?;
        ensure_says(&message(&live), &["***"])?;
    }

    let channels = channels(&world, &person).await?;
    ensure!(
        channels
            .iter()
            .any(|(name, _)| name.ends_with("history.db"))
    );
    for (channel, bytes) in channels {
        let text = String::from_utf8_lossy(&bytes);
        for canary in CANARIES.as_flattened() {
            let encoded = STANDARD.encode(canary);
            if let Some(at) = text.find(canary).or_else(|| text.find(&encoded)) {
                let around: String = text
                    .get(at.saturating_sub(300)..at + 80)
                    .context("cut")?
                    .into();
                anyhow::bail!("{channel} shows {canary}: {around}");
            }
        }
    }
    Ok(())
}
