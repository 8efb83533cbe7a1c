//! The phases of a run, in their order.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use kube::runtime::watcher;
use kube::runtime::watcher::Event;
use serde_json::{Value, json};

use super::client::api_of;
use super::gauge::{Asked, Cpu, Spent, memory_mib, metric, renderers_mib};
use super::manifest::{KINDS, manifest};
use super::report::{FirstSync, Idle, Restart, Rounds, Run, Spread};
use super::scene::{HOOK_SECRET, Place, Scene};
use super::{Effort, Say};
use crate::watch::Watch;
use crate::world::deliver;
use crate::{AgentProcess, objects, wait_for};

/// The longest that anything may take.
const LIMIT: Duration = Duration::from_mins(30);
/// The longest that one round may take.
const ROUND: Duration = Duration::from_mins(2);
/// After how long without a request a round is over.
const CALM: Duration = Duration::from_millis(300);
/// After how long without a request a first sync or a start is over.
const LONG_CALM: Duration = Duration::from_secs(3);

/// Measures everything of a run.
pub(super) async fn all(
    scene: &Scene,
    agent: &AgentProcess,
    effort: Effort,
    run: &mut Run,
    say: Say,
) -> Result<()> {
    let begin = Instant::now();
    let done = |what: &str| say(&format!("{what} ({:.0} s)", begin.elapsed().as_secs_f64()));
    run.first_sync = Some(first_sync(scene, agent, run.bare.objects_per_second).await?);
    done("first sync done");
    run.push = Some(push(scene, agent, effort.rounds()).await?);
    done("pushes done");
    run.drift = Some(drift(scene, agent, effort.rounds()).await?);
    done("drift done");
    if scene.size.latency_ms > 0 {
        return Ok(());
    }
    run.idle = Some(idle(scene, agent, Duration::from_secs(effort.idle_seconds())).await?);
    done("idle done");
    agent.terminate(ROUND)?;
    run.restart = Some(restart(scene, agent).await?);
    done("restart done");
    agent.kill()?;
    agent.lose_data()?;
    run.restart_without_data = Some(restart(scene, agent).await?);
    done("restart without data done");
    Ok(())
}

async fn first_sync(scene: &Scene, agent: &AgentProcess, bare: f64) -> Result<FirstSync> {
    let all = scene.size.applications;
    wait_for("the agent to know all Applications", ROUND, async || {
        let known = metric(agent, "syncline_applications").await?;
        ensure!(known as usize == all, "it knows {known}");
        Ok(())
    })
    .await?;
    let audit = scene.control_plane.audit();
    let mut asked = Asked::from_now(&audit)?;
    asked.until_calm(LONG_CALM, ROUND).await?;
    let mut asked = Asked::from_now(&audit)?;
    let commit = scene.repo.head()?;
    let cpu = Cpu::of(agent)?;
    let (began, begin) = (jiff::Timestamp::now(), Instant::now());
    let (created, reported) = tokio::join!(
        scene.create_repositories(),
        until_all_applied(scene, agent, &commit)
    );
    created?;
    let reported_seconds = (reported? - begin).as_secs_f64();
    asked.until_calm(LONG_CALM, LIMIT).await?;
    let last = asked
        .last_object_written()?
        .context("the audit log has no write of an application")?;
    let objects_seconds = last.duration_since(began).as_secs_f64();
    let objects_per_second = scene.size.total() as f64 / objects_seconds;
    Ok(FirstSync {
        objects_seconds,
        reported_seconds,
        objects_per_second,
        share_of_bare: objects_per_second / bare,
        cpu_seconds: Cpu::of(agent)?.since(cpu).as_secs_f64(),
        requests: asked.requests()?,
    })
}

/// The moment at which all Applications were seen at a commit.
pub(super) async fn until_all_applied(
    scene: &Scene,
    agent: &AgentProcess,
    commit: &str,
) -> Result<Instant> {
    let application = json!({ "apiVersion": "syncline.dev/v1alpha1", "kind": "Application" });
    let api = api_of(&scene.client, &application, None);
    let mut events = watcher(api, watcher::Config::default()).boxed();
    let mut applied = BTreeSet::new();
    let seen = tokio::time::timeout(LIMIT, async {
        while applied.len() < scene.size.applications {
            agent.ensure_running()?;
            // An error is a watch that is opened anew.
            let Some(Ok(Event::Apply(live) | Event::InitApply(live))) = events.next().await else {
                continue;
            };
            let status = &live.data["status"]["lastAppliedRevision"];
            if status.as_str().is_some_and(|text| text.contains(commit)) {
                applied.insert((live.metadata.namespace, live.metadata.name));
            }
        }
        Ok::<_, anyhow::Error>(Instant::now())
    })
    .await;
    match seen {
        Ok(seen) => seen,
        Err(_) => anyhow::bail!(
            "only {} of {} Applications were applied within {LIMIT:?}",
            applied.len(),
            scene.size.applications
        ),
    }
}

