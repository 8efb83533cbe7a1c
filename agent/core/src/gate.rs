//! Whether an application may go to a newer commit: freeze, suspension, stop, pin, dependencies,
//! windows and approval, in this order. What already runs is repaired all the same, unless
//! everything is stopped.
//!
//! | What holds | Commit | A person who asks for a sync |
//! |---|---|---|
//! | the agent is frozen | none | is told so |
//! | the application is suspended | none | is told so |
//! | a person stopped it | none | goes on |
//! | it is pinned | the pinned one | gets the pinned one |
//! | a dependency is not ready | the applied one | gets the applied one |
//! | no window is open | the applied one | gets the newest one |
//! | an approval is missing | the applied one | gets the newest one |

use jiff::Timestamp;

use crate::application::{Pin, Suspension};
use crate::outcome::Failure;
use crate::reason::Reason;
use crate::trigger::Cause;
use crate::window::{self, Window};

/// Which commit a sync is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The newest one.
    Newest,
    /// The one that is pinned.
    Pinned(String),
    /// The one that was applied last: its drift is repaired, and nothing newer is applied.
    Applied,
    /// None: no sync runs at all.
    Nothing,
}

/// What the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which commit a sync is for.
    pub target: Target,
    /// Why it is not the newest one.
    pub because: Option<Failure>,
    /// When to ask again; `None` where only an event changes the answer.
    pub until: Option<Timestamp>,
    /// What would have held the newest commit, had not a person asked for it.
    pub overridden: Vec<Failure>,
}

/// The switch that stops all syncs of the agent, while it is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Why.
    pub reason: String,
    /// Who turned it on; empty where that is not known.
    pub by: String,
    /// When it ends by itself; never where it is absent.
    pub until: Option<Timestamp>,
}

impl Freeze {
    /// Whether it holds at a time.
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Why nothing happens.
    pub fn failure(&self) -> Failure {
        let mut detail = self.reason.clone();
        if !self.by.is_empty() {
            detail = format!("{detail} (by {})", self.by);
        }
        Failure {
            reason: Reason::Frozen,
            detail: ending(detail, self.until),
        }
    }
}

/// Whether a person lets the newest commit be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has to: syncs are automatic.
    NotNeeded,
    /// Somebody did.
    Given,
    /// Nobody did; says what waits for whom.
    Missing(Failure),
}

/// What the gate looks at.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The time.
    pub now: Timestamp,
    /// Why the sync runs.
    pub cause: Cause,
    /// The switch of the agent.
    pub freeze: Option<&'a Freeze>,
    /// `spec.suspend`.
    pub suspension: Option<&'a Suspension>,
    /// A person stopped what ran, and nothing has ended that.
    pub stopped: Option<Failure>,
    /// `spec.pin`.
    pub pin: Option<&'a Pin>,
    /// What the application depends on is not ready, or depends on it in turn.
    pub blocked: Option<Failure>,
    /// `spec.sync.windows`.
    pub windows: &'a [Window],
    /// `spec.sync.automatic`, and what a person approved.
    pub approval: Approval,
}

/// Which commit a sync is for, why, and when to ask again.
pub fn decide(inputs: &Inputs<'_>) -> Verdict {
    let now = inputs.now;
    if let Some(freeze) = inputs.freeze.filter(|freeze| freeze.holds(now)) {
        return held(Target::Nothing, freeze.failure(), freeze.until);
    }
    if let Some(suspension) = inputs.suspension.filter(|s| s.holds(now)) {
        return held(Target::Nothing, suspended(suspension), suspension.until);
    }
    let by_hand = inputs.cause == Cause::User;
    let mut overridden = Vec::new();
    if let Some(stopped) = &inputs.stopped {
        if !by_hand {
            return held(Target::Nothing, stopped.clone(), None);
        }
        overridden.push(stopped.clone());
    }
    if let Some(pin) = inputs.pin.filter(|pin| pin.holds(now)) {
        let because = Failure {
            reason: Reason::Pinned,
            detail: ending(format!("{}: {}", short(&pin.commit), pin.reason), pin.until),
        };
        return held(Target::Pinned(pin.commit.clone()), because, pin.until);
    }
    if let Some(blocked) = &inputs.blocked {
        return held(Target::Applied, blocked.clone(), None);
    }
    if let Some((because, until)) = closed(inputs.windows, now) {
        if !by_hand {
            return held(Target::Applied, because, until);
        }
        overridden.push(because);
    }
    if let Approval::Missing(because) = &inputs.approval {
        if !by_hand {
            return held(Target::Applied, because.clone(), None);
        }
        overridden.push(because.clone());
    }
    Verdict {
        target: Target::Newest,
        because: None,
        until: None,
        overridden,
    }
}

/// Why nothing newer may be applied by the windows, and until when; `None` where they are open.
pub fn closed(windows: &[Window], now: Timestamp) -> Option<(Failure, Option<Timestamp>)> {
    let answer = window::ask(windows, now);
    if answer.open {
        return None;
    }
    let detail = match answer.until {
        Some(until) => format!("opens at {}", window::spoken(windows, until)),
        None => "none opens again".to_owned(),
    };
    let because = Failure {
        reason: Reason::WindowClosed,
        detail,
    };
    Some((because, answer.until))
}

/// Why something is suspended, and until when.
pub fn suspended(suspension: &Suspension) -> Failure {
    Failure {
        reason: Reason::Suspended,
        detail: ending(suspension.reason.clone(), suspension.until),
    }
}

fn held(target: Target, because: Failure, until: Option<Timestamp>) -> Verdict {
    Verdict {
        target,
        because: Some(because),
        until,
        overridden: Vec::new(),
    }
}

fn ending(text: String, until: Option<Timestamp>) -> String {
    match until {
        Some(until) => format!("{text}; until {}", until.strftime("%Y-%m-%dT%H:%M:%SZ")),
        None => text,
    }
}

/// The first digits of a commit.
fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

#[cfg(test)]
mod tests;
