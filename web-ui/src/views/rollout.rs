//! Where a rollout is: hooks, waves, pauses, and why it stopped.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use syncline_core::hooks::{HookId, Moment};
use syncline_core::rollout::{Ledger, Phase, Run, RunState};
use utoipa::ToSchema;

use super::{Commit, ObjectName, Why};

/// Where a rollout is, in the order in which it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutPhase {
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

impl From<Phase> for RolloutPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Before => Self::Before,
            Phase::Waves => Self::Waves,
            Phase::Prune => Self::Prune,
            Phase::Settle => Self::Settle,
            Phase::After => Self::After,
            Phase::Failing => Self::Failing,
            Phase::Done => Self::Done,
            Phase::Failed => Self::Failed,
        }
    }
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookMoment {
    /// Before the first wave.
    Before,
    /// With a wave.
    During,
    /// After everything is applied and healthy.
    After,
    /// When the rollout failed.
    Failure,
    /// Before the objects of a deleted Application go.
    BeforeDelete,
    /// After they went.
    AfterDelete,
}

impl From<Moment> for HookMoment {
    fn from(moment: Moment) -> Self {
        match moment {
            Moment::Before => Self::Before,
            Moment::During => Self::During,
            Moment::After => Self::After,
            Moment::Failure => Self::Failure,
            Moment::BeforeDelete => Self::BeforeDelete,
            Moment::AfterDelete => Self::AfterDelete,
        }
    }
}

/// How a hook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookState {
    /// Its time has not come.
    Waiting,
    /// It runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It failed, or did not end in time.
    Failed,
}

/// A hook of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookView {
    /// When it runs.
    pub moment: HookMoment,
    /// The object as Git names it.
    pub object: ObjectName,
    /// How it is.
    pub state: HookState,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// What it says of its end. May be empty.
    pub message: String,
}

impl HookView {
    /// A hook that is to run.
    pub fn waiting(id: &HookId) -> Self {
        Self {
            moment: id.moment.into(),
            object: (&id.key).into(),
            state: HookState::Waiting,
            started_at: None,
            finished_at: None,
            message: String::new(),
        }
    }

    /// A hook that was started.
    pub fn started(id: &HookId, run: &Run) -> Self {
        Self {
            state: match run.state {
                RunState::Running => HookState::Running,
                RunState::Succeeded => HookState::Succeeded,
                RunState::Failed => HookState::Failed,
            },
            started_at: Some(run.started_at),
            finished_at: run.finished_at,
            message: run.message.clone(),
            ..Self::waiting(id)
        }
    }
}

/// How a pause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PauseState {
    /// Its wave has not come.
    Waiting,
    /// The rollout stops here now.
    Running,
    /// The rollout went on.
    Over,
}

/// A stop of a rollout after a wave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseView {
    /// The wave after which it stops.
    pub after_wave: i32,
    /// How it is.
    pub state: PauseState,
    /// When it began.
    pub since: Option<Timestamp>,
    /// When it ends by itself; for a condition, when the rollout fails without it.
    pub ends_at: Option<Timestamp>,
    /// How long it is, or how long the condition may take, in seconds.
    pub seconds: Option<u64>,
    /// The object whose condition ends it; absent for a pause that only takes its time.
    pub object: Option<ObjectName>,
    /// The CEL expression that ends it.
    pub condition: Option<String>,
}

/// What a revert would undo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevertView {
    /// The commits, the newest first, as far as they are known.
    pub commits: Vec<Commit>,
    /// A command that reverts them in a clone of the repository; empty where it is not known.
    pub command: String,
}

/// All that a change of the desired objects led to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// The commit with which it began.
    pub commit: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Where it is.
    pub phase: RolloutPhase,
    /// Since when the phase, and the wave in it, is what it is.
    pub since: Timestamp,
    /// The wave that is on its way.
    pub wave: Option<i32>,
    /// Which of the waves that is, from 1, where it is known.
    pub position: Option<u32>,
    /// How many waves there are.
    pub waves: u32,
    /// Its hooks, in the order in which they run.
    pub hooks: Vec<HookView>,
    /// Its pauses, in the order of the waves.
    pub pauses: Vec<PauseView>,
    /// Why it failed; absent where it did not.
    pub failure: Option<Why>,
    /// What a revert would undo, where it failed.
    pub revert: Option<RevertView>,
}

