//! The listeners: web UI, webhooks, and probes with metrics, each on an address of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::{Value, json};
use syncline_web_ui::Sessions;
use syncline_webhook::Delivery;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::agent::Agent;
use crate::probe::Probe;
use crate::questions::Answers;
use crate::settings::AgentSettings;

/// The file in the data folder that names the addresses of a running agent.
pub(crate) const ADDRESSES: &str = "addresses.json";

/// How often it is looked whether the link to the web UI was used.
const LINK_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// Bound; the web UI and the webhooks are not served yet.
pub(crate) struct Listeners {
    ui: TcpListener,
    webhook: TcpListener,
    /// Where probes and metrics are served already.
    metrics: SocketAddr,
}

impl Listeners {
    /// Binds all addresses; an address in use ends the process at once. Probes and metrics are
    /// served from here on.
    pub(crate) async fn bind(
        settings: &AgentSettings,
        probe: &Probe,
        tasks: &mut JoinSet<()>,
    ) -> anyhow::Result<Self> {
        let metrics = bind("--metrics-listen", settings.metrics_listen).await?;
        let address = metrics.local_addr()?;
        probe.serve(metrics, tasks);
        Ok(Self {
            ui: bind("--ui-listen", settings.ui_listen).await?,
            webhook: bind("--webhook-listen", settings.webhook_listen).await?,
            metrics: address,
        })
    }
}

async fn bind(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on `{flag} {address}`"))
}

/// Serves the web UI and the webhooks until the tasks are ended.
pub(crate) async fn serve(
    agent: &Arc<Agent>,
    listeners: Listeners,
    deliveries: mpsc::Sender<Delivery>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let settings = syncline_web_ui::Settings {
        session_lifetime: agent.settings.ui_session_lifetime,
        public_url: agent.settings.ui_url.clone(),
        link_hint: "Run `syncline link` where the agent runs: it prints a link.".to_owned(),
        ..Default::default()
    };
    let sessions = Sessions::new(&settings)?;
    let ui_address = listeners.ui.local_addr()?;
    let addresses = json!({
        "ui": ui_address.to_string(),
        "uiKey": sessions.key().expose(),
        "webhook": listeners.webhook.local_addr()?.to_string(),
        "metrics": listeners.metrics.to_string(),
    });
    let token = offer_link(agent, &sessions, ui_address, &addresses).await?;
    tracing::info!(ui = %ui_address, "`syncline link` prints a link to the web UI");
    tasks.spawn(renew_link(
        Arc::clone(agent),
        sessions.clone(),
        ui_address,
        addresses,
        token,
    ));
    let questions = Arc::new(Answers::new(Arc::clone(agent)));
    let ui = syncline_web_ui::router(settings, sessions, questions);
    let webhook = syncline_webhook::router(
        syncline_webhook::Settings {
            max_body_bytes: agent.settings.webhook_max_body_bytes,
            body_timeout: agent.settings.webhook_body_timeout,
            ..Default::default()
        },
        agent.hooks.clone(),
        deliveries,
        agent.deliveries.clone(),
        {
            let agent = Arc::clone(agent);
            move |told| crate::deliveries::keep(&agent, told)
        },
    );
    let patience = agent.settings.ui_patience;
    tasks.spawn(async move {
        let served = syncline_web_ui::serve(listeners.ui, ui, patience).await;
        ended("ui", served);
    });
    tasks.spawn(async move {
        let service = webhook.into_make_service_with_connect_info::<SocketAddr>();
        let served = axum::serve(listeners.webhook, service).await;
        ended("webhook", served);
    });
    Ok(())
}

fn ended(name: &str, served: std::io::Result<()>) {
    if let Err(error) = served {
        tracing::error!(%error, name, "a listener ended");
    }
}

/// Makes a new one-time link and writes it where `syncline link` finds it.
async fn offer_link(
    agent: &Agent,
    sessions: &Sessions,
    ui: SocketAddr,
    addresses: &Value,
) -> anyhow::Result<String> {
    let token = sessions.one_time_link()?;
    let mut addresses = addresses.clone();
    let root = match &agent.settings.ui_url {
        Some(url) => url.to_string(),
        None => format!("http://{ui}"),
    };
    addresses["uiLink"] = format!("{root}/login?token={token}").into();
    write_addresses(agent, &addresses).await?;
    Ok(token)
}

/// Offers another link as soon as the last one was used or has expired.
async fn renew_link(
    agent: Arc<Agent>,
    sessions: Sessions,
    ui: SocketAddr,
    addresses: Value,
    mut token: String,
) {
    let mut interval = tokio::time::interval(LINK_INTERVAL);
    loop {
        interval.tick().await;
        if sessions.is_waiting(&token) {
            continue;
        }
        match offer_link(&agent, &sessions, ui, &addresses).await {
            Ok(new) => token = new,
            Err(error) => tracing::warn!(%error, "a new link could not be written"),
        }
    }
}

/// Writes the addresses where only the agent's own user reads them: the link signs in. A reader
/// sees the old file or the new one, never a part.
async fn write_addresses(agent: &Agent, addresses: &Value) -> anyhow::Result<()> {
    use tokio::io::AsyncWriteExt as _;
    let path = agent.settings.data_dir.join(ADDRESSES);
    let new = path.with_extension("new");
    // The mode counts only for a new file.
    let _ = tokio::fs::remove_file(&new).await;
    let write = async {
        let mut options = tokio::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .await?;
        file.write_all(addresses.to_string().as_bytes()).await?;
        file.flush().await?;
        tokio::fs::rename(&new, &path).await
    };
    write
        .await
        .with_context(|| format!("write `{}`", path.display()))
}
