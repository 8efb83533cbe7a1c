//! What a render costs, beside the programs `helm` and `kustomize` in the same run.
//!
//! Our side renders from memory as the agent does, the programs from a folder on the disk. Hooks,
//! the schema of the values and the origin of every object are on.

mod sample;
mod table;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use syncline_core::digest::Digest;
use syncline_core::manifest::yaml;
use syncline_core::revision::CommitId;
use syncline_core::url::RepoUrl;
use syncline_render::cache::{Cache, Limits, Read, Reads};
use syncline_render::{Job, Location, Pool, Rendered, Settings};
use syncline_source::{Mirror, Snapshot};

use super::{Effort, Say};
use crate::{Access, GitServer, programs};
use sample::Sample;
pub use table::{Memory, Report, Row};

/// Measures everything.
pub async fn run(effort: Effort, say: Say) -> Result<Report> {
    let rounds = match effort {
        Effort::Thorough => 200,
        Effort::Quick => 20,
    };
    let mut report = Report::new()?;
    report.rows.push(plain(rounds)?);
    let overlay = Sample::overlay();
    let chart = Sample::chart();
    for sample in [&overlay, &chart] {
        say(&format!("{}: cold, warm, the program", sample.name));
        report.rows.extend(rendered(sample, rounds).await?);
    }
    say("the render cache");
    for files in [20, 2_000] {
        report.rows.extend(cached(files, rounds).await?);
    }
    let most = match effort {
        Effort::Thorough => 10_000,
        Effort::Quick => 1_000,
    };
    say(&format!("memory over {most} renders"));
    report.memory = memory(&[overlay, chart], most).await?;
    Ok(report)
}

fn settings() -> Result<Settings> {
    Ok(Settings {
        program: programs::renderer()?,
        ..Settings::default()
    })
}

/// Plain YAML, which needs no other process.
fn plain(rounds: usize) -> Result<Row> {
    let sample = Sample::plain();
    let limits = yaml::Limits::default();
    let mut row = Row::new(&format!("plain YAML, {} files", sample.files.len()), "warm");
    for _ in 0..rounds {
        let began = Instant::now();
        let mut objects = 0;
        for (path, content) in &sample.files {
            let found = yaml::parse(path, content.as_bytes(), &limits);
            objects += found
                .map_err(|failures| anyhow::anyhow!("{path}: {failures:?}"))?
                .len();
        }
        row.took(began.elapsed());
        ensure!(objects == sample.objects, "{objects} plain objects");
    }
    Ok(row)
}

async fn rendered(sample: &Sample, rounds: usize) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    for (path, content) in &sample.files {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().context("a file is in a folder")?)?;
        std::fs::write(file, content)?;
    }
    let mut cold = Row::new(&sample.name, "cold, a new process");
    for _ in 0..rounds / 4 {
        let pool = Pool::new(settings()?);
        let began = Instant::now();
        render(&pool, sample).await?;
        cold.took(began.elapsed());
    }
    let pool = Pool::new(settings()?);
    let mut warm = Row::new(&sample.name, "warm");
    let mut program = Row::new(&sample.name, &sample.program_name());
    for _ in 0..10 {
        render(&pool, sample).await?;
    }
    // One beside the other, so that both see the same machine.
    for round in 0..rounds {
        let began = Instant::now();
        render(&pool, sample).await?;
        warm.took(began.elapsed());
        if round % 4 == 0 {
            program.took(real(sample, folder.path())?);
        }
    }
    let ratio = program.milliseconds.p50() / warm.milliseconds.p50();
    warm.against_program(ratio, sample.goal);
    Ok(vec![cold, warm, program])
}

async fn render(pool: &Pool, sample: &Sample) -> Result<Rendered> {
    let rendered = pool.render(&sample.job, &|ask| sample.answer(ask)).await?;
    let count = rendered.objects.len() + rendered.hooks.len();
    ensure!(count == sample.objects, "{}: {count} objects", sample.name);
    Ok(rendered)
}

