//! The figures of a bench: as a table for people and as JSON for the next comparison.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::scene::Size;

/// All runs of a bench.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// How many processors the machine has for it.
    pub processors: usize,
    /// The runs, in their order.
    pub runs: Vec<Run>,
}

/// One size.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its size.
    pub size: Size,
    /// The bare client.
    pub bare: Bare,
    /// Memory of the API server when the agent starts.
    pub api_server_before_mib: f64,
    /// The first sync.
    pub first_sync: Option<FirstSync>,
    /// A push that touches one file of one application.
    pub push: Option<Rounds>,
    /// A change by hand until it is put back.
    pub drift: Option<Rounds>,
    /// Nothing happens.
    pub idle: Option<Idle>,
    /// The agent starts again and has its database.
    pub restart: Option<Restart>,
    /// The agent starts again and has lost its data folder.
    pub restart_without_data: Option<Restart>,
}

/// The bare client.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Bare {
    /// Seconds for all objects.
    pub seconds: Spread,
    /// By the median.
    pub objects_per_second: f64,
}

/// The first sync.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstSync {
    /// Until the last object was written.
    pub objects_seconds: f64,
    /// Until all Applications said so in their status.
    pub reported_seconds: f64,
    /// By the time until the last object was written.
    pub objects_per_second: f64,
    /// The part of the bare client's objects per second.
    pub share_of_bare: f64,
    /// CPU of the agent and its renderers.
    pub cpu_seconds: f64,
    /// What it asked the API server for.
    pub requests: Requests,
}

/// The same thing several times.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rounds {
    /// Milliseconds until the effect was seen in the cluster.
    pub milliseconds: Spread,
    /// CPU of the agent and its renderers for one round, on average.
    pub cpu_seconds: f64,
    /// What the agent asked the API server for in one round, on average.
    pub requests: Requests,
}

/// Nothing happens.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Idle {
    /// CPU of the agent for each second.
    pub cpu_ms_per_second: f64,
    /// CPU of its renderers for each second.
    pub renderers_cpu_ms_per_second: f64,
    /// Memory of the agent.
    pub agent_mib: f64,
    /// Memory of its renderers.
    pub renderers_mib: f64,
    /// How many renderers there are.
    pub renderers: usize,
    /// Open watches of objects.
    pub watches: f64,
    /// What the agent asks the API server for in a minute.
    pub requests_per_minute: Requests,
    /// Memory of the API server.
    pub api_server_mib: f64,
}

/// A start.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restart {
    /// Until `/readyz` says so.
    pub ready_seconds: f64,
    /// Until the last request: all applications are looked after.
    pub calm_seconds: f64,
    /// Renders of applications.
    pub renders: f64,
    /// CPU of the agent and its renderers.
    pub cpu_seconds: f64,
    /// What it asked the API server for.
    pub requests: Requests,
}

/// Requests to the API server, but for those of the Lease.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// All of them.
    pub total: f64,
    /// Those that could change something.
    pub writes: f64,
    /// By the verb of the audit log.
    pub by_verb: BTreeMap<String, f64>,
    /// The writes by kind.
    pub written: BTreeMap<String, f64>,
}

/// How the values of several rounds lie.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// The smallest.
    pub least: f64,
    /// Half of them are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this; the largest, where there are fewer than 100.
    pub p99: f64,
}

