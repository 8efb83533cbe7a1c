//! Charts in Git that depend on charts of a chart repository.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::Access;

use super::publisher::Publisher;
use super::{CHART, map, refused};
use crate::deploy::{config_map, value_of, wait_for_value};

#[tokio::test(flavor = "multi_thread")]
async fn bad_b46_a_locked_dependency_is_fetched_and_one_without_a_lock_is_refused() -> Result<()> {
    let world = super::world("chart-dep").await?;
    let publisher = Publisher::start(Access::Open).await?;
    for version in ["1.0.0", "1.1.0"] {
        let part = config_map("part", version);
        publisher.publish("part", version, &[("templates/part.yaml", &part)])?;
        if version == "1.0.0" {
            let chart = format!(
                "{CHART}dependencies:\n- name: part\n  version: ^1\n  repository: {}\n",
                publisher.url()
            );
            // The lock is older than 1.1.0.
            let (lock, own) = (publisher.lock(&chart)?, map("own"));
            world.repo.commit(
                &[
                    ("app/Chart.yaml", &*chart),
                    ("app/Chart.lock", &*lock),
                    ("app/templates/own.yaml", &*own),
                    ("loose/Chart.yaml", &*chart),
                    ("loose/templates/own.yaml", &*own),
                ],
                "Start",
            )?;
        }
    }
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.application("loose", "loose", json!({})).await?;
    wait_for_value(&world, "app", Some("own")).await?;
    wait_for_value(&world, "part", Some("1.0.0")).await?;
    let says = ["helm.dep", "part", "Chart.lock"];
    refused(&world, "loose", "HelmFailed", &says).await?;
    ensure!(value_of(&world, "loose").await?.is_none());
    Ok(())
}
