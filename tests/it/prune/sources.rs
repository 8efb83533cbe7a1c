//! A commit that cannot be read in whole deletes nothing.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::{DEADLINE, READER};
use syncline_tests::{Access, World, wait_for};

use super::{borrowed, map_files, nothing_was_deleted, only_deleted, states_since, version_now};
use crate::deploy::{config_map, deploy, push, wait_for_value};

#[tokio::test]
async fn inv_i01_what_cannot_be_read_or_rendered_deletes_nothing() -> Result<()> {
    let world = World::new("unreadable").await?;
    let files = map_files("apps/web", &["a", "b", "c"]);
    deploy(&world, &borrowed(&files), &[("web", "apps/web", json!({}))]).await?;
    let audit = world.control_plane().audit().from_now()?;
    // Each commit removes objects and cannot be rendered; the next one mends it.
    let kustomization = "resources: [a.yaml, missing.yaml]\n";
    let broken = [
        ("apps/web/broken.yaml", "a: [\n", "YamlSyntax"),
        ("apps/web/broken.yaml", "kind: ConfigMap\n", "NoIdentity"),
        (
            "apps/web/kustomization.yaml",
            kustomization,
            "KustomizeFailed",
        ),
    ];
    for (path, text, reason) in broken {
        world
            .repo
            .replace(&["apps/web/b.yaml"], &[(path, text)], "Break it")?;
        world.request("Repository", "config").await?;
        world.wait_for_reason("Application", "web", reason).await?;
        let mended = world.repo.replace(&[path], &borrowed(&files), "Mend it")?;
        world.request("Repository", "config").await?;
        world.wait_until_synced("web", &mended).await?;
    }
    // The folder is gone.
    world.repo.remove(&["apps"], "Remove everything")?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Application", "web", "PathNotFound")
        .await?;
    nothing_was_deleted(&world, &audit).await?;
    // The same removal in a commit that can be read.
    let some = borrowed(&files)[..2].to_vec();
    let commit = push(&world, &some, "Two of them").await?;
    world.wait_until_synced("web", &commit).await?;
    wait_for_value(&world, "c", None).await?;
    only_deleted(&world, &audit, &["c"]).await
}

#[tokio::test]
async fn inv_i01_fault_f6_a_source_that_is_away_deletes_nothing() -> Result<()> {
    let access = Access::Basic {
        user: "robin".to_owned(),
        password: "right".to_owned(),
    };
    let world = World::with_access("away", access).await?;
    let files = map_files("apps/web", &["a", "b"]);
    world.repo.commit(&borrowed(&files), "Start")?;
    world
        .repo
        .git(&["push", "--quiet", "origin", "HEAD:release"])?;
    let spec = json!({ "ref": { "branch": "release" }, "secretRef": { "name": "git" }, "serviceAccount": READER });
    world.repository(spec).await?;
    world.application("web", "apps/web", json!({})).await?;
    let first = world.repo.head()?;
    world.wait_until_synced("web", &first).await?;
    let audit = world.control_plane().audit().from_now()?;

    world
        .repo
        .git(&["push", "--quiet", "--delete", "origin", "release"])?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Repository", "config", "RevisionNotFound")
        .await?;

    world.repo.remove(&["apps/web/b.yaml"], "Remove b")?;
    world
        .repo
        .git(&["push", "--quiet", "origin", "HEAD:release"])?;
    let credentials = |password| [("username", "robin"), ("password", password)];
    world.secret("git", &credentials("wrong")).await?;
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Repository", "config", "AuthFailed")
        .await?;
    // Who asks for a sync gets the last good commit.
    world.request("Application", "web").await?;
    nothing_was_deleted(&world, &audit).await?;

    world.secret("git", &credentials("right")).await?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "b", None).await?;
    only_deleted(&world, &audit, &["b"]).await
}

const APPLICATIONS: usize = 6;
const COMMITS: usize = 12;

#[tokio::test]
async fn inv_i02_what_is_applied_is_of_one_commit_and_never_of_an_older_one() -> Result<()> {
    let world = World::new("quick").await?;
    let content = |number: usize| -> Vec<(String, String)> {
        (0..APPLICATIONS)
            .map(|n| {
                let map = |name: &str| {
                    config_map(name, "k")
                        .replace("key: \"k\"", &format!("a: \"{number}\"\n  b: \"{number}\""))
                };
                let (x, y) = (map(&format!("x{n}")), map(&format!("y{n}")));
                (format!("apps/a{n}/maps.yaml"), format!("{x}---\n{y}"))
            })
            .collect()
    };
    let names: Vec<_> = (0..APPLICATIONS)
        .map(|n| (format!("a{n}"), format!("apps/a{n}")))
        .collect();
    let applications: Vec<_> = names
        .iter()
        .map(|(name, path)| (name.as_str(), path.as_str(), json!({})))
        .collect();
    deploy(&world, &borrowed(&content(0)), &applications).await?;
    let version = version_now(&world).await?;
    for number in 1..=COMMITS {
        push(
            &world,
            &borrowed(&content(number)),
            &format!("Number {number}"),
        )
        .await?;
    }
    let last = COMMITS.to_string();
    let states = states_since(&world, &version, |states| {
        let is_last = |name: &String| {
            let states = states.get(name);
            states
                .and_then(|states| states.last())
                .is_some_and(|(_, data)| data["a"] == last)
        };
        let names = (0..APPLICATIONS).flat_map(|n| [format!("x{n}"), format!("y{n}")]);
        names.collect::<Vec<_>>().iter().all(is_last)
    })
    .await?;
    for (name, states) in states {
        let mut before = 0;
        for (_, data) in &states {
            ensure!(data["a"] == data["b"], "{name} is of two commits: {data:?}");
            let number: usize = data["a"].parse()?;
            ensure!(
                number >= before,
                "{name} went from {before} back to {number}"
            );
            before = number;
        }
    }
    wait_for(
        "every status to name the last commit",
        DEADLINE,
        async || {
            for (name, _) in &names {
                let live = world.ours("Application", name).await?;
                let applied = live["status"]["lastAppliedRevision"]
                    .as_str()
                    .unwrap_or_default();
                ensure!(
                    applied.contains(&world.repo.head()?),
                    "{name} is at {applied}"
                );
            }
            Ok(())
        },
    )
    .await
}
