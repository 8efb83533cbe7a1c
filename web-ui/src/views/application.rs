//! An application and its objects.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use syncline_core::names;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use utoipa::ToSchema;

use super::sync::{Action, SyncResult};
use super::{
    AllowedAction, Commit, DependencyView, GateView, Health, HealthCause, Hold, ImagePolicyName,
    NeededByView, ObjectName, Origin, RetryView, Revision, RolloutView, Why, WindowsView,
};

/// How much an application needs attention. Lists begin with the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Something failed or does not work.
    Failing,
    /// Waits for a person.
    Waiting,
    /// Something is on its way.
    Progressing,
    /// A person paused it.
    Suspended,
    /// All is well.
    Healthy,
}

impl Severity {
    /// The severity of a state and a health.
    pub fn of(reason: Reason, health: Health) -> Self {
        match (reason.class(), health) {
            _ if reason == Reason::Suspended || reason == Reason::Frozen => Self::Suspended,
            // These hold a sync until a person acts, because something is broken.
            _ if matches!(
                reason,
                Reason::RolloutFailed | Reason::HookFailed | Reason::RetriesExhausted
            ) =>
            {
                Self::Failing
            }
            (Class::Transient | Class::Input | Class::Denied, _)
            | (_, Health::Degraded | Health::Missing) => Self::Failing,
            // A person decided that already, and nobody has to act.
            _ if reason == Reason::Pinned => Self::Suspended,
            _ if reason == Reason::WindowClosed => Self::Progressing,
            (Class::Hold, _) => Self::Waiting,
            (Class::Progress, _) | (_, Health::Progressing | Health::Unknown) => Self::Progressing,
            (Class::Good, Health::Healthy | Health::Suspended) => Self::Healthy,
        }
    }
}

/// One line of the list of applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSummary {
    /// Namespace of the Application object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Name of its Repository, in the same namespace.
    pub repository: String,
    /// Path in the repository.
    pub path: String,
    /// Namespace that its objects go to.
    pub destination: String,
    /// How much it needs attention; [`Severity::of`] says.
    pub severity: Severity,
    /// The worst health of its objects.
    pub health: Health,
    /// Since when the health is what it is, where that is known.
    pub health_since: Option<Timestamp>,
    /// Its state in words.
    pub why: Why,
    /// What keeps it from its newest commit, the strongest first.
    pub holds: Vec<Hold>,
    /// What is waited for, for people: objects, applications, hooks, a time.
    pub waiting_for: Vec<String>,
    /// When it is tried again, or looked at again, by itself.
    pub next_try: Option<Timestamp>,
    /// What was applied last.
    pub revision: Option<Revision>,
    /// The commit of that revision.
    pub commit: Option<Commit>,
    /// How the last sync went.
    pub last_sync: Option<LastSync>,
    /// How many objects it has.
    pub objects: u32,
    /// The images that its workloads run.
    pub images: Vec<String>,
}

/// How the last sync of an application went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastSync {
    /// Id of the sync.
    pub id: String,
    /// How it ended.
    pub result: SyncResult,
    /// When; absent while it runs.
    pub finished_at: Option<Timestamp>,
}

/// The page of one application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationDetail {
    /// The line of the list.
    pub summary: ApplicationSummary,
    /// The newest commit of the repository: the application is as that commit says unless a sync
    /// waits or runs.
    pub head: Option<Revision>,
    /// Whether a new commit is applied without asking.
    pub automatic: bool,
    /// Whether drift is put right without asking.
    pub self_heal: bool,
    /// The service account that its objects are written as.
    pub service_account: String,
    /// How the plan that waits for a person is approved; absent where none waits.
    pub approval: Option<ApprovalView>,
    /// Kinds that are not watched, so that their drift is found by the slow check only.
    pub checked_slowly: Vec<String>,
    /// What the chart says to its user (`NOTES.txt`), without secrets that went into it; empty for
    /// nothing, or where the agent has not rendered it since it started.
    pub notes: String,
    /// What its health is from.
    pub health_cause: HealthCause,
    /// The rollout of the last change, while it runs and after it.
    pub rollout: Option<RolloutView>,
    /// What keeps it from its newest commit, the strongest first.
    pub gates: Vec<GateView>,
    /// When newer commits may be applied; absent where that is at any time.
    pub windows: Option<WindowsView>,
    /// What it depends on: what it names itself first, then what that depends on.
    pub depends_on: Vec<DependencyView>,
    /// The applications that depend on it.
    pub needed_by: Vec<NeededByView>,
    /// How a failed sync is tried again.
    pub retry: RetryView,
    /// The image policies that speak for images that it runs.
    pub policies: Vec<ImagePolicyName>,
    /// What may be asked for now, and why not what may not be.
    pub allowed_actions: Vec<AllowedAction>,
    /// The Application that applies this one from Git, as `namespace/name`: what is changed here it may
    /// put back.
    pub kept_by: Option<String>,
    /// Its objects.
    pub objects: Vec<ObjectView>,
}

