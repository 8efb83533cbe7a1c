//! The schemas that the API server publishes, read when they are needed and kept.
//!
//! ```text
//!  /openapi/v3                        index: group and version -> URL with the hash of the content
//!  /openapi/v3/apis/apps/v1?hash=...  one document, read once for each hash
//! ```
//!
//! The index is read anew when the kinds of the cluster changed, and when somebody asks for what is
//! published now. Everything is read as the agent itself, which every authenticated user may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::AsyncReadExt as _;
use serde::Deserialize;
use syncline_core::validate::Schema;

use crate::connect::Agent;
use crate::discovery::Discovery;
use crate::error::Error;

/// The schemas of a cluster. Cheap to clone; all clones share the cache.
#[derive(Clone)]
pub struct Schemas {
    agent: Agent,
    discovery: Discovery,
    interval: Duration,
    most_bytes: u64,
    index: Arc<tokio::sync::Mutex<Index>>,
    documents: Arc<Mutex<HashMap<String, Arc<Slot>>>>,
}

/// Where each document is.
#[derive(Default)]
struct Index {
    /// `apis/apps/v1` -> path and query.
    urls: HashMap<String, String>,
    read: Option<Instant>,
    /// State of the discovery when it was read.
    seen: (u64, String),
}

/// One document; the lock makes concurrent reads one.
#[derive(Default)]
struct Slot {
    read: tokio::sync::Mutex<Option<(String, Arc<Schema>)>>,
}

/// Whether an older index will do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    /// Until the kinds of the cluster change.
    Any,
    /// Not older than the interval.
    Now,
}

#[derive(Deserialize)]
struct WireIndex {
    paths: HashMap<String, WirePath>,
}

#[derive(Deserialize)]
struct WirePath {
    #[serde(rename = "serverRelativeURL")]
    url: String,
}

/// The index of a cluster with thousands of groups has less.
const MOST_INDEX_BYTES: u64 = 4 * 1024 * 1024;

impl Schemas {
    pub(crate) fn new(
        agent: Agent,
        discovery: Discovery,
        interval: Duration,
        most_bytes: u64,
    ) -> Self {
        Self {
            agent,
            discovery,
            interval,
            most_bytes,
            index: Arc::default(),
            documents: Arc::default(),
        }
    }

    /// The schemas of a group and version; `None` where the cluster publishes none.
    ///
    /// It may be older than a change to a CustomResourceDefinition, which the API server publishes
    /// a moment later: what it finds is to be looked at again with [`Schemas::schema_now`] before
    /// it counts.
    ///
    /// Fails with [`Error::Answer`] for a document that is over `max_schema_bytes` or cannot be read.
    pub async fn schema(&self, group: &str, version: &str) -> Result<Option<Arc<Schema>>, Error> {
        self.find(group, version, Age::Any).await
    }

    /// Like [`Schemas::schema`], as it is published now: at most `discovery_interval` old.
    pub async fn schema_now(
        &self,
        group: &str,
        version: &str,
    ) -> Result<Option<Arc<Schema>>, Error> {
        self.find(group, version, Age::Now).await
    }

    /// How many groups and versions are kept, and about how many bytes they hold.
    pub async fn kept(&self) -> (usize, usize) {
        let slots: Vec<Arc<Slot>> = self.slots().values().map(Arc::clone).collect();
        let (mut count, mut bytes) = (0, 0);
        for slot in slots {
            if let Some((_, schema)) = slot.read.lock().await.as_ref() {
                count += 1;
                bytes += schema.bytes();
            }
        }
        (count, bytes)
    }

    async fn find(
        &self,
        group: &str,
        version: &str,
        age: Age,
    ) -> Result<Option<Arc<Schema>>, Error> {
        let path = if group.is_empty() {
            format!("api/{version}")
        } else {
            format!("apis/{group}/{version}")
        };
        let Some(url) = self.url(&path, age).await? else {
            self.slots().remove(&path);
            return Ok(None);
        };
        let slot = Arc::clone(self.slots().entry(path).or_default());
        let mut read = slot.read.lock().await;
        if let Some((known, schema)) = read.as_ref()
            && *known == url
        {
            return Ok(Some(Arc::clone(schema)));
        }
        let bytes = self.get(&url, self.most_bytes).await?;
        // Tens of milliseconds for a large one.
        let parsed = tokio::task::spawn_blocking(move || Schema::parse(&bytes)).await;
        let schema = match parsed {
            Ok(Ok(schema)) => Arc::new(schema),
            Ok(Err(error)) => return Err(Error::Answer(format!("{url}: {error}"))),
            Err(error) => return Err(Error::Answer(format!("{url}: {error}"))),
        };
        *read = Some((url, Arc::clone(&schema)));
        Ok(Some(schema))
    }

    async fn url(&self, path: &str, age: Age) -> Result<Option<String>, Error> {
        let mut index = self.index.lock().await;
        let seen = (
            *self.discovery.changes().borrow(),
            self.discovery.fingerprint(),
        );
        let is_new = |at: Instant| at.elapsed() < self.interval;
        let fresh = match age {
            Age::Any => index.read.is_some() && index.seen == seen,
            Age::Now => index.read.is_some_and(is_new) && index.seen == seen,
        };
        if !fresh {
            let bytes = self.get("/openapi/v3", MOST_INDEX_BYTES).await?;
            let wire: WireIndex = serde_json::from_slice(&bytes).map_err(|error| {
                Error::Answer(format!("the index of the schemas cannot be read: {error}"))
            })?;
            let urls = wire
                .paths
                .into_iter()
                .map(|(path, found)| (path, found.url));
            index.urls = urls.collect();
            index.read = Some(Instant::now());
            index.seen = seen;
            // What is published no more, or differently, is read when it is asked for.
            let urls = &index.urls;
            self.slots().retain(|path, _| urls.contains_key(path));
        }
        Ok(index.urls.get(path).cloned())
    }

    async fn get(&self, url: &str, most: u64) -> Result<Vec<u8>, Error> {
        // The server names its own documents by their path; it is not followed anywhere else.
        if !url.starts_with("/openapi/v3") {
            return Err(Error::Answer(
                "the index of the schemas names another place".to_owned(),
            ));
        }
        let request = http::Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(|error| Error::Answer(error.to_string()))?;
        let requests = &self.agent.requests;
        let stream = requests
            .run(self.agent.client.request_stream(request))
            .await?;
        let mut bytes = Vec::new();
        let read = std::pin::pin!(stream)
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)
            .await;
        read.map_err(|error| Error::Unreachable(error.to_string()))?;
        if bytes.len() as u64 > most {
            return Err(Error::Answer(format!(
                "the schemas at {url} have more than {most} bytes, which is the limit"
            )));
        }
        Ok(bytes)
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Slot>>> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
