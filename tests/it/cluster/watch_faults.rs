//! Watches that are cut, fall silent, cover the whole cluster, or take the place of others.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use syncline_cluster::connect::Settings as Connection;
use syncline_cluster::watch::{Area, Change, Ensured, Event, Pool, Settings, WatchKey};
use syncline_cluster::{Cluster, Live};
use syncline_tests::control_plane::audit::Audit;
use syncline_tests::objects as plain;
use syncline_tests::wait_for;
use syncline_tests::world::DEADLINE;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::{Corner, INSTANCE};

/// What is done to the connections that exist.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// Nothing comes through any more; they stay open.
    Stall,
    /// They are closed.
    Cut,
}

/// A way to the API server that can fail. New connections work.
pub(super) struct Proxy {
    port: u16,
    faults: Arc<watch::Sender<Fault>>,
}

impl Proxy {
    pub(super) async fn start(server: &str) -> Result<Self> {
        let target = server.trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let faults = Arc::new(watch::Sender::new(Fault::Cut));
        let source = Arc::clone(&faults);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (target, mut fault) = (target.clone(), source.subscribe());
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(target).await else {
                        return;
                    };
                    let fault = tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => return,
                        _ = fault.changed() => *fault.borrow(),
                    };
                    if matches!(fault, Fault::Stall) {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Ok(Self { port, faults })
    }

    pub(super) fn strike(&self, fault: Fault) {
        self.faults.send_replace(fault);
    }

