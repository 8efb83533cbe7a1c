//! What the history costs, on a file of SQLite and on PostgreSQL, both as they are installed: what is
//! written is on the disk.
//!
//! Half of the syncs are of one application and the others of a thousand; each has the outcomes of
//! three objects with their manifests, and a part of them failed. All of them are written through the
//! queue, as the agent does.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jiff::Timestamp;
use serde::Serialize;
use syncline_core::diff::Change;
use syncline_core::digest::Digest;
use syncline_core::masking::Masked;
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::reason::Reason;
use syncline_core::record::{MaskedManifest, Name, Step, SyncRecord, SyncResult};
use syncline_core::redacted::Redacted;
use syncline_core::revision::{CommitId, CommitInfo, Revision};
use syncline_core::trigger::Cause;
use syncline_store::{DatabaseKind, History, Location, Settings, Store, SyncFilter};

use super::report::Spread;
use super::{Effort, Say};
use crate::Postgres;
use crate::postgres::Durability;

/// How many applications there are beside the one with half of all syncs.
const APPLICATIONS: usize = 1_000;
/// Syncs on a page.
const PAGE: u32 = 50;
/// How long all that waits may take to be written.
const PATIENCE: Duration = Duration::from_mins(30);

/// The figures.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it began, RFC 3339.
    pub began: String,
    /// How many processors the machine has for it.
    pub processors: usize,
    /// How many syncs there are.
    pub syncs: usize,
    /// SQLite, then PostgreSQL.
    pub databases: Vec<Figures>,
}

/// Those of one database.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Which one.
    pub database: String,
    /// Syncs in a second, all of them waiting.
    pub syncs_per_second: f64,
    /// What was measured, in order, in milliseconds.
    pub rows: Vec<Row>,
}

/// One thing that was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What.
    pub what: String,
    /// Milliseconds that it should stay below; none where there is no goal.
    pub goal: Option<f64>,
    /// Milliseconds.
    pub times: Spread,
}

impl Report {
    /// The table for people.
    pub fn table(&self) -> String {
        let mut text = format!("{} syncs, {} processors\n", self.syncs, self.processors);
        for figures in &self.databases {
            let rate = figures.syncs_per_second;
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}: {rate:.0} syncs/s written", figures.database);
            let heads = ["p50", "p99", "goal"];
            let _ = writeln!(
                text,
                "  {:46} {:>8} {:>8} {:>8}",
                "milliseconds", heads[0], heads[1], heads[2]
            );
            for row in &figures.rows {
                let goal = row.goal.map_or(String::new(), |goal| format!("{goal:.0}"));
                let Spread { p50, p99, .. } = row.times;
                let _ = writeln!(text, "  {:46} {p50:>8.2} {p99:>8.2} {goal:>8}", row.what);
            }
        }
        text
    }
}

/// Measures both databases, one after the other.
pub async fn run(syncs: usize, effort: Effort, say: Say) -> Result<Report> {
    let mut report = Report {
        began: Timestamp::now().to_string(),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        syncs,
        databases: Vec::new(),
    };
    let folder = tempfile::tempdir()?;
    let file = Location::File(folder.path().join("history.db"));
    report
        .databases
        .push(measure(file, syncs, effort, say).await?);
    let server = Postgres::start(Durability::Full).await?;
    let url = server.create("history").await?;
    let database = Location::Postgres(Redacted::new(url));
    report
        .databases
        .push(measure(database, syncs, effort, say).await?);
    Ok(report)
}

