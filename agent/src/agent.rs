//! The process: what it is made of, the loops that drive it, and its end.

mod loops;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use syncline_cluster::instance::Instance;
use syncline_cluster::kinds::Kind;
use syncline_cluster::own::Events;
use syncline_cluster::{Cluster, lease, named, own, watch};
use syncline_core::application::HealthRule;
use syncline_core::manifest::yaml;
use syncline_core::record::Name;
use syncline_store::{History, Store};
use syncline_web_ui::Feed;
use syncline_webhook::{Counters, Hook, Registrations};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::deliveries::{self, Deliveries};
use crate::health::looks::Looks;
use crate::health::rules;
use crate::images::Writers;
use crate::metrics::Metrics;
use crate::named::Named;
use crate::poller::Poller;
use crate::probe::{Phase, Probe};
use crate::queue::Queue;
use crate::references::References;
use crate::rendering::Renders;
use crate::repositories::Mirrors;
use crate::schedule::Schedule;
use crate::server;
use crate::settings::{AgentSettings, LogFormat};
use crate::state::{Restored, Shared};
use crate::{failpoint, freeze, history, images};

/// How many changes the live feed remembers for a browser that reconnects.
const FEED_CAPACITY: usize = 1024;
/// How many verified deliveries may wait; beyond it the next poll covers them.
const DELIVERIES: usize = 256;

/// Everything that the loops share.
pub(crate) struct Agent {
    pub(crate) settings: AgentSettings,
    pub(crate) clock: Clock,
    /// The switch that stops everything.
    pub(crate) freeze: freeze::Switch,
    pub(crate) cluster: Cluster,
    pub(crate) instance: Identity,
    pub(crate) events: Events,
    pub(crate) watches: watch::Pool,
    pub(crate) history: History,
    pub(crate) renderer: syncline_render::Pool,
    /// What was rendered, for a commit that has the same files again.
    pub(crate) renders: Renders,
    pub(crate) registry: syncline_registry::Client,
    /// The registries and chart repositories, as they are asked.
    pub(crate) hosts: syncline_registry::Hosts,
    pub(crate) charts: syncline_registry::chart::Charts,
    pub(crate) mirrors: Arc<Mirrors>,
    pub(crate) references: References,
    /// Objects that our own objects name.
    pub(crate) named: Named,
    pub(crate) state: Shared,
    /// What the database kept of applications that were not seen yet.
    pub(crate) restored: Restored,
    /// A watch has shown everything, or failed.
    pub(crate) seen: Notify,
    pub(crate) queue: Queue,
    pub(crate) poller: Poller,
    /// What waits for the writer of each branch.
    pub(crate) writers: Writers,
    /// The applications whose status is to be written.
    pub(crate) reports: Schedule<Name>,
    /// The workloads whose pods are looked at.
    pub(crate) looks: Looks,
    /// How the health of objects of all applications is judged, after their own rules.
    pub(crate) health_rules: Vec<HealthRule>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) feed: Feed,
    pub(crate) hooks: Registrations,
    pub(crate) deliveries: Counters,
    /// What became of the deliveries.
    pub(crate) told: Deliveries,
    /// The webhooks have to be registered anew.
    pub(crate) webhooks_changed: Notify,
    /// What is masked in objects beside the values of Secrets.
    pub(crate) masking: Arc<syncline_core::masking::Rules>,
    /// How many previews may be made at the same time.
    pub(crate) previews: Semaphore,
    listed: tokio::sync::watch::Sender<BTreeSet<Kind>>,
    probe: Probe,
}

/// The installation: its id and the key of its hashes.
pub(crate) struct Identity(Instance);

impl Identity {
    /// Random id made at installation.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// Key of the `applied` hashes.
    pub(crate) fn key(&self) -> &[u8] {
        self.0.key.expose()
    }
}

impl Agent {
    /// Limits of YAML files.
    pub(crate) fn yaml_limits(&self) -> yaml::Limits {
        yaml::Limits {
            max_file_bytes: self.settings.max_file_bytes as usize,
            ..yaml::Limits::default()
        }
    }

    /// All objects of one of our kinds were seen once.
    pub(crate) fn listed(&self, kind: Kind) {
        self.listed.send_modify(|listed| {
            listed.insert(kind);
        });
        if self.listed.borrow().len() == Kind::ALL.len() {
            self.probe.enter(Phase::Ready);
        }
    }

    /// Forgets the Secrets of the namespaces that have a webhook.
    fn forget_webhook_secrets(&self) {
        let state = self.state.lock();
        for (name, entry) in &state.repositories {
            if entry
                .spec
                .as_ref()
                .is_ok_and(|spec| spec.webhook_secret.is_some())
            {
                self.references.forget(&name.namespace);
            }
        }
    }

