//! Where the rollout of an application is, and what keeps it from its newest commit.

use jiff::Timestamp;
use syncline_core::application::{Pause, Until};
use syncline_core::hooks::{HookId, Occasion};
use syncline_core::names;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::rollout::{Ledger, Phase, RunState};
use syncline_core::window::{self, Rule, Window};
use syncline_web_ui::views::{
    Commit, FreezeView, GateView, Hold, PauseState, PauseView, RevertView, RolloutView, WindowRule,
    WindowView, WindowsView, ZonedTime,
};

use super::frozen;
use crate::agent::Agent;
use crate::state::{ApplicationState, Rendered, State};

/// What a question is answered for.
pub(super) struct Moment {
    /// The time.
    now: Timestamp,
    /// Why the whole agent stands still.
    freeze: Option<FreezeView>,
}

impl Moment {
    /// Now.
    pub(super) fn of(agent: &Agent) -> Self {
        Self {
            now: agent.clock.now(),
            freeze: frozen(agent),
        }
    }
}

/// What keeps an application from its newest commit or its rollout from going on, the strongest
/// first.
pub(super) fn holds(entry: &ApplicationState, at: &Moment) -> Vec<Hold> {
    let mut holds: Vec<Hold> = gates(entry, at).iter().map(|gate| gate.hold).collect();
    if let Some(ledger) = &entry.rollout
        && !matches!(ledger.phase, Phase::Done | Phase::Failed)
    {
        if ledger
            .runs
            .values()
            .any(|run| run.state == RunState::Running)
        {
            holds.push(Hold::Hook);
        }
        let paused = pauses(entry, ledger, at.now)
            .iter()
            .any(|pause| pause.state == PauseState::Running);
        if paused {
            holds.push(Hold::Paused);
        }
    }
    holds
}

/// Why no sync may be asked for; `None` where one may.
pub(super) fn refuses_syncs(entry: &ApplicationState, at: &Moment) -> Option<String> {
    let refusing = |gate: &GateView| matches!(gate.hold, Hold::Frozen | Hold::Suspended);
    let gate = gates(entry, at).into_iter().find(refusing)?;
    let reason = match gate.hold {
        Hold::Frozen => Reason::Frozen,
        _ => Reason::Suspended,
    };
    Some(format!("{} ({})", reason.row().sentence, gate.reason))
}

/// What keeps an application from its newest commit, the strongest first.
pub(super) fn gates(entry: &ApplicationState, at: &Moment) -> Vec<GateView> {
    let gate = |hold, reason: Reason, why: String| GateView {
        hold,
        reason: why,
        by: None,
        commit: None,
        until: None,
        remedy: reason.row().remedy.to_owned(),
    };
    let mut gates = Vec::new();
    if let Some(freeze) = &at.freeze {
        gates.push(GateView {
            by: Some(freeze.by.clone()).filter(|by| !by.is_empty()),
            until: freeze.until,
            ..gate(Hold::Frozen, Reason::Frozen, freeze.reason.clone())
        });
    }
    let spec = entry.spec.as_ref().ok();
    let suspended = spec.and_then(|spec| spec.suspend.as_ref());
    if let Some(suspended) = suspended.filter(|suspended| suspended.holds(at.now)) {
        gates.push(GateView {
            until: suspended.until,
            ..gate(Hold::Suspended, Reason::Suspended, suspended.reason.clone())
        });
    }
    let pin = spec.and_then(|spec| spec.pin.as_ref());
    if let Some(pin) = pin.filter(|pin| pin.holds(at.now)) {
        gates.push(GateView {
            commit: Some(pin.commit.clone()),
            until: pin.until,
            ..gate(Hold::Pinned, Reason::Pinned, pin.reason.clone())
        });
    }
    let statement = &entry.statement;
    let said = |hold| gate(hold, statement.reason, statement.message());
    match statement.reason {
        Reason::Blocked | Reason::DependencyCycle => gates.push(said(Hold::Blocked)),
        Reason::WindowClosed => gates.push(GateView {
            until: entry.next_try,
            ..said(Hold::Window)
        }),
        _ => {}
    }
    if entry.plan_hash.is_some() {
        gates.push(said(Hold::Approval));
    }
    gates
}

/// The sync windows, where there are any.
pub(super) fn windows(entry: &ApplicationState, at: &Moment) -> Option<WindowsView> {
    let windows = &entry.spec.as_ref().ok()?.sync.windows;
    if windows.is_empty() {
        return None;
    }
    let together = window::ask(windows, at.now);
    Some(WindowsView {
        open: together.open,
        until: together.until,
        items: windows.iter().map(|one| window_view(one, at.now)).collect(),
    })
}

fn window_view(window: &Window, now: Timestamp) -> WindowView {
    let alone = window::ask(std::slice::from_ref(window), now);
    let (rule, open) = match window.rule {
        Rule::Allow => (WindowRule::Allow, alone.open),
        Rule::Deny => (WindowRule::Deny, !alone.open),
    };
    let zone = &window.zone;
    WindowView {
        rule,
        schedule: window.schedule.as_str().to_owned(),
        seconds: window.duration.as_secs(),
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        open,
        changes: alone.until.map(|until| ZonedTime::new(until, zone)),
    }
}

