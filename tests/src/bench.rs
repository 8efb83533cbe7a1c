//! What a sync costs and how fast it is, against a bare client in the same run.
//!
//! Each run has a control plane of its own (etcd and the API server, no controllers), a Git
//! repository with N applications of M objects, and the agent as a release build. First a bare
//! concurrent client applies the same objects elsewhere, then the agent does.

mod bare;
pub mod chain;
mod client;
mod gauge;
pub mod git;
pub mod health;
pub mod images;
mod manifest;
mod phases;
pub mod render;
pub mod report;
pub mod scene;
pub mod store;
pub mod ui;

use anyhow::Result;

use report::{Report, Run};
use scene::{Accounts, Content, Scene, Size};

use crate::AgentProcess;
use crate::process::last_lines;

/// How many lines of the agent's log are said where a measurement failed.
const LAST_LINES: usize = 40;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The numbers of applications, a run each.
    pub applications: Vec<usize>,
    /// How many objects each of them has.
    pub objects: usize,
    /// One more run with a single application of this many objects.
    pub one_large: Option<usize>,
    /// Who the applications belong to, a run each.
    pub accounts: Vec<Accounts>,
    /// One more run of the first size with this delay of every request, in milliseconds.
    pub latency: Option<u64>,
    /// How thoroughly.
    pub effort: Effort,
}

/// How many rounds each measure has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// For figures that are published.
    Thorough,
    /// To see that it works.
    Quick,
}

impl Effort {
    fn rounds(self) -> usize {
        match self {
            Self::Thorough => 25,
            Self::Quick => 5,
        }
    }

    fn idle_seconds(self) -> u64 {
        match self {
            Self::Thorough => 30,
            Self::Quick => 10,
        }
    }
}

/// Where progress is told.
pub type Say = fn(&str);

/// Measures everything, one run after the other; `done` sees what there is after each.
pub async fn run(wish: &Wish, say: Say, mut done: impl FnMut(&Report) -> Result<()>) -> Result<()> {
    let mut sizes: Vec<Size> = Vec::new();
    for accounts in &wish.accounts {
        let size = |applications: usize, objects: usize, latency_ms: u64| Size {
            accounts: *accounts,
            applications,
            objects,
            content: Content::Mixed,
            latency_ms,
        };
        sizes.extend(wish.applications.iter().map(|n| size(*n, wish.objects, 0)));
        if let (Some(latency), Some(first)) = (wish.latency, wish.applications.first()) {
            sizes.push(size(*first, wish.objects, latency));
        }
        if let (Some(objects), Accounts::One) = (wish.one_large, accounts) {
            sizes.push(size(1, objects, 0));
        }
    }
    let mut report = Report::new();
    for size in sizes {
        say(&format!("=== {size}"));
        report.runs.push(one(size, wish.effort, say).await?);
        done(&report)?;
    }
    Ok(())
}

async fn one(size: Size, effort: Effort, say: Say) -> Result<Run> {
    let scene = Scene::build(size, say).await?;
    let mut run = Run::new(size);
    run.bare = bare::measure(&scene, say).await?;
    run.api_server_before_mib = gauge::memory_mib(scene.control_plane.api_server_id())?;
    let agent = scene.start_agent().await?;
    let result = phases::all(&scene, &agent, effort, &mut run, say).await;
    with_log(result, &agent, say)?;
    Ok(run)
}

/// Says what the agent said last where a measurement failed.
fn with_log<T>(measured: Result<T>, agent: &AgentProcess, say: Say) -> Result<T> {
    if measured.is_err() {
        say("the end of the agent's log:");
        last_lines(&agent.log(), LAST_LINES, |_| true)
            .into_iter()
            .for_each(say);
    }
    measured
}
