//! What can go wrong with the API server, sorted into the reasons that decide on a retry.
//!
//! The API server's own words are kept, but never for a Secret: there only the class and the names
//! of fields remain, because some answers print the value that they refuse.

use std::time::Duration;

use kube::core::Status;
use syncline_core::reason::Reason;

use crate::connect::TimedOut;

/// A call to the cluster that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig or the pod's environment cannot be used.
    #[error("cluster configuration: {0}")]
    Configuration(String),
    /// The service account does not exist any more, or was replaced by another of the same name.
    #[error("service account `{namespace}/{name}` does not exist")]
    AccountMissing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The cluster does not serve the kind.
    #[error("the cluster does not know the kind `{kind}` in `{api_version}`")]
    UnknownKind {
        /// `group/version`.
        api_version: String,
        /// The kind.
        kind: String,
    },
    /// The part of the API that would know the kind cannot be read now, so nothing follows.
    #[error("the API group `{group}` cannot be read at the moment")]
    DiscoveryIncomplete {
        /// The group.
        group: String,
    },
    /// The kind cannot be applied.
    #[error("the kind `{kind}` in `{api_version}` does not support server-side apply")]
    NoApply {
        /// `group/version`.
        api_version: String,
        /// The kind.
        kind: String,
    },
    /// The identity of the object does not fit the scope of its kind, or the object is not one.
    #[error("{0}")]
    Malformed(String),
    /// A Secret or ConfigMap that is named may not be read.
    #[error(
        "{kind} `{namespace}/{name}` cannot be read: the service account `{account}` may not `get` it"
    )]
    Unreadable {
        /// Its kind.
        kind: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Who may not read it.
        account: String,
    },
    /// The API server answered with an error.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The API server did not answer in time.
    #[error("no answer from the API server within {0:?}")]
    Timeout(Duration),
    /// No connection.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    /// The answer is not what the API promises.
    #[error("the answer of the API server cannot be read: {0}")]
    Answer(String),
    /// No random numbers for a new installation.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
}

/// An error answer of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub code: u16,
    /// The API server's reason, for example `Invalid`.
    pub word: String,
    /// The API server's message; empty for a Secret where it could hold a value.
    pub message: String,
    /// The fields that it names.
    pub fields: Vec<FieldCause>,
    /// The row of our table.
    pub reason: Reason,
    /// When the API server wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// One field that the API server complained about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldCause {
    /// Path of the field.
    pub field: String,
    /// What is wrong with it; empty for a Secret.
    pub message: String,
    /// The API server's word for the cause, for example `FieldManagerConflict`.
    pub word: String,
}

impl FieldCause {
    /// The field manager that holds the field, where the cause is a conflict with one.
    pub fn manager(&self) -> Option<&str> {
        let conflict = self.word == FIELD_MANAGER_CONFLICT;
        let quoted = self.message.split('"').nth(1);
        quoted.filter(|_| conflict)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.message.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{} (HTTP {})", self.reason.row().sentence, self.code)?;
        let fields: Vec<_> = self
            .fields
            .iter()
            .map(|cause| cause.field.as_str())
            .collect();
        if fields.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", fields.join(", "))
        }
    }
}

impl Error {
    /// The row of the table of reasons.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Configuration(_)
            | Self::DiscoveryIncomplete { .. }
            | Self::Timeout(_)
            | Self::Unreachable(_)
            | Self::Answer(_) => Reason::ApiUnavailable,
            Self::AccountMissing { .. } => Reason::AccountMissing,
            Self::UnknownKind { .. } => Reason::UnknownKind,
            Self::NoApply { .. } => Reason::NoApply,
            Self::Malformed(_) => Reason::InvalidObject,
            Self::Unreadable { .. } => Reason::SecretMissing,
            Self::Refused(refusal) => refusal.reason,
            Self::Random(_) => Reason::Internal,
        }
    }

    /// When the API server wants to be asked again, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            _ => None,
        }
    }

    /// HTTP status of an error answer.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    /// Whether it says no more than that some of these managers hold fields that were to be applied.
    /// What a manager wrote through a subresource does not count as theirs.
    pub fn is_conflict_only_with(&self, managers: &[String]) -> bool {
        let Self::Refused(refusal) = self else {
            return false;
        };
        let theirs = |cause: &FieldCause| {
            let manager = cause.manager();
            let known = manager.is_some_and(|name| managers.iter().any(|other| other == name));
            known && !cause.message.contains("subresource")
        };
        refusal.reason == Reason::FieldConflict && refusal.fields.iter().all(theirs)
    }

    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal)
            if refusal.code == 404 && refusal.reason != Reason::UnknownKind)
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        if let Some(timeout) = timed_out(&error) {
            return Self::Timeout(timeout);
        }
        match error {
            kube::Error::Api(status) => Self::Refused(Box::new(classify(&status))),
            kube::Error::SerdeError(error) => {
                // The text of the error may quote the answer, which may hold a Secret.
                Self::Answer(format!(
                    "{:?} error at column {}",
                    error.classify(),
                    error.column()
                ))
            }
            kube::Error::BuildRequest(error) => Self::Malformed(error.to_string()),
            kube::Error::Auth(error) => Self::Configuration(error.to_string()),
            error => Self::Unreachable(chain(&error)),
        }
    }
}

impl From<kube::runtime::watcher::Error> for Error {
    fn from(error: kube::runtime::watcher::Error) -> Self {
        use kube::runtime::watcher::Error as Watch;
        match error {
            Watch::InitialListFailed(error)
            | Watch::WatchStartFailed(error)
            | Watch::WatchFailed(error) => error.into(),
            Watch::WatchError(status) => Self::Refused(Box::new(classify(&status))),
            Watch::NoResourceVersion => Self::Answer("no resource version".to_owned()),
        }
    }
}