async fn measure(location: Location, syncs: usize, effort: Effort, say: Say) -> Result<Figures> {
    let settings = Settings {
        location,
        // Nothing may be lost while it is filled, and nothing go.
        queue_capacity: 10_000,
        queue_objects: 1_000_000,
        flush_timeout: PATIENCE,
        ..Settings::default()
    };
    let store = Store::open(&settings).await?;
    let history = store.history();
    let database = history.status().kind;
    say(&format!("{syncs} syncs on {}", database.as_str()));
    let began = Instant::now();
    for number in 0..syncs {
        history.record_sync(&sync(number, SyncResult::Succeeded)?);
        if history.queued() > 5_000 {
            ensure!(history.flush().await == 0, "the syncs were not written");
        }
    }
    ensure!(history.flush().await == 0, "the syncs were not written");
    ensure!(history.dropped() == 0, "some syncs were lost");
    let syncs_per_second = syncs as f64 / began.elapsed().as_secs_f64();

    say("pages");
    let rounds = effort.rounds() * 20;
    let mut rows = pages(&history, syncs, rounds).await?;
    say("one sync at a time");
    rows.extend(writes(&history, syncs, rounds).await?);
    store.close().await;
    Ok(Figures {
        database: name(database),
        syncs_per_second,
        rows,
    })
}

fn name(database: DatabaseKind) -> String {
    database.as_str().to_owned()
}

/// What people look at.
async fn pages(history: &History, syncs: usize, rounds: usize) -> Result<Vec<Row>> {
    const GOAL: Option<f64> = Some(20.0);
    let all = SyncFilter::default();
    let of_one = SyncFilter {
        application: Some(application(0)),
        ..all.clone()
    };
    let failed = SyncFilter {
        result: Some(SyncResult::Failed),
        ..all.clone()
    };
    let of_cause = SyncFilter {
        cause: Some(Cause::User),
        ..all.clone()
    };
    let mut rows = Vec::new();
    for (what, filter) in [
        ("a page of all applications", &all),
        ("a page of one application", &of_one),
        ("a page of those that failed", &failed),
        ("a page of one cause", &of_cause),
    ] {
        let mut times = Vec::new();
        for round in 0..rounds {
            // From the newest to the oldest, also where nobody was for long.
            let before = id(syncs - syncs * round / rounds);
            let clock = Instant::now();
            let page = history.find_syncs(filter, Some(&before), PAGE).await?;
            times.push(milliseconds(clock));
            ensure!(round > 0 || page.len() == PAGE as usize, "{}", page.len());
        }
        rows.push(row(what, GOAL, times));
    }
    let mut times = Vec::new();
    for round in 0..rounds {
        let id = id(syncs * round / rounds);
        let clock = Instant::now();
        let sync = history.sync_with_manifests(&id).await?;
        times.push(milliseconds(clock));
        let sync = sync.with_context(|| format!("no sync {id}"))?;
        ensure!(sync.outcomes.iter().all(|o| o.manifest.is_some()));
    }
    rows.push(row("one sync with its manifests", GOAL, times));
    let (mut times, mut small) = (Vec::new(), Vec::new());
    for round in 0..rounds.min(20) {
        // Of the last 1,000 syncs of the application, as many as the agent keeps.
        for (times, number) in [(&mut times, 0), (&mut small, 1 + round)] {
            let clock = Instant::now();
            let states = history
                .object_states(&application(number), &id(syncs))
                .await?;
            times.push(milliseconds(clock));
            ensure!(states.len() == 3, "{} objects", states.len());
        }
    }
    rows.push(row(
        "objects as of a sync, of 1000 applications",
        None,
        small,
    ));
    rows.push(row("objects as of a sync, half of all syncs", None, times));
    Ok(rows)
}

/// One sync after the other, nothing waiting: its beginning and its end, each in a transaction.
async fn writes(history: &History, syncs: usize, rounds: usize) -> Result<Vec<Row>> {
    let mut times = Vec::new();
    for round in 0..rounds {
        let number = syncs + round;
        let begun = SyncRecord {
            outcomes: Vec::new(),
            finished_at: None,
            ..sync(number, SyncResult::Running)?
        };
        let ended = sync(number, SyncResult::Succeeded)?;
        let mut took = 0.0;
        for record in [&begun, &ended] {
            let clock = Instant::now();
            history.record_sync(record);
            ensure!(history.flush().await == 0, "the sync was not written");
            took += milliseconds(clock);
        }
        times.push(took);
    }
    Ok(vec![row(
        "a sync, its beginning and its end",
        Some(2.0),
        times,
    )])
}

