//! Gitea as the Git host: read with a token or over SSH, pushed to, protected against pushes, and
//! telling by webhook.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::git_server::signature;
use syncline_tests::gitea::{GiteaRepository, Scope, USER};
use syncline_tests::world::{DEADLINE, READER};
use syncline_tests::{Access, Gitea, World, wait_for};

use crate::deploy::{config_map, message};
use crate::image_setup::{Images, TRAILER};

/// A world and a private repository of Gitea with the world's name.
async fn world(name: &str) -> Result<(World, GiteaRepository<'static>)> {
    let world = World::new(name).await?;
    let repository = Gitea::shared().await?.create(&world.namespace).await?;
    Ok((world, repository))
}

/// A Secret with a token, as Gitea takes it from Git.
async fn token(world: &World, secret: &str, scope: Scope) -> Result<String> {
    let token = Gitea::shared().await?.token(scope)?;
    let values = [("username", USER), ("password", token.as_str())];
    world.secret(secret, &values).await?;
    Ok(token)
}

/// The Repository `config` for the repository of Gitea, read with the Secret `git`.
async fn read_with_token(
    world: &World,
    repository: &GiteaRepository<'_>,
    more: Value,
) -> Result<()> {
    token(world, "git", Scope::ReadRepositories).await?;
    let mut spec = json!({
        "url": repository.url(),
        "serviceAccount": READER,
        "secretRef": { "name": "git" },
    });
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    world.repository(spec).await?;
    Ok(())
}

/// The commits of the image flow in a repository of Gitea.
fn updates(repository: &GiteaRepository<'_>) -> Result<usize> {
    let all = repository.log()?;
    let ours = all.iter().filter(|commit| commit.message.contains(TRAILER));
    Ok(ours.count())
}

