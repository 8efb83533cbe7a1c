//! What history keeps: one record per sync, one per image update and one per change of health.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::health::Health;
use crate::masking::Masked;
use crate::outcome::{Failure, ObjectOutcome};
use crate::revision::{CommitId, CommitInfo, Revision};
use crate::trigger::Cause;

/// Namespace and name of one of our objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Name {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Name {
    /// Namespace first.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncResult {
    /// It runs, or the agent died while it ran and has not started again.
    Running,
    /// Everything was done.
    Succeeded,
    /// Something failed; see `failure` and the outcomes.
    Failed,
    /// Something waits for a person; the rest was done.
    Held,
    /// The agent stopped while it ran.
    Interrupted,
    /// It gave way to a newer commit between two objects.
    Superseded,
}

impl SyncResult {
    /// The word for people and for the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Interrupted => "interrupted",
            Self::Superseded => "superseded",
        }
    }
}

/// A step of a sync and how long it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `fetch`, `read`, `render`, `plan`, `apply`, `prune`.
    pub name: String,
    /// Microseconds.
    pub micros: u64,
}

/// A live object that differed from Git, and who changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The object, as `ObjectKey` prints it.
    pub object: String,
    /// The fields that were lost, as paths; empty for an object that was gone.
    pub fields: Vec<String>,
    /// The client (field manager) that holds them now; `unknown client` where nobody does.
    pub manager: String,
    /// When, as far as the API server knows.
    pub time: Option<Timestamp>,
}

/// One attempt on one application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRecord {
    /// ULID: sorts by time, unique (the key of the row).
    pub id: String,
    /// The Application.
    pub application: Name,
    /// What asked for it.
    pub cause: Cause,
    /// Branch and commit; `None` where the source could not be read.
    pub revision: Option<Revision>,
    /// Subject and author of the commit.
    pub commit: Option<CommitInfo>,
    /// The commit that was applied before.
    pub previous: Option<CommitId>,
    /// When the trigger arrived.
    pub queued_at: Timestamp,
    /// When a worker began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it ended.
    pub result: SyncResult,
    /// The first failure, for a headline.
    pub failure: Option<Failure>,
    /// Steps in order.
    pub steps: Vec<Step>,
    /// One per object that was not left unchanged.
    pub outcomes: Vec<ObjectOutcome>,
    /// How many objects needed nothing.
    pub unchanged: usize,
    /// What had been changed by others.
    pub drift: Vec<Drift>,
}

/// An application came into another health. Changes that follow each other closely are one record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthChange {
    /// ULID: sorts by the time of the first change, unique (the key of the row).
    pub id: String,
    /// The Application.
    pub application: Name,
    /// When the first of the changes came.
    pub began: Timestamp,
    /// When the last of the changes came.
    pub time: Timestamp,
    /// Its health before the first.
    pub from: Health,
    /// Its health after the last.
    pub to: Health,
    /// The object that the last was for, as `ObjectKey` prints it; `None` where it is healthy.
    pub object: Option<String>,
    /// How that object is, in a sentence; may be empty.
    pub message: String,
    /// Branch and commit that were applied.
    pub revision: Option<Revision>,
    /// The sync that the last came with; `None` where it came by itself.
    pub sync: Option<String>,
    /// How many changes it stands for.
    pub changes: u32,
}

impl HealthChange {
    /// Whether the health went to and fro within a short time.
    pub fn is_flapping(&self) -> bool {
        self.changes > 2
    }
}

/// One commit of the image flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRecord {
    /// ULID, also in the commit's `Syncline-Update` trailer.
    pub id: String,
    /// The ImagePolicy.
    pub policy: Name,
    /// The Repository.
    pub repository: String,
    /// The image without tag.
    pub image: String,
    /// The value before.
    pub old: String,
    /// The value after.
    pub new: String,
    /// File and line of each edit, `file:line`.
    pub files: Vec<String>,
    /// The commit.
    pub commit: CommitId,
    /// When it was pushed.
    pub time: Timestamp,
}

/// The desired state of an object as it may be kept and shown: every secret value is masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaskedManifest {
    /// Of `text`. A store keeps each text once.
    pub digest: Digest,
    /// YAML with sorted keys.
    pub text: Masked<std::sync::Arc<str>>,
}

/// One call through the API that changes something, or was to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// ULID: sorts by time, unique (the key of the row).
    pub id: String,
    /// When it came.
    pub time: Timestamp,
    /// Who asked, as far as that is known: `web UI session 3f2a`.
    pub actor: String,
    /// The address that the request came from; `None` where that is not known.
    pub address: Option<String>,
    /// What was asked for: `sync`, `suspend`, ...
    pub action: String,
    /// The kind of what it is about: `Application`, `ImagePolicy`, ...
    pub kind: String,
    /// Which one.
    pub target: Name,
    /// What was given with it and what it changed, in a sentence; masked, may be empty.
    pub detail: String,
    /// How it ended; the failure where it was refused.
    pub failure: Option<Failure>,
}

/// What became of a delivery of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryVerdict {
    /// It led to a look at a Repository.
    Accepted,
    /// It was valid and is about nothing that is followed.
    Ignored,
    /// It came before.
    Duplicate,
    /// Its signature is missing or wrong.
    Rejected,
    /// It could not be read, or was too large or too slow.
    Refused,
}

/// One delivery of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRecord {
    /// ULID: sorts by time, unique (the key of the row).
    pub id: String,
    /// When it came.
    pub time: Timestamp,
    /// Who sends such deliveries: `github`, `gitea`, `forgejo` or `generic`; by its form alone
    /// where it was not believed.
    pub provider: String,
    /// The id that the sender gave it; empty where it gave none or was not believed.
    pub delivery: String,
    /// What happened there: `push`, `ping`, ...; empty where it was not believed.
    pub event: String,
    /// The branch that it is about.
    pub branch: Option<String>,
    /// What became of it.
    pub verdict: DeliveryVerdict,
    /// Why, in a sentence.
    pub reason: String,
    /// The Repositories that were looked at because of it.
    pub repositories: Vec<Name>,
}
