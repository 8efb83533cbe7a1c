//! Asks a registry: pages, tokens, limits, and what is remembered between two questions.

mod ask;
mod memory;
mod pull;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::header::{ACCEPT, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LINK};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use syncline_core::image::reference::{Digest, ImageName, Tag};

use crate::auth::Auth;
use crate::error::Error;
use crate::link;
use crate::settings::Settings;
use crate::tls::Tls;
pub(crate) use ask::host_of;
use ask::{Question, Redirects, texts};
use memory::{Memory, Remembered, remember};

/// The kinds of manifest whose digest is asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// Asks registries. Cheap to clone; clones share connections, tokens and lists.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

/// The tags of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// All valid tags, ordered by their bytes, each once.
    pub tags: Arc<[Tag]>,
    /// How many entries of the list were not valid tags and were left out.
    pub invalid: usize,
    /// Whether the registry said that nothing changed since the last list.
    pub freshness: Freshness,
}

/// Where a list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It was read in full.
    Read,
    /// The registry confirmed the list that is remembered.
    NotModified,
}

struct Shared {
    settings: Settings,
    http: reqwest::Client,
    memory: Mutex<Memory>,
}

#[derive(Deserialize)]
struct Page {
    // Without a default the key must be there; its value may be null.
    #[serde(deserialize_with = "Option::deserialize")]
    tags: Option<Vec<String>>,
}

impl Client {
    /// A client. Installs the process's TLS provider if there is none yet.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        Self::with_tls(settings, &Tls::default())
    }

    /// A client that trusts and identifies itself as `tls` says.
    pub(crate) fn with_tls(settings: Settings, tls: &Tls) -> Result<Self, Error> {
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
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(Error::Client)?);
        }
        let http = tls
            .apply(builder)
            .and_then(reqwest::ClientBuilder::build)
            .map_err(Error::Client)?;
        let memory = Mutex::new(Memory::default());
        Ok(Self {
            shared: Arc::new(Shared {
                settings,
                http,
                memory,
            }),
        })
    }

    /// All tags of an image, or an error: never a part of them.
    ///
    /// A list of one page that came with an `ETag` is asked for conditionally the next time.
    pub async fn tags(&self, image: &ImageName, auth: &Auth) -> Result<Listing, Error> {
        let settings = &self.shared.settings;
        let question = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        };
        let key = question.key();
        let known = self.memory().lists.get(&key).cloned();
        let mut url = self.url(
            image,
            &format!(
                "/v2/{}/tags/list?n={}",
                image.repository(),
                settings.page_size
            ),
        )?;
        let mut seen = Vec::new();
        let mut tags = Vec::new();
        let mut invalid = 0;
        let mut etag = None;
        loop {
            let first = seen.is_empty();
            let mut headers = HeaderMap::new();
            if let Some(known) = known.as_ref().filter(|_| first) {
                headers.insert(IF_NONE_MATCH, known.etag.clone());
            }
            let response = self.ask(&question, Method::GET, &url, headers).await?;
            if response.status() == StatusCode::NOT_MODIFIED {
                let Some(known) = known.filter(|_| first) else {
                    return Err(question.incomplete("the registry answered 304 unasked".into()));
                };
                return Ok(Listing {
                    freshness: Freshness::NotModified,
                    ..known.listing
                });
            }
            let next = link::next(&url, texts(response.headers(), &LINK))
                .map_err(|error| question.incomplete(error.to_string()))?;
            if first && next.is_none() {
                etag = response.headers().get(ETAG).cloned();
            }
            let body = self.body(&question, response).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|_| {
                question.incomplete("a page of the list is cut off or is not a list of tags".into())
            })?;
            for text in page.tags.unwrap_or_default() {
                match Tag::parse(&text) {
                    Ok(tag) => tags.push(tag),
                    Err(_) => invalid += 1,
                }
            }
            if tags.len() + invalid > settings.max_tags {
                return Err(question.limit("tags", settings.max_tags));
            }
            seen.push(url);
            match next {
                None => break,
                Some(next) if seen.contains(&next) => {
                    let detail = "the links between the pages of the list form a circle";
                    return Err(question.incomplete(detail.into()));
                }
                Some(_) if seen.len() >= settings.max_pages => {
                    return Err(question.limit("pages", settings.max_pages));
                }
                Some(next) => url = next,
            }
        }
        tags.sort_unstable();
        tags.dedup();
        let listing = Listing {
            tags: tags.into(),
            invalid,
            freshness: Freshness::Read,
        };
        let mut memory = self.memory();
        match etag {
            Some(etag) => {
                let remembered = Remembered {
                    etag,
                    listing: listing.clone(),
                };
                remember(&mut memory.lists, key, remembered, settings.cache_entries);
            }
            None => {
                memory.lists.remove(&key);
            }
        }
        drop(memory);
        tracing::debug!(image = %image, tags = listing.tags.len(), pages = seen.len(), "listed tags");
        Ok(listing)
    }

    /// The digest of the manifest that a tag points to now. Reads no manifest.
    pub async fn digest(&self, image: &ImageName, tag: &Tag, auth: &Auth) -> Result<Digest, Error> {
        let question = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        };
        let url = self.url(
            image,
            &format!("/v2/{}/manifests/{tag}", image.repository()),
        )?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(MANIFESTS));
        let response = match self.ask(&question, Method::HEAD, &url, headers).await {
            Err(Error::NotFound { image }) => {
                return Err(Error::NotFound {
                    image: format!("{image}:{tag}"),
                });
            }
            answer => answer?,
        };
        response
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Digest::parse(text).ok())
            .ok_or_else(|| question.incomplete(format!("the registry gives no digest of `{tag}`")))
    }

    async fn body(
        &self,
        question: &Question<'_>,
        mut response: Response,
    ) -> Result<Vec<u8>, Error> {
        let limit = self.shared.settings.max_page_bytes;
        let host = host_of(response.url());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                    return Err(question.limit("bytes in a page", limit));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) if error.is_timeout() => return Err(Error::unavailable(&host, error)),
                Err(_) => {
                    let detail = "the connection ended in the middle of a page of the list";
                    return Err(question.incomplete(detail.into()));
                }
            }
        }
    }

    /// The connections, for requests that are not questions to a registry.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.shared.http
    }

    fn url(&self, image: &ImageName, path: &str) -> Result<Url, Error> {
        let origin = self.shared.settings.origin(image);
        Url::parse(&format!("{origin}{path}")).map_err(|error| Error::Unavailable {
            host: image.registry().to_owned(),
            detail: error.to_string(),
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
