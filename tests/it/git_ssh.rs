//! A Repository over SSH, with a real `sshd`.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::ssh_server::SshServer;
use syncline_tests::{Access, World, world};

use crate::deploy::{config_map, wait_for_value};

/// A world whose repository has an application, an SSH server before it, and a Secret for that.
async fn over_ssh(name: &str) -> Result<(World, SshServer)> {
    let world = World::with_access(name, Access::Open).await?;
    let server = SshServer::start()?;
    world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "1"))], "Start")?;
    credentials(&world, &server, &[]).await?;
    Ok((world, server))
}

async fn credentials(world: &World, server: &SshServer, more: &[(&str, &str)]) -> Result<()> {
    let (identity, known_hosts) = (server.identity()?, server.known_hosts()?);
    let mut values = vec![
        ("identity", identity.as_str()),
        ("known_hosts", known_hosts.as_str()),
    ];
    values.extend(more);
    world.secret("git", &values).await?;
    Ok(())
}

fn source(world: &World, server: &SshServer) -> Result<Value> {
    Ok(json!({
        "url": server.url(&world.repo)?,
        "interval": "1s",
        "timeout": "20s",
        "secretRef": { "name": "git" },
        "serviceAccount": world::READER,
    }))
}

fn message(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    ready
        .and_then(|condition| condition["message"].as_str())
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn an_application_follows_a_repository_over_ssh_with_a_key_that_has_a_passphrase()
-> Result<()> {
    let (world, server) = over_ssh("ssh").await?;
    world.repository(source(&world, &server)?).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let commit = world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "2"))], "Change")?;
    world.wait_until_synced("web", &commit).await?;

    server.lock_client_key("correct horse canary")?;
    credentials(&world, &server, &[]).await?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Repository", "config", "AuthFailed")
        .await?;
    ensure!(message(&live).contains("identity"), "{}", message(&live));
    credentials(&world, &server, &[("password", "correct horse canary\n")]).await?;
    world.request("Repository", "config").await?;
    let commit = world
        .repo
        .commit(&[("apps/web/web.yaml", &config_map("web", "3"))], "Change")?;
    world.wait_until_synced("web", &commit).await?;
    let key = server.identity()?;
    let line = key.lines().nth(1).unwrap_or("none");
    for shown in [world.agent().log(), live.to_string()] {
        ensure!(!shown.contains("canary"), "the passphrase is shown");
        ensure!(!shown.contains(line), "the key is shown");
    }
    Ok(())
}

#[tokio::test]
async fn fault_f08_a_changed_host_key_is_told_with_both_fingerprints_and_nothing_is_pruned()
-> Result<()> {
    let (world, mut server) = over_ssh("host-key").await?;
    world.repository(source(&world, &server)?).await?;
    world.application("web", "apps/web", json!({})).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let before = server.fingerprint()?;
    server.change_host_key()?;
    let commit = world.repo.commit(
        &[("apps/web/web.yaml", &config_map("web", "2"))],
        "Behind another key",
    )?;
    world.request("Repository", "config").await?;
    let live = world
        .wait_for_reason("Repository", "config", "HostKeyMismatch")
        .await?;
    let said = message(&live);
    for fingerprint in [before, server.fingerprint()?] {
        ensure!(
            said.contains(&fingerprint),
            "{fingerprint} is not in: {said}"
        );
    }
    wait_for_value(&world, "web", Some("1")).await?;

    // A person compares the fingerprint and takes the new key in.
    credentials(&world, &server, &[]).await?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn the_line_that_is_told_of_an_unknown_host_is_the_one_to_add() -> Result<()> {
    let (world, server) = over_ssh("unknown-host").await?;
    let identity = server.identity()?;
    let known_hosts = server.known_hosts()?;
    let other = known_hosts.replacen("[127.0.0.1]", "[git.example.com]", 1);
    let values = [("identity", identity.as_str()), ("known_hosts", &other)];
    world.secret("git", &values).await?;
    world.repository(source(&world, &server)?).await?;
    world.application("web", "apps/web", json!({})).await?;
    let live = world
        .wait_for_reason("Repository", "config", "HostKeyUnknown")
        .await?;
    let said = message(&live);
    ensure!(said.contains(&server.fingerprint()?), "{said}");
    let line = said.split('`').find(|part| part.starts_with("[127.0.0.1]"));
    let line = format!("{}\n", line.unwrap_or_default());
    ensure!(line.trim() == known_hosts.trim(), "{line}");
    let values = [("identity", identity.as_str()), ("known_hosts", &line)];
    world.secret("git", &values).await?;
    world.request("Repository", "config").await?;
    wait_for_value(&world, "web", Some("1")).await
}
