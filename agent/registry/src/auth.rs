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
    /// A token that stands for a sign-in and is exchanged for access tokens, as Azure's registry and
    /// others give it (`identitytoken` of `docker login`).
    IdentityToken(Redacted),
}

/// Why a `.dockerconfigjson` cannot be used. Carries nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON of the expected shape.
    #[error("it is not JSON with a map `auths`, nor a map of registries")]
    Json,
    /// The `auth` of the entry is not base64 of `user:password`.
    #[error("the `auth` of the registry's entry is not base64 of `user:password`")]
    Auth,
    /// The entry has nothing to identify oneself with.
    #[error(
        "the registry's entry has neither `auth`, nor `username` and `password`, nor `identitytoken`"
    )]
    Empty,
}

/// A pull secret that cannot be used, where no other one has an entry for the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pull secret `{secret}`: {error}")]
pub struct PullSecretError {
    /// Its name.
    pub secret: String,
    /// What is wrong with it.
    pub error: ConfigError,
}

/// `.dockerconfigjson`, or `.dockercfg`, which is the map alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum DockerConfig {
    Config { auths: BTreeMap<String, Entry> },
    Registries(BTreeMap<String, Entry>),
}

/// How well an entry fits an image: the length of its path, then whether the host is exact.
type Fit = (usize, bool);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
}

impl Auth {
    /// The credentials for an image in the payload of a Secret of type
    /// `kubernetes.io/dockerconfigjson` or `kubernetes.io/dockercfg`; `None` where it has no entry
    /// for the image.
    ///
    /// As the kubelet does it, an entry may name a path (`example.com/team`), in which case the
    /// longest that fits wins, and a label of the host may be `*`.
    pub fn from_docker_config(
        payload: &Redacted,
        image: &ImageName,
    ) -> Result<Option<Self>, ConfigError> {
        Ok(best(payload, image)?.map(|(_, auth)| auth))
    }

    /// The credentials for an image in the pull secrets of a service account, each with its name, in
    /// the order in which the account names them.
    ///
    /// The entry that fits best wins, and of equal ones that of the first Secret. One that cannot be
    /// read is an error only where no other has an entry for the image.
    pub fn from_docker_configs<'a>(
        secrets: impl IntoIterator<Item = (&'a str, &'a Redacted)>,
        image: &ImageName,
    ) -> Result<Option<Self>, PullSecretError> {
        let mut found: Option<(Fit, Self)> = None;
        let mut broken = None;
        for (secret, payload) in secrets {
            match best(payload, image) {
                Ok(Some((fit, auth))) if found.as_ref().is_none_or(|(best, _)| fit > *best) => {
                    found = Some((fit, auth));
                }
                Ok(_) => {}
                Err(error) => {
                    broken.get_or_insert(PullSecretError {
                        secret: secret.to_owned(),
                        error,
                    });
                }
            }
        }
        match (found, broken) {
            (Some((_, auth)), _) => Ok(Some(auth)),
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
        }
    }
}

/// The entry that fits best, with how well it fits.
fn best(payload: &Redacted, image: &ImageName) -> Result<Option<(Fit, Auth)>, ConfigError> {
    let config = serde_json::from_str(payload.expose()).map_err(|_| ConfigError::Json)?;
    let (DockerConfig::Config { auths } | DockerConfig::Registries(auths)) = config;
    auths
        .iter()
        .filter_map(|(key, entry)| fits(key, image).map(|fit| (fit, entry)))
        .max_by_key(|(fit, _)| *fit)
        .map(|(fit, entry)| Ok((fit, entry.auth()?)))
        .transpose()
}

impl Entry {
    fn auth(&self) -> Result<Auth, ConfigError> {
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        // It stands for the sign-in; what stands beside it is a name without a password.
        if let Some(token) = filled(&self.identitytoken) {
            return Ok(Auth::IdentityToken(Redacted::new(token)));
        }
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

fn fits(key: &str, image: &ImageName) -> Option<Fit> {
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
    fn the_old_form_and_an_identity_token_are_read() {
        let old = r#"{"a.io":{"username":"u","password":"p"}}"#;
        assert_eq!(user(old, "a.io/app").as_deref(), Some("u"));
        let token = r#"{"auths":{"a.io":{"auth":"dTo=","identitytoken":"t0k3n"}}}"#;
        let expected = Auth::IdentityToken(Redacted::new("t0k3n"));
        assert_eq!(auth(token, "a.io/app"), Ok(Some(expected)));
        assert!(!format!("{:?}", auth(token, "a.io/app")).contains("t0k3n"));
    }

    #[test]
    fn of_several_pull_secrets_the_entry_that_fits_best_wins_and_then_the_first() {
        let image = ImageName::parse("a.io/team/app").unwrap();
        let entry = |key: &str, name: &str| {
            Redacted::new(format!(
                r#"{{"auths":{{"{key}":{{"username":"{name}","password":"hunter2"}}}}}}"#
            ))
        };
        let (host, same) = (entry("a.io", "first"), entry("a.io", "second"));
        let (team, other) = (entry("a.io/team", "team"), entry("b.io", "other"));
        let broken = Redacted::new("hunter2");
        let choose = |secrets: &[(&str, &Redacted)]| match Auth::from_docker_configs(
            secrets.iter().copied(),
            &image,
        ) {
            Ok(Some(Auth::Basic { username, .. })) => username,
            Ok(_) => "none".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            choose(&[("x", &other), ("y", &host), ("z", &same)]),
            "first"
        );
        assert_eq!(choose(&[("y", &host), ("t", &team)]), "team");
        assert_eq!(choose(&[("b", &broken), ("y", &host)]), "first");
        assert_eq!(choose(&[("x", &other)]), "none");
        assert_eq!(choose(&[]), "none");
        let error = choose(&[("x", &other), ("b", &broken)]);
        assert!(error.starts_with("pull secret `b`: ") && !error.contains("hunter2"));
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