/// The deadline that passed, where one did.
fn timed_out(error: &(dyn std::error::Error + 'static)) -> Option<Duration> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(TimedOut(timeout)) = error.downcast_ref() {
            return Some(*timeout);
        }
        next = error.source();
    }
    None
}

/// The error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Sorts an error answer into the table of reasons.
pub(crate) fn classify(status: &Status) -> Refusal {
    let details = status.details.as_ref();
    let causes = details
        .map(|details| details.causes.as_slice())
        .unwrap_or_default();
    let seconds = details.map_or(0, |details| details.retry_after_seconds);
    Refusal {
        code: status.code,
        word: status.reason.clone(),
        message: if status.message.contains(NO_SPACE) {
            format!(
                "the database of the API server (etcd) is full: {}",
                status.message
            )
        } else {
            status.message.clone()
        },
        fields: causes
            .iter()
            .map(|cause| FieldCause {
                field: cause.field.clone(),
                message: cause.message.clone(),
                word: cause.reason.clone(),
            })
            .collect(),
        reason: reason_of(status),
        retry_after: (seconds > 0).then(|| Duration::from_secs(u64::from(seconds))),
    }
}

/// Words of the API server that say that an object is over a limit of its size.
const TOO_LARGE: [&str; 5] = [
    "etcdserver: request is too large",
    "Request entity too large",
    "must have at most 1048576 bytes",
    "may not be more than 1048576 bytes",
    "Too long: may not be more than 262144 bytes",
];
/// Words of the API server for a patch that does not fit the schema; its code is then 500 (M5).
const NOT_IN_SCHEMA: [&str; 4] = [
    "failed to create typed patch object",
    "unable to convert",
    "field not declared in schema",
    "failed to convert new object",
];
/// Words of the API server for a field that cannot be changed.
const IMMUTABLE: [&str; 6] = [
    "field is immutable",
    "updates to statefulset spec for fields other than",
    "is immutable after creation",
    "may not be changed",
    "may not change once set",
    "cannot be changed",
];
/// Words of admission plugins.
const ADMISSION: [&str; 5] = [
    "denied the request",
    "denied request",
    "violates PodSecurity",
    "exceeded quota",
    "forbidden: maximum",
];
/// A database that is over its quota takes no write until somebody makes room (F22).
const NO_SPACE: &str = "database space exceeded";
/// A webhook that could not be asked; when it can, the object may be taken (F23).
const WEBHOOK_AWAY: &str = "failed calling webhook";
/// The API server's word for a field that another manager holds.
const FIELD_MANAGER_CONFLICT: &str = "FieldManagerConflict";
const TERMINATING: &str = "because it is being terminated";

fn reason_of(status: &Status) -> Reason {
    let message = status.message.as_str();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let details = status.details.as_ref();
    let causes = details
        .map(|details| details.causes.as_slice())
        .unwrap_or_default();
    // The text of a denial is the policy's own and may say anything else as well.
    if says(&ADMISSION) && !says(&[WEBHOOK_AWAY]) {
        return Reason::AdmissionDenied;
    }
    if says(&[WEBHOOK_AWAY, NO_SPACE]) {
        return Reason::ApiUnavailable;
    }
    if says(&TOO_LARGE) {
        return Reason::ObjectTooLarge;
    }
    match status.code {
        401 => Reason::Denied,
        403 if says(&[TERMINATING])
            || causes.iter().any(|c| c.reason == "NamespaceTerminating") =>
        {
            Reason::NamespaceTerminating
        }
        403 if says(&["cannot ", "attempting to grant RBAC permissions"]) => Reason::Denied,
        403 => Reason::AdmissionDenied,
        404 if details.is_some_and(|d| d.kind == "namespaces") => Reason::NamespaceMissing,
        404 if details.is_none_or(|d| d.name.is_empty()) => Reason::UnknownKind,
        404 => Reason::Missing,
        405 | 415 => Reason::NoApply,
        409 if causes.iter().any(|c| c.reason == FIELD_MANAGER_CONFLICT) => Reason::FieldConflict,
        409 => Reason::Conflict,
        413 => Reason::ObjectTooLarge,
        422 if says(&IMMUTABLE) => Reason::ImmutableField,
        400 | 422 => Reason::InvalidObject,
        500 if says(&NOT_IN_SCHEMA) => Reason::InvalidObject,
        _ => Reason::ApiUnavailable,
    }
}

/// Takes out of an error answer about a Secret everything that could be a value (M5).
///
/// What decides on the class stays, and the names of fields.
pub(crate) fn redact(status: &mut Status) {
    let message = std::mem::take(&mut status.message);
    // Neither a missing object, nor a conflict, nor a missing right quotes a value (M6).
    let harmless = matches!(status.code, 401 | 404 | 409 | 429)
        || (status.code == 403 && message.contains("User \"") && message.contains("\" cannot "));
    if harmless {
        status.message = message;
        return;
    }
    let known = TOO_LARGE
        .iter()
        .chain(&NOT_IN_SCHEMA)
        .chain(&IMMUTABLE)
        .chain(&ADMISSION);
    let kept: Vec<_> = known
        .chain([&TERMINATING, &NO_SPACE, &WEBHOOK_AWAY])
        .filter(|word| message.contains(**word))
        .copied()
        .collect();
    if let Some(details) = status.details.as_mut() {
        for cause in &mut details.causes {
            cause.message.clear();
        }
    }
    if kept.is_empty() {
        return;
    }
    status.message = format!(
        "{} (the rest of the answer is not shown: it is about a Secret)",
        kept.join(", ")
    );
}

#[cfg(test)]
mod tests;
