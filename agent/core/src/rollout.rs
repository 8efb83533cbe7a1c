//! What may be written now: the pure state machine of a rollout.
//!
//! ```text
//! namespaces and CRDs -> before hooks -> wave by wave, each healthy before the next, pauses between
//! -> prune, last wave first -> everything healthy -> after hooks -> done
//! failure hooks -> failed, where a hook, a wave or a pause failed
//! ```
//!
//! A rollout is all that a change of the desired objects leads to. Nothing waits here: a sync asks
//! [`next`] what it may do, does that, asks again, and ends when nothing more can be done; an event
//! or a time asks again. What must outlive the process is in the [`Ledger`], which is kept in the
//! Application's status.
//!
//! An application with one wave and without hooks and pauses has no rollout and no ledger:
//! everything is written at once.

mod awaits;
mod identity;
mod machine;
mod order;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::application::{OnFailure, Pause};
use crate::health::{Health, ObjectHealth};
use crate::hooks::{Hook, HookId};
use crate::object::ObjectKey;
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::revision::CommitId;

pub use awaits::Awaits;
pub use identity::run_id;
pub use machine::next;
pub use order::planned_hooks;

/// Where a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Hooks run before the first wave.
    Before,
    /// Waves are applied.
    Waves,
    /// What left Git is deleted.
    Prune,
    /// Everything is applied and has to become healthy.
    Settle,
    /// Hooks run after all.
    After,
    /// Hooks run because of a failure.
    Failing,
    /// It ended well.
    Done,
    /// It failed.
    Failed,
}

/// How a run of a hook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RunState {
    /// It was started, or is about to be.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed, or did not end in time.
    Failed,
}

/// One run of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What tells it from other runs; on its object as `syncline.dev/hook-run`.
    pub id: String,
    /// How it is.
    pub state: RunState,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it says of its end; empty where there is nothing to say.
    pub message: String,
    /// `metadata.uid` of its object, once it was seen: a run without it may not have begun.
    #[serde(default)]
    pub uid: Option<String>,
}

/// What is remembered of the rollout of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Which rollout it is: hash of the desired objects and hooks.
    pub identity: String,
    /// The commit with which it began.
    pub commit: CommitId,
    /// Whether it is the first one of the application, in which hooks for installations run.
    #[serde(default)]
    pub first: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it is.
    pub phase: Phase,
    /// The wave that is on its way in [`Phase::Waves`]; afterwards the last one that was reached.
    pub wave: Option<i32>,
    /// How many waves there are.
    pub waves: usize,
    /// Since when the phase, and the wave in it, is what it is; for a wave since it was written.
    pub since: Timestamp,
    /// Hooks that were started.
    pub runs: BTreeMap<HookId, Run>,
    /// When each pause began, by its place in the list.
    pub pauses: BTreeMap<usize, Timestamp>,
    /// Why it failed.
    pub failure: Option<Failure>,
}

impl Ledger {
    /// Whether the rollout has not come to its end yet.
    pub fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Done | Phase::Failed)
    }

    /// The run that has not ended, if there is one.
    pub fn running(&self) -> Option<(&HookId, &Run)> {
        let mut runs = self.runs.iter();
        runs.find(|(_, run)| run.state == RunState::Running)
    }
}

/// How a desired object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectState {
    /// Git's content was not written yet.
    Changed,
    /// Git's content was written, and somebody changed the object since.
    Drifted,
    /// It was there once, and is not any more.
    Gone,
    /// It is as Git says.
    Stands(ObjectHealth),
    /// It cannot be written now.
    Failed(Failure),
    /// It cannot be read, or waits for something outside of the rollout.
    Unknown(String),
}

impl ObjectState {
    /// Whether it is as Git says, and does its work or was stopped on purpose.
    pub fn is_good(&self) -> bool {
        matches!(
            self,
            Self::Stands(ObjectHealth {
                health: Health::Healthy | Health::Suspended,
                ..
            })
        )
    }
}

