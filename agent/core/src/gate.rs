//! Whether an application may go to a newer commit: freeze, suspension, pin, dependencies, windows and
//! approval, in this order. What already runs is repaired all the same, unless everything is stopped.

use jiff::Timestamp;

use crate::outcome::Failure;

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
}
