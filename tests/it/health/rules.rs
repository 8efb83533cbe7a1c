//! Rules of people on health: of an Application, and of the whole agent.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;
use syncline_tests::world::suffix;

use super::{apply, wait_for_health};
use crate::crashes::{definition, gadget};
use crate::deploy::{cluster_admin, deployed_at_least, deployment};
use crate::lifecycle_setup::turn;

/// Writes the status of the gadget, as its controller would.
async fn write_status(world: &World, group: &str, phase: &str) -> Result<()> {
    let object = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "Gadget",
        "metadata": { "name": "gadget" },
        "status": { "phase": phase },
    });
    world.apply(&object).await?;
    Ok(())
}

fn rules(group: &str, healthy: &str) -> Value {
    json!({ "health": [{
        "group": group,
        "kind": "Gadget",
        "degraded": "self.status.phase == 'Failed'",
        "healthy": format!("self.status.phase == '{healthy}'"),
    }] })
}

#[tokio::test]
async fn a_custom_resource_is_judged_by_the_rule_of_its_application_and_anew_when_it_changes()
-> Result<()> {
    let world = World::new("health-rule").await?;
    cluster_admin(&world).await?;
    let group = format!("{}.example.com", suffix());
    let mut kind: Value = serde_json::from_str(&definition(&group))?;
    kind["spec"]["versions"][0]["subresources"] = json!({ "status": {} });
    let (kind, gadget) = (kind.to_string(), gadget(&group));
    let files = [
        ("apps/web/kind.yaml", kind.as_str()),
        ("apps/web/gadget.yaml", gadget.as_str()),
    ];
    let audit = world.control_plane().audit().from_now()?;
    apply(&world, &files, rules(&group, "Ready")).await?;
    // Its controller has written nothing yet.
    wait_for_health(&world, "Progressing", &["Gadget", "health rule"]).await?;
    write_status(&world, &group, "Failed").await?;
    wait_for_health(&world, "Degraded", &["Gadget"]).await?;
    write_status(&world, &group, "Ready").await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    write_status(&world, &group, "Idle").await?;
    wait_for_health(&world, "Progressing", &["Gadget", "`healthy`"]).await?;
    // Nothing happens to the object.
    let more = rules(&group, "Idle");
    world.application("web", "apps/web", more).await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    let writes = deployed_at_least(&world, &audit, 2).await?;
    let gadgets = writes
        .iter()
        .filter(|write| write.object().resource == "gadgets");
    ensure!(gadgets.count() == 1, "{writes:#?}");
    Ok(())
}

#[tokio::test]
async fn the_rules_of_the_agent_hold_for_all_applications_and_those_of_one_come_first() -> Result<()>
{
    let turn = turn().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("rules.yaml");
    let text = "- {group: apps, kind: Deployment, degraded: self.spec.replicas > 1}\n";
    std::fs::write(&file, text)?;
    let flag = format!("--health-rules={}", file.display());
    let settle = |settings: syncline_tests::AgentSettings| settings.flag(&flag);
    let world = World::with_agent("agent-rules", turn.control_plane, settle).await?;
    let file = deployment("web");
    let files = [("apps/web/web.yaml", file.as_str())];
    apply(&world, &files, json!({})).await?;
    wait_for_health(&world, "Degraded", &["Deployment", "`degraded`"]).await?;
    let own = json!({ "health": [{
        "group": "apps", "kind": "Deployment", "healthy": "self.status.availableReplicas == 2",
    }] });
    world.application("web", "apps/web", own).await?;
    wait_for_health(&world, "Healthy", &[]).await?;
    Ok(())
}
