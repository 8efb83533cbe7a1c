//! A pass of a rollout: asks what may be done now, does that, and asks again, until something has to
//! be waited for.

mod observed;
mod revert;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use syncline_cluster::Account;
use syncline_core::application::Application;
use syncline_core::hooks::{Hook, HookId, identity};
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::plan::{Action, Plan};
use syncline_core::reason::{Class, Reason};
use syncline_core::record::{Step, SyncRecord};
use syncline_core::revision::{CommitId, Revision};
use syncline_core::rollout::{
    self, Afterwards, Asked, Ended, Found, Inputs, Ledger, Left, LeftState, Next, Object,
    ObjectState, Past, Phase, RunState, Waits,
};
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::trigger::Cause;
use syncline_source::Mirror;

use super::inventory::{self, Extent, Known, Look};
use super::writes::Writer;
use super::{Start, hooks};
use crate::agent::Agent;
use crate::live::Seen;
use crate::state::{ApplicationState, Head, Rendered};
use crate::{failpoint, report};

pub(super) use observed::World;
pub(crate) use revert::commits_to_revert;

/// Where the rollout is after a pass.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// What it waits for; `None` at its end, and where there is none.
    pub(super) waits: Option<Waits>,
    /// What is not written yet.
    pub(super) unwritten: BTreeSet<ObjectKey>,
    /// What history is told of the way so far.
    pub(super) steps: Vec<Step>,
    /// There is a rollout, or was one before this pass.
    pub(super) staged: bool,
    /// It is on its way.
    pub(super) active: bool,
    /// It failed.
    pub(super) failed: Option<Failure>,
    /// The commit with which it began.
    pub(super) commit: Option<CommitId>,
    /// A step could not be done for a reason that passes.
    pub(super) failure: Option<Failure>,
}

/// A rollout in one pass.
pub(super) struct Course<'a> {
    agent: &'a Agent,
    start: &'a Start,
    account: &'a Account,
    rendered: &'a Rendered,
    identity: String,
    objects: BTreeMap<ObjectKey, Object>,
    left: BTreeMap<ObjectKey, Left>,
    runs: BTreeMap<String, Found>,
    answers: BTreeMap<usize, Result<bool, Failure>>,
    /// The runs that cannot begin yet, and why.
    held: BTreeMap<String, String>,
    tried: BTreeSet<ObjectKey>,
    asked: Asked,
    past: Past,
    secrets: SecretInputs,
    progress: Progress,
    outcomes: Vec<ObjectOutcome>,
}

impl<'a> Course<'a> {
    /// For what a plan found.
    pub(super) fn new(
        agent: &'a Agent,
        start: &'a Start,
        account: &'a Account,
        rendered: &'a Rendered,
        world: World<'_>,
    ) -> Self {
        let asked = match start.cause {
            Cause::User => Asked::Person,
            Cause::Retry => Asked::Retry,
            _ => Asked::Nobody,
        };
        let past = match &start.applied {
            Some(applied) if *applied == start.target.info.id => Past::Same,
            Some(_) => Past::Other,
            None if world.is_there(&start.owner) => Past::Unknown,
            None => Past::Nothing,
        };
        let (objects, left) = world.observe(agent, rendered);
        let mut secrets = SecretInputs::default();
        secrets.extend(&rendered.secrets);
        Self {
            agent,
            start,
            account,
            rendered,
            identity: identity(&rendered.hashes, &rendered.hooks),
            held: BTreeMap::new(),
            objects,
            left,
            runs: BTreeMap::new(),
            answers: BTreeMap::new(),
            tried: BTreeSet::new(),
            asked,
            past,
            secrets,
            progress: Progress::default(),
            outcomes: Vec::new(),
        }
    }

