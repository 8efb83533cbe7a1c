//! An edit is made where a render shows that it is what runs, and nowhere else.

use anyhow::{Result, ensure};
use serde_json::json;

use super::{proved, running, template};
use crate::deploy::ensure_says;

#[tokio::test]
async fn of_two_files_that_name_the_image_the_one_that_runs_is_edited() -> Result<()> {
    let (images, _) = running("image-proved", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let example = template("example", &format!("{}:1.0.0", images.web()));
    world
        .repo
        .commit(&[("docs/example.yaml", &example)], "Show how it is used")?;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    ensure!(images.numstat(&updates[0].id)? == "1\t1\tapp/web.yaml\n");
    ensure!(world.repo.read("main", "docs/example.yaml")? == example);
    world.wait_until_synced("web", &updates[0].id).await?;
    Ok(())
}

#[tokio::test]
async fn a_file_that_no_application_reads_is_not_edited_unless_it_is_marked() -> Result<()> {
    let (images, start) = running("image-unread", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    images.registry.push_image("api", "1.0.0").await?;
    images.registry.push_image("api", "1.1.0").await?;
    let api = images.registry.image("api");
    let file = template("api", &format!("{api}:1.0.0"));
    world
        .repo
        .commit(&[("later/api.yaml", &file)], "Begin the API")?;
    let range = json!({ "select": { "semver": "^1" }, "update": { "paths": [] } });
    world.image_policy("api", &api, range).await?;
    let live = world
        .wait_for_reason("ImagePolicy", "api", "EditUnproved")
        .await?;
    let message = crate::deploy::message(&live);
    ensure_says(&message, &["no application reads"])?;
    ensure!(images.updates()?.is_empty(), "it was edited");

    let marker = format!("# {{\"$imagepolicy\": \"{}:api\"}}", world.namespace);
    let marked = file.replace("# the one that runs", &marker);
    world
        .repo
        .commit(&[("later/api.yaml", &marked)], "Mark it")?;
    world.request("ImagePolicy", "api").await?;
    images.wait_for_tag_of("api", "1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    ensure!(images.numstat(&updates[0].id)? == "1\t1\tlater/api.yaml\n");
    ensure!(world.repo.log()?.iter().any(|commit| commit.id == start));
    Ok(())
}

#[tokio::test]
async fn a_tag_that_something_else_is_made_of_is_refused_and_the_others_go_on() -> Result<()> {
    let (images, _) = running("image-more", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    images.registry.push_image("api", "1.0.0").await?;
    images.registry.push_image("api", "1.1.0").await?;
    let api = images.registry.image("api");
    let values = format!("image:\n  repository: {api}\n  tag: 1.0.0\n");
    // More than the image depends on the tag.
    let chart = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: api\n  annotations:\n    \
                 is: {{ if eq .Values.image.tag \"1.0.0\" }}first{{ else }}later{{ end }}\n\
                 spec:\n  replicas: 0\n  selector:\n    matchLabels:\n      app: api\n  \
                 template:\n    metadata:\n      labels:\n        app: api\n    spec:\n      \
                 containers:\n      - name: main\n        image: \
                 \"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"\n";
    let files = [
        (
            "api/Chart.yaml",
            "apiVersion: v2\nname: api\nversion: 0.1.0\n",
        ),
        ("api/values.yaml", values.as_str()),
        ("api/templates/api.yaml", chart),
    ];
    let commit = world.repo.commit(&files, "Add the API")?;
    world.request("Repository", "config").await?;
    world.application("api", "api", json!({})).await?;
    world.wait_until_synced("api", &commit).await?;
    let range = json!({ "select": { "semver": "^1" }, "update": { "paths": [] } });
    world.image_policy("api", &api, range).await?;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    let live = world
        .wait_for_reason("ImagePolicy", "api", "EditUnproved")
        .await?;
    let message = crate::deploy::message(&live);
    ensure_says(&message, &["api/values.yaml:3", "first", "later"])?;
    ensure!(world.repo.read("main", "api/values.yaml")? == values);
    Ok(())
}
