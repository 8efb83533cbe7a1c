//! Two applications of one repository, one of which waits for the other, while the other waits to
//! see what the first one wants.

use anyhow::{Result, ensure};
use syncline_tests::World;

use super::needs;
use crate::deploy::{config_map, deploy, deployed, value_of};

const PORTAL: &str = "apps/portal/all.yaml";
const STORE: &str = "apps/store/all.yaml";

/// A ConfigMap of a wave.
fn in_wave(name: &str, value: &str, wave: i32) -> String {
    config_map(name, value).replace(
        "\ndata:",
        &format!("\n  annotations:\n    syncline.dev/wave: \"{wave}\"\ndata:"),
    )
}

/// `portal` needs `store`; `moved` is where the two files say.
async fn with_both(world: &World, portal: &str, store: &str) -> Result<String> {
    let files = [(PORTAL, portal), (STORE, store)];
    let applications = [
        ("store", "apps/store", needs(&[])),
        ("portal", "apps/portal", needs(&["store"])),
    ];
    deploy(world, &files, &applications).await?;
    uid(world).await
}

async fn uid(world: &World) -> Result<String> {
    let live = world.get("v1", "ConfigMap", "moved").await?;
    let uid = live["metadata"]["uid"].as_str().unwrap_or_default();
    Ok(uid.to_owned())
}

/// Pushes the files; both come to the commit, and `moved` was never deleted.
async fn both_get_there(world: &World, uid_before: &str, portal: &str, store: &str) -> Result<()> {
    let audit = world.control_plane().audit().from_now()?;
    let commit = crate::deploy::push(world, &[(PORTAL, portal), (STORE, store)], "Move").await?;
    for name in ["store", "portal"] {
        world.wait_until_synced(name, &commit).await?;
    }
    ensure!(uid(world).await? == uid_before, "it was made anew");
    let deletions = deployed(world, &audit)?
        .into_iter()
        .filter(|write| write.verb == "delete");
    ensure!(deletions.count() == 0, "something was deleted");
    ensure!(value_of(world, "portal").await?.as_deref() == Some("2"));
    Ok(())
}

#[tokio::test]
async fn what_the_one_that_waits_gives_away_is_taken_over_before_its_turn() -> Result<()> {
    let world = World::new("give").await?;
    let moved = config_map("moved", "1");
    let portal = |value: &str| config_map("portal", value);
    let before = format!("{}---\n{moved}", portal("1"));
    let uid = with_both(&world, &before, &in_wave("store", "1", 1)).await?;
    // `store` comes to its second wave only when it has what `portal` still has.
    let after = format!("{moved}---\n{}", in_wave("store", "2", 1));
    both_get_there(&world, &uid, &portal("2"), &after).await?;
    ensure!(value_of(&world, "store").await?.as_deref() == Some("2"));
    Ok(())
}

#[tokio::test]
async fn what_the_one_that_waits_will_want_is_not_pruned_before_its_turn() -> Result<()> {
    let world = World::new("take").await?;
    let moved = config_map("moved", "1");
    let portal = |value: &str| config_map("portal", value);
    let store = |value: &str| in_wave("store", value, 1);
    let before = format!("{}---\n{moved}", store("1"));
    let uid = with_both(&world, &portal("1"), &before).await?;
    let after = format!("{}---\n{moved}", portal("2"));
    both_get_there(&world, &uid, &after, &store("2")).await
}

#[tokio::test]
async fn what_waits_for_ever_keeps_nobody_else_from_pruning() -> Result<()> {
    let world = World::new("never").await?;
    let extra = config_map("moved", "1");
    let before = format!("{}---\n{extra}", config_map("store", "1"));
    let files = [(PORTAL, config_map("portal", "1")), (STORE, before)];
    let files: Vec<(&str, &str)> = files.iter().map(|(f, c)| (*f, c.as_str())).collect();
    let applications = [("store", "apps/store", needs(&[]))];
    deploy(&world, &files, &applications).await?;
    let portal = needs(&["nobody"]);
    world.application("portal", "apps/portal", portal).await?;
    super::says(&world, "portal", "Blocked", &["Application nobody"]).await?;
    let newer = [
        (PORTAL, config_map("portal", "2")),
        (STORE, config_map("store", "2")),
    ];
    let newer: Vec<(&str, &str)> = newer.iter().map(|(f, c)| (*f, c.as_str())).collect();
    crate::deploy::push(&world, &newer, "Two").await?;
    crate::deploy::wait_for_value(&world, "moved", None).await
}
