//! What a sync says that Git changed in an object: of a Secret the field, and never a value.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use syncline_tests::World;

use super::{outcome, sync_of};
use crate::deploy::{Person, config_map, deploy, push};

const CANARIES: [&str; 3] = ["canary-first", "canary-second", "canary-other"];

fn secret(password: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\nstringData:\n  password: {password}\n  \
         other: {}\n",
        CANARIES[2]
    )
}

#[tokio::test]
async fn a_changed_password_is_named_and_shown_nowhere() -> Result<()> {
    let world = World::new("masked").await?;
    let (first, map) = (secret(CANARIES[0]), config_map("map", "1"));
    let files = [("app/secret.yaml", first.as_str()), ("app/map.yaml", &map)];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    let (second, map) = (secret(CANARIES[1]), config_map("map", "2"));
    let files = [("app/secret.yaml", second.as_str()), ("app/map.yaml", &map)];
    let commit = push(&world, &files, "Change").await?;
    let sync = sync_of(&world, "app", &commit).await?;
    let changes = &outcome(&sync, "ConfigMap", "map")?["changes"];
    ensure!(
        *changes == json!([{ "path": "data.key", "before": "\"1\"", "after": "\"2\"" }]),
        "{changes:#}"
    );
    let changes = outcome(&sync, "Secret", "login")?["changes"].clone();
    let changes = changes.as_array().context("no changes")?;
    ensure!(changes.len() == 1, "{changes:#?}");
    ensure!(changes[0]["path"] == "data.password", "{changes:#?}");
    ensure!(changes[0]["before"] != changes[0]["after"], "{changes:#?}");

    let person = Person::sign_in(world.agent()).await?;
    let mut channels = vec![
        ("the log", world.agent().log().into_bytes()),
        (
            "the status",
            world
                .ours("Application", "app")
                .await?
                .to_string()
                .into_bytes(),
        ),
        (
            "the history",
            json!(person.syncs(&world, "app").await?)
                .to_string()
                .into_bytes(),
        ),
    ];
    for file in ["history.db", "history.db-wal"] {
        let path = world.agent().data_folder().join(file);
        channels.push((file, std::fs::read(path).unwrap_or_default()));
    }
    for (channel, bytes) in channels {
        let text = String::from_utf8_lossy(&bytes);
        for canary in CANARIES {
            let encoded = STANDARD.encode(canary);
            ensure!(!text.contains(canary), "{channel} shows {canary}");
            ensure!(!text.contains(&encoded), "{channel} shows {encoded}");
        }
    }
    Ok(())
}
