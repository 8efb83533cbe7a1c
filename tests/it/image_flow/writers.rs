//! Many who write to one branch.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::Access;

use super::template;
use crate::image_setup::{Images, OVERTAKE};

#[tokio::test]
async fn inv_i20_ten_policies_and_ten_people_on_one_branch_all_land_once() -> Result<()> {
    let world = syncline_tests::World::new("image-ten").await?;
    let images = Images::in_world(world, Access::Open, &["1.0.0"]).await?;
    let world = &images.world;
    let names: Vec<String> = (0..10).map(|number| format!("web-{number}")).collect();
    let mut files = Vec::new();
    for name in &names {
        images.registry.push_image(name, "1.0.0").await?;
        images.registry.push_image(name, "1.1.0").await?;
        let reference = format!("{}:1.0.0", images.registry.image(name));
        files.push((format!("app/{name}.yaml"), template(name, &reference)));
    }
    let named: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (&**path, &**text))
        .collect();
    let start = world.repo.commit(&named, "Start")?;
    images.writable().await?;
    world.application("web", "app", json!({})).await?;
    world.wait_until_synced("web", &start).await?;
    // Each push of the agent is overtaken, ten times in all.
    let human = images.waiting_commits(10)?;
    images.pre_receive(Some(OVERTAKE))?;
    for name in &names {
        let spec = json!({ "select": { "semver": "^1" }, "update": { "paths": [] } });
        let image = images.registry.image(name);
        world.image_policy(name, &image, spec).await?;
    }
    for name in &names {
        images.wait_for_tag_of(name, "1.1.0").await?;
    }

    let log = world.repo.log()?;
    for id in &human {
        ensure!(log.iter().any(|commit| commit.id == *id), "{id} is lost");
    }
    for (path, text) in &files {
        let edited = world.repo.read("main", path)?;
        ensure!(edited == text.replace(":1.0.0", ":1.1.0"), "{edited}");
    }
    let updates = images.updates()?;
    let notes = updates
        .iter()
        .flat_map(|update| update.message.lines())
        .filter(|line| line.starts_with("Syncline-Image: "));
    ensure!(notes.count() == names.len(), "{updates:#?}");
    ensure!(
        updates.len() <= 3,
        "{} commits for policies that were ready together",
        updates.len()
    );
    world.wait_until_synced("web", &updates[0].id).await?;
    Ok(())
}
