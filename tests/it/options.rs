//! What an Application and its objects ask of a sync, and what comes of wrong objects: on a real API
//! server, which has the last word.

mod atomic;
mod bad_input;
mod directives;
mod masked;
mod replace;

use anyhow::{Result, ensure};
use serde_json::Value;
use syncline_tests::World;

use crate::deploy::Person;

/// A ConfigMap of one key with one annotation, as YAML.
fn annotated(name: &str, value: &str, annotation: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations:\n    {annotation}\n\
         data:\n  key: \"{value}\"\n"
    )
}

/// The end of the sync of a commit, with its details.
async fn sync_of(world: &World, application: &str, commit: &str) -> Result<Value> {
    let person = Person::sign_in(world.agent()).await?;
    person
        .wait_for_sync(world, application, "of the commit", |sync| {
            // What is made anew may look like drift, and lead to one more.
            sync["summary"]["cause"] != "drift"
                && sync["summary"]["commit"].to_string().contains(commit)
                && sync["summary"]["finishedAt"].is_string()
        })
        .await
}

/// What a sync says about one object.
fn outcome<'a>(sync: &'a Value, kind: &str, name: &str) -> Result<&'a Value> {
    let outcomes = sync["outcomes"].as_array().map(Vec::as_slice);
    let mut found = outcomes
        .unwrap_or_default()
        .iter()
        .filter(|outcome| outcome["object"]["kind"] == kind && outcome["object"]["name"] == name);
    let one = found.next();
    ensure!(
        one.is_some() && found.next().is_none(),
        "{kind} {name}: {sync:#}"
    );
    Ok(one.unwrap_or(&Value::Null))
}

/// Fails unless a sync says that an object failed for a reason, in these words.
fn ensure_failed(sync: &Value, kind: &str, name: &str, reason: &str, says: &[&str]) -> Result<()> {
    let failure = &outcome(sync, kind, name)?["failure"];
    ensure!(failure["reason"] == reason, "{kind} {name}: {failure:#}");
    crate::deploy::ensure_says(&failure.to_string(), says)
}
