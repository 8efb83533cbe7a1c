//! What an Application says of how its path becomes objects, through the whole agent.

mod canaries;
mod neighbours;
mod plain;
mod secrets;
mod sources;
mod substitute;
mod validate;
mod values;

use anyhow::Result;
use serde_json::{Value, json};
use syncline_tests::World;

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 1.0.0\n";

/// A ConfigMap `name` whose data are the lines, as YAML or as a template.
fn map(name: &str, data: &[&str]) -> String {
    let data = data.join("\n  ");
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  {data}\n")
}

/// Makes a ConfigMap of the team that no Application manages.
async fn settings(world: &World, name: &str, data: Value) -> Result<()> {
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name },
        "data": data,
    });
    world.apply(&object).await?;
    Ok(())
}

/// The data of a live ConfigMap.
async fn data(world: &World, name: &str) -> Result<Value> {
    Ok(world.get("v1", "ConfigMap", name).await?["data"].clone())
}
