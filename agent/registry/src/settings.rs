//! Limits and deadlines of the registry client.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use syncline_core::image::reference::{DEFAULT_REGISTRY, ImageName};

/// Limits and deadlines. Every field has a default that suits a public registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a connection may take to be made. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long one request may take, from connecting to the last byte. Default: 30 s.
    pub timeout: Duration,
    /// How many tags are asked for in one page; a registry may give fewer. Default: 1000.
    pub page_size: usize,
    /// The most pages of one list. Default: 500.
    pub max_pages: usize,
    /// The most tags of one list. Default: 50,000.
    pub max_tags: usize,
    /// The most bytes of one page, or of one answer of a token service. Default: 4 MiB.
    pub max_page_bytes: usize,
    /// How long a registry is left alone that asks to slow down and does not say how long.
    /// Default: 60 s.
    pub default_retry_after: Duration,
    /// The longest that a registry is obeyed when it asks to slow down. Default: 1 h.
    pub max_retry_after: Duration,
    /// How long before its end a token is renewed. Default: 10 s.
    pub token_margin: Duration,
    /// How many lists and tokens are remembered, each. Default: 2000.
    pub cache_entries: usize,
    /// Hosts (with port) that are spoken to over plain HTTP. Loopback addresses always are.
    /// Default: none.
    pub plain_http: BTreeSet<String>,
    /// Hosts of token services that get the credentials for a registry, by the registry's host.
    ///
    /// Without an entry, credentials go to the registry's own host name, to a parent domain of it
    /// (`gitlab.com` for `registry.gitlab.com`), and for Docker Hub to `auth.docker.io`.
    pub token_hosts: BTreeMap<String, BTreeSet<String>>,
    /// URL of a proxy for all requests. The environment is not looked at. Default: none.
    pub proxy: Option<String>,
    /// The `User-Agent` of requests. Default: `syncline/` and the version.
    pub user_agent: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
            page_size: 1000,
            max_pages: 500,
            max_tags: 50_000,
            max_page_bytes: 4 << 20,
            default_retry_after: Duration::from_mins(1),
            max_retry_after: Duration::from_hours(1),
            token_margin: Duration::from_secs(10),
            cache_entries: 2000,
            plain_http: BTreeSet::new(),
            token_hosts: BTreeMap::new(),
            proxy: None,
            user_agent: concat!("syncline/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

impl Settings {
    /// Scheme and host of the API that serves an image.
    pub(crate) fn origin(&self, image: &ImageName) -> String {
        let host = match image.registry() {
            DEFAULT_REGISTRY => "registry-1.docker.io",
            host => host,
        };
        let scheme = if is_loopback(host) || self.plain_http.contains(host) {
            "http"
        } else {
            "https"
        };
        format!("{scheme}://{host}")
    }
}

/// Whether a host (with or without a port) is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_spoken_to_loopback_and_to_named_hosts_only() {
        let settings = Settings {
            plain_http: BTreeSet::from(["registry.lan:5000".to_owned()]),
            ..Settings::default()
        };
        for (image, origin) in [
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000"),
            ("localhost/a", "http://localhost"),
            ("[::1]:5000/a", "http://[::1]:5000"),
            ("registry.lan:5000/a", "http://registry.lan:5000"),
            ("registry.lan/a", "https://registry.lan"),
            ("127.0.0.1.example.com/a", "https://127.0.0.1.example.com"),
            ("nginx", "https://registry-1.docker.io"),
        ] {
            assert_eq!(
                settings.origin(&ImageName::parse(image).unwrap()),
                origin,
                "{image}"
            );
        }
    }
}
