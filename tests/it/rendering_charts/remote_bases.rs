//! Kustomize bases in other repositories: refused by default, and pinned to a commit where the
//! agent's settings allow them.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::suffix;
use syncline_tests::{Access, World};

use super::{ready, refused};
use crate::deploy::{config_map, value_of, wait_for_value};

const BASE: &str = "resources: [map.yaml]\n";

fn root(base: &str) -> String {
    format!("resources:\n- {base}\nnamePrefix: my-\n")
}

#[tokio::test]
async fn a_remote_base_is_built_at_its_commit_which_need_not_be_a_tip() -> Result<()> {
    let world = super::world("remote").await?;
    let bases = world
        .git
        .create(&format!("bases-{}", suffix()), Access::Open)?;
    let (old, new) = (config_map("base", "old"), config_map("base", "new"));
    let files = [("base/kustomization.yaml", BASE), ("base/map.yaml", &old)];
    let commit = bases.commit(&files, "Old")?;
    bases.commit(&[("base/map.yaml", &*new)], "New")?;
    let none = "0123456789012345678901234567890123456789";
    let at = |commit: &str| root(&format!("{}//base?ref={commit}", bases.url()));
    let other = "https://git.example.com/team/bases.git//base";
    let files = [
        ("old/kustomization.yaml", at(&commit)),
        ("none/kustomization.yaml", at(none)),
        ("branch/kustomization.yaml", at("main")),
        (
            "other/kustomization.yaml",
            root(&format!("{other}?ref={commit}")),
        ),
    ];
    let files = files.each_ref().map(|(path, text)| (*path, &**text));
    world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    for name in ["old", "none", "branch", "other"] {
        world.application(name, name, json!({})).await?;
    }
    wait_for_value(&world, "my-base", Some("old")).await?;
    ready(&world, "old").await?;
    refused(&world, "none", "RevisionNotFound", &[none, bases.url()]).await?;
    refused(&world, "branch", "KustomizeFailed", &["kz.remote_unpinned"]).await?;
    let says = ["git.example.com/team/bases", "--remote-bases"];
    refused(&world, "other", "RemoteBaseRefused", &says).await?;

    let commit = bases.head()?;
    let file = at(&commit);
    world
        .repo
        .commit(&[("old/kustomization.yaml", &*file)], "Newer")?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "my-base", Some("new")).await
}

#[tokio::test]
async fn bad_b25_remote_bases_are_refused_by_default_with_the_setting_named() -> Result<()> {
    let world = World::new("remote-off").await?;
    let bases = world
        .git
        .create(&format!("bases-{}", suffix()), Access::Open)?;
    let map = config_map("base", "1");
    let files = [("kustomization.yaml", BASE), ("map.yaml", &*map)];
    let commit = bases.commit(&files, "Start")?;
    let file = root(&format!("{}?ref={commit}", bases.url()));
    world
        .repo
        .commit(&[("app/kustomization.yaml", &*file)], "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    let says = [bases.url(), "--remote-bases"];
    refused(&world, "app", "RemoteBaseRefused", &says).await?;
    ensure!(value_of(&world, "my-base").await?.is_none());
    Ok(())
}
