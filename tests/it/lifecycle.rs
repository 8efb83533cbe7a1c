//! The process: how it ends, comes back, and never works twice at a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use syncline_tests::agent::NAMESPACE;
use syncline_tests::process::{Process, command, state_folder};
use syncline_tests::world::DEADLINE;
use syncline_tests::{AgentProcess, AgentSettings, World, objects, programs, wait_for};

use crate::lifecycle_setup::{
    MANY, Road, count, deploy_many, kubeconfig_over, lease, lease_reference, turn,
};
use crate::ui_session::Session;

/// Times of the Lease that a test does not have to wait for. An agent that comes back under its old
/// name, as a container of the same pod does, does not wait at all.
fn short_lease(settings: AgentSettings, identity: &str) -> AgentSettings {
    settings
        .flag("--lease-duration=8s")
        .flag("--lease-renew-deadline=6s")
        .flag("--lease-retry=300ms")
        .flag(&format!("--identity={identity}"))
}

async fn until_some_are_written(world: &World) -> Result<()> {
    wait_for("the first objects", DEADLINE, async || {
        world.agent().ensure_running()?;
        let written = count(world).await?;
        ensure!(written > 0, "nothing was written yet");
        ensure!(written < MANY, "all was written before the test looked");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn fault_f29_an_agent_that_is_told_to_stop_ends_its_sync_and_hands_the_lease_over()
-> Result<()> {
    let turn = turn().await?;
    // A lease that is not given up would outlive the test.
    let world = World::with_agent("stop", turn.control_plane, |settings| {
        settings
            .flag("--lease-duration=10m")
            .flag("--lease-renew-deadline=9m")
            .flag("--apply-concurrency=1")
    })
    .await?;
    let commit = deploy_many(&world).await?;
    until_some_are_written(&world).await?;
    let begin = Instant::now();
    let status = world.agent().terminate(DEADLINE)?;
    let took = begin.elapsed();
    let log = world.agent().log();
    ensure!(status.success(), "it ended with {status}");
    ensure!(!log.contains("cut off"), "the sync did not end in time");
    ensure!(
        log.contains("stopped"),
        "the log does not say that it stopped"
    );
    ensure!(took < Duration::from_secs(30), "it took {took:?}");
    let written = count(&world).await?;
    ensure!(written == MANY, "only {written} of {MANY} were written");
    let live = lease(&world).await?;
    let holder = live["spec"]["holderIdentity"].as_str().unwrap_or_default();
    ensure!(holder.is_empty(), "{holder} still holds the lease");

    world.agent().restart().await?;
    world.wait_until_synced("many", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn fault_f28_a_sync_that_a_crash_interrupts_is_marked_so_and_completed() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("crash", turn.control_plane, |settings| {
        short_lease(settings, "first").flag("--apply-concurrency=1")
    })
    .await?;
    let session = Session::open(world.agent()).await?;
    let commit = deploy_many(&world).await?;
    wait_for("the running sync in the history", DEADLINE, async || {
        let syncs = session.syncs(&world.namespace, "many").await?;
        ensure!(
            syncs.iter().any(|sync| sync["result"] == "running"),
            "{syncs:?}"
        );
        Ok(())
    })
    .await?;
    until_some_are_written(&world).await?;
    world.agent().kill()?;
    let written = count(&world).await?;
    ensure!(written < MANY, "the sync was over before the crash");

    world.agent().restart().await?;
    world.wait_until_synced("many", &commit).await?;
    ensure!(count(&world).await? == MANY);
    let session = Session::open(world.agent()).await?;
    wait_for("both syncs in the history", DEADLINE, async || {
        let syncs = session.syncs(&world.namespace, "many").await?;
        let results: Vec<&str> = syncs
            .iter()
            .filter_map(|sync| sync["result"].as_str())
            .collect();
        ensure!(
            results.contains(&"interrupted")
                && results.contains(&"succeeded")
                && !results.contains(&"running"),
            "the results are {results:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_second_agent_waits_for_the_lease_and_takes_over_from_one_that_crashed() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("standby", turn.control_plane, |settings| {
        short_lease(settings, "first")
    })
    .await?;
    let settings = AgentSettings::in_cluster(turn.control_plane).await?;
    let settings = short_lease(settings, "second");
    let mut second = std::pin::pin!(AgentProcess::start(settings));
    // As many renewals as the lease lasts: a second agent that does not wait would be seen.
    let mut times = std::collections::BTreeSet::new();
    let renewals = wait_for("renewals of the first agent", DEADLINE, async || {
        let live = lease(&world).await?;
        let spec = &live["spec"];
        ensure!(spec["holderIdentity"] == "first", "the lease is {spec}");
        times.insert(spec["renewTime"].as_str().unwrap_or_default().to_owned());
        ensure!(times.len() > 27, "{} renewals", times.len());
        Ok(())
    });
    tokio::select! {
        _ = &mut second => bail!("the second agent did not wait"),
        seen = renewals => seen?,
    }

    world.agent().kill()?;
    let second = second.await?;
    let live = lease(&world).await?;
    ensure!(live["spec"]["holderIdentity"] == "second", "{live:#}");
    let commit = deploy_many(&world).await?;
    wait_for("the second agent to sync", DEADLINE, async || {
        second.ensure_running()?;
        let live = world.ours("Application", "many").await?;
        let applied = live["status"]["lastAppliedRevision"].as_str();
        ensure!(
            applied.is_some_and(|applied| applied.contains(&commit)),
            "{:#}",
            live["status"]
        );
        Ok(())
    })
    .await?;
    ensure!(second.terminate(DEADLINE)?.success());
    Ok(())
}

#[tokio::test]
async fn an_agent_that_waits_for_the_lease_ends_at_once_when_it_is_told_to() -> Result<()> {
    let turn = turn().await?;
    let world = World::with_agent("waiting", turn.control_plane, |settings| {
        short_lease(settings, "first")
    })
    .await?;
    let settings = AgentSettings::in_cluster(turn.control_plane).await?;
    let folder = state_folder("waiting")?;
    let mut waiting = command(programs::agent()?);
    waiting
        .args(["agent", "--identity=second", "--ui-listen=127.0.0.1:0"])
        .args([
            "--webhook-listen=127.0.0.1:0",
            "--metrics-listen=127.0.0.1:0",
        ])
        .arg("--kubeconfig")
        .arg(&settings.kubeconfig)
        .arg("--data-dir")
        .arg(folder.path().join("data"));
    let mut waiting = Process::start("waiting agent", waiting, &folder.path().join("log"))?;
    wait_for("the second agent to wait", DEADLINE, async || {
        waiting.ensure_running()?;
        ensure!(
            waiting.log().contains("waiting for the lease"),
            "it does not say so"
        );
        Ok(())
    })
    .await?;
    let begin = Instant::now();
    let status = waiting.terminate(DEADLINE)?;
    ensure!(status.success(), "it ended with {status}");
    ensure!(begin.elapsed() < Duration::from_secs(10));
    ensure!(
        !folder.path().join("data").exists(),
        "it wrote files while another agent worked"
    );
    let live = lease(&world).await?;
    ensure!(live["spec"]["holderIdentity"] == "first", "{live:#}");
    world.agent().ensure_running()
}

#[tokio::test]
async fn fault_f31_a_lease_that_is_deleted_by_hand_is_made_anew_and_the_work_goes_on() -> Result<()>
{
    let turn = turn().await?;
    let world = World::with_agent("lease", turn.control_plane, |settings| {
        short_lease(settings, "first")
    })
    .await?;
    let old = lease(&world).await?;
    objects::delete(&world.client, &lease_reference(), Some(NAMESPACE)).await?;
    wait_for("a new lease", DEADLINE, async || {
        world.agent().ensure_running()?;
        let new = lease(&world).await?;
        ensure!(new["metadata"]["uid"] != old["metadata"]["uid"], "the old");
        ensure!(new["spec"]["holderIdentity"] == "first", "{new:#}");
        Ok(())
    })
    .await?;
    let commit = deploy_many(&world).await?;
    world.wait_until_synced("many", &commit).await?;
    Ok(())
}

#[tokio::test]
async fn fault_f16_an_api_server_that_is_away_for_seconds_costs_seconds_and_nothing_else()
-> Result<()> {
    let turn = turn().await?;
    let road = Road::to(turn.control_plane.server()).await?;
    let mut copy = None;
    let world = World::with_agent("away", turn.control_plane, |settings| {
        let file = kubeconfig_over(&road, turn.control_plane, &settings.kubeconfig)
            .expect("a kubeconfig can be copied");
        let kubeconfig = file.path().to_owned();
        copy = Some(file);
        let settings = AgentSettings {
            kubeconfig,
            ..settings
        };
        short_lease(settings, "first")
    })
    .await?;
    let first = deploy_many(&world).await?;
    world.wait_until_synced("many", &first).await?;

    road.close();
    let failed = "the lease could not be renewed and is tried again";
    wait_for("the agent to notice", DEADLINE, async || {
        ensure!(world.agent().log().contains(failed), "it did not say so");
        Ok(())
    })
    .await?;
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: later}\n";
    let second = world.repo.commit(&[("app/later.yaml", map)], "One more")?;
    world.request("Repository", "config").await?;
    road.open();
    world.wait_until_synced("many", &second).await?;
    ensure!(world.exists("v1", "ConfigMap", "later").await?);

    // Without the lease it must not write, so it ends and is started anew.
    road.close();
    wait_for("the agent to give up", DEADLINE, async || {
        ensure!(world.agent().ensure_running().is_err(), "it still runs");
        Ok(())
    })
    .await?;
    ensure!(!world.agent().terminate(DEADLINE)?.success());
    ensure!(
        world.agent().log().contains("the lease was lost"),
        "the log does not say why it ended"
    );
    road.open();
    let third = world.repo.commit(
        &[("app/later.yaml", &map.replace("later", "latest"))],
        "Rename",
    )?;
    world.agent().restart().await?;
    world.wait_until_synced("many", &third).await?;
    wait_for("the old name to be gone", DEADLINE, async || {
        ensure!(
            !world.exists("v1", "ConfigMap", "later").await?,
            "it is there"
        );
        Ok(())
    })
    .await
}