    /// What may be done now. The ledger is remembered; it is not kept yet.
    async fn next(&mut self) -> Next {
        let name = &self.start.application.name;
        let before = {
            let state = self.agent.state.lock();
            let entry = state.applications.get(name);
            entry.and_then(|entry| entry.rollout.clone())
        };
        let asked = std::mem::take(&mut self.asked);
        let inputs = self.inputs(asked);
        let now = inputs.now;
        let mut next = rollout::next(before.as_ref(), &inputs);
        let failed = |ledger: Option<&Ledger>| ledger.is_some_and(|l| l.failure.is_some());
        if let Some(ledger) = &mut next.ledger {
            for run in ledger.runs.values_mut() {
                run.message = self.secrets.mask_text(&run.message).into_owned();
            }
            let anew = before
                .as_ref()
                .is_none_or(|b| b.identity != ledger.identity);
            if failed(Some(ledger)) && (anew || !failed(before.as_ref())) {
                let named = revert::named(self.start).await;
                if let Some(failure) = &mut ledger.failure {
                    let detail = self.secrets.mask_text(&failure.detail);
                    failure.detail = format!("{detail}{named}");
                }
            }
        }
        let mut state = self.agent.state.lock();
        let Some(entry) = state.applications.get_mut(name) else {
            return next;
        };
        match (&before, &next.ledger) {
            (Some(before), Some(now_it_is)) if before.identity == now_it_is.identity => {
                let moved = (before.phase, before.wave) != (now_it_is.phase, now_it_is.wave);
                if before.is_active() && moved {
                    let micros = now.duration_since(before.since).as_micros();
                    self.progress.steps.push(Step {
                        name: label(before),
                        micros: u64::try_from(micros).unwrap_or(0),
                    });
                }
            }
            (Some(before), _) if before.is_active() => taken_over(self.agent, entry, before),
            _ => {}
        }
        entry.rollout.clone_from(&next.ledger);
        let ledger = next.ledger.as_ref();
        let progress = &mut self.progress;
        progress.staged |= before.is_some() || ledger.is_some();
        progress.active = ledger.is_some_and(Ledger::is_active);
        let failed = ledger.filter(|ledger| ledger.phase == Phase::Failed);
        progress.failed = failed.and_then(|ledger| ledger.failure.clone());
        progress.commit = ledger.map(|ledger| ledger.commit.clone());
        next
    }

    /// Whether everything may be done at once, as ever.
    pub(super) fn is_plain(&self) -> bool {
        let has_ledger = {
            let state = self.agent.state.lock();
            let entry = state.applications.get(&self.start.application.name);
            entry.is_some_and(|entry| entry.rollout.is_some())
        };
        !has_ledger
            && rollout::next(None, &self.inputs(Asked::Nobody))
                .ledger
                .is_none()
    }

    /// The record of the rollout that the sync goes on with, if it does.
    pub(super) fn record(&self) -> Option<SyncRecord> {
        let state = self.agent.state.lock();
        let entry = state.applications.get(&self.start.application.name)?;
        let ledger = entry.rollout.as_ref()?;
        let same = ledger.is_active() && ledger.identity == self.identity;
        entry.record.clone().filter(|_| same)
    }