fn row(what: &str, goal: Option<f64>, times: Vec<f64>) -> Row {
    Row {
        what: what.to_owned(),
        goal,
        times: Spread::of(times),
    }
}

fn milliseconds(clock: Instant) -> f64 {
    clock.elapsed().as_secs_f64() * 1_000.0
}

/// As a ULID: sorts by number.
fn id(number: usize) -> String {
    format!("{number:026}")
}

/// The first has half of all syncs.
fn application(number: usize) -> Name {
    Name::new(format!("team-{}", number / 20), format!("app-{number}"))
}

fn sync(number: usize, result: SyncResult) -> Result<SyncRecord> {
    let application = match number % 2 {
        0 => application(0),
        _ => application(1 + (number / 2) % APPLICATIONS),
    };
    let commit = CommitId::parse(&format!("{number:040x}")).context("a commit id")?;
    let start = 1_700_000_000 + i64::try_from(number)? * 30;
    let time = Timestamp::from_second(start)?;
    let failed = result != SyncResult::Running && number.is_multiple_of(97);
    let failure = failed.then(|| Failure {
        reason: Reason::InvalidObject,
        detail: "spec.replicas: Invalid value: -1: must not be negative".to_owned(),
    });
    Ok(SyncRecord {
        id: id(number),
        outcomes: (0..3)
            .map(|object| outcome(&application, number, object))
            .collect(),
        application,
        cause: match number % 50 {
            0 => Cause::User,
            1..10 => Cause::Poll,
            _ => Cause::Webhook,
        },
        revision: Some(Revision {
            branch: "main".to_owned(),
            commit: commit.clone(),
        }),
        commit: Some(CommitInfo {
            id: commit.clone(),
            subject: format!("Give the web server more memory, step {number}"),
            author: "Robin".to_owned(),
            time,
        }),
        previous: Some(commit),
        queued_at: time,
        started_at: time,
        finished_at: Some(Timestamp::from_second(start + 3)?),
        result: if failed { SyncResult::Failed } else { result },
        failure,
        steps: ["fetch", "read", "render", "plan", "apply", "prune"]
            .map(|name| Step {
                name: name.to_owned(),
                micros: 1_234,
            })
            .to_vec(),
        unchanged: 12,
        drift: Vec::new(),
    })
}

/// The first object is another with each sync, the others are the same for long.
fn outcome(application: &Name, number: usize, object: usize) -> ObjectOutcome {
    let version = if object == 0 { number } else { number / 1_000 };
    let name = format!("{}-{object}", application.name);
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  annotations:\n"
    );
    for line in 0..40 {
        // Writing to a string does not fail.
        let _ = writeln!(text, "    example.com/{line}: value-{}", number % 7 + line);
    }
    let _ = writeln!(text, "spec:\n  replicas: {version}");
    let mut hash = [0; 16];
    for (place, byte) in text.bytes().enumerate() {
        let before: u8 = hash[place % 16];
        hash[place % 16] = before.wrapping_mul(31).wrapping_add(byte);
    }
    ObjectOutcome {
        key: ObjectKey {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some(application.namespace.clone()),
            name,
        },
        origin: Some(Origin {
            file: format!("apps/{}/web.yaml", application.name),
            document: object + 1,
            line: Some(17),
        }),
        action: ActionKind::Update,
        error: None,
        note: String::new(),
        changes: vec![Change {
            path: "spec.replicas".to_owned(),
            before: Some(Masked::read_back(version.saturating_sub(1).to_string())),
            after: Some(Masked::read_back(version.to_string())),
        }],
        manifest: Some(MaskedManifest {
            digest: Digest::from(hash),
            text: Masked::read_back(text),
        }),
    }
}
