//! The steps of a rollout.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::order;
use super::words;
use super::{
    Afterwards, Asked, Awaits, Ended, Found, Inputs, Ledger, LeftState, Next, ObjectState, Past,
    Permitted, Phase, Run, RunState, Waits, run_id,
};
use crate::application::{OnFailure, Until};
use crate::health::Health;
use crate::hooks::{Hook, HookId, Moment, Occasion, turn};
use crate::outcome::Failure;
use crate::reason::Reason;

/// Where the machine stops for now.
enum Stop {
    /// An event, a time or a retry goes on.
    Wait(Box<Waits>),
    /// Something failed for good.
    Fail(Failure),
}

/// What may be done now. Pure and total: the same inputs give the same answer.
pub fn next(ledger: Option<&Ledger>, inputs: &Inputs<'_>) -> Next {
    let mut machine = Machine {
        inputs,
        next: Next {
            ledger: None,
            writes: Permitted::All,
            prunes: Permitted::All,
            start: None,
            ended: Vec::new(),
            waits: None,
        },
    };
    let Some(ledger) = machine.enter(ledger.cloned()) else {
        return machine.next;
    };
    machine.advance(ledger)
}

struct Machine<'a> {
    inputs: &'a Inputs<'a>,
    next: Next,
}

impl Machine<'_> {
    /// The ledger to go on with; `None` where there is no rollout, or an older one has to end first.
    fn enter(&mut self, ledger: Option<Ledger>) -> Option<Ledger> {
        let inputs = self.inputs;
        let Some(mut ledger) = ledger else {
            if !order::is_staged(inputs) {
                return None;
            }
            let mut new = self.begin(None);
            if self.stood_before() {
                new.phase = Phase::Done;
                new.wave = order::waves(inputs).last().copied();
            }
            return Some(new);
        };
        self.conclude(&mut ledger);
        if ledger.identity == inputs.identity {
            let again = match inputs.asked {
                Asked::Nobody => false,
                Asked::Retry => inputs.on_failure == OnFailure::Retry,
                Asked::Person => true,
            };
            if again && ledger.phase == Phase::Failed {
                self.again(&mut ledger);
            }
            return Some(ledger);
        }
        if let Some((hook, run)) = ledger.running() {
            self.next.waits = Some(self.wait_for_hook(hook, run));
            self.next.writes = Permitted::Only(order::drifted(inputs));
            self.next.prunes = Permitted::Only(BTreeSet::new());
            self.next.ledger = Some(ledger);
            return None;
        }
        order::is_staged(inputs).then(|| self.begin(Some(&ledger)))
    }

    /// The ledger of a rollout that begins.
    fn begin(&self, old: Option<&Ledger>) -> Ledger {
        let inputs = self.inputs;
        let first = match old {
            Some(old) => old.first && old.phase != Phase::Done,
            None => inputs.past == Past::Nothing,
        };
        let mut new = Ledger {
            identity: inputs.identity.to_owned(),
            commit: inputs.commit.clone(),
            first,
            started_at: inputs.now,
            phase: Phase::Before,
            wave: None,
            waves: order::waves(inputs).len(),
            since: inputs.now,
            runs: std::collections::BTreeMap::new(),
            pauses: std::collections::BTreeMap::new(),
            failure: None,
        };
        // A hook that came to its end while the newer commit waited for it counts for that as well,
        // where the commit left it as it is and nothing was written in between.
        if let Some(old) = old.filter(|old| old.phase == Phase::Before) {
            for hook in inputs.hooks {
                let id = hook.id();
                let run = old.runs.get(&id);
                let run = run.filter(|run| {
                    let same = run_id(old, hook, None) == run.id;
                    same && run.state == RunState::Succeeded
                });
                if let Some(run) = run {
                    new.runs.insert(id, run.clone());
                }
            }
        }
        new
    }

    /// Without a ledger: whether all that Git names stands already, so that nothing begins. A hook
    /// that may have run is not run once more for that.
    fn stood_before(&self) -> bool {
        let inputs = self.inputs;
        let changed = inputs.objects.values().any(|object| {
            matches!(
                object.state,
                ObjectState::Changed | ObjectState::Failed(_) | ObjectState::Unknown(_)
            )
        });
        let hooks = inputs.hooks.iter().any(order::is_of_rollouts);
        let quiet = match inputs.past {
            Past::Nothing => false,
            Past::Unknown | Past::Same => true,
            Past::Other => !hooks,
        };
        quiet && !changed && inputs.left.is_empty()
    }

    /// A failed rollout is tried again: what succeeded stays so.
    fn again(&self, ledger: &mut Ledger) {
        let timed = |index: &usize| {
            let pause = self.inputs.pauses.get(*index);
            pause.is_some_and(|pause| matches!(pause.until, Until::Elapsed(_)))
        };
        ledger.pauses.retain(|index, _| timed(index));
        ledger.failure = None;
        ledger.wave = None;
        self.enter_phase(ledger, Phase::Before);
    }

    /// Takes in what became of the runs that had not ended.
    fn conclude(&mut self, ledger: &mut Ledger) {
        let running: Vec<HookId> = ledger
            .runs
            .iter()
            .filter(|(_, run)| run.state == RunState::Running)
            .map(|(id, _)| id.clone())
            .collect();
        let same = ledger.identity == self.inputs.identity;
        for id in running {
            let hook = self.inputs.hooks.iter().find(|hook| hook.id() == id);
            let Some(run) = ledger.runs.get_mut(&id) else {
                continue;
            };
            let ends = match self.inputs.runs.get(&run.id) {
                Some(Found::Live { uid, health }) => {
                    run.uid = Some(uid.clone());
                    match health.health {
                        Health::Healthy => Some((RunState::Succeeded, health.message.clone())),
                        Health::Degraded => Some((RunState::Failed, health.message.clone())),
                        _ => None,
                    }
                }
                // What was never seen was perhaps never created: then it is created now.
                Some(Found::Gone) if run.uid.is_none() && hook.is_some() && same => None,
                Some(Found::Gone) if run.uid.is_none() => {
                    Some((RunState::Failed, "it was not started".to_owned()))
                }
                Some(Found::Gone) => {
                    let why = "its object was deleted before its end was seen";
                    Some((RunState::Failed, why.to_owned()))
                }
                Some(Found::Refused(failure)) => Some((RunState::Failed, failure.detail.clone())),
                None => None,
            };
            let patience = patience(hook, self.inputs.timeout);
            let late = || {
                let why = format!("it did not end within {patience:?}");
                let over = self.inputs.now >= after(run.started_at, patience);
                over.then_some((RunState::Failed, why))
            };
            let Some((state, message)) = ends.or_else(late) else {
                continue;
            };
            run.state = state;
            run.message = message;
            run.finished_at = Some(self.inputs.now);
            let goes = hook.is_some_and(|hook| match state {
                RunState::Succeeded => hook.delete.succeeded,
                RunState::Failed => hook.delete.failed,
                RunState::Running => false,
            });
            self.next.ended.push(Ended {
                hook: id,
                run: run.clone(),
                object: if goes {
                    Afterwards::Goes
                } else {
                    Afterwards::Stays
                },
            });
        }
    }

    /// Goes on from phase to phase until something has to be done or waited for.
    fn advance(mut self, mut ledger: Ledger) -> Next {
        let mut ended = self.next.ended.iter();
        let failed = ended.find(|ended| {
            ended.run.state == RunState::Failed && ended.hook.moment != Moment::Failure
        });
        if let Some(Ended { hook, run, .. }) = failed.filter(|_| ledger.failure.is_none()) {
            let detail = match run.message.as_str() {
                "" => words::hook(hook),
                why => format!("{}: {why}", words::hook(hook)),
            };
            ledger.failure = Some(Failure {
                reason: Reason::HookFailed,
                detail,
            });
            self.enter_phase(&mut ledger, Phase::Failing);
        }
        let stop = loop {
            let stopped = match ledger.phase {
                Phase::Before => self.before(&mut ledger),
                Phase::Waves => self.waves(&mut ledger),
                Phase::Prune => self.prune(&ledger),
                Phase::Settle => self.good(&mut ledger, i32::MAX),
                Phase::After => self.hooks(&mut ledger, Moment::After, None),
                Phase::Failing => self.hooks(&mut ledger, Moment::Failure, None),
                Phase::Done | Phase::Failed => break None,
            };
            match stopped {
                Err(Stop::Wait(waits)) => break Some(*waits),
                Err(Stop::Fail(failure)) => {
                    ledger.failure = Some(failure);
                    self.enter_phase(&mut ledger, Phase::Failing);
                }
                Ok(()) => {
                    let after = match ledger.phase {
                        Phase::Before => Phase::Waves,
                        Phase::Waves => Phase::Prune,
                        Phase::Prune => Phase::Settle,
                        Phase::Settle => Phase::After,
                        Phase::After | Phase::Done => Phase::Done,
                        Phase::Failing | Phase::Failed => Phase::Failed,
                    };
                    self.enter_phase(&mut ledger, after);
                }
            }
        };
        if ledger.phase != Phase::Done {
            self.next.writes = Permitted::Only(order::writable(&ledger, self.inputs));
            if ledger.phase != Phase::Prune {
                self.next.prunes = Permitted::Only(BTreeSet::new());
            }
        }
        self.next.waits = stop;
        self.next.ledger = Some(ledger);
        self.next
    }

    fn enter_phase(&self, ledger: &mut Ledger, phase: Phase) {
        ledger.phase = phase;
        ledger.since = self.inputs.now;
    }

    /// Namespaces and definitions, then the hooks before the first wave.
    fn before(&mut self, ledger: &mut Ledger) -> Result<(), Stop> {
        let early: Vec<String> = order::early(self.inputs)
            .map(|(key, object)| words::object(key, object))
            .collect();
        if early.is_empty() || ledger.running().is_some() {
            self.hooks(ledger, Moment::Before, None)
        } else {
            Err(wait(Reason::Progressing, early, Awaits::default(), None))
        }
    }

    /// Wave by wave.
    fn waves(&mut self, ledger: &mut Ledger) -> Result<(), Stop> {
        let waves = order::waves(self.inputs);
        let current = ledger.wave.filter(|wave| waves.contains(wave));
        let Some(mut current) = current.or(waves.first().copied()) else {
            return Ok(());
        };
        loop {
            if ledger.wave != Some(current) {
                ledger.wave = Some(current);
                ledger.since = self.inputs.now;
            }
            self.wave(ledger, current)?;
            for index in order::pauses_after(self.inputs, current) {
                self.pause(ledger, index)?;
            }
            let above = waves.range(current..).find(|wave| **wave > current);
            let Some(above) = above else { return Ok(()) };
            current = *above;
        }
    }

    /// Whether all up to a wave is written and healthy, and its hooks ended well: those run alongside
    /// its objects, when the waves below are healthy.
    fn wave(&mut self, ledger: &mut Ledger, wave: i32) -> Result<(), Stop> {
        let mut waits = match self.good(ledger, wave) {
            Ok(()) => None,
            Err(Stop::Wait(waits)) => Some(waits),
            Err(stop) => return Err(stop),
        };
        let below = order::first_bad(self.inputs, i32::MAX).is_none_or(|bad| bad >= wave);
        if below || ledger.running().is_some() {
            match self.hooks(ledger, Moment::During, Some(wave)) {
                Ok(()) => {}
                Err(Stop::Wait(mut hook)) => {
                    if let Some(objects) = waits {
                        hook.sentences.extend(objects.sentences);
                        hook.awaits.healthy = objects.awaits.healthy;
                        hook.until = hook.until.into_iter().chain(objects.until).min();
                    }
                    waits = Some(hook);
                }
                Err(stop) => return Err(stop),
            }
        }
        waits.map_or(Ok(()), |waits| Err(Stop::Wait(waits)))
    }

    /// Whether all up to a wave is written and healthy.
    fn good(&mut self, ledger: &mut Ledger, limit: i32) -> Result<(), Stop> {
        let inputs = self.inputs;
        let Some(bad) = order::first_bad(inputs, limit) else {
            return Ok(());
        };
        let objects = inputs.objects.iter();
        let objects: Vec<_> = objects
            .filter(|(_, object)| object.wave == bad && !object.state.is_good())
            .collect();
        let said: Vec<String> = objects.iter().map(|(k, o)| words::object(k, o)).collect();
        let unwritten = |state: &ObjectState| !matches!(state, ObjectState::Stands(_));
        let new = |state: &ObjectState| unwritten(state) && *state != ObjectState::Drifted;
        if objects.iter().any(|(_, object)| new(&object.state)) {
            // Its time to become healthy begins when it is written.
            ledger.since = inputs.now;
        }
        // One that was healthy once, and is not while the rollout pauses, has its time anew, once.
        let paused = order::pauses_after(inputs, limit);
        let paused = paused.iter().filter_map(|index| ledger.pauses.get(index));
        if paused.max().is_some_and(|begun| *begun >= ledger.since) {
            ledger.since = inputs
                .now
                .max(after(ledger.since, Duration::from_millis(1)));
        }
        let until = after(ledger.since, inputs.timeout);
        let written = !objects.iter().any(|(_, object)| unwritten(&object.state));
        if written && inputs.now >= until {
            let timeout = inputs.timeout;
            let what = words::bounded(said).join("; ");
            return Err(Stop::Fail(Failure {
                reason: Reason::RolloutFailed,
                detail: format!("not healthy within {timeout:?}: {what}"),
            }));
        }
        let waves = order::waves(inputs);
        let reason = match waves.last() {
            Some(last) if ledger.phase == Phase::Waves && *last > bad => Reason::WaitsForWave,
            _ => Reason::Progressing,
        };
        let awaits = Awaits {
            healthy: objects.iter().map(|(key, _)| (*key).clone()).collect(),
            ..Awaits::default()
        };
        Err(wait(reason, said, awaits, written.then_some(until)))
    }

    /// Whether a pause is over.
    fn pause(&mut self, ledger: &mut Ledger, index: usize) -> Result<(), Stop> {
        let inputs = self.inputs;
        let Some(pause) = inputs.pauses.get(index) else {
            return Ok(());
        };
        // Who began the next one has ended this one.
        let here = order::pauses_after(inputs, ledger.wave.unwrap_or(i32::MAX));
        let later = here.iter().filter(|other| **other > index);
        if later.into_iter().any(|at| ledger.pauses.contains_key(at)) {
            return Ok(());
        }
        let begun = *ledger.pauses.entry(index).or_insert(inputs.now);
        let (said, until) = match &pause.until {
            Until::Elapsed(length) => {
                let end = after(begun, *length);
                if inputs.now >= end {
                    return Ok(());
                }
                let wave = pause.after;
                (
                    format!("the pause of {length:?} after wave {wave} ends at {end}"),
                    end,
                )
            }
            Until::Holds {
                object, timeout, ..
            } => {
                let why = match inputs.answers.get(&index) {
                    Some(Ok(true)) => return Ok(()),
                    Some(Err(failure)) => Some(failure.detail.as_str()),
                    Some(Ok(false)) | None => None,
                };
                let said = words::condition(pause, &object.key, why);
                let patience = timeout.unwrap_or(inputs.timeout);
                let end = after(begun, patience);
                if inputs.now >= end {
                    return Err(Stop::Fail(Failure {
                        reason: Reason::RolloutFailed,
                        detail: format!("{said}, and it did not within {patience:?}"),
                    }));
                }
                (said, end)
            }
        };
        let awaits = Awaits::default();
        Err(wait(Reason::Paused, vec![said], awaits, Some(until)))
    }

    /// What left Git goes, the highest wave first.
    fn prune(&mut self, ledger: &Ledger) -> Result<(), Stop> {
        let inputs = self.inputs;
        let waves: BTreeSet<i32> = inputs.left.values().map(|left| left.wave).collect();
        let (Some(lowest), Some(top)) = (waves.first().copied(), waves.last().copied()) else {
            return Ok(());
        };
        let until = after(ledger.since, inputs.timeout);
        // A finalizer that does not end holds nothing up for ever.
        let from = if inputs.now >= until { lowest } else { top };
        let prunes = order::prunable(inputs, from);
        let failed = inputs
            .left
            .values()
            .any(|left| left.wave >= from && matches!(left.state, LeftState::Failed(_)));
        let last = from == lowest && prunes.is_empty() && !failed;
        self.next.prunes = Permitted::Only(prunes);
        if last {
            return Ok(());
        }
        let going = inputs.left.iter().filter(|(_, left)| left.wave >= from);
        let said = going
            .clone()
            .map(|(key, left)| words::left(key, &left.state));
        let awaits = Awaits {
            gone: going.clone().map(|(key, _)| key.clone()).collect(),
            ..Awaits::default()
        };
        let until = (from != lowest).then_some(until);
        Err(wait(Reason::Progressing, said.collect(), awaits, until))
    }

    /// The hooks of a moment, or those of one wave, one after the other.
    fn hooks(
        &mut self,
        ledger: &mut Ledger,
        moment: Moment,
        wave: Option<i32>,
    ) -> Result<(), Stop> {
        if let Some((hook, run)) = ledger.running() {
            let again = matches!(self.inputs.runs.get(&run.id), Some(Found::Gone));
            let known = self.inputs.hooks.iter().any(|known| known.id() == *hook);
            if again && known && run.uid.is_none() {
                self.next.start = Some((hook.clone(), run.id.clone()));
            }
            return Err(Stop::Wait(Box::new(self.wait_for_hook(hook, run))));
        }
        let inputs = self.inputs;
        let takes_part = |hook: &&Hook| {
            hook.moment == moment
                && wave.is_none_or(|wave| hook.weight == wave)
                && match hook.occasion {
                    Occasion::Any => true,
                    Occasion::Install => ledger.first,
                    Occasion::Upgrade => !ledger.first,
                }
        };
        let mut hooks: Vec<&Hook> = inputs.hooks.iter().filter(takes_part).collect();
        hooks.sort_by(|a, b| turn(a, b));
        for hook in hooks {
            let id = hook.id();
            let last = ledger.runs.get(&id);
            // What failed in an earlier try of this rollout runs again.
            let counts = |run: &Run| match (moment, run.state) {
                (Moment::Failure, _) => run.started_at >= ledger.since,
                (_, RunState::Failed) => false,
                (_, RunState::Running | RunState::Succeeded) => true,
            };
            if last.is_some_and(counts) {
                continue;
            }
            let last = last.map(|run| run.id.as_str());
            let run = Run {
                id: run_id(ledger, hook, last),
                state: RunState::Running,
                started_at: inputs.now,
                finished_at: None,
                message: String::new(),
                uid: None,
            };
            let waits = self.wait_for_hook(&id, &run);
            self.next.start = Some((id.clone(), run.id.clone()));
            ledger.runs.insert(id, run);
            return Err(Stop::Wait(Box::new(waits)));
        }
        Ok(())
    }

    fn wait_for_hook(&self, hook: &HookId, run: &Run) -> Waits {
        let known = self.inputs.hooks.iter().find(|known| known.id() == *hook);
        let patience = patience(known, self.inputs.timeout);
        let awaits = Awaits {
            run: Some((run.id.clone(), hook.key.clone())),
            ..Awaits::default()
        };
        Waits {
            reason: Reason::WaitsForHook,
            sentences: vec![words::runs(hook)],
            awaits,
            until: Some(after(run.started_at, patience)),
        }
    }
}

fn wait(reason: Reason, sentences: Vec<String>, awaits: Awaits, until: Option<Timestamp>) -> Stop {
    Stop::Wait(Box::new(Waits {
        reason,
        sentences: words::bounded(sentences),
        awaits,
        until,
    }))
}

/// How long a hook may take.
fn patience(hook: Option<&Hook>, timeout: Duration) -> Duration {
    hook.and_then(|hook| hook.timeout).unwrap_or(timeout)
}

/// A time later; the last one there is where there is none.
fn after(time: Timestamp, length: Duration) -> Timestamp {
    let length = SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX);
    time.checked_add(length).unwrap_or(Timestamp::MAX)
}
