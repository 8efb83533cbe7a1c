//! One request: what it carries, the token it needs, and what its status means.

use std::time::Duration;

use reqwest::header::{
    AUTHORIZATION, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use reqwest::{Method, Response, StatusCode, Url};
use syncline_core::image::reference::ImageName;
use tokio::time::Instant;

use super::Client;
use super::memory::{Grant, Key, remember};
use crate::auth::Auth;
use crate::challenge::Challenge;
use crate::error::Error;
use crate::token;

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
    ) -> Result<Response, Error> {
        let host = host_of(url);
        let mut grant = self.grant(&question.key());
        let mut negotiated = false;
        loop {
            self.refuse_while_throttled(&host)?;
            let mut request = self
                .shared
                .http
                .request(method.clone(), url.clone())
                .headers(headers.clone());
            request = match (&grant, question.auth) {
                (Grant::Bearer { token, .. }, _) => request.header(
                    AUTHORIZATION,
                    sensitive(&format!("Bearer {}", token.expose())),
                ),
                (Grant::Basic, Auth::Basic { username, password }) => {
                    request.basic_auth(username, Some(password.expose()))
                }
                (Grant::Basic | Grant::Nothing, _) => request,
            };
            let response = request
                .send()
                .await
                .map_err(|e| Error::unavailable(&host, e))?;
            let status = response.status();
            if status == StatusCode::UNAUTHORIZED && !negotiated {
                let challenge = Challenge::read(texts(response.headers(), &WWW_AUTHENTICATE));
                grant = self.negotiate(question, &host, &grant, challenge).await?;
                negotiated = true;
                continue;
            }
            return match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                    self.memory().grants.remove(&question.key());
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
                _ => self.settled(&host, response),
            };
        }
    }

    /// Finds out how the registry wants to be asked, and remembers it.
    async fn negotiate(
        &self,
        question: &Question<'_>,
        host: &str,
        used: &Grant,
        challenge: Option<Challenge>,
    ) -> Result<Grant, Error> {
        let grant = match challenge {
            // The same user name and password would be refused again.
            Some(Challenge::Basic) if matches!(used, Grant::Basic) => {
                return Err(question.denied(host));
            }
            Some(Challenge::Basic) if *question.auth != Auth::Anonymous => Grant::Basic,
            Some(Challenge::Bearer {
                realm,
                service,
                scope,
            }) => {
                let url = token::request_url(
                    &self.shared.settings,
                    question.image,
                    question.auth,
                    &realm,
                    service.as_deref(),
                    scope.as_deref(),
                )
                .map_err(|refused| Error::Realm {
                    host: host.to_owned(),
                    realm: refused.realm,
                    detail: refused.detail.to_owned(),
                })?;
                self.fetch_token(question, url).await?
            }
            Some(Challenge::Basic) | None => return Err(question.denied(host)),
        };
        let entries = self.shared.settings.cache_entries;
        remember(
            &mut self.memory().grants,
            question.key(),
            grant.clone(),
            entries,
        );
        Ok(grant)
    }

    async fn fetch_token(&self, question: &Question<'_>, url: Url) -> Result<Grant, Error> {
        let host = host_of(&url);
        self.refuse_while_throttled(&host)?;
        let mut request = self.shared.http.get(url);
        if let Auth::Basic { username, password } = question.auth {
            request = request.basic_auth(username, Some(password.expose()));
        }
        let response = request
            .send()
            .await
            .map_err(|e| Error::unavailable(&host, e))?;
        if matches!(
            response.status(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        ) {
            return Err(question.denied(&host));
        }
        let response = self.settled(&host, response)?;
        let body = self.body(question, response).await?;
        let answer = serde_json::from_slice::<token::Answer>(&body).ok();
        let Some((token, lifetime)) = answer.and_then(token::Answer::into_token) else {
            return Err(question.incomplete(format!("{host} answered without a token")));
        };
        // A lifetime from outside is bounded, so that the sum cannot overflow.
        let lifetime = lifetime.min(Duration::from_hours(24));
        let until = Instant::now() + lifetime.saturating_sub(self.shared.settings.token_margin);
        Ok(Grant::Bearer { token, until })
    }

    /// A good answer, or the error that its status means.
    pub(crate) fn settled(&self, host: &str, response: Response) -> Result<Response, Error> {
        let status = response.status();
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let asked = retry_after(response.headers());
        let slow_down = status == StatusCode::TOO_MANY_REQUESTS
            || (status == StatusCode::SERVICE_UNAVAILABLE && asked.is_some());
        if !slow_down {
            return Err(Error::Status {
                host: host.to_owned(),
                status: status.as_u16(),
            });
        }
        let settings = &self.shared.settings;
        let wait = asked.unwrap_or(settings.default_retry_after);
        let retry_after = wait.clamp(Duration::from_secs(1), settings.max_retry_after);
        self.memory()
            .throttled
            .insert(host.to_owned(), Instant::now() + retry_after);
        Err(Error::Throttled {
            host: host.to_owned(),
            retry_after,
        })
    }

    /// What one image brought on a host holds for all of them (F13).
    pub(crate) fn refuse_while_throttled(&self, host: &str) -> Result<(), Error> {
        let mut memory = self.memory();
        let now = Instant::now();
        match memory.throttled.get(host) {
            Some(until) if *until > now => Err(Error::Throttled {
                host: host.to_owned(),
                retry_after: until.duration_since(now),
            }),
            Some(_) => {
                memory.throttled.remove(host);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// What is known to work, unless it ran out.
    fn grant(&self, key: &Key) -> Grant {
        match self.memory().grants.get(key) {
            Some(Grant::Bearer { until, .. }) if *until <= Instant::now() => Grant::Nothing,
            Some(grant) => grant.clone(),
            None => Grant::Nothing,
        }
    }
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

/// Seconds, or a date, which is taken against the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| {
        jiff::fmt::rfc2822::parse(text)
            .ok()
            .map(|at| at.timestamp())
    };
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    let wait = date(text)?.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_after_date_is_taken_against_the_servers_clock() {
        let mut headers = HeaderMap::new();
        headers.insert(
            RETRY_AFTER,
            HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"),
        );
        assert_eq!(retry_after(&headers), None);
        headers.insert(
            DATE,
            HeaderValue::from_static("Sun, 06 Nov 1994 08:49:07 GMT"),
        );
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(30)));
        headers.insert(
            DATE,
            HeaderValue::from_static("Sun, 06 Nov 1994 09:00:00 GMT"),
        );
        assert_eq!(retry_after(&headers), Some(Duration::ZERO));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("300"));
        assert_eq!(retry_after(&headers), Some(Duration::from_mins(5)));
        headers.insert(RETRY_AFTER, HeaderValue::from_static("soon"));
        assert_eq!(retry_after(&headers), None);
    }
}