/// An application whose image has a newer tag, in Gitea; it is synced, and there is no policy yet.
/// The last of the answer is the token that is used to push.
async fn with_newer_image(
    name: &str,
    push: Scope,
) -> Result<(Images, GiteaRepository<'static>, String)> {
    let (world, repository) = world(name).await?;
    let images = Images::in_world(world, Access::Open, &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let files = [("app/web.yaml", &*images.manifest("1.0.0"))];
    let first = repository.commit(&files, "Start")?;
    let pushes = token(world, "push", push).await?;
    let write = json!({ "write": { "secretRef": { "name": "push" } } });
    read_with_token(world, &repository, write).await?;
    world.application("web", "app", json!({})).await?;
    world.wait_until_synced("web", &first).await?;
    Ok((images, repository, pushes))
}

#[tokio::test]
async fn a_private_repository_of_gitea_is_read_with_a_token_only() -> Result<()> {
    let (world, repository) = world("gitea-read").await?;
    let commit = repository.commit(&[("app/a.yaml", &config_map("a", "1"))], "Start")?;
    let (url, spec) = (repository.url(), json!({ "serviceAccount": READER }));
    let mut without = spec.clone();
    without["url"] = url.into();
    world.repository(without).await?;
    world.application("app", "app", json!({})).await?;
    world
        .wait_for_reason("Repository", "config", "AuthFailed")
        .await?;
    read_with_token(&world, &repository, json!({})).await?;
    world.wait_until_synced("app", &commit).await?;
    let live = world.get("v1", "ConfigMap", "a").await?;
    ensure!(live["data"]["key"] == "1", "{:#}", live["data"]);
    let next = repository.commit(&[("app/a.yaml", &config_map("a", "2"))], "Change")?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("app", &next).await?;
    Ok(())
}

#[tokio::test]
async fn an_update_of_an_image_is_pushed_to_gitea_and_deployed() -> Result<()> {
    let (images, repository, _) = with_newer_image("gitea-push", Scope::WriteRepositories).await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(updates(&repository)? == 1, "{:#?}", repository.log()?);
    let edited = repository.read("app/web.yaml")?;
    ensure!(edited == images.manifest("1.1.0"), "{edited}");
    let head = repository.head()?;
    images.world.wait_until_synced("web", &head).await?;
    Ok(())
}

#[tokio::test]
async fn a_protected_branch_of_gitea_is_told_with_what_to_do_and_pushed_to_when_it_is_free()
-> Result<()> {
    let (images, repository, _) = with_newer_image("gitea-protect", Scope::All).await?;
    let start = repository.head()?;
    repository.protect("main").await?;
    images.policy("^1", json!({})).await?;
    let message = images.wait_for_refusal("PushDenied").await?;
    for words in ["protected branch main", "right to push to the branch"] {
        ensure!(
            message.contains(words),
            "{message:?} does not say {words:?}"
        );
    }
    ensure!(repository.head()? == start, "something was pushed");

    repository.unprotect("main").await?;
    images.world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(updates(&repository)? == 1, "{:#?}", repository.log()?);
    Ok(())
}

#[tokio::test]
async fn a_token_that_may_only_read_is_told_and_never_shown() -> Result<()> {
    let (images, repository, wrong) =
        with_newer_image("gitea-scope", Scope::ReadRepositories).await?;
    let world = &images.world;
    let start = repository.head()?;
    images.policy("^1", json!({})).await?;
    let message = images.wait_for_refusal("PushDenied").await?;
    ensure!(repository.head()? == start, "something was pushed");
    ensure!(!message.contains(&wrong), "the token is shown");
    let right = token(world, "push", Scope::WriteRepositories).await?;
    world.request("ImagePolicy", "web").await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(updates(&repository)? == 1, "{:#?}", repository.log()?);
    let log = world.agent().log();
    for token in [wrong, right] {
        ensure!(!log.contains(&token), "the token is in the log");
    }
    Ok(())
}

#[tokio::test]
async fn gitea_is_read_and_pushed_to_over_ssh() -> Result<()> {
    let (world, repository) = world("gitea-ssh").await?;
    let images = Images::in_world(world, Access::Open, &["1.0.0", "1.1.0"]).await?;
    let world = &images.world;
    let files = [("app/web.yaml", &*images.manifest("1.0.0"))];
    let first = repository.commit(&files, "Start")?;
    let gitea = Gitea::shared().await?;
    let identity = gitea.ssh_key().await?;
    let known = gitea.known_hosts()?;
    let values = [("identity", identity.as_str()), ("known_hosts", &known)];
    world.secret("ssh", &values).await?;
    let spec = json!({
        "url": repository.ssh_url(),
        "serviceAccount": READER,
        "secretRef": { "name": "ssh" },
        "write": { "secretRef": { "name": "ssh" } },
    });
    world.repository(spec).await?;
    world.application("web", "app", json!({})).await?;
    world.wait_until_synced("web", &first).await?;
    images.policy("^1", json!({})).await?;
    images.wait_for_tag("1.1.0").await?;
    ensure!(updates(&repository)? == 1, "{:#?}", repository.log()?);
    world.wait_until_synced("web", &repository.head()?).await?;
    Ok(())
}

#[tokio::test]
async fn fault_f08_a_host_with_another_key_than_the_known_one_is_refused_with_both() -> Result<()> {
    let (world, repository) = world("gitea-key").await?;
    let files = [("app/a.yaml", &*config_map("a", "1"))];
    let commit = repository.commit(&files, "Start")?;
    let gitea = Gitea::shared().await?;
    let identity = gitea.ssh_key().await?;
    let known = gitea.known_hosts()?;
    // A key that nobody has.
    let other = "AAAAC3NzaC1lZDI1NTE5AAAAILnQl17Ru7sgP9qcfdfJ16aQ2ZzlY1Q/YN8L5cNwGj3+";
    let host = known.split(' ').next().unwrap_or_default();
    let wrong = format!("{host} ssh-ed25519 {other}\n");
    let values = [("identity", identity.as_str()), ("known_hosts", &wrong)];
    world.secret("ssh", &values).await?;
    let spec = json!({
        "url": repository.ssh_url(),
        "serviceAccount": READER,
        "secretRef": { "name": "ssh" },
    });
    world.repository(spec).await?;
    world.application("app", "app", json!({})).await?;
    let live = world
        .wait_for_reason("Repository", "config", "HostKeyMismatch")
        .await?;
    let message = message(&live);
    let fingerprints = message.matches("SHA256:").count();
    ensure!(fingerprints == 2, "{message:?} names {fingerprints} keys");
    ensure!(!message.contains("PRIVATE KEY"), "the key is shown");

    let values = [("identity", identity.as_str()), ("known_hosts", &known)];
    world.secret("ssh", &values).await?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("app", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn a_webhook_of_gitea_makes_the_agent_look_at_once() -> Result<()> {
    let (world, repository) = world("gitea-hook").await?;
    let secret = format!("a-shared-secret-of-{}", world.namespace);
    world.secret("hook", &[("secret", &secret)]).await?;
    let first = repository.commit(&[("app/a.yaml", &config_map("a", "1"))], "Start")?;
    // By itself it looks once an hour.
    let hook = json!({ "webhook": { "secretRef": { "name": "hook" } } });
    read_with_token(&world, &repository, hook).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &first).await?;
    let url = world.agent().webhook_url("/webhook/github");
    repository.webhook(&url, &secret).await?;
    // The hook is registered apart from the sync; from here on deliveries are taken at once.
    let body = json!({ "repository": repository.url() }).to_string();
    let sign = signature(&secret, &body)?;
    wait_for("a delivery to be taken", DEADLINE, async || {
        let post = reqwest::Client::new().post(world.agent().webhook_url("/webhook/generic"));
        let post = post.header("x-signature", &sign).body(body.clone());
        let status = post.send().await?.status();
        ensure!(status.is_success(), "it answered {status}");
        Ok(())
    })
    .await?;
    for value in ["2", "3"] {
        let file = [("app/a.yaml", &*config_map("a", value))];
        let commit = repository.commit(&file, "Change")?;
        world.wait_until_synced("app", &commit).await?;
        let live = world.get("v1", "ConfigMap", "a").await?;
        ensure!(live["data"]["key"] == value, "{:#}", live["data"]);
    }
    Ok(())
}