/// A desired object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its wave.
    pub wave: i32,
    /// Its stage, see [`crate::plan::stage`].
    pub stage: u8,
    /// How it is.
    pub state: ObjectState,
}

/// How an object is that left Git and may be pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftState {
    /// It is there.
    There,
    /// It is being deleted.
    Going,
    /// It could not be deleted.
    Failed(Failure),
}

/// An object that left Git and may be pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The wave that it had.
    pub wave: i32,
    /// How it is.
    pub state: LeftState,
}

/// What was found of a run of a hook. A run that nobody looked at is not found and not gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Its object is there.
    Live {
        /// `metadata.uid`.
        uid: String,
        /// How it is: healthy means that it succeeded, degraded that it failed.
        health: ObjectHealth,
    },
    /// Its object is not there.
    Gone,
    /// Its object cannot be created, and trying again does not help.
    Refused(Failure),
}

/// Who asked for the sync.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Asked {
    /// An event, a commit, a time.
    #[default]
    Nobody,
    /// The time of a retry has come.
    Retry,
    /// A person.
    Person,
}

/// What is known of the application from before, where there is no ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Past {
    /// Nothing was applied, and nothing of it is there: it is installed.
    #[default]
    Nothing,
    /// There are objects of it, and nothing is known of when they were applied.
    Unknown,
    /// This very commit was applied.
    Same,
    /// Another commit was applied.
    Other,
}

/// All that the next step depends on.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// Which rollout it would be, from [`crate::hooks::identity`].
    pub identity: &'a str,
    /// The commit that the sync is for.
    pub commit: &'a CommitId,
    /// The desired objects.
    pub objects: &'a BTreeMap<ObjectKey, Object>,
    /// What left Git and may go.
    pub left: &'a BTreeMap<ObjectKey, Left>,
    /// The hooks; those of a deletion count for nothing.
    pub hooks: &'a [Hook],
    /// What was found of each run that has not ended, by its id.
    pub runs: &'a BTreeMap<String, Found>,
    /// Where it stops for a while.
    pub pauses: &'a [Pause],
    /// Whether the condition of a pause holds, by its place in the list; absent where nobody knows.
    pub answers: &'a BTreeMap<usize, Result<bool, Failure>>,
    /// The time.
    pub now: Timestamp,
    /// `spec.sync.timeout`.
    pub timeout: Duration,
    /// What happens when it fails.
    pub on_failure: OnFailure,
    /// Who asked. Only for the first step of a sync: else a failure is tried again at once.
    pub asked: Asked,
    /// What is known from before.
    pub past: Past,
}

/// Which objects may be touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// Each.
    All,
    /// These and no others.
    Only(BTreeSet<ObjectKey>),
}

impl Permitted {
    /// Whether an object is among them.
    pub fn has(&self, key: &ObjectKey) -> bool {
        match self {
            Self::All => true,
            Self::Only(keys) => keys.contains(key),
        }
    }
}

/// What a rollout waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The row of the table.
    pub reason: Reason,
    /// What exactly, a sentence each without a full stop; bounded.
    pub sentences: Vec<String>,
    /// Which events end it.
    pub awaits: Awaits,
    /// When it is to be looked at again at the latest.
    pub until: Option<Timestamp>,
}

/// What may be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// What to remember; before anything else is done. `None` where there is no rollout.
    pub ledger: Option<Ledger>,
    /// What may be created and updated.
    pub writes: Permitted,
    /// What may be pruned.
    pub prunes: Permitted,
    /// The hook that has to be started, and its run; the ledger must be kept first.
    pub start: Option<(HookId, String)>,
    /// The runs that ended in this step, and whether the object of each has to be deleted.
    pub ended: Vec<Ended>,
    /// What it waits for when that is done; `None` at its end.
    pub waits: Option<Waits>,
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The hook.
    pub hook: HookId,
    /// The run as it ended.
    pub run: Run,
    /// What is done with its object.
    pub object: Afterwards,
}

/// What is done with the object of a hook that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Afterwards {
    /// It stays.
    Stays,
    /// It is deleted.
    Goes,
}

#[cfg(test)]
mod tests;
