//! One download: redirects, who gets the credentials, limits, and what a status means.

use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, LOCATION, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Url, Version};

use super::Charts;
use super::access::Access;
use super::error::ChartError;
use super::index::Framing;
use crate::auth::Auth;
use crate::client::{host_of, settled};
use crate::error::Error as RegistryError;
use crate::hosts::Kind;
use crate::settings::is_loopback;

/// What is asked for.
pub(super) struct Request<'a> {
    /// What it is, for a message.
    pub(super) what: &'a str,
    pub(super) url: Url,
    pub(super) access: &'a Access,
    pub(super) headers: HeaderMap,
    pub(super) limit: usize,
}

/// Where a request goes.
#[derive(Clone, Copy)]
enum Place {
    /// The origin of the URL that was asked for.
    Asked,
    /// Where a redirect led.
    Elsewhere,
}

/// What came.
pub(super) struct Download {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    pub(super) framing: Framing,
}

/// Gets a URL. The credentials go to the origin of that URL, never to where a redirect leads.
pub(super) async fn get(charts: &Charts, request: Request<'_>) -> Result<Download, ChartError> {
    let origin = request.url.origin();
    let stranger = request.access.stranger();
    let mut url = request.url;
    let mut redirects = 0;
    loop {
        may_be_asked(charts, request.what, &url)?;
        let (access, place) = if url.origin() == origin {
            (request.access, Place::Asked)
        } else {
            (&stranger, Place::Elsewhere)
        };
        let client = charts.client(&access.tls, request.what)?;
        let host = host_of(&url);
        let failed = |error| ChartError::from_host(request.what, error);
        let mut asked = client
            .http()
            .get(url.clone())
            .headers(request.headers.clone());
        if let Auth::Basic { username, password } = &access.auth {
            asked = asked.basic_auth(username, Some(password.expose()));
        }
        let response = client
            .hosts()
            .send(&host, Kind::Other, asked)
            .await
            .map_err(failed)?;
        if let Some(next) = redirect(request.what, &response)? {
            redirects += 1;
            if redirects > charts.settings().max_redirects {
                return Err(ChartError::Unavailable {
                    what: request.what.to_owned(),
                    detail: format!("{host} redirects more than {} times", redirects - 1),
                    retry_after: None,
                });
            }
            url = next;
            continue;
        }
        return match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(ChartError::Denied {
                what: request.what.to_owned(),
                detail: refusal(&host, &access.auth, place),
            }),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(ChartError::NotFound {
                what: request.what.to_owned(),
            }),
            _ => {
                let response = settled(&host, response).map_err(failed)?;
                whole(request.what, response, request.limit).await
            }
        };
    }
}

/// Where an answer leads, if it leads anywhere.
pub(super) fn redirect(what: &str, response: &Response) -> Result<Option<Url>, ChartError> {
    let status = response.status().as_u16();
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|location| response.url().join(location).ok())
        .map(Some)
        .ok_or_else(|| ChartError::Unavailable {
            what: what.to_owned(),
            detail: format!("{} redirects to nowhere", host_of(response.url())),
            retry_after: None,
        })
}

/// Reads a body to its end, which must come before the limit.
pub(super) async fn whole(
    what: &str,
    mut response: Response,
    limit: usize,
) -> Result<Download, ChartError> {
    let host = host_of(response.url());
    let too_large = || ChartError::TooLarge {
        what: what.to_owned(),
        limit,
    };
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(too_large());
    }
    let headers = response.headers().clone();
    let framed = response.version() >= Version::HTTP_2
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(TRANSFER_ENCODING);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                let error = RegistryError::unavailable(&host, error);
                return Err(ChartError::from_host(what, error));
            }
        }
    }
    let encoding = headers
        .get(CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok());
    if let Some(encoding) = encoding.filter(|name| !matches!(*name, "gzip" | "x-gzip" | "identity"))
    {
        return Err(ChartError::Unavailable {
            what: what.to_owned(),
            detail: format!("{host} sends the encoding `{encoding}`, which was not asked for"),
            retry_after: None,
        });
    }
    Ok(Download {
        status: response.status(),
        headers,
        body,
        framing: if framed {
            Framing::Whole
        } else {
            Framing::Open
        },
    })
}

/// Whether a URL is asked at all: HTTPS, or HTTP where the settings or the loopback allow it.
pub(super) fn may_be_asked(charts: &Charts, what: &str, url: &Url) -> Result<(), ChartError> {
    let host = host_of(url);
    let refused = |detail: String| ChartError::Repository {
        repository: what.to_owned(),
        detail,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(format!(
            "the URL on {host} carries credentials; they belong in a Secret"
        )));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(&host) || charts.settings().hosts.plain_http.contains(&host) => {
            Ok(())
        }
        "http" => Err(refused(format!(
            "{host} is not asked without HTTPS; the agent's settings can allow it"
        ))),
        scheme => Err(refused(format!("the scheme `{scheme}` is not supported"))),
    }
}

/// Who refused what. Credentials that were kept back are said to be kept back.
fn refusal(host: &str, auth: &Auth, place: Place) -> String {
    match (auth, place) {
        (Auth::Basic { .. }, _) => format!("{host} refused the user name or password"),
        (Auth::IdentityToken(_), _) => {
            format!("{host} wants a user name and password, and an identity token is configured")
        }
        (Auth::Anonymous, Place::Asked) => {
            format!("{host} wants credentials, and none are configured")
        }
        (Auth::Anonymous, Place::Elsewhere) => {
            format!("{host} wants credentials, and those of another host are not given to it")
        }
    }
}
