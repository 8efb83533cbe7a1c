//! The state of one host: when the next request may go, and when none may.
//!
//! Three things hold a request back, each for a time that is known: the pace (a bucket that fills at
//! a rate, which halves when the host asks to slow down and grows back with good answers), what the
//! host asked for, and rest after failures in a row, at the end of which one request tries.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;

use super::headers::{Limits, Pulls};
use super::{Again, HostState, Now, Pace};
use crate::error::{Error, Throttle};

/// The slowest pace, in requests a second.
const SLOWEST: f64 = 1.0 / 60.0;
/// What part of the full rate comes back with each good answer.
const RECOVERY: f64 = 0.01;

/// What a request costs the asker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A read of a manifest, which some registries count as a pull.
    Pull,
    /// Anything else.
    Other,
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Go,
    /// After this time; the turn is taken.
    Wait(Duration),
}

/// The state of one host.
#[derive(Debug)]
pub(super) struct Lane {
    /// Requests in a second, at present.
    rate: f64,
    /// A rate that the host's own numbers ask for, until they begin anew.
    ceiling: Option<(f64, Instant)>,
    /// When the bucket is full again.
    full: Instant,
    /// Until when it asked to be left alone.
    asked: Option<Hold>,
    /// Until when no manifest is read, because few pulls are left.
    pulls: Option<Hold>,
    /// Until when it is left alone because it failed too often in a row.
    rest: Option<Hold>,
    failures: u32,
    last_failure: String,
    answers: BTreeMap<&'static str, u64>,
    pub(super) waiting: usize,
    used: Instant,
}

/// Until when something holds, and why.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Instant,
    at: jiff::Timestamp,
    why: Throttle,
}

impl Hold {
    fn new(now: Now, wait: Duration, why: Throttle) -> Self {
        // In full seconds, never too early; a wait is bounded, so neither sum overflows.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0) + 1;
        let at = jiff::Timestamp::from_second(now.timestamp.as_second() + seconds as i64);
        Self {
            until: now.instant + wait,
            at: at.unwrap_or(jiff::Timestamp::MAX),
            why,
        }
    }

    fn again(&self, now: Now) -> Option<Again> {
        (self.until > now.instant).then(|| Again {
            after: self.until - now.instant,
            at: self.at,
        })
    }
}

impl Lane {
    pub(super) fn new(pace: &Pace, now: Now) -> Self {
        Self {
            rate: pace.rate,
            ceiling: None,
            full: now.instant,
            asked: None,
            pulls: None,
            rest: None,
            failures: 0,
            last_failure: String::new(),
            answers: BTreeMap::new(),
            waiting: 0,
            used: now.instant,
        }
    }

    /// Takes a turn, or says why there is none.
    pub(super) fn admit(
        &mut self,
        pace: &Pace,
        now: Now,
        host: &str,
        kind: Kind,
    ) -> Result<Admission, Error> {
        self.used = now.instant;
        if let Some(error) = self.refused(now, host, kind) {
            return Err(error);
        }
        let rate = self.rate_at(now);
        let gap = Duration::from_secs_f64(1.0 / rate);
        if let Some(rest) = &mut self.rest {
            // The rest is over: this request tries at once, and the others wait for how it ends.
            *rest = Hold::new(now, pace.rest_most, rest.why);
            self.full = self.full.max(now.instant) + gap;
            return Ok(Admission::Go);
        }
        // A host that is asked more slowly gets smaller bursts too.
        let burst = pace.burst * rate / pace.rate;
        let room = gap.mul_f64((burst - 1.0).max(0.0));
        let full = self.full.max(now.instant);
        let wait = (full - now.instant).saturating_sub(room);
        if wait > pace.max_wait {
            let again = Hold::new(now, wait, Throttle::Pace).again(now);
            return Err(throttled(
                host,
                Throttle::Pace,
                again.unwrap_or_else(|| soon(now)),
            ));
        }
        self.full = full + gap;
        Ok(if wait.is_zero() {
            Admission::Go
        } else {
            Admission::Wait(wait)
        })
    }

    /// Why the host may not be asked now.
    pub(super) fn refused(&self, now: Now, host: &str, kind: Kind) -> Option<Error> {
        let pulls = self.pulls.as_ref().filter(|_| kind == Kind::Pull);
        for hold in [self.asked.as_ref(), pulls].into_iter().flatten() {
            if let Some(again) = hold.again(now) {
                return Some(throttled(host, hold.why, again));
            }
        }
        let again = self.rest.as_ref()?.again(now)?;
        Some(Error::Unavailable {
            host: host.to_owned(),
            detail: self.last_failure.clone(),
            again: Some(again),
        })
    }

