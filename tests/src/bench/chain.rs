//! How long a chain of applications takes, each of which waits for the one before.
//!
//! Each link is one ConfigMap, which is healthy as soon as it is there: what is measured is how soon
//! an application that is ready wakes the next one. An observer watches all Applications; a link is
//! done when it is seen as synced at the commit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use serde::Serialize;
use serde_json::json;

use super::client::api_of;
use super::gauge::{Asked, Spent, metric};
use super::manifest::{file_name, manifest};
use super::report::{Requests, Spread};
use super::scene::{Accounts, Content, HOOK_SECRET, Scene, Size};
use super::{Effort, Say, with_log};
use crate::world::deliver;
use crate::{AgentProcess, wait_for};

/// The longest that anything may take.
const LIMIT: Duration = Duration::from_mins(10);
/// After how long without a request a round is over.
const CALM: Duration = Duration::from_millis(300);
/// After how long without a request a start or the first sync is over.
const LONG_CALM: Duration = Duration::from_secs(3);
/// The goal in milliseconds for each link: 2 s for a chain of ten.
const GOAL_MS: f64 = 200.0;

/// The figures.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// How many processors the machine has for it.
    pub processors: usize,
    /// How many applications the chain has.
    pub links: usize,
    /// What the last link may take, in milliseconds.
    pub goal_ms: f64,
    /// From the creation of the Repository.
    pub first: Times,
    /// From the webhook that tells of a commit which changes all links.
    pub commits: Times,
}

/// One run through the chain, or several.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// Milliseconds until the last link was seen as synced.
    pub last: Spread,
    /// Milliseconds from one link to the next.
    pub step: Spread,
    /// CPU of the agent for each run.
    pub cpu_ms: f64,
    /// What the agent asked for in each run.
    pub requests: Requests,
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!("a chain of {} applications\n", self.links);
        let parts = [
            ("first sync", &self.first),
            ("a commit to all", &self.commits),
        ];
        for (name, times) in parts {
            let met = times.last.p99 <= self.goal_ms;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "  {name:18} last link p50 {:.0} ms, p99 {:.0} ms of {} (goal {:.0}: {}); \
                 a step p50 {:.1} ms, p99 {:.1} ms; CPU {:.0} ms",
                times.last.p50,
                times.last.p99,
                times.last.count,
                self.goal_ms,
                if met { "met" } else { "missed" },
                times.step.p50,
                times.step.p99,
                times.cpu_ms,
            );
            let _ = writeln!(text, "  {:18} {}", "  requests", times.requests.line());
        }
        text
    }
}

/// Measures it.
pub async fn run(links: usize, effort: Effort, say: Say) -> Result<Report> {
    let began = jiff::Timestamp::now().to_string();
    let size = Size {
        accounts: Accounts::One,
        applications: links,
        objects: 1,
        content: Content::Chain,
        latency_ms: 0,
    };
    let scene = Scene::build(size, say).await?;
    let agent = scene.start_agent().await?;
    let measured = measure(&scene, &agent, effort, say).await;
    let (first, commits) = with_log(measured, &agent, say)?;
    Ok(Report {
        began,
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        links,
        goal_ms: GOAL_MS * links as f64,
        first,
        commits,
    })
}

async fn measure(
    scene: &Scene,
    agent: &AgentProcess,
    effort: Effort,
    say: Say,
) -> Result<(Times, Times)> {
    let links = scene.size.applications;
    wait_for("the agent to know all Applications", LIMIT, async || {
        let known = metric(agent, "syncline_applications").await?;
        ensure!(known as usize == links, "it knows {known}");
        Ok(())
    })
    .await?;
    let mut observer = Observer::open(scene, agent).await?;
    let audit = scene.control_plane.audit();
    Asked::from_now(&audit)?
        .until_calm(LONG_CALM, LIMIT)
        .await?;

    say("the first sync");
    let mut first = Measured::begin(scene, agent)?;
    let commit = scene.repo.head()?;
    let begin = Instant::now();
    let (created, seen) = tokio::join!(scene.create_repositories(), observer.until_synced(&commit));
    created?;
    first.note(begin, &seen?);
    first.spent.asked.until_calm(LONG_CALM, LIMIT).await?;
    let first = first.end()?;

    say("commits that change all links");
    let mut commits = Measured::begin(scene, agent)?;
    for round in 0..effort.rounds() {
        let commit = change_all(scene, round)?;
        let begin = Instant::now();
        let (status, seen) = tokio::join!(
            deliver(&scene.repo, agent, HOOK_SECRET),
            observer.until_synced(&commit)
        );
        let status = status?;
        ensure!(status < 300, "the delivery was answered with {status}");
        commits.note(begin, &seen?);
        commits.spent.asked.until_calm(CALM, LIMIT).await?;
    }
    Ok((first, commits.end()?))
}

