//! Between what is remembered of a rollout and the status of its Application.

use std::collections::BTreeMap;

use syncline_cluster::kinds::{HookStatus, PauseStatus, RolloutStatus};
use syncline_core::hooks::{HookId, Moment};
use syncline_core::object::ObjectKey;
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_core::rollout::{Ledger, Phase, Run, RunState};

/// How many characters of a message a status holds.
const MESSAGE: usize = 4096;

const PHASES: [(Phase, &str); 8] = [
    (Phase::Before, "Before"),
    (Phase::Waves, "Waves"),
    (Phase::Prune, "Prune"),
    (Phase::Settle, "Settle"),
    (Phase::After, "After"),
    (Phase::Failing, "Failing"),
    (Phase::Done, "Done"),
    (Phase::Failed, "Failed"),
];

const MOMENTS: [(Moment, &str); 6] = [
    (Moment::Before, "before"),
    (Moment::During, "during"),
    (Moment::After, "after"),
    (Moment::Failure, "failure"),
    (Moment::BeforeDelete, "before-delete"),
    (Moment::AfterDelete, "after-delete"),
];

const RUN_STATES: [(RunState, &str); 3] = [
    (RunState::Running, "Running"),
    (RunState::Succeeded, "Succeeded"),
    (RunState::Failed, "Failed"),
];

fn word<T: PartialEq>(table: &[(T, &'static str)], value: &T) -> String {
    let row = table.iter().find(|(known, _)| known == value);
    row.map_or_else(String::new, |(_, word)| (*word).to_owned())
}

fn value<T: Copy>(table: &[(T, &'static str)], word: &str) -> Option<T> {
    let row = table.iter().find(|(_, known)| *known == word);
    row.map(|(value, _)| *value)
}

/// What a status says of a rollout.
pub(crate) fn rollout(ledger: &Ledger) -> RolloutStatus {
    let bounded = |text: &str| text.chars().take(MESSAGE).collect::<String>();
    let hooks = ledger.runs.iter().map(|(hook, run)| HookStatus {
        moment: word(&MOMENTS, &hook.moment),
        api_version: match hook.key.group.as_str() {
            "" => hook.key.version.clone(),
            group => format!("{group}/{}", hook.key.version),
        },
        kind: hook.key.kind.clone(),
        namespace: hook.key.namespace.clone(),
        name: hook.key.name.clone(),
        run: run.id.clone(),
        state: word(&RUN_STATES, &run.state),
        started_at: run.started_at,
        finished_at: run.finished_at,
        message: Some(bounded(&run.message)).filter(|message| !message.is_empty()),
        uid: run.uid.clone(),
    });
    let pauses = ledger.pauses.iter().map(|(index, since)| PauseStatus {
        index: i64::try_from(*index).unwrap_or(i64::MAX),
        since: *since,
    });
    let failure = ledger.failure.as_ref();
    RolloutStatus {
        identity: ledger.identity.clone(),
        commit: ledger.commit.to_string(),
        first: ledger.first,
        started_at: ledger.started_at,
        phase: word(&PHASES, &ledger.phase),
        wave: ledger.wave,
        waves: i64::try_from(ledger.waves).unwrap_or(i64::MAX),
        since: ledger.since,
        hooks: hooks.collect(),
        pauses: pauses.collect(),
        reason: failure.map(|failure| failure.reason.name().to_owned()),
        message: failure.map(|failure| bounded(&failure.detail)),
    }
}

/// What an earlier run of the agent remembered; `None` where that cannot be read.
pub(crate) fn ledger(status: &RolloutStatus) -> Option<Ledger> {
    let mut runs = BTreeMap::new();
    for hook in &status.hooks {
        let (group, version) = hook
            .api_version
            .split_once('/')
            .unwrap_or(("", &hook.api_version));
        let id = HookId {
            moment: value(&MOMENTS, &hook.moment)?,
            key: ObjectKey {
                group: group.to_owned(),
                version: version.to_owned(),
                kind: hook.kind.clone(),
                namespace: hook.namespace.clone(),
                name: hook.name.clone(),
            },
        };
        let run = Run {
            id: hook.run.clone(),
            state: value(&RUN_STATES, &hook.state)?,
            started_at: hook.started_at,
            finished_at: hook.finished_at,
            message: hook.message.clone().unwrap_or_default(),
            uid: hook.uid.clone(),
        };
        runs.insert(id, run);
    }
    let pauses = status.pauses.iter();
    let pauses = pauses.filter_map(|pause| Some((usize::try_from(pause.index).ok()?, pause.since)));
    let reason = status.reason.as_deref().and_then(Reason::from_name);
    Some(Ledger {
        identity: status.identity.clone(),
        commit: CommitId::parse(&status.commit).ok()?,
        first: status.first,
        started_at: status.started_at,
        phase: value(&PHASES, &status.phase)?,
        wave: status.wave,
        waves: usize::try_from(status.waves).ok()?,
        since: status.since,
        runs,
        pauses: pauses.collect(),
        failure: reason.map(|reason| Failure {
            reason,
            detail: status.message.clone().unwrap_or_default(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_restart_reads_back_what_the_status_says_of_a_rollout() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let key = |group: &str, namespace: Option<&str>| ObjectKey {
            group: group.into(),
            version: "v1".into(),
            kind: "Job".into(),
            namespace: namespace.map(Into::into),
            name: "migrate".into(),
        };
        for (phase, _) in PHASES {
            for (state, _) in RUN_STATES {
                let run = |message: &str, uid: Option<&str>| Run {
                    id: "0123456789abcdef".into(),
                    state,
                    started_at: at(10),
                    finished_at: uid.map(|_| at(11)),
                    message: message.into(),
                    uid: uid.map(Into::into),
                };
                let runs = MOMENTS.iter().map(|(moment, _)| {
                    let namespace = (*moment == Moment::After).then_some("shop");
                    let group = namespace.map_or("", |_| "batch");
                    let id = HookId {
                        moment: *moment,
                        key: key(group, namespace),
                    };
                    (id, run(namespace.unwrap_or_default(), namespace))
                });
                let ledger_before = Ledger {
                    identity: "abc".into(),
                    commit: CommitId::parse(&"c".repeat(40)).unwrap(),
                    first: phase == Phase::Waves,
                    started_at: at(1),
                    phase,
                    wave: (phase == Phase::Waves).then_some(-3),
                    waves: 4,
                    since: at(2),
                    runs: runs.collect(),
                    pauses: [(0, at(3)), (7, at(4))].into(),
                    failure: (phase == Phase::Failed).then(|| Failure {
                        reason: Reason::HookFailed,
                        detail: "why".into(),
                    }),
                };
                assert_eq!(ledger(&rollout(&ledger_before)), Some(ledger_before));
            }
        }
    }
}