    /// Takes in an answer. An error where it asks to slow down.
    pub(super) fn answered(
        &mut self,
        pace: &Pace,
        now: Now,
        host: &str,
        status: StatusCode,
        limits: &Limits,
    ) -> Result<(), Error> {
        *self.answers.entry(kind_of(status)).or_default() += 1;
        self.count_pulls(pace, now, limits.pulls.as_ref());
        let used_up = limits.requests.is_some_and(|left| left.remaining == 0);
        // GitHub answers 403 as well where a limit is used up.
        let slow_down = status == StatusCode::TOO_MANY_REQUESTS
            || (status == StatusCode::SERVICE_UNAVAILABLE && limits.retry_after.is_some())
            || (status == StatusCode::FORBIDDEN && (used_up || limits.retry_after.is_some()));
        let reset = limits.requests.map(|left| left.reset);
        if slow_down {
            self.failures = 0;
            self.rest = None;
            self.rate = (self.rate / 2.0).max(SLOWEST);
            let wait = limits.retry_after.or(reset.filter(|_| used_up));
            let wait = wait.unwrap_or(pace.default_retry_after);
            let error = self.leave_alone(pace, now, host, wait, Throttle::Asked);
            return Err(error);
        }
        if let Some(left) = limits.requests {
            if used_up && !left.reset.is_zero() {
                // This answer is good; the next request would not be.
                self.leave_alone(pace, now, host, left.reset, Throttle::UsedUp);
            } else if !left.reset.is_zero() {
                let rate = left.remaining as f64 / left.reset.as_secs_f64();
                let until = now.instant + left.reset.min(pace.max_retry_after);
                self.ceiling = Some((rate.max(SLOWEST), until));
            }
        }
        match status {
            StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                let detail = format!("it answered with HTTP status {}", status.as_u16());
                self.fail(pace, now, &detail);
            }
            // An error of its own may be about this one image.
            _ => {
                self.failures = 0;
                self.rest = None;
                if status.is_success() || status == StatusCode::NOT_MODIFIED {
                    self.rate = (self.rate + pace.rate * RECOVERY).min(pace.rate);
                }
            }
        }
        Ok(())
    }

    /// Takes in that no answer came.
    pub(super) fn failed(&mut self, pace: &Pace, now: Now, detail: &str) {
        *self.answers.entry("none").or_default() += 1;
        self.fail(pace, now, detail);
    }

    fn fail(&mut self, pace: &Pace, now: Now, detail: &str) {
        self.failures = self.failures.saturating_add(1);
        detail.clone_into(&mut self.last_failure);
        if self.failures >= pace.failures {
            let doublings = (self.failures - pace.failures).min(16);
            let wait = pace.rest_first.saturating_mul(1 << doublings);
            self.rest = Some(Hold::new(now, wait.min(pace.rest_most), Throttle::Asked));
        }
    }

    fn leave_alone(
        &mut self,
        pace: &Pace,
        now: Now,
        host: &str,
        wait: Duration,
        why: Throttle,
    ) -> Error {
        let wait = wait.clamp(Duration::from_secs(1), pace.max_retry_after);
        let hold = Hold::new(now, wait, why);
        // A longer time that it asked for before still holds.
        if self.asked.is_none_or(|asked| asked.until < hold.until) {
            self.asked = Some(hold);
        }
        let asked = self.asked.unwrap_or(hold);
        let again = asked.again(now).unwrap_or_else(|| soon(now));
        throttled(host, asked.why, again)
    }

    /// Keeps a part of the pulls for the nodes, which pull from the same address.
    fn count_pulls(&mut self, pace: &Pace, now: Now, pulls: Option<&Pulls>) {
        let Some(pulls) = pulls else { return };
        let reserve = pulls.limit * u64::from(pace.pull_reserve) / 100;
        if pulls.remaining > reserve {
            self.pulls = None;
            return;
        }
        if self.pulls.is_some_and(|hold| hold.until > now.instant) {
            return;
        }
        // They come back one by one as those of the past leave the window.
        let missing = u32::try_from(reserve + 1 - pulls.remaining).unwrap_or(u32::MAX);
        let each = pulls.window / u32::try_from(pulls.limit).unwrap_or(u32::MAX);
        let wait = each.saturating_mul(missing).min(pace.max_retry_after);
        self.pulls = Some(Hold::new(now, wait, Throttle::PullsKept));
    }

    fn rate_at(&self, now: Now) -> f64 {
        match self.ceiling {
            Some((ceiling, until)) if until > now.instant => self.rate.min(ceiling),
            _ => self.rate,
        }
    }

    /// Whether nothing is lost when it is forgotten.
    pub(super) fn is_idle(&self, now: Now) -> bool {
        let holds = [&self.asked, &self.pulls, &self.rest];
        let held = holds
            .into_iter()
            .flatten()
            .any(|hold| hold.until > now.instant);
        !held && self.waiting == 0
    }

    /// When it was asked last.
    pub(super) fn used(&self) -> Instant {
        self.used
    }

    pub(super) fn state(&self, host: &str, now: Now) -> HostState {
        let holds = [&self.asked, &self.rest];
        HostState {
            host: host.to_owned(),
            answers: self.answers.clone(),
            waiting: self.waiting,
            rate: self.rate_at(now),
            left_alone: holds
                .into_iter()
                .flatten()
                .filter_map(|hold| hold.again(now))
                .max_by_key(|again| again.after),
        }
    }
}

fn throttled(host: &str, why: Throttle, again: Again) -> Error {
    Error::Throttled {
        host: host.to_owned(),
        why,
        again,
    }
}

fn soon(now: Now) -> Again {
    Again {
        after: Duration::ZERO,
        at: now.timestamp,
    }
}

/// The label of a status: few, whatever a host answers.
fn kind_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        304 => "304",
        300..=399 => "3xx",
        401 => "401",
        403 => "403",
        404 => "404",
        429 => "429",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

#[cfg(test)]
mod tests;
