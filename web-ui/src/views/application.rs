//! An application and its objects.

use jiff::Timestamp;
use serde::Serialize;
use syncline_core::names;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use utoipa::ToSchema;

use super::sync::{Action, SyncResult};
use super::{Commit, ObjectName, Origin, Revision, Why};

/// Health of an object, or the worst of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum Health {
    /// It works.
    Healthy,
    /// It is on its way.
    Progressing,
    /// It does not work.
    Degraded,
    /// It is paused.
    Suspended,
    /// Git names it, and it is not there.
    Missing,
    /// It cannot be read.
    Unknown,
}

/// How much an application needs attention. Lists begin with the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
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
            _ if reason == Reason::Suspended => Self::Suspended,
            (Class::Transient | Class::Input | Class::Denied, _)
            | (_, Health::Degraded | Health::Missing) => Self::Failing,
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
    /// Its state in words.
    pub why: Why,
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

/// All applications.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationList {
    /// The worst first.
    pub items: Vec<ApplicationSummary>,
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
}

impl ApprovalView {
    /// How a plan of an application is approved.
    pub fn new(application: &Name, plan_hash: &str) -> Self {
        let Name { namespace, name } = application;
        let approve = names::ANNOTATION_APPROVE;
        Self {
            plan_hash: plan_hash.to_owned(),
            command: format!(
                "kubectl -n {namespace} annotate applications.syncline.dev {name} --overwrite \
                 {approve}={plan_hash}"
            ),
            trailer: format!("{}: {name}", names::TRAILER_PRUNE),
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
