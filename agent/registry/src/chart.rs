//! Helm charts from chart repositories over HTTP and from registries.
//!
//! A reference with a range is resolved to a version, its address and the SHA-256 of its archive;
//! a resolved chart is fetched, checked and kept in a folder. An index, a list of tags and a
//! manifest are asked for once per interval, however many charts come from there, and
//! conditionally where the server allows it. Versions are chosen as Helm chooses them.
//!
//! An archive is bytes here; who unpacks it to render it checks what is in it.

mod access;
mod archive;
mod cache;
mod digest;
mod error;
mod http;
mod index;
mod moment;
mod oci;
mod reference;
mod settings;
mod transfer;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Url;
use syncline_core::image::reference::ImageName;

pub use access::{Access, PassCredentials};
pub use archive::values;
pub use digest::{ArchiveDigest, NotAnArchiveDigest};
pub use error::ChartError;
pub use reference::ChartRef;
pub use settings::Settings;

use crate::client::Client;
use crate::hosts::Hosts;
use crate::tls::Tls;
use cache::Cache;
use moment::Moments;
use reference::Repository;

/// Resolves and fetches charts. Cheap to clone; clones share connections, answers and the folder.
#[derive(Clone)]
pub struct Charts {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    cache: Cache,
    /// Shared by all clients.
    hosts: Hosts,
    /// One client per kind of TLS, each with its connections and tokens.
    clients: Mutex<HashMap<Tls, Client>>,
    indexes: Moments<(Url, Access), Arc<http::Listing>>,
    tags: Moments<(ImageName, Access), Arc<[oci::TaggedVersion]>>,
    manifests: Moments<(ImageName, String, Access), oci::Content>,
    /// Downloads, so that one is made where many want the same archive.
    downloads: Moments<(String, Access), ArchiveDigest>,
}

/// A version of a chart, and where its archive is.
#[derive(Clone, PartialEq, Eq)]
pub struct ResolvedChart {
    /// The name of the chart.
    pub name: String,
    /// Its version as the publisher wrote it.
    pub version: String,
    /// The SHA-256 of its archive; `None` where an index does not name it.
    pub digest: Option<ArchiveDigest>,
    /// Where the archive is, for people: without the query of a URL.
    pub source: String,
    place: Place,
}

/// Where an archive is.
#[derive(Clone, PartialEq, Eq)]
enum Place {
    /// Below a URL, found in the index of a repository.
    Http { url: Url, repository: Url },
    /// A blob of a registry.
    Oci {
        image: ImageName,
        blob: ArchiveDigest,
        /// The repository whose index names the registry, where there is one.
        named_by: Option<Url>,
    },
}

/// The archive of a chart.
#[derive(Clone, PartialEq, Eq)]
pub struct Archive {
    /// The archive: a gzipped tar.
    pub bytes: Arc<[u8]>,
    /// Its SHA-256, checked.
    pub digest: ArchiveDigest,
}

impl ResolvedChart {
    /// The same chart with the digest of a lock file, which the archive must have.
    ///
    /// Fails where the repository names another digest (B38).
    pub fn locked(mut self, digest: ArchiveDigest) -> Result<Self, ChartError> {
        match self.digest {
            Some(found) if found != digest => Err(self.other_digest(digest, found)),
            _ => {
                self.digest = Some(digest);
                Ok(self)
            }
        }
    }

    fn what(&self) -> String {
        format!(
            "chart `{}` {} from {}",
            self.name, self.version, self.source
        )
    }

