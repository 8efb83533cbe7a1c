//! A newer image becomes a commit that changes one line, and the commit is deployed.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::wait_for;
use syncline_tests::world::DEADLINE;

use crate::image_setup::{Images, TRAILER, manifest};

#[tokio::test]
async fn the_newest_image_of_the_range_is_committed_and_deployed() -> Result<()> {
    let tags = [
        "1.0.0",
        "1.1.0",
        "1.10.0",
        "1.9.0",
        "1.11.0-rc.1",
        "2.0.0",
        "latest",
    ];
    let images = Images::new("image", &tags).await?;
    let (world, web) = (&images.world, images.web());
    let list = format!(
        "# What runs.\nresources: [web.yaml]   # one file\n\nimages:\n- name: web\n  newName: {web}\n  \
         newTag: \"1.0.0\"   # chosen by the policy\n- {{name: other, newTag: v1}}\n\n# The end, without a line break."
    );
    let web_yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  \
        selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    \
        spec:\n      containers: [{name: web, image: web}]\n";
    let first = world.repo.commit(
        &[
            ("app/kustomization.yaml", &list),
            ("app/web.yaml", web_yaml),
        ],
        "Start",
    )?;
    let author = json!({ "name": "Syncline", "email": "syncline@example.com" });
    images.writable_with(json!({ "author": author })).await?;
    world.application("web", "app", json!({})).await?;
    world.wait_until_synced("web", &first).await?;
    images.policy(">=1.0 <2", json!({})).await?;
    let live = images.wait_for_tag("1.10.0").await?;
    let status = &live["status"];
    ensure!(status["latestTag"] == "1.10.0", "the status is {status:#}");
    ensure!(
        !status["lastScanTime"].is_null(),
        "the status is {status:#}"
    );

    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    let update = &updates[0];
    ensure!(status["lastUpdateCommit"] == update.id.as_str());
    ensure!(
        update.author == "Syncline" && update.email == "syncline@example.com",
        "{update:?}"
    );
    let subject = update.message.lines().next().unwrap_or_default();
    ensure!(
        subject == format!("Update {web} from 1.0.0 to 1.10.0"),
        "the subject is {subject:?}"
    );
    ensure!(
        update.message.contains("app/kustomization.yaml:7"),
        "{}",
        update.message
    );
    let trailer = update
        .message
        .lines()
        .find_map(|line| line.strip_prefix(TRAILER))
        .context("there is no trailer")?;
    ensure!(trailer.len() == 26, "{trailer:?} is not a ULID");

    ensure!(images.numstat(&update.id)? == "1\t1\tapp/kustomization.yaml\n");
    let edited = world.repo.read(&update.id, "app/kustomization.yaml")?;
    ensure!(
        edited == list.replace("\"1.0.0\"", "\"1.10.0\""),
        "more than the tag changed:\n{edited}"
    );

    world.wait_until_synced("web", &update.id).await?;
    let deployed = world.get("apps/v1", "Deployment", "web").await?;
    let image = &deployed["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure!(
        *image == format!("{web}:1.10.0"),
        "the image that runs is {image}"
    );
    Ok(())
}

#[tokio::test]
async fn a_reference_in_a_plain_manifest_is_edited_and_nothing_else() -> Result<()> {
    let images = Images::new("image-plain", &["1.0.0", "1.2.3"]).await?;
    let world = &images.world;
    let old = images.manifest("1.0.0").replace('\n', "\r\n");
    let other = manifest("other", "registry.example.com/web", "1.0.0");
    world.repo.commit(
        &[("app/web.yaml", &old), ("app/other.yaml", &other)],
        "Start",
    )?;
    let message = "chore: {{ updates[0].image }} is {{ updates[0].new }}, was {{ updates[0].old }}";
    images.writable_with(json!({ "message": message })).await?;
    world.application("web", "app", json!({})).await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_tag("1.2.3").await?;

    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    let subject = format!("chore: {} is 1.2.3, was 1.0.0\n", images.web());
    ensure!(
        updates[0].message.starts_with(&subject),
        "{}",
        updates[0].message
    );
    ensure!(images.numstat(&updates[0].id)? == "1\t1\tapp/web.yaml\n");
    let edited = world.repo.read("main", "app/web.yaml")?;
    ensure!(
        edited == old.replace(":1.0.0", ":1.2.3"),
        "more than the tag changed:\n{edited:?}"
    );
    ensure!(world.repo.read("main", "app/other.yaml")? == other);

    world.wait_until_synced("web", &updates[0].id).await?;
    let deployed = world.get("v1", "ConfigMap", "web").await?;
    ensure!(deployed["data"]["image"] == format!("{}:1.2.3", images.web()));
    Ok(())
}

