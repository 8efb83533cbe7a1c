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
            max_listing_bytes: 64 << 20,
            max_pack_bytes: 2 << 30,
            max_push_bytes: 64 << 20,
            max_links: 40,
            user_agent: concat!("git/2.0 (syncline ", env!("CARGO_PKG_VERSION"), ")").to_owned(),
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
}

/// How one operation reaches the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Sent with every request, to the repository's own host and port only.
    pub credentials: Credentials,
    /// Certificates (PEM) that the server's certificate must lead to, in place of the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// In place of [`Settings::timeout`].
    pub timeout: Option<Duration>,
}