impl RolloutView {
    /// A rollout from what is remembered of it. `planned` are the hooks of the desired state in their
    /// order, `waves` the waves of it in theirs; either may be unknown, and is empty then.
    pub fn new(ledger: &Ledger, planned: &[HookId], waves: &[i32], pauses: Vec<PauseView>) -> Self {
        let position = ledger.wave.and_then(|wave| {
            let at = waves.iter().position(|other| *other == wave)?;
            Some(at as u32 + 1)
        });
        Self {
            commit: ledger.commit.as_str().to_owned(),
            started_at: ledger.started_at,
            phase: ledger.phase.into(),
            since: ledger.since,
            wave: ledger.wave,
            position,
            waves: ledger.waves as u32,
            hooks: hooks(&ledger.runs, planned, ledger.phase),
            pauses,
            failure: ledger.failure.as_ref().map(Why::from),
            revert: None,
        }
    }
}

/// The hooks that were started and those whose time may still come, by moment and order.
fn hooks(runs: &BTreeMap<HookId, Run>, planned: &[HookId], phase: Phase) -> Vec<HookView> {
    let place = |id: &HookId| planned.iter().position(|other| other == id);
    let mut ids: Vec<&HookId> = runs.keys().chain(planned).collect();
    ids.sort_by_key(|id| (id.moment, place(id).unwrap_or(usize::MAX), *id));
    ids.dedup();
    let comes = |id: &HookId| match id.moment {
        Moment::Before | Moment::During | Moment::After => {
            !matches!(phase, Phase::Done | Phase::Failed)
        }
        Moment::Failure => phase == Phase::Failing,
        Moment::BeforeDelete | Moment::AfterDelete => false,
    };
    let views = ids.into_iter().filter_map(|id| match runs.get(id) {
        Some(run) => Some(HookView::started(id, run)),
        None if comes(id) => Some(HookView::waiting(id)),
        None => None,
    });
    views.collect()
}

#[cfg(test)]
mod tests {
    use syncline_core::object::ObjectKey;
    use syncline_core::revision::CommitId;

    use super::*;

    fn id(moment: Moment, name: &str) -> HookId {
        HookId {
            moment,
            key: ObjectKey {
                group: "batch".to_owned(),
                version: "v1".to_owned(),
                kind: "Job".to_owned(),
                namespace: Some("shop".to_owned()),
                name: name.to_owned(),
            },
        }
    }

    fn ledger(phase: Phase, wave: Option<i32>, runs: &[(HookId, RunState)]) -> Ledger {
        let at = Timestamp::from_second(1_000).unwrap();
        let run = |(id, state): &(HookId, RunState)| {
            let run = Run {
                uid: None,
                id: "r".to_owned(),
                state: *state,
                started_at: at,
                finished_at: None,
                message: String::new(),
            };
            (id.clone(), run)
        };
        Ledger {
            first: false,
            identity: "i".to_owned(),
            commit: CommitId::parse(&"a".repeat(40)).unwrap(),
            started_at: at,
            phase,
            wave,
            waves: 3,
            since: at,
            runs: runs.iter().map(run).collect(),
            pauses: BTreeMap::new(),
            failure: None,
        }
    }

    #[test]
    fn hooks_stand_in_the_order_in_which_they_run_and_those_to_come_wait() {
        let (seed, migrate) = (id(Moment::Before, "seed"), id(Moment::Before, "migrate"));
        let (test, alarm) = (id(Moment::After, "test"), id(Moment::Failure, "alarm"));
        let planned = [seed.clone(), migrate.clone(), test, alarm];
        let runs = [(migrate, RunState::Running), (seed, RunState::Succeeded)];
        let view = RolloutView::new(&ledger(Phase::Before, None, &runs), &planned, &[], vec![]);
        let told: Vec<_> = view
            .hooks
            .iter()
            .map(|hook| (&*hook.object.name, hook.state))
            .collect();
        let expected = [
            ("seed", HookState::Succeeded),
            ("migrate", HookState::Running),
            ("test", HookState::Waiting),
        ];
        assert_eq!(
            told, expected,
            "what runs on a failure only is no part of it yet"
        );
    }

    #[test]
    fn a_wave_has_a_place_among_all_where_they_are_known() {
        let ledger = ledger(Phase::Waves, Some(5), &[]);
        assert_eq!(
            RolloutView::new(&ledger, &[], &[-1, 0, 5], vec![]).position,
            Some(3)
        );
        assert_eq!(RolloutView::new(&ledger, &[], &[], vec![]).position, None);
    }
}
