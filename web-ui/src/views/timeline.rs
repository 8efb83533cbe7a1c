//! What happened to an application, and what stands around one sync.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use syncline_core::record::AuditRecord;
use utoipa::ToSchema;

use super::{Commit, HealthChangeView, SyncSummary, Why};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimelineKind {
    /// A sync, however it ended.
    Sync,
    /// A sync that failed.
    Failed,
    /// A call of a person.
    Act,
    /// A change of health.
    Health,
}

/// Something that happened. Ids of all kinds sort by time together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TimelineEntry {
    /// A sync.
    Sync(Box<SyncSummary>),
    /// A call of a person.
    Act(ActView),
    /// A change of health.
    Health(HealthChangeView),
}

impl TimelineEntry {
    /// Its id: sorts by time.
    pub fn id(&self) -> &str {
        match self {
            Self::Sync(sync) => &sync.id,
            Self::Act(act) => &act.id,
            Self::Health(change) => &change.id,
        }
    }
}

/// Somebody asked for something: a sync, a suspension, a rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActView {
    /// Id: sorts by time.
    pub id: String,
    /// When.
    pub time: Timestamp,
    /// Who, as far as that is known.
    #[schema(example = "web UI session 3f2a")]
    pub actor: String,
    /// What was asked for.
    #[schema(example = "suspend")]
    pub action: String,
    /// What was given with it and what it changed. May be empty.
    pub detail: String,
    /// Why it was not done; absent where it was.
    pub failure: Option<Why>,
}

impl From<&AuditRecord> for ActView {
    fn from(record: &AuditRecord) -> Self {
        Self {
            id: record.id.clone(),
            time: record.time,
            actor: record.actor.clone(),
            action: record.action.clone(),
            detail: record.detail.clone(),
            failure: record.failure.as_ref().map(Into::into),
        }
    }
}

/// A part of what happened to an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineList {
    /// The newest first.
    pub items: Vec<TimelineEntry>,
    /// Ask for `before` this id to go on; absent at the end.
    pub next: Option<String>,
}

/// What stands around a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncContext {
    /// The commits after the one that was applied before, up to its own, newest first; empty where
    /// it brought none, or where the repository has them no more.
    pub commits: Vec<Commit>,
    /// Whether there are older ones that are not named.
    pub more: bool,
    /// The sync of the application before it.
    pub older: Option<SyncSummary>,
    /// The sync of the application after it.
    pub newer: Option<SyncSummary>,
    /// The last good sync before it that applied another commit.
    pub good: Option<SyncSummary>,
}
