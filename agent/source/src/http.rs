//! The requests of Git's smart HTTP protocol, bound to one host and one deadline.
//!
//! It never follows a redirect away from the repository's scheme, host and port, so a credential
//! that goes with every request can reach nobody else.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use syncline_core::redacted::Redacted;
use syncline_core::url::RepoUrl;
use ureq::http::{HeaderMap, HeaderValue, Response};
use ureq::tls::{ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{Agent, Body, BodyReader, Proxy};

use crate::connection::Service;
use crate::error::{Error, printable};
use crate::operation::Operation;
use crate::settings::{Access, ClientCertificate, Credentials, Settings};

/// How many redirects on the own host a list of references may take.
const MAX_REDIRECTS: usize = 3;
/// How much of an error page is read for its message.
const ERROR_PAGE_BYTES: u64 = 4096;

/// The connection of one operation.
pub(crate) struct Http {
    agent: Agent,
    authorization: Option<HeaderValue>,
    /// The repository's URL, as a redirect on the same host may have corrected it.
    base: Mutex<String>,
}

impl Http {
    pub(crate) fn new(settings: &Settings, url: &RepoUrl, access: &Access) -> Result<Self, Error> {
        let roots = match &access.ca_pem {
            None => RootCerts::WebPki,
            Some(pem) => {
                certificates(pem).ok_or_else(|| Error::InvalidCertificates { url: url.clone() })?
            }
        };
        let client = match &access.client_certificate {
            None => None,
            Some(client) => {
                let client = client_certificate(client);
                Some(client.ok_or_else(|| Error::InvalidClientCertificate { url: url.clone() })?)
            }
        };
        let (scheme, host) = url.as_str().split_once("://").unwrap_or_default();
        let host = host.split('/').next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let proxy = match settings.proxies.of(scheme, host) {
            None => None,
            Some(proxy) => {
                let proxy = Proxy::new(proxy.expose());
                Some(proxy.map_err(|_| Error::InvalidProxy { url: url.clone() })?)
            }
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(roots)
            .client_cert(client)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .no_delay(true)
            .proxy(proxy)
            .user_agent(&settings.user_agent)
            .timeout_connect(Some(settings.connect_timeout))
            .build()
            .new_agent();
        Ok(Self {
            agent,
            authorization: authorization(url, &access.credentials)?,
            base: Mutex::new(url.as_str().to_owned()),
        })
    }

    /// Asks for the list of references of a service.
    pub(crate) fn listing(
        &self,
        operation: &Operation,
        service: Service,
    ) -> Result<Vec<u8>, Error> {
        let query = format!("/info/refs?service={}", service.name());
        let mut target = format!("{}{query}", self.base());
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.agent.get(&target);
            if let Some(value) = &self.authorization {
                request = request.header("authorization", value.clone());
            }
            let response = request
                .config()
                .timeout_global(Some(operation.remaining()?))
                .build()
                .call()
                .map_err(|error| explain(operation, &error))?;
            if response.status().is_redirection() {
                target = self.redirected(operation, &target, response.headers(), &query)?;
                continue;
            }
            let response = accepted(operation, service, response)?;
            let wanted = format!("application/x-{}-advertisement", service.name());
            let kind = content_type(response.headers());
            if kind != wanted {
                let detail = format!("a list of references came as `{}`", printable(&kind));
                return Err(Error::NotGit {
                    url: operation.url.clone(),
                    detail,
                });
            }
            let limit = operation.settings.max_listing_bytes;
            let mut bytes = Vec::new();
            let mut reader = response.into_body().into_reader().take(limit + 1);
            reader
                .read_to_end(&mut bytes)
                .map_err(|error| explain_io(operation, error))?;
            if bytes.len() as u64 > limit {
                return Err(Error::TooLarge {
                    subject: format!("the list of references of `{}`", operation.url),
                    limit,
                    setting: "max_listing_bytes",
                });
            }
            return Ok(bytes);
        }
        let detail = "it redirects again and again".to_owned();
        Err(Error::Unavailable {
            url: operation.url.clone(),
            detail,
        })
    }

    /// Sends the request of a service and gives the answer's body.
    pub(crate) fn exchange(
        &self,
        operation: &Operation,
        service: Service,
        body: &[u8],
    ) -> Result<BodyReader<'static>, Error> {
        let name = service.name();
        let mut request = self
            .agent
            .post(format!("{}/{name}", self.base()))
            .header("content-type", format!("application/x-{name}-request"))
            .header("accept", format!("application/x-{name}-result"));
        if let Some(value) = &self.authorization {
            request = request.header("authorization", value.clone());
        }
        let response = request
            .config()
            .timeout_global(Some(operation.remaining()?))
            .build()
            .send(body)
            .map_err(|error| explain(operation, &error))?;
        if response.status().is_redirection() {
            let target = location(response.headers()).unwrap_or_default();
            return Err(refused(operation, &target));
        }
        let response = accepted(operation, service, response)?;
        let kind = content_type(response.headers());
        if kind != format!("application/x-{name}-result") {
            let detail = format!("an answer came as `{}`", printable(&kind));
            return Err(Error::NotGit {
                url: operation.url.clone(),
                detail,
            });
        }
        Ok(response.into_body().into_reader())
    }

    /// Where a redirect leads: to the own origin, or nowhere.
    fn redirected(
        &self,
        operation: &Operation,
        from: &str,
        headers: &HeaderMap,
        query: &str,
    ) -> Result<String, Error> {
        let location = location(headers).unwrap_or_default();
        let target = if location.starts_with('/') && !location.starts_with("//") {
            let (scheme, rest) = from.split_once("://").unwrap_or_default();
            let host = rest.split('/').next().unwrap_or_default();
            format!("{scheme}://{host}{location}")
        } else {
            location
        };
        if origin(&target).is_none() || origin(&target) != origin(from) {
            return Err(refused(operation, &target));
        }
        let base = target
            .split_once('?')
            .map_or(target.as_str(), |(path, _)| path)
            .strip_suffix("/info/refs")
            .ok_or_else(|| Error::NotGit {
                url: operation.url.clone(),
                detail: "it redirects to a page that is not a repository".to_owned(),
            })?;
        let next = format!("{base}{query}");
        base.clone_into(&mut self.base.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(next)
    }

    fn base(&self) -> String {
        self.base
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The error behind a failed read of an answer.
pub(crate) fn explain_io(operation: &Operation, error: io::Error) -> Error {
    explain(operation, &ureq::Error::from(error))
}

fn explain(operation: &Operation, error: &ureq::Error) -> Error {
    let url = operation.url.clone();
    let detail = match error {
        // The deadline of a connection is shorter than that of the operation, and says more.
        ureq::Error::Timeout(ureq::Timeout::Connect) => {
            let after: Duration = operation.settings.connect_timeout;
            format!("no connection within {after:?}")
        }
        ureq::Error::Timeout(_) => return operation.timed_out(),
        ureq::Error::HostNotFound => "the host name cannot be resolved".to_owned(),
        ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the connection ended in the middle of an answer".to_owned()
        }
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    Error::Unavailable {
        url,
        detail: printable(&detail),
    }
}

/// Lets only answers through that carry what was asked for.
fn accepted(
    operation: &Operation,
    service: Service,
    response: Response<Body>,
) -> Result<Response<Body>, Error> {
    let url = operation.url.clone();
    match (response.status().as_u16(), service) {
        (200, _) => Ok(response),
        (403, Service::ReceivePack) => Err(Error::PushDenied {
            url,
            message: error_page(response),
        }),
        (status @ (401 | 403), _) => Err(Error::Auth { url, status }),
        (404 | 410, _) => Err(Error::RepositoryNotFound { url }),
        (status, _) => Err(Error::Unavailable {
            url,
            detail: format!("it answered HTTP {status}"),
        }),
    }
}

/// What a server says in plain text about a refusal.
fn error_page(response: Response<Body>) -> String {
    if content_type(response.headers()) != "text/plain" {
        return "HTTP 403".to_owned();
    }
    let mut bytes = Vec::new();
    let mut reader = response.into_body().into_reader().take(ERROR_PAGE_BYTES);
    // What was read until an error is as good a message as there is.
    drop(reader.read_to_end(&mut bytes));
    printable(&String::from_utf8_lossy(&bytes))
}

fn refused(operation: &Operation, target: &str) -> Error {
    let target = origin(target).map_or_else(
        || "another place".to_owned(),
        |(scheme, host)| printable(&format!("{scheme}://{host}")),
    );
    Error::RedirectRefused {
        url: operation.url.clone(),
        target,
    }
}

/// Scheme and host with port, comparable. None for anything that could carry credentials.
fn origin(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let host = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
    if host.is_empty() || host.contains(['@', '\\']) {
        return None;
    }
    let default = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default).unwrap_or(&host).to_owned();
    Some((scheme, host))
}

fn location(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("location")?.to_str().ok()?.to_owned())
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    let kind = value
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

fn authorization(url: &RepoUrl, credentials: &Credentials) -> Result<Option<HeaderValue>, Error> {
    let text = match credentials {
        Credentials::Anonymous => return Ok(None),
        Credentials::Basic { username, password } => {
            let pair = Redacted::new(format!("{username}:{}", password.expose()));
            format!("Basic {}", STANDARD.encode(pair.expose()))
        }
        Credentials::Bearer(token) => format!("Bearer {}", token.expose()),
        Credentials::Ssh(_) => {
            return Err(Error::WrongCredentials {
                url: url.clone(),
                transport: "HTTP",
                wanted: "`username` and `password`, `bearerToken`, or `tls.crt` and `tls.key`",
            });
        }
    };
    let value = HeaderValue::from_str(&text);
    let mut value = value.map_err(|_| Error::InvalidCredentials { url: url.clone() })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn client_certificate(client: &ClientCertificate) -> Option<ClientCert> {
    let mut chain = Vec::new();
    for item in parse_pem(&client.chain_pem) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            chain.push(certificate);
        }
    }
    let key = PrivateKey::from_pem(client.key_pem.expose().as_bytes()).ok()?;
    (!chain.is_empty()).then(|| ClientCert::new_with_certs(&chain, key))
}

fn certificates(pem: &[u8]) -> Option<RootCerts> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.ok()? {
            found.push(certificate);
        }
    }
    (!found.is_empty()).then(|| RootCerts::from(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(origin("https://Host/x"), origin("https://host:443/y"));
        assert_eq!(origin("http://host:80"), origin("http://host/"));
        assert_ne!(origin("https://host/x"), origin("http://host/x"));
        assert_ne!(origin("https://host:8443/x"), origin("https://host/x"));
        assert_eq!(origin("https://host@evil/x"), None);
        assert_eq!(origin("//host/x"), None);
    }

    #[test]
    fn a_credential_that_no_header_can_carry_is_refused() {
        let url = RepoUrl::parse("https://host/x").unwrap();
        assert!(authorization(&url, &Credentials::Bearer("a\nb".to_owned().into())).is_err());
        let value = authorization(&url, &Credentials::Bearer("ab".to_owned().into()))
            .unwrap()
            .unwrap();
        assert!(!format!("{value:?}").contains("ab"));
    }
}