/// The rollout of the last change.
pub(super) fn rollout(
    state: &State,
    name: &Name,
    entry: &ApplicationState,
    at: &Moment,
) -> Option<RolloutView> {
    let ledger = entry.rollout.as_ref()?;
    let rendered = entry.rendered.as_deref();
    let planned = rendered
        .map(|rendered| planned_hooks(entry, rendered))
        .unwrap_or_default();
    let waves = rendered.map(waves_of).unwrap_or_default();
    let pauses = pauses(entry, ledger, at.now);
    let mut view = RolloutView::new(ledger, &planned, &waves, pauses);
    if ledger.failure.is_some() {
        view.revert = commits_to_revert(state, name, entry, ledger);
    }
    Some(view)
}

/// The hooks of the desired state that take part in this rollout, in the order in which they run.
fn planned_hooks(entry: &ApplicationState, rendered: &Rendered) -> Vec<HookId> {
    let first = entry.applied.is_none() && entry.recorded.is_none();
    let takes_part = |occasion| match occasion {
        Occasion::Any => true,
        Occasion::Install => first,
        Occasion::Upgrade => !first,
    };
    let mut hooks: Vec<_> = rendered
        .hooks
        .iter()
        .filter(|hook| takes_part(hook.occasion))
        .collect();
    hooks.sort_by_key(|hook| {
        let key = &hook.manifest.key;
        (hook.moment, hook.weight, key.kind.clone(), key.name.clone())
    });
    hooks.into_iter().map(|hook| hook.id()).collect()
}

/// The waves of the desired objects, the first one first.
fn waves_of(rendered: &Rendered) -> Vec<i32> {
    let waves = rendered.set.iter().map(|manifest| {
        let annotations = &manifest.body.visible()["metadata"]["annotations"];
        let written = [names::ANNOTATION_WAVE, names::ARGO_WAVE];
        let mut written = written
            .into_iter()
            .filter_map(|name| annotations[name].as_str());
        written
            .find_map(|text| text.trim().parse::<i32>().ok())
            .unwrap_or(0)
    });
    let mut waves: Vec<i32> = waves.collect();
    waves.sort_unstable();
    waves.dedup();
    waves
}

/// The pauses of the Application, and where the rollout is in them.
fn pauses(entry: &ApplicationState, ledger: &Ledger, now: Timestamp) -> Vec<PauseView> {
    let Ok(spec) = &entry.spec else {
        return Vec::new();
    };
    let pauses = spec.sync.pauses.iter().enumerate().map(|(index, pause)| {
        let since = ledger.pauses.get(&index).copied();
        pause_view(pause, since, spec.sync.timeout, ledger, now)
    });
    let mut pauses: Vec<PauseView> = pauses.collect();
    pauses.sort_by_key(|pause| pause.after_wave);
    pauses
}

fn pause_view(
    pause: &Pause,
    since: Option<Timestamp>,
    patience: std::time::Duration,
    ledger: &Ledger,
    now: Timestamp,
) -> PauseView {
    let (length, object, condition) = match &pause.until {
        Until::Elapsed(length) => (*length, None, None),
        Until::Holds {
            object,
            condition,
            timeout,
        } => (
            timeout.unwrap_or(patience),
            Some((&object.key).into()),
            Some(condition.as_str().to_owned()),
        ),
    };
    // A length that no clock can show does not end.
    let ends_at = since.and_then(|since| since.checked_add(length).ok());
    let left = match ledger.phase {
        Phase::Before => false,
        Phase::Waves => ledger.wave.is_some_and(|wave| wave > pause.after),
        _ => true,
    };
    let elapsed = condition.is_none() && ends_at.is_some_and(|end| end <= now);
    let state = match since {
        None => PauseState::Waiting,
        Some(_) if left || elapsed => PauseState::Over,
        Some(_) => PauseState::Running,
    };
    PauseView {
        after_wave: pause.after,
        state,
        since,
        ends_at,
        seconds: Some(length.as_secs()),
        object,
        condition,
    }
}

/// The commits between what was applied as a whole and what failed.
fn commits_to_revert(
    state: &State,
    name: &Name,
    entry: &ApplicationState,
    ledger: &Ledger,
) -> Option<RevertView> {
    let applied = entry.applied.as_ref().map(|head| &head.revision.commit);
    let good = applied.or(entry.recorded.as_ref())?;
    if *good == ledger.commit {
        return None;
    }
    let repository = state.repositories.get(&state.repository_of(name)?)?;
    let head = repository.head.as_ref();
    let known = head.filter(|head| head.revision.commit == ledger.commit);
    Some(RevertView {
        commits: known
            .map(|head| Commit::from(&head.info))
            .into_iter()
            .collect(),
        command: format!("git revert --no-edit {good}..{}", ledger.commit),
    })
}
