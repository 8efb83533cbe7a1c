//! What the API sends: the wire form of applications, syncs, images and repositories.
//!
//! Nothing here holds a value of a Secret. Text that came from outside (commits, objects, errors)
//! is sent as it is: a page shows it as text, never as markup.

mod actions;
mod application;
mod configuration;
mod diff;
mod gate;
mod graph;
mod health;
mod image;
mod list;
mod logs;
mod preview;
mod records;
mod repository;
mod resources;
mod rollout;
mod sync;
mod timeline;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use syncline_core::{object, revision};
use utoipa::ToSchema;

pub use actions::{
    ActionAnswer, AgentAction, AllowedAction, ApplicationAction, ImageAction, RollbackView,
};
pub use application::{
    ApplicationDetail, ApplicationSummary, ApprovalView, Approves, LastSync, ObjectView, Severity,
};
pub use configuration::{
    ConfigurationView, HealthRuleView, IgnoreRuleView, SettingGroup, SettingView,
};
pub use diff::{DiffSide, DiffView, FieldOwnersView, IgnoredFieldsView, ManagerView, ObjectDiff};
pub use gate::{
    DependencyView, FreezeView, GateView, Hold, NeededByView, Readiness, RetryView, WindowRule,
    WindowView, WindowsView, ZonedTime,
};
pub use graph::{DependencyGraph, DrawnApplication, DrawnNeed, GraphPoint};
pub use health::{Health, HealthCause, HealthChangeList, HealthChangeView};
pub use image::{
    HeldTag, ImageDetail, ImageList, ImagePlace, ImagePolicyName, ImageSummary, ImageUpdate,
    ImageUpdateList, ImageUser, PinnedTag, RuleCount, TagAnswer, TagFacts, TagList, TagVerdict,
    Verdict,
};
pub use list::{
    ApplicationList, ApplicationNames, ApplicationRow, ListedCommit, ListedReason, Tally,
};
pub use logs::{LogEntry, LogLine, LogNote};
pub use preview::{PlannedAction, PlannedCounts, PlannedHook, PreviewView};
pub use records::{
    ApplicationName, CallList, CallView, DeliveryCounts, DeliveryList, DeliveryVerdict,
    DeliveryView, DriftList, DriftedObject, DriftedSyncView,
};
pub use repository::{
    About, HistoryView, RepositoryDetail, RepositoryList, RepositoryReader, RepositoryView,
    WebhookState,
};
pub use resources::{
    ConditionView, ContainerState, ContainerView, EventView, EventsView, MissingRight,
    ObjectDetail, PodName, ReadyCount, ResourceNode, ResourcesView, SyncState,
};
pub use rollout::{
    HookMoment, HookState, HookView, PauseState, PauseView, RevertView, RolloutPhase, RolloutView,
};
pub use sync::{
    Action, Cause, ChangeView, Counts, DriftView, OutcomeView, StepView, SyncDetail, SyncList,
    SyncResult, SyncSummary,
};
pub use timeline::{ActView, SyncContext, TimelineEntry, TimelineKind, TimelineList};

/// Why something is in the state that it is in, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Why {
    /// Name of the state or failure, a row of the table of reasons.
    #[schema(example = "Synced")]
    pub reason: String,
    /// What kind of state that is.
    pub class: ReasonClass,
    /// One sentence for everybody.
    pub sentence: String,
    /// What exactly: object, file, line, field. May be empty.
    pub detail: String,
    /// What to do. Empty where there is nothing to do.
    pub remedy: String,
    /// Since when.
    pub since: Option<Timestamp>,
}

impl Why {
    /// The row of a reason, with what exactly and since when.
    pub fn new(reason: Reason, detail: impl Into<String>, since: Option<Timestamp>) -> Self {
        let row = reason.row();
        Self {
            reason: row.name.to_owned(),
            class: row.class.into(),
            sentence: row.sentence.to_owned(),
            detail: detail.into(),
            remedy: row.remedy.to_owned(),
            since,
        }
    }
}

impl From<&Failure> for Why {
    fn from(failure: &Failure) -> Self {
        Self::new(failure.reason, failure.detail.clone(), None)
    }
}

/// What kind of state a reason is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonClass {
    /// All is as it should be.
    Good,
    /// Something is on its way.
    Progress,
    /// A person decided or must decide.
    Hold,
    /// A failure that is likely to pass by itself.
    Transient,
    /// Git or an object of ours is wrong.
    Input,
    /// A right or a credential is missing.
    Denied,
}

impl From<Class> for ReasonClass {
    fn from(class: Class) -> Self {
        match class {
            Class::Good => Self::Good,
            Class::Progress => Self::Progress,
            Class::Hold => Self::Hold,
            Class::Transient => Self::Transient,
            Class::Input => Self::Input,
            Class::Denied => Self::Denied,
        }
    }
}

/// A branch and a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// Branch.
    pub branch: String,
    /// 40 hexadecimal digits.
    pub commit: String,
}

impl From<&revision::Revision> for Revision {
    fn from(revision: &revision::Revision) -> Self {
        Self {
            branch: revision.branch.clone(),
            commit: revision.commit.as_str().to_owned(),
        }
    }
}

/// What people want to read of a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Commit {
    /// 40 hexadecimal digits.
    pub id: String,
    /// First line of the message.
    pub subject: String,
    /// Name of the author.
    pub author: String,
    /// Author's time.
    pub time: Timestamp,
}

impl From<&revision::CommitInfo> for Commit {
    fn from(commit: &revision::CommitInfo) -> Self {
        Self {
            id: commit.id.as_str().to_owned(),
            subject: commit.subject.clone(),
            author: commit.author.clone(),
            time: commit.time,
        }
    }
}

/// A place in the repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Path from the root of the repository.
    pub file: String,
    /// Line, where it is known.
    pub line: Option<u32>,
    /// Number of the YAML document in the file, from 1.
    pub document: u32,
}

impl From<&object::Origin> for Origin {
    fn from(origin: &object::Origin) -> Self {
        Self {
            file: origin.file.clone(),
            line: origin.line.map(|line| line as u32),
            document: origin.document as u32,
        }
    }
}

/// Names an object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectName {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for an object of the cluster's own scope.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
}

impl From<&object::ObjectKey> for ObjectName {
    fn from(key: &object::ObjectKey) -> Self {
        Self {
            group: key.group.clone(),
            kind: key.kind.clone(),
            namespace: key.namespace.clone(),
            name: key.name.clone(),
        }
    }
}
