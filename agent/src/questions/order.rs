//! Where the rollout of an application is, and what keeps it from its newest commit.

use std::collections::BTreeSet;

use jiff::Timestamp;
use syncline_core::application::{Pause, Until};
use syncline_core::hooks::{Hook, HookId, Occasion};
use syncline_core::plan::wave_of;
use syncline_core::reason::Reason;
use syncline_core::rollout::{Ledger, Phase, RunState};
use syncline_core::window::{self, Rule, Window};
use syncline_web_ui::views::{
    FreezeView, GateView, Hold, PauseState, PauseView, RolloutView, WindowRule, WindowView,
    WindowsView, ZonedTime,
};

use super::frozen;
use crate::agent::Agent;
use crate::state::{ApplicationState, Rendered};

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
    if let Some(stop) = entry.stop() {
        gates.push(GateView {
            by: stop.by,
            ..gate(Hold::Aborted, Reason::Aborted, stop.reason)
        });
    }
    if let Some(pin) = spec.and_then(|spec| spec.pinned(at.now)) {
        gates.push(GateView {
            commit: Some(pin.commit.clone()),
            until: pin.until,
            ..gate(Hold::Pinned, Reason::Pinned, pin.reason.clone())
        });
    }
    let statement = &entry.statement;
    if let Some(blocked) = &entry.blocked {
        let failure = &blocked.failure;
        gates.push(gate(Hold::Blocked, failure.reason, failure.detail.clone()));
    }
    let withheld = entry.withheld.as_ref();
    let withheld = withheld.filter(|withheld| withheld.reason == Reason::WindowClosed);
    if let (Some(closed), Some(spec)) = (withheld, spec) {
        gates.push(GateView {
            until: window::ask(&spec.sync.windows, at.now).until,
            ..gate(Hold::Window, closed.reason, closed.detail.clone())
        });
    }
    if entry.waiting_hash().is_some() {
        gates.push(gate(Hold::Approval, statement.reason, statement.message()));
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

/// The rollout of the last change; without the commits that a revert would undo.
pub(super) fn rollout(entry: &ApplicationState, at: &Moment) -> Option<RolloutView> {
    let ledger = entry.rollout.as_ref()?;
    let rendered = entry.rendered.as_deref();
    let planned = rendered
        .map(|rendered| planned_hooks(ledger, rendered))
        .unwrap_or_default();
    let waves = rendered.map(waves_of).unwrap_or_default();
    let pauses = pauses(entry, ledger, at.now);
    Some(RolloutView::new(ledger, &planned, &waves, pauses))
}

/// The hooks of the desired state that take part in a rollout, in the order in which they run.
fn planned_hooks(ledger: &Ledger, rendered: &Rendered) -> Vec<HookId> {
    let takes_part = |occasion| match occasion {
        Occasion::Any => true,
        Occasion::Install => ledger.first,
        Occasion::Upgrade => !ledger.first,
    };
    let hooks = rendered.hooks.iter();
    hooks
        .filter(|hook| takes_part(hook.occasion))
        .map(Hook::id)
        .collect()
}

/// The waves of the desired objects, the first one first.
fn waves_of(rendered: &Rendered) -> Vec<i32> {
    let waves = rendered.set.iter();
    let waves: BTreeSet<i32> = waves.map(|manifest| wave_of(&manifest.body)).collect();
    waves.into_iter().collect()
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
