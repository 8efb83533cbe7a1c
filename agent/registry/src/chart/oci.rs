//! Charts in registries, as `helm push` puts them there.

use std::sync::Arc;

use reqwest::Url;
use reqwest::header::HeaderMap;
use semver::Version;
use serde::Deserialize;
use syncline_core::image::reference::{Digest, ImageName, Reference, Tag};

use super::access::Access;
use super::digest::ArchiveDigest;
use super::error::ChartError;
use super::http::for_host_of_index;
use super::index::{choose, near};
use super::reference::ChartRef;
use super::transfer::{Request, get, redirect, whole};
use super::{Charts, Place, ResolvedChart};
use crate::client::{Age, Client};

/// The kind of the configuration of a chart, which is its `Chart.yaml` as JSON.
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The kinds of the layer that is the archive; the second one is that of old versions of Helm.
const ARCHIVE: [&str; 2] = [
    "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
    "application/tar+gzip",
];
/// The most bytes of a configuration.
const MAX_CONFIG: usize = 1 << 20;

/// A tag that is the version of a chart.
pub(super) struct TaggedVersion {
    version: Version,
    /// With `+` where the tag has `_`.
    text: String,
}

/// What a manifest says.
#[derive(Clone)]
pub(super) struct Content {
    manifest: ArchiveDigest,
    config: ArchiveDigest,
    archive: ArchiveDigest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

#[derive(Deserialize)]
struct Config {
    version: String,
}

/// Which of the versions is meant.
enum Wanted<'a> {
    /// The manifest with this digest, and perhaps the version that it must have.
    Digest(Digest, &'a str),
    /// The version with this tag.
    Exact(&'a str),
    /// The newest in a range.
    Range,
}

pub(super) async fn resolve(
    charts: &Charts,
    chart: &ChartRef,
    image: ImageName,
    access: &Access,
) -> Result<ResolvedChart, ChartError> {
    let source = Source {
        charts,
        what: chart.what(),
        image: &image,
        access,
    };
    let (version, content) = match wanted(chart)? {
        Wanted::Digest(digest, expected) => {
            let content = source.content(digest.as_str()).await?;
            let version = source.version(content.config).await?;
            if !expected.is_empty() && expected != version {
                return Err(source.not_a_chart(format!(
                    "the digest names version {version}, and {expected} is expected"
                )));
            }
            (version, content)
        }
        Wanted::Exact(version) => match source.content(&tag(version)).await {
            Err(ChartError::NotFound { what }) => {
                // What there is instead is worth a question; without an answer the error stands.
                let Ok(versions) = source.versions().await else {
                    return Err(ChartError::NotFound { what });
                };
                return Err(source.no_version(chart, &versions));
            }
            content => (version.to_owned(), content?),
        },
        Wanted::Range => {
            let range = chart.range()?;
            let versions = source.versions().await?;
            let pairs = versions.iter().map(|one| (&one.version, one.text.as_str()));
            let chosen = choose(pairs, &chart.version, &range)
                .and_then(|position| versions.get(position))
                .ok_or_else(|| source.no_version(chart, &versions))?;
            (
                chosen.text.clone(),
                source.content(&tag(&chosen.text)).await?,
            )
        }
    };
    Ok(ResolvedChart {
        name: chart.name.clone(),
        digest: Some(content.archive),
        source: format!("oci://{image}:{}", tag(&version)),
        version,
        place: Place::Oci {
            image,
            blob: content.archive,
            named_by: None,
        },
    })
}

/// The chart that the index of a repository names by the URL of a registry.
///
/// The digest of such an entry is that of the archive or that of the manifest.
pub(super) async fn named_by_index(
    charts: &Charts,
    chart: ResolvedChart,
    reference: Reference,
    repository: &Url,
    access: &Access,
) -> Result<ResolvedChart, ChartError> {
    let image = reference.name;
    let what = format!(
        "chart `{}` {} from oci://{image}",
        chart.name, chart.version
    );
    let source = Source {
        charts,
        what,
        image: &image,
        access,
    };
    let pointer = match (&reference.digest, &reference.tag) {
        (Some(digest), _) => digest.to_string(),
        (None, Some(tag)) => tag.to_string(),
        (None, None) => tag(&chart.version),
    };
    let content = source.content(&pointer).await?;
    if let Some(expected) = chart.digest
        && expected != content.archive
        && expected != content.manifest
    {
        return Err(ChartError::Digest {
            what: source.what,
            expected: expected.to_string(),
            found: content.archive.to_string(),
        });
    }
    Ok(ResolvedChart {
        digest: Some(content.archive),
        source: format!("oci://{image}:{pointer}"),
        place: Place::Oci {
            blob: content.archive,
            named_by: Some(repository.clone()),
            image,
        },
        ..chart
    })
}

/// The archive in a registry, which may send elsewhere for it.
pub(super) async fn archive(
    charts: &Charts,
    what: &str,
    image: &ImageName,
    blob: ArchiveDigest,
    named_by: Option<&Url>,
    access: &Access,
) -> Result<Vec<u8>, ChartError> {
    let access = match named_by {
        None => access.clone(),
        Some(_) => for_host_of_index(access),
    };
    let source = Source {
        charts,
        what: what.to_owned(),
        image,
        access: &access,
    };
    source.blob(blob, charts.settings().max_archive_bytes).await
}

/// A chart in a registry with the credentials it is asked with.
struct Source<'a> {
    charts: &'a Charts,
    /// What is asked for, for a message.
    what: String,
    image: &'a ImageName,
    access: &'a Access,
}

impl Source<'_> {
    /// The versions among the tags, in the order of the tags.
    async fn versions(&self) -> Result<Arc<[TaggedVersion]>, ChartError> {
        let key = (self.image.clone(), self.access.clone());
        let ask = |_| async {
            let tags = self
                .client()?
                .tags(self.image, &self.access.auth, Age::Now)
                .await;
            let tags = tags.map_err(|error| self.failed(error))?.tags;
            Ok(tags.iter().filter_map(tagged_version).collect())
        };
        self.charts.shared.tags.get(key, ask).await
    }

