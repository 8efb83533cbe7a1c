//! Deliveries of Git hosts to the running agent: a hint that starts a sync, or nothing at all.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::git_server::signature;
use syncline_tests::world::{DEADLINE, READER, suffix};
use syncline_tests::{Access, Repo, World, wait_for};

use crate::ui_session::Session;

/// The secret of a world's hook. Each world has its own: a delivery that any hook of the agent
/// signed is answered like one that is taken.
pub(crate) fn secret_of(world: &World) -> String {
    format!("a-shared-secret-of-{}", world.namespace)
}

/// A world whose Repository takes webhooks and asks by itself once an hour only, with an
/// application that has synced.
pub(crate) async fn world_with_hook(name: &str) -> Result<World> {
    let world = World::new(name).await?;
    world
        .secret("hook", &[("secret", &secret_of(&world))])
        .await?;
    let first = world
        .repo
        .commit(&[("app/a.yaml", &config_map("1"))], "Start")?;
    world.repository(hook()).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &first).await?;
    // The hook is registered apart from the sync; from here on deliveries are taken at once.
    deliver_until_taken(&world, &world.repo).await?;
    Ok(world)
}

fn hook() -> serde_json::Value {
    json!({ "serviceAccount": READER, "webhook": { "secretRef": { "name": "hook" } } })
}

fn config_map(value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{value: \"{value}\"}}\n"
    )
}

