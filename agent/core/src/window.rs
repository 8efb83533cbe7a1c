//! Sync windows: when a new commit or image may be applied, in the time zone of the people who wrote it.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Whether a window allows or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Outside of all windows that allow, nothing is allowed.
    Allow,
    /// Forbids whatever others allow.
    Deny,
}

/// A time that comes again and again.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// What it does.
    pub rule: Rule,
    /// When it begins: a cron expression of five fields.
    pub schedule: croner::Cron,
    /// How long it is.
    pub duration: Duration,
    /// The time zone of the schedule.
    pub zone: TimeZone,
}

impl Eq for Window {}

/// What the windows say at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether changes are allowed.
    pub open: bool,
    /// When the answer may be another one; `None` for never.
    pub until: Option<Timestamp>,
}

impl Window {
    /// Reads a window. The error says which part is wrong.
    pub fn parse(
        rule: Rule,
        schedule: &str,
        duration: Duration,
        zone: &str,
    ) -> Result<Self, String> {
        let schedule = schedule
            .parse::<croner::Cron>()
            .map_err(|error| format!("`schedule: {schedule}`: {error}"))?;
        let zone = TimeZone::get(zone).map_err(|error| format!("`timeZone: {zone}`: {error}"))?;
        Ok(Self {
            rule,
            schedule,
            duration,
            zone,
        })
    }
}

/// What all windows say together at a time; open where there is none.
pub fn ask(windows: &[Window], _now: Timestamp) -> Answer {
    Answer {
        open: windows.is_empty(),
        until: None,
    }
}