/// The real program on the same files; it must find as many objects.
fn real(sample: &Sample, folder: &Path) -> Result<Duration> {
    let (program, arguments) = match &sample.job {
        Job::Helm(helm) => {
            let words = ["template", &helm.release_name, &helm.path, "--include-crds"];
            let rest = [
                "--namespace",
                &helm.namespace,
                "--values",
                "values-prod.yaml",
            ];
            (programs::helm()?, [&words[..], &rest[..]].concat())
        }
        Job::Kustomize(kustomize) => {
            let words = vec!["build", kustomize.path.as_str()];
            (programs::kustomize()?, words)
        }
        Job::Transform(_) => anyhow::bail!("no program transforms objects"),
    };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear();
    command.env("HOME", folder).stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output()?;
    let took = began.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let objects = text
        .lines()
        .filter(|line| line.starts_with("kind:"))
        .count();
    ensure!(
        output.status.success() && objects == sample.objects,
        "{}: the program made {objects} objects: {}",
        sample.name,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}

/// Looks a render up that read so many files, in a real repository in which other files change.
async fn cached(files: usize, rounds: usize) -> Result<Vec<Row>> {
    let server = GitServer::start().await?;
    let repo = server.create("config", Access::Open)?;
    let paths: Vec<String> = (0..files)
        .map(|number| format!("apps/web/part-{}/file-{number}.yaml", number % 4))
        .collect();
    let mut written: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "a: 1")).collect();
    written.push(("apps/other/a.yaml", "a: 1"));
    let first = repo.commit(&written, "begin")?;
    let elsewhere = repo.commit(&[("apps/other/a.yaml", "a: 2")], "another application")?;
    let beside = repo.commit(&[("apps/web/README.md", "unread")], "a file beside")?;
    let url = RepoUrl::parse(repo.url()).map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let folder = tempfile::tempdir()?;
    let source = syncline_source::Settings {
        dir: folder.path().to_owned(),
        ..syncline_source::Settings::default()
    };
    let open = || -> Result<Mirror> { Ok(Mirror::open(&source, &url)?) };
    let mirror = tokio::task::block_in_place(|| -> Result<Mirror> {
        let mirror = open()?;
        mirror.fetch(&syncline_source::Access::default(), "main")?;
        Ok(mirror)
    })?;
    let commit = |text: &str| CommitId::parse(text).context("a commit id");
    let id_of = |snapshot: &Snapshot, read: &Read| match read {
        Read::Place(location) => snapshot.digest(&location.path),
        Read::Chart(_) | Read::Lookup(_) => Ok(None),
    };
    let read: BTreeSet<Read> = paths
        .iter()
        .map(|path| Read::Place(Location::own(path)))
        .collect();
    let snapshot = mirror.snapshot(&commit(&first)?)?;
    let own = [Location::own("apps/web")];
    let reads = Reads::note(read, &own, |read| id_of(&snapshot, read))?;
    let cache = Cache::new(Limits::default());
    let key = Digest::from([1; 16]);
    cache.insert(key, reads, Arc::new(()), 1_000);
    let goal_ms = if files > 100 { 1.0 } else { 0.05 };
    let mut rows = Vec::new();
    for (what, id) in [
        ("the same commit", &first),
        ("another application changed", &elsewhere),
        ("a file beside changed, each file looked up", &beside),
    ] {
        let mut row = Row::new(&format!("cached, {files} files"), what);
        let snapshot = mirror.snapshot(&commit(id)?)?;
        for _ in 0..rounds {
            let began = Instant::now();
            let found = cache.get(key, |read| id_of(&snapshot, read))?;
            row.took(began.elapsed());
            ensure!(found.is_some(), "{what}: not found");
        }
        row.against_goal(goal_ms);
        rows.push(row);
    }
    let mut row = Row::new(
        &format!("cached, {files} files"),
        "the same, with opening the commit and reading its trees",
    );
    for _ in 0..rounds {
        let began = Instant::now();
        let snapshot = mirror.snapshot(&commit(&beside)?)?;
        let found = cache.get(key, |read| id_of(&snapshot, read))?;
        row.took(began.elapsed());
        ensure!(found.is_some(), "not found");
    }
    rows.push(row);
    Ok(rows)
}

/// Resident memory of one process that is never replaced.
async fn memory(samples: &[Sample], most: usize) -> Result<Vec<Memory>> {
    let pool = Pool::new(Settings {
        recycle_after: u32::MAX,
        recycle_above_mib: u64::MAX,
        ..settings()?
    });
    let mut all = Vec::new();
    for number in 1..=most {
        render(&pool, &samples[number % samples.len()]).await?;
        if [1, most / 100, most / 10, most / 2, most].contains(&number) {
            all.push(Memory {
                renders: number,
                mib: pool.resident_kib() as f64 / 1024.0,
            });
        }
    }
    ensure!(pool.counters().started == 1, "the process was replaced");
    Ok(all)
}
