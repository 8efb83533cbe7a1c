//! The agent dies, comes back, or is told of a commit that does not concern an application: what is
//! written then, and what is not.

mod history;
mod points;
mod restart;
mod story;
mod untouched;

use anyhow::{Result, ensure};
use syncline_tests::world::DEADLINE;
use syncline_tests::{AgentSettings, ControlPlane, World};

pub(crate) use story::{definition, gadget};

/// A world whose agent looks at no other namespace: what other tests have left in the control plane
/// passes no failpoint, and is in no metric.
async fn secluded(
    name: &str,
    control_plane: &'static ControlPlane,
    settle: impl FnOnce(AgentSettings) -> AgentSettings,
) -> Result<World> {
    let world = World::with_agent(name, control_plane, settle).await?;
    let agent = world.agent();
    ensure!(agent.terminate(DEADLINE)?.success());
    let flag = format!("--watch-namespace={}", world.namespace);
    agent.start_again(agent.settings().flag(&flag)).await?;
    Ok(world)
}
