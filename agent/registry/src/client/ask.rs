//! One request: what it carries, and what its status means.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode, Url};
use syncline_core::image::reference::ImageName;

use super::Client;
use super::memory::{Key, Token, Way};
use crate::auth::Auth;
use crate::challenge::Challenge;
use crate::error::Error;
use crate::hosts::Kind;

/// One image with the credentials it is asked with.
pub(super) struct Question<'a> {
    pub(super) image: &'a ImageName,
    pub(super) auth: &'a Auth,
    pub(super) redirects: Redirects,
}

/// What is done with an answer that points elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Redirects {
    /// It is an error.
    Refuse,
    /// It is the answer: the asker follows it without credentials.
    Return,
}

impl Client {
    /// Sends a request; on a 401 it identifies itself as asked and sends it once more.
    pub(super) async fn ask(
        &self,
        question: &Question<'_>,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        kind: Kind,
    ) -> Result<Response, Error> {
        let host = host_of(url);
        let key = question.key();
        let mut way = self.memory().ways.get(&key).cloned();
        let mut negotiated = false;
        loop {
            let mut request = self
                .shared
                .http
                .request(method.clone(), url.clone())
                .headers(headers.clone());
            let mut used: Option<Token> = None;
            match (&way, question.auth) {
                (Some(Way::Bearer { url }), _) => {
                    let token = self.token(question, url).await?;
                    let bearer = sensitive(&format!("Bearer {}", token.token.expose()));
                    request = request.header(AUTHORIZATION, bearer);
                    used = Some(token);
                }
                (Some(Way::Basic), Auth::Basic { username, password }) => {
                    request = request.basic_auth(username, Some(password.expose()));
                }
                (Some(Way::Basic) | None, _) => {}
            }
            let response = self.shared.hosts.send(&host, kind, request).await?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && !negotiated {
                let challenge = Challenge::read(texts(response.headers(), &WWW_AUTHENTICATE));
                if let (Some(Way::Bearer { url }), Some(used)) = (&way, &used) {
                    self.forget_token(question, url, used).await;
                }
                way = Some(self.negotiate(question, &host, way.as_ref(), challenge)?);
                negotiated = true;
                continue;
            }
            return match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    self.memory().ways.remove(&key);
                    Err(question.denied(&host))
                }
                StatusCode::NOT_FOUND => Err(Error::NotFound {
                    image: question.image.to_string(),
                }),
                _ if status.is_redirection()
                    && status != StatusCode::NOT_MODIFIED
                    && question.redirects == Redirects::Return =>
                {
                    Ok(response)
                }
                _ => settled(&host, response),
            };
        }
    }
}

/// A good answer, or the error that its status means.
pub(crate) fn settled(host: &str, response: Response) -> Result<Response, Error> {
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        return Ok(response);
    }
    Err(Error::Status {
        host: host.to_owned(),
        status: status.as_u16(),
    })
}

impl Question<'_> {
    pub(super) fn key(&self) -> Key {
        Key {
            image: self.image.clone(),
            auth: self.auth.clone(),
        }
    }

    pub(super) fn denied(&self, host: &str) -> Error {
        let detail = match self.auth {
            Auth::Anonymous => "it wants credentials, and none are configured",
            Auth::Basic { .. } => "the user name or password is wrong, or has no right to pull",
            Auth::IdentityToken(_) => "the identity token is not taken, or has no right to pull",
        };
        Error::AuthFailed {
            host: host.to_owned(),
            image: self.image.to_string(),
            detail: detail.to_owned(),
        }
    }

    pub(super) fn incomplete(&self, detail: String) -> Error {
        Error::Incomplete {
            image: self.image.to_string(),
            detail,
        }
    }

    pub(super) fn limit(&self, what: &'static str, limit: usize) -> Error {
        Error::Limit {
            image: self.image.to_string(),
            what,
            limit,
        }
    }
}

pub(crate) fn host_of(url: &Url) -> String {
    let name = url.host_str().unwrap_or("");
    url.port()
        .map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

pub(super) fn texts<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
}

/// A header value that is not printed. One that cannot be sent becomes empty and is refused.
fn sensitive(text: &str) -> HeaderValue {
    let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
