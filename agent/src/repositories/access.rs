//! How to reach the server of a Repository, from the Secret that it names.

use syncline_cluster::SecretData;
use syncline_core::application::Repository;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::redacted::Redacted;
use syncline_source::{Access, ClientCertificate, Credentials, SshCredentials};

use crate::agent::Agent;

/// How to sign in with a Secret of the Repository's namespace; without one, not at all.
pub(crate) async fn access(
    agent: &Agent,
    repository: &Repository,
    secret: Option<&str>,
) -> Result<Access, Failure> {
    let timeout = Some(repository.timeout);
    let Some(secret) = secret else {
        return Ok(Access {
            timeout,
            ..Access::default()
        });
    };
    let namespace = &repository.name.namespace;
    let data = agent
        .references
        .secret(agent, namespace, &repository.account, secret)
        .await?;
    let needs = |what: &str| Failure {
        reason: Reason::SecretMissing,
        detail: format!("secret `{namespace}/{secret}` needs {what}"),
    };
    let read = match repository.url.ssh() {
        Some(_) => over_ssh(&data),
        None => over_http(&data),
    };
    let access = read.map_err(needs)?;
    Ok(Access { timeout, ..access })
}

fn over_ssh(data: &SecretData) -> Result<Access, &'static str> {
    let (Some(identity), Some(known_hosts)) = (data.text("identity"), data.text("known_hosts"))
    else {
        return Err("`identity`, a private key, and `known_hosts`, the key of the server");
    };
    Ok(Access {
        credentials: Credentials::Ssh(SshCredentials {
            identity,
            passphrase: data.text("password").as_ref().map(trimmed),
            known_hosts: known_hosts.expose().to_owned(),
        }),
        ..Access::default()
    })
}

fn over_http(data: &SecretData) -> Result<Access, &'static str> {
    let client_certificate = match (data.get("tls.crt"), data.text("tls.key")) {
        (Some(chain), Some(key_pem)) => Some(ClientCertificate {
            chain_pem: chain.to_vec(),
            key_pem,
        }),
        (None, None) => None,
        _ => return Err("both of `tls.crt` and `tls.key`"),
    };
    let certificates = data.get("ca.crt").is_some() || client_certificate.is_some();
    let credentials = match (
        data.text("username"),
        data.text("password"),
        data.text("bearerToken"),
    ) {
        (_, _, Some(token)) => Credentials::Bearer(trimmed(&token)),
        (Some(username), Some(password), None) => Credentials::Basic {
            username: username.expose().trim().to_owned(),
            password: trimmed(&password),
        },
        (None, None, None) if certificates => Credentials::Anonymous,
        _ => return Err("`username` and `password`, `bearerToken`, or `tls.crt` and `tls.key`"),
    };
    Ok(Access {
        credentials,
        ca_pem: data.get("ca.crt").map(<[u8]>::to_vec),
        client_certificate,
        timeout: None,
    })
}

/// A value without the line break that editors leave at its end.
fn trimmed(value: &Redacted) -> Redacted {
    Redacted::new(value.expose().trim_end_matches(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(keys: &[&str]) -> SecretData {
        let values = keys
            .iter()
            .map(|key| ((*key).to_owned(), format!("{key}\n").into_bytes()));
        SecretData::new(values.collect())
    }

    #[test]
    fn each_transport_takes_what_it_can_use() {
        let credentials = |keys: &[&str]| over_http(&secret(keys)).unwrap().credentials;
        assert_eq!(credentials(&["ca.crt"]), Credentials::Anonymous);
        assert_eq!(credentials(&["tls.crt", "tls.key"]), Credentials::Anonymous);
        let token = Credentials::Bearer(Redacted::new("bearerToken"));
        assert_eq!(credentials(&["bearerToken", "username", "password"]), token);
        let both = over_http(&secret(&["username", "password", "tls.crt", "tls.key"])).unwrap();
        assert!(matches!(both.credentials, Credentials::Basic { .. }));
        assert!(both.client_certificate.is_some() && both.ca_pem.is_none());

        let ssh = over_ssh(&secret(&[
            "identity",
            "identity.pub",
            "known_hosts",
            "password",
        ]));
        let Credentials::Ssh(ssh) = ssh.unwrap().credentials else {
            panic!("a key is used");
        };
        assert_eq!(ssh.passphrase, Some(Redacted::new("password")));
        assert_eq!(ssh.known_hosts, "known_hosts\n");
    }

    #[test]
    fn half_of_what_is_needed_is_refused() {
        for keys in [
            &["username"][..],
            &["password"],
            &["tls.crt"],
            &["tls.key", "bearerToken"],
            &["identity", "known_hosts"],
            &[],
        ] {
            assert!(over_http(&secret(keys)).is_err(), "{keys:?}");
        }
        for keys in [
            &["identity"][..],
            &["known_hosts"],
            &["username", "password"],
        ] {
            assert!(over_ssh(&secret(keys)).is_err(), "{keys:?}");
        }
    }
}