impl Spread {
    /// The spread of some values; all 0 of none.
    pub fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let rank = (values.len() as f64 * part).ceil() as usize;
            values
                .get(rank.saturating_sub(1))
                .copied()
                .unwrap_or_default()
        };
        Self {
            count: values.len(),
            least: at(0.0),
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

impl Requests {
    /// The same for a part of the time or of the rounds.
    pub fn times(&self, factor: f64) -> Self {
        let scaled = |map: &BTreeMap<String, f64>| {
            map.iter()
                .map(|(name, count)| (name.clone(), count * factor))
                .collect()
        };
        Self {
            total: self.total * factor,
            writes: self.writes * factor,
            by_verb: scaled(&self.by_verb),
            written: scaled(&self.written),
        }
    }

    /// All of it in one line.
    pub(super) fn line(&self) -> String {
        let join = |map: &BTreeMap<String, f64>| {
            let parts = map.iter().map(|(name, count)| format!("{name} {count:.1}"));
            parts.collect::<Vec<_>>().join(", ")
        };
        format!(
            "{:.1} ({}); {:.1} writes ({})",
            self.total,
            join(&self.by_verb),
            self.writes,
            join(&self.written)
        )
    }
}

impl Report {
    /// An empty one that begins now.
    pub fn new() -> Self {
        Self {
            began: jiff::Timestamp::now().to_string(),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            runs: Vec::new(),
        }
    }

    /// The table for people.
    pub fn table(&self) -> String {
        self.runs.iter().map(Run::table).collect()
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new()
    }
}

impl Run {
    /// One without figures.
    pub(super) fn new(size: Size) -> Self {
        Self {
            size,
            bare: Bare::default(),
            api_server_before_mib: 0.0,
            first_sync: None,
            push: None,
            drift: None,
            idle: None,
            restart: None,
            restart_without_data: None,
        }
    }

    fn table(&self) -> String {
        let mut rows: Vec<(&str, String)> = vec![(
            "bare client",
            format!(
                "{:.2} s, {:.0} objects/s",
                self.bare.seconds.p50, self.bare.objects_per_second
            ),
        )];
        if let Some(first) = &self.first_sync {
            rows.push((
                "first sync",
                format!(
                    "{:.2} s, {:.0} objects/s, {:.2} of the bare client; reported after {:.2} s; CPU {:.2} s",
                    first.objects_seconds,
                    first.objects_per_second,
                    first.share_of_bare,
                    first.reported_seconds,
                    first.cpu_seconds
                ),
            ));
            rows.push(("  requests", first.requests.line()));
        }
        for (name, rounds) in [
            ("push to one file", &self.push),
            ("drift repair", &self.drift),
        ] {
            let Some(rounds) = rounds else { continue };
            let Spread {
                count, p50, p99, ..
            } = rounds.milliseconds;
            let cpu = rounds.cpu_seconds;
            rows.push((
                name,
                format!("p50 {p50:.0} ms, p99 {p99:.0} ms of {count}; CPU {cpu:.3} s"),
            ));
            rows.push(("  requests", rounds.requests.line()));
        }
        if let Some(idle) = &self.idle {
            rows.push((
                "idle",
                format!(
                    "CPU {:.2} ms/s (renderers {:.2}); agent {:.0} MiB, {} renderers {:.0} MiB; {:.0} watches; \
                     API server {:.0} MiB, {:+.0}",
                    idle.cpu_ms_per_second,
                    idle.renderers_cpu_ms_per_second,
                    idle.agent_mib,
                    idle.renderers,
                    idle.renderers_mib,
                    idle.watches,
                    idle.api_server_mib,
                    idle.api_server_mib - self.api_server_before_mib
                ),
            ));
            rows.push(("  requests/min", idle.requests_per_minute.line()));
        }
        for (name, restart) in [
            ("restart", &self.restart),
            ("restart, no data", &self.restart_without_data),
        ] {
            let Some(restart) = restart else { continue };
            rows.push((
                name,
                format!(
                    "ready after {:.2} s, calm after {:.2} s; {:.0} renders; CPU {:.2} s",
                    restart.ready_seconds,
                    restart.calm_seconds,
                    restart.renders,
                    restart.cpu_seconds
                ),
            ));
            rows.push(("  requests", restart.requests.line()));
        }
        let mut text = format!("{}\n", self.size);
        for (name, value) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:18} {value}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_names_values_that_were_measured() {
        let spread = Spread::of((1..=100).rev().map(f64::from).collect());
        assert_eq!((spread.least, spread.p50, spread.p99), (1.0, 50.0, 99.0));
        let few = Spread::of(vec![3.0, 1.0, 2.0]);
        assert_eq!((few.count, few.p50, few.p99), (3, 2.0, 3.0));
        assert_eq!(Spread::of(Vec::new()).count, 0);
    }

    #[test]
    fn requests_of_several_rounds_become_those_of_one() {
        let requests = Requests {
            total: 10.0,
            writes: 4.0,
            by_verb: BTreeMap::from([("get".to_owned(), 6.0), ("patch".to_owned(), 4.0)]),
            written: BTreeMap::from([("deployments".to_owned(), 4.0)]),
        };
        let one = requests.times(0.5);
        assert_eq!((one.total, one.by_verb["get"]), (5.0, 3.0));
        assert!(one.line().contains("patch 2.0"), "{}", one.line());
    }
}
