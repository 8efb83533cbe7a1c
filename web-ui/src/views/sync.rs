//! One attempt on one application: what asked for it, what it did, how long it took.

use jiff::Timestamp;
use serde::Serialize;
use syncline_core::diff::Change;
use syncline_core::masking::Masked;
use syncline_core::outcome::{ActionKind, ObjectOutcome};
use syncline_core::record::{self, Drift, SyncRecord};
use syncline_core::trigger;
use utoipa::ToSchema;

use super::{Commit, ObjectName, Origin, Revision, Why};

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SyncResult {
    /// It has not ended.
    Running,
    /// Everything was done.
    Succeeded,
    /// Something failed.
    Failed,
    /// Something waits for a person; the rest was done.
    Held,
    /// The agent stopped while it ran.
    Interrupted,
    /// It gave way to a newer commit.
    Superseded,
}

impl From<record::SyncResult> for SyncResult {
    fn from(result: record::SyncResult) -> Self {
        match result {
            record::SyncResult::Running => Self::Running,
            record::SyncResult::Succeeded => Self::Succeeded,
            record::SyncResult::Failed => Self::Failed,
            record::SyncResult::Held => Self::Held,
            record::SyncResult::Interrupted => Self::Interrupted,
            record::SyncResult::Superseded => Self::Superseded,
        }
    }
}

/// What asked for a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The agent started.
    StartUp,
    /// Its time has come: a window, a pause, a suspension or a pin.
    Time,
    /// What a rollout waited for.
    Rollout,
    /// A poll of the repository.
    Poll,
    /// A webhook.
    Webhook,
    /// Drift of a live object.
    Drift,
    /// A change of the Application or Repository object.
    Reference,
    /// A commit of the image flow.
    Image,
    /// A newer version of a chart.
    Chart,
    /// The slow check of everything.
    Schedule,
    /// Another application that this one waited for.
    Dependency,
    /// A retry after a failure.
    Retry,
    /// A person.
    User,
}

impl From<trigger::Cause> for Cause {
    fn from(cause: trigger::Cause) -> Self {
        match cause {
            trigger::Cause::StartUp => Self::StartUp,
            trigger::Cause::Time => Self::Time,
            trigger::Cause::Rollout => Self::Rollout,
            trigger::Cause::Poll => Self::Poll,
            trigger::Cause::Webhook => Self::Webhook,
            trigger::Cause::Drift => Self::Drift,
            trigger::Cause::Reference => Self::Reference,
            trigger::Cause::Image => Self::Image,
            trigger::Cause::Chart => Self::Chart,
            trigger::Cause::Schedule => Self::Schedule,
            trigger::Cause::Dependency => Self::Dependency,
            trigger::Cause::Retry => Self::Retry,
            trigger::Cause::User => Self::User,
        }
    }
}

/// What was to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It was not in the cluster.
    Create,
    /// It differed from Git.
    Update,
    /// It left Git.
    Prune,
    /// Nothing.
    Unchanged,
    /// It was left alone for a reason.
    Skip,
}

impl From<ActionKind> for Action {
    fn from(action: ActionKind) -> Self {
        match action {
            ActionKind::Create => Self::Create,
            ActionKind::Update => Self::Update,
            ActionKind::Prune => Self::Prune,
            ActionKind::Unchanged => Self::Unchanged,
            ActionKind::Skip => Self::Skip,
        }
    }
}

/// One line of the history of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncSummary {
    /// Id: sorts by time.
    pub id: String,
    /// Namespace of the application.
    pub namespace: String,
    /// Name of the application.
    pub application: String,
    /// What asked for it.
    pub cause: Cause,
    /// How it ended.
    pub result: SyncResult,
    /// What was to be applied; absent where the source could not be read.
    pub revision: Option<Revision>,
    /// The commit of that revision.
    pub commit: Option<Commit>,
    /// The commit that was applied before.
    pub previous: Option<String>,
    /// When it was asked for.
    pub queued_at: Timestamp,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The first failure.
    pub failure: Option<Why>,
    /// What it did, counted.
    pub counts: Counts,
}

/// Objects by what was done with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Created.
    pub created: u32,
    /// Updated.
    pub updated: u32,
    /// Pruned.
    pub pruned: u32,
    /// Left alone for a reason.
    pub skipped: u32,
    /// Not done, because it failed.
    pub failed: u32,
    /// Needed nothing.
    pub unchanged: u32,
    /// Had been changed by others.
    pub drifted: u32,
}

