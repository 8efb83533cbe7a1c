//! The measure of all things: a client that applies the same objects and does nothing else.

use std::time::Instant;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Client;
use kube::api::DeleteParams;
use serde_json::Value;

use super::Say;
use super::client::{CONCURRENCY, api_of, apply_all};
use super::report::{Bare, Spread};
use super::scene::Scene;
use crate::objects;

/// More objects than this are applied once only.
const MANY: usize = 2_000;

/// Applies all objects into namespaces beside those of the applications, and removes them again.
pub(super) async fn measure(scene: &Scene, say: Say) -> Result<Bare> {
    let client = scene.bare_client().await?;
    let beside = |namespace: &str| format!("bare-{namespace}");
    let named = scene.namespaces();
    let named = named.iter().map(|namespace| {
        let object = objects::reference("v1", "Namespace", &beside(namespace));
        (object, String::new())
    });
    apply_all(&scene.client, named.collect()).await?;
    let all: Vec<(Value, String)> = scene
        .objects()?
        .into_iter()
        .map(|(object, namespace)| (object, beside(&namespace)))
        .collect();
    let rounds = if all.len() > MANY { 1 } else { 3 };
    let mut took = Vec::new();
    for round in 1..=rounds {
        let begin = Instant::now();
        apply_all(&client, all.clone()).await?;
        took.push(begin.elapsed());
        say(&format!(
            "bare client, round {round} of {rounds}: {} objects in {:.2} s",
            all.len(),
            begin.elapsed().as_secs_f64()
        ));
        delete_all(&scene.client, &all).await?;
    }
    let seconds = Spread::of(took.iter().map(|time| time.as_secs_f64()).collect());
    Ok(Bare {
        objects_per_second: all.len() as f64 / seconds.p50,
        seconds,
    })
}

async fn delete_all(client: &Client, all: &[(Value, String)]) -> Result<()> {
    stream::iter(all)
        .map(async |(object, namespace)| {
            let name = objects::name(object)?;
            api_of(client, object, Some(namespace))
                .delete(name, &DeleteParams::background())
                .await
                .with_context(|| format!("delete {} {name}", object["kind"]))?;
            Ok::<_, anyhow::Error>(())
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect::<()>()
        .await
}
