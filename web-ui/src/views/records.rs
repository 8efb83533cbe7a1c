//! Deliveries of webhooks, calls of people, and what others changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use syncline_core::record::{self, AuditRecord, DeliveryRecord, Name};
use utoipa::ToSchema;

use super::{DriftView, ObjectName, SyncResult, Why};

/// Namespace and name of one of our objects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationName {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl From<&Name> for ApplicationName {
    fn from(name: &Name) -> Self {
        Self {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
        }
    }
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// It could not be read, or was too large, too slow or one too many.
    Refused,
}

impl From<record::DeliveryVerdict> for DeliveryVerdict {
    fn from(verdict: record::DeliveryVerdict) -> Self {
        match verdict {
            record::DeliveryVerdict::Accepted => Self::Accepted,
            record::DeliveryVerdict::Ignored => Self::Ignored,
            record::DeliveryVerdict::Duplicate => Self::Duplicate,
            record::DeliveryVerdict::Rejected => Self::Rejected,
            record::DeliveryVerdict::Refused => Self::Refused,
        }
    }
}

impl From<DeliveryVerdict> for record::DeliveryVerdict {
    fn from(verdict: DeliveryVerdict) -> Self {
        match verdict {
            DeliveryVerdict::Accepted => Self::Accepted,
            DeliveryVerdict::Ignored => Self::Ignored,
            DeliveryVerdict::Duplicate => Self::Duplicate,
            DeliveryVerdict::Rejected => Self::Rejected,
            DeliveryVerdict::Refused => Self::Refused,
        }
    }
}

/// A delivery of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryView {
    /// Id: sorts by time.
    pub id: String,
    /// When it came.
    pub time: Timestamp,
    /// Who sends such deliveries.
    #[schema(example = "github")]
    pub provider: String,
    /// The id that the sender gave it; empty where it gave none or was not believed.
    pub delivery: String,
    /// What happened there; empty where it was not believed.
    #[schema(example = "push")]
    pub event: String,
    /// The branch that it is about.
    pub branch: Option<String>,
    /// What became of it.
    pub verdict: DeliveryVerdict,
    /// Why, in a sentence.
    pub reason: String,
    /// The Repositories that it matched.
    pub repositories: Vec<ApplicationName>,
    /// The applications that were synced because of it, as far as that is known.
    pub applications: Vec<ApplicationName>,
}

impl From<&DeliveryRecord> for DeliveryView {
    fn from(record: &DeliveryRecord) -> Self {
        Self {
            id: record.id.clone(),
            time: record.time,
            provider: record.provider.clone(),
            delivery: record.delivery.clone(),
            event: record.event.clone(),
            branch: record.branch.clone(),
            verdict: record.verdict.into(),
            reason: record.reason.clone(),
            repositories: record.repositories.iter().map(Into::into).collect(),
            applications: Vec::new(),
        }
    }
}

/// How many deliveries came since the agent started, also those that are not listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryCounts {
    /// Led to a look.
    pub accepted: u64,
    /// Were about nothing that is followed.
    pub ignored: u64,
    /// Came before.
    pub duplicate: u64,
    /// Had no valid signature.
    pub rejected: u64,
    /// Could not be read, or were too large, too slow or too many.
    pub refused: u64,
}

/// A part of the deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryList {
    /// The newest first.
    pub items: Vec<DeliveryView>,
    /// Ask for `before` this id to go on; absent at the end.
    pub next: Option<String>,
    /// How many came since the agent started.
    pub counts: DeliveryCounts,
    /// For how many Repositories deliveries are taken.
    pub hooks: u32,
}

/// A call that changed something, or was to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallView {
    /// Id: sorts by time.
    pub id: String,
    /// When it came.
    pub time: Timestamp,
    /// Who asked, as far as that is known.
    #[schema(example = "web UI session 3f2a")]
    pub actor: String,
    /// The address that it came from; absent where that is not known.
    pub address: Option<String>,
    /// What was asked for.
    #[schema(example = "suspend")]
    pub action: String,
    /// The kind of what it is about.
    #[schema(example = "Application")]
    pub kind: String,
    /// The namespace of what it is about.
    pub namespace: String,
    /// The name of what it is about; empty for the agent itself.
    pub name: String,
    /// What was given with it and what it changed. May be empty.
    pub detail: String,
    /// Why it was not done; absent where it was.
    pub failure: Option<Why>,
}

impl From<&AuditRecord> for CallView {
    fn from(record: &AuditRecord) -> Self {
        Self {
            id: record.id.clone(),
            time: record.time,
            actor: record.actor.clone(),
            address: record.address.clone(),
            action: record.action.clone(),
            kind: record.kind.clone(),
            namespace: record.target.namespace.clone(),
            name: record.target.name.clone(),
            detail: record.detail.clone(),
            failure: record.failure.as_ref().map(Into::into),
        }
    }
}

/// A part of the calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CallList {
    /// The newest first.
    pub items: Vec<CallView>,
    /// Ask for `before` this id to go on; absent at the end.
    pub next: Option<String>,
}

/// An object that differs from what was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftedObject {
    /// Namespace of the application.
    pub namespace: String,
    /// Name of the application.
    pub application: String,
    /// The object.
    pub object: ObjectName,
    /// Whether it is not there at all.
    pub gone: bool,
    /// The fields, as the last sync found them; empty where none has looked yet.
    pub fields: Vec<String>,
    /// The client (field manager) that changed it; absent where no sync has looked yet.
    pub manager: Option<String>,
    /// When it was changed, where the API server knows.
    pub time: Option<Timestamp>,
    /// The sync that found it.
    pub sync: Option<String>,
    /// Whether the application puts back what others change.
    pub self_heal: bool,
    /// What becomes of it, in a sentence.
    pub next: String,
    /// How often in a row it was put back.
    pub repairs: u32,
}

/// A sync that found something changed by others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftedSyncView {
    /// Its id: sorts by time.
    pub id: String,
    /// Namespace of the application.
    pub namespace: String,
    /// Name of the application.
    pub application: String,
    /// When it began.
    pub time: Timestamp,
    /// How it ended.
    pub result: SyncResult,
    /// What it found.
    pub items: Vec<DriftView>,
}

/// What others changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftList {
    /// What differs now; only in the first part.
    pub now: Vec<DriftedObject>,
    /// Syncs that found something, the newest first.
    pub items: Vec<DriftedSyncView>,
    /// Ask for `before` this id to go on; absent at the end.
    pub next: Option<String>,
}
