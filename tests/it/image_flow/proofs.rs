//! An edit is made where a render shows that it is what runs, and nowhere else.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::Access;

use super::{proved, running, template};
use crate::deploy::{self, ensure_says};
use crate::image_setup::Images;
use crate::rendering_charts::publisher::Publisher;

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

#[tokio::test]
async fn where_only_a_chart_names_the_image_the_application_and_the_lines_to_add_are_told()
-> Result<()> {
    let images = Images::new("image-chart", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let publisher = Publisher::start(Access::Open).await?;
    let reference = "\"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"";
    let values = format!("image:\n  repository: {}\n  tag: 1.0.0\n", images.web());
    let files = [
        ("templates/web.yaml", &*template("web", reference)),
        ("values.yaml", &*values),
    ];
    publisher.publish("shop", "2.0.1", &files)?;
    let start = world
        .repo
        .commit(&[("app/values.yaml", "other: 1\n")], "Start")?;
    images.writable().await?;
    let chart = json!({ "repository": publisher.url(), "name": "shop", "version": "^2" });
    let helm = json!({ "chart": chart, "valuesFiles": ["values.yaml"] });
    let spec = json!({ "renderer": "Helm", "helm": helm });
    world.application("web", "app", spec).await?;
    world.wait_until_synced("web", &start).await?;

    images.policy("^1", proved()).await?;
    let message = images.wait_for_refusal("NothingToEdit").await?;
    let lines = format!(
        "image:\n  tag: \"1.1.0\" # {{\"$imagepolicy\": \"{}:web:tag\"}}\n",
        world.namespace
    );
    let application = format!("`{}/web` runs it", world.namespace);
    let told = [
        &application,
        "chart `shop` 2.0.1",
        &lines,
        "to `app/values.yaml`",
    ];
    ensure_says(&message, &told)?;

    // Who does as is told has a place that follows.
    let done = world
        .repo
        .commit(&[("app/values.yaml", &lines)], "As told")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &done).await?;
    images.registry.push_image("web", "1.2.0").await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.2.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    ensure!(images.numstat(&updates[0].id)? == "1\t1\tapp/values.yaml\n");
    Ok(())
}

#[tokio::test]
async fn all_places_that_cannot_be_edited_are_named_and_the_other_policies_go_on() -> Result<()> {
    let (images, _) = running("image-pinned", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let digest = images.registry.push_image("api", "1.0.0").await?;
    images.registry.push_image("api", "1.1.0").await?;
    let api = images.registry.image("api");
    let pinned = |name: &str| template(name, &format!("{api}:1.0.0@{digest}"));
    let (one, two) = (pinned("one"), pinned("two"));
    world.repo.commit(
        &[("api/one.yaml", &one), ("api/two.yaml", &two)],
        "Pin the API",
    )?;
    // Both are decided in one turn of the writer.
    images.writable_with(json!({ "window": "3s" })).await?;
    let range = json!({ "select": { "semver": "^1" }, "update": { "paths": [] } });
    world.image_policy("api", &api, range).await?;
    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    let live = world
        .wait_for_reason("ImagePolicy", "api", "EditRefused")
        .await?;
    let told = ["api/one.yaml:17", "api/two.yaml:17", "pinned by digest"];
    ensure_says(&deploy::message(&live), &told)?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    ensure!(images.numstat(&updates[0].id)? == "1\t1\tapp/web.yaml\n");
    Ok(())
}

#[tokio::test]
async fn a_file_that_links_lead_to_is_edited_once_and_the_links_stay() -> Result<()> {
    let (images, _) = running("image-linked", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let top = world.repo.git(&["rev-parse", "--show-toplevel"])?;
    let top = Path::new(top.trim());
    symlink("app", top.join("folder"))?;
    symlink("app/web.yaml", top.join("file.yaml"))?;
    world.repo.git(&["add", "--all"])?;
    let commit = ["commit", "--quiet", "--message", "Link to it"];
    world.repo.git(&commit)?;
    world
        .repo
        .git(&["push", "--quiet", "origin", "HEAD:main"])?;

    // Below a link there is nothing to edit.
    let below = json!({ "update": { "paths": ["folder", "file.yaml"] } });
    images.policy("^1", below).await?;
    images.wait_for_refusal("NothingToEdit").await?;
    ensure!(images.updates()?.is_empty(), "it was edited");

    images.policy("^1", proved()).await?;
    images.wait_for_tag("1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    let id = &updates[0].id;
    ensure!(images.numstat(id)? == "1\t1\tapp/web.yaml\n");
    let tree = world.repo.git(&["ls-tree", id, "folder", "file.yaml"])?;
    ensure!(tree.matches("120000 blob").count() == 2, "{tree}");
    Ok(())
}
