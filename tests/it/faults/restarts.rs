//! An agent that is told to end in the middle of a sync that would take longer than it has.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use syncline_tests::world::DEADLINE;
use syncline_tests::{Action, Rule, World};

use super::{impatient, until};
use crate::lifecycle_setup::{MANY, count, deploy_many, lease, turn};

#[tokio::test]
async fn fault_f29_a_sync_that_takes_longer_than_the_grace_ends_between_two_objects() -> Result<()>
{
    let turn = turn().await?;
    let world = World::with_agent_behind_proxy("grace", turn.control_plane, |settings| {
        impatient(settings)
            .flag("--apply-concurrency=1")
            .flag("--shutdown-grace=5s")
            .flag("--lease-duration=10m")
            .flag("--lease-renew-deadline=9m")
    })
    .await?;
    let proxy = world.proxy()?;
    let slow = Rule::new(Action::Delay(Duration::from_millis(150))).verb("patch");
    let slow = proxy.add(slow.path("/configmaps/map-"));
    let commit = deploy_many(&world).await?;
    let writes = || {
        let mut requests = proxy.requests();
        requests.retain(|r| r.target.verb == "patch" && r.target.resource == "configmaps");
        requests
    };
    until("the first objects", || Ok(writes().len() > 3)).await?;
    let begin = Instant::now();
    let status = world.agent().terminate(DEADLINE)?;
    let took = begin.elapsed();
    ensure!(status.success(), "it ended with {status}");
    ensure!(took < Duration::from_secs(8), "it took {took:?}");
    let writes = writes();
    ensure!(writes.len() < MANY, "the sync was over");
    let unanswered = writes.iter().filter(|write| write.status.is_none()).count();
    ensure!(
        unanswered == 0,
        "{unanswered} writes in flight were cut off"
    );
    let there = count(&world).await?;
    ensure!(
        there == writes.len(),
        "{there} objects are there after {writes:#?}"
    );
    let live = lease(&world).await?;
    let holder = live["spec"]["holderIdentity"].as_str().unwrap_or_default();
    ensure!(holder.is_empty(), "{holder} still holds the lease");

    proxy.remove(slow);
    world.agent().restart().await?;
    world.wait_until_synced("many", &commit).await?;
    ensure!(count(&world).await? == MANY);
    Ok(())
}
