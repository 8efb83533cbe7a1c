//! How each host is asked: how often, when it is left alone, and what was counted.
//!
//! There is one state per host, shared by everything that asks it: images, charts and token
//! services, whatever the credentials are. It decides nothing about the answers.
//!
//! ```text
//! send -> left alone? refused with the time | a turn, perhaps after a wait -> request -> status, headers
//!                     ^                                                                     |
//!                     +--- 429, Retry-After, used-up limits, failures in a row <------------+
//! ```

mod headers;
mod lane;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::{RequestBuilder, Response};
use tokio::time::Instant;

use crate::error::Error;
use crate::settings::Settings;
use headers::Limits;
use lane::{Admission, Lane};

pub(crate) use lane::Kind;

/// The most hosts that are remembered; those asked longest ago go first.
const MOST_HOSTS: usize = 500;

/// When a host is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// How long it is until then, from when the answer was given.
    pub after: Duration,
    /// The same as a time, in full seconds: it stays the same while the host is left alone.
    pub at: Timestamp,
}

/// The state of all hosts that are asked. A cheap handle.
#[derive(Clone)]
pub struct Hosts {
    shared: Arc<Shared>,
}

struct Shared {
    pace: Pace,
    lanes: Mutex<HashMap<String, Lane>>,
}

/// The part of the settings that is about hosts.
#[derive(Clone, Debug)]
struct Pace {
    /// Requests in a second, when nothing slows them down.
    rate: f64,
    burst: f64,
    max_wait: Duration,
    default_retry_after: Duration,
    max_retry_after: Duration,
    /// Percent of a limit of pulls.
    pull_reserve: u8,
    failures: u32,
    rest_first: Duration,
    rest_most: Duration,
}

/// What is known of one host, for metrics and people.
#[derive(Clone, Debug, PartialEq)]
pub struct HostState {
    /// The host, with its port where it has one.
    pub host: String,
    /// Answers since the start, by kind of status (`2xx`, `304`, `401`, `429`, ... and `none` for no
    /// answer).
    pub answers: BTreeMap<&'static str, u64>,
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// How many requests a second it is asked at most now.
    pub rate: f64,
    /// Until when it is not asked at all.
    pub left_alone: Option<Again>,
}

impl Hosts {
    /// Hosts about which nothing is known, asked as the settings say.
    pub fn new(settings: &Settings) -> Self {
        Self {
            shared: Arc::new(Shared {
                pace: Pace {
                    rate: f64::from(settings.requests_per_second.max(1)),
                    burst: f64::from(settings.burst.max(1)),
                    max_wait: settings.max_wait,
                    default_retry_after: settings.default_retry_after,
                    max_retry_after: settings.max_retry_after,
                    pull_reserve: settings.pull_reserve.min(100),
                    failures: settings.failures_before_rest.max(1),
                    rest_first: settings.rest_first,
                    rest_most: settings.rest_most,
                },
                lanes: Mutex::default(),
            }),
        }
    }

    /// All hosts, by name.
    pub fn states(&self) -> Vec<HostState> {
        let now = Now::read();
        let lanes = self.lanes();
        let mut states: Vec<_> = lanes
            .iter()
            .map(|(host, lane)| lane.state(host, now))
            .collect();
        states.sort_by(|a, b| a.host.cmp(&b.host));
        states
    }

    /// Sends a request when it is the host's turn.
    ///
    /// Every status is an answer, but for those that ask to slow down: they are an error, as are a
    /// host that is left alone, no connection, and a deadline that passed.
    pub(crate) async fn send(
        &self,
        host: &str,
        kind: Kind,
        request: RequestBuilder,
    ) -> Result<Response, Error> {
        self.turn(host, kind).await?;
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let error = Error::unavailable(host, error);
                self.failed(host, &error);
                return Err(error);
            }
        };
        let now = Now::read();
        let limits = Limits::read(response.headers(), now.timestamp);
        let status = response.status();
        self.with(host, now, |pace, lane| {
            lane.answered(pace, now, host, status, &limits)
        })?;
        Ok(response)
    }

    /// Notes an answer that broke off.
    pub(crate) fn failed(&self, host: &str, error: &Error) {
        if let Error::Unavailable { detail, .. } = error {
            let now = Now::read();
            self.with(host, now, |pace, lane| lane.failed(pace, now, detail));
        }
    }

    /// Waits for the turn of a request.
    async fn turn(&self, host: &str, kind: Kind) -> Result<(), Error> {
        let now = Now::read();
        let admission = self.with(host, now, |pace, lane| lane.admit(pace, now, host, kind))?;
        let Admission::Wait(wait) = admission else {
            return Ok(());
        };
        let waiting = Waiting::new(self, host);
        tokio::time::sleep(wait).await;
        drop(waiting);
        // What another request brought meanwhile holds for this one too (F13).
        let now = Now::read();
        self.with(host, now, |_, lane| lane.refused(now, host, kind))
            .map_or(Ok(()), Err)
    }

    fn with<T>(&self, host: &str, now: Now, change: impl FnOnce(&Pace, &mut Lane) -> T) -> T {
        let mut lanes = self.lanes();
        if !lanes.contains_key(host) {
            if lanes.len() >= MOST_HOSTS {
                let oldest = lanes
                    .iter()
                    .filter(|(_, lane)| lane.is_idle(now))
                    .min_by_key(|(_, lane)| lane.used())
                    .map(|(host, _)| host.clone());
                if let Some(oldest) = oldest {
                    lanes.remove(&oldest);
                }
            }
            lanes.insert(host.to_owned(), Lane::new(&self.shared.pace, now));
        }
        let lane = lanes
            .get_mut(host)
            .expect("it was there or inserted just now");
        change(&self.shared.pace, lane)
    }

    fn lanes(&self) -> MutexGuard<'_, HashMap<String, Lane>> {
        // Every change leaves a lane whole, so a panic elsewhere does not matter.
        self.shared
            .lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosts")
            .field("pace", &self.shared.pace)
            .finish_non_exhaustive()
    }
}

/// Counts a request as waiting until it is dropped, also where the asker gave up.
struct Waiting<'a> {
    hosts: &'a Hosts,
    host: &'a str,
}

impl<'a> Waiting<'a> {
    fn new(hosts: &'a Hosts, host: &'a str) -> Self {
        hosts.with(host, Now::read(), |_, lane| lane.waiting += 1);
        Self { hosts, host }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(lane) = self.hosts.lanes().get_mut(self.host) {
            lane.waiting = lane.waiting.saturating_sub(1);
        }
    }
}

/// One moment on both clocks: one that never goes back, and one for people.
#[derive(Clone, Copy, Debug)]
struct Now {
    instant: Instant,
    timestamp: Timestamp,
}

impl Now {
    fn read() -> Self {
        Self {
            instant: Instant::now(),
            timestamp: Timestamp::now(),
        }
    }
}