/// A commit that changes the ConfigMap of each link.
fn change_all(scene: &Scene, round: usize) -> Result<String> {
    let index = scene.size.content.index(0);
    let files: Vec<(String, String)> = (0..scene.size.applications)
        .map(|link| {
            // The data is the end of the manifest.
            let text = manifest(link, index, "1") + &format!("  round: \"{round}\"\n");
            (file_name(link, index), text)
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    scene.repo.commit(&files, "Change all links")
}

/// What the runs through the chain have cost so far.
struct Measured<'a> {
    spent: Spent<'a>,
    last: Vec<f64>,
    steps: Vec<f64>,
}

impl<'a> Measured<'a> {
    fn begin(scene: &Scene, agent: &'a AgentProcess) -> Result<Self> {
        Ok(Self {
            spent: Spent::from_now(&scene.control_plane.audit(), agent)?,
            last: Vec::new(),
            steps: Vec::new(),
        })
    }

    /// Notes a run, of which each link was seen at a moment.
    fn note(&mut self, begin: Instant, seen: &[Instant]) {
        let milliseconds =
            |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
        let steps = seen.windows(2).map(|pair| milliseconds(pair[0], pair[1]));
        self.steps.extend(steps);
        let last = seen.iter().max();
        self.last
            .extend(last.map(|last| milliseconds(begin, *last)));
    }

    fn end(mut self) -> Result<Times> {
        let (cpu_seconds, requests) = self.spent.each(self.last.len())?;
        Ok(Times {
            last: Spread::of(self.last),
            step: Spread::of(self.steps),
            cpu_ms: cpu_seconds * 1000.0,
            requests,
        })
    }
}

/// Sees all Applications as they change.
struct Observer<'a> {
    agent: &'a AgentProcess,
    links: usize,
    events: BoxStream<'static, watcher::Result<Event<DynamicObject>>>,
}

impl<'a> Observer<'a> {
    /// Begins to watch, and sees what is there.
    async fn open(scene: &Scene, agent: &'a AgentProcess) -> Result<Self> {
        let application = json!({ "apiVersion": "syncline.dev/v1alpha1", "kind": "Application" });
        let api = api_of(&scene.client, &application, None);
        let mut events = watcher(api, watcher::Config::default()).boxed();
        let listed = async {
            while let Some(event) = events.next().await {
                if matches!(event, Ok(Event::InitDone)) {
                    return Ok(());
                }
            }
            bail!("the watch ended")
        };
        tokio::time::timeout(LIMIT, listed)
            .await
            .context("the Applications were not listed in time")??;
        Ok(Self {
            agent,
            links: scene.size.applications,
            events,
        })
    }

    /// The moments at which the links were seen as synced at a commit, in the order of the chain.
    async fn until_synced(&mut self, commit: &str) -> Result<Vec<Instant>> {
        let mut seen: BTreeMap<usize, Instant> = BTreeMap::new();
        let wait = async {
            while seen.len() < self.links {
                self.agent.ensure_running()?;
                // An error is a watch that is opened anew.
                let event = self.events.next().await.context("the watch ended")?;
                let Ok(Event::Apply(live) | Event::InitApply(live)) = event else {
                    continue;
                };
                let status = &live.data["status"];
                let applied = status["lastAppliedRevision"].as_str().unwrap_or_default();
                if status["sync"] == "Synced" && applied.contains(commit) {
                    let name = live.metadata.name.as_deref().unwrap_or_default();
                    let link = name.trim_start_matches("app-").parse()?;
                    seen.entry(link).or_insert_with(Instant::now);
                }
            }
            Ok::<_, anyhow::Error>(())
        };
        match tokio::time::timeout(LIMIT, wait).await {
            Ok(result) => result?,
            Err(_) => bail!(
                "only {} of {} links were synced within {LIMIT:?}",
                seen.len(),
                self.links
            ),
        }
        Ok(seen.into_values().collect())
    }
}
