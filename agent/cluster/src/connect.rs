//! The connection to one cluster, and the identities that use it.
//!
//! ```text
//!  Cluster ── agent()   -> Agent     our own kinds, Lease, events, our own namespace
//!          └─ account() -> Account   everything else, as a service account that was seen to exist
//! ```
//!
//! All identities share one pool of connections and one bound on concurrent requests (`requests`).

mod requests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};

use crate::discovery::Discovery;
use crate::error::Error;
use crate::openapi::Schemas;
pub(crate) use requests::TimedOut;
use requests::{Answers, Lane, Lanes};

/// How the cluster is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A kubeconfig file; without it `KUBECONFIG`, `~/.kube/config` and the pod's own environment
    /// are tried, in this order.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one where it is absent.
    pub context: Option<String>,
    /// How long a connection may take to come up.
    pub connect_timeout: Duration,
    /// How long one request may take, with the repetitions that the API server asks for.
    pub request_timeout: Duration,
    /// How many requests may run at once, those of watches not counted.
    pub max_concurrent_requests: usize,
    /// How many watches may be in their list, or in the request that opens them, at once.
    pub max_concurrent_lists: usize,
    /// A watch that brings nothing for this long counts as dead and is opened again from where it
    /// was. The API server sends a bookmark about every minute, so it is longer than that.
    pub watch_silence: Duration,
    /// First pause before a request is repeated that the API server answered with 429, 503 or 504;
    /// a longer `Retry-After` holds.
    pub retry_least: Duration,
    /// Longest pause of our own before such a request is repeated.
    pub retry_most: Duration,
    /// How long a service account that was seen counts as existing.
    pub account_check_interval: Duration,
    /// The kinds of the cluster are read at most once in this time.
    pub discovery_interval: Duration,
    /// Most bytes of the published schemas of one group and version; without them its objects are
    /// not compared with a schema.
    pub max_schema_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            max_concurrent_requests: 32,
            max_concurrent_lists: 16,
            watch_silence: Duration::from_secs(70),
            retry_least: Duration::from_millis(100),
            retry_most: Duration::from_secs(5),
            account_check_interval: Duration::from_secs(10),
            discovery_interval: Duration::from_secs(1),
            max_schema_bytes: 32 * 1024 * 1024,
        }
    }
}

/// A connection to one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    base: Client,
    lanes: Lanes,
    agent: Agent,
    discovery: Discovery,
    schemas: Schemas,
    accounts: Mutex<HashMap<(String, String), Arc<Slot>>>,
}

/// The last look at a service account; the lock makes concurrent looks one.
#[derive(Default)]
struct Slot {
    seen: tokio::sync::Mutex<Option<(Instant, Account)>>,
}

/// The agent's own identity: for its own kinds, its Lease, events and its own namespace only.
#[derive(Clone)]
pub struct Agent {
    pub(crate) client: Client,
    /// For watches and their lists.
    pub(crate) watches: Client,
    /// For the Lease only: it waits for nobody.
    pub(crate) lease: Client,
    pub(crate) requests: Requests,
}

/// A service account that existed when it was last looked at. Cheap to clone.
#[derive(Clone)]
pub struct Account {
    pub(crate) client: Client,
    /// For watches and their lists.
    pub(crate) watches: Client,
    identity: Arc<Identity>,
}

struct Identity {
    namespace: String,
    name: String,
    uid: String,
    revoked: AtomicBool,
}

/// Runs requests; the client that sends them keeps the bound and the deadlines.
#[derive(Clone)]
pub(crate) struct Requests;

