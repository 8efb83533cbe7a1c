//! What can go wrong with a registry.

use std::time::Duration;

use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;

/// Why a registry gave no answer that can be used. Never carries a credential or a token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be made from its settings.
    #[error("the registry client could not be made")]
    Client(#[source] reqwest::Error),
    /// No connection, a broken one, or a deadline that passed.
    #[error("{host}: {detail}")]
    Unavailable {
        /// The host that was asked.
        host: String,
        /// What happened, with its causes.
        detail: String,
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
    /// The registry asked to slow down; it is not asked again before that time.
    #[error("{host} asked to slow down for {} s", retry_after.as_secs())]
    Throttled {
        /// The host.
        host: String,
        /// How long to wait, from now.
        retry_after: Duration,
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
        }
    }

    /// As a failure with its detail.
    pub fn failure(&self) -> Failure {
        Failure {
            reason: self.reason(),
            detail: self.to_string(),
        }
    }

    /// How long the registry asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }

    /// A request that got no answer. The URL is left out: its query is nobody's business.
    pub(crate) fn unavailable(host: &str, error: reqwest::Error) -> Self {
        let error = error.without_url();
        let what = if error.is_timeout() {
            "the deadline passed".to_owned()
        } else {
            error.to_string()
        };
        let mut detail = what;
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !detail.contains(&text) {
                detail.push_str(": ");
                detail.push_str(&text);
            }
            cause = inner.source();
        }
        Self::Unavailable {
            host: host.to_owned(),
            detail,
        }
    }
}
