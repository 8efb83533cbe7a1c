//! How soon a change of the health of a workload is told in the status of its Application, and what
//! that costs.
//!
//! Another client writes the status of the Deployments, as their controller would: there are no
//! controllers. Each application has one change under way at a time, so that each is told apart:
//! the lag is the time between the events of the Deployment and of the Application, as one observer
//! sees both.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::client::{CONCURRENCY, api_of};
use super::gauge::{Asked, Cpu};
use super::manifest::object_name;
use super::phases::until_all_applied;
use super::report::{Requests, Spread};
use super::scene::{Accounts, Content, Scene, Size};
use super::{Say, gauge, with_log};
use crate::AgentProcess;

/// The longest that anything may take.
const LIMIT: Duration = Duration::from_mins(10);
/// After how long without a request the agent is calm.
const CALM: Duration = Duration::from_secs(3);
/// The goals in milliseconds: half of the changes, 99 of 100.
const GOAL_MS: (f64, f64) = (50.0, 250.0);

/// The figures.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// How many processors the machine has for it.
    pub processors: usize,
    /// How many Deployments there are.
    pub deployments: usize,
    /// How many applications have them.
    pub applications: usize,
    /// Each Deployment fails and recovers, one of each application at a time.
    pub turns: Turns,
    /// All Deployments fail, as fast as they can be written.
    pub burst: Burst,
    /// Memory of the agent at the end.
    pub agent_mib: f64,
}

/// One change of each application at a time.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Turns {
    /// Events of Deployments in a second.
    pub events_per_second: f64,
    /// Milliseconds from the event of the Deployment to that of the Application.
    pub lag: Spread,
    /// CPU of the agent for each event.
    pub cpu_ms_per_event: f64,
    /// What the agent asked for.
    pub requests: Requests,
}

/// Everything at once.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Burst {
    /// Events of Deployments in a second.
    pub events_per_second: f64,
    /// Seconds from the last event to the moment at which all Applications say so.
    pub told_seconds: f64,
    /// CPU of the agent for each event.
    pub cpu_ms_per_event: f64,
    /// What the agent asked for.
    pub requests: Requests,
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let (turns, burst) = (&self.turns, &self.burst);
        let met = turns.lag.p50 <= GOAL_MS.0 && turns.lag.p99 <= GOAL_MS.1;
        let rows = [
            (
                "one at a time",
                format!(
                    "p50 {:.1} ms, p99 {:.1} ms of {} (goal {:.0}/{:.0}: {}); {:.0} events/s; CPU {:.2} ms/event",
                    turns.lag.p50,
                    turns.lag.p99,
                    turns.lag.count,
                    GOAL_MS.0,
                    GOAL_MS.1,
                    if met { "met" } else { "missed" },
                    turns.events_per_second,
                    turns.cpu_ms_per_event
                ),
            ),
            ("  requests", turns.requests.line()),
            (
                "all at once",
                format!(
                    "told {:.2} s after the last event; {:.0} events/s; CPU {:.2} ms/event",
                    burst.told_seconds, burst.events_per_second, burst.cpu_ms_per_event
                ),
            ),
            ("  requests", burst.requests.line()),
            ("memory", format!("{:.0} MiB", self.agent_mib)),
        ];
        let (all, some) = (self.deployments, self.applications);
        let mut text = format!("{all} Deployments in {some} applications\n");
        for (name, value) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:18} {value}");
        }
        text
    }
}

/// Measures it.
pub async fn run(deployments: usize, applications: usize, say: Say) -> Result<Report> {
    let began = jiff::Timestamp::now().to_string();
    let size = Size {
        accounts: Accounts::One,
        applications,
        objects: deployments / applications,
        content: Content::Deployments,
        latency_ms: 0,
    };
    let scene = Scene::build(size, say).await?;
    let agent = scene.start_agent().await?;
    let measured = measure(&scene, &agent, say).await;
    let (turns, burst) = with_log(measured, &agent, say)?;
    Ok(Report {
        began,
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        deployments: size.total(),
        applications,
        turns,
        burst,
        agent_mib: gauge::memory_mib(agent.id())?,
    })
}

