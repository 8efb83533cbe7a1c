//! What the agent knows at the moment: one entry per Repository, Application and ImagePolicy.
//!
//! All of it can be lost: the cluster and Git give it back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use syncline_cluster::kinds::{ApplicationStatus, Condition, ImagePolicyStatus, RepositoryStatus};
use syncline_core::application::{Application, Repository};
use syncline_core::health::{Health, ObjectHealth};
use syncline_core::image::Verdict;
use syncline_core::manifest::ManifestSet;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::plan::Live;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_core::record::{Name, SyncResult, UpdateRecord};
use syncline_core::revision::{CommitId, CommitInfo, Revision};
use tokio::time::Instant;

use crate::conversion::ImageUpdate;

/// What is the case with one of our objects, why, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The row of the table.
    pub(crate) reason: Reason,
    /// What exactly; may be empty.
    pub(crate) detail: String,
    /// Since when this reason holds.
    pub(crate) since: Timestamp,
}

impl Statement {
    /// A new one.
    pub(crate) fn new(reason: Reason, now: Timestamp) -> Self {
        Self {
            reason,
            detail: String::new(),
            since: now,
        }
    }

    /// What the conditions of an earlier run say, so that a restart neither forgets a state nor its
    /// beginning; `fallback` where there is none.
    pub(crate) fn told(conditions: &[Condition], fallback: Reason, now: Timestamp) -> Self {
        let ready = conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let known = ready.and_then(|ready| Some((ready, Reason::from_name(&ready.reason)?)));
        let Some((ready, reason)) = known else {
            return Self::new(fallback, now);
        };
        // The reverse of `advice`.
        let row = reason.row();
        let said = ready
            .message
            .strip_suffix(row.remedy)
            .unwrap_or(&ready.message);
        let said = if row.remedy.is_empty() {
            said
        } else {
            said.trim_end_matches(". ")
        };
        let detail = said
            .strip_prefix(row.sentence)
            .map_or(said, |rest| rest.trim_start_matches(": "));
        Self {
            reason,
            detail: detail.to_owned(),
            since: ready.last_transition_time,
        }
    }

    /// Replaces what is said; the time stays while the reason does.
    pub(crate) fn say(&mut self, reason: Reason, detail: impl Into<String>, now: Timestamp) {
        if self.reason != reason {
            self.since = now;
        }
        self.reason = reason;
        self.detail = detail.into();
    }

    /// What is the case and what to do about it, for a status.
    pub(crate) fn advice(&self) -> String {
        match self.reason.row().remedy {
            "" => self.message(),
            remedy => format!("{}. {remedy}", self.message()),
        }
    }

    /// The sentence of the reason and the detail.
    pub(crate) fn message(&self) -> String {
        match self.detail.as_str() {
            "" => self.reason.row().sentence.to_owned(),
            detail => format!("{}: {detail}", self.reason.row().sentence),
        }
    }
}

/// A commit at the tip of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Branch and commit.
    pub(crate) revision: Revision,
    /// What people want to read of it.
    pub(crate) info: CommitInfo,
}

/// A Repository.
#[derive(Debug)]
pub(crate) struct RepositoryState {
    /// What was asked for, or what is wrong with it.
    pub(crate) spec: Result<Repository, Failure>,
    /// `metadata.generation`.
    pub(crate) generation: Option<i64>,
    /// The commit that a person approved after a rewrite of history.
    pub(crate) approve: Option<String>,
    /// The last value of `syncline.dev/requested-at` that was seen.
    pub(crate) requested_at: Option<String>,
    /// The newest commit that may be applied.
    pub(crate) head: Option<Head>,
    /// The head of an earlier run, from the status.
    pub(crate) recorded: Option<CommitId>,
    /// What is the case.
    pub(crate) statement: Statement,
    /// The status as it was written last.
    pub(crate) status: RepositoryStatus,
    /// When it was looked at last.
    pub(crate) checked_at: Option<Timestamp>,
    /// Failed looks in a row.
    pub(crate) failures: u32,
}

/// What a commit wants of an application: complete, normalised, with owner records.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// What it was rendered for; another spec needs another render.
    pub(crate) application: Application,
    /// What was read of the repository.
    pub(crate) reads: ReadSet,
    /// The objects.
    pub(crate) set: ManifestSet,
    /// The keyed hash of each, as in the annotation `syncline.dev/applied`.
    pub(crate) applied: BTreeMap<ObjectKey, String>,
    /// Images that the workloads run, sorted.
    pub(crate) images: Vec<String>,
}

/// Repairs of one object in a row.
#[derive(Clone, Debug)]
pub(crate) struct Fight {
    /// How many.
    pub(crate) rounds: u32,
    /// When the last one was.
    pub(crate) last: Instant,
}

/// The last sync of an application.
#[derive(Clone, Debug)]
pub(crate) struct LastSync {
    /// Its id in history.
    pub(crate) id: String,
    /// How it ended.
    pub(crate) result: SyncResult,
    /// When.
    pub(crate) finished_at: Option<Timestamp>,
}

