//! What image policies cost at rest, and how soon a new tag is a commit that the server has.
//!
//! Each image has a policy, and an application that names it in a Deployment. The registry is
//! played from memory: what is measured is the agent. An idle agent is one that has synced all
//! applications and has no policy.

mod choice;
mod registry;
mod table;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::client::{api_of, apply, apply_all};
use super::gauge::{Asked, Cpu, memory_mib, metric};
use super::manifest::{file_name, manifest};
use super::phases::until_all_applied;
use super::report::Spread;
use super::scene::{Accounts, Content, Scene, Size};
use super::{Effort, Say};
use crate::world::READER;
use crate::{AgentProcess, GitServer, wait_for};
use registry::TagServer;
pub use table::{Burst, Evaluation, Report, Rest};

/// The longest that anything may take.
const LIMIT: Duration = Duration::from_mins(20);
/// The longest that one round may take.
const ROUND: Duration = Duration::from_mins(2);
/// After how long without a request a round is over.
const CALM: Duration = Duration::from_millis(300);
/// After how long without a request a start or the first sync is over.
const LONG_CALM: Duration = Duration::from_secs(3);
/// How often each image is looked at.
const INTERVAL: Duration = Duration::from_mins(1);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// How many images, policies and applications there are.
    pub images: usize,
    /// How many tags each image has.
    pub tags: usize,
    /// How thoroughly.
    pub effort: Effort,
}

/// Measures it.
pub async fn run(wish: Wish, say: Say) -> Result<Report> {
    let mut report = Report::new(wish.images, wish.tags);
    say("the choice alone");
    let rounds = wish.effort.rounds();
    report.evaluations =
        tokio::task::spawn_blocking(move || choice::measure(wish.images, wish.tags, rounds))
            .await??;
    let size = Size {
        accounts: Accounts::One,
        applications: wish.images,
        objects: 1,
        content: Content::Deployments,
        latency_ms: 0,
    };
    let scene = Scene::build(size, say).await?;
    let registry = TagServer::start(wish.images, wish.tags).await?;
    let agent = scene.start_agent().await?;
    let bench = Bench {
        pushes: pushes().await?,
        wish,
        scene: &scene,
        agent: &agent,
        registry,
        say,
    };
    let measured = bench.measure(&mut report).await;
    if measured.is_err() {
        let log = agent.log();
        let lines: Vec<&str> = log.lines().collect();
        say("the end of the agent's log:");
        for line in &lines[lines.len().saturating_sub(40)..] {
            say(line);
        }
    }
    measured?;
    Ok(report)
}

/// The moments at which the Git server has taken a push.
async fn pushes() -> Result<UnboundedReceiver<Instant>> {
    let (taken, pushes) = unbounded_channel();
    GitServer::shared().await?.after_push(move |_| {
        // Nobody looks any more when the bench is over.
        let _ = taken.send(Instant::now());
    });
    Ok(pushes)
}

struct Bench<'a> {
    wish: Wish,
    scene: &'a Scene,
    agent: &'a AgentProcess,
    registry: TagServer,
    pushes: UnboundedReceiver<Instant>,
    say: Say,
}

