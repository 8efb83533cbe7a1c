//! What a process and the API server say about their work: CPU, memory, requests, metrics.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::report::Requests;
use crate::AgentProcess;
use crate::agent::{ACCOUNT, NAMESPACE};
use crate::control_plane::audit::{Audit, AuditEvent};

/// The kernel counts CPU time for `/proc` in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of the agent, and of its renderers, those that have ended among them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cpu {
    pub(super) agent: Duration,
    pub(super) renderers: Duration,
}

impl Cpu {
    pub(super) fn of(agent: &AgentProcess) -> Result<Self> {
        let own = Stat::of(agent.id())?;
        let children = children(agent.id())?;
        Ok(Self {
            agent: own.used,
            renderers: own.waited_for + children.iter().map(|child| child.used).sum::<Duration>(),
        })
    }

    pub(super) fn since(self, earlier: Self) -> Duration {
        (self.agent + self.renderers).saturating_sub(earlier.agent + earlier.renderers)
    }
}

struct Stat {
    parent: u32,
    used: Duration,
    waited_for: Duration,
}

impl Stat {
    fn of(id: u32) -> Result<Self> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name, in parentheses, may hold anything.
        let (_, rest) = text.rsplit_once(')').context("no name in /proc/*/stat")?;
        let fields: Vec<u32> = rest
            .split_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        let field = |number: usize| fields.get(number).copied().unwrap_or_default();
        Ok(Self {
            parent: field(1),
            used: TICK * (field(11) + field(12)),
            waited_for: TICK * (field(13) + field(14)),
        })
    }
}

/// The children of a process that run now.
fn children(id: u32) -> Result<Vec<Stat>> {
    Ok(processes()?
        .into_iter()
        // One that ends meanwhile is none.
        .filter_map(|process| Stat::of(process).ok())
        .filter(|stat| stat.parent == id)
        .collect())
}

fn processes() -> Result<Vec<u32>> {
    let entries = std::fs::read_dir("/proc").context("list the processes")?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// Resident memory of a process.
pub(super) fn memory_mib(id: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no VmRSS")?
        .trim()
        .parse()?;
    Ok(kib / 1024.0)
}

/// Resident memory of all renderers of an agent, and how many they are.
pub(super) fn renderers_mib(agent: &AgentProcess) -> Result<(f64, usize)> {
    let own = agent.id();
    let is_child = |id: &u32| Stat::of(*id).is_ok_and(|stat| stat.parent == own);
    let found: Vec<f64> = processes()?
        .into_iter()
        .filter(is_child)
        .filter_map(|id| memory_mib(id).ok())
        .collect();
    Ok((found.iter().fold(0.0, |sum, one| sum + one), found.len()))
}

/// A number of `/metrics`, all its labels added up; 0 where it is missing.
pub(super) async fn metric(agent: &AgentProcess, name: &str) -> Result<f64> {
    let text = reqwest::get(agent.metrics_url("/metrics"))
        .await?
        .text()
        .await?;
    Ok(text
        .lines()
        .filter_map(|line| line.strip_prefix(name))
        .filter(|rest| rest.starts_with([' ', '{']))
        .filter_map(|rest| rest.rsplit_once(' ')?.1.parse::<f64>().ok())
        .fold(0.0, |sum, one| sum + one))
}

/// Reads what the agent asks of the API server, from the audit log.
pub(super) struct Asked {
    audit: Audit,
    seen: Vec<AuditEvent>,
}

impl Asked {
    /// From now on.
    pub(super) fn from_now(audit: &Audit) -> Result<Self> {
        Ok(Self {
            audit: audit.from_now()?,
            seen: Vec::new(),
        })
    }

    fn look(&mut self) -> Result<usize> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
        let new: Vec<AuditEvent> = self
            .audit
            .take()?
            .into_iter()
            .filter(|event| event.user.username == user && event.object().resource != "leases")
            // The other event of a watch is its beginning.
            .filter(|event| event.verb != "watch" || event.stage == "ResponseStarted")
            .collect();
        let count = new.len();
        self.seen.extend(new);
        Ok(count)
    }

    /// Waits until the agent has asked for nothing during `calm`; answers with the moment at which
    /// its last request was seen.
    pub(super) async fn until_calm(&mut self, calm: Duration, limit: Duration) -> Result<Instant> {
        let begin = Instant::now();
        let mut last = begin;
        while last.elapsed() < calm {
            if self.look()? > 0 {
                last = Instant::now();
            }
            anyhow::ensure!(begin.elapsed() < limit, "no calm within {limit:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(last)
    }

    /// The requests so far, but for those of the Lease.
    pub(super) fn requests(&mut self) -> Result<Requests> {
        self.look()?;
        let mut by_verb: BTreeMap<String, f64> = BTreeMap::new();
        for event in &self.seen {
            *by_verb.entry(event.verb.clone()).or_default() += 1.0;
        }
        let writes = self.seen.iter().filter(|event| event.is_write());
        let mut written: BTreeMap<String, f64> = BTreeMap::new();
        for event in writes {
            let object = event.object();
            let kind = if object.subresource.is_empty() {
                object.resource
            } else {
                format!("{}/{}", object.resource, object.subresource)
            };
            *written.entry(kind).or_default() += 1.0;
        }
        Ok(Requests {
            total: self.seen.len() as f64,
            writes: self.seen.iter().filter(|event| event.is_write()).count() as f64,
            by_verb,
            written,
        })
    }

    /// When the last object of an application was written.
    pub(super) fn last_object_written(&mut self) -> Result<Option<jiff::Timestamp>> {
        self.look()?;
        let times = self
            .seen
            .iter()
            .filter(|event| event.is_write() && event.impersonated_user.is_some())
            .filter_map(|event| event.stage_timestamp.parse().ok());
        Ok(times.max())
    }
}

/// What the agent has spent since a moment.
pub(super) struct Spent<'a> {
    agent: &'a AgentProcess,
    cpu: Cpu,
    /// The requests since then.
    pub(super) asked: Asked,
}

impl<'a> Spent<'a> {
    pub(super) fn from_now(audit: &Audit, agent: &'a AgentProcess) -> Result<Self> {
        Ok(Self {
            agent,
            cpu: Cpu::of(agent)?,
            asked: Asked::from_now(audit)?,
        })
    }

    /// Seconds of CPU time and requests of each of so many rounds.
    pub(super) fn each(&mut self, rounds: usize) -> Result<(f64, Requests)> {
        let rounds = rounds.max(1) as f64;
        let cpu = Cpu::of(self.agent)?.since(self.cpu).as_secs_f64() / rounds;
        Ok((cpu, self.asked.requests()?.times(1.0 / rounds)))
    }
}
