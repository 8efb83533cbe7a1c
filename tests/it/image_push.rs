//! Commits that may not be pushed, and commits that come too late.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::world::READER;
use syncline_tests::{Access, World, objects};

use crate::image_setup::{Images, OVERTAKE};

#[tokio::test]
async fn without_spec_write_nothing_is_pushed_and_the_policy_says_so() -> Result<()> {
    let images = Images::new("image-read", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let start = world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.0.0"))], "Start")?;
    world.repository(json!({})).await?;
    images.policy("^1", json!({})).await?;
    let message = images.wait_for_refusal("WriteNotConfigured").await?;
    ensure!(
        message.contains("1.0.0") && message.contains("1.1.0"),
        "{message:?} does not say what should be committed"
    );
    let pushes = world.git.requests(world.repo.name());
    ensure!(
        pushes
            .iter()
            .all(|request| !request.path.contains("receive-pack")
                && !request.query.contains("receive-pack")),
        "a push was tried"
    );
    ensure!(world.repo.head()? == start);
    Ok(())
}

#[tokio::test]
async fn a_refusal_by_the_server_is_told_in_the_words_of_its_hook() -> Result<()> {
    let images = Images::new("image-hook", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let start = world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.0.0"))], "Start")?;
    let hook = "#!/bin/sh\necho 'main is frozen until Monday' >&2\nexit 1\n";
    images.pre_receive(Some(hook))?;
    images.writable().await?;
    images.policy("^1", json!({})).await?;
    let message = images.wait_for_refusal("PushDenied").await?;
    ensure!(
        message.contains("main is frozen until Monday"),
        "{message:?} does not hold the hook's words"
    );
    ensure!(world.repo.head()? == start);

    images.pre_receive(None)?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 1);
    Ok(())
}

#[tokio::test]
async fn a_commit_is_pushed_with_its_own_credentials_and_not_with_those_that_read() -> Result<()> {
    let (user, password) = ("robin".to_owned(), "correct-horse".to_owned());
    let access = Access::Basic { user, password };
    let world = World::with_access("image-creds", access).await?;
    let images = Images::in_world(world, Access::Open, &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let start = world
        .repo
        .commit(&[("app/web.yaml", &images.manifest("1.0.0"))], "Start")?;
    let wrong = "not-the-password-to-push";
    world
        .secret("push", &[("username", "robin"), ("password", wrong)])
        .await?;
    world
        .repository(json!({
            "serviceAccount": READER,
            "secretRef": { "name": "git" },
            "write": { "secretRef": { "name": "push" } },
        }))
        .await?;
    images.policy("^1", json!({})).await?;
    let message = images.wait_for_refusal("AuthFailed").await?;
    ensure!(!message.contains(wrong), "the message holds the password");
    ensure!(world.repo.head()? == start);
    // Reading goes on with the other credentials.
    let live = world.ours("Repository", "config").await?;
    ensure!(
        objects::condition(&live, "Ready").is_some(),
        "{:#}",
        live["status"]
    );

    let right = [("username", "robin"), ("password", "correct-horse")];
    world.secret("push", &right).await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(images.updates()?.len() == 1);
    Ok(())
}

#[tokio::test]
async fn fault_f10_pushes_of_people_in_between_are_kept_and_the_update_is_made_once() -> Result<()>
{
    let images = Images::new("image-race", &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let old = images.manifest("1.0.0");
    world.repo.commit(&[("app/web.yaml", &old)], "Start")?;
    // Five times in a row a person is faster, each time after the agent has fetched.
    let human = images.waiting_commits(5)?;
    images.pre_receive(Some(OVERTAKE))?;
    images.writable().await?;
    world.application("web", "app", json!({})).await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_tag("1.1.0").await?;

    let updates = images.updates()?;
    ensure!(updates.len() == 1, "the updates are {updates:#?}");
    let log: Vec<String> = world
        .repo
        .log()?
        .into_iter()
        .map(|commit| commit.id)
        .collect();
    ensure!(
        log.len() == 7,
        "the log has {} commits, not the first, five by people and the update",
        log.len()
    );
    for id in &human {
        ensure!(log.contains(id), "the commit {id} of a person is lost");
    }
    ensure!(log[0] == updates[0].id, "the update is not the tip");
    ensure!(images.numstat(&updates[0].id)? == "1\t1\tapp/web.yaml\n");
    let edited = world.repo.read("main", "app/web.yaml")?;
    ensure!(edited == old.replace(":1.0.0", ":1.1.0"), "{edited}");
    world.wait_until_synced("web", &updates[0].id).await?;
    Ok(())
}
