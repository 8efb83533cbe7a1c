//! Leader election.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_cluster::lease::Settings;
use syncline_tests::objects as plain;
use syncline_tests::world::DEADLINE;
use tokio::time::timeout;

use super::Corner;
use super::watch_faults::{Fault, Proxy};

fn settings(corner: &Corner, identity: &str) -> Settings {
    Settings {
        namespace: corner.namespace.clone(),
        name: "leader".into(),
        identity: identity.into(),
        duration: Duration::from_secs(8),
        renew_deadline: Duration::from_secs(6),
        retry: Duration::from_millis(200),
    }
}

#[tokio::test]
async fn only_one_holds_the_lease_and_a_release_hands_it_over() -> Result<()> {
    let corner = Corner::new("lease").await?;
    let agent = corner.cluster.agent();
    let first = timeout(DEADLINE, agent.acquire_lease(settings(&corner, "one"))).await??;
    let waits = agent.acquire_lease(settings(&corner, "two"));
    let waits = timeout(Duration::from_secs(1), waits).await;
    ensure!(waits.is_err() && first.is_held(), "two hold the lease");
    first.release().await;
    // Less than the length of the lease: nobody waited for its end.
    let second = agent.acquire_lease(settings(&corner, "two"));
    let second = timeout(Duration::from_secs(6), second).await??;
    ensure!(second.is_held() && second.transitions() > 0);
    Ok(())
}

#[tokio::test]
async fn inv_i23_a_holder_that_was_replaced_learns_it() -> Result<()> {
    let corner = Corner::new("lost").await?;
    let agent = corner.cluster.agent();
    let guard = timeout(DEADLINE, agent.acquire_lease(settings(&corner, "one"))).await??;
    let lease = plain::reference("coordination.k8s.io/v1", "Lease", "leader");
    let edit = json!({ "spec": { "holderIdentity": "other" } });
    plain::edit(
        &corner.admin,
        &lease,
        Some(&corner.namespace),
        "other",
        &edit,
    )
    .await?;
    timeout(DEADLINE, guard.lost()).await?;
    ensure!(!guard.is_held());
    Ok(())
}

#[tokio::test]
async fn a_lease_of_a_process_that_died_is_taken_after_its_end() -> Result<()> {
    let corner = Corner::new("dead").await?;
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": "leader" },
        "spec": { "holderIdentity": "dead", "leaseDurationSeconds": 1 },
    });
    plain::apply(&corner.admin, &lease, Some(&corner.namespace)).await?;
    let short = Settings {
        duration: Duration::from_secs(2),
        renew_deadline: Duration::from_secs(1),
        ..settings(&corner, "next")
    };
    let begin = std::time::Instant::now();
    let guard = timeout(DEADLINE, corner.cluster.agent().acquire_lease(short)).await??;
    ensure!(
        begin.elapsed() >= Duration::from_secs(2),
        "it was taken before its end"
    );
    ensure!(guard.transitions() == 1);
    Ok(())
}

#[tokio::test]
async fn fault_f16_a_holder_whose_renewals_hang_says_so_and_goes_on_over_a_new_connection()
-> Result<()> {
    let corner = Corner::new("hangs").await?;
    let proxy = Proxy::start(corner.control_plane.server()).await?;
    let cluster = proxy.cluster(&corner, Duration::from_secs(70)).await?;
    let guard = cluster.agent().acquire_lease(settings(&corner, "one"));
    let guard = timeout(DEADLINE, guard).await??;
    let mut renewing = guard.renewing();
    timeout(DEADLINE, renewing.wait_for(|now| *now)).await??;
    proxy.strike(Fault::Stall);
    timeout(DEADLINE, renewing.wait_for(|now| !*now)).await??;
    ensure!(guard.is_held() && !guard.is_renewing());
    timeout(DEADLINE, renewing.wait_for(|now| *now)).await??;
    ensure!(guard.is_held() && guard.is_renewing());
    Ok(())
}
