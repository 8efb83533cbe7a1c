//! What is wrong with a path, a branch or a Git server is named, and hurts only who reads from it.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::{Access, Fault, World, wait_for, world};

use super::{config_map, deploy, ensure_says, message, push, value_of, wait_for_value};

/// A world with one application `web` that works.
async fn working(name: &str, access: Access) -> Result<World> {
    let world = World::with_access(name, access).await?;
    let file = config_map("web", "1");
    world
        .repo
        .commit(&[("apps/web/web.yaml", &file)], "Start")?;
    Ok(world)
}

#[tokio::test]
async fn a_path_that_does_not_exist_is_named_and_nothing_is_pruned() -> Result<()> {
    let world = World::new("path").await?;
    let (web, other) = (config_map("web", "1"), config_map("other", "1"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/other/other.yaml", other.as_str()),
    ];
    let applications = [
        ("web", "apps/web", json!({})),
        ("other", "apps/other", json!({})),
    ];
    deploy(&world, &files, &applications).await?;
    world.application("typo", "apps/wbe", json!({})).await?;
    let live = world
        .wait_for_reason("Application", "typo", "PathNotFound")
        .await?;
    ensure_says(&message(&live), &["`apps/wbe`", "spec.path"])?;

    // The same for a path that was there.
    let other = config_map("other", "2");
    let commit = world
        .repo
        .replace(&["apps/web"], &[("apps/other/other.yaml", &other)], "Move")?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Application", "web", "PathNotFound")
        .await?;
    ensure_says(&message(&live), &["`apps/web`"])?;
    world.wait_until_synced("other", &commit).await?;
    ensure!(
        value_of(&world, "web").await?.is_some(),
        "the objects of a lost path were pruned"
    );
    Ok(())
}

#[tokio::test]
async fn a_branch_that_does_not_exist_is_named_and_nothing_is_pruned() -> Result<()> {
    let world = working("branch", Access::Open).await?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world
        .repository(json!({ "ref": { "branch": "release" } }))
        .await?;
    let live = world
        .wait_for_reason("Repository", "config", "RevisionNotFound")
        .await?;
    ensure_says(&message(&live), &["release"])?;
    let live = world
        .wait_for_reason("Application", "web", "RepositoryNotReady")
        .await?;
    ensure_says(&message(&live), &["`config`", "release"])?;
    ensure!(
        value_of(&world, "web").await?.is_some(),
        "the objects of a lost branch were pruned"
    );

    // It is read as soon as it is there.
    world
        .repo
        .git(&["push", "--quiet", "origin", "HEAD:release"])?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}

#[tokio::test]
async fn wrong_credentials_are_named_and_shown_nowhere() -> Result<()> {
    let access = Access::Basic {
        user: "robin".into(),
        password: "correct-horse".into(),
    };
    let world = working("credentials", access).await?;
    world
        .secret(
            "git",
            &[("username", "robin"), ("password", "wrong-canary-horse")],
        )
        .await?;
    let spec = json!({ "secretRef": { "name": "git" }, "serviceAccount": world::READER });
    world.repository(spec).await?;
    world.application("web", "apps/web", json!({})).await?;
    let live = world
        .wait_for_reason("Repository", "config", "AuthFailed")
        .await?;
    ensure_says(&message(&live), &["secretRef"])?;
    let application = world
        .wait_for_reason("Application", "web", "RepositoryNotReady")
        .await?;
    for shown in [
        live.to_string(),
        application.to_string(),
        world.agent().log(),
    ] {
        ensure!(
            !shown.contains("wrong-canary-horse"),
            "the password is shown"
        );
    }

    world
        .secret(
            "git",
            &[("username", "robin"), ("password", "correct-horse")],
        )
        .await?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &world.repo.head()?).await?;
    Ok(())
}

#[tokio::test]
async fn a_secret_that_does_not_exist_is_named() -> Result<()> {
    let world = working("nosecret", Access::Open).await?;
    let spec = json!({ "secretRef": { "name": "absent" }, "serviceAccount": world::READER });
    world.repository(spec).await?;
    let live = world
        .wait_for_reason("Repository", "config", "SecretMissing")
        .await?;
    ensure_says(&message(&live), &["absent"])
}

#[tokio::test]
async fn an_unreachable_or_hanging_git_host_holds_up_only_its_own() -> Result<()> {
    let world = working("host", Access::Open).await?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_for_value(&world, "web", Some("1")).await?;

    // Nothing listens on this port.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let hanging = format!("{}-hang", world.namespace);
    let repo = world.git.create(&hanging, Access::Open)?;
    world.git.set_fault(&hanging, Some(Fault::Hang));
    for (name, url) in [
        ("unreachable", format!("http://127.0.0.1:{port}/config.git")),
        ("hanging", repo.url().to_owned()),
    ] {
        let spec = json!({ "url": url, "interval": "1h", "timeout": "3s" });
        world
            .apply(&json!({
                "apiVersion": "syncline.dev/v1alpha1",
                "kind": "Repository",
                "metadata": { "name": name },
                "spec": spec,
            }))
            .await?;
        world
            .application(name, "apps/web", json!({ "repository": name }))
            .await?;
    }
    wait_for("the hanging request", world::DEADLINE, async || {
        ensure!(!world.git.requests(&hanging).is_empty(), "none yet");
        Ok(())
    })
    .await?;
    // While it hangs the others go on.
    let commit = push(
        &world,
        &[("apps/web/web.yaml", &config_map("web", "2"))],
        "Change",
    )
    .await?;
    world.wait_until_synced("web", &commit).await?;
    ensure!(value_of(&world, "web").await?.as_deref() == Some("2"));

    for name in ["unreachable", "hanging"] {
        let live = world
            .wait_for_reason("Repository", name, "SourceUnavailable")
            .await?;
        ensure!(!message(&live).is_empty());
        world
            .wait_for_reason("Application", name, "RepositoryNotReady")
            .await?;
    }
    world.git.set_fault(&hanging, None);
    Ok(())
}

#[tokio::test]
async fn a_git_host_that_goes_away_leaves_everything_as_it_is() -> Result<()> {
    let world = working("away", Access::Open).await?;
    world.repository(json!({})).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    world
        .git
        .set_fault(&world.namespace, Some(Fault::Status(503)));
    world.request("Repository", "config").await?;
    world
        .wait_for_reason("Repository", "config", "SourceUnavailable")
        .await?;
    let live = world.ours("Application", "web").await?;
    ensure!(
        syncline_tests::objects::condition(&live, "Ready").is_some(),
        "{live:#}"
    );
    // It is tried again by itself, and the commit that was pushed meanwhile arrives.
    let commit = world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "2"))], "Change")?;
    world.git.set_fault(&world.namespace, None);
    world.wait_until_synced("web", &commit).await?;
    Ok(())
}