#[tokio::test]
async fn a_signed_push_event_of_github_starts_a_sync_at_once() -> Result<()> {
    let world = world_with_hook("hook-github").await?;
    let commit = world
        .repo
        .commit(&[("app/a.yaml", &config_map("2"))], "Change")?;
    let status = world.deliver(&secret_of(&world)).await?;
    ensure!((200..300).contains(&status), "it answered {status}");
    world.wait_until_synced("app", &commit).await?;
    let live = world.get("v1", "ConfigMap", "a").await?;
    ensure!(live["data"]["value"] == "2");
    let session = Session::open(world.agent()).await?;
    wait_for("the history to name the webhook", DEADLINE, async || {
        let syncs = session.syncs(&world.namespace, "app").await?;
        ensure!(
            syncs[0]["cause"] == "webhook",
            "the newest sync is {:#}",
            syncs[0]
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_signed_generic_delivery_starts_a_sync_at_once() -> Result<()> {
    let world = world_with_hook("hook-generic").await?;
    for (number, spelling) in [
        ("2", world.repo.url().to_owned()),
        // Hosts write the same repository in several ways.
        ("3", world.repo.url().trim_end_matches(".git").to_owned()),
    ] {
        let commit = world
            .repo
            .commit(&[("app/a.yaml", &config_map(number))], "Change")?;
        let body = json!({ "repository": spelling, "branch": "main" }).to_string();
        let sign = signature(&secret_of(&world), &body)?;
        let status = post(&world, "generic", Some(("x-signature", &sign)), &body)
            .await?
            .0;
        ensure!((200..300).contains(&status), "it answered {status}");
        world.wait_until_synced("app", &commit).await?;
    }
    Ok(())
}

#[tokio::test]
async fn bad_b61_a_delivery_without_a_valid_signature_gets_401_and_nothing_happens() -> Result<()> {
    let world = world_with_hook("hook-bad").await?;
    // A second repository with the same secret: a delivery for it comes after the bad ones.
    let other = world
        .git
        .create(&format!("{}-other", world.namespace), Access::Open)?;
    other.commit(&[("a.yaml", &config_map("1"))], "Start")?;
    let mut spec = hook();
    spec["url"] = other.url().into();
    spec["interval"] = "1h".into();
    world
        .apply(&json!({
            "apiVersion": "syncline.dev/v1alpha1",
            "kind": "Repository",
            "metadata": { "name": "other" },
            "spec": spec,
        }))
        .await?;
    let second = other.commit(&[("a.yaml", &config_map("2"))], "Change")?;
    world
        .wait_for_ours("Repository", "other", "read once", |live| {
            live["status"]["revision"].is_string()
        })
        .await?;
    world
        .repo
        .commit(&[("app/a.yaml", &config_map("2"))], "Change")?;
    let before = world.git.requests(world.repo.name()).len();

    let delivery = world.repo.delivery(&secret_of(&world))?;
    let right = delivery.signature.clone();
    let wrong = world.repo.delivery("another-secret")?.signature;
    let (short, sha1) = (right[..40].to_owned(), right.replace("sha256=", "sha1="));
    let other_body = delivery.body.replace("main", "niam");
    let generic = json!({ "repository": world.repo.url() }).to_string();
    let (header, body) = ("x-hub-signature-256", delivery.body.as_str());
    for (provider, sign, body) in [
        ("github", None, body),
        ("github", Some((header, "")), body),
        ("github", Some((header, wrong.as_str())), body),
        ("github", Some((header, short.as_str())), body),
        ("github", Some((header, sha1.as_str())), body),
        ("github", Some((header, right.as_str())), &other_body),
        ("github", Some(("x-signature", right.as_str())), body),
        ("generic", None, &generic),
        ("generic", Some(("x-signature", right.as_str())), &generic),
    ] {
        let (status, text) = post(&world, provider, sign, body).await?;
        ensure!(status == 401, "{provider} {sign:?} answered {status}");
        ensure!(text.len() <= 16, "it said {text:?}");
    }

    deliver_until_taken(&world, &other).await?;
    world
        .wait_for_ours("Repository", "other", "moved", |live| {
            let revision = live["status"]["revision"].as_str().unwrap_or_default();
            revision.ends_with(&second)
        })
        .await?;
    ensure!(
        world.git.requests(world.repo.name()).len() == before,
        "the repository was asked"
    );
    ensure!(
        !world.agent().log().contains(&secret_of(&world)),
        "the log holds the secret"
    );
    Ok(())
}

#[tokio::test]
async fn a_hook_whose_secret_comes_later_is_taken_without_another_word() -> Result<()> {
    let world = World::new("hook-late").await?;
    world
        .repo
        .commit(&[("app/a.yaml", &config_map("1"))], "Start")?;
    world.repository(hook()).await?;
    world
        .wait_for_ours("Repository", "config", "read once", |live| {
            live["status"]["revision"].is_string()
        })
        .await?;
    ensure!(world.deliver(&secret_of(&world)).await? == 401);
    world
        .secret("hook", &[("secret", &secret_of(&world))])
        .await?;
    deliver_until_taken(&world, &world.repo).await
}

#[tokio::test]
async fn a_delivery_that_is_sent_twice_is_one_delivery() -> Result<()> {
    let world = world_with_hook("hook-twice").await?;
    let commit = world
        .repo
        .commit(&[("app/a.yaml", &config_map("2"))], "Change")?;
    let delivery = world.repo.delivery(&secret_of(&world))?;
    let id = suffix();
    let send = async || -> Result<u16> {
        let answer = reqwest::Client::new()
            .post(world.agent().webhook_url("/webhook/github"))
            .header("x-github-event", "push")
            .header("x-github-delivery", &id)
            .header("x-hub-signature-256", &delivery.signature)
            .header("content-type", "application/json")
            .body(delivery.body.clone())
            .send()
            .await?;
        Ok(answer.status().as_u16())
    };
    let first = send().await?;
    world.wait_until_synced("app", &commit).await?;
    let before = world.git.requests(world.repo.name()).len();
    // The answer is the same: it tells nothing.
    ensure!(send().await? == first);
    let latest = world
        .repo
        .commit(&[("app/a.yaml", &config_map("3"))], "Change")?;
    ensure!(world.git.requests(world.repo.name()).len() == before);
    deliver_until_taken(&world, &world.repo).await?;
    world.wait_until_synced("app", &latest).await?;
    Ok(())
}

#[tokio::test]
async fn each_listener_serves_its_own_paths_and_no_others() -> Result<()> {
    let world = World::new("listeners").await?;
    let agent = world.agent();
    let client = reqwest::Client::new();
    let status =
        async |url: String| -> Result<u16> { Ok(client.get(url).send().await?.status().as_u16()) };
    for path in [
        "/",
        "/login",
        "/api/v1/applications",
        "/api/v1/openapi.json",
        "/metrics",
        "/healthz",
        "/readyz",
        "/webhook",
        "/webhook/",
        "/webhook/gitlab",
    ] {
        let found = status(agent.webhook_url(path)).await?;
        ensure!(found == 404, "webhooks: {path} answered {found}");
        let posted = client.post(agent.webhook_url(path)).body("{}").send();
        let posted = posted.await?.status().as_u16();
        ensure!(posted == 404, "webhooks: POST {path} answered {posted}");
    }
    let read = status(agent.webhook_url("/webhook/github")).await?;
    ensure!(read == 405, "a GET of a webhook answered {read}");
    for path in ["/webhook/github", "/webhook/generic", "/metrics", "/readyz"] {
        let found = status(agent.ui_url(path)).await?;
        ensure!(found == 401 || found == 404, "UI: {path} answered {found}");
        let posted = client.post(agent.ui_url(path)).body("{}").send();
        let posted = posted.await?.status().as_u16();
        ensure!(
            [401, 404, 405].contains(&posted),
            "UI: POST {path} answered {posted}"
        );
    }
    for path in ["/", "/api/v1/applications", "/webhook/github", "/login"] {
        let found = status(agent.metrics_url(path)).await?;
        ensure!(found == 404, "metrics: {path} answered {found}");
    }
    for path in ["/healthz", "/readyz"] {
        ensure!(status(agent.metrics_url(path)).await? == 200, "{path}");
    }
    let metrics = client.get(agent.metrics_url("/metrics")).send().await?;
    let text = metrics.text().await?;
    for name in [
        "syncline_syncs_total",
        "syncline_polls_total",
        "syncline_applications",
        "syncline_webhook_deliveries_total",
    ] {
        ensure!(text.contains(name), "the metrics have no {name}");
    }
    ensure!(text.ends_with("# EOF\n"), "the metrics are cut off");
    Ok(())
}

/// Delivers a push of a repository; the hook of a Repository that was just made is registered
/// shortly after its first read.
async fn deliver_until_taken(world: &World, repo: &Repo) -> Result<()> {
    wait_for("a delivery to be taken", DEADLINE, async || {
        let status = syncline_tests::world::deliver(repo, world.agent(), &secret_of(world)).await?;
        ensure!((200..300).contains(&status), "it answered {status}");
        Ok(())
    })
    .await
}

/// Posts a delivery; answers with status and body.
pub(crate) async fn post(
    world: &World,
    provider: &str,
    sign: Option<(&str, &str)>,
    body: &str,
) -> Result<(u16, String)> {
    let mut request = reqwest::Client::new()
        .post(world.agent().webhook_url(&format!("/webhook/{provider}")))
        .header("content-type", "application/json")
        .header("x-github-event", "push");
    if let Some((name, value)) = sign {
        request = request.header(name, value);
    }
    let answer = request.body(body.to_owned()).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}
