//! What changes nothing that Git names leads to no write, and a fight to few.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::World;
use syncline_tests::agent::{ACCOUNT, NAMESPACE};
use syncline_tests::control_plane::audit::{Audit, AuditEvent};
use syncline_tests::world::READER;

use super::{A_WHILE, crowd, spoil, until, world};
use crate::deploy::{config_map, deploy, deployed, deployment, wait_for_value};

/// What the agent wrote in a world since the mark, as itself or as the deployer.
fn written(world: &World, since: &Audit) -> Result<Vec<AuditEvent>> {
    let agent = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
    let mut writes = since.writes()?;
    writes.retain(|w| w.user.username == agent && w.object().namespace == world.namespace);
    Ok(writes)
}

/// Changes the status of the Deployment `web`, as its controller does.
async fn make_noise(world: &World, number: usize) -> Result<()> {
    let path = format!(
        "/apis/apps/v1/namespaces/{}/deployments/web/status?fieldManager=noise",
        world.namespace
    );
    let request = http::Request::patch(path)
        .header("content-type", "application/merge-patch+json")
        .body(
            json!({ "status": { "collisionCount": number } })
                .to_string()
                .into_bytes(),
        )?;
    world.client.request_text(request).await?;
    Ok(())
}

#[tokio::test]
async fn inv_i14_while_nothing_changes_nothing_is_written() -> Result<()> {
    let world = world("calm").await?;
    let (web, map) = (deployment("web"), config_map("map", "1"));
    let files = [
        ("apps/web/web.yaml", web.as_str()),
        ("apps/web/map.yaml", map.as_str()),
    ];
    deploy(&world, &files, &[("web", "apps/web", json!({}))]).await?;
    let secret = format!("secret-of-{}", world.namespace);
    world.secret("hook", &[("secret", &secret)]).await?;
    let hook = json!({ "secretRef": { "name": "hook" } });
    world
        .repository(json!({ "interval": "1s", "serviceAccount": READER, "webhook": hook }))
        .await?;
    // The hook is there and the first look after the change of the Repository is over.
    syncline_tests::wait_for("the hook", syncline_tests::world::DEADLINE, async || {
        let answer = world.deliver(&secret).await?;
        ensure!((200..300).contains(&answer), "it answered {answer}");
        Ok(())
    })
    .await?;
    let asked = || world.git.requests(world.repo.name()).len();
    let before = asked();
    until("two more looks", || Ok(asked() >= before + 2)).await?;

    let audit = world.control_plane().audit().from_now()?;
    let begin = Instant::now();
    let mut number = 0;
    while begin.elapsed() < A_WHILE {
        number += 1;
        make_noise(&world, number).await?;
        let note =
            json!({ "metadata": { "annotations": { "example.com/note": number.to_string() } } });
        world.edit("v1", "ConfigMap", "map", &note).await?;
        world.deliver(&secret).await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let writes = written(&world, &audit)?;
    ensure!(writes.is_empty(), "{writes:#?}");
    Ok(())
}

#[tokio::test]
async fn inv_i14_who_changes_a_field_ten_times_a_second_is_answered_rarely_and_named() -> Result<()>
{
    let world = world("fight").await?;
    crowd(&world, 1).await?;
    let audit = world.control_plane().audit().from_now()?;
    let begin = Instant::now();
    while begin.elapsed() < A_WHILE {
        spoil(&world, "c0").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let writes = deployed(&world, &audit)?;
    ensure!((2..=16).contains(&writes.len()), "{} writes", writes.len());
    let all = written(&world, &audit)?.len();
    ensure!(all <= 40, "{all} writes with those of the status");
    world
        .wait_for_ours("Application", "web", "naming who fights", |live| {
            let status = live["status"].to_string();
            status.contains("Fighting") && status.contains("kubectl-edit")
        })
        .await?;
    wait_for_value(&world, "c0", Some("1")).await
}