impl Cluster {
    /// Reads the configuration and prepares the connection. Needs a running tokio runtime.
    ///
    /// Fails for a configuration that cannot be used; whether the API server answers shows with
    /// the first request.
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        let config = configuration(&settings).await?;
        if config.auth_info.impersonate.is_some() || config.auth_info.impersonate_groups.is_some() {
            // Our own impersonation would be mixed with it.
            let what = "the user of the kubeconfig impersonates another one (`as`)";
            return Err(Error::Configuration(what.to_owned()));
        }
        let base =
            Client::try_from(config).map_err(|error| Error::Configuration(error.to_string()))?;
        let lanes = Lanes::new(&settings);
        let agent = Agent {
            client: identified(&base, &lanes.calls, None),
            watches: identified(&base, &lanes.watches, None),
            lease: identified(&base, &lanes.lease, None),
            requests: Requests,
        };
        let discovery = Discovery::new(agent.clone(), settings.discovery_interval);
        let schemas = Schemas::new(
            agent.clone(),
            discovery.clone(),
            settings.discovery_interval,
            settings.max_schema_bytes,
        );
        let accounts = Mutex::new(HashMap::new());
        Ok(Self {
            inner: Arc::new(Inner {
                settings,
                base,
                lanes,
                agent,
                discovery,
                schemas,
                accounts,
            }),
        })
    }

    /// The agent's own identity.
    pub fn agent(&self) -> &Agent {
        &self.inner.agent
    }

    /// The kinds that the cluster serves.
    pub fn discovery(&self) -> &Discovery {
        &self.inner.discovery
    }

    /// The schemas that the cluster publishes.
    pub fn schemas(&self) -> &Schemas {
        &self.inner.schemas
    }

    /// Namespace that the kubeconfig's context or the pod names.
    pub fn default_namespace(&self) -> &str {
        self.inner.base.default_namespace()
    }

    /// The identity of a service account, which exists: the API server lets a deleted one be
    /// impersonated, so it is looked at first (and again after `account_check_interval`).
    ///
    /// Fails with [`Error::AccountMissing`] when it is gone; then, and when another one of the same
    /// name took its place, every [`Account`] handed out before fails as well.
    pub async fn account(&self, namespace: &str, name: &str) -> Result<Account, Error> {
        let slot = {
            let mut accounts = self
                .inner
                .accounts
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            Arc::clone(
                accounts
                    .entry((namespace.to_owned(), name.to_owned()))
                    .or_default(),
            )
        };
        let mut seen = slot.seen.lock().await;
        if let Some((at, account)) = seen.as_ref()
            && at.elapsed() < self.inner.settings.account_check_interval
        {
            return Ok(account.clone());
        }
        let uid = self.uid_of(namespace, name).await?;
        if let Some((at, account)) = seen.as_mut() {
            if uid.as_deref() == Some(account.uid()) {
                *at = Instant::now();
                return Ok(account.clone());
            }
            account.identity.revoked.store(true, Ordering::Release);
            *seen = None;
        }
        let Some(uid) = uid else {
            return Err(missing(namespace, name));
        };
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let user = http::HeaderValue::try_from(user).map_err(|_| missing(namespace, name))?;
        let account = Account {
            client: identified(
                &self.inner.base,
                &self.inner.lanes.calls,
                Some(user.clone()),
            ),
            watches: identified(&self.inner.base, &self.inner.lanes.watches, Some(user)),
            identity: Arc::new(Identity {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                uid,
                revoked: AtomicBool::new(false),
            }),
        };
        *seen = Some((Instant::now(), account.clone()));
        Ok(account)
    }

    /// The user of the kubeconfig, without impersonation: for the command line, where a person acts
    /// with the rights that they have. The agent never uses it.
    pub fn person(&self) -> Account {
        Account {
            client: identified(&self.inner.base, &self.inner.lanes.calls, None),
            watches: identified(&self.inner.base, &self.inner.lanes.watches, None),
            identity: Arc::new(Identity {
                namespace: String::new(),
                name: "the user of the kubeconfig".to_owned(),
                uid: String::new(),
                revoked: AtomicBool::new(false),
            }),
        }
    }

    async fn uid_of(&self, namespace: &str, name: &str) -> Result<Option<String>, Error> {
        let agent = self.agent();
        let api: Api<ServiceAccount> = Api::namespaced(agent.client.clone(), namespace);
        let found = agent.requests.run(api.get_metadata_opt(name)).await?;
        Ok(found.and_then(|account| account.metadata.uid))
    }
}

