//! Credentials for a chart, also as a Secret keeps them.

use syncline_core::redacted::Redacted;

use super::ChartRef;
use super::error::ChartError;
use crate::auth::Auth;
use crate::tls::{ClientCertificate, Tls};

/// Credentials for a chart repository or registry, and whom to trust. Default: nothing special.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Access {
    /// User name and password.
    pub auth: Auth,
    /// Trusted authorities and a client certificate.
    pub tls: Tls,
    /// Who else gets the credentials.
    pub pass_credentials: PassCredentials,
}

/// Whether the credentials of a repository go to another host that its index names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PassCredentials {
    /// Never. The default.
    #[default]
    SameHost,
    /// To the hosts in the URLs of the index, as Helm's `--pass-credentials` does it. Never to where
    /// a redirect leads.
    HostsOfIndex,
}

/// What makes up the keys of a Secret that is understood.
const KEYS: &str =
    "`username` and `password`, `.dockerconfigjson`, `ca.crt`, or `tls.crt` and `tls.key`";

impl Access {
    /// The credentials for a chart, from the values of a Secret.
    ///
    /// Keys: `username` with `password`; `.dockerconfigjson` (for a registry, where it has an entry
    /// that fits); `ca.crt`, which replaces the usual authorities; `tls.crt` with `tls.key`. At least
    /// one of these must be there. An error names keys and never a value.
    pub fn from_secret(
        chart: &ChartRef,
        value: impl Fn(&str) -> Option<Redacted>,
    ) -> Result<Self, ChartError> {
        let denied = |detail: String| ChartError::Denied {
            what: chart.what(),
            detail,
        };
        let value = |key: &str| value(key).filter(|value| !value.expose().trim().is_empty());
        let pair = |first: &str, second: &str| match (value(first), value(second)) {
            (Some(first), Some(second)) => Ok(Some((first, second))),
            (None, None) => Ok(None),
            _ => Err(denied(format!(
                "the Secret has one of `{first}` and `{second}`, and both are needed"
            ))),
        };
        let basic = pair("username", "password")?.map(|(username, password)| Auth::Basic {
            username: username.expose().trim().to_owned(),
            password: without_line_break(&password),
        });
        let config = value(".dockerconfigjson");
        let from_config = match (&basic, &config, chart.image()?) {
            (None, Some(config), Some(image)) => Auth::from_docker_config(config, &image)
                .map_err(|error| denied(format!("the Secret cannot be used: {error}")))?,
            _ => None,
        };
        let identity = pair("tls.crt", "tls.key")?.map(|(certificate, key)| ClientCertificate {
            certificate: certificate.expose().to_owned(),
            key,
        });
        let authorities = value("ca.crt").map(|pem| pem.expose().to_owned());
        let nothing = basic.is_none() && config.is_none() && identity.is_none();
        if nothing && authorities.is_none() {
            return Err(denied(format!("the Secret has none of the keys {KEYS}")));
        }
        Ok(Self {
            auth: basic.or(from_config).unwrap_or_default(),
            tls: Tls {
                authorities,
                identity,
            },
            pass_credentials: PassCredentials::default(),
        })
    }

    /// The same without what identifies this side, for a host that has no business with it.
    pub(super) fn stranger(&self) -> Self {
        Self {
            auth: Auth::Anonymous,
            tls: self.tls.without_identity(),
            pass_credentials: self.pass_credentials,
        }
    }
}

/// A value without the line break that editors leave at its end.
fn without_line_break(value: &Redacted) -> Redacted {
    Redacted::new(value.expose().trim_end_matches(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use syncline_core::reason::Reason;

    fn from(repository: &str, data: &[(&str, &str)]) -> Result<Access, ChartError> {
        let chart = ChartRef {
            repository: repository.into(),
            name: "app".into(),
            version: String::new(),
        };
        Access::from_secret(&chart, |key| {
            data.iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| Redacted::new(*value))
        })
    }

    fn user(access: Result<Access, ChartError>) -> Option<(String, Redacted)> {
        match access.unwrap().auth {
            Auth::Basic { username, password } => Some((username, password)),
            Auth::Anonymous | Auth::IdentityToken(_) => None,
        }
    }

    #[test]
    fn each_kind_of_secret_gives_its_credentials() {
        let http = "https://charts.example.com/stable";
        let pair = [("username", "u\n"), ("password", "p q\n")];
        let expected = Some(("u".to_owned(), Redacted::new("p q")));
        assert_eq!(user(from(http, &pair)), expected);
        let config = [(
            ".dockerconfigjson",
            r#"{"auths":{"r.io/team":{"username":"u","password":"p q"}}}"#,
        )];
        assert_eq!(user(from("oci://r.io/team/charts", &config)), expected);
        assert_eq!(user(from("oci://r.io/other", &config)), None);
        assert_eq!(user(from(http, &config)), None);
        let tls = [("ca.crt", "A"), ("tls.crt", "C"), ("tls.key", "K")];
        let tls = from(http, &tls).unwrap().tls;
        assert_eq!(tls.authorities.as_deref(), Some("A"));
        assert!(tls.identity.is_some() && tls.without_identity().identity.is_none());
    }

    #[test]
    fn a_secret_that_is_of_no_use_is_named_without_its_values() {
        for data in [
            &[][..],
            &[("token", "hunter2")],
            &[("username", "hunter2")],
            &[("password", "hunter2"), ("username", "")],
            &[("tls.key", "hunter2")],
            &[(".dockerconfigjson", "hunter2")],
        ] {
            let error = from("oci://r.io/team", data).unwrap_err();
            assert_eq!(error.reason(), Reason::ChartAuthFailed, "{data:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }
}
