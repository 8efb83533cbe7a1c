//! What a person takes back is not written again.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::objects;

use super::{proved, running, template};
use crate::deploy::annotate;

#[tokio::test]
async fn a_tag_that_a_person_takes_back_is_held_until_a_newer_one_comes() -> Result<()> {
    let (images, _) = running("image-held", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;

    let update = images.updates()?[0].id.clone();
    let revert = world.repo.revert(&update)?;
    world.request("ImagePolicy", "web").await?;
    let message = images.wait_for_refusal("TagHeld").await?;
    ensure!(message.contains("1.1.0"), "{message:?}");
    ensure!(world.repo.head()? == revert, "it was written again");
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &revert).await?;

    images.registry.push_image("web", "1.0.5").await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_refusal("TagHeld").await?;
    ensure!(
        world.repo.head()? == revert,
        "an older tag slipped in below the one that was taken back"
    );

    images.registry.push_image("web", "1.2.0").await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.2.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 2, "the updates are {updates:#?}");
    world.wait_until_synced("web", &updates[0].id).await?;
    Ok(())
}

#[tokio::test]
async fn a_hold_on_a_tag_that_the_policy_does_not_allow_any_more_holds_nothing_back() -> Result<()>
{
    let (images, _) = running("image-past", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    world.repo.revert(&images.updates()?[0].id)?;
    images.registry.push_image("web", "1.0.5").await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_refusal("TagHeld").await?;

    images.policy("~1.0", proved()).await?;
    let live = images.wait_for_tag("1.0.5").await?;
    let text = live["status"].to_string();
    ensure!(!text.contains("TagHeld"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_hold_survives_a_restart_without_data_and_ends_with_the_annotation_that_lets_it_go()
-> Result<()> {
    let (images, _) = running("image-release", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    let old = template("web", &format!("{}:1.0.0", images.web()));
    let back = world
        .repo
        .commit(&[("app/web.yaml", &old)], "Not this one")?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_refusal("TagHeld").await?;
    // Another policy for the same image knows nothing but the history.
    objects::delete(
        &world.client,
        &objects::reference("syncline.dev/v1alpha1", "ImagePolicy", "web"),
        Some(&world.namespace),
    )
    .await?;
    images.policy("^1", proved()).await?;
    let message = images.wait_for_refusal("TagHeld").await?;
    ensure!(message.contains("1.1.0"), "{message:?}");
    ensure!(world.repo.head()? == back, "it was written again");

    annotate(world, "ImagePolicy", "web", "syncline.dev/release", "1.1.0").await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 2);
    Ok(())
}

#[tokio::test]
async fn an_image_that_ci_built_from_an_update_is_not_written_so_that_it_goes_round_in_no_circle()
-> Result<()> {
    let (images, _) = running("image-circle", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    let update = images.updates()?[0].id.clone();
    let label = [("org.opencontainers.image.revision", update.as_str())];
    images.registry.push_build("web", "1.2.0", &label).await?;
    world.request("ImagePolicy", "web").await?;
    let message = images.wait_for_refusal("UpdateLoop").await?;
    ensure!(message.contains("1.2.0"), "{message:?}");
    ensure!(images.updates()?.len() == 1);

    images.registry.push_image("web", "1.3.0").await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.3.0").await?;
    ensure!(images.updates()?.len() == 2);
    Ok(())
}

#[tokio::test]
async fn inv_i19_two_policies_that_undo_each_other_stop_after_three_rounds() -> Result<()> {
    let (images, _) = running("image-opposite", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let often = |more: serde_json::Value| {
        let mut spec = json!({ "interval": "1s", "update": { "paths": [] } });
        if let (Some(spec), serde_json::Value::Object(more)) = (spec.as_object_mut(), more) {
            spec.extend(more);
        }
        spec
    };
    let down = json!({ "select": { "semver": "<1.1" }, "allowDowngrade": true });
    let image = images.web();
    world
        .image_policy("up", &image, often(json!({ "select": { "semver": "^1" } })))
        .await?;
    world.image_policy("down", &image, often(down)).await?;
    world
        .wait_for_reason("ImagePolicy", "up", "WritersDisagree")
        .await?;
    world
        .wait_for_reason("ImagePolicy", "down", "WritersDisagree")
        .await?;
    let updates = images.updates()?;
    ensure!(
        (3..=4).contains(&updates.len()),
        "{} updates: {updates:#?}",
        updates.len()
    );
    Ok(())
}
