//! What can go wrong with a chart repository.

use std::time::Duration;

use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;

use crate::error::Error as RegistryError;

/// Why a chart could not be resolved or fetched. Never carries a credential, a token or the query
/// of a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChartError {
    /// The repository is no URL that is asked.
    #[error("chart repository `{repository}`: {detail}")]
    Repository {
        /// The repository, without query and credentials.
        repository: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The name of the chart cannot be a name (B34).
    #[error(
        "`{0}` is not the name of a chart: letters, digits, `-`, `_` and `.`, and neither `.` nor `..`"
    )]
    Name(String),
    /// The version is no range.
    #[error("version `{version}` of chart `{chart}`: {detail}")]
    Version {
        /// The chart.
        chart: String,
        /// The version as written.
        version: String,
        /// What is wrong with it.
        detail: String,
    },
    /// No connection, a broken one, a deadline that passed, a status that says to try later.
    #[error("{what}: {detail}")]
    Unavailable {
        /// What was asked for.
        what: String,
        /// What happened.
        detail: String,
        /// How long the host asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// The credentials, or the lack of them, were refused; or they cannot be used.
    #[error("{what}: {detail}")]
    Denied {
        /// What was asked for.
        what: String,
        /// What was refused.
        detail: String,
    },
    /// A token service on another host, which is not given the credentials (B59).
    #[error("{0}")]
    Realm(String),
    /// The place has no such thing.
    #[error("{what} does not exist there")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The place has the chart, and no version of it fits.
    #[error("{what} has no version in `{range}`; {near}")]
    NoVersion {
        /// The chart and its place.
        what: String,
        /// The range.
        range: String,
        /// At most five versions that exist, as half a sentence.
        near: String,
    },
    /// The index of the repository cannot be used (B48).
    #[error("the index of `{repository}`: {detail}")]
    Index {
        /// The repository.
        repository: String,
        /// What is wrong with it.
        detail: String,
    },
    /// What the registry has is not a Helm chart (B58).
    #[error("{what}: {detail}")]
    Manifest {
        /// The chart and its place.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The bytes are not those that the digest names (B38).
    #[error("{what}: the digest is {found}, and {expected} is expected")]
    Digest {
        /// The chart and its place.
        what: String,
        /// The digest that is expected, or what is there in its place.
        expected: String,
        /// The digest of what came.
        found: String,
    },
    /// The archive is over the limit of the settings.
    #[error("{what} is over the limit of {limit} bytes")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// The limit.
        limit: usize,
    },
    /// The list of tags is over a limit of the settings.
    #[error("{0}")]
    Limit(String),
    /// The client itself failed.
    #[error("the chart client failed: {0}")]
    Internal(String),
}

impl ChartError {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Repository { .. } => Reason::InvalidSpec,
            Self::Name(_) => Reason::ChartName,
            Self::Version { .. } => Reason::ChartVersion,
            Self::Unavailable { .. } => Reason::ChartUnavailable,
            Self::Denied { .. } => Reason::ChartAuthFailed,
            Self::Realm(_) => Reason::RegistryRealm,
            Self::NotFound { .. } | Self::NoVersion { .. } => Reason::ChartNotFound,
            Self::Index { .. } => Reason::ChartIndex,
            Self::Manifest { .. } => Reason::ChartManifest,
            Self::Digest { .. } => Reason::ChartDigest,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::Limit(_) => Reason::RegistryLimit,
            Self::Internal(_) => Reason::Internal,
        }
    }

    /// As a failure with its detail.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: self.reason(),
            detail: self.to_string(),
        }
    }

    /// How long the host asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// What an answer of a registry, or of a host that is spoken to like one, means for a chart.
    pub(super) fn from_host(what: &str, error: RegistryError) -> Self {
        let what = what.to_owned();
        let retry_after = error.retry_after();
        match error {
            RegistryError::Client(error) => Self::Denied {
                what,
                detail: format!("its TLS settings cannot be used: {error}"),
            },
            RegistryError::AuthFailed { host, detail, .. } => Self::Denied {
                what,
                detail: format!("{host} refused access: {detail}"),
            },
            RegistryError::NotFound { .. } => Self::NotFound { what },
            RegistryError::Manifest { detail, .. } => Self::Manifest { what, detail },
            RegistryError::Incomplete { detail, .. } => Self::Unavailable {
                what,
                detail,
                retry_after,
            },
            error @ RegistryError::Realm { .. } => Self::Realm(error.to_string()),
            error @ RegistryError::Limit { .. } => Self::Limit(error.to_string()),
            error @ (RegistryError::Unavailable { .. }
            | RegistryError::Status { .. }
            | RegistryError::Throttled { .. }) => Self::Unavailable {
                what,
                detail: error.to_string(),
                retry_after,
            },
        }
    }
}