/// A plan that waits for a person, and the two ways to approve it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalView {
    /// Names the plan: one that changes has another hash.
    pub plan_hash: String,
    /// A shell command that approves this plan and no other.
    pub command: String,
    /// The last line of the message of a commit that approves it.
    pub trailer: String,
    /// Objects that wait: `Deployment.apps shop/web: why`, as far as that is known.
    pub held: Vec<String>,
}

/// What the approval of a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Approves {
    /// Only what it deletes or replaces waits.
    Prune,
    /// All that it changes waits.
    Changes,
}

impl ApprovalView {
    /// How a plan of an application is approved.
    pub fn new(application: &Name, plan_hash: &str, what: Approves) -> Self {
        let Name { namespace, name } = application;
        let approve = names::ANNOTATION_APPROVE;
        let trailer = match what {
            Approves::Prune => names::TRAILER_PRUNE,
            Approves::Changes => names::TRAILER_APPROVE,
        };
        Self {
            plan_hash: plan_hash.to_owned(),
            command: format!(
                "kubectl -n {namespace} annotate applications.syncline.dev {name} --overwrite \
                 {approve}={plan_hash}"
            ),
            trailer: format!("{trailer}: {name}"),
            held: Vec::new(),
        }
    }
}

/// An object of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectView {
    /// The object.
    pub object: ObjectName,
    /// Its health.
    pub health: Health,
    /// What its health says, for people. May be empty.
    pub health_message: String,
    /// Where Git names it.
    pub origin: Option<Origin>,
    /// What the last sync that touched it did.
    pub last_action: Option<Action>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_comes_before_what_waits_and_what_is_well() {
        let cases = [
            (Reason::Synced, Health::Degraded, Severity::Failing),
            (Reason::YamlSyntax, Health::Healthy, Severity::Failing),
            (Reason::Denied, Health::Healthy, Severity::Failing),
            (Reason::PruneHeld, Health::Missing, Severity::Failing),
            (Reason::PruneHeld, Health::Healthy, Severity::Waiting),
            (Reason::Synced, Health::Progressing, Severity::Progressing),
            (Reason::Syncing, Health::Healthy, Severity::Progressing),
            (Reason::Synced, Health::Unknown, Severity::Progressing),
            (Reason::Suspended, Health::Healthy, Severity::Suspended),
            (Reason::Frozen, Health::Healthy, Severity::Suspended),
            (Reason::Pinned, Health::Healthy, Severity::Suspended),
            (Reason::Pinned, Health::Degraded, Severity::Failing),
            (Reason::WindowClosed, Health::Healthy, Severity::Progressing),
            (Reason::HookFailed, Health::Healthy, Severity::Failing),
            (Reason::RolloutFailed, Health::Healthy, Severity::Failing),
            (Reason::Synced, Health::Healthy, Severity::Healthy),
            (Reason::Synced, Health::Suspended, Severity::Healthy),
        ];
        for (reason, health, severity) in cases {
            assert_eq!(
                Severity::of(reason, health),
                severity,
                "{reason} {health:?}"
            );
        }
        assert!(Severity::Failing < Severity::Waiting && Severity::Waiting < Severity::Healthy);
    }
}