impl Agent {
    /// The names of the pull secrets of a service account; none where it does not exist.
    ///
    /// # Errors
    /// Where the agent may not read the account, or the API server does not answer.
    pub async fn pull_secrets(&self, namespace: &str, name: &str) -> Result<Vec<String>, Error> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let found = self.requests.run(api.get_opt(name)).await?;
        let secrets = found.and_then(|account| account.image_pull_secrets);
        let names = secrets.into_iter().flatten().map(|secret| secret.name);
        Ok(names.filter(|name| !name.is_empty()).collect())
    }
}

impl Account {
    /// Namespace of the service account.
    pub fn namespace(&self) -> &str {
        &self.identity.namespace
    }

    /// Name of the service account.
    pub fn name(&self) -> &str {
        &self.identity.name
    }

    /// UID of the service account.
    pub fn uid(&self) -> &str {
        &self.identity.uid
    }

    /// Whether it was found to be gone.
    pub fn is_revoked(&self) -> bool {
        self.identity.revoked.load(Ordering::Acquire)
    }

    pub(crate) async fn run<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        if self.is_revoked() {
            return Err(missing(self.namespace(), self.name()));
        }
        Ok(request.await?)
    }
}

impl Requests {
    pub(crate) async fn run<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, Error> {
        Ok(request.await?)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({}/{})", self.namespace(), self.name())
    }
}

fn missing(namespace: &str, name: &str) -> Error {
    Error::AccountMissing {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

async fn configuration(settings: &Settings) -> Result<Config, Error> {
    let refused = |error: &dyn std::fmt::Display| Error::Configuration(error.to_string());
    let options = KubeConfigOptions {
        context: settings.context.clone(),
        ..Default::default()
    };
    let mut config = match &settings.kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| refused(&error))?;
            Config::from_custom_kubeconfig(file, &options)
                .await
                .map_err(|error| refused(&error))?
        }
        None if settings.context.is_some() => Config::from_kubeconfig(&options)
            .await
            .map_err(|error| refused(&error))?,
        None => Config::infer().await.map_err(|error| refused(&error))?,
    };
    config.connect_timeout = Some(settings.connect_timeout);
    // Its own repetitions would hold a permit while they wait, for up to 1,000 s.
    config.default_retry = false;
    Ok(config)
}

/// A client that adds an identity to every request, keeps to the bound of its lane, and takes
/// values out of answers about Secrets before anything can read, log or keep them.
fn identified(base: &Client, lane: &Lane, user: Option<http::HeaderValue>) -> Client {
    let namespace = base.default_namespace().to_owned();
    let (base, lane) = (base.clone(), lane.clone());
    let service = tower::service_fn(move |mut request: http::Request<Body>| {
        let (base, lane) = (base.clone(), lane.clone());
        if let Some(user) = &user {
            request
                .headers_mut()
                .insert("impersonate-user", user.clone());
        }
        let answers = if is_secret_path(request.uri().path()) {
            Answers::Redacted
        } else {
            Answers::Shown
        };
        async move { lane.send(&base, request, answers).await }
    });
    Client::new(service, namespace)
}

/// `/api/v1/secrets` and `/api/v1/namespaces/<namespace>/secrets`, with or without a name.
fn is_secret_path(path: &str) -> bool {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    if (parts.next(), parts.next()) != (Some("api"), Some("v1")) {
        return false;
    }
    match parts.next() {
        Some("secrets") => true,
        Some("namespaces") => parts.nth(1) == Some("secrets"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_secrets_are_told_from_others() {
        for path in [
            "/api/v1/secrets",
            "/api/v1/namespaces/shop/secrets",
            "/api/v1/namespaces/shop/secrets/db",
        ] {
            assert!(is_secret_path(path), "{path}");
        }
        for path in [
            "/api/v1/namespaces/secrets",
            "/api/v1/namespaces/secrets/configmaps/x",
            "/api/v1/namespaces/shop/configmaps/secrets",
            "/apis/example.com/v1/namespaces/shop/secrets",
        ] {
            assert!(!is_secret_path(path), "{path}");
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_a_configuration_error() {
        let settings = Settings {
            kubeconfig: Some("/does/not/exist".into()),
            ..Settings::default()
        };
        let Err(error) = Cluster::connect(settings).await else {
            panic!("it connected")
        };
        assert!(matches!(error, Error::Configuration(_)), "{error}");
    }
}