    /// Registers all webhooks anew. A hook whose secret cannot be read takes nothing; answers with
    /// whether there is none of these.
    async fn register_webhooks(&self) -> bool {
        let wanted: Vec<_> = {
            let state = self.state.lock();
            let specs = state
                .repositories
                .values()
                .filter_map(|entry| entry.spec.as_ref().ok());
            specs
                .filter_map(|s| s.webhook_secret.clone().map(|secret| (s.clone(), secret)))
                .collect()
        };
        let count = wanted.len();
        let mut hooks = Vec::new();
        for (repository, secret) in wanted {
            let namespace = &repository.name.namespace;
            match self
                .references
                .secret(self, namespace, &repository.account, &secret)
                .await
            {
                Ok(data) => {
                    let value = data.text("secret");
                    match value {
                        Some(secret) => hooks.push(Hook {
                            url_identity: repository.url.identity(),
                            branch: repository.branch.clone(),
                            repository: repository.name.clone(),
                            secret,
                        }),
                        None => {
                            tracing::warn!(repository = %repository.name, "the webhook secret has no key `secret`");
                        }
                    }
                }
                Err(failure) => {
                    tracing::warn!(repository = %repository.name, reason = %failure.reason, detail = failure.detail, "the webhook secret cannot be read");
                }
            }
        }
        let complete = hooks.len() == count;
        self.hooks.replace(hooks);
        complete
    }
}

/// Runs blocking work (libgit2) on a thread for it. This is the only place that does.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            // The caller's own boundary contains it.
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for the value any more.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs the agent until it is told to stop, or until it loses its lease.
pub fn run(settings: AgentSettings) -> anyhow::Result<()> {
    settings.check()?;
    start_logging(&settings)?;
    // Installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(main(settings));
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

fn start_logging(settings: &AgentSettings) -> anyhow::Result<()> {
    use tracing_subscriber::filter::{EnvFilter, filter_fn};
    use tracing_subscriber::prelude::*;
    let wanted = EnvFilter::try_new(&settings.log)
        .with_context(|| format!("`--log {}` is not a log filter", settings.log))?;
    // Below `info` libraries print requests and answers, in which there may be secrets.
    let safe = filter_fn(|line| {
        line.target().starts_with("syncline") || *line.level() <= tracing::Level::INFO
    });
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.log_format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
        LogFormat::Text => lines.boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(safe).with_filter(wanted))
        .init();
    Ok(())
}

async fn main(settings: AgentSettings) -> anyhow::Result<()> {
    let mut stop = Box::pin(stop_signal()?);
    let metrics = Arc::new(Metrics::new());
    let probe = Probe::new(Arc::clone(&metrics));
    let mut tasks = JoinSet::new();
    let listeners = server::Listeners::bind(&settings, &probe, &mut tasks).await?;
    let cluster = Cluster::connect(syncline_cluster::connect::Settings {
        kubeconfig: settings.kubeconfig.clone(),
        context: settings.context.clone(),
        connect_timeout: settings.connect_timeout,
        request_timeout: settings.request_timeout,
        max_concurrent_requests: settings.max_requests,
        account_check_interval: settings.account_check_interval,
        watch_silence: settings.watch_silence,
        max_schema_bytes: u64::from(settings.max_schema_mib) * 1024 * 1024,
        ..Default::default()
    })
    .await
    .with_context(|| match &settings.kubeconfig {
        Some(file) => format!(
            "connect to the cluster by the kubeconfig `{}`",
            file.display()
        ),
        None => "connect to the cluster".to_owned(),
    })?;
    let identity = settings.identity.clone().unwrap_or_else(default_identity);
    let lease = lease::Settings {
        namespace: settings.namespace.clone(),
        identity: identity.clone(),
        duration: settings.lease_duration,
        renew_deadline: settings.lease_renew_deadline,
        retry: settings.lease_retry,
        ..Default::default()
    };
    tracing::info!(
        namespace = settings.namespace,
        identity,
        "waiting for the lease"
    );
    let guard = tokio::select! {
        guard = cluster.agent().acquire_lease(lease) => guard.context("acquire the lease")?,
        () = &mut stop => return Ok(()),
    };
    probe.enter(Phase::Listing);
    probe.follow(guard.renewing(), &mut tasks);
    let process = Process {
        identity,
        metrics,
        probe,
    };
    let (agent, store) = start(settings, cluster, process, listeners, &mut tasks).await?;
    tracing::info!(instance = agent.instance.id(), "the agent runs");
    let lost = tokio::select! {
        () = &mut stop => false,
        () = guard.lost() => true,
    };
    shut_down(&agent, store, tasks, lost).await;
    if lost {
        anyhow::bail!("the lease was lost; another agent may be at work");
    }
    guard.release().await;
    tracing::info!("stopped");
    Ok(())
}

fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The host name and the process: two agents on one machine differ.
fn default_identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!(
        "{}-{}",
        host.trim(),
        ulid::Ulid::new().to_string().to_lowercase()
    )
}

/// The renderer beside the agent's own program.
fn renderer_program(settings: &AgentSettings) -> PathBuf {
    settings.renderer.clone().unwrap_or_else(|| {
        let own = std::env::current_exe().unwrap_or_default();
        own.with_file_name("syncline-renderer")
    })
}

/// What the process has before it holds the lease.
struct Process {
    identity: String,
    metrics: Arc<Metrics>,
    probe: Probe,
}

fn registry_settings(settings: &AgentSettings) -> syncline_registry::Settings {
    let mut token_hosts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (registry, host) in &settings.registry_token_hosts {
        let hosts = token_hosts.entry(registry.clone()).or_default();
        hosts.insert(host.clone());
    }
    syncline_registry::Settings {
        timeout: settings.registry_timeout,
        max_tags: settings.registry_max_tags,
        requests_per_second: settings.registry_requests_per_second,
        burst: settings.registry_requests_per_second,
        max_wait: settings.registry_max_wait,
        max_retry_after: settings.registry_max_retry_after,
        rest_most: settings.registry_max_rest,
        pull_reserve: settings.registry_pull_reserve,
        facts_entries: settings.registry_facts,
        max_manifest_bytes: settings.registry_manifest_bytes,
        token_hosts,
        plain_http: settings.plain_http_registries.iter().cloned().collect(),
        ..Default::default()
    }
}

