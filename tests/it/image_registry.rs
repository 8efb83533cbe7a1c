//! Tags that cannot be chosen, and registries that do not answer as they should.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::Registry;
use syncline_tests::registry::{PASSWORD, USER};
use syncline_tests::world::READER;

use crate::image_setup::Images;

#[tokio::test]
async fn bad_b56_an_image_with_the_tag_latest_only_is_refused_and_nothing_committed() -> Result<()>
{
    let images = Images::new("image-latest", &["latest", "stable"]).await?;
    let world = &images.world;
    let start = world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.0.0"))], "Start")?;
    images.writable().await?;
    images.policy("*", json!({})).await?;
    let message = images.wait_for_refusal("NoOrder").await?;
    ensure!(
        message.contains("latest"),
        "{message:?} does not name the tag"
    );
    ensure!(world.repo.head()? == start, "something was committed");

    // A tag with an order is all that was missing.
    images.registry.push_image("web", "1.1.0").await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 1);
    Ok(())
}

#[tokio::test]
async fn tags_outside_the_range_are_no_candidates_and_the_status_says_why() -> Result<()> {
    let images = Images::new("image-none", &["1.0.0", "2.0.0-rc.1"]).await?;
    let world = &images.world;
    let start = world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.0.0"))], "Start")?;
    images.writable().await?;
    images.policy("^2", json!({})).await?;
    images.wait_for_refusal("NoCandidate").await?;
    let live = world.ours("ImagePolicy", "web").await?;
    let verdicts = live["status"]["verdicts"].as_array();
    let tags: Vec<_> = verdicts
        .into_iter()
        .flatten()
        .filter_map(|verdict| verdict["tag"].as_str())
        .collect();
    ensure!(
        tags.contains(&"1.0.0") && tags.contains(&"2.0.0-rc.1"),
        "the verdicts are of {tags:?}"
    );
    ensure!(world.repo.head()? == start, "something was committed");
    Ok(())
}

#[tokio::test]
async fn fault_f12_while_the_registry_is_away_syncs_go_on_and_it_is_used_again_when_it_is_back()
-> Result<()> {
    let mut images = Images::new("image-away", &["1.0.0", "1.1.0"]).await?;
    images.registry.stop()?;
    let old = images.manifest("1.0.0");
    images
        .world
        .repo
        .commit(&[("app/web.yaml", &old)], "Start")?;
    images.writable().await?;
    images.world.application("web", "app", json!({})).await?;
    images.policy("^1", json!({})).await?;
    let message = images.wait_for_refusal("RegistryUnavailable").await?;
    ensure!(
        message.contains(&images.registry.host()),
        "{message:?} does not name the registry"
    );

    let changed = old.replace("'x'", "'y'");
    let commit = images
        .world
        .repo
        .commit(&[("app/web.yaml", &changed)], "Change")?;
    images.world.request("Repository", "config").await?;
    images.world.wait_until_synced("web", &commit).await?;
    ensure!(images.updates()?.is_empty());

    images.registry.come_back().await?;
    // Nobody asks: the policy is tried again by itself.
    images.wait_for_tag("1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    images
        .world
        .wait_until_synced("web", &updates[0].id)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_registry_with_a_password_is_read_with_the_named_secret_and_not_otherwise() -> Result<()>
{
    let access = Registry::with_password();
    let images = Images::with_access("image-auth", access, &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let start = world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.0.0"))], "Start")?;
    images.writable().await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_refusal("RegistryAuthFailed").await?;

    let named = json!({ "serviceAccount": READER, "secretRef": { "name": "registry" } });
    images.policy("^1", named).await?;
    let message = images.wait_for_refusal("SecretMissing").await?;
    ensure!(
        message.contains("registry"),
        "{message:?} does not name the Secret"
    );

    let wrong = "not-the-password";
    world
        .secret("registry", &[("username", USER), ("password", wrong)])
        .await?;
    world.request("ImagePolicy", "web").await?;
    let message = images.wait_for_refusal("RegistryAuthFailed").await?;
    ensure!(!message.contains(wrong), "the message holds the password");
    ensure!(world.repo.head()? == start, "something was committed");

    world
        .secret("registry", &[("username", USER), ("password", PASSWORD)])
        .await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 1);
    for secret in [PASSWORD, wrong] {
        ensure!(
            !world.agent().log().contains(secret),
            "the log holds a password"
        );
    }
    Ok(())
}
