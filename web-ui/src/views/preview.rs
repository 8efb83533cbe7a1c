//! What a commit would change: the plan that waits for a person, or that of any other reference.

use serde::Serialize;
use syncline_core::plan;
use utoipa::ToSchema;

use super::{Action, ApprovalView, ChangeView, Commit, HookMoment, ObjectName, Origin, Why};

/// What a sync of a commit would do. Nothing of it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviewView {
    /// The commit.
    pub commit: Option<Commit>,
    /// What would be written, counted; what waits for a person counts as written.
    pub counts: PlannedCounts,
    /// Every object that does not simply stand, in the order in which it is dealt with.
    pub actions: Vec<PlannedAction>,
    /// How many objects stand.
    pub standing: u32,
    /// What runs once at a point of the rollout.
    pub hooks: Vec<PlannedHook>,
    /// Why objects that left Git stay until a person approves; absent where nothing is held.
    pub hold: Option<Why>,
    /// How the plan is approved; absent where nobody has to.
    pub approval: Option<ApprovalView>,
    /// Other applications of the repository that the commit touches, as `namespace/name`.
    pub touched: Vec<String>,
    /// What could not be read: about that nothing is known.
    pub unread: Vec<Why>,
    /// What people should know of the files and of the comparison.
    pub warnings: Vec<String>,
}

/// Writes by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCounts {
    /// Objects that are made.
    pub create: u32,
    /// Objects that are changed.
    pub update: u32,
    /// Objects that are deleted.
    pub prune: u32,
    /// Hooks that run.
    pub hooks: u32,
}

/// What would happen to one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedAction {
    /// The object.
    pub object: ObjectName,
    /// What would be done.
    pub action: Action,
    /// Where Git names it; absent for an object that left Git.
    pub origin: Option<Origin>,
    /// Why, where that is not plain: a skip, a hold, drift that is left alone.
    pub why: Option<Why>,
    /// What happens to the ownership of fields, a sentence each.
    pub notes: Vec<String>,
    /// What changes. Values of Secrets are masked.
    pub changes: Vec<ChangeView>,
}

/// A hook that would run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlannedHook {
    /// When.
    pub moment: HookMoment,
    /// Its object.
    pub object: ObjectName,
    /// Where Git names it.
    pub origin: Origin,
}

impl From<plan::Writes> for PlannedCounts {
    fn from(writes: plan::Writes) -> Self {
        Self {
            create: writes.create as u32,
            update: writes.update as u32,
            prune: writes.prune as u32,
            hooks: writes.hooks as u32,
        }
    }
}

impl From<&plan::Action> for PlannedAction {
    fn from(action: &plan::Action) -> Self {
        Self {
            object: (&action.key).into(),
            action: action.kind.into(),
            origin: action.origin.as_ref().map(Into::into),
            why: action.because.as_ref().map(Into::into),
            notes: action.notes.clone(),
            changes: action.changes.iter().map(Into::into).collect(),
        }
    }
}
