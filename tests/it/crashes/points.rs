//! The agent dies at every write of a sync, or the write fails there.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_tests::world::DEADLINE;
use syncline_tests::{AgentSettings, ControlPlane, World};

use super::secluded;
use super::story::Story;
use crate::deploy::cluster_admin;
use crate::lifecycle_setup::turn;

/// Where the agent dies, and how often it passes the point before that. The pass decides whether it
/// dies in the first sync, or in the one that adds, changes, replaces and removes.
const POINTS: [(&str, u32); 25] = [
    ("fetch.start", 1),
    ("fetch.done", 1),
    ("render.done", 1),
    ("history.begun", 0),
    ("inventory.union_written", 0),
    ("inventory.union_written", 1),
    ("ns.created", 0),
    ("apply.before", 0),
    ("apply.before", 6),
    ("apply.rewritten", 0),
    ("apply.after", 0),
    ("apply.after", 2),
    ("apply.after", 6),
    ("replace.deleted", 0),
    ("crd.applied", 0),
    ("crd.established", 0),
    ("stage.done", 0),
    ("prune.list_done", 1),
    ("prune.before", 0),
    ("prune.proven", 0),
    ("prune.after", 0),
    ("inventory.shrunk", 1),
    ("history.ended", 0),
    ("status.written", 0),
    ("finalizer.before_remove", 0),
];

/// Short times: an agent that comes back under its old name does not wait for the lease.
fn short_times(settings: AgentSettings) -> AgentSettings {
    settings
        .flag("--identity=story")
        .flag("--lease-duration=8s")
        .flag("--lease-renew-deadline=6s")
        .flag("--lease-retry=300ms")
        .flag("--retry-first=50ms")
        .flag("--apply-concurrency=1")
}

async fn world(name: &str, control_plane: &'static ControlPlane) -> Result<World> {
    let world = secluded(name, control_plane, short_times).await?;
    // The stories make namespaces and kinds.
    cluster_admin(&world).await?;
    world.repo.commit(&[("README", "")], "Start")?;
    world.repository(json!({})).await?;
    Ok(world)
}

#[tokio::test]
async fn fault_f28_inv_i10_inv_i11_killed_at_every_write_the_agent_ends_where_it_would_have()
-> Result<()> {
    let turn = turn().await?;
    let world = world("points", turn.control_plane).await?;
    let mut undisturbed = Story::new(&world, "undisturbed")?;
    let wanted = undisturbed.tell().await?;
    ensure!(undisturbed.deaths == 0 && wanted.len() == 5, "{wanted:#?}");
    for (number, (point, passes)) in POINTS.into_iter().enumerate() {
        let what = || format!("killed at {point} after {passes} passes");
        ensure!(world.agent().terminate(DEADLINE)?.success());
        let mortal = world
            .agent()
            .settings()
            .failpoints(&format!("{point}={passes}*off->1*return(kill)"));
        world.agent().start_again(mortal).await?;
        let mut story = Story::new(&world, &format!("p{number}"))?;
        let picture = story.tell().await.with_context(what)?;
        ensure!(story.deaths == 1, "{}: {} deaths", what(), story.deaths);
        ensure!(picture == wanted, "{}: {picture:#?}", what());
        ensure!(world.agent().terminate(DEADLINE)?.success());
        story.ensure_history().await.with_context(what)?;
        let alive = world.agent().settings();
        world.agent().start_again(alive).await?;
    }
    Ok(())
}

#[tokio::test]
async fn fault_f28_each_write_that_fails_once_is_made_with_the_next_attempt() -> Result<()> {
    let turn = turn().await?;
    let world = world("errors", turn.control_plane).await?;
    let mut undisturbed = Story::new(&world, "undisturbed")?;
    let wanted = undisturbed.tell().await?;
    ensure!(world.agent().terminate(DEADLINE)?.success());
    let all: Vec<_> = POINTS
        .iter()
        .map(|(point, passes)| format!("{point}={passes}*off->1*return(ApiUnavailable)"))
        .collect();
    let failing = world.agent().settings().failpoints(&all.join(";"));
    world.agent().start_again(failing).await?;
    let mut story = Story::new(&world, "errors")?;
    let picture = story.tell().await?;
    ensure!(story.deaths == 0 && picture == wanted, "{picture:#?}");
    ensure!(world.agent().terminate(DEADLINE)?.success());
    story.ensure_history().await?;
    Ok(())
}
