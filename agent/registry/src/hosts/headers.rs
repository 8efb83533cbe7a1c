//! What the headers of an answer say about limits.
//!
//! - `Retry-After`, seconds or a date: RFC 9110 section 10.2.3.
//! - `ratelimit-limit: 100;w=21600` and `ratelimit-remaining: 76;w=21600`: Docker Hub counts pulls,
//!   which are reads of manifests, in a window that rolls
//!   (<https://docs.docker.com/docker-hub/usage/pulls/>).
//! - `x-ratelimit-remaining` with `x-ratelimit-reset`, a time in seconds since 1970: GitHub
//!   (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
//! - `RateLimit-Remaining` with `RateLimit-Reset`, such a time or seconds from now: GitLab
//!   (<https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/>) and others.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

/// From here on a number of seconds is a time and not a duration.
const TIME: u64 = 1_000_000_000;

/// What an answer says about limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Limits {
    /// How long the host asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// What is left of a limit on requests.
    pub(super) requests: Option<Requests>,
    /// What is left of a limit on pulls.
    pub(super) pulls: Option<Pulls>,
}

/// A limit on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Requests {
    /// How many may still be made.
    pub(super) remaining: u64,
    /// After how long the count begins anew.
    pub(super) reset: Duration,
}

/// A limit on pulls in a window that rolls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pulls {
    /// How many may be made in a window.
    pub(super) limit: u64,
    /// How many may still be made.
    pub(super) remaining: u64,
    /// How long a pull counts.
    pub(super) window: Duration,
}

impl Limits {
    /// Reads them. `now` is used where the host does not say what time it is.
    pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let server = text(DATE.as_str()).and_then(date);
        let pulls = || {
            let (limit, window) = quota(text("ratelimit-limit")?)?;
            let (remaining, _) = quota(text("ratelimit-remaining")?)?;
            let window = window.filter(|window| !window.is_zero() && limit > 0)?;
            Some(Pulls {
                limit,
                remaining,
                window,
            })
        };
        let requests = |prefix: &str| {
            let (remaining, _) = quota(text(&format!("{prefix}-remaining"))?)?;
            let reset = text(&format!("{prefix}-reset"))?.trim().parse().ok()?;
            Some(Requests {
                remaining,
                reset: until(reset, server.unwrap_or(now)),
            })
        };
        let pulls = pulls();
        Self {
            retry_after: text(RETRY_AFTER.as_str()).and_then(|text| retry_after(text, server)),
            requests: requests("x-ratelimit")
                .or_else(|| requests("ratelimit").filter(|_| pulls.is_none())),
            pulls,
        }
    }
}

/// Seconds, or a date, which is taken against the server's own clock.
fn retry_after(text: &str, server: Option<Timestamp>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = date(text)?.duration_since(server?);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

fn date(text: &str) -> Option<Timestamp> {
    let zoned = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(zoned.timestamp())
}

/// `76;w=21600`: a number, perhaps with a window.
fn quota(text: &str) -> Option<(u64, Option<Duration>)> {
    let mut parts = text.split([';', ',']);
    let count = parts.next()?.trim().parse().ok()?;
    let window = parts
        .find_map(|part| part.trim().strip_prefix("w="))
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs);
    Some((count, window))
}

fn until(reset: u64, now: Timestamp) -> Duration {
    if reset < TIME {
        return Duration::from_secs(reset);
    }
    let now = u64::try_from(now.as_second()).unwrap_or(0);
    Duration::from_secs(reset.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    const DATE_LINE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:07 GMT");

    fn read(lines: &[(&str, &str)]) -> Limits {
        let headers = lines
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        Limits::read(&headers, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_retry_after_date_is_taken_against_the_servers_clock() {
        let at = |text: &'static str, rest: &[(&'static str, &'static str)]| {
            read(&[&[("retry-after", text)], rest].concat()).retry_after
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(at(date, &[]), None);
        assert_eq!(at(date, &[DATE_LINE]), Some(Duration::from_secs(30)));
        let past = "Sun, 06 Nov 1994 08:49:00 GMT";
        assert_eq!(at(past, &[DATE_LINE]), Some(Duration::ZERO));
        assert_eq!(at("300", &[]), Some(Duration::from_mins(5)));
        assert_eq!(at("soon", &[DATE_LINE]), None);
    }

    #[test]
    fn each_registrys_way_of_naming_its_limit_is_read() {
        let hub = [
            ("ratelimit-limit", "100;w=21600"),
            ("ratelimit-remaining", "76;w=21600"),
        ];
        let pulls = Pulls {
            limit: 100,
            remaining: 76,
            window: Duration::from_hours(6),
        };
        let found = read(&hub);
        assert_eq!((found.pulls, found.requests), (Some(pulls), None));

        // 1994-11-06 08:49:07 is 784111747, too early to be told from a duration: a later date.
        let github = [
            ("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1795262460"),
        ];
        let requests = |remaining, reset| {
            Some(Requests {
                remaining,
                reset: Duration::from_secs(reset),
            })
        };
        assert_eq!(read(&github).requests, requests(0, 60));

        let seconds = [("ratelimit-remaining", "5"), ("ratelimit-reset", "10")];
        let found = read(&seconds);
        assert_eq!((found.requests, found.pulls), (requests(5, 10), None));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for lines in [
            [
                ("ratelimit-limit", "many;w=21600"),
                ("ratelimit-remaining", "1;w=21600"),
            ],
            [
                ("ratelimit-limit", "100;w=0"),
                ("ratelimit-remaining", "1;w=0"),
            ],
            [
                ("ratelimit-limit", "0;w=10"),
                ("ratelimit-remaining", "0;w=10"),
            ],
            [("x-ratelimit-remaining", "-1"), ("x-ratelimit-reset", "5")],
            [("x-ratelimit-remaining", "1"), ("x-ratelimit-limit", "5")],
        ] {
            assert_eq!(read(&lines), Limits::default(), "{lines:?}");
        }
    }
}