async fn start(
    settings: AgentSettings,
    cluster: Cluster,
    process: Process,
    listeners: server::Listeners,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<(Arc<Agent>, Store)> {
    let Process {
        identity,
        metrics,
        probe,
    } = process;
    let health_rules = match &settings.health_rules {
        Some(path) => rules::read(path)?,
        None => Vec::new(),
    };
    let instance = cluster
        .agent()
        .instance(&settings.namespace)
        .await
        .context("read the instance id")?;
    tokio::fs::create_dir_all(&settings.data_dir)
        .await
        .with_context(|| format!("create the folder `{}`", settings.data_dir.display()))?;
    let store = Store::open(&history::settings(&settings).await?)
        .await
        .context("open the history")?;
    let restored = store.load_kept().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "every application is rendered anew");
        Vec::new()
    });
    let renderer = syncline_render::Pool::new(syncline_render::Settings {
        program: renderer_program(&settings),
        workers: settings.render_workers,
        deadline: settings.render_deadline,
        memory_limit_mib: settings.render_memory_mib,
        recycle_after: settings.render_recycle_after,
        idle_stop: settings.render_idle_stop,
        ..Default::default()
    });
    let asked = registry_settings(&settings);
    let hosts = syncline_registry::Hosts::new(&asked);
    let registry = syncline_registry::Client::sharing(asked.clone(), &hosts)
        .context("prepare the registry client")?;
    let charts = syncline_registry::chart::Settings::new(settings.data_dir.join("charts"));
    let chart_settings = syncline_registry::chart::Settings {
        hosts: syncline_registry::Settings {
            timeout: settings.chart_timeout,
            ..asked
        },
        max_index_bytes: settings.chart_index_bytes as usize,
        max_archive_bytes: settings.chart_archive_bytes as usize,
        max_folder_bytes: settings.chart_cache_bytes,
        interval: settings.chart_answer_age,
        failure_interval: charts.failure_interval.min(settings.chart_answer_age),
        ..charts
    };
    let charts = syncline_registry::chart::Charts::sharing(chart_settings, &hosts)
        .context("prepare the chart client")?;
    let mirrors = Mirrors::new(syncline_source::Settings {
        dir: settings.data_dir.join("git"),
        connect_timeout: settings.git_connect_timeout,
        max_file_bytes: settings.max_file_bytes,
        max_bytes: settings.max_source_bytes,
        max_files: settings.max_source_files,
        max_pack_bytes: settings.max_pack_bytes,
        max_push_bytes: settings.max_push_bytes,
        max_listing_bytes: settings.max_listing_bytes,
        max_pack_files: settings.max_pack_files,
        max_mirror_growth_bytes: settings.max_mirror_growth_bytes,
        proxies: crate::settings::git_proxies(),
        ..Default::default()
    });
    let (watches, live) = watch::Pool::new(
        &instance.id,
        watch::Settings {
            budget: settings.watch_budget,
            server_timeout: settings.watch_timeout,
            ..Default::default()
        },
    );
    let (pool, changes) = named::Pool::new(
        cluster.clone(),
        instance.key.clone(),
        named::Settings {
            budget: settings.named_watch_budget,
            poll_interval: settings.named_poll_interval,
            denied_interval: settings.retry_slow,
            server_timeout: settings.watch_timeout,
            ..Default::default()
        },
    );
    let own = cluster.agent().watch_own(&own::Settings {
        namespace: settings.watch_namespace.clone(),
        server_timeout: settings.watch_timeout,
        ..Default::default()
    });
    // Before anything else may happen.
    let frozen = cluster.agent().freeze(&settings.namespace).await;
    let frozen = frozen.context("read whether the agent is frozen")?;
    let freezes = cluster.agent().watch_freeze(
        &settings.namespace,
        syncline_cluster::freeze::Settings {
            server_timeout: settings.watch_timeout,
            backoff_least: settings.retry_first,
            backoff_most: settings.lease_duration,
        },
    );
    let clock = failpoint::clock()?;
    let (sender, deliveries) = mpsc::channel(DELIVERIES);
    let agent = Arc::new(Agent {
        events: cluster.agent().events(&identity),
        instance: Identity(instance),
        watches,
        history: store.history(),
        renderer,
        renders: Renders::new(syncline_render::cache::Limits {
            bytes: settings.render_cache_mib as usize * 1024 * 1024,
            ..Default::default()
        }),
        registry,
        hosts,
        charts,
        mirrors: Arc::new(mirrors),
        references: References::default(),
        named: Named::new(pool),
        state: Shared::default(),
        restored: Restored::new(restored),
        seen: Notify::new(),
        queue: Queue::new(settings.sync_workers),
        reports: Schedule::default(),
        looks: Looks::default(),
        health_rules,
        poller: Poller::new(settings.poll_workers, settings.poll_jitter),
        writers: Writers::default(),
        metrics,
        feed: Feed::new(FEED_CAPACITY)?,
        hooks: Registrations::default(),
        deliveries: Counters::default(),
        told: Deliveries::new(clock.now()),
        webhooks_changed: Notify::new(),
        freeze: freeze::Switch::new(clock.clone(), frozen),
        clock,
        masking: Arc::new(settings.masking()?),
        previews: Semaphore::new(settings.preview_concurrency),
        listed: tokio::sync::watch::Sender::default(),
        probe,
        cluster,
        settings,
    });
    server::serve(&agent, listeners, sender, tasks).await?;
    let discovery = agent.cluster.discovery().clone();
    let (least, most) = (agent.settings.retry_first, agent.settings.retry_most);
    tasks.spawn(discovery.follow(least, most));
    tasks.spawn(freeze::follow(Arc::clone(&agent), freezes));
    tasks.spawn(loops::own_events(Arc::clone(&agent), own));
    tasks.spawn(loops::live_events(Arc::clone(&agent), live));
    tasks.spawn(loops::named_events(Arc::clone(&agent), changes));
    tasks.spawn(loops::keep_webhooks(Arc::clone(&agent)));
    tasks.spawn(loops::webhook_deliveries(Arc::clone(&agent), deliveries));
    tasks.spawn(deliveries::recall(Arc::clone(&agent)));
    tasks.spawn(loops::poll(Arc::clone(&agent)));
    tasks.spawn(images::write_branches(Arc::clone(&agent)));
    tasks.spawn(loops::look_around(Arc::clone(&agent)));
    tasks.spawn(loops::report(Arc::clone(&agent)));
    tasks.spawn(loops::look_at_pods(Arc::clone(&agent)));
    tasks.spawn(loops::retention(Arc::clone(&agent)));
    for _ in 0..agent.settings.sync_workers {
        tasks.spawn(loops::work(Arc::clone(&agent)));
    }
    Ok((agent, store))
}

/// No new work, the syncs that run get their time, history is written. Without the lease nothing
/// may be written any more, so running syncs are cut off.
async fn shut_down(agent: &Arc<Agent>, store: Store, mut tasks: JoinSet<()>, lost: bool) {
    agent.probe.enter(Phase::Stopping);
    agent.queue.close();
    if lost {
        tasks.abort_all();
    } else if !is_idle_within(agent, agent.settings.shutdown_grace.mul_f32(0.8)).await {
        // What is left of the grace is for the objects in flight: between two the syncs end.
        for entry in agent.state.lock().applications.values() {
            entry.running.iter().for_each(CancellationToken::cancel);
        }
        if !is_idle_within(agent, agent.settings.shutdown_grace.mul_f32(0.2)).await {
            tracing::warn!("some syncs did not end in time and are cut off");
        }
    }
    agent.feed.close();
    tasks.shutdown().await;
    store.close().await;
}

async fn is_idle_within(agent: &Agent, patience: Duration) -> bool {
    let idle = tokio::time::timeout(patience, agent.queue.idle());
    idle.await.is_ok()
}