/// An Application.
#[derive(Debug)]
pub(crate) struct ApplicationState {
    /// What was asked for, or what is wrong with it.
    pub(crate) spec: Result<Application, Failure>,
    /// `metadata.generation`.
    pub(crate) generation: Option<i64>,
    /// `metadata.uid`.
    pub(crate) uid: String,
    /// `metadata.annotations`.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Whether our finalizer is on it.
    pub(crate) has_finalizer: bool,
    /// When it was asked to be deleted.
    pub(crate) deleting: Option<Timestamp>,
    /// What is the case.
    pub(crate) statement: Statement,
    /// The status as it was written last.
    pub(crate) status: ApplicationStatus,
    /// The commit whose objects were all applied.
    pub(crate) applied: Option<Head>,
    /// The commit of an earlier run that was applied, from the status.
    pub(crate) recorded: Option<CommitId>,
    /// The commit that was tried last.
    pub(crate) attempted: Option<Revision>,
    /// What the last complete render gave, and the commit for which it is known to hold.
    pub(crate) rendered: Option<(CommitId, Arc<Rendered>)>,
    /// What a failed render had read; any change of it is worth another try.
    pub(crate) failed_reads: Option<ReadSet>,
    /// Health of the live objects, as the watches see them.
    pub(crate) observed: BTreeMap<ObjectKey, ObjectHealth>,
    /// Whether a sync runs: what the objects should be like is about to change.
    pub(crate) syncing: bool,
    /// What the watches saw while a sync ran, to be looked at when it ends; `None` for an object
    /// that is gone.
    pub(crate) seen_meanwhile: BTreeMap<ObjectKey, Option<Live>>,
    /// The resource version that our last write of each object answered with: an event that is not
    /// newer is our own.
    pub(crate) written: BTreeMap<ObjectKey, String>,
    /// What the last sync did with each object.
    pub(crate) actions: BTreeMap<ObjectKey, ActionKind>,
    /// The last sync that history has.
    pub(crate) last_sync: Option<LastSync>,
    /// Repairs in a row, by object.
    pub(crate) fights: BTreeMap<ObjectKey, Fight>,
    /// Failed syncs in a row.
    pub(crate) failures: u32,
    /// Since when the workloads are not healthy.
    pub(crate) unhealthy_since: Option<Timestamp>,
    /// Hash of the plan that waits for approval.
    pub(crate) plan_hash: Option<String>,
}

impl ApplicationState {
    /// The items of an annotation that holds a list: the kinds or namespaces of the inventory.
    pub(crate) fn listed(&self, annotation: &str) -> BTreeSet<String> {
        let text = self
            .annotations
            .get(annotation)
            .map(String::as_str)
            .unwrap_or_default();
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    /// The worst health of the objects that Git names.
    pub(crate) fn health(&self) -> (Health, Option<(ObjectKey, String)>) {
        let Some((_, rendered)) = &self.rendered else {
            return (Health::Unknown, None);
        };
        let mut worst: (Health, Option<(ObjectKey, String)>) = (Health::Healthy, None);
        for manifest in &rendered.set {
            let (health, message) = match self.observed.get(&manifest.key) {
                Some(observed) => (observed.health, observed.message.clone()),
                None => (Health::Missing, "it is not in the cluster".to_owned()),
            };
            let combined = Health::worst([worst.0, health]);
            if combined != worst.0 {
                worst = (combined, Some((manifest.key.clone(), message)));
            }
        }
        worst
    }
}

/// An ImagePolicy.
#[derive(Debug)]
pub(crate) struct PolicyState {
    /// What was asked for, or what is wrong with it.
    pub(crate) spec: Result<ImageUpdate, Failure>,
    /// `metadata.generation`.
    pub(crate) generation: Option<i64>,
    /// The last value of `syncline.dev/requested-at` that was seen.
    pub(crate) requested_at: Option<String>,
    /// What is the case.
    pub(crate) statement: Statement,
    /// The status as it was written last.
    pub(crate) status: ImagePolicyStatus,
    /// The tag that Git names.
    pub(crate) current: Option<String>,
    /// The tag that the policy chooses.
    pub(crate) latest: Option<String>,
    /// What was decided about each tag; the first few.
    pub(crate) verdicts: Vec<Verdict>,
    /// When the registry was asked last.
    pub(crate) scanned_at: Option<Timestamp>,
    /// The last commit of this policy.
    pub(crate) last_update: Option<UpdateRecord>,
    /// Failed looks in a row.
    pub(crate) failures: u32,
}

/// All entries.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Repositories.
    pub(crate) repositories: BTreeMap<Name, RepositoryState>,
    /// Applications.
    pub(crate) applications: BTreeMap<Name, ApplicationState>,
    /// Image policies.
    pub(crate) policies: BTreeMap<Name, PolicyState>,
    /// Which application's desired set has an object.
    pub(crate) claims: HashMap<ObjectKey, Name>,
}

impl State {
    /// The applications of a repository.
    pub(crate) fn applications_of(&self, repository: &Name) -> Vec<Name> {
        self.applications
            .iter()
            .filter(|(name, state)| {
                name.namespace == repository.namespace
                    && state
                        .spec
                        .as_ref()
                        .is_ok_and(|spec| spec.repository == repository.name)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// The state behind a lock that is never held across an await.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<State>);

impl Shared {
    /// Locks it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in one sync leaves the entries of the others whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use syncline_cluster::kinds::conditions;

    use super::*;

    #[test]
    fn a_restart_reads_back_what_the_conditions_say() {
        let at = Timestamp::from_second(1000).unwrap();
        for (reason, detail) in [
            (Reason::Synced, ""),
            (Reason::YamlSyntax, "apps/web.yaml:3: a tab"),
            (Reason::PruneHeld, ""),
        ] {
            let mut statement = Statement::new(Reason::Pending, at);
            statement.say(reason, detail, at);
            let told = conditions(&[], None, at, reason, &statement.advice());
            let later = Timestamp::from_second(2000).unwrap();
            assert_eq!(Statement::told(&told, Reason::Pending, later), statement);
        }
    }
}