    fn other_digest(&self, expected: ArchiveDigest, found: ArchiveDigest) -> ChartError {
        ChartError::Digest {
            what: self.what(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}

impl Charts {
    /// A client that shares its hosts with nobody. Makes no request and does not touch the folder.
    pub fn new(settings: Settings) -> Result<Self, ChartError> {
        let hosts = Hosts::new(&settings.hosts);
        Self::sharing(settings, &hosts)
    }

    /// A client that asks hosts no more often together with the others that share them.
    pub fn sharing(settings: Settings, hosts: &Hosts) -> Result<Self, ChartError> {
        let cache = Cache::new(
            &settings.folder,
            settings.max_folder_bytes,
            settings.max_archive_bytes as u64,
        );
        let (good, failed) = (settings.interval, settings.failure_interval);
        let many = settings.hosts.cache_entries;
        let charts = Self {
            shared: Arc::new(Shared {
                cache,
                hosts: hosts.clone(),
                clients: Mutex::default(),
                indexes: Moments::new(settings.remembered, good, failed),
                tags: Moments::new(many, good, failed),
                manifests: Moments::new(many, good, failed),
                downloads: Moments::new(many, good, failed),
                settings,
            }),
        };
        charts.client(&Tls::default(), "the chart client")?;
        Ok(charts)
    }

    /// Which version the reference means now.
    ///
    /// An answer is believed for the interval of the settings, a failure for its own.
    pub async fn resolve(
        &self,
        chart: &ChartRef,
        access: &Access,
    ) -> Result<ResolvedChart, ChartError> {
        match chart.repository()? {
            Repository::Http(url) => http::resolve(self, chart, url, access).await,
            Repository::Oci(image) => oci::resolve(self, chart, image, access).await,
        }
    }

    /// The archive of exactly that version, from the folder or the network, with the digest that
    /// the chart names.
    ///
    /// Where it names none, the archive is whatever its URL gives, once per interval.
    pub async fn fetch(
        &self,
        chart: &ResolvedChart,
        access: &Access,
    ) -> Result<Archive, ChartError> {
        if let Some(digest) = chart.digest
            && let Some(archive) = self.kept(digest).await?
        {
            return Ok(archive);
        }
        let key = match (&chart.digest, &chart.place) {
            (Some(digest), _) => digest.to_string(),
            (None, Place::Http { url, .. }) => url.to_string(),
            (None, Place::Oci { blob, .. }) => blob.to_string(),
        };
        let mut fetched = None;
        let digest = self
            .shared
            .downloads
            .get((key, access.clone()), async |_| {
                let archive = self.download(chart, access).await?;
                let digest = archive.digest;
                fetched = Some(archive);
                Ok(digest)
            })
            .await?;
        match fetched {
            Some(archive) => Ok(archive),
            // Somebody else fetched it a moment ago; if it is gone again, so be it.
            None => match self.kept(digest).await? {
                Some(archive) => Ok(archive),
                None => self.download(chart, access).await,
            },
        }
    }

    async fn download(
        &self,
        chart: &ResolvedChart,
        access: &Access,
    ) -> Result<Archive, ChartError> {
        let what = chart.what();
        let body = match &chart.place {
            Place::Http { url, repository } => {
                http::archive(self, &what, url, repository, access).await?
            }
            Place::Oci {
                image,
                blob,
                named_by,
            } => oci::archive(self, &what, image, *blob, named_by.as_ref(), access).await?,
        };
        let (digest, bytes) = blocking(move || (ArchiveDigest::of(&body), body)).await?;
        if let Some(expected) = chart.digest.filter(|expected| *expected != digest) {
            return Err(chart.other_digest(expected, digest));
        }
        let bytes: Arc<[u8]> = bytes.into();
        let (cache, copy) = (self.shared.cache.clone(), Arc::clone(&bytes));
        if let Err(error) = blocking(move || cache.write(digest, &copy)).await? {
            tracing::warn!(chart = what, %error, "the archive of a chart could not be kept");
        }
        tracing::debug!(chart = what, %digest, bytes = bytes.len(), "fetched a chart");
        Ok(Archive { bytes, digest })
    }

    async fn kept(&self, digest: ArchiveDigest) -> Result<Option<Archive>, ChartError> {
        let cache = self.shared.cache.clone();
        let bytes = blocking(move || cache.read(digest)).await?;
        Ok(bytes.map(|bytes| Archive {
            bytes: bytes.into(),
            digest,
        }))
    }

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    fn client(&self, tls: &Tls, what: &str) -> Result<Client, ChartError> {
        // Every change is one insert or removal, so the map is whole after a panic too.
        let mut clients = self
            .shared
            .clients
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(tls) {
            return Ok(client.clone());
        }
        let client = Client::with_tls(self.settings().hosts.clone(), tls, &self.shared.hosts)
            .map_err(|error| ChartError::from_host(what, error))?;
        if clients.len() >= self.settings().remembered {
            clients.retain(|other, _| *other == Tls::default());
        }
        clients.insert(tls.clone(), client.clone());
        Ok(client)
    }
}

/// Runs what blocks on a thread for that.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ChartError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ChartError::Internal(error.to_string()))
}

/// A URL for people: its query is nobody's business.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have credentials.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string()
}

impl fmt::Debug for Charts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charts")
            .field("settings", self.settings())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResolvedChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResolvedChart")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("digest", &self.digest)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("bytes", &self.bytes.len())
            .field("digest", &self.digest)
            .finish()
    }
}
