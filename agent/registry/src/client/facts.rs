//! What the manifest and the configuration of an image say, read once for each digest.
//!
//! The digest of a tag is looked up without reading anything; only what is not known under that
//! digest is read. Whoever was told the digest by the registry may see what is known of it.

mod manifest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use syncline_core::image::facts::{Facts, Platform};
use syncline_core::image::reference::{Digest, ImageName, Tag};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::ask::{Question, Redirects};
use super::pull::{has_digest, name};
use super::{Age, Client};
use crate::auth::Auth;
use crate::error::Error;
use manifest::{Child, Configuration, Document, Image, Index};

/// What was read of many tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FactsRead {
    /// What is known.
    pub known: BTreeMap<Tag, Arc<Facts>>,
    /// Tags that cannot be read, each for a reason of its own.
    pub refused: BTreeMap<Tag, Error>,
    /// Why the others were not read: the host or the credential. The next call goes on.
    pub stopped: Option<Error>,
}

impl Client {
    /// What the image says that a tag points to.
    ///
    /// The digest of the tag may be as old as `age` says; a digest itself never changes.
    pub async fn facts(
        &self,
        image: &ImageName,
        tag: &Tag,
        auth: &Auth,
        age: Age,
    ) -> Result<Arc<Facts>, Error> {
        let now = Instant::now();
        let key = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        }
        .key();
        let known = self.memory().pointers.get(&key, tag, age.since(now));
        let digest = match known {
            Some(digest) => digest,
            None => {
                let digest = self.digest(image, tag, auth).await?;
                let most = self.shared.settings.facts_entries;
                self.memory()
                    .pointers
                    .set(&key, tag, digest.clone(), now, most);
                digest
            }
        };
        self.facts_behind(image, &digest, auth).await
    }

    /// The same for many tags, in their order, as many at a time as the settings say.
    ///
    /// A failure of the host or the credential ends it; what was read until then stays known.
    pub async fn facts_of(
        &self,
        image: &ImageName,
        tags: &[Tag],
        auth: &Auth,
        age: Age,
    ) -> FactsRead {
        let mut read = FactsRead::default();
        let mut running = JoinSet::new();
        let mut left = tags.iter().cloned();
        loop {
            while read.stopped.is_none()
                && running.len() < self.shared.settings.facts_concurrency.max(1)
                && let Some(tag) = left.next()
            {
                let (client, image, auth) = (self.clone(), image.clone(), auth.clone());
                running.spawn(async move {
                    let facts = client.facts(&image, &tag, &auth, age).await;
                    (tag, facts)
                });
            }
            match running.join_next().await {
                None => return read,
                Some(Ok((tag, Ok(facts)))) => {
                    read.known.insert(tag, facts);
                }
                Some(Ok((tag, Err(error)))) if error.is_of_one_tag() => {
                    read.refused.insert(tag, error);
                }
                Some(Ok((_, Err(error)))) => {
                    read.stopped.get_or_insert(error);
                }
                Some(Err(error)) => {
                    read.stopped
                        .get_or_insert(Error::Client(format!("a read ended: {error}")));
                }
            }
        }
    }

    async fn facts_behind(
        &self,
        image: &ImageName,
        digest: &Digest,
        auth: &Auth,
    ) -> Result<Arc<Facts>, Error> {
        let read = async {
            match self.checked(image, digest, auth).await? {
                Document::Image(one) => self.facts_of_image(image, digest, auth, one).await,
                Document::Index(index) => self.facts_of_index(image, digest, auth, index).await,
            }
        };
        self.kept(digest, read).await
    }

    /// The facts of a digest, which never change: what is kept of it, else what `read` finds.
    async fn kept(
        &self,
        digest: &Digest,
        read: impl Future<Output = Result<Facts, Error>>,
    ) -> Result<Arc<Facts>, Error> {
        let slot = self.shared.facts.slot(digest);
        let mut slot = slot.lock().await;
        if let Some(facts) = &*slot {
            return Ok(Arc::clone(facts));
        }
        let facts = Arc::new(read.await?);
        *slot = Some(Arc::clone(&facts));
        Ok(facts)
    }

    /// The manifest with this digest, checked (B58).
    async fn checked(
        &self,
        image: &ImageName,
        digest: &Digest,
        auth: &Auth,
    ) -> Result<Document, Error> {
        let manifest = self.manifest(image, digest.as_str(), auth).await?;
        let refused = |detail| Error::Manifest {
            image: name(image, digest.as_str()),
            detail,
        };
        if !has_digest(&manifest.body, digest) {
            let detail = "its content is not the one that the digest names";
            return Err(refused(detail.to_owned()));
        }
        Document::read(manifest.media_type.as_deref(), &manifest.body).map_err(refused)
    }

    async fn facts_of_image(
        &self,
        image: &ImageName,
        digest: &Digest,
        auth: &Auth,
        one: Image,
    ) -> Result<Facts, Error> {
        let configuration = match &one.configuration {
            // What is no image, such as a chart, has a configuration of its own kind.
            None => Configuration::default(),
            Some(blob) => {
                let body = self.document(image, blob, auth).await?;
                Configuration::read(&body).map_err(|detail| Error::Manifest {
                    image: name(image, digest.as_str()),
                    detail,
                })?
            }
        };
        let created = manifest::created(&one.annotations).max(configuration.created);
        let mut labels = manifest::told(configuration.labels);
        labels.extend(manifest::told(one.annotations));
        Ok(Facts {
            digest: digest.clone(),
            created,
            platforms: configuration.platform.into_iter().collect(),
            labels,
        })
    }

    /// Its own annotations count most; else those of its images, else what the images say.
    async fn facts_of_index(
        &self,
        image: &ImageName,
        digest: &Digest,
        auth: &Auth,
        index: Index,
    ) -> Result<Facts, Error> {
        let mut created = manifest::created(&index.annotations);
        let is_told = created.is_some();
        let mut platforms: BTreeSet<Platform> = BTreeSet::new();
        let mut labels = None;
        let most = self.shared.settings.max_children;
        let annotated = manifest::told(index.annotations);
        for (position, child) in index.children.into_iter().enumerate() {
            let Child {
                digest,
                platform,
                annotations,
            } = child;
            let says = manifest::created(&annotations);
            let known = platform.is_some() && (is_told || says.is_some());
            // One image is read for the labels, the others for what the index does not say.
            let reads = position < most && !(known && labels.is_some());
            let mut found = says;
            let names_platform = platform.is_some();
            platforms.extend(platform);
            if reads {
                let facts = self.facts_of_child(image, &digest, auth).await?;
                found = found.or(facts.created);
                if !names_platform {
                    platforms.extend(facts.platforms.iter().cloned());
                }
                labels.get_or_insert_with(|| facts.labels.clone());
            }
            if !is_told {
                created = created.max(found);
            }
        }
        let mut labels = labels.unwrap_or_default();
        labels.extend(annotated);
        Ok(Facts {
            digest: digest.clone(),
            created,
            platforms,
            labels,
        })
    }

    async fn facts_of_child(
        &self,
        image: &ImageName,
        digest: &Digest,
        auth: &Auth,
    ) -> Result<Arc<Facts>, Error> {
        let read = async {
            match self.checked(image, digest, auth).await? {
                Document::Image(one) => self.facts_of_image(image, digest, auth, one).await,
                Document::Index(_) => Err(Error::Manifest {
                    image: name(image, digest.as_str()),
                    detail: "it is an index inside an index, which is not read".to_owned(),
                }),
            }
        };
        self.kept(digest, read).await
    }
}