async fn push(scene: &Scene, agent: &AgentProcess, rounds: usize) -> Result<Rounds> {
    let mut measured = Measured::begin(scene, agent)?;
    for round in 0..rounds {
        let place = scene.place(round);
        let tag = format!("push-{round}");
        let text = text_of(&place, &tag)?;
        let commit = scene.repo.commit(&[(&place.file, &text)], "Change one")?;
        let mut watch = Watch::open(&scene.client, &deployment(&place), &place.namespace).await?;
        let begin = Instant::now();
        let status = deliver(&scene.repo, agent, HOOK_SECRET).await?;
        ensure!(status < 300, "the delivery was answered with {status}");
        let seen = watch
            .until("the new image", ROUND, |live| {
                live.is_some_and(|live| image(live).ends_with(&tag))
            })
            .await?;
        measured.times.push((seen - begin).as_secs_f64() * 1000.0);
        wait_for("the Application to say so", ROUND, async || {
            let kind =
                objects::reference("syncline.dev/v1alpha1", "Application", &place.application);
            let live = objects::get(&scene.client, &kind, Some(&place.namespace)).await?;
            let applied = &live["status"]["lastAppliedRevision"];
            ensure!(
                applied.as_str().is_some_and(|text| text.contains(&commit)),
                "it is at {applied}"
            );
            Ok(())
        })
        .await?;
        measured.spent.asked.until_calm(CALM, ROUND).await?;
    }
    measured.end()
}

async fn drift(scene: &Scene, agent: &AgentProcess, rounds: usize) -> Result<Rounds> {
    let mut measured = Measured::begin(scene, agent)?;
    for round in 0..rounds {
        // Another place than that of a push.
        let place = scene.place(rounds + round);
        let object = deployment(&place);
        let mut watch = Watch::open(&scene.client, &object, &place.namespace).await?;
        let patch = json!({ "spec": { "replicas": 5 } });
        let namespace = Some(place.namespace.as_str());
        objects::edit(&scene.client, &object, namespace, "kubectl-edit", &patch).await?;
        let replicas = |live: Option<&Value>, wanted: i64| {
            live.is_some_and(|live| live["spec"]["replicas"] == wanted)
        };
        let changed = watch
            .until("the change by hand", ROUND, |live| replicas(live, 5))
            .await?;
        let repaired = watch
            .until("the repair", ROUND, |live| replicas(live, 2))
            .await?;
        let took = (repaired - changed).as_secs_f64() * 1000.0;
        measured.times.push(took);
        measured.spent.asked.until_calm(CALM, ROUND).await?;
    }
    measured.end()
}

async fn idle(scene: &Scene, agent: &AgentProcess, span: Duration) -> Result<Idle> {
    let audit = scene.control_plane.audit();
    Asked::from_now(&audit)?
        .until_calm(LONG_CALM, ROUND)
        .await?;
    let mut asked = Asked::from_now(&audit)?;
    let (before, begin) = (Cpu::of(agent)?, Instant::now());
    // Nothing is waited for: this is the time in which nothing happens.
    tokio::time::sleep(span).await;
    let (after, seconds) = (Cpu::of(agent)?, begin.elapsed().as_secs_f64());
    let per_second = |later: Duration, earlier: Duration| {
        later.saturating_sub(earlier).as_secs_f64() * 1000.0 / seconds
    };
    let (renderers_mib, renderers) = renderers_mib(agent)?;
    Ok(Idle {
        cpu_ms_per_second: per_second(after.agent, before.agent),
        renderers_cpu_ms_per_second: per_second(after.renderers, before.renderers),
        agent_mib: memory_mib(agent.id())?,
        renderers_mib,
        renderers,
        watches: metric(agent, "syncline_watches").await?,
        requests_per_minute: asked.requests()?.times(60.0 / seconds),
        api_server_mib: memory_mib(scene.control_plane.api_server_id())?,
    })
}

/// Starts the agent again, which has ended.
async fn restart(scene: &Scene, agent: &AgentProcess) -> Result<Restart> {
    let mut asked = Asked::from_now(&scene.control_plane.audit())?;
    let begin = Instant::now();
    agent.restart().await?;
    let ready_seconds = begin.elapsed().as_secs_f64();
    let calm = asked.until_calm(LONG_CALM, LIMIT).await?;
    let cpu = Cpu::of(agent)?;
    Ok(Restart {
        ready_seconds,
        calm_seconds: (calm - begin).as_secs_f64(),
        renders: metric(agent, "syncline_renders_total").await?,
        cpu_seconds: (cpu.agent + cpu.renderers).as_secs_f64(),
        requests: asked.requests()?,
    })
}

/// What the rounds of a phase have cost so far.
struct Measured<'a> {
    spent: Spent<'a>,
    times: Vec<f64>,
}

impl<'a> Measured<'a> {
    fn begin(scene: &Scene, agent: &'a AgentProcess) -> Result<Self> {
        Ok(Self {
            spent: Spent::from_now(&scene.control_plane.audit(), agent)?,
            times: Vec::new(),
        })
    }

    fn end(mut self) -> Result<Rounds> {
        let (cpu_seconds, requests) = self.spent.each(self.times.len())?;
        Ok(Rounds {
            milliseconds: Spread::of(self.times),
            cpu_seconds,
            requests,
        })
    }
}

fn deployment(place: &Place) -> Value {
    objects::reference("apps/v1", "Deployment", &place.name)
}

fn image(live: &Value) -> &str {
    live["spec"]["template"]["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap_or_default()
}

/// The file of a Deployment with another tag.
fn text_of(place: &Place, tag: &str) -> Result<String> {
    let mut numbers = place
        .name
        .split('-')
        .filter_map(|part| part.parse::<usize>().ok());
    let application = numbers.next().context("a place without a number")?;
    let set = numbers.next().context("a place without a set")?;
    Ok(manifest(application, set * KINDS.len(), tag))
}
