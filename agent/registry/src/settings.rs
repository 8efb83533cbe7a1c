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
    /// How many tags are asked for in one page; a registry may give fewer. Less where a registry is
    /// documented to take less, or refuses so many. Default: 1000.
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
    /// How many requests a second one host is asked at most, whatever asks it. Default: 20.
    pub requests_per_second: u32,
    /// How many requests may go at once after a time without any. Default: 20.
    pub burst: u32,
    /// How long a request waits for its turn at most; one that would wait longer is refused with the
    /// time. Default: 10 s.
    pub max_wait: Duration,
    /// How many percent of a limit of pulls are left for the nodes of the cluster, which often pull
    /// from the same address. Default: 50.
    pub pull_reserve: u8,
    /// After how many failures in a row a host is left alone for a while. Default: 3.
    pub failures_before_rest: u32,
    /// For how long at first; doubled each time. Default: 1 s.
    pub rest_first: Duration,
    /// For how long at most. Default: 10 s.
    pub rest_most: Duration,
    /// The most bytes of a manifest or of the configuration of an image. Default: 4 MiB, which is what
    /// the distribution specification asks registries to take.
    pub max_manifest_bytes: usize,
    /// The most images of an index that are read for its facts. Default: 16.
    pub max_children: usize,
    /// How many facts of images, and digests of tags, are remembered, each. Default: 10,000.
    pub facts_entries: usize,
    /// How many tags of one image have their facts read at the same time. Default: 4.
    pub facts_concurrency: usize,
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
            requests_per_second: 20,
            burst: 20,
            max_wait: Duration::from_secs(10),
            pull_reserve: 50,
            failures_before_rest: 3,
            rest_first: Duration::from_secs(1),
            rest_most: Duration::from_secs(10),
            max_manifest_bytes: 4 << 20,
            max_children: 16,
            facts_entries: 10_000,
            facts_concurrency: 4,
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
        let host = api_host(image);
        let scheme = if is_loopback(host) || self.plain_http.contains(host) {
            "http"
        } else {
            "https"
        };
        format!("{scheme}://{host}")
    }
}

/// The host of the API that serves an image.
pub(crate) fn api_host(image: &ImageName) -> &str {
    match image.registry() {
        DEFAULT_REGISTRY => "registry-1.docker.io",
        host => host,
    }
}

/// The most tags that a registry takes for one page, where that is documented or well known.
///
/// - Quay gives at most 100, whatever is asked for
///   (<https://github.com/quay/quay/blob/master/endpoints/v2/__init__.py>).
/// - Amazon ECR refuses more than 1000
///   (<https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImages.html>).
/// - GitLab refuses more than 1000
///   (<https://gitlab.com/gitlab-org/container-registry/-/blob/master/docs/spec/docker/v2/api.md>).
pub(crate) fn documented_page_size(host: &str) -> Option<usize> {
    let ecr = host == "public.ecr.aws"
        || (host.contains(".dkr.ecr.")
            && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")));
    match host {
        "quay.io" => Some(100),
        "registry.gitlab.com" => Some(1000),
        _ if ecr => Some(1000),
        _ => None,
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
    fn no_more_is_asked_for_than_a_registry_is_known_to_take() {
        let ecr = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
        for (host, size) in [
            ("quay.io", Some(100)),
            (ecr, Some(1000)),
            ("ecr.amazonaws.com.example.com", None),
            ("ghcr.io", None),
        ] {
            assert_eq!(documented_page_size(host), size, "{host}");
        }
    }

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
