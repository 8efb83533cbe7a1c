//! What may be written now: the pure state machine of a rollout.
//!
//! ```text
//! before hooks -> wave by wave, each healthy before the next, pauses between -> prune, last wave
//! first -> everything healthy -> after hooks -> done; failure hooks where something failed
//! ```
//!
//! A rollout is all that a change of the desired objects leads to. Nothing waits here: a sync asks
//! what it may do, does that, and ends; an event or a time asks again. What must outlive the process
//! is in the [`Ledger`], which is kept in the Application's status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hooks::HookId;
use crate::outcome::Failure;
use crate::revision::CommitId;

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
}

/// What is remembered of the rollout of an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Which rollout it is: hash of the desired objects and hooks.
    pub identity: String,
    /// The commit with which it began.
    pub commit: CommitId,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it is.
    pub phase: Phase,
    /// The wave that is on its way, in [`Phase::Waves`].
    pub wave: Option<i32>,
    /// How many waves there are.
    pub waves: usize,
    /// Since when the phase, and the wave in it, is what it is.
    pub since: Timestamp,
    /// Hooks that were started.
    pub runs: BTreeMap<HookId, Run>,
    /// When each pause began, by its place in the list.
    pub pauses: BTreeMap<usize, Timestamp>,
    /// Why it failed.
    pub failure: Option<Failure>,
}
