//! Files that SOPS encrypted; they are made by `sops/make.sh`.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use syncline_tests::{World, programs};

use super::{CHART, data, map};
use crate::deploy::{deploy, ensure_says, message};

pub(super) const SECRETS: [&str; 2] = [
    include_str!("sops/secret-1.yaml"),
    include_str!("sops/secret-2.yaml"),
];
pub(super) const MAPS: [&str; 2] = [
    include_str!("sops/map-1.yaml"),
    include_str!("sops/map-2.yaml"),
];

pub(super) fn decrypt() -> Value {
    json!({ "decrypt": { "sops": { "secretRef": { "name": "keys" } } } })
}

/// Puts a key of the renderer's fixtures where [`decrypt`] names it.
pub(super) async fn key(world: &World, name: &str) -> Result<()> {
    let folder = programs::repository_root().join("agent/render/tests/it/fixtures/sops/keys");
    let key = std::fs::read_to_string(folder.join(name))?;
    world.secret("keys", &[("age.agekey", &key)]).await?;
    Ok(())
}

/// A value of a live Secret.
async fn secret_value(world: &World, name: &str, field: &str) -> Result<String> {
    let live = world.get("v1", "Secret", name).await?;
    let encoded = live["data"][field].as_str().context("no such field")?;
    Ok(String::from_utf8(STANDARD.decode(encoded)?)?)
}

#[tokio::test]
async fn encrypted_files_of_every_kind_of_source_arrive_decrypted() -> Result<()> {
    let world = World::new("sops").await?;
    key(&world, "age.agekey").await?;
    let kustomization = "secretGenerator:\n- name: generated\n  envs: [settings.env]\n\
                         generatorOptions:\n  disableNameSuffixHash: true\n";
    let template = map("charted", &["password: {{ .Values.password }}"]);
    let files = [
        ("plain/secret.yaml", SECRETS[0]),
        ("kustomize/kustomization.yaml", kustomization),
        ("kustomize/settings.env", include_str!("sops/settings.env")),
        ("helm/Chart.yaml", CHART),
        ("helm/templates/map.yaml", &template),
        ("helm/sealed.yaml", include_str!("sops/values.yaml")),
    ];
    let mut helm = decrypt();
    helm["helm"] = json!({ "valuesFiles": ["sealed.yaml"] });
    let applications = [
        ("plain", "plain", decrypt()),
        ("kustomize", "kustomize", decrypt()),
        ("helm", "helm", helm),
    ];
    deploy(&world, &files, &applications).await?;
    ensure!(secret_value(&world, "sealed", "password").await? == "canary-sealed-secret-1");
    ensure!(secret_value(&world, "generated", "TOKEN").await? == "canary-sealed-token");
    ensure!(data(&world, "charted").await?["password"] == "canary-sealed-values");
    let live = world.get("v1", "Secret", "sealed").await?;
    ensure!(live.get("sops").is_none(), "{live:#}");
    Ok(())
}

#[tokio::test]
async fn an_encrypted_file_without_its_key_is_named_and_never_applied() -> Result<()> {
    let world = World::new("keyless").await?;
    world
        .repo
        .commit(&[("app/secret.yaml", SECRETS[0])], "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "app", "DecryptNotConfigured")
        .await?;
    ensure_says(&message(&live), &["app/secret.yaml", "spec.decrypt"])?;

    world.application("app", "app", decrypt()).await?;
    let live = world
        .wait_for_reason("Application", "app", "SecretMissing")
        .await?;
    ensure_says(&message(&live), &["keys"])?;

    key(&world, "other.agekey").await?;
    world.request("Application", "app").await?;
    let live = world
        .wait_for_reason("Application", "app", "DecryptFailed")
        .await?;
    ensure_says(
        &message(&live),
        &["app/secret.yaml", "age1c9ukhdpk9crrn3pp"],
    )?;
    ensure!(!message(&live).contains("AGE-SECRET-KEY"));
    ensure!(!world.exists("v1", "Secret", "sealed").await?);

    // The right key, and a person asks for a sync.
    key(&world, "age.agekey").await?;
    world.request("Application", "app").await?;
    world.wait_until_synced("app", &world.repo.head()?).await?;
    ensure!(secret_value(&world, "sealed", "password").await? == "canary-sealed-secret-1");
    Ok(())
}
