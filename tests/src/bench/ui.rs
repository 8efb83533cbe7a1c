//! How fast the list of the web UI is: the answer of the agent, and the paint in a browser.
//!
//! Each run has a control plane of its own and an agent with N applications of one ConfigMap. The
//! answers are asked for as a browser does, packed and one after the other; then a headless Chromium
//! opens the list again and again.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, ETAG, IF_NONE_MATCH};
use reqwest::{Client, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::phases::until_all_applied;
use super::report::Spread;
use super::scene::{Accounts, Content, Scene, Size};
use super::{Effort, Say, with_log};
use crate::{AgentProcess, browser, wait_for};

/// The goals for 1,000 applications: milliseconds to answer and to paint, bytes on the wire.
const GOALS: (f64, f64, usize) = (15.0, 100.0, 25_000);
const LIST: &str = "/api/v1/applications";
/// The longest that the agent may take until the list says that all is well.
const LIMIT: Duration = Duration::from_mins(5);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The numbers of applications, a run each.
    pub applications: Vec<usize>,
    /// How thoroughly.
    pub effort: Effort,
}

/// The figures.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// How many processors the machine has for it.
    pub processors: usize,
    /// One for each number of applications.
    pub runs: Vec<Run>,
}

/// The figures of one number of applications. Times are milliseconds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// How many applications there are.
    pub applications: usize,
    /// How many of them the first part of the list has.
    pub listed: usize,
    /// Bytes of that part on the wire.
    pub bytes: usize,
    /// From the request to the last byte.
    pub list: Spread,
    /// The same where the browser has the list already.
    pub unchanged: Spread,
    /// The same with a filter that finds little.
    pub filtered: Spread,
    /// What a browser took.
    pub paint: Paint,
}

/// What a browser took, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Paint {
    /// From the answer to the rows on the screen.
    pub work: Spread,
    /// From the press on the link to the rows on the screen.
    pub open: Spread,
    /// From nothing: page, code, answer, rows.
    pub load: Spread,
}

/// What `e2e/paint.mjs` prints.
#[derive(Deserialize)]
struct Painted {
    work: Vec<f64>,
    open: Vec<f64>,
    load: Vec<f64>,
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for run in &self.runs {
            let line = |name: &str, spread: &Spread, goal: Option<f64>| {
                let goal = goal.filter(|_| run.applications <= 1000);
                let verdict = goal.map_or(String::new(), |goal| {
                    let is_met = spread.p50 <= goal;
                    let word = if is_met { "met" } else { "missed" };
                    format!(" (goal {goal:.0}: {word})")
                });
                format!(
                    "  {name:22} p50 {:6.1} ms, p99 {:6.1} ms of {}{verdict}\n",
                    spread.p50, spread.p99, spread.count
                )
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{} applications: {} of them in {} bytes packed (goal {} for 1000)",
                run.applications, run.listed, run.bytes, GOALS.2
            );
            text.push_str(&line("answer", &run.list, Some(GOALS.0)));
            text.push_str(&line("answer, unchanged", &run.unchanged, None));
            text.push_str(&line("answer, filtered", &run.filtered, None));
            text.push_str(&line("answer to paint", &run.paint.work, Some(GOALS.1)));
            text.push_str(&line("press to paint", &run.paint.open, None));
            text.push_str(&line("nothing to paint", &run.paint.load, None));
        }
        text
    }
}

/// Measures it.
pub async fn run(wish: &Wish, say: Say) -> Result<Report> {
    let mut report = Report {
        began: jiff::Timestamp::now().to_string(),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        runs: Vec::new(),
    };
    for applications in &wish.applications {
        say(&format!("=== {applications} applications"));
        report
            .runs
            .push(one(*applications, wish.effort, say).await?);
    }
    Ok(report)
}

async fn one(applications: usize, effort: Effort, say: Say) -> Result<Run> {
    let size = Size {
        accounts: Accounts::One,
        applications,
        objects: 1,
        content: Content::Maps,
        latency_ms: 0,
    };
    let scene = Scene::build(size, say).await?;
    let agent = scene.start_agent().await?;
    let measured = measure(&scene, &agent, effort, say).await;
    with_log(measured, &agent, say)
}

