//! Asks a registry: pages, tokens, limits, and what is remembered between two questions.

mod ask;
mod body;
mod facts;
mod identify;
mod list;
mod memory;
mod pull;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Url;
use syncline_core::image::facts::Facts;
use syncline_core::image::reference::{Digest, ImageName, Tag};
use tokio::time::Instant;

use crate::error::Error;
use crate::flight::Flights;
use crate::hosts::Hosts;
use crate::settings::Settings;
use crate::tls::Tls;
pub(crate) use ask::{host_of, settled};
pub use facts::FactsRead;
use memory::{Key, Memory, Remembered, Token, TokenKey};

/// Asks registries. Cheap to clone; clones share connections, tokens, lists and facts.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// How old an answer may be that is remembered from an earlier question, whoever asked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Its question begins after this one is asked: for somebody who knows of a change.
    Now,
    /// Its question began at most so long ago: for a look of every so often.
    AtMost(Duration),
}

/// The tags of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// All valid tags, ordered by their bytes, each once.
    pub tags: Arc<[Tag]>,
    /// How many entries of the list were not valid tags and were left out.
    pub invalid: usize,
    /// Where the list comes from.
    pub freshness: Freshness,
    /// A number of the set of tags: the same for the same tags, as long as the process lives.
    pub fingerprint: u64,
}

/// Where a list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It was read in full, and is not the one before.
    Read,
    /// The registry confirmed the list that is remembered.
    NotModified,
    /// It was read in full, and has the same tags as the one before.
    Unchanged,
    /// It is the answer to somebody else's question, which is young enough.
    Remembered,
}

struct Shared {
    settings: Settings,
    http: reqwest::Client,
    hosts: Hosts,
    memory: Mutex<Memory>,
    lists: Flights<Key, Remembered>,
    tokens: Flights<TokenKey, Token>,
    facts: Flights<Digest, Arc<Facts>>,
}

impl Age {
    /// What the question must not have begun before; `None` where any will do.
    fn since(self, now: Instant) -> Option<Instant> {
        match self {
            Self::Now => Some(now),
            Self::AtMost(age) => now.checked_sub(age),
        }
    }
}

impl Client {
    /// A client that shares its hosts with nobody. Installs the process's TLS provider if there is
    /// none yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let hosts = Hosts::new(&settings);
        Self::sharing(settings, &hosts)
    }

    /// A client that asks hosts no more often together with the others that share them.
    pub fn sharing(settings: Settings, hosts: &Hosts) -> Result<Self, Error> {
        Self::with_tls(settings, &Tls::default(), hosts)
    }

    /// A client that trusts and identifies itself as `tls` says.
    pub(crate) fn with_tls(settings: Settings, tls: &Tls, hosts: &Hosts) -> Result<Self, Error> {
        // An error says that a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout)
            .user_agent(&settings.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .no_proxy();
        if let Some(proxy) = &settings.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|error| Error::client(&error))?;
            builder = builder.proxy(proxy);
        }
        let http = tls
            .apply(builder)
            .and_then(reqwest::ClientBuilder::build)
            .map_err(|error| Error::client(&error))?;
        Ok(Self {
            shared: Arc::new(Shared {
                http,
                hosts: hosts.clone(),
                memory: Mutex::default(),
                lists: Flights::new(settings.cache_entries),
                tokens: Flights::new(settings.cache_entries),
                facts: Flights::new(settings.facts_entries),
                settings,
            }),
        })
    }

    /// The connections, for requests that are not questions to a registry.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    /// The hosts that are asked.
    pub(crate) fn hosts(&self) -> &Hosts {
        &self.shared.hosts
    }

    fn url(&self, image: &ImageName, path: &str) -> Result<Url, Error> {
        let origin = self.shared.settings.origin(image);
        Url::parse(&format!("{origin}{path}")).map_err(|error| Error::Unavailable {
            host: image.registry().to_owned(),
            detail: error.to_string(),
            again: None,
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Every change of the memory is one insert or removal, so it is whole after a panic too.
        self.shared
            .memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}
