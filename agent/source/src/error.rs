//! What can go wrong with a repository, in words for its owner and as a reason code.

use std::path::PathBuf;
use std::time::Duration;

use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_core::url::RepoUrl;

use crate::signature::CommitRefused;

/// Why a Git operation failed. No message carries a credential.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server wants other credentials, or any.
    #[error("`{url}`: the Git server refused the credentials (HTTP {status})")]
    Auth {
        /// The repository.
        url: RepoUrl,
        /// 401 or 403.
        status: u16,
    },
    /// The credentials cannot be sent at all.
    #[error("`{url}`: the credentials hold a character that an HTTP header cannot carry")]
    InvalidCredentials {
        /// The repository.
        url: RepoUrl,
    },
    /// The given certificates cannot be read.
    #[error("`{url}`: the CA certificates are not valid PEM")]
    InvalidCertificates {
        /// The repository.
        url: RepoUrl,
    },
    /// The certificate or key that the client is to show cannot be read.
    #[error("`{url}`: the client certificate `tls.crt` or its key `tls.key` is not valid PEM")]
    InvalidClientCertificate {
        /// The repository.
        url: RepoUrl,
    },
    /// The credentials are not of the kind that the URL's transport takes.
    #[error("`{url}`: {transport} takes {wanted}")]
    WrongCredentials {
        /// The repository.
        url: RepoUrl,
        /// `SSH` or `HTTP`.
        transport: &'static str,
        /// What it takes.
        wanted: &'static str,
    },
    /// The URL of the proxy is none.
    #[error("the proxy for `{url}` is not the URL of one, such as `http://proxy.example.com:3128`")]
    InvalidProxy {
        /// The repository.
        url: RepoUrl,
    },
    /// The private key for SSH cannot be used.
    #[error("`{url}`: the private key `identity` cannot be used: {detail}")]
    InvalidIdentity {
        /// The repository.
        url: RepoUrl,
        /// What is wrong with it, in words of ours.
        detail: &'static str,
    },
    /// No host key can be read in what vouches for the server.
    #[error("`{url}`: `known_hosts` holds no line that names a host and its key")]
    InvalidKnownHosts {
        /// The repository.
        url: RepoUrl,
    },
    /// Nothing is known of the server's host key.
    #[error(
        "`{url}`: `known_hosts` has no key of this host, whose key is {fingerprint}; compare that with \
         what its owner publishes, then add the line `{line}`"
    )]
    HostKeyUnknown {
        /// The repository.
        url: RepoUrl,
        /// `SHA256:...`, as `ssh-keygen -l` prints it.
        fingerprint: String,
        /// The line for `known_hosts`.
        line: String,
    },
    /// The server's host key is another one than it should be.
    #[error(
        "`{url}`: the key of the host is {presented}, but `known_hosts` has {expected}: it has a new \
         key, or somebody stands in between"
    )]
    HostKeyMismatch {
        /// The repository.
        url: RepoUrl,
        /// The fingerprint of the key that came.
        presented: String,
        /// The fingerprints of those that are known, or that it was revoked.
        expected: String,
    },
    /// The SSH server does not let the key in.
    #[error("`{url}`: the Git server refused the key {fingerprint} for the user `{user}`")]
    KeyRefused {
        /// The repository.
        url: RepoUrl,
        /// The user of the URL.
        user: String,
        /// The fingerprint of our key.
        fingerprint: String,
    },
    /// The server lets the key in, but not to this repository.
    #[error("`{url}`: the Git server refused access: {message}")]
    AccessRefused {
        /// The repository.
        url: RepoUrl,
        /// The server's words, shortened.
        message: String,
    },
    /// The server says that there is no such repository. Many say so, too, when the credentials may
    /// not see it.
    #[error("`{url}`: the Git server has no such repository, or hides it from these credentials")]
    RepositoryNotFound {
        /// The repository.
        url: RepoUrl,
    },
    /// The server cannot be reached, broke off or answered with an error.
    #[error("`{url}`: the Git server is not available: {detail}")]
    Unavailable {
        /// The repository.
        url: RepoUrl,
        /// What happened.
        detail: String,
    },
    /// The operation did not end within its deadline.
    #[error("`{url}`: the Git server did not finish within {after:?}")]
    Timeout {
        /// The repository.
        url: RepoUrl,
        /// The deadline.
        after: Duration,
    },
    /// The server sends the client to another host, port or scheme.
    #[error("`{url}`: the Git server redirects to `{target}`, which is not followed")]
    RedirectRefused {
        /// The repository.
        url: RepoUrl,
        /// Scheme and host of the target.
        target: String,
    },
    /// What answers is not a Git server.
    #[error("`{url}`: what answers there does not speak Git's smart HTTP protocol: {detail}")]
    NotGit {
        /// The repository.
        url: RepoUrl,
        /// What came instead.
        detail: String,
    },
    /// The branch is not there; also said of an empty repository.
    #[error("`{url}`: the branch `{branch}` does not exist{hint}")]
    BranchNotFound {
        /// The repository.
        url: RepoUrl,
        /// The branch.
        branch: String,
        /// What is there in its place, with what joins it to the sentence; may be empty.
        hint: String,
    },
    /// The name can never be a branch.
    #[error("`{branch}` is not a valid name of a branch")]
    InvalidBranch {
        /// The name, shortened.
        branch: String,
    },
    /// No branch, tag or commit has that name.
    #[error(
        "`{url}`: there is no branch, tag or commit `{reference}`; a commit that is no tip is named \
         with all 40 digits"
    )]
    ReferenceNotFound {
        /// The repository.
        url: RepoUrl,
        /// What was asked for.
        reference: String,
    },
    /// Several things have that name.
    #[error("`{url}`: `{reference}` is ambiguous: {candidates}")]
    AmbiguousReference {
        /// The repository.
        url: RepoUrl,
        /// What was asked for.
        reference: String,
        /// What it can be.
        candidates: String,
    },
    /// The name can never be a reference.
    #[error("`{reference}` is not a valid name of a branch, tag or commit")]
    InvalidReference {
        /// The name, shortened.
        reference: String,
    },
    /// A clone on this machine has no branch, tag or commit of that name.
    #[error(
        "the clone `{}` has no branch, tag or commit `{reference}`; `git fetch` there gets what is \
         newer",
        folder.display()
    )]
    NotInClone {
        /// Where the clone is.
        folder: PathBuf,
        /// What was asked for.
        reference: String,
    },
    /// A folder of this machine is in no clone that can be read.
    #[error("`{}` is no Git clone: {detail}", folder.display())]
    NoClone {
        /// The folder.
        folder: PathBuf,
        /// What libgit2 said.
        detail: String,
    },
    /// The mirror does not have the commit.
    #[error("`{url}`: the commit {commit} is not in the history that was fetched")]
    CommitNotFound {
        /// The repository.
        url: RepoUrl,
        /// The commit.
        commit: CommitId,
    },
    /// A commit, or what points to it, is not signed as it has to be.
    #[error("`{url}`: the commit {commit} is not used: {problem}")]
    Signature {
        /// The repository.
        url: RepoUrl,
        /// The commit.
        commit: CommitId,
        /// What is wrong with the signature, with the key.
        problem: Box<CommitRefused>,
    },
    /// A path that is asked for is not a plain path inside the repository.
    #[error("path `{path}`: {problem}")]
    InvalidPath {
        /// The path, with unprintable characters escaped.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file or directory has a name that a terminal or a command would misread.
    #[error("path `{path}`: the name `{name}` has a control character or begins with `-`")]
    InvalidName {
        /// The path, with unprintable characters escaped.
        path: String,
        /// The name in it, escaped as well.
        name: String,
    },
    /// A symbolic link leads out of the repository.
    #[error("path `{path}`: a symbolic link points outside the repository")]
    PathEscape {
        /// The link.
        path: String,
    },
    /// Symbolic links lead round in a circle, or on for too long.
    #[error("path `{path}`: the symbolic links do not end at a file or directory")]
    LinkLoop {
        /// The path.
        path: String,
    },
    /// The operating system does not let a file or directory be read.
    #[error("path `{path}` cannot be read: {detail}")]
    Unreadable {
        /// The path.
        path: String,
        /// What the operating system said.
        detail: String,
    },
    /// A manifest is a symbolic link to nothing.
    #[error("path `{path}`: the symbolic link points to nothing")]
    DanglingLink {
        /// The link.
        path: String,
    },
    /// A directory holds a name that no Git client should have written.
    #[error("directory `{path}` holds an entry with the forbidden name `{name}`")]
    InvalidTree {
        /// The directory.
        path: String,
        /// The entry, with unprintable characters escaped.
        name: String,
    },
    /// Reading this would take something that is not supported.
    #[error("{subject}: {what} are not supported")]
    Unsupported {
        /// The path or repository.
        subject: String,
        /// What it would take.
        what: &'static str,
    },
    /// A limit of the settings is passed.
    #[error("{subject} is over the limit of {limit} ({setting})")]
    TooLarge {
        /// What is too large.
        subject: String,
        /// The limit.
        limit: u64,
        /// The field of [`crate::Settings`].
        setting: &'static str,
    },
    /// The edits leave the tree as it is, so there is nothing to commit.
    #[error("the edits change nothing, so no commit is made")]
    NothingChanged,
    /// The name or address of the author cannot stand in a commit.
    #[error("the author of the commit has an empty or forbidden name or address")]
    InvalidAuthor,
    /// A hook or a missing right stopped the push; trying again changes nothing.
    #[error("`{url}`: the Git server refused the push: {message}")]
    PushDenied {
        /// The repository.
        url: RepoUrl,
        /// The server's words, shortened.
        message: String,
    },
    /// The commit cannot be signed.
    #[error("the commit is not signed: {detail}")]
    NotSigned {
        /// What is wrong with the key.
        detail: String,
    },
    /// The mirror on disk is damaged; the next fetch clones it anew.
    #[error(
        "`{url}`: the local mirror is damaged and is cloned anew with the next fetch: {detail}"
    )]
    Corrupt {
        /// The repository.
        url: RepoUrl,
        /// What was found.
        detail: String,
    },
    /// The folder of the mirrors cannot be read or written.
    #[error("the mirror at `{}` cannot be read or written: {detail}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// libgit2 refused, for a reason that none of the others names.
    #[error("`{url}`: {detail}")]
    Git {
        /// The repository.
        url: RepoUrl,
        /// libgit2's words.
        detail: String,
    },
}

