//! Reads manifests and blobs; a blob may lie on another host.

use std::fmt::Write as _;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, Url};
use sha2::{Digest as _, Sha256, Sha512};
use syncline_core::image::reference::{Digest, ImageName, Tag};

use super::Client;
use super::ask::{Question, Redirects, host_of, settled};
use super::body::Part;
use crate::auth::Auth;
use crate::error::Error;
use crate::hosts::Kind;
use crate::settings::is_loopback;

/// The kinds of manifest that are asked for.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";
/// The most redirects on the way to a blob.
const MAX_REDIRECTS: usize = 5;

/// A manifest as it was sent.
pub(crate) struct Manifest {
    pub(crate) body: Vec<u8>,
    /// The digest that the registry says it has.
    pub(crate) announced: Option<Digest>,
    /// The kind that the registry says it is.
    pub(crate) media_type: Option<String>,
}

impl Client {
    /// The digest of the manifest that a tag points to now. Reads no manifest, unless the registry
    /// names no digest without it.
    pub async fn digest(&self, image: &ImageName, tag: &Tag, auth: &Auth) -> Result<Digest, Error> {
        let question = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        };
        let path = format!("/v2/{}/manifests/{tag}", image.repository());
        let url = self.url(image, &path)?;
        let name = format!("{image}:{tag}");
        let asked = self
            .ask(&question, Method::HEAD, &url, accept(), Kind::Other)
            .await
            .map_err(|error| of_one_tag(error, &name))?;
        if let Some(digest) = announced(&asked) {
            return Ok(digest);
        }
        let manifest = self.manifest(image, tag.as_str(), auth).await?;
        Digest::parse(&format!("sha256:{}", hex(&Sha256::digest(&manifest.body))))
            .map_err(|error| question.incomplete(error.to_string()))
    }

    /// The manifest of a tag or a digest. Nothing about it is checked.
    pub(crate) async fn manifest(
        &self,
        image: &ImageName,
        reference: &str,
        auth: &Auth,
    ) -> Result<Manifest, Error> {
        let question = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        };
        let path = format!("/v2/{}/manifests/{reference}", image.repository());
        let url = self.url(image, &path)?;
        let name = name(image, reference);
        let response = self
            .ask(&question, Method::GET, &url, accept(), Kind::Pull)
            .await
            .map_err(|error| of_one_tag(error, &name))?;
        let announced = announced(&response);
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split(';').next())
            .map(|text| text.trim().to_ascii_lowercase());
        let body = self
            .body(&question, response, Part::Document(&name))
            .await?;
        Ok(Manifest {
            body,
            announced,
            media_type,
        })
    }

    /// The answer to the question for a blob: its bytes, or a redirect to where they are, which
    /// is followed without the credentials.
    pub(crate) async fn blob(
        &self,
        image: &ImageName,
        digest: &Digest,
        auth: &Auth,
    ) -> Result<Response, Error> {
        let question = Question {
            image,
            auth,
            redirects: Redirects::Return,
        };
        let path = format!("/v2/{}/blobs/{digest}", image.repository());
        let url = self.url(image, &path)?;
        self.ask(&question, Method::GET, &url, HeaderMap::new(), Kind::Other)
            .await
    }

    /// A small blob, from wherever the registry sends for it, with the digest that it must have.
    pub(super) async fn document(
        &self,
        image: &ImageName,
        digest: &Digest,
        auth: &Auth,
    ) -> Result<Vec<u8>, Error> {
        let name = name(image, digest.as_str());
        let question = Question {
            image,
            auth,
            redirects: Redirects::Refuse,
        };
        let mut response = self.blob(image, digest, auth).await?;
        for _ in 0..MAX_REDIRECTS {
            if !response.status().is_redirection() {
                break;
            }
            let url = self.place(&response, &name)?;
            let host = host_of(&url);
            // The place is made for this one blob; it gets no credentials, whatever its host is.
            let request = self.shared.http.get(url);
            response = self.shared.hosts.send(&host, Kind::Other, request).await?;
        }
        let host = host_of(response.url());
        let response = settled(&host, response)?;
        let body = self
            .body(&question, response, Part::Document(&name))
            .await?;
        if has_digest(&body, digest) {
            Ok(body)
        } else {
            Err(Error::Manifest {
                image: name,
                detail: "its content is not the one that the digest names".to_owned(),
            })
        }
    }

    /// Where an answer leads: over HTTPS, or HTTP where that is allowed.
    fn place(&self, response: &Response, name: &str) -> Result<Url, Error> {
        let refused = |detail: &str| Error::Manifest {
            image: name.to_owned(),
            detail: format!("{} redirects {detail}", host_of(response.url())),
        };
        let url = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|location| response.url().join(location).ok())
            .ok_or_else(|| refused("to nowhere"))?;
        let host = host_of(&url);
        // A registry elsewhere has no business with what listens on this machine.
        let local = is_loopback(&host) && is_loopback(&host_of(response.url()));
        let plain = local || self.shared.settings.plain_http.contains(&host);
        let fine = url.scheme() == "https" || (url.scheme() == "http" && plain);
        if !fine || !url.username().is_empty() || url.password().is_some() {
            return Err(refused("to a place that is not asked"));
        }
        Ok(url)
    }
}

/// Whether these bytes have the digest.
pub(super) fn has_digest(body: &[u8], digest: &Digest) -> bool {
    match digest.as_str().split_once(':') {
        Some(("sha256", text)) => hex(&Sha256::digest(body)) == text,
        Some(("sha512", text)) => hex(&Sha512::digest(body)) == text,
        _ => false,
    }
}

/// The image with a tag or a digest, for people.
pub(super) fn name(image: &ImageName, reference: &str) -> String {
    let mark = if reference.contains(':') { '@' } else { ':' };
    format!("{image}{mark}{reference}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn accept() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MANIFESTS))])
}

fn announced(response: &Response) -> Option<Digest> {
    let value = response.headers().get("docker-content-digest")?;
    Digest::parse(value.to_str().ok()?).ok()
}

/// What is missing is this tag or digest, and not the repository.
fn of_one_tag(error: Error, name: &str) -> Error {
    match error {
        Error::NotFound { .. } => Error::NotFound {
            image: name.to_owned(),
        },
        other => other,
    }
}
