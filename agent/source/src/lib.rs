//! The only owner of Git: fetch, read trees, commit, push.
//!
//! Every call blocks; an asynchronous caller runs it on a thread for blocking work. A repository
//! is kept as one bare mirror, fetched incrementally and never checked out: files are read from
//! the tree of a commit, symbolic links are followed inside that tree only, hooks, submodules and
//! LFS are not run or fetched. What a file means is decided elsewhere.
//!
//! ```text
//! Mirror::open -> fetch(branch) -> CommitId -> snapshot -> files
//!                                     |
//!                                     +-> commit(edits) -> push(branch)
//! ```
//!
//! libgit2 reads and writes objects; HTTP and SSH go over this crate's own transports, so that one
//! deadline holds for a whole operation and a credential never leaves the repository's host.

pub mod settings;
pub mod signature;

mod connection;
mod error;
mod http;
mod listing;
mod mirror;
mod operation;
mod signing;
mod snapshot;
mod ssh;
mod transport;

pub use error::Error;
pub use mirror::{
    Draft, Fetched, HistoryLimits, LineCommit, LocalClone, Mirror, NewCommit, Push, Reverted,
};
pub use settings::{Access, ClientCertificate, Credentials, Proxies, Settings, SshCredentials};
pub use signature::{
    CommitRefused, SignatureKind, SignatureProblem, Signer, Signers, SignersError, verify_commit,
    verify_tag,
};
pub use signing::{SigningKey, SigningKeyError};
pub use snapshot::{
    Entry, EntryKind, Snapshot, SourceFile, checked, forbidden, is_lfs_pointer, printed_name,
};