    /// A connection of the corner's cluster through the proxy.
    pub(super) async fn cluster(
        &self,
        corner: &Corner,
        watch_silence: Duration,
    ) -> Result<Cluster> {
        let text = std::fs::read_to_string(corner.control_plane.admin_kubeconfig())?;
        let here = format!("https://127.0.0.1:{}", self.port);
        let text = text.replace(corner.control_plane.server(), &here);
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("kubeconfig");
        std::fs::write(&file, text)?;
        let settings = Connection {
            kubeconfig: Some(file),
            watch_silence,
            ..Connection::default()
        };
        Ok(Cluster::connect(settings).await?)
    }
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Result<Event> {
    timeout(DEADLINE, events.recv())
        .await?
        .context("the pool ended")
}

async fn applied(events: &mut mpsc::Receiver<Event>) -> Result<Live> {
    match next(events).await?.change {
        Change::Applied(live) => Ok(*live),
        other => anyhow::bail!("{other:?}"),
    }
}

/// How many lists of the ConfigMaps of a namespace the API server has answered.
fn lists(audit: &Audit, namespace: &str) -> Result<usize> {
    let path = format!("/namespaces/{namespace}/configmaps?");
    let events = audit.events()?;
    let lists = events
        .iter()
        .filter(|event| event.verb == "list" && event.uri.contains(&path));
    Ok(lists.count())
}

#[tokio::test]
async fn fault_f20_a_watch_that_falls_silent_goes_on_from_its_version_without_a_list() -> Result<()>
{
    let corner = Corner::new("silence").await?;
    let audit = corner.control_plane.audit().from_now()?;
    let proxy = Proxy::start(corner.control_plane.server()).await?;
    let cluster = proxy.cluster(&corner, Duration::from_secs(2)).await?;
    let account = cluster.account(&corner.namespace, "deployer").await?;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let (pool, mut events) = Pool::new(INSTANCE, Settings::default());
    let area = Area::Namespace(corner.namespace.clone());
    pool.ensure(&account, &kind, area.clone());
    ensure!(matches!(next(&mut events).await?.change, Change::Restarted));
    let key = WatchKey::new(&kind, area);
    wait_for("the watch to be current", DEADLINE, async || {
        ensure!(pool.is_current(&key));
        Ok(())
    })
    .await?;
    corner.apply(&corner.config_map("one", "1")).await??;
    ensure!(
        applied(&mut events).await?.key.name == "one",
        "the watch is open"
    );

    proxy.strike(Fault::Stall);
    corner.apply(&corner.config_map("two", "1")).await??;
    ensure!(applied(&mut events).await?.key.name == "two");
    ensure!(
        pool.restarts() > 0 && pool.lists() == 1,
        "{} lists",
        pool.lists()
    );
    ensure!(lists(&audit, &corner.namespace)? == 1);
    Ok(())
}

#[tokio::test]
async fn inv_i13_a_watch_that_is_cut_again_and_again_misses_nothing_and_asks_rarely() -> Result<()>
{
    let corner = Corner::new("cut").await?;
    let audit = corner.control_plane.audit().from_now()?;
    let proxy = Proxy::start(corner.control_plane.server()).await?;
    let cluster = proxy.cluster(&corner, Duration::from_secs(70)).await?;
    let account = cluster.account(&corner.namespace, "deployer").await?;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let settings = Settings {
        backoff_least: Duration::from_millis(200),
        backoff_most: Duration::from_millis(400),
        ..Settings::default()
    };
    let (pool, mut events) = Pool::new(INSTANCE, settings);
    pool.ensure(&account, &kind, Area::Namespace(corner.namespace.clone()));
    ensure!(matches!(next(&mut events).await?.change, Change::Restarted));
    let storm = async {
        for _ in 0..1000 {
            proxy.strike(Fault::Cut);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let begin = std::time::Instant::now();
    storm.await;
    let took = begin.elapsed();
    corner.apply(&corner.config_map("one", "1")).await??;
    // What the storm broke may be mended by a list, which ends with a marker.
    loop {
        match next(&mut events).await?.change {
            Change::Applied(live) if live.key.name == "one" => break,
            Change::Restarted | Change::Failing(_) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    let path = format!("/namespaces/{}/configmaps?", corner.namespace);
    let asked = audit.events()?;
    let asked = asked
        .iter()
        .filter(|event| event.uri.contains(&path))
        .count();
    // Each pause is at least 100 ms, but for a first attempt; a cut one may be logged twice.
    let most = took.as_millis() / 100 * 2 + 10;
    ensure!(asked as u128 <= most, "{asked} requests in {took:?}");
    ensure!(pool.restarts() > 0);
    Ok(())
}

#[tokio::test]
async fn a_reader_sees_the_namespaces_of_a_cluster_and_needs_no_right_to_secrets() -> Result<()> {
    let (one, two) = (Corner::new("reader").await?, Corner::new("read").await?);
    // An instance of its own: other tests write into the same cluster.
    let instance = format!("r{}", syncline_tests::world::suffix());
    let ours = |corner: &Corner, name: &str| {
        let mut object = corner.config_map(name, "1");
        object["metadata"]["labels"]["syncline.dev/managed"] = instance.clone().into();
        object
    };
    let overlay =
        syncline_tests::programs::repository_root().join("deploy/overlays/reader/reader.yaml");
    let mut role = plain::read_documents(&overlay)?
        .into_iter()
        .find(|object| object["kind"] == "ClusterRole")
        .context("no role")?;
    role["metadata"]["name"] = one.namespace.clone().into();
    plain::apply(&one.admin, &role, None).await?;
    let account = plain::reference("v1", "ServiceAccount", "reader");
    plain::apply(&one.admin, &account, Some(&one.namespace)).await?;
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": { "name": one.namespace },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": one.namespace },
        "subjects": [{ "kind": "ServiceAccount", "name": "reader", "namespace": one.namespace }] });
    plain::apply(&one.admin, &binding, None).await?;
    one.apply(&ours(&one, "first")).await??;
    two.apply(&ours(&two, "second")).await??;

    let reader = one.cluster.account(&one.namespace, "reader").await?;
    let (maps, secrets) = (
        one.kind("v1", "ConfigMap").await?,
        one.kind("v1", "Secret").await?,
    );
    let settings = Settings {
        budget: 3,
        ..Settings::default()
    };
    let (pool, mut events) = Pool::new(&instance, settings);
    let in_two = Area::Namespace(two.namespace.clone());
    ensure!(pool.ensure(&reader, &maps, Area::Cluster) == Ensured::Started);
    let mut seen = HashSet::new();
    loop {
        match next(&mut events).await?.change {
            Change::Applied(live) => drop(seen.insert(live.key.name)),
            Change::Restarted => break,
            // The right may take a moment to arrive.
            Change::Failing(_) => {}
            Change::Deleted(key) => anyhow::bail!("{key}"),
        }
    }
    ensure!(
        seen == HashSet::from(["first".to_owned(), "second".to_owned()]),
        "{seen:?}"
    );
    ensure!(pool.covers(&WatchKey::new(&maps, in_two.clone())));
    let deployer = two.deployer().await?;
    ensure!(pool.ensure(&deployer, &maps, in_two.clone()) == Ensured::Running && pool.len() == 1);

    // Secrets are refused to it, so they are watched where they are, as the account there.
    pool.ensure(&reader, &secrets, Area::Cluster);
    let event = next(&mut events).await?;
    ensure!(matches!(event.change, Change::Failing(_)), "{event:?}");
    let secrets_in_two = WatchKey::new(&secrets, in_two.clone());
    ensure!(!pool.covers(&secrets_in_two) && !pool.is_current(&secrets_in_two));
    ensure!(pool.ensure(&deployer, &secrets, in_two.clone()) == Ensured::Started);
    let event = next(&mut events).await?;
    ensure!(
        matches!(event.change, Change::Restarted) && event.watch == secrets_in_two,
        "{event:?}"
    );

    let services = one.kind("v1", "Service").await?;
    ensure!(pool.ensure(&deployer, &services, in_two.clone()) == Ensured::OverBudget);
    let service = WatchKey::new(&services, in_two.clone());
    ensure!(pool.over_budget() == std::slice::from_ref(&service));
    pool.retain(&HashSet::from([
        WatchKey::new(&maps, Area::Cluster),
        service,
    ]));
    ensure!(pool.ensure(&deployer, &services, in_two) == Ensured::Started);
    ensure!(pool.over_budget().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_watch_that_takes_the_place_of_another_reports_what_went_in_between() -> Result<()> {
    let corner = Corner::new("replaced").await?;
    corner.apply(&corner.config_map("stays", "1")).await??;
    corner.apply(&corner.config_map("goes", "1")).await??;
    let kind = corner.kind("v1", "ConfigMap").await?;
    let account = corner.deployer().await?;
    let (pool, mut events) = Pool::new(
        INSTANCE,
        Settings {
            capacity: 1,
            ..Settings::default()
        },
    );
    let area = Area::Namespace(corner.namespace.clone());
    pool.ensure(&account, &kind, area.clone());
    while !matches!(next(&mut events).await?.change, Change::Restarted) {}

    // The account becomes another one of the same name, so its watch has to be replaced.
    let reference = plain::reference("v1", "ServiceAccount", "deployer");
    let namespace = Some(corner.namespace.as_str());
    plain::delete(&corner.admin, &reference, namespace).await?;
    plain::apply(&corner.admin, &reference, namespace).await?;
    let other = wait_for("the new account to be seen", DEADLINE, async || {
        let now = corner.deployer().await?;
        ensure!(now.uid() != account.uid());
        Ok(now)
    })
    .await?;
    ensure!(account.is_revoked());
    let goes = plain::reference("v1", "ConfigMap", "goes");
    plain::delete(&corner.admin, &goes, namespace).await?;
    ensure!(pool.ensure(&other, &kind, area) == Ensured::Started);
    loop {
        match next(&mut events).await?.change {
            Change::Deleted(key) if key.name == "goes" => return Ok(()),
            // The one that is replaced may have noticed that its account is gone.
            Change::Restarted | Change::Failing(_) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
}
