//! Charts and remote bases in the running agent: where they come from, what they see of the
//! cluster, and what happens when one of it goes wrong.
//!
//! The tests share a control plane and an agent that looks for charts more often than by default.

mod dependencies;
mod lookup;
pub(crate) mod publisher;
mod random;
mod release;
mod remote_bases;
mod renderer;
mod repositories;

use anyhow::{Context as _, Result};
use serde_json::Value;
use syncline_tests::{
    AgentProcess, AgentSettings, ControlPlane, FaultProxy, GitServer, Options, World, objects,
};
use tokio::sync::OnceCell;

use crate::deploy::{ensure_says, message};

/// The first words of every chart here.
const CHART: &str = "apiVersion: v2\nname: app\nversion: 0.1.0\n";

/// Times that a test does not have to wait for, and remote bases from the harness's own Git server.
async fn settle(settings: AgentSettings) -> Result<AgentSettings> {
    let server = GitServer::shared().await?.url("allowed");
    let (server, _) = server.rsplit_once('/').context("no host")?;
    Ok(settings
        .flag("--retry-first=200ms")
        .flag("--retry-most=2s")
        .flag("--chart-answer-age=1s")
        .flag(&format!("--remote-bases={server}")))
}

/// A world in the control plane that all share.
async fn world(name: &str) -> Result<World> {
    static PARTS: OnceCell<(ControlPlane, FaultProxy)> = OnceCell::const_new();
    static AGENT: OnceCell<AgentProcess> = OnceCell::const_new();
    let (control_plane, proxy) = PARTS
        .get_or_try_init(|| async {
            let control_plane = ControlPlane::start(Options::default()).await?;
            let proxy = FaultProxy::start(&control_plane).await?;
            anyhow::Ok((control_plane, proxy))
        })
        .await?;
    let agent = AGENT
        .get_or_try_init(|| async {
            let settings = AgentSettings::in_cluster(control_plane).await?;
            AgentProcess::start(settle(settings.through(proxy)).await?).await
        })
        .await?;
    World::among(name, control_plane, agent, proxy).await
}

/// A template with a ConfigMap of one key, named as the release.
fn map(value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}\ndata:\n  \
         key: {value}\n"
    )
}

/// Waits until an application is not ready for a reason, and its message has all of the parts.
async fn refused(world: &World, name: &str, reason: &str, says: &[&str]) -> Result<Value> {
    let live = world.wait_for_reason("Application", name, reason).await?;
    ensure_says(&message(&live), says)?;
    Ok(live)
}

/// Waits until an application is ready.
async fn ready(world: &World, name: &str) -> Result<Value> {
    world
        .wait_for_ours("Application", name, "ready", |live| {
            objects::condition(live, "Ready").is_some()
        })
        .await
}
