//! What can go wrong with a registry.

use std::fmt::Write as _;
use std::time::Duration;

use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;

use crate::hosts::Again;

/// Why a registry gave no answer that can be used. Never carries a credential or a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The client could not be made from its settings.
    #[error("the registry client could not be made: {0}")]
    Client(String),
    /// No connection, a broken one, or a deadline that passed; or the host is left alone after several
    /// of these in a row.
    #[error("{host}: {detail}{}", asked_again(again.as_ref()))]
    Unavailable {
        /// The host that was asked.
        host: String,
        /// What happened, with its causes.
        detail: String,
        /// When it is asked again, where it is left alone.
        again: Option<Again>,
    },
    /// A status that says nothing more precise.
    #[error("{host} answered with HTTP status {status}")]
    Status {
        /// The host that was asked.
        host: String,
        /// The status.
        status: u16,
    },
    /// The credentials, or the lack of them, were refused.
    #[error("{host} refused access to {image}: {detail}")]
    AuthFailed {
        /// The host that refused.
        host: String,
        /// The image.
        image: String,
        /// What was refused.
        detail: String,
    },
    /// A token service that may not get the credentials (B59).
    #[error(
        "{host} names `{realm}` as its token service, which is not given the credentials: {detail}"
    )]
    Realm {
        /// The registry.
        host: String,
        /// The token service.
        realm: String,
        /// Why not.
        detail: String,
    },
    /// The registry has no such repository, or no such tag.
    #[error("{image} does not exist in the registry")]
    NotFound {
        /// The image, with the tag where one was asked for.
        image: String,
    },
    /// The host is not asked again before that time (F13).
    #[error("{host} {why}; it is asked again after {}", again.at)]
    Throttled {
        /// The host.
        host: String,
        /// What for.
        why: Throttle,
        /// When it is asked again.
        again: Again,
    },
    /// The answer is over a limit of the settings.
    #[error("{image}: the answer of the registry is over the limit of {limit} {what}")]
    Limit {
        /// The image.
        image: String,
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The answer is not a whole list; nothing of it is used (F14).
    #[error("{image}: {detail}")]
    Incomplete {
        /// The image.
        image: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// A manifest, or the configuration of an image, that cannot be used (B58).
    #[error("{image}: {detail}")]
    Manifest {
        /// The image with its tag or digest.
        image: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// Why a host is not asked for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Throttle {
    /// It asked to slow down.
    #[error("asked to slow down")]
    Asked,
    /// It said that no request is left.
    #[error("allows no more requests for now")]
    UsedUp,
    /// It allows few more pulls, and they are kept for the nodes of the cluster.
    #[error("allows few more pulls, which are kept for the nodes of the cluster")]
    PullsKept,
    /// More requests wait for it than its pace lets through in time.
    #[error("has more requests waiting than its pace lets through")]
    Pace,
}

impl Error {
    /// Its row in the table of reasons.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Client(_) => Reason::Internal,
            Self::Unavailable { .. } | Self::Status { .. } => Reason::RegistryUnavailable,
            Self::AuthFailed { .. } => Reason::RegistryAuthFailed,
            Self::Realm { .. } => Reason::RegistryRealm,
            Self::NotFound { .. } => Reason::RegistryNotFound,
            Self::Throttled { .. } => Reason::RegistryThrottled,
            Self::Limit { .. } => Reason::RegistryLimit,
            Self::Incomplete { .. } => Reason::RegistryIncomplete,
            Self::Manifest { .. } => Reason::RegistryManifest,
        }
    }

    /// As a failure with its detail.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: self.reason(),
            detail: self.to_string(),
        }
    }

    /// How long the host is left alone, where it is.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { again, .. } => Some(again.after),
            Self::Unavailable { again, .. } => again.as_ref().map(|again| again.after),
            _ => None,
        }
    }

    /// Whether it is about this one tag, so that others of the image may still be read.
    pub(crate) fn is_of_one_tag(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Limit { .. }
            | Self::Incomplete { .. }
            | Self::Manifest { .. } => true,
            Self::Status { status, .. } => *status < 500,
            Self::Client(_)
            | Self::Unavailable { .. }
            | Self::AuthFailed { .. }
            | Self::Realm { .. }
            | Self::Throttled { .. } => false,
        }
    }

    /// A client that cannot be made.
    pub(crate) fn client(error: &reqwest::Error) -> Self {
        Self::Client(with_causes(error))
    }

    /// A request that got no answer. The URL is left out: its query is nobody's business.
    pub(crate) fn unavailable(host: &str, error: reqwest::Error) -> Self {
        Self::Unavailable {
            host: host.to_owned(),
            detail: with_causes(&error.without_url()),
            again: None,
        }
    }
}

fn with_causes(error: &reqwest::Error) -> String {
    let mut detail = if error.is_timeout() {
        "the deadline passed".to_owned()
    } else {
        error.to_string()
    };
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !detail.contains(&text) {
            // Writing to a string does not fail.
            let _ = write!(detail, ": {text}");
        }
        cause = inner.source();
    }
    detail
}

fn asked_again(again: Option<&Again>) -> String {
    again.map_or_else(String::new, |again| {
        format!("; it is asked again after {}", again.at)
    })
}
