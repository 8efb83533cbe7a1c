//! Reads manifests, indexes and configurations: the OCI image specification
//! (<https://github.com/opencontainers/image-spec/blob/main/manifest.md>) and Docker's schema 2.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use syncline_core::image::facts::Platform;
use syncline_core::image::reference::Digest;

const INDEXES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const IMAGES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
/// The kinds of configuration that are those of an image.
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];
/// Where an image says when it was made
/// (<https://github.com/opencontainers/image-spec/blob/main/annotations.md>).
const CREATED: [&str; 2] = [
    "org.opencontainers.image.created",
    "org.label-schema.build-date",
];
/// What labels are kept begin with.
const TOLD: [&str; 2] = ["org.opencontainers.image.", "org.label-schema."];
/// The most labels that are kept, and the most bytes of one.
const MAX_LABELS: usize = 32;
const MAX_LABEL: usize = 1024;
/// The annotation of an attestation that stands in an index beside the images.
const ATTESTATION: &str = "vnd.docker.reference.type";

pub(super) type Annotations = BTreeMap<String, String>;

/// What stands under a digest.
#[derive(Debug)]
pub(super) enum Document {
    Image(Image),
    Index(Index),
}

/// An image for one platform.
#[derive(Debug)]
pub(super) struct Image {
    /// Its configuration; `None` where it is that of something else.
    pub(super) configuration: Option<Digest>,
    pub(super) annotations: Annotations,
}

/// Images for several platforms, attestations left out.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) children: Vec<Child>,
    pub(super) annotations: Annotations,
}

#[derive(Debug)]
pub(super) struct Child {
    pub(super) digest: Digest,
    pub(super) platform: Option<Platform>,
    pub(super) annotations: Annotations,
}

/// The configuration of an image, as far as it is used.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) created: Option<Timestamp>,
    pub(super) platform: Option<Platform>,
    pub(super) labels: Annotations,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDocument {
    media_type: Option<String>,
    config: Option<WrittenDescriptor>,
    manifests: Option<Vec<WrittenDescriptor>>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDescriptor {
    media_type: String,
    digest: String,
    platform: Option<WrittenPlatform>,
    annotations: Option<Annotations>,
}

#[derive(Deserialize)]
struct WrittenPlatform {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

#[derive(Deserialize)]
struct WrittenConfiguration {
    created: Option<String>,
    #[serde(flatten)]
    platform: WrittenPlatform,
    config: Option<WrittenRun>,
}

#[derive(Deserialize)]
struct WrittenRun {
    #[serde(rename = "Labels")]
    labels: Option<Annotations>,
}

impl Document {
    /// Reads a manifest that was sent as this kind. An error is half a sentence.
    pub(super) fn read(sent_as: Option<&str>, body: &[u8]) -> Result<Self, String> {
        let written: WrittenDocument = json(body, "manifest")?;
        let known = |kind: &str| INDEXES.contains(&kind) || IMAGES.contains(&kind);
        // A kind that says nothing, such as `application/json`, is left aside; one that says
        // something else is not.
        let sent_as = sent_as.filter(|kind| known(kind) || kind.contains("vnd."));
        let kind = match (sent_as, written.media_type.as_deref()) {
            (Some(sent), Some(named)) if sent != named => {
                return Err(format!(
                    "it was sent as `{}` and calls itself `{}`",
                    clip(sent),
                    clip(named)
                ));
            }
            (Some(kind), _) | (None, Some(kind)) => Some(kind),
            (None, None) => None,
        };
        let annotations = written.annotations.unwrap_or_default();
        match (written.config, written.manifests, kind) {
            (Some(_), Some(_), _) => {
                Err("it is an image and an index of images at the same time".to_owned())
            }
            (_, _, Some(kind)) if !known(kind) => Err(format!(
                "its kind is `{}`, which is not that of an image",
                clip(kind)
            )),
            (None, Some(children), kind) if kind.is_none_or(|kind| INDEXES.contains(&kind)) => {
                Ok(Self::Index(Index {
                    children: images(children)?,
                    annotations,
                }))
            }
            (Some(config), None, kind) if kind.is_none_or(|kind| IMAGES.contains(&kind)) => {
                let is_image = CONFIGURATIONS.contains(&config.media_type.as_str());
                let configuration = is_image.then(|| digest(&config.digest)).transpose()?;
                Ok(Self::Image(Image {
                    configuration,
                    annotations,
                }))
            }
            _ => Err("it is neither an image nor an index of images".to_owned()),
        }
    }
}

impl Configuration {
    /// Reads the configuration of an image. An error is half a sentence.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let written: WrittenConfiguration = json(body, "configuration")?;
        Ok(Self {
            created: written.created.as_deref().and_then(moment),
            platform: written.platform.read(),
            labels: written
                .config
                .and_then(|config| config.labels)
                .unwrap_or_default(),
        })
    }
}

impl WrittenPlatform {
    /// `None` where it does not say, as attestations do with `unknown/unknown`.
    fn read(&self) -> Option<Platform> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (os, architecture) = (filled(&self.os)?, filled(&self.architecture)?);
        let text = match filled(&self.variant) {
            Some(variant) => format!("{os}/{architecture}/{variant}"),
            None => format!("{os}/{architecture}"),
        };
        Platform::parse(&text).ok().filter(|_| os != "unknown")
    }
}

/// When these annotations say that an image was made.
pub(super) fn created(annotations: &Annotations) -> Option<Timestamp> {
    CREATED
        .iter()
        .filter_map(|key| moment(annotations.get(*key)?))
        .max()
}

/// The labels that say where an image comes from.
pub(super) fn told(labels: Annotations) -> Annotations {
    labels
        .into_iter()
        .filter(|(key, value)| {
            let wanted = TOLD.iter().any(|prefix| key.starts_with(prefix));
            wanted && key.len() <= MAX_LABEL && value.len() <= MAX_LABEL
        })
        .take(MAX_LABELS)
        .collect()
}

/// The images of an index.
fn images(children: Vec<WrittenDescriptor>) -> Result<Vec<Child>, String> {
    children
        .into_iter()
        .filter(|child| IMAGES.contains(&child.media_type.as_str()) && !is_attestation(child))
        .map(|child| {
            Ok(Child {
                digest: digest(&child.digest)?,
                platform: child.platform.and_then(|platform| platform.read()),
                annotations: child.annotations.unwrap_or_default(),
            })
        })
        .collect()
}

fn is_attestation(child: &WrittenDescriptor) -> bool {
    let marked = child
        .annotations
        .as_ref()
        .is_some_and(|annotations| annotations.contains_key(ATTESTATION));
    let unknown = child.platform.as_ref().is_some_and(|platform| {
        platform.os.as_deref() == Some("unknown")
            && platform.architecture.as_deref() == Some("unknown")
    });
    marked || unknown
}

/// A moment, unless it is the year 1, which programs write where they know none.
fn moment(text: impl AsRef<str>) -> Option<Timestamp> {
    let nothing = Timestamp::from_second(-62_135_596_800).ok()?;
    let moment: Timestamp = text.as_ref().trim().parse().ok()?;
    Some(moment).filter(|moment| *moment != nothing)
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::parse(text).map_err(|_| "a digest in it is none".to_owned())
}

fn json<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|_| format!("its {what} cannot be read"))
}

fn clip(text: &str) -> String {
    text.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
