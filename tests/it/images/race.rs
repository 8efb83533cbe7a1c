//! Many who push to one branch at the same time.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::Access;
use syncline_tests::World;
use syncline_tests::git_server::git;

use crate::image_setup::{Images, TRAILER, manifest};

/// How many people push, and how many policies update.
const WRITERS: usize = 10;
/// How many commits each person makes.
const COMMITS: usize = 3;

/// Pushes commits to `main` from a clone of its own; who comes too late begins anew on the new tip.
fn person(bare: &Path, folder: &Path, number: usize) -> Result<()> {
    let work = folder.join(format!("person-{number}"));
    let to = work.display().to_string();
    git(
        folder,
        &["clone", "--quiet", &bare.display().to_string(), &to],
    )?;
    for commit in 0..COMMITS {
        loop {
            git(&work, &["fetch", "--quiet", "origin"])?;
            git(&work, &["reset", "--quiet", "--hard", "origin/main"])?;
            std::fs::write(work.join(format!("person-{number}-{commit}.txt")), "x\n")?;
            git(&work, &["add", "--all"])?;
            let message = format!("Person {number}, commit {commit}");
            git(&work, &["commit", "--quiet", "--message", &message])?;
            if git(&work, &["push", "--quiet", "origin", "HEAD:main"]).is_ok() {
                break;
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn inv_i20_ten_people_and_ten_policies_on_one_branch_all_land_exactly_once() -> Result<()> {
    let world = World::new("image-ten").await?;
    let images = Images::in_world(world, Access::Open, &[]).await?;
    let (world, registry) = (&images.world, &images.registry);
    let name = |number: usize| format!("image-{number}");
    let file = |number: usize| format!("app/{}.yaml", name(number));
    let text =
        |number: usize, tag: &str| manifest(&name(number), &registry.image(&name(number)), tag);
    let mut files = Vec::new();
    for number in 0..WRITERS {
        registry.push_image(&name(number), "1.0.0").await?;
        registry.push_image(&name(number), "1.1.0").await?;
        files.push((file(number), text(number, "1.0.0")));
    }
    let borrowed: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    world.repo.commit(&borrowed, "Start")?;
    images.writable().await?;
    world.application("web", "app", json!({})).await?;

    let folder = tempfile::tempdir()?;
    let bare = images.bare()?;
    let people: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (bare, folder) = (bare.clone(), folder.path().to_owned());
            tokio::task::spawn_blocking(move || person(&bare, &folder, number))
        })
        .collect();
    for number in 0..WRITERS {
        let spec = json!({ "select": { "semver": "^1" } });
        let image = registry.image(&name(number));
        world.image_policy(&name(number), &image, spec).await?;
    }
    for number in 0..WRITERS {
        images.wait_for_tag_of(&name(number), "1.1.0").await?;
    }
    for number in 0..WRITERS {
        registry.push_image(&name(number), "1.2.0").await?;
        world.request("ImagePolicy", &name(number)).await?;
    }
    for number in 0..WRITERS {
        images.wait_for_tag_of(&name(number), "1.2.0").await?;
    }
    for person in people {
        person.await??;
    }

    let log = world.repo.log()?;
    let of_people = log.iter().filter(|c| c.message.starts_with("Person "));
    ensure!(of_people.count() == WRITERS * COMMITS, "{log:#?}");
    let updates = images.updates()?;
    let ids: BTreeSet<&str> = updates
        .iter()
        .map(|commit| {
            let trailer = commit.message.lines().find_map(|l| l.strip_prefix(TRAILER));
            trailer.context("no trailer")
        })
        .collect::<Result<_>>()?;
    ensure!(ids.len() == updates.len(), "an id is there twice: {ids:?}");
    ensure!(
        log.len() == 1 + WRITERS * COMMITS + updates.len(),
        "{log:#?}"
    );
    // Each policy changed its one line twice, whatever the commits are.
    let mut changed: Vec<String> = Vec::new();
    for update in &updates {
        for line in images.numstat(&update.id)?.lines() {
            let path = line
                .strip_prefix("1\t1\t")
                .with_context(|| line.to_owned())?;
            changed.push(path.to_owned());
        }
    }
    changed.sort();
    let mut twice: Vec<String> = (0..WRITERS).flat_map(|n| [file(n), file(n)]).collect();
    twice.sort();
    ensure!(changed == twice, "the updates changed {changed:#?}");
    for number in 0..WRITERS {
        let now = world.repo.read("main", &file(number))?;
        ensure!(now == text(number, "1.2.0"), "{now}");
    }
    let merges = git(&bare, &["log", "--merges", "--format=%H", "main"])?;
    ensure!(merges.is_empty(), "there are merges: {merges}");
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}