    /// What the manifest of a tag or digest says, checked.
    async fn content(&self, pointer: &str) -> Result<Content, ChartError> {
        let key = (self.image.clone(), pointer.to_owned(), self.access.clone());
        let ask = |_| async {
            let manifest = self
                .client()?
                .manifest(self.image, pointer, &self.access.auth)
                .await
                .map_err(|error| self.failed(error))?;
            let found = ArchiveDigest::of(&manifest.body);
            let named = Digest::parse(pointer).ok().or(manifest.announced);
            match named.as_ref().map(|digest| digest.as_str().parse()) {
                None => {}
                Some(Ok(expected)) if found == expected => {}
                Some(Ok(expected)) => return Err(self.other_digest(&expected, &found)),
                // SHA-512 is not computed here.
                Some(Err(_)) => {
                    return Err(self.not_a_chart("its digest is no SHA-256".to_owned()));
                }
            }
            self.read(found, &manifest.body)
        };
        self.charts.shared.manifests.get(key, ask).await
    }

    fn read(&self, digest: ArchiveDigest, body: &[u8]) -> Result<Content, ChartError> {
        let manifest: Manifest = serde_json::from_slice(body)
            .map_err(|_| self.not_a_chart("its manifest is not that of an artifact".to_owned()))?;
        let config = manifest.config.ok_or_else(|| {
            self.not_a_chart("its manifest is an index of several images".to_owned())
        })?;
        if config.media_type != CONFIG {
            return Err(self.not_a_chart(format!(
                "it is no Helm chart: the kind of its configuration is `{}`",
                config.media_type.chars().take(100).collect::<String>()
            )));
        }
        let layer = ARCHIVE
            .iter()
            .find_map(|kind| {
                manifest
                    .layers
                    .iter()
                    .find(|layer| layer.media_type == *kind)
            })
            .ok_or_else(|| self.not_a_chart("it has no layer with a chart".to_owned()))?;
        let limit = self.charts.settings().max_archive_bytes;
        if layer.size > limit as u64 {
            return Err(ChartError::TooLarge {
                what: self.what.clone(),
                limit,
            });
        }
        let digest_of = |descriptor: &Descriptor| {
            let named = descriptor.digest.starts_with("sha256:");
            let digest = descriptor.digest.parse().ok().filter(|_| named);
            digest.ok_or_else(|| self.not_a_chart("a digest in it is no SHA-256".to_owned()))
        };
        Ok(Content {
            manifest: digest,
            config: digest_of(&config)?,
            archive: digest_of(layer)?,
        })
    }

