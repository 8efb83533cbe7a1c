//! The image flow among people and other writers: what is proved, taken back and held.

mod holds;
mod proofs;
mod rollback;
mod writers;

use anyhow::Result;
use serde_json::{Value, json};

use crate::image_setup::Images;

/// A Deployment of no pods that names an image: what is rendered runs it, and nothing is started.
pub(crate) fn template(name: &str, reference: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: 0\n  \
         selector:\n    matchLabels:\n      app: {name}\n  template:\n    metadata:\n      labels:\n        \
         app: {name}\n    spec:\n      containers:\n      - name: main\n        \
         image: {reference}   # the one that runs\n"
    )
}

/// A world with the image `web` in some tags, a Deployment below `app` that names the first of
/// them, the Application `web` over it, and the right to push.
async fn running(name: &str, tags: &[&str]) -> Result<(Images, String)> {
    let images = Images::new(name, tags).await?;
    let reference = format!("{}:{}", images.web(), tags[0]);
    let start = images
        .world
        .repo
        .commit(&[("app/web.yaml", &template("web", &reference))], "Start")?;
    images.writable().await?;
    images.world.application("web", "app", json!({})).await?;
    images.world.wait_until_synced("web", &start).await?;
    Ok((images, start))
}

/// In every file in which an edit can be proved, and nowhere else.
fn proved() -> Value {
    json!({ "update": { "paths": [] } })
}