/// A part of the history of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncList {
    /// The newest first.
    pub items: Vec<SyncSummary>,
    /// Ask for `before` this id to go on; absent at the end.
    pub next: Option<String>,
}

/// The page of one sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncDetail {
    /// The line of the history.
    pub summary: SyncSummary,
    /// Its steps in order.
    pub steps: Vec<StepView>,
    /// One per object that was not left unchanged.
    pub outcomes: Vec<OutcomeView>,
    /// What had been changed by others.
    pub drift: Vec<DriftView>,
}

/// A step of a sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Its name.
    pub name: String,
    /// How long it took, in microseconds.
    pub micros: u64,
}

/// What happened to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeView {
    /// The object.
    pub object: ObjectName,
    /// What was to be done.
    pub action: Action,
    /// Where Git names it; absent for an object that left Git.
    pub origin: Option<Origin>,
    /// Why it failed or was skipped; absent where it was done.
    pub failure: Option<Why>,
    /// What was repaired or taken over, and from whom; of a hook that failed the end of its log, masked,
    /// in several lines. May be empty.
    pub note: String,
    /// What Git changed in it, as far as that is known; in the order of the paths.
    pub changes: Vec<ChangeView>,
}

/// A field that Git changed. Secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    /// Where it is.
    #[schema(example = "spec.template.spec.containers[web].image")]
    pub path: String,
    /// Its value before, as JSON; absent where it was not there.
    #[schema(value_type = Option<String>)]
    pub before: Option<Masked<String>>,
    /// Its value after, as JSON; absent where it is gone.
    #[schema(value_type = Option<String>)]
    pub after: Option<Masked<String>>,
}

/// A live object that differed from Git.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriftView {
    /// The object.
    pub object: String,
    /// The fields; empty for an object that was gone.
    pub fields: Vec<String>,
    /// The client that changed it.
    pub manager: String,
    /// When, where the API server knows.
    pub time: Option<Timestamp>,
}

impl From<&SyncRecord> for SyncSummary {
    fn from(record: &SyncRecord) -> Self {
        Self {
            id: record.id.clone(),
            namespace: record.application.namespace.clone(),
            application: record.application.name.clone(),
            cause: record.cause.into(),
            result: record.result.into(),
            revision: record.revision.as_ref().map(Into::into),
            commit: record.commit.as_ref().map(Into::into),
            previous: record
                .previous
                .as_ref()
                .map(|commit| commit.as_str().to_owned()),
            queued_at: record.queued_at,
            started_at: record.started_at,
            finished_at: record.finished_at,
            failure: record.failure.as_ref().map(Into::into),
            counts: Counts::of(record),
        }
    }
}

impl From<&SyncRecord> for SyncDetail {
    fn from(record: &SyncRecord) -> Self {
        Self {
            summary: record.into(),
            steps: record
                .steps
                .iter()
                .map(|step| StepView {
                    name: step.name.clone(),
                    micros: step.micros,
                })
                .collect(),
            outcomes: record.outcomes.iter().map(Into::into).collect(),
            drift: record.drift.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ObjectOutcome> for OutcomeView {
    fn from(outcome: &ObjectOutcome) -> Self {
        Self {
            object: (&outcome.key).into(),
            action: outcome.action.into(),
            origin: outcome.origin.as_ref().map(Into::into),
            failure: outcome.error.as_ref().map(Into::into),
            note: outcome.note.clone(),
            changes: outcome.changes.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Change> for ChangeView {
    fn from(change: &Change) -> Self {
        Self {
            path: change.path.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
        }
    }
}

impl From<&Drift> for DriftView {
    fn from(drift: &Drift) -> Self {
        Self {
            object: drift.object.clone(),
            fields: drift.fields.clone(),
            manager: drift.manager.clone(),
            time: drift.time,
        }
    }
}

impl Counts {
    /// Counts the outcomes of a sync. An object whose action failed counts as failed only.
    pub fn of(record: &SyncRecord) -> Self {
        let mut counts = Self {
            unchanged: record.unchanged as u32,
            drifted: record.drift.len() as u32,
            ..Self::default()
        };
        for outcome in &record.outcomes {
            let count = match (outcome.action, &outcome.error) {
                (ActionKind::Skip, _) => &mut counts.skipped,
                (_, Some(_)) => &mut counts.failed,
                (ActionKind::Create, None) => &mut counts.created,
                (ActionKind::Update, None) => &mut counts.updated,
                (ActionKind::Prune, None) => &mut counts.pruned,
                (ActionKind::Unchanged, None) => &mut counts.unchanged,
            };
            *count += 1;
        }
        counts
    }
}
