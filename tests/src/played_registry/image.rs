//! Images of a played registry: as small as they can be, with everything that is read of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";

/// Documents by digest, each with its kind.
pub(super) type Content = Vec<(String, (String, Vec<u8>))>;

/// An image to push.
#[derive(Clone, Debug)]
pub struct PlayedImage {
    /// When each of its platforms was built, by platform (`linux/amd64`). With more than one it is an
    /// index, which then has an attestation too, as build tools make it.
    pub platforms: Vec<(String, Option<String>)>,
    /// Labels of each configuration.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest, or of the index.
    pub annotations: BTreeMap<String, String>,
}

impl Default for PlayedImage {
    fn default() -> Self {
        Self::built("2026-01-02T03:04:05Z")
    }
}

impl PlayedImage {
    /// An image for one platform.
    pub fn built(created: &str) -> Self {
        Self {
            platforms: vec![("linux/amd64".to_owned(), Some(created.to_owned()))],
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// The digest of what a tag of it names, and everything behind that by digest, with its kind.
    pub(super) fn content(&self) -> (String, Content) {
        let mut content = Vec::new();
        let mut add = |kind: &str, value: &Value| {
            let bytes = value.to_string().into_bytes();
            let (name, size) = (digest(&bytes), bytes.len());
            content.push((name.clone(), (kind.to_owned(), bytes)));
            json!({ "mediaType": kind, "digest": name, "size": size })
        };
        let is_index = self.platforms.len() > 1;
        let mut children = Vec::new();
        for (platform, created) in &self.platforms {
            let mut parts = platform.split('/');
            let mut place = json!({ "os": parts.next(), "architecture": parts.next() });
            if let Some(variant) = parts.next() {
                place["variant"] = json!(variant);
            }
            let mut configuration = place.clone();
            configuration["config"] = json!({ "Labels": self.labels });
            if let Some(created) = created {
                configuration["created"] = json!(created);
            }
            let configuration = add(CONFIGURATION, &configuration);
            let mut manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST,
                                       "config": configuration, "layers": [] });
            if !is_index && !self.annotations.is_empty() {
                manifest["annotations"] = json!(self.annotations);
            }
            let mut child = add(MANIFEST, &manifest);
            child["platform"] = place;
            children.push(child);
        }
        let top = if is_index {
            let attestation = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
                "config": { "mediaType": CONFIGURATION, "digest": digest(b"{}"), "size": 2 } });
            let mut attestation = add(MANIFEST, &attestation);
            attestation["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
            attestation["annotations"] =
                json!({ "vnd.docker.reference.type": "attestation-manifest" });
            children.push(attestation);
            let mut index =
                json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
            if !self.annotations.is_empty() {
                index["annotations"] = json!(self.annotations);
            }
            add(INDEX, &index)
        } else {
            children.swap_remove(0)
        };
        let name = top["digest"].as_str().unwrap_or_default().to_owned();
        (name, content)
    }
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