impl Error {
    /// The reason code under which it is reported.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Auth { .. } | Self::InvalidCredentials { .. } => Reason::AuthFailed,
            Self::InvalidCertificates { .. } | Self::InvalidClientCertificate { .. } => {
                Reason::AuthFailed
            }
            Self::WrongCredentials { .. } | Self::InvalidIdentity { .. } => Reason::AuthFailed,
            Self::KeyRefused { .. } | Self::AccessRefused { .. } => Reason::AuthFailed,
            Self::InvalidProxy { .. } => Reason::SourceUnavailable,
            Self::InvalidKnownHosts { .. } | Self::HostKeyUnknown { .. } => Reason::HostKeyUnknown,
            Self::HostKeyMismatch { .. } => Reason::HostKeyMismatch,
            Self::RepositoryNotFound { .. } => Reason::RepositoryNotFound,
            Self::Unavailable { .. } | Self::Timeout { .. } | Self::NotGit { .. } => {
                Reason::SourceUnavailable
            }
            Self::Corrupt { .. } | Self::Git { .. } => Reason::SourceUnavailable,
            Self::RedirectRefused { .. } => Reason::RedirectRefused,
            Self::BranchNotFound { .. } | Self::InvalidBranch { .. } => Reason::RevisionNotFound,
            Self::CommitNotFound { .. } => Reason::RevisionNotFound,
            Self::NoClone { .. } => Reason::RepositoryNotFound,
            Self::NotInClone { .. } => Reason::RevisionNotFound,
            Self::ReferenceNotFound { .. }
            | Self::AmbiguousReference { .. }
            | Self::InvalidReference { .. } => Reason::RevisionNotFound,
            Self::Signature { .. } => Reason::SignatureRefused,
            Self::InvalidPath { .. } => Reason::PathEscape,
            Self::InvalidName { .. } => Reason::InvalidFileName,
            Self::PathEscape { .. } | Self::LinkLoop { .. } => Reason::LinkRefused,
            Self::DanglingLink { .. } | Self::Unreadable { .. } => Reason::PathNotFound,
            Self::InvalidTree { .. } => Reason::InvalidTree,
            Self::Unsupported { .. } => Reason::UnsupportedSource,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::NothingChanged => Reason::NothingToEdit,
            Self::InvalidAuthor => Reason::InvalidSpec,
            Self::PushDenied { .. } => Reason::PushDenied,
            Self::NotSigned { .. } => Reason::SigningKeyInvalid,
            Self::Disk { .. } => Reason::Internal,
        }
    }
}

/// Text from outside, for a message: one line, no control characters, bounded.
pub(crate) fn printable(text: &str) -> String {
    const LONGEST: usize = 600;
    let line: String = text
        .trim()
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
