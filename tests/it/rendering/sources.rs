//! One application from several repositories.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::{Access, Repo, World, objects};

use super::{CHART, map};
use crate::deploy::{Person, ensure_says, message, wait_for_value};

/// A chart in the world's repository whose values are in another one, which is not known yet.
async fn apart(name: &str) -> Result<(World, Repo)> {
    let world = World::new(name).await?;
    let values = world
        .git
        .create(&format!("{}-values", world.namespace), Access::Open)?;
    let template = map("shop", &["key: {{ .Values.key | quote }}"]);
    let files = [
        ("shop/Chart.yaml", CHART),
        ("shop/values.yaml", "key: chart\n"),
        ("shop/templates/map.yaml", template.as_str()),
    ];
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    let more = with_values(json!(["$team/prod/values.yaml"]));
    world.application("shop", "shop", more).await?;
    Ok((world, values))
}

fn with_values(files: Value) -> Value {
    json!({
        "sources": [{ "name": "team", "repository": "values" }],
        "helm": { "valuesFiles": files },
    })
}

async fn add(world: &World, repo: &Repo) -> Result<()> {
    world
        .apply(&json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "values" },
            "spec": { "url": repo.url(), "interval": "1h" },
        }))
        .await?;
    Ok(())
}

async fn push(world: &World, repo: &Repo, path: &str, text: &str) -> Result<()> {
    let commit = repo.commit(&[(path, text)], "Change")?;
    world.request("Repository", "values").await?;
    world
        .wait_for_ours("Repository", "values", "at the commit", |live: &Value| {
            live["status"]["revision"].to_string().contains(&commit)
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn values_of_another_repository_are_read_and_followed() -> Result<()> {
    let (world, values) = apart("sources").await?;
    let live = world
        .wait_for_reason("Application", "shop", "RepositoryMissing")
        .await?;
    ensure_says(&message(&live), &["`values`"])?;

    values.commit(&[("prod/values.yaml", "key: one\n")], "Start")?;
    add(&world, &values).await?;
    wait_for_value(&world, "shop", Some("one")).await?;
    push(&world, &values, "prod/values.yaml", "key: two\n").await?;
    wait_for_value(&world, "shop", Some("two")).await?;

    // A file that nobody reads is no reason to sync.
    let person = Person::sign_in(world.agent()).await?;
    let before = person.syncs(&world, "shop").await?.len();
    push(&world, &values, "README.md", "Hello\n").await?;
    push(&world, &values, "prod/values.yaml", "key: three\n").await?;
    wait_for_value(&world, "shop", Some("three")).await?;
    let after = person.syncs(&world, "shop").await?.len();
    ensure!(after == before + 1, "{before} syncs, then {after}");

    // Without it nothing can be rendered, and what is there stays.
    let gone = objects::reference("syncline.dev/v1alpha1", "Repository", "values");
    objects::delete(&world.client, &gone, Some(&world.namespace)).await?;
    world
        .wait_for_reason("Application", "shop", "RepositoryMissing")
        .await?;
    wait_for_value(&world, "shop", Some("three")).await
}

#[tokio::test]
async fn a_values_file_that_another_repository_lacks_is_named_until_it_is_there() -> Result<()> {
    let (world, values) = apart("lacking").await?;
    values.commit(&[("README.md", "Hello\n")], "Start")?;
    add(&world, &values).await?;
    let live = world
        .wait_for_reason("Application", "shop", "HelmFailed")
        .await?;
    ensure_says(&message(&live), &["$team/prod/values.yaml"])?;
    push(&world, &values, "prod/values.yaml", "key: one\n").await?;
    wait_for_value(&world, "shop", Some("one")).await?;

    // One more, which the last good render has not read.
    let files = json!(["$team/prod/values.yaml", "$team/prod/more.yaml"]);
    world
        .application("shop", "shop", with_values(files))
        .await?;
    world
        .wait_for_reason("Application", "shop", "HelmFailed")
        .await?;
    push(&world, &values, "prod/more.yaml", "key: two\n").await?;
    wait_for_value(&world, "shop", Some("two")).await
}

#[tokio::test]
async fn a_repository_may_be_several_sources_and_the_own_one_as_well() -> Result<()> {
    let (world, values) = apart("several").await?;
    let files = [
        ("prod/values.yaml", "key: one\n"),
        ("more.yaml", "more: text\n"),
    ];
    values.commit(&files, "Start")?;
    add(&world, &values).await?;
    wait_for_value(&world, "shop", Some("one")).await?;
    world
        .repo
        .commit(&[("own.yaml", "key: own\n")], "Add values")?;
    world.request("Repository", "config").await?;
    let more = json!({
        "sources": [
            { "name": "team", "repository": "values" },
            { "name": "again", "repository": "values" },
            { "name": "own", "repository": "config" },
        ],
        "helm": { "valuesFiles": ["$team/prod/values.yaml", "$again/more.yaml", "$own/own.yaml"] },
    });
    world.application("shop", "shop", more).await?;
    wait_for_value(&world, "shop", Some("own")).await?;

    // A push to each file is followed, and so is one to the chart.
    let change = async |path: &str, text: &str| -> Result<()> {
        world.repo.commit(&[(path, text)], "Change")?;
        world.request("Repository", "config").await
    };
    change("own.yaml", "key: other\n").await?;
    wait_for_value(&world, "shop", Some("other")).await?;
    let template = map("shop", &["key: {{ .Values.more | quote }}"]);
    change("shop/templates/map.yaml", &template).await?;
    wait_for_value(&world, "shop", Some("text")).await?;
    push(&world, &values, "more.yaml", "more: other text\n").await?;
    wait_for_value(&world, "shop", Some("other text")).await?;
    push(&world, &values, "more.yaml", "other: nothing\n").await?;
    push(&world, &values, "prod/values.yaml", "more: first\n").await?;
    wait_for_value(&world, "shop", Some("first")).await
}