async fn measure(scene: &Scene, agent: &AgentProcess, effort: Effort, say: Say) -> Result<Run> {
    say("the first sync");
    let commit = scene.repo.head()?;
    let (created, applied) = tokio::join!(
        scene.create_repositories(),
        until_all_applied(scene, agent, &commit)
    );
    created?;
    applied?;
    let asker = Asker::of(agent)?;
    let applications = scene.size.applications;
    wait_for("the list to say that all is well", LIMIT, async || {
        let list: Value = asker.ask(LIST).await?.json().await?;
        let healthy = list["all"]["healthy"].as_u64();
        ensure!(healthy == Some(applications as u64), "{}", list["all"]);
        Ok(())
    })
    .await?;
    say("the answers");
    let rounds = effort.rounds() * 4;
    let answer = asker.ask_packed(LIST, None).await?;
    let tag = answer.headers().get(ETAG).context("no ETag")?;
    let tag = tag.to_str()?.to_owned();
    let bytes = answer.bytes().await?.len();
    let plain: Value = asker.ask(LIST).await?.json().await?;
    let listed = plain["items"].as_array().map_or(0, Vec::len);
    let filter = format!("{LIST}?q=name:app-1*%20-ns:other&limit=100");
    let run = Run {
        applications,
        listed,
        bytes,
        list: asker.spread(rounds, LIST, None).await?,
        unchanged: asker.spread(rounds, LIST, Some(&tag)).await?,
        filtered: asker.spread(rounds, &filter, None).await?,
        paint: {
            say("the browser");
            paint(agent, effort.rounds()).await?
        },
    };
    Ok(run)
}

/// Asks the API of an agent with the key of its data folder.
struct Asker {
    client: Client,
    root: String,
    key: String,
}

impl Asker {
    fn of(agent: &AgentProcess) -> Result<Self> {
        let key = agent.current_addresses()?.ui_key.context("no key")?;
        Ok(Self {
            client: Client::new(),
            root: agent.ui_url(""),
            key: format!("Bearer {key}"),
        })
    }

    async fn ask(&self, path: &str) -> Result<Response> {
        let request = self.client.get(format!("{}{path}", self.root));
        Ok(request.header(AUTHORIZATION, &self.key).send().await?)
    }

    async fn ask_packed(&self, path: &str, tag: Option<&str>) -> Result<Response> {
        let mut request = self.client.get(format!("{}{path}", self.root));
        request = request
            .header(AUTHORIZATION, &self.key)
            .header(ACCEPT_ENCODING, "gzip");
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let answer = request.send().await?;
        match tag {
            Some(_) => ensure!(
                answer.status() == StatusCode::NOT_MODIFIED,
                "{path} changed"
            ),
            None => ensure!(
                answer.status() == StatusCode::OK
                    && answer.headers().contains_key(CONTENT_ENCODING),
                "{path} answered {}",
                answer.status()
            ),
        }
        Ok(answer)
    }

    async fn spread(&self, rounds: usize, path: &str, tag: Option<&str>) -> Result<Spread> {
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let begin = Instant::now();
            self.ask_packed(path, tag).await?.bytes().await?;
            times.push(begin.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(Spread::of(times))
    }
}

/// Lets a browser open the list again and again.
async fn paint(agent: &AgentProcess, rounds: usize) -> Result<Paint> {
    let link = agent.current_addresses()?.ui_link.context("no link")?;
    let mut script = browser::script("paint", &link);
    script.env("SYNCLINE_ROUNDS", rounds.to_string());
    let said = browser::run(script).await?;
    let line = said.lines().find(|line| line.starts_with('{'));
    let painted: Painted = serde_json::from_str(line.context("the browser measured nothing")?)?;
    Ok(Paint {
        work: Spread::of(painted.work),
        open: Spread::of(painted.open),
        load: Spread::of(painted.load),
    })
}