async fn measure(scene: &Scene, agent: &AgentProcess, say: Say) -> Result<(Turns, Burst)> {
    say("the first sync");
    let commit = scene.repo.head()?;
    let (created, applied) = tokio::join!(
        scene.create_repositories(),
        until_all_applied(scene, agent, &commit)
    );
    created?;
    applied?;
    let stage = Stage::set(scene);
    say("all Deployments become ready");
    stage.write_all(State::Ready).await?;
    stage.until_all("Healthy").await?;
    let calm = async || {
        let mut asked = Asked::from_now(&scene.control_plane.audit())?;
        asked.until_calm(CALM, LIMIT).await.map(drop)
    };
    calm().await?;
    say("each fails and recovers");
    let turns = turns(&stage, scene, agent).await?;
    calm().await?;
    say("all fail at once");
    let burst = burst(&stage, scene, agent).await?;
    Ok((turns, burst))
}

async fn turns(stage: &Stage<'_>, scene: &Scene, agent: &AgentProcess) -> Result<Turns> {
    let mut asked = Asked::from_now(&scene.control_plane.audit())?;
    let (cpu, begin) = (Cpu::of(agent)?, Instant::now());
    let lags = (0..scene.size.applications).map(|application| stage.take_turns(application));
    let lags: Vec<Vec<f64>> = futures::future::try_join_all(lags).await?;
    let lags = lags.concat();
    let (events, seconds) = (lags.len() as f64, begin.elapsed().as_secs_f64());
    asked.until_calm(CALM, LIMIT).await?;
    let spent = Cpu::of(agent)?.since(cpu);
    Ok(Turns {
        events_per_second: events / seconds,
        lag: Spread::of(lags),
        cpu_ms_per_event: spent.as_secs_f64() * 1000.0 / events,
        requests: asked.requests()?,
    })
}

async fn burst(stage: &Stage<'_>, scene: &Scene, agent: &AgentProcess) -> Result<Burst> {
    let mut asked = Asked::from_now(&scene.control_plane.audit())?;
    let (cpu, begin) = (Cpu::of(agent)?, Instant::now());
    stage.write_all(State::Failing).await?;
    let written = Instant::now();
    stage.until_all("Progressing").await?;
    let told_seconds = written.elapsed().as_secs_f64();
    stage.write_all(State::Ready).await?;
    stage.until_all("Healthy").await?;
    asked.until_calm(CALM, LIMIT).await?;
    let events = scene.size.total() as f64;
    let spent = Cpu::of(agent)?.since(cpu);
    Ok(Burst {
        events_per_second: events / (written - begin).as_secs_f64(),
        told_seconds,
        cpu_ms_per_event: spent.as_secs_f64() * 1000.0 / (2.0 * events),
        requests: asked.requests()?,
    })
}

/// How a Deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Failing,
}

impl State {
    /// The replicas that are ready.
    fn ready(self) -> i64 {
        match self {
            Self::Ready => 2,
            Self::Failing => 0,
        }
    }

    fn health(self) -> &'static str {
        match self {
            Self::Ready => "Healthy",
            Self::Failing => "Progressing",
        }
    }

    /// What the controller would write.
    fn status(self) -> Value {
        let ready = self.ready();
        let available = if ready == 2 { "True" } else { "False" };
        json!({ "status": {
            "observedGeneration": 1,
            "replicas": 2,
            "updatedReplicas": 2,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": 2 - ready,
            "conditions": [
                { "type": "Available", "status": available, "reason": "MinimumReplicas" },
                { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" },
            ],
        } })
    }
}

/// The Deployments and Applications as an observer sees them.
struct Stage<'a> {
    scene: &'a Scene,
    deployments: Api<DynamicObject>,
    seen: Arc<Seen>,
    watches: Vec<JoinHandle<()>>,
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.watches.iter().for_each(JoinHandle::abort);
    }
}

/// The word for the state of each object, and when it was seen first.
struct Seen {
    words: Mutex<HashMap<String, (String, Instant)>>,
    changed: tokio::sync::watch::Sender<u64>,
}

impl Seen {
    fn note(&self, name: String, word: &str) {
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let known = words.get(&name).is_some_and(|(known, _)| known == word);
        if !known {
            words.insert(name, (word.to_owned(), Instant::now()));
            drop(words);
            self.changed.send_modify(|number| *number += 1);
        }
    }

