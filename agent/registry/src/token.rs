//! Where a token may be fetched, and which service gets the credentials.
//!
//! A registry names its token service itself, so a registry that was taken over could name any
//! host. A token service is asked over HTTPS only (over HTTP where registry and service are both
//! on this machine, or the settings say so). Credentials go to it only if it is the registry's own
//! host name, a parent domain of it, `auth.docker.io` for Docker Hub, or a host that the settings
//! name for this registry. Without credentials any service may be asked.

use std::time::Duration;

use reqwest::Url;
use serde::Deserialize;
use syncline_core::image::reference::{DEFAULT_REGISTRY, ImageName};
use syncline_core::redacted::Redacted;

use crate::auth::Auth;
use crate::settings::{Settings, is_loopback};

/// What a token service answers.
#[derive(Deserialize)]
pub(crate) struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Answer {
    /// The token and how long it is good; one minute where the service does not say.
    pub(crate) fn into_token(self) -> Option<(Redacted, Duration)> {
        let token = self
            .token
            .or(self.access_token)
            .filter(|token| !token.is_empty())?;
        let seconds = self.expires_in.unwrap_or(60);
        Some((Redacted::new(token), Duration::from_secs(seconds)))
    }
}

/// Why a token service is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RealmRefused {
    pub(crate) realm: String,
    pub(crate) detail: &'static str,
}

/// The URL to ask for a token, if it may be asked.
pub(crate) fn request_url(
    settings: &Settings,
    image: &ImageName,
    auth: &Auth,
    realm: &str,
    service: Option<&str>,
    scope: Option<&str>,
) -> Result<Url, RealmRefused> {
    let refused = |realm: &str, detail| RealmRefused {
        realm: realm.chars().take(100).collect(),
        detail,
    };
    let mut url = Url::parse(realm).map_err(|_| refused("", "it is not a URL"))?;
    let name = url.host_str().unwrap_or("").to_owned();
    let host = match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.clone(),
    };
    if name.is_empty() || !url.username().is_empty() || url.password().is_some() {
        return Err(refused(&host, "it is not a plain URL"));
    }
    let local = is_loopback(&host) && is_loopback(image.registry());
    let plain_is_fine = url.scheme() == "http" && (local || settings.plain_http.contains(&host));
    if url.scheme() != "https" && !plain_is_fine {
        return Err(refused(&host, "it is not asked without HTTPS"));
    }
    if *auth != Auth::Anonymous && !is_trusted(settings, image, &name, &host) {
        return Err(refused(&host, "it is another host than the registry's"));
    }
    let fallback = format!("repository:{}:pull", image.repository());
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = service {
            query.append_pair("service", service);
        }
        query.append_pair("scope", scope.unwrap_or(&fallback));
    }
    Ok(url)
}

fn is_trusted(settings: &Settings, image: &ImageName, name: &str, host: &str) -> bool {
    let registry = image.registry();
    let registry_name = match registry.rfind(':') {
        Some(at) if !registry.ends_with(']') => &registry[..at],
        _ => registry,
    };
    let is_address = name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok();
    let parent = !is_address
        && name.contains('.')
        && registry_name
            .strip_suffix(name)
            .is_some_and(|rest| rest.ends_with('.'));
    let named = settings
        .token_hosts
        .get(registry)
        .is_some_and(|hosts| hosts.contains(host) || hosts.contains(name));
    name == registry_name
        || parent
        || named
        || (registry == DEFAULT_REGISTRY && name == "auth.docker.io")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn ask(image: &str, auth: &Auth, realm: &str) -> Result<String, RealmRefused> {
        let settings = Settings {
            token_hosts: BTreeMap::from([(
                "registry.acme.com".to_owned(),
                BTreeSet::from(["login.acme.net".to_owned()]),
            )]),
            ..Settings::default()
        };
        let image = ImageName::parse(image).unwrap();
        request_url(&settings, &image, auth, realm, Some("s"), None).map(String::from)
    }

    fn user() -> Auth {
        Auth::Basic {
            username: "u".into(),
            password: Redacted::new("p"),
        }
    }

    #[test]
    fn the_token_services_of_known_registries_get_the_credentials() {
        for (image, realm) in [
            ("nginx", "https://auth.docker.io/token"),
            ("ghcr.io/a/b", "https://ghcr.io/token"),
            ("registry.gitlab.com/a/b", "https://gitlab.com/jwt/auth"),
            ("gitlab.acme.com:5050/a", "https://gitlab.acme.com/jwt/auth"),
            ("registry.acme.com/a", "https://login.acme.net/token"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5001/token"),
        ] {
            assert!(ask(image, &user(), realm).is_ok(), "{image} {realm}");
        }
        assert_eq!(
            ask("ghcr.io/a/b", &user(), "https://ghcr.io/token?x=1").as_deref(),
            Ok("https://ghcr.io/token?x=1&service=s&scope=repository%3Aa%2Fb%3Apull")
        );
    }

    #[test]
    fn bad_b59_a_token_service_on_another_host_gets_no_credentials() {
        for (image, realm) in [
            ("ghcr.io/a/b", "https://evil.io/token"),
            ("ghcr.io/a/b", "https://ghcr.io.evil.io/token"),
            ("a.ghcr.io/b", "https://io/token"),
            ("aghcr.io/b", "https://ghcr.io/token"),
            ("nginx", "https://auth.docker.io.evil.io/token"),
            ("127.0.0.1:5000/a", "http://localhost:5001/token"),
        ] {
            assert!(ask(image, &user(), realm).is_err(), "{image} {realm}");
            assert!(
                ask(image, &Auth::Anonymous, realm).is_ok(),
                "{image} {realm}"
            );
        }
    }

    #[test]
    fn a_token_service_without_https_is_not_asked_at_all() {
        for realm in [
            "http://ghcr.io/token",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "https://user:pass@ghcr.io/token",
            "token",
        ] {
            assert!(
                ask("ghcr.io/a/b", &Auth::Anonymous, realm).is_err(),
                "{realm}"
            );
        }
    }
}
