//! Sync windows: when a new commit or image may be applied, in the time zone of the people who wrote it.
//!
//! A schedule is read on the clock on the wall, and a window begins when that clock shows a time of
//! it: once, the first time, where the clock shows it twice, and at the first moment after the gap
//! where the clock jumps over it. From there on its length is time that really passes.

use std::fmt::Write as _;
use std::time::Duration;

use croner::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, civil};

/// How many changes of single windows are looked through for the next change of all of them
/// together. Who needs more has windows that never change the answer, or hardly ever.
const MOST_CHANGES: usize = 1000;
/// A schedule that does not come within this many years never does: a 29 February that has to be a
/// certain day of the week may take 40.
const MOST_YEARS: i16 = 41;

/// Whether a window allows or forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Outside of all windows that allow, nothing is allowed.
    Allow,
    /// Forbids whatever others allow.
    Deny,
}

/// A time that comes again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// What it does.
    pub rule: Rule,
    /// When it begins: a cron expression of five fields.
    pub schedule: Cron,
    /// How long it is.
    pub duration: Duration,
    /// The time zone of the schedule.
    pub zone: TimeZone,
}

/// What the windows say at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether changes are allowed.
    pub open: bool,
    /// When the answer becomes the other one; `None` for never. Where it hardly ever changes this is
    /// the end of what was looked through, and a good time to ask again.
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
        let refuse = |why: &str| Err(format!("`schedule: {schedule}`: {why}"));
        if schedule.contains('@') {
            return refuse("a name is no schedule; write five fields, for `@daily` `0 0 * * *`");
        }
        let fields = schedule.split_whitespace().count();
        if fields != 5 {
            return refuse(&format!(
                "it has {fields} fields and needs five: minute, hour, day of the month, month, day \
                 of the week"
            ));
        }
        let cron = match schedule.parse::<Cron>() {
            Ok(cron) => cron,
            Err(error) => return refuse(&plain(&error.to_string())),
        };
        if !comes(&cron) {
            return refuse("there is no such day");
        }
        let zone = TimeZone::get(zone).map_err(|_| {
            format!("`timeZone: {zone}`: no IANA time zone has this name, as `Europe/Berlin` has")
        })?;
        Ok(Self {
            rule,
            schedule: cron,
            duration,
            zone,
        })
    }

    /// Whether it lasts at a time, and when that may change.
    fn span(&self, at: Timestamp) -> Span {
        let length = SignedDuration::try_from(self.duration).unwrap_or(SignedDuration::MAX);
        if let Some(begun) = self.begun(at) {
            // Beyond the end of time is for ever.
            let end = begun.checked_add(length).ok();
            if end.is_none_or(|end| end > at) {
                return Span {
                    lasts: true,
                    until: end,
                };
            }
        }
        Span {
            lasts: false,
            until: self.next(at),
        }
    }

    /// The last time at or before `at` at which it began.
    fn begun(&self, at: Timestamp) -> Option<Timestamp> {
        let found = match self.wall(at) {
            Wall::Once(shown) => self.schedule.find_previous_occurrence(&shown, true),
            Wall::Again(end) => self.schedule.find_previous_occurrence(&end, false),
        };
        self.instant(found.ok()?)
    }

    /// The first time after `at` at which it begins.
    fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let found = match self.wall(at) {
            Wall::Once(shown) => self.schedule.find_next_occurrence(&shown, false),
            Wall::Again(end) => self.schedule.find_next_occurrence(&end, true),
        };
        self.instant(found.ok()?)
    }

    /// What the clock on the wall shows.
    fn wall(&self, at: Timestamp) -> Wall {
        let shown = self.zone.to_datetime(at);
        let ambiguous = self.zone.to_ambiguous_timestamp(shown).offset();
        if let AmbiguousOffset::Fold { before, after } = ambiguous
            && self.zone.to_offset(at) == after
            && let Some(change) = self.last_change(at)
        {
            return Wall::Again(before.to_datetime(change));
        }
        Wall::Once(shown)
    }

    /// When the clock on the wall shows a time first, or jumps over it.
    fn instant(&self, shown: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(shown);
        match ambiguous.offset() {
            AmbiguousOffset::Gap { before, .. } => {
                self.last_change(before.to_timestamp(shown).ok()?)
            }
            _ => ambiguous.earlier().ok(),
        }
    }

    /// When the zone changed its offset last, at or before `at`.
    fn last_change(&self, at: Timestamp) -> Option<Timestamp> {
        let after = at.checked_add(SignedDuration::from_nanos(1)).ok()?;
        let change = self.zone.preceding(after).next()?;
        Some(change.timestamp())
    }
}