    fn inputs(&self, asked: Asked) -> Inputs<'_> {
        let policy = &self.start.application.sync;
        Inputs {
            identity: &self.identity,
            commit: &self.start.target.info.id,
            objects: &self.objects,
            left: &self.left,
            hooks: &self.rendered.hooks,
            runs: &self.runs,
            pauses: &policy.pauses,
            answers: &self.answers,
            now: self.agent.clock.now(),
            timeout: policy.timeout,
            on_failure: policy.on_failure,
            asked,
            past: self.past,
        }
    }

    /// Goes on as far as that is possible now.
    pub(super) async fn go(
        &mut self,
        writer: &Writer<'_>,
        known: &mut Known,
        extent: &Extent,
        plan: &Plan,
    ) {
        loop {
            let next = self.next().await;
            self.progress.waits.clone_from(&next.waits);
            for ended in &next.ended {
                self.ended(ended).await;
            }
            if self.start.give_way.is_cancelled() {
                return;
            }
            match self.step(writer, known, extent, plan, &next).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => {
                    self.progress.failure = Some(failure);
                    return;
                }
            }
        }
    }

    /// One step; answers whether there may be another one.
    async fn step(
        &mut self,
        writer: &Writer<'_>,
        known: &mut Known,
        extent: &Extent,
        plan: &Plan,
        next: &Next,
    ) -> Result<bool, Failure> {
        if let Some((hook, run)) = &next.start
            && !self.held.contains_key(run)
        {
            return self.begin(hook, run).await;
        }
        if let Some((hook, run)) = next.ledger.as_ref().and_then(Ledger::running)
            && !self.runs.contains_key(&run.id)
            && !self.held.contains_key(&run.id)
        {
            return self.look(hook, &run.id).await;
        }
        if let Some(ledger) = &next.ledger
            && self.ask(ledger)
        {
            return Ok(true);
        }
        let new = |action: &&Action| !self.tried.contains(&action.key);
        let actions: Vec<&Action> = plan.actions.iter().filter(new).collect();
        let writes = actions.iter().copied().filter(|action| {
            matches!(action.kind, ActionKind::Create | ActionKind::Update)
                && next.writes.has(&action.key)
        });
        let writes: Vec<&Action> = writes.collect();
        if !writes.is_empty() {
            let outcomes = writer.apply(&writes).await;
            self.take_writes(outcomes);
            if extent.misses(known) {
                // A kind that this very sync defined is watched from now on.
                let name = &self.start.application.name;
                let looked = inventory::look(self.agent, name, self.account, extent, Look::Cheap);
                *known = looked.await.map_err(|stopped| stopped.summary())?;
            }
            return Ok(true);
        }
        let prunes = actions
            .iter()
            .copied()
            .filter(|action| action.kind == ActionKind::Prune && next.prunes.has(&action.key));
        let prunes: Vec<&Action> = prunes.collect();
        if !prunes.is_empty() {
            failpoint::reached("prune.list_done").await?;
            let outcomes = writer.prune(known, &prunes).await;
            self.take_prunes(outcomes);
            return Ok(true);
        }
        Ok(false)
    }

    /// The outcomes of the pass, and where it ended.
    pub(super) fn end(mut self) -> (Vec<ObjectOutcome>, Progress) {
        let unwritten = |state: &ObjectState| {
            matches!(
                state,
                ObjectState::Changed | ObjectState::Failed(_) | ObjectState::Unknown(_)
            )
        };
        let pending = self.objects.iter();
        let pending = pending.filter(|(_, object)| unwritten(&object.state));
        self.progress.unwritten = pending.map(|(key, _)| key.clone()).collect();
        if let Some(waits) = &mut self.progress.waits {
            if let Some((run, _)) = &waits.awaits.run
                && let Some(why) = self.held.get(run)
            {
                waits.sentences = vec![why.clone()];
            }
            for sentence in &mut waits.sentences {
                *sentence = self.secrets.mask_text(sentence).into_owned();
            }
        }
        (self.outcomes, self.progress)
    }

    /// Starts a run: only after it is noted where a crash does not lose it.
    async fn begin(&mut self, id: &HookId, run: &str) -> Result<bool, Failure> {
        let Some(hook) = self.hook(id) else {
            return Ok(false);
        };
        let application = &self.start.application;
        report::ledger(self.agent, &application.name).await?;
        if application.create_namespace {
            // A namespace that is missing and cannot be made shows in the hook itself.
            let made = self.account.ensure_namespace(&application.namespace).await;
            if let Err(error) = made {
                tracing::warn!(%error, "the namespace could not be created");
            }
        }
        let started = hooks::start(self.agent, self.start, self.account, &hook, run).await;
        let found = match started {
            Ok(seen) => live(seen),
            Err(failure) if failure.reason.class() == Class::Transient => return Err(failure),
            // An older object is on its way out: its end begins the next pass.
            Err(failure) if failure.reason == Reason::BeingDeleted => {
                self.held.insert(run.to_owned(), failure.detail);
                return Ok(true);
            }
            Err(failure) => Found::Refused(failure),
        };
        self.runs.insert(run.to_owned(), found);
        Ok(true)
    }

    async fn look(&mut self, id: &HookId, run: &str) -> Result<bool, Failure> {
        let hook = self.hook(id).unwrap_or_else(|| observed::unknown_hook(id));
        let found = hooks::look(self.agent, self.start, self.account, &hook, run).await?;
        self.runs
            .insert(run.to_owned(), found.map_or(Found::Gone, live));
        Ok(true)
    }

    fn hook(&self, id: &HookId) -> Option<Hook> {
        let mut hooks = self.rendered.hooks.iter();
        hooks.find(|hook| hook.id() == *id).cloned()
    }

    /// A run came to its end: an outcome, the logs where it failed, and its object may go.
    async fn ended(&mut self, ended: &Ended) {
        let hook = self
            .hook(&ended.hook)
            .unwrap_or_else(|| observed::unknown_hook(&ended.hook));
        let run = &ended.run;
        let message = self.secrets.mask_text(&run.message).into_owned();
        let mut outcome = ObjectOutcome {
            key: ended.hook.key.clone(),
            origin: Some(hook.manifest.origin.clone()).filter(|o| *o != Origin::default()),
            action: ActionKind::Create,
            error: None,
            note: "the hook succeeded".to_owned(),
            changes: Vec::new(),
            manifest: None,
        };
        if run.state == RunState::Failed {
            let (agent, start, account) = (self.agent, self.start, self.account);
            let logs = hooks::logs(agent, start, account, &hook, &run.id, &self.secrets).await;
            outcome.note = logs.unwrap_or_default();
            outcome.error = Some(Failure {
                reason: Reason::HookFailed,
                detail: format!("{}: {message}", ended.hook.key),
            });
        }
        self.outcomes.push(outcome);
        if ended.object == Afterwards::Goes {
            let removed = hooks::remove(self.agent, self.start, self.account, &hook, &run.id);
            if let Err(failure) = removed.await {
                tracing::warn!(detail = failure.detail, "the object of a hook stays");
            }
        }
    }

    /// Asks the conditions of the pauses that began; answers whether there is a new answer. What they
    /// name is followed, and a change of it begins the next pass.
    fn ask(&mut self, ledger: &Ledger) -> bool {
        let mut news = false;
        if ledger.phase != Phase::Waves {
            return news;
        }
        for index in ledger.pauses.keys() {
            let application = &self.start.application;
            let pause = application.sync.pauses.get(*index);
            let Some(pause) = pause.filter(|_| !self.answers.contains_key(index)) else {
                continue;
            };
            if let Some(answer) = observed::pause_answer(self.agent, application, pause) {
                self.answers.insert(*index, answer);
                news = true;
            }
        }
        news
    }

    fn take_writes(&mut self, outcomes: Vec<ObjectOutcome>) {
        let state = self.agent.state.lock();
        for outcome in &outcomes {
            self.tried.insert(outcome.key.clone());
            if let Some(object) = self.objects.get_mut(&outcome.key) {
                object.state = match &outcome.error {
                    Some(failure) => ObjectState::Failed(failure.clone()),
                    None => observed::stands(&state, &outcome.key),
                };
            }
        }
        drop(state);
        self.outcomes.extend(outcomes);
    }

    fn take_prunes(&mut self, outcomes: Vec<ObjectOutcome>) {
        for outcome in &outcomes {
            self.tried.insert(outcome.key.clone());
            match &outcome.error {
                Some(failure) => {
                    if let Some(left) = self.left.get_mut(&outcome.key) {
                        left.state = LeftState::Failed(failure.clone());
                    }
                }
                None if outcome.note.is_empty() => {
                    self.left.remove(&outcome.key);
                }
                None => {
                    if let Some(left) = self.left.get_mut(&outcome.key) {
                        left.state = LeftState::Going;
                    }
                }
            }
        }
        self.outcomes.extend(outcomes);
    }
}