impl Bench<'_> {
    async fn measure(mut self, report: &mut Report) -> Result<()> {
        (self.say)("the first sync");
        self.first_sync().await?;
        report.idle_mib = memory_mib(self.agent.id())?;
        (self.say)("the first look at each image");
        let begin = Instant::now();
        self.create_policies().await?;
        self.until_all_were_looked_at().await?;
        report.first_look_seconds = begin.elapsed().as_secs_f64();
        self.until_calm(LONG_CALM).await?;
        report.looked_mib = memory_mib(self.agent.id())?;
        (self.say)("at rest");
        report.rest = self.rest().await?;
        (self.say)("new tags, one at a time");
        report.landed = self.new_tags().await?;
        (self.say)("many new tags at once");
        report.burst = self.burst().await?;
        Ok(())
    }

    /// Lets each application name the newest tag of its image, and waits until all are synced.
    async fn first_sync(&self) -> Result<()> {
        let files: Vec<(String, String)> = (0..self.wish.images)
            .map(|number| {
                let named = format!(
                    "{}:{}",
                    self.registry.image(number),
                    self.registry.newest(number)
                );
                let played = format!("registry.example/app-{number}-0:1");
                let text = manifest(number, 0, "1").replace(&played, &named);
                (file_name(number, 0), text)
            })
            .collect();
        let borrowed: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        let commit = self.scene.repo.commit(&borrowed, "Name the images")?;
        let named = self
            .scene
            .repo
            .git(&["grep", "-c", "/bench/image-", "HEAD"])?;
        ensure!(
            named.lines().count() == self.wish.images,
            "a Deployment names no image"
        );
        wait_for("the agent to know all Applications", LIMIT, async || {
            let known = metric(self.agent, "syncline_applications").await?;
            ensure!(known as usize == self.wish.images, "it knows {known}");
            Ok(())
        })
        .await?;
        let push = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "push" },
            "stringData": { "username": "bench", "password": "pushes" },
        });
        let spec = json!({
            "url": self.scene.repo.url(),
            "interval": "24h",
            "serviceAccount": READER,
            // Each tag is a commit of its own as soon as it can be.
            "write": { "secretRef": { "name": "push" }, "window": "0s" },
        });
        let namespace = Some(self.scene.namespace(0));
        for object in [push, ours("Repository", "config", spec)] {
            apply(&self.scene.client, &object, namespace.as_deref()).await?;
        }
        until_all_applied(self.scene, self.agent, &commit).await?;
        self.until_calm(LONG_CALM).await
    }

    async fn create_policies(&self) -> Result<()> {
        let all = (0..self.wish.images).map(|number| {
            let spec = json!({
                "image": self.registry.image(number),
                "interval": format!("{}s", INTERVAL.as_secs()),
                "serviceAccount": READER,
                "select": { "semver": ">=1.0 <2" },
                "update": { "repository": "config" },
            });
            let policy = ours("ImagePolicy", &policy(number), spec);
            (policy, self.scene.namespace(number))
        });
        apply_all(&self.scene.client, all.collect()).await
    }

    /// Waits until each policy says that Git names the newest tag.
    async fn until_all_were_looked_at(&self) -> Result<()> {
        let kind = ours("ImagePolicy", "any", Value::Null);
        let namespace = self.scene.namespace(0);
        let api = api_of(&self.scene.client, &kind, Some(&namespace));
        let newest = json!(self.registry.newest(0));
        // Cheap, so that it can be asked often.
        wait_for("a look at each image", LIMIT, async || {
            self.agent.ensure_running()?;
            let looks = looks(self.agent).await?;
            ensure!(looks as usize >= self.wish.images, "{looks} looks");
            Ok(())
        })
        .await?;
        wait_for("the status of each policy", LIMIT, async || {
            let all = api.list(&kube::api::ListParams::default()).await?;
            let settled = all.iter().filter(|policy| {
                let status = &policy.data["status"];
                status["currentTag"] == newest
            });
            let settled = settled.count();
            ensure!(settled == self.wish.images, "{settled} know their tag");
            Ok(())
        })
        .await
    }

    async fn until_calm(&self, calm: Duration) -> Result<()> {
        let audit = self.scene.control_plane.audit();
        Asked::from_now(&audit)?.until_calm(calm, LIMIT).await?;
        Ok(())
    }

    /// Nothing is new for some intervals.
    async fn rest(&self) -> Result<Rest> {
        let intervals = match self.wish.effort {
            Effort::Thorough => 3,
            Effort::Quick => 1,
        };
        let git = GitServer::shared().await?;
        let of_git = || git.requests(self.scene.repo.name()).len();
        let head = self.scene.repo.head()?;
        let mut asked = Asked::from_now(&self.scene.control_plane.audit())?;
        let (registry, git_before) = (self.registry.asked(), of_git());
        let (polls, cpu, begin) = (
            looks(self.agent).await?,
            Cpu::of(self.agent)?,
            Instant::now(),
        );
        // Nothing is waited for: this is the time in which nothing happens.
        tokio::time::sleep(INTERVAL * intervals).await;
        let polls = looks(self.agent).await? - polls;
        let spent = Cpu::of(self.agent)?.since(cpu);
        let registry = self.registry.asked().since(registry);
        ensure!(self.scene.repo.head()? == head, "something was committed");
        ensure!(polls > 0.0 && registry.lists > 0, "no image was looked at");
        Ok(Rest {
            seconds: begin.elapsed().as_secs_f64(),
            polls,
            registry_requests: registry.all,
            lists: registry.lists,
            not_modified: registry.not_modified,
            git_requests: of_git() - git_before,
            api_requests: asked.requests()?,
            cpu_ms_per_poll: spent.as_secs_f64() * 1_000.0 / polls,
            mib: memory_mib(self.agent.id())?,
        })
    }

    /// From the moment at which somebody says that an image has a new tag until the server has
    /// taken the commit.
    async fn new_tags(&mut self) -> Result<Spread> {
        let mut times = Vec::new();
        for number in 0..self.wish.effort.rounds().min(self.wish.images) {
            let tag = self.registry.push(number);
            self.forget_pushes();
            let begin = Instant::now();
            self.tell(number).await?;
            let wanted = BTreeSet::from([self.reference(number, &tag)]);
            let landed = self.until_named(&wanted).await?;
            times.push((landed - begin).as_secs_f64() * 1_000.0);
            self.until_calm(CALM).await?;
        }
        Ok(Spread::of(times))
    }

    /// A tenth of the images have a new tag at the same moment.
    async fn burst(&mut self) -> Result<Burst> {
        let last = self.wish.images;
        let first = last - (last / 10).max(1);
        let before = self.scene.repo.log()?.len();
        let wanted: BTreeSet<String> = (first..last)
            .map(|number| {
                let tag = self.registry.push(number);
                self.reference(number, &tag)
            })
            .collect();
        self.forget_pushes();
        let begin = Instant::now();
        for number in first..last {
            self.tell(number).await?;
        }
        let landed = self.until_named(&wanted).await?;
        Ok(Burst {
            tags: wanted.len(),
            milliseconds: (landed - begin).as_secs_f64() * 1_000.0,
            commits: self.scene.repo.log()?.len() - before,
        })
    }

    /// Asks for a look at an image now, as an event of its registry does.
    async fn tell(&self, number: usize) -> Result<()> {
        let now = jiff::Timestamp::now().to_string();
        let patch = json!({ "metadata": { "annotations": { "syncline.dev/requested-at": now } } });
        let object = ours("ImagePolicy", &policy(number), Value::Null);
        let namespace = self.scene.namespace(number);
        let api = api_of(&self.scene.client, &object, Some(&namespace));
        let params = kube::api::PatchParams::default();
        let patch = kube::api::Patch::Merge(&patch);
        api.patch(&policy(number), &params, &patch).await?;
        Ok(())
    }

    fn reference(&self, number: usize, tag: &str) -> String {
        format!("{}:{tag}", self.registry.image(number))
    }

    fn forget_pushes(&mut self) {
        while self.pushes.try_recv().is_ok() {}
    }

    /// The moment of the push after which `main` names all of these.
    async fn until_named(&mut self, wanted: &BTreeSet<String>) -> Result<Instant> {
        let begin = Instant::now();
        while let Some(left) = ROUND.checked_sub(begin.elapsed()) {
            let Ok(taken) = tokio::time::timeout(left, self.pushes.recv()).await else {
                break;
            };
            let taken = taken.context("the Git server ended")?;
            let named = self.named()?;
            if wanted.is_subset(&named) {
                return Ok(taken);
            }
        }
        bail!(
            "not all of {} new tags were committed within {ROUND:?}",
            wanted.len()
        )
    }

    /// All images that `main` names.
    fn named(&self) -> Result<BTreeSet<String>> {
        self.scene.repo.git(&["fetch", "--quiet", "origin"])?;
        let found = self
            .scene
            .repo
            .git(&["grep", "-h", "/bench/image-", "origin/main"])?;
        let images = found.lines().filter_map(|line| line.split_once("image: "));
        Ok(images.map(|(_, image)| image.trim().to_owned()).collect())
    }
}

/// How often the agent has looked at an image.
async fn looks(agent: &AgentProcess) -> Result<f64> {
    let text = reqwest::get(agent.metrics_url("/metrics"))
        .await?
        .text()
        .await?;
    Ok(text
        .lines()
        .filter(|line| line.starts_with("syncline_polls_total{"))
        .filter(|line| line.contains("target=\"image\""))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .sum())
}

fn policy(number: usize) -> String {
    format!("image-{number}")
}

fn ours(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": spec,
    })
}
