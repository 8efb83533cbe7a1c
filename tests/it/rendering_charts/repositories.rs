//! `helm.chart`: charts of a chart repository and of a registry, with a range and credentials.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::world::DEADLINE;
use syncline_tests::{Access, Registry, World, objects, registry, wait_for};

use super::publisher::{self, Publisher};
use super::{map, ready, refused};
use crate::deploy::{Person, config_map, value_of, wait_for_value};

const VERSION: &str = "{{ .Chart.Version }} {{ .Values.word }}";

/// The files of the chart `app`: its version and a word of the values.
fn publish(publisher: &Publisher, version: &str) -> Result<()> {
    let map = map(VERSION);
    let files = [
        ("templates/map.yaml", &*map),
        ("values.yaml", "word: chart\n"),
    ];
    publisher.publish("app", version, &files)
}

/// An application with the chart `app` of a place, and values from Git.
fn of(repository: &str, version: &str, secret: Option<&str>) -> Value {
    let mut chart = json!({
        "repository": repository, "name": "app", "version": version, "interval": "10s",
    });
    if let Some(secret) = secret {
        chart["secretRef"] = json!({ "name": secret });
    }
    json!({ "renderer": "Helm", "helm": { "chart": chart, "valuesFiles": ["values.yaml"] } })
}

async fn start(world: &World) -> Result<()> {
    world
        .repo
        .commit(&[("app/values.yaml", "word: git\n")], "Start")?;
    world.repository(json!({})).await?;
    Ok(())
}

async fn ensure_caused_by_chart(world: &World, application: &str) -> Result<()> {
    let person = Person::sign_in(world.agent()).await?;
    person
        .wait_for_sync(world, application, "because of a newer chart", |sync| {
            sync["summary"]["cause"] == "chart" && sync["summary"]["result"] == "succeeded"
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_chart_of_a_repository_with_a_password_follows_the_range() -> Result<()> {
    let world = super::world("chart-http").await?;
    let (user, password) = ("robin".to_owned(), "chart-canary-91".to_owned());
    let publisher = Publisher::start(Access::Basic { user, password }).await?;
    publish(&publisher, "1.0.0")?;
    publish(&publisher, "2.0.0")?;
    let values = [("username", "robin"), ("password", "chart-canary-91")];
    world.secret("charts", &values).await?;
    start(&world).await?;
    let app = of(publisher.url(), "^1", Some("charts"));
    world.application("app", "app", app).await?;
    let stranger = of(publisher.url(), "^1", None);
    world.application("stranger", "app", stranger).await?;
    wait_for_value(&world, "app", Some("1.0.0 git")).await?;
    refused(
        &world,
        "stranger",
        "ChartAuthFailed",
        &["none are configured"],
    )
    .await?;

    publish(&publisher, "2.1.0")?;
    publish(&publisher, "1.1.0")?;
    wait_for_value(&world, "app", Some("1.1.0 git")).await?;
    ensure_caused_by_chart(&world, "app").await?;
    let log = world.agent().log();
    ensure!(
        !log.contains("chart-canary-91"),
        "the password is in the log"
    );
    Ok(())
}

#[tokio::test]
async fn a_chart_of_a_registry_with_a_password_follows_the_range_and_outlives_the_registry()
-> Result<()> {
    let world = super::world("chart-oci").await?;
    let publisher = Publisher::start(Access::Open).await?;
    let mut registry: Registry = publisher::registry().await?;
    let place = format!("oci://{}/team/charts", registry.host());
    let map = map(VERSION);
    let files = [
        ("templates/map.yaml", &*map),
        ("values.yaml", "word: chart\n"),
    ];
    for version in ["1.0.0", "2.0.0"] {
        publisher.push(&publisher.package("app", version, &files)?, &place)?;
    }
    let values = [
        ("username", registry::USER),
        ("password", registry::PASSWORD),
    ];
    world.secret("charts", &values).await?;
    start(&world).await?;
    let app = of(&place, ">=1.0 <2", Some("charts"));
    world.application("app", "app", app).await?;
    wait_for_value(&world, "app", Some("1.0.0 git")).await?;

    publisher.push(&publisher.package("app", "2.1.0", &files)?, &place)?;
    publisher.push(&publisher.package("app", "1.1.0", &files)?, &place)?;
    wait_for_value(&world, "app", Some("1.1.0 git")).await?;
    ensure_caused_by_chart(&world, "app").await?;
    ready(&world, "app").await?;

    registry.stop()?;
    wait_for("a sync that asks in vain", DEADLINE, async || {
        // What the registry said a moment ago is believed.
        world.request("Application", "app").await?;
        let live = world.ours("Application", "app").await?;
        ensure!(objects::condition(&live, "Ready").is_none(), "{live:#}");
        Ok(())
    })
    .await?;
    refused(&world, "app", "ChartUnavailable", &["/team/charts"]).await?;
    ensure!(value_of(&world, "app").await?.as_deref() == Some("1.1.0 git"));
    registry.come_back().await?;
    ready(&world, "app").await?;
    ensure!(value_of(&world, "app").await?.as_deref() == Some("1.1.0 git"));
    Ok(())
}

#[tokio::test]
async fn fault_f12_while_the_chart_repository_is_away_what_runs_stays_and_later_it_syncs_by_itself()
-> Result<()> {
    let world = super::world("chart-away").await?;
    let publisher = Publisher::start(Access::Open).await?;
    let (first, more) = (map(VERSION), config_map("more", "1"));
    let files = [
        ("templates/map.yaml", &*first),
        ("templates/more.yaml", &*more),
        ("values.yaml", "word: chart\n"),
    ];
    publisher.publish("app", "1.0.0", &files)?;
    start(&world).await?;
    let app = of(publisher.url(), "^1", None);
    world.application("app", "app", app).await?;
    wait_for_value(&world, "app", Some("1.0.0 git")).await?;
    ready(&world, "app").await?;

    publisher.go_away();
    publisher.wait_until_missed().await?;
    world.request("Application", "app").await?;
    refused(&world, "app", "ChartUnavailable", &["503"]).await?;
    ensure!(value_of(&world, "app").await?.as_deref() == Some("1.0.0 git"));
    ensure!(value_of(&world, "more").await?.as_deref() == Some("1"));
    // It is tried again, and again in vain.
    publisher.wait_until_missed().await?;
    publish(&publisher, "1.1.0")?;
    publisher.come_back();
    wait_for_value(&world, "app", Some("1.1.0 git")).await?;
    wait_for_value(&world, "more", None).await?;
    ready(&world, "app").await?;
    Ok(())
}

#[tokio::test]
async fn bad_b38_an_archive_with_another_digest_is_not_used_until_the_index_names_it() -> Result<()>
{
    let world = super::world("chart-digest").await?;
    let publisher = Publisher::start(Access::Open).await?;
    publish(&publisher, "1.0.0")?;
    start(&world).await?;
    let app = of(publisher.url(), "^1", None);
    world.application("app", "app", app).await?;
    wait_for_value(&world, "app", Some("1.0.0 git")).await?;

    publish(&publisher, "1.0.1")?;
    let other = config_map("other", "1");
    publisher.package("app", "1.0.1", &[("templates/other.yaml", &other)])?;
    refused(&world, "app", "ChartDigest", &["1.0.1", "sha256:"]).await?;
    ensure!(value_of(&world, "app").await?.as_deref() == Some("1.0.0 git"));
    ensure!(value_of(&world, "other").await?.is_none());
    publish(&publisher, "1.0.1")?;
    wait_for_value(&world, "app", Some("1.0.1 git")).await?;
    ready(&world, "app").await?;
    Ok(())
}
