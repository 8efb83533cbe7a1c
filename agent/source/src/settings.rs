//! What can be set for reading and writing Git repositories, and how to sign in to one.

use std::path::PathBuf;
use std::time::Duration;

use syncline_core::redacted::Redacted;

/// Limits and deadlines of all mirrors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder under which the mirrors live, one sub-folder for each URL. It is a cache: losing
    /// it costs one clone of each repository.
    pub dir: PathBuf,
    /// How long a TCP connection may take to be made.
    pub connect_timeout: Duration,
    /// How long one fetch or push may take in all: waiting for its turn, name resolution, every
    /// request and every byte.
    pub timeout: Duration,
    /// The largest file, tree or commit that is read, in bytes.
    pub max_file_bytes: u64,
    /// How many files, links and directories one read of a directory tree may meet.
    pub max_files: usize,
    /// How many directories deep one read of a directory tree may go.
    pub max_depth: usize,
    /// How many bytes one read of a directory tree may return.
    pub max_bytes: u64,
    /// How many packs a mirror may have; beyond it the repository is cloned anew into a fresh
    /// mirror, because every fetch adds one.
    pub max_pack_files: usize,
    /// By how many bytes the packs of a mirror may grow, where that is more than the largest of them
    /// has; beyond it the repository is cloned anew.
    pub max_mirror_growth_bytes: u64,
    /// The largest list of references that is read from a server, in bytes.
    pub max_listing_bytes: u64,
    /// The largest pack that is fetched, in bytes.
    pub max_pack_bytes: u64,
    /// The largest pack that is pushed, in bytes.
    pub max_push_bytes: u64,
    /// How many symbolic links one path may pass.
    pub max_links: usize,
    /// The `User-Agent` of every request. Some servers answer only what begins with `git/`.
    pub user_agent: String,
    /// The proxies of HTTP; SSH goes straight to its server.
    pub proxies: Proxies,
}

/// Which proxy stands between the agent and a Git server, as the environment variables
/// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// URL of the proxy for `https`, which may carry credentials for it.
    pub https: Option<Redacted>,
    /// The same for `http`.
    pub http: Option<Redacted>,
    /// Hosts that are reached without it: names, which stand for the names below them too, and `*`
    /// for all.
    pub except: Vec<String>,
}

impl Proxies {
    /// The proxy for a host, without its port.
    pub(crate) fn of(&self, scheme: &str, host: &str) -> Option<&Redacted> {
        let proxy = match scheme {
            "https" => self.https.as_ref(),
            _ => self.http.as_ref(),
        };
        let host = host.to_ascii_lowercase();
        let is_excepted = |entry: &String| {
            let entry = entry.trim().to_ascii_lowercase();
            let name = entry.trim_start_matches("*.").trim_start_matches('.');
            let below = || {
                host.strip_suffix(name)
                    .is_some_and(|rest| rest.ends_with('.'))
            };
            entry == "*" || !name.is_empty() && (host == name || below())
        };
        proxy.filter(|_| !self.except.iter().any(is_excepted))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dir: PathBuf::from("/var/lib/syncline/git"),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_mins(1),
            max_file_bytes: 16 << 20,
            max_files: 20_000,
            max_depth: 100,
            max_bytes: 128 << 20,
            max_pack_files: 200,
            max_mirror_growth_bytes: 256 << 20,
            max_listing_bytes: 64 << 20,
            max_pack_bytes: 2 << 30,
            max_push_bytes: 64 << 20,
            max_links: 40,
            user_agent: concat!("git/2.0 (syncline ", env!("CARGO_PKG_VERSION"), ")").to_owned(),
            proxies: Proxies::default(),
        }
    }
}

/// How to sign in to a Git server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all: no `Authorization` header is sent.
    #[default]
    Anonymous,
    /// HTTP basic authentication, also for personal access tokens.
    Basic {
        /// User name; may be empty where the server wants only a token.
        username: String,
        /// Password or token.
        password: Redacted,
    },
    /// A bearer token.
    Bearer(Redacted),
    /// A key for SSH.
    Ssh(SshCredentials),
}

/// What signs in over SSH, and what vouches for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshCredentials {
    /// The private key: OpenSSH, PKCS#8 or PKCS#1 in PEM; Ed25519, ECDSA or RSA.
    pub identity: Redacted,
    /// The passphrase of the key, if it has one.
    pub passphrase: Option<Redacted>,
    /// Lines of a `known_hosts` file. A server whose key is not among them is not talked to.
    pub known_hosts: String,
}

/// What a client shows to a server that asks who it is in TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate and those that lead to its authority, PEM.
    pub chain_pem: Vec<u8>,
    /// Its private key, PEM.
    pub key_pem: Redacted,
}

/// How one operation reaches the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Sent with every request, to the repository's own host and port only.
    pub credentials: Credentials,
    /// Certificates (PEM) that the server's certificate must lead to, in place of the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// What the client shows in TLS, if the server asks for it.
    pub client_certificate: Option<ClientCertificate>,
    /// In place of [`Settings::timeout`].
    pub timeout: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_excepted_are_reached_without_the_proxy() {
        let proxies = Proxies {
            https: Some(Redacted::new("http://proxy:3128")),
            http: None,
            except: [" .svc", "example.com", "*.internal", "10.0.0.1", ""]
                .map(str::to_owned)
                .to_vec(),
        };
        for (scheme, host, proxied) in [
            ("https", "github.com", true),
            ("http", "github.com", false),
            ("https", "git.team.svc", false),
            ("https", "Example.com", false),
            ("https", "git.example.com", false),
            ("https", "notexample.com", true),
            ("https", "git.internal", false),
            ("https", "10.0.0.1", false),
            ("https", "10.0.0.11", true),
        ] {
            assert_eq!(
                proxies.of(scheme, host).is_some(),
                proxied,
                "{scheme} {host}"
            );
        }
        let none = Proxies {
            except: vec!["*".to_owned()],
            ..proxies
        };
        assert_eq!(none.of("https", "github.com"), None);
    }
}