    /// Waits until all have the word; answers with when the last of them got it.
    async fn until(&self, names: &[String], word: &str) -> Result<Instant> {
        let mut changed = self.changed.subscribe();
        let look = || {
            let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
            let times = names.iter().map(|name| {
                let (known, at) = words.get(name)?;
                (known == word).then_some(*at)
            });
            times.collect::<Option<Vec<Instant>>>()
        };
        let wait = async {
            loop {
                changed.borrow_and_update();
                if let Some(times) = look() {
                    return times.into_iter().max().context("nothing is waited for");
                }
                changed.changed().await?;
            }
        };
        tokio::time::timeout(LIMIT, wait)
            .await
            .with_context(|| format!("not all are `{word}` within {LIMIT:?}"))?
    }
}

impl<'a> Stage<'a> {
    fn set(scene: &'a Scene) -> Self {
        let namespace = scene.namespace(0);
        let api = |version: &str, kind: &str| {
            let object = json!({ "apiVersion": version, "kind": kind });
            api_of(&scene.client, &object, Some(&namespace))
        };
        let deployments = api("apps/v1", "Deployment");
        let seen = Arc::new(Seen {
            words: Mutex::default(),
            changed: tokio::sync::watch::Sender::default(),
        });
        let ready = |object: &DynamicObject| {
            let ready = object.data["status"]["readyReplicas"].as_i64();
            ready.unwrap_or_default().to_string()
        };
        let health = |object: &DynamicObject| {
            let health = object.data["status"]["health"].as_str();
            health.unwrap_or_default().to_owned()
        };
        let watches = vec![
            follow(deployments.clone(), "deployment", Arc::clone(&seen), ready),
            follow(
                api("syncline.dev/v1alpha1", "Application"),
                "application",
                Arc::clone(&seen),
                health,
            ),
        ];
        Self {
            scene,
            deployments,
            seen,
            watches,
        }
    }

    fn names(&self) -> Vec<String> {
        let size = self.scene.size;
        let applications = 0..size.applications;
        applications
            .flat_map(|a| (0..size.objects).map(move |number| object_name(a, number)))
            .collect()
    }

    async fn write(&self, name: &str, state: State) -> Result<()> {
        let patch = Patch::Merge(state.status());
        let params = PatchParams::default();
        let written = self.deployments.patch_status(name, &params, &patch).await;
        written.with_context(|| format!("write the status of {name}"))?;
        Ok(())
    }

    async fn write_all(&self, state: State) -> Result<()> {
        stream::iter(self.names())
            .map(async |name| self.write(&name, state).await)
            .buffer_unordered(CONCURRENCY)
            .try_collect::<()>()
            .await
    }

    async fn until_all(&self, health: &str) -> Result<Instant> {
        let applications = 0..self.scene.size.applications;
        let names = applications.map(|number| format!("application/app-{number}"));
        self.seen.until(&names.collect::<Vec<_>>(), health).await
    }

    /// Lets each Deployment of an application fail and recover; answers with the lags in
    /// milliseconds.
    async fn take_turns(&self, application: usize) -> Result<Vec<f64>> {
        let told = [format!("application/app-{application}")];
        let mut lags = Vec::new();
        for number in 0..self.scene.size.objects {
            let name = object_name(application, number);
            let changed = [format!("deployment/{name}")];
            for state in [State::Failing, State::Ready] {
                self.write(&name, state).await?;
                let ready = state.ready().to_string();
                let event = self.seen.until(&changed, &ready).await?;
                let status = self.seen.until(&told, state.health()).await?;
                // The observer may see the Application first: the lag is nothing then.
                let lag = status.saturating_duration_since(event);
                lags.push(lag.as_secs_f64() * 1000.0);
            }
        }
        ensure!(!lags.is_empty(), "no Deployment");
        Ok(lags)
    }
}

/// Notes the state of all objects of a kind as they change.
fn follow(
    api: Api<DynamicObject>,
    kind: &'static str,
    seen: Arc<Seen>,
    word: impl Fn(&DynamicObject) -> String + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut events = watcher(api, watcher::Config::default()).boxed();
        while let Some(event) = events.next().await {
            // An error is a watch that is opened anew.
            if let Ok(Event::Apply(live) | Event::InitApply(live)) = event {
                let name = live.metadata.name.as_deref().unwrap_or_default();
                seen.note(format!("{kind}/{name}"), &word(&live));
            }
        }
    })
}
