//! Credentials for a registry, also as Kubernetes keeps them.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Deserialize;
use syncline_core::image::reference::{DEFAULT_REGISTRY, ImageName};
use syncline_core::redacted::Redacted;

/// Credentials for a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Auth {
    /// None.
    #[default]
    Anonymous,
    /// User name and password, or an access token in its place.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Redacted,
    },
}

/// Why a `.dockerconfigjson` cannot be used. Carries nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON of the expected shape.
    #[error("`.dockerconfigjson` is not JSON with a map `auths`")]
    Json,
    /// The `auth` of the entry is not base64 of `user:password`.
    #[error("the `auth` of the registry's entry is not base64 of `user:password`")]
    Auth,
    /// The entry has neither `auth` nor a user name with a password.
    #[error("the registry's entry has neither `auth` nor `username` and `password`")]
    Empty,
}

#[derive(Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
}

impl Auth {
    /// The credentials for an image in the payload of a Secret of type
    /// `kubernetes.io/dockerconfigjson`; `None` where it has no entry for the image.
    ///
    /// As the kubelet does it, an entry may name a path (`example.com/team`), in which case the
    /// longest that fits wins, and a label of the host may be `*`.
    pub fn from_docker_config(
        payload: &Redacted,
        image: &ImageName,
    ) -> Result<Option<Self>, ConfigError> {
        let config: DockerConfig =
            serde_json::from_str(payload.expose()).map_err(|_| ConfigError::Json)?;
        config
            .auths
            .iter()
            .filter_map(|(key, entry)| fits(key, image).map(|fit| (fit, entry)))
            .max_by_key(|(fit, _)| *fit)
            .map(|(_, entry)| entry.auth())
            .transpose()
    }
}

impl Entry {
    fn auth(&self) -> Result<Auth, ConfigError> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let (Some(username), Some(password)) = (filled(&self.username), filled(&self.password)) {
            return Ok(Auth::Basic {
                username,
                password: Redacted::new(password),
            });
        }
        let encoded = filled(&self.auth).ok_or(ConfigError::Empty)?;
        let decoded = base64::engine::general_purpose::STANDARD
            .decode(encoded.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or(ConfigError::Auth)?;
        let (username, password) = decoded.split_once(':').ok_or(ConfigError::Auth)?;
        if username.is_empty() {
            return Err(ConfigError::Auth);
        }
        // Some tools pad with NUL bytes.
        let password = Redacted::new(password.trim_end_matches('\0'));
        Ok(Auth::Basic {
            username: username.to_owned(),
            password,
        })
    }
}

/// How well an entry fits an image: the length of its path, then whether the host is exact.
fn fits(key: &str, image: &ImageName) -> Option<(usize, bool)> {
    let rest = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.to_ascii_lowercase();
    // `/v1/` and `/v2/` are the versions of the protocol, as in Docker Hub's usual key.
    let path = path.trim_matches('/');
    let path = if matches!(path, "v1" | "v2") {
        ""
    } else {
        path
    };
    let host = match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => DEFAULT_REGISTRY,
        host => host,
    };
    let exact = host == image.registry();
    if !exact && !matches_by_label(host, image.registry()) {
        return None;
    }
    let inside = path.is_empty()
        || image
            .repository()
            .strip_prefix(path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    inside.then_some((path.len(), exact))
}

fn matches_by_label(pattern: &str, host: &str) -> bool {
    pattern.contains('*')
        && pattern.split('.').count() == host.split('.').count()
        && pattern
            .split('.')
            .zip(host.split('.'))
            .all(|(want, label)| want == "*" || want == label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(payload: &str, image: &str) -> Result<Option<Auth>, ConfigError> {
        Auth::from_docker_config(&Redacted::new(payload), &ImageName::parse(image).unwrap())
    }

    fn user(payload: &str, image: &str) -> Option<String> {
        match auth(payload, image).unwrap() {
            Some(Auth::Basic { username, .. }) => Some(username),
            _ => None,
        }
    }

    #[test]
    fn the_entry_of_the_host_is_found_however_it_is_written() {
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"}}}"#;
        assert_eq!(
            auth(hub, "nginx"),
            Ok(Some(Auth::Basic {
                username: "a".into(),
                password: Redacted::new("b")
            }))
        );
        assert_eq!(auth(hub, "ghcr.io/team/app"), Ok(None));
        let plain = r#"{"auths":{"R.example.com:5000":{"username":"u","password":"p:q"}}}"#;
        assert_eq!(user(plain, "r.example.com:5000/app").as_deref(), Some("u"));
        assert_eq!(user(plain, "r.example.com/app"), None);
    }

    #[test]
    fn the_longest_path_wins_and_a_label_may_be_open() {
        let payload = r#"{"auths":{
            "a.io":{"username":"host","password":"p"},
            "a.io/team":{"username":"team","password":"p"},
            "*.b.io":{"username":"open","password":"p"}}}"#;
        assert_eq!(user(payload, "a.io/team/app").as_deref(), Some("team"));
        assert_eq!(user(payload, "a.io/teams/app").as_deref(), Some("host"));
        assert_eq!(user(payload, "x.b.io/app").as_deref(), Some("open"));
        assert_eq!(user(payload, "x.y.b.io/app"), None);
        assert_eq!(user(payload, "b.io/app"), None);
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_its_content() {
        assert_eq!(auth("secret", "a.io/app"), Err(ConfigError::Json));
        assert_eq!(
            auth(r#"{"auths":{"a.io":{}}}"#, "a.io/app"),
            Err(ConfigError::Empty)
        );
        let wrong = r#"{"auths":{"a.io":{"auth":"hunter2"}}}"#;
        let error = auth(wrong, "a.io/app").unwrap_err();
        assert_eq!(error, ConfigError::Auth);
        assert!(!error.to_string().contains("hunter2"));
        let fine = auth(
            r#"{"auths":{"a.io":{"username":"u","password":"hunter2"}}}"#,
            "a.io/app",
        );
        assert!(!format!("{fine:?}").contains("hunter2"));
    }
}