/// What the clock on the wall shows at a moment.
enum Wall {
    /// A time that it shows for the first time.
    Once(DateTime),
    /// A time that it has shown before: the clock went back from this one, and until it shows that
    /// again nothing begins.
    Again(DateTime),
}

/// One window at one time.
struct Span {
    lasts: bool,
    /// When that may change.
    until: Option<Timestamp>,
}

/// What all windows say together at a time; open where there is none.
pub fn ask(windows: &[Window], now: Timestamp) -> Answer {
    let mut spans: Vec<Span> = windows.iter().map(|window| window.span(now)).collect();
    let open = is_open(windows, &spans);
    let mut until = None;
    for _ in 0..MOST_CHANGES {
        let next = spans.iter().filter_map(|span| span.until).min();
        let Some(at) = next else {
            return Answer { open, until: None };
        };
        until = Some(at);
        for (window, span) in windows.iter().zip(&mut spans) {
            if span.until.is_some_and(|until| until <= at) {
                *span = window.span(at);
            }
        }
        if is_open(windows, &spans) != open {
            break;
        }
    }
    Answer { open, until }
}

fn is_open(windows: &[Window], spans: &[Span]) -> bool {
    let lasts = |rule| {
        let mut all = windows.iter().zip(spans);
        all.any(|(window, span)| window.rule == rule && span.lasts)
    };
    let allowed = windows.iter().all(|window| window.rule == Rule::Deny) || lasts(Rule::Allow);
    allowed && !lasts(Rule::Deny)
}

/// A time for people: in UTC, and on the clocks of the zones that the windows name.
pub fn spoken(windows: &[Window], at: Timestamp) -> String {
    let mut text = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut names: Vec<&str> = Vec::new();
    for window in windows {
        let name = window.zone.iana_name().unwrap_or("UTC");
        if name == "UTC" || names.contains(&name) {
            continue;
        }
        names.push(name);
        let shown = window.zone.to_datetime(at).strftime("%H:%M");
        let open = if names.len() == 1 { " (" } else { ", " };
        let _ = write!(text, "{open}{name} {shown}");
    }
    if !names.is_empty() {
        text.push(')');
    }
    text
}

/// Whether any day fits a schedule. Looks at days only: an hour and a minute come every day.
fn comes(cron: &Cron) -> bool {
    let first = civil::date(2000, 1, 1);
    let end = civil::date(2000 + MOST_YEARS, 1, 1);
    let mut month = first;
    while month < end {
        let number = month.month().unsigned_abs().into();
        if cron.pattern.month_match(number).unwrap_or(false) {
            let mut day = month;
            while day.month() == month.month() {
                let weekday = day.weekday().to_sunday_zero_offset().unsigned_abs().into();
                let weekday = croner::Weekday::from_days_from_sunday(weekday);
                let (year, dom) = (day.year().into(), day.day().unsigned_abs().into());
                let fits = cron.pattern.day_match(year, number, dom, weekday);
                if fits.unwrap_or(false) {
                    return true;
                }
                let Ok(next) = day.tomorrow() else {
                    return false;
                };
                day = next;
            }
        }
        let Ok(next) = month.last_of_month().tomorrow() else {
            return false;
        };
        month = next;
    }
    false
}

/// An error of the parser in our own way of writing.
fn plain(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_lowercase(), letters.as_str())
    })
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
