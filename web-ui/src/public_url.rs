//! The address under which people reach the web UI through a proxy.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::Uri;

/// `https://host[:port][/path]`. Its host is let in, its path is taken off what the proxy passes on,
/// and its browsers get a cookie that only TLS and only this host may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// Host and port, in lower case, as a browser names them.
    authority: String,
    /// Empty, or a path that begins with `/` and does not end with it.
    path: String,
}

/// The address cannot be one of the web UI.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPublicUrl {
    /// Not `https`: the cookie would travel in the open.
    #[error("it must begin with `https://`")]
    Scheme,
    /// No host, or more than host and port.
    #[error("it must name a host, and no user")]
    Host,
    /// A query, or a path of other than letters, digits and `-._~/`.
    #[error("its path may have letters, digits and `-._~` between single slashes")]
    Path,
}

impl FromStr for PublicUrl {
    type Err = NoPublicUrl;

    fn from_str(text: &str) -> Result<Self, NoPublicUrl> {
        let uri: Uri = text.parse().map_err(|_| NoPublicUrl::Host)?;
        if uri.scheme_str() != Some("https") {
            return Err(NoPublicUrl::Scheme);
        }
        let authority = uri.authority().ok_or(NoPublicUrl::Host)?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(NoPublicUrl::Host);
        }
        let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
        let is_plain = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain)
        };
        if uri.query().is_some() || text.contains('#') || !path.split('/').skip(1).all(is_plain) {
            return Err(NoPublicUrl::Path);
        }
        let authority = authority.as_str().to_ascii_lowercase();
        let authority = authority.strip_suffix(":443").unwrap_or(&authority);
        Ok(Self {
            authority: authority.to_owned(),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}{}", self.authority, self.path)
    }
}

impl PublicUrl {
    /// Whether a `Host` header names it.
    pub(crate) fn is_host(&self, host: &str) -> bool {
        let host = host.strip_suffix(":443").unwrap_or(host);
        self.authority.eq_ignore_ascii_case(host)
    }

    /// Whether an `Origin` header is a page of it.
    pub(crate) fn is_origin(&self, origin: &str) -> bool {
        origin
            .strip_prefix("https://")
            .is_some_and(|authority| self.is_host(authority))
    }

    /// Its path: empty, or it begins with `/` and does not end with it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// The router as a proxy reaches it: the path of the public address is taken off where the proxy left
/// it on.
pub(crate) fn below(path: String, router: Router) -> Router {
    if path.is_empty() {
        return router;
    }
    let path: Arc<str> = path.into();
    // A layer of the router itself would see the path only after the route was chosen.
    Router::new()
        .fallback_service(router)
        .layer(from_fn(move |request, next| {
            strip(Arc::clone(&path), request, next)
        }))
}

async fn strip(path: Arc<str>, mut request: Request, next: Next) -> Response {
    let uri = request.uri();
    let query = uri
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    match uri.path().strip_prefix(&*path) {
        Some("") => {
            // Addresses on the pages are relative and need the slash.
            let last = path.rsplit('/').next().unwrap_or_default();
            return Redirect::to(&format!("{last}/{query}")).into_response();
        }
        Some(rest) if rest.starts_with('/') => {
            if let Ok(stripped) = format!("{rest}{query}").parse::<Uri>() {
                *request.uri_mut() = stripped;
            }
        }
        _ => {}
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_path_over_tls() {
        for (text, shown) in [
            ("https://ops.example.com", "https://ops.example.com"),
            ("https://OPS.example.com:443/", "https://ops.example.com"),
            (
                "https://ops.example.com:8443/gitops/",
                "https://ops.example.com:8443/gitops",
            ),
            ("https://[::1]:8443/a/b-c", "https://[::1]:8443/a/b-c"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().to_string(), shown);
        }
        for (text, error) in [
            ("http://ops.example.com", NoPublicUrl::Scheme),
            ("ops.example.com", NoPublicUrl::Scheme),
            ("https://", NoPublicUrl::Host),
            ("https://me@ops.example.com", NoPublicUrl::Host),
            ("https://ops.example.com/a?b", NoPublicUrl::Path),
            ("https://ops.example.com//a", NoPublicUrl::Path),
            ("https://ops.example.com/../a", NoPublicUrl::Path),
            ("https://ops.example.com/a%20b", NoPublicUrl::Path),
            ("https://ops.example.com/a#b", NoPublicUrl::Path),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap_err(), error, "{text}");
        }
    }

    #[test]
    fn only_pages_of_the_address_are_its_own() {
        let url: PublicUrl = "https://ops.example.com/gitops".parse().unwrap();
        assert!(url.is_origin("https://ops.example.com") && url.is_host("OPS.example.com:443"));
        for other in [
            "http://ops.example.com",
            "https://ops.example.com:8443",
            "null",
        ] {
            assert!(!url.is_origin(other), "{other}");
        }
    }
}
