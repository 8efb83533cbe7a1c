//! Reads manifests and blobs; a blob may lie on another host.

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Response};
use syncline_core::image::reference::{Digest, ImageName};

use super::ask::{Question, Redirects};
use super::{Client, MANIFESTS};
use crate::auth::Auth;
use crate::error::Error;

/// A manifest as it was sent.
pub(crate) struct Manifest {
    pub(crate) body: Vec<u8>,
    /// The digest that the registry says it has.
    pub(crate) announced: Option<Digest>,
}

impl Client {
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
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(MANIFESTS));
        let response = self.ask(&question, Method::GET, &url, headers).await?;
        let announced = response
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Digest::parse(text).ok());
        let body = self.body(&question, response).await?;
        Ok(Manifest { body, announced })
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
        self.ask(&question, Method::GET, &url, HeaderMap::new())
            .await
    }
}