#[tokio::test]
async fn the_tag_in_the_values_of_a_chart_is_edited_and_the_chart_deployed() -> Result<()> {
    let images = Images::new("image-helm", &["v1.0.0", "v1.1.0"]).await?;
    let world = &images.world;
    let values = format!(
        "image:\n  repository: {}   # where\n  tag: 'v1.0.0'\n  pullPolicy: Always\nreplicas: 2\n",
        images.web()
    );
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\ndata:\n  \
        image: \"{{ .Values.image.repository }}:{{ .Values.image.tag }}\"\n";
    let chart = "apiVersion: v2\nname: web\nversion: 0.1.0\n";
    let files = [
        ("chart/Chart.yaml", chart),
        ("chart/values.yaml", values.as_str()),
        ("chart/templates/web.yaml", template),
    ];
    world.repo.commit(&files, "Start")?;
    images.writable().await?;
    world.application("web", "chart", json!({})).await?;
    images
        .policy(">=1.0", json!({ "update": { "paths": ["chart"] } }))
        .await?;
    images.wait_for_tag("v1.1.0").await?;
    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    ensure!(images.numstat(&updates[0].id)? == "1\t1\tchart/values.yaml\n");
    let edited = world.repo.read("main", "chart/values.yaml")?;
    ensure!(edited == values.replace("v1.0.0", "v1.1.0"), "{edited}");
    world.wait_until_synced("web", &updates[0].id).await?;
    let deployed = world.get("v1", "ConfigMap", "web").await?;
    ensure!(deployed["data"]["image"] == format!("{}:v1.1.0", images.web()));
    Ok(())
}

#[tokio::test]
async fn a_request_scans_at_once_and_a_repeated_scan_commits_nothing() -> Result<()> {
    let images = Images::new("image-again", &["1.0.0"]).await?;
    let world = &images.world;
    world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.0.0"))], "Start")?;
    images.writable().await?;
    // The interval of the policy is an hour: whatever happens from here on was asked for.
    images.policy("*", json!({})).await?;
    images.wait_for_tag("1.0.0").await?;
    ensure!(
        images.updates()?.is_empty(),
        "the image that Git names was committed"
    );
    images.registry.push_image("web", "1.1.0").await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    let head = world.repo.head()?;

    for _ in 0..3 {
        let before = scans(&images);
        world.request("ImagePolicy", "web").await?;
        wait_for("another scan", DEADLINE, async || {
            let now = scans(&images);
            ensure!(now > before, "{now} scans");
            Ok(())
        })
        .await?;
    }
    ensure!(world.repo.head()? == head, "a repeated scan made a commit");
    ensure!(images.updates()?.len() == 1);
    Ok(())
}

/// How often the policy was looked at: the reads of its repository, one for each look.
fn scans(images: &Images) -> usize {
    let world = &images.world;
    let requests = world.git.requests(world.repo.name());
    requests
        .iter()
        .filter(|request| request.query.contains("git-upload-pack"))
        .count()
}

#[tokio::test]
async fn a_newer_image_in_git_is_never_replaced_by_an_older_one() -> Result<()> {
    let images = Images::new("image-down", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let start = world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.5.0"))], "Start")?;
    images.writable().await?;
    images.policy("^1", json!({})).await?;
    let message = images.wait_for_refusal("NoDowngrade").await?;
    for word in ["app/web.yaml:6", "1.5.0", "1.1.0"] {
        ensure!(message.contains(word), "{message:?} does not name {word}");
    }
    ensure!(world.repo.head()? == start, "something was committed");
    Ok(())
}

#[tokio::test]
async fn two_policies_update_two_images_of_one_file() -> Result<()> {
    let images = Images::new("image-two", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    for tag in ["3.0.0", "3.1.0"] {
        images.registry.push_image("api", tag).await?;
    }
    let api = images.registry.image("api");
    let file = format!(
        "{}---\n{}",
        images.manifest("1.0.0"),
        manifest("api", &api, "3.0.0")
    );
    world.repo.commit(&[("app/all.yaml", &file)], "Start")?;
    images.writable().await?;
    world.application("web", "app", json!({})).await?;
    images.policy("^1", json!({})).await?;
    world
        .image_policy("api", &api, json!({ "select": { "semver": "^3" } }))
        .await?;
    images.wait_for_tag("1.1.0").await?;
    images.wait_for_tag_of("api", "3.1.0").await?;
    let updates = images.updates()?;
    // One commit where both were ready in time for it.
    let one_each = ["1\t1\tapp/all.yaml\n"; 2];
    let stats: Vec<String> = updates
        .iter()
        .map(|update| images.numstat(&update.id))
        .collect::<Result<_>>()?;
    ensure!(
        stats == ["2\t2\tapp/all.yaml\n"] || stats == one_each,
        "the updates are {updates:#?}"
    );
    let head = world.repo.head()?;
    let edited = world.repo.read(&head, "app/all.yaml")?;
    let expected = file.replace(":1.0.0", ":1.1.0").replace(":3.0.0", ":3.1.0");
    ensure!(edited == expected, "{edited}");
    world.wait_until_synced("web", &head).await?;
    Ok(())
}
