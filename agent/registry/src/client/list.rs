//! The list of tags: all of its pages, or nothing.

use std::sync::Arc;

use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LINK};
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use syncline_core::image::reference::{ImageName, Tag};
use tokio::time::Instant;

use super::ask::{Question, Redirects, texts};
use super::body::Part;
use super::memory::{Good, Packed, Remembered, remember};
use super::{Age, Client, Freshness, Listing};
use crate::auth::Auth;
use crate::error::Error;
use crate::hosts::Kind;
use crate::link;
use crate::settings::{api_host, documented_page_size};

/// What is asked for, one after the other, where a registry refuses a larger number.
const SMALLER_PAGES: [usize; 2] = [1000, 100];

#[derive(Deserialize)]
struct Page {
    // Without a default the key must be there; its value may be null.
    #[serde(deserialize_with = "Option::deserialize")]
    tags: Option<Vec<String>>,
}

/// What was read.
enum Read {
    NotModified,
    Tags {
        tags: Vec<Tag>,
        invalid: usize,
        etag: Option<HeaderValue>,
    },
}

impl Client {
    /// All tags of an image, or an error: never a part of them (F14).
    ///
    /// One question is asked at a time for an image and a credential; who asks meanwhile gets its
    /// answer if that is young enough, and its failure. A list of one page that came with an `ETag`
    /// is asked for conditionally the next time.
    pub async fn tags(&self, image: &ImageName, auth: &Auth, age: Age) -> Result<Listing, Error> {
        let asked = Instant::now();
        let question = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        };
        let slot = self.shared.lists.slot(&question.key());
        let mut slot = slot.lock().await;
        let remembered = slot.get_or_insert_with(|| Remembered {
            good: None,
            failed: None,
        });
        if let Some((ended, failure)) = &remembered.failed
            && *ended >= asked
        {
            return Err(failure.clone());
        }
        let since = age.since(asked);
        if let Some(good) = &remembered.good
            && since.is_none_or(|since| good.began >= since)
        {
            return Ok(good.listing(Freshness::Remembered));
        }
        let began = Instant::now();
        let etag = remembered.good.as_ref().and_then(|good| good.etag.clone());
        match self.read_list(&question, etag).await {
            Err(failure) => {
                remembered.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
            Ok(read) => {
                remembered.failed = None;
                let (freshness, good) =
                    taken_in(remembered.good.take(), read, began).ok_or_else(|| {
                        question.incomplete("the registry answered 304 unasked".into())
                    })?;
                Ok(remembered.good.insert(good).listing(freshness))
            }
        }
    }

    /// The last list that was read, without a question; `None` where there was none or it was
    /// forgotten. Kept here it takes a fifth of the memory that the tags themselves take.
    pub async fn remembered(&self, image: &ImageName, auth: &Auth) -> Option<Listing> {
        let question = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        };
        let slot = self.shared.lists.slot(&question.key());
        let slot = slot.lock().await;
        let good = slot.as_ref()?.good.as_ref()?;
        Some(good.listing(Freshness::Remembered))
    }

    async fn read_list(
        &self,
        question: &Question<'_>,
        etag: Option<HeaderValue>,
    ) -> Result<Read, Error> {
        let host = api_host(question.image);
        let mut size = self.page_size(host);
        loop {
            let read = self.read_pages(question, size, etag.as_ref()).await;
            // Some registries refuse a number that is too large, where others give fewer.
            let refused = matches!(
                &read,
                Err(Error::Status {
                    status: 400 | 405,
                    ..
                })
            );
            match SMALLER_PAGES.into_iter().find(|smaller| *smaller < size) {
                Some(smaller) if refused => size = smaller,
                _ => {
                    if read.is_ok() && size < self.page_size(host) {
                        let entries = self.shared.settings.cache_entries;
                        let host = host.to_owned();
                        remember(&mut self.memory().page_sizes, host, size, entries);
                    }
                    return read;
                }
            }
        }
    }

    fn page_size(&self, host: &str) -> usize {
        let found = self.memory().page_sizes.get(host).copied();
        let most = found.or_else(|| documented_page_size(host));
        let wanted = self.shared.settings.page_size;
        most.map_or(wanted, |most| most.min(wanted))
    }

    async fn read_pages(
        &self,
        question: &Question<'_>,
        size: usize,
        known: Option<&HeaderValue>,
    ) -> Result<Read, Error> {
        let settings = &self.shared.settings;
        let image = question.image;
        let path = format!("/v2/{}/tags/list?n={size}", image.repository());
        let mut url = self.url(image, &path)?;
        let mut seen = Vec::new();
        let mut tags = Vec::new();
        let mut invalid = 0;
        let mut etag = None;
        loop {
            let first = seen.is_empty();
            let mut headers = HeaderMap::new();
            if let Some(known) = known.filter(|_| first) {
                headers.insert(IF_NONE_MATCH, known.clone());
            }
            let response = self
                .ask(question, Method::GET, &url, headers, Kind::Other)
                .await?;
            if response.status() == StatusCode::NOT_MODIFIED {
                if first && known.is_some() {
                    return Ok(Read::NotModified);
                }
                return Err(question.incomplete("the registry answered 304 unasked".into()));
            }
            let next = link::next(&url, texts(response.headers(), &LINK))
                .map_err(|error| question.incomplete(error.to_string()))?;
            if first && next.is_none() {
                etag = response.headers().get(ETAG).cloned();
            }
            let body = self.body(question, response, Part::Page).await?;
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
        tracing::debug!(%image, tags = tags.len(), pages = seen.len(), "listed tags");
        Ok(Read::Tags {
            tags,
            invalid,
            etag,
        })
    }
}

/// The list to remember and how it differs from the last one; `None` where there is none to confirm.
fn taken_in(last: Option<Good>, read: Read, began: Instant) -> Option<(Freshness, Good)> {
    match (read, last) {
        (Read::NotModified, last) => Some((Freshness::NotModified, Good { began, ..last? })),
        (
            Read::Tags {
                tags,
                invalid,
                etag,
            },
            last,
        ) => {
            let tags = Packed::new(&tags);
            let freshness = match &last {
                Some(last) if last.tags == tags => Freshness::Unchanged,
                _ => Freshness::Read,
            };
            let fingerprint = fingerprint(&tags);
            let good = Good {
                began,
                etag,
                tags,
                invalid,
                fingerprint,
            };
            Some((freshness, good))
        }
    }
}

fn fingerprint(tags: &Packed) -> u64 {
    let hash = Sha256::digest(tags.text().as_bytes());
    hash.iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

impl Good {
    fn listing(&self, freshness: Freshness) -> Listing {
        let tags: Arc<[Tag]> = self.tags.tags();
        Listing {
            tags,
            invalid: self.invalid,
            freshness,
            fingerprint: self.fingerprint,
        }
    }
}