    /// The version that the configuration names.
    async fn version(&self, config: ArchiveDigest) -> Result<String, ChartError> {
        let body = self.blob(config, MAX_CONFIG).await?;
        let found = ArchiveDigest::of(&body);
        if found != config {
            return Err(self.other_digest(&config, &found));
        }
        serde_json::from_slice::<Config>(&body)
            .map(|config| config.version)
            .map_err(|_| self.not_a_chart("its configuration names no version".to_owned()))
    }

    async fn blob(&self, digest: ArchiveDigest, limit: usize) -> Result<Vec<u8>, ChartError> {
        let digest = Digest::parse(&digest.to_string())
            .map_err(|error| ChartError::Internal(error.to_string()))?;
        let response = self
            .client()?
            .blob(self.image, &digest, &self.access.auth)
            .await
            .map_err(|error| self.failed(error))?;
        match redirect(&self.what, &response)? {
            None => Ok(whole(&self.what, response, limit).await?.body),
            // The place is made for this one blob; it gets no credentials, whatever its host is.
            Some(url) => {
                let request = Request {
                    what: &self.what,
                    url,
                    access: &self.access.stranger(),
                    headers: HeaderMap::new(),
                    limit,
                };
                Ok(get(self.charts, request).await?.body)
            }
        }
    }

    fn client(&self) -> Result<Client, ChartError> {
        self.charts.client(&self.access.tls, &self.what)
    }

    fn failed(&self, error: crate::Error) -> ChartError {
        ChartError::from_host(&self.what, error)
    }

    fn not_a_chart(&self, detail: String) -> ChartError {
        ChartError::Manifest {
            what: self.what.clone(),
            detail,
        }
    }

    fn other_digest(&self, expected: &ArchiveDigest, found: &ArchiveDigest) -> ChartError {
        ChartError::Digest {
            what: self.what.clone(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    fn no_version(&self, chart: &ChartRef, versions: &[TaggedVersion]) -> ChartError {
        match chart.range() {
            Ok(range) => ChartError::NoVersion {
                what: self.what.clone(),
                range: range.to_string(),
                near: near(versions.iter().map(|one| &one.version).collect(), &range),
            },
            Err(error) => error,
        }
    }
}

/// Which version a reference means.
fn wanted(chart: &ChartRef) -> Result<Wanted<'_>, ChartError> {
    let text = chart.version.as_str();
    let (version, digest) = match text.split_once('@') {
        Some((version, digest)) => (version, digest),
        None if text.starts_with("sha256:") => ("", text),
        None if Version::parse(text).is_ok() => return Ok(Wanted::Exact(text)),
        None => return Ok(Wanted::Range),
    };
    Digest::parse(digest)
        .map(|digest| Wanted::Digest(digest, version))
        .map_err(|error| ChartError::Version {
            chart: chart.name.clone(),
            version: text.chars().take(80).collect(),
            detail: error.to_string(),
        })
}

/// The tag of a version: a tag cannot have `+`.
fn tag(version: &str) -> String {
    version.replace('+', "_")
}

/// The version of a tag. As with Helm all three numbers must be there.
fn tagged_version(tag: &Tag) -> Option<TaggedVersion> {
    let text = tag.as_str().replace('_', "+");
    let version = Version::parse(&text).ok()?;
    Some(TaggedVersion { version, text })
}