fn live(seen: Seen) -> Found {
    Found::Live {
        uid: seen.uid,
        health: seen.health,
    }
}

/// What history calls the part of a rollout that a ledger is in.
fn label(ledger: &Ledger) -> String {
    match (ledger.phase, ledger.wave) {
        (Phase::Waves, Some(wave)) => format!("wave {wave}"),
        (Phase::Before, _) => "before".to_owned(),
        (Phase::Waves, None) => "waves".to_owned(),
        (Phase::Prune, _) => "prune in order".to_owned(),
        (Phase::Settle, _) => "settle".to_owned(),
        (Phase::After, _) => "after".to_owned(),
        (Phase::Failing, _) => "failure".to_owned(),
        (Phase::Done | Phase::Failed, _) => "end".to_owned(),
    }
}

/// A newer commit ended a rollout that was on its way.
fn taken_over(agent: &Agent, entry: &mut ApplicationState, before: &Ledger) {
    use syncline_core::record::SyncResult;
    // One that gave way while it wrote was counted then.
    let last = entry.last_sync.as_ref().map(|last| last.result);
    if last != Some(SyncResult::Superseded) {
        entry.take_overs += 1;
    }
    if let Some(mut record) = entry.record.take() {
        record.result = SyncResult::Superseded;
        record.finished_at = Some(agent.clock.now());
        record.failure = Some(Failure {
            reason: Reason::Superseded,
            detail: format!("at {}", label(before)),
        });
        agent.history.record_sync(&record);
    }
}

/// The commit of the rollout that is on its way, where the next sync has to be for it: nobody else
/// asks for a newer one, or it was taken over so often that it is let through.
pub(super) fn target(
    agent: &Agent,
    mirror: &Mirror,
    entry: &ApplicationState,
    application: &Application,
    by_hand: bool,
    head: &Revision,
) -> Option<Head> {
    let ledger = entry.rollout.as_ref().filter(|ledger| ledger.is_active())?;
    let through = entry.take_overs >= agent.settings.most_take_overs;
    let newest = application.sync.automatic || by_hand;
    if newest && !through {
        return None;
    }
    head_at(mirror, &ledger.commit, head)
}

fn head_at(mirror: &Mirror, commit: &CommitId, head: &Revision) -> Option<Head> {
    let info = mirror.commit_info(commit).ok()?;
    let revision = Revision {
        branch: head.branch.clone(),
        commit: info.id.clone(),
    };
    Some(Head { revision, info })
}

/// When a rollout that waits is looked at again: at the time that it names, and before that where no
/// event may come.
pub(super) fn look_again(agent: &Agent, progress: &Progress) -> Option<Duration> {
    let waits = progress.waits.as_ref()?;
    let left = waits.until.map(|until| {
        let left = until.duration_since(agent.clock.now());
        Duration::try_from(left).unwrap_or(Duration::ZERO)
    });
    let soon = waits.awaits.run.is_some();
    let soon = soon.then_some(agent.settings.retry_slow);
    left.into_iter().chain(soon).min()
}
