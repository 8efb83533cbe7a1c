//! The figures of the renders: as a table for people and as JSON for the next comparison.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::programs;

/// All figures, and where they were measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// Processors, kernel and versions.
    pub machine: Vec<String>,
    /// What was measured, in order.
    pub rows: Vec<Row>,
    /// Memory of one renderer over its renders.
    pub memory: Vec<Memory>,
}

/// One thing that was measured several times.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What was rendered.
    pub what: String,
    /// How.
    pub how: String,
    /// How long it took.
    pub milliseconds: Milliseconds,
    /// The figure and its goal, and whether it is met.
    pub goal: Option<Goal>,
}

/// Milliseconds of every round.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Milliseconds(Vec<f64>);

/// A goal beside what was reached.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Goal {
    /// In words.
    pub text: String,
    /// Whether it was reached.
    pub met: bool,
}

/// Memory after some renders.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// Renders so far.
    pub renders: usize,
    /// Resident memory.
    pub mib: f64,
}

impl Milliseconds {
    /// The median.
    pub fn p50(&self) -> f64 {
        self.at(0.5)
    }

    /// 95 of 100 are at most this.
    pub fn p95(&self) -> f64 {
        self.at(0.95)
    }

    fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() as f64 * part).ceil() as usize;
        sorted
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

impl Row {
    pub(super) fn new(what: &str, how: &str) -> Self {
        Self {
            what: what.to_owned(),
            how: how.to_owned(),
            milliseconds: Milliseconds::default(),
            goal: None,
        }
    }

    pub(super) fn took(&mut self, time: Duration) {
        self.milliseconds.0.push(time.as_secs_f64() * 1_000.0);
    }

    pub(super) fn against_program(&mut self, ratio: f64, goal: f64) {
        self.goal = Some(Goal {
            text: format!("{ratio:.1} times as fast as the program; the goal is {goal}"),
            met: ratio >= goal,
        });
    }

    pub(super) fn against_goal(&mut self, milliseconds: f64) {
        self.goal = Some(Goal {
            text: format!("the goal is {milliseconds} ms"),
            met: self.milliseconds.p50() < milliseconds,
        });
    }
}

impl Report {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            began: jiff::Timestamp::now().to_string(),
            machine: machine()?,
            rows: Vec::new(),
            memory: Vec::new(),
        })
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!("{}\n", self.machine.join("; "));
        let line = |what: &str, how: &str, p50: &str, p95: &str, goal: &str| {
            format!("{what:22} {how:56} {p50:>10} {p95:>10}  {goal}\n")
        };
        text += &line("what", "how", "median ms", "p95 ms", "");
        for row in &self.rows {
            let goal = row.goal.as_ref().map(|goal| {
                let met = if goal.met { "met" } else { "MISSED" };
                format!("{} ({met})", goal.text)
            });
            let time = &row.milliseconds;
            text += &line(
                &row.what,
                &row.how,
                &format!("{:.3}", time.p50()),
                &format!("{:.3}", time.p95()),
                &goal.unwrap_or_default(),
            );
        }
        for memory in &self.memory {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "memory of the renderer after {:>6} renders: {:.1} MiB",
                memory.renders, memory.mib
            );
        }
        text
    }
}

fn machine() -> Result<Vec<String>> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let version = |program: &Path, arguments: &[&str]| -> Result<String> {
        let output = Command::new(program).args(arguments).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    Ok(vec![
        format!("{processors} x {}", model.unwrap_or_default()),
        format!("kernel {}", read("/proc/sys/kernel/osrelease").trim()),
        format!("syncline {} ({profile})", env!("CARGO_PKG_VERSION")),
        format!(
            "helm {}",
            version(&programs::helm()?, &["version", "--short"])?
        ),
        format!(
            "kustomize {}",
            version(&programs::kustomize()?, &["version"])?
        ),
    ])
}
