//! Reads the body of an answer to its end, which must come before a limit.

use reqwest::Response;

use super::Client;
use super::ask::{Question, host_of};
use crate::error::Error;

/// What the body is.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// A page of a list of tags.
    Page,
    /// The answer of a token service.
    Token,
    /// A manifest or the configuration of an image, by its name.
    Document(&'a str),
}

impl Client {
    pub(super) async fn body(
        &self,
        question: &Question<'_>,
        mut response: Response,
        part: Part<'_>,
    ) -> Result<Vec<u8>, Error> {
        let settings = &self.shared.settings;
        let limit = match part {
            Part::Page | Part::Token => settings.max_page_bytes,
            Part::Document(_) => settings.max_manifest_bytes,
        };
        let too_large = || match part {
            Part::Page | Part::Token => question.limit("bytes in a page", limit),
            Part::Document(name) => Error::Manifest {
                image: name.to_owned(),
                detail: format!("it is over the limit of {limit} bytes"),
            },
        };
        if response
            .content_length()
            .is_some_and(|length| length > limit as u64)
        {
            return Err(too_large());
        }
        let host = host_of(response.url());
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(too_large()),
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(error) => {
                    let timed_out = error.is_timeout();
                    let error = Error::unavailable(&host, error);
                    self.shared.hosts.failed(&host, &error);
                    return Err(match part {
                        Part::Page if !timed_out => {
                            let detail = "the connection ended in the middle of a page of the list";
                            question.incomplete(detail.into())
                        }
                        _ => error,
                    });
                }
            }
        }
    }
}
