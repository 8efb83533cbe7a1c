//! What happened to each object in a sync.

use serde::{Deserialize, Serialize};

use crate::diff::Change;
use crate::object::{ObjectKey, Origin};
use crate::reason::Reason;
use crate::record::MaskedManifest;

/// What the plan wants done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// It is not in the cluster.
    Create,
    /// It differs from Git.
    Update,
    /// It left Git and is deleted.
    Prune,
    /// Nothing to do, nothing was sent.
    Unchanged,
    /// Left alone for a reason.
    Skip,
}

impl ActionKind {
    /// The word for people and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Prune => "prune",
            Self::Unchanged => "unchanged",
            Self::Skip => "skip",
        }
    }
}

/// The outcome of one action on one object. Holds no value of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectOutcome {
    /// The object.
    pub key: ObjectKey,
    /// Where Git names it; `None` for an object that left Git.
    pub origin: Option<Origin>,
    /// What was to be done.
    pub action: ActionKind,
    /// Why it failed or was skipped; `None` where it was done.
    pub error: Option<Failure>,
    /// What was repaired or taken over, and from whom, for people; empty where nothing was.
    pub note: String,
    /// What Git changed in it since it was applied last, as far as that is known; secrets are
    /// masked.
    #[serde(default)]
    pub changes: Vec<Change>,
    /// The object as Git has it now, where it was created or updated or that was tried; `None` for all
    /// others and for hooks.
    #[serde(default)]
    pub manifest: Option<MaskedManifest>,
}

/// A failure that concerns one object, one file or one application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The reason code, a row of the one table.
    pub reason: Reason,
    /// What exactly happened, for people: object, file, line, field. Never a secret.
    pub detail: String,
}
