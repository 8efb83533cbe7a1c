//! Measures the released agent and its parts, see `cargo xtask --help`: a table for a person, and the
//! figures as JSON.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it speaks to a terminal"
)]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;
use syncline_tests::bench::report::Report;
use syncline_tests::bench::scene::Accounts;
use syncline_tests::bench::{Effort, Wish, chain, git, health, images, render, run, store, ui};

/// Measures the agent and its parts.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    kind: Kind,
    /// Less of it, to see that it works.
    #[arg(long, global = true)]
    quick: bool,
    /// Where the figures are kept.
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "target/bench"
    )]
    out: PathBuf,
}

/// What is measured.
#[derive(Debug, Subcommand)]
enum Kind {
    /// The sync against a bare client.
    Sync {
        /// The numbers of applications, a run each.
        #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "100")]
        applications: Vec<NonZeroUsize>,
        /// How many objects each of them has.
        #[arg(long, value_name = "M", default_value = "6")]
        objects: NonZeroUsize,
        /// One more run with a single application of so many objects.
        #[arg(long, value_name = "M")]
        one_large: Option<NonZeroUsize>,
        /// Whether they are in one namespace or have one each.
        #[arg(long, value_enum, default_value_t = Profile::A)]
        profile: Profile,
        /// One more run with so long a delay of every request.
        #[arg(long, value_name = "MS")]
        latency_ms: Option<u64>,
    },
    /// How soon a change of health is told, and what it costs.
    Health {
        /// 1000 of them; 100 with `--quick`.
        #[arg(long, value_name = "N")]
        deployments: Option<NonZeroUsize>,
        /// 20 of them; 10 with `--quick`.
        #[arg(long, value_name = "N")]
        applications: Option<NonZeroUsize>,
    },
    /// How long a chain of dependencies takes.
    Chain {
        /// Its length.
        #[arg(long, value_name = "N", default_value = "10")]
        links: NonZeroUsize,
    },
    /// What image policies cost at rest, and how soon a new tag is pushed as a commit.
    Images {
        /// 1000 of them; 50 with `--quick`.
        #[arg(long, value_name = "N")]
        images: Option<NonZeroUsize>,
        /// The tags of each: 1000; 200 with `--quick`.
        #[arg(long, value_name = "N")]
        tags: Option<NonZeroUsize>,
    },
    /// Looks, fetches and pushes beside the program git.
    Git,
    /// Pages of a long history, and what a sync costs the database.
    Store {
        /// The length of the timeline: 100000; 10000 with `--quick`.
        #[arg(long, value_name = "N")]
        syncs: Option<NonZeroUsize>,
    },
    /// The list of the web UI: answer, bytes, paint in a browser.
    Ui {
        /// The numbers of applications, a run each: 1000,5000; 100 with `--quick`.
        #[arg(long, value_name = "N,N", value_delimiter = ',')]
        applications: Vec<NonZeroUsize>,
    },
    /// Renders, cold, warm and cached, beside the real helm and kustomize.
    Render,
}

/// Who the applications belong to.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Profile {
    /// One namespace and account for all.
    A,
    /// A namespace and an account for each.
    B,
    /// One after the other.
    Both,
}

impl Profile {
    fn accounts(self) -> Vec<Accounts> {
        match self {
            Self::A => vec![Accounts::One],
            Self::B => vec![Accounts::Each],
            Self::Both => vec![Accounts::One, Accounts::Each],
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let measured = bench(Arguments::parse());
    let ended = tokio::select! {
        ended = measured => ended,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench(arguments: Arguments) -> Result<()> {
    let Arguments { kind, quick, out } = arguments;
    let effort = if quick {
        Effort::Quick
    } else {
        Effort::Thorough
    };
    let or = |given: Option<NonZeroUsize>, few: usize, many: usize| {
        given.map_or(if quick { few } else { many }, NonZeroUsize::get)
    };
    let say = |line: &str| println!("  {line}");
    match kind {
        Kind::Sync {
            applications,
            objects,
            one_large,
            profile,
            latency_ms,
        } => {
            let wish = Wish {
                applications: numbers(&applications),
                objects: objects.get(),
                one_large: one_large.map(NonZeroUsize::get),
                accounts: profile.accounts(),
                latency: latency_ms,
                effort,
            };
            sync(&wish, &out).await
        }
        Kind::Health {
            deployments,
            applications,
        } => {
            let (deployments, applications) =
                (or(deployments, 100, 1_000), or(applications, 10, 20));
            ensure!(
                deployments >= applications,
                "each of {applications} applications needs a Deployment"
            );
            let report = health::run(deployments, applications, say).await?;
            keep("health", &out, &report.table(), &report)
        }
        Kind::Chain { links } => {
            let report = chain::run(links.get(), effort, say).await?;
            keep("chain", &out, &report.table(), &report)
        }
        Kind::Images { images, tags } => {
            let wish = images::Wish {
                images: or(images, 50, 1_000),
                tags: or(tags, 200, 1_000),
                effort,
            };
            let report = images::run(wish, say).await?;
            keep("images", &out, &report.table(), &report)
        }
        Kind::Git => {
            let report = git::run(effort, say).await?;
            keep("git", &out, &report.table(), &report)
        }
        Kind::Store { syncs } => {
            let syncs = or(syncs, 10_000, 100_000);
            ensure!(syncs >= 10_000, "a long timeline has at least 10000 syncs");
            let report = store::run(syncs, effort, say).await?;
            keep("store", &out, &report.table(), &report)
        }
        Kind::Ui { applications } => {
            let applications = match applications.as_slice() {
                [] if quick => vec![100],
                [] => vec![1_000, 5_000],
                given => numbers(given),
            };
            let wish = ui::Wish {
                applications,
                effort,
            };
            let report = ui::run(&wish, say).await?;
            keep("ui", &out, &report.table(), &report)
        }
        Kind::Render => {
            let report = render::run(effort, say).await?;
            keep("render", &out, &report.table(), &report)
        }
    }
}

fn numbers(given: &[NonZeroUsize]) -> Vec<usize> {
    given.iter().map(|number| number.get()).collect()
}

/// Prints and keeps what there is after each run: a later one may take long.
async fn sync(wish: &Wish, out: &Path) -> Result<()> {
    let file = file("sync", out)?;
    let keep = |report: &Report| {
        let text = serde_json::to_string_pretty(report)?;
        std::fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        let last = &report.runs[report.runs.len().saturating_sub(1)..];
        let only = Report {
            runs: last.to_vec(),
            ..report.clone()
        };
        println!("\n{}", only.table());
        Ok(())
    };
    run(wish, |line| println!("  {line}"), keep).await?;
    println!("the figures are in {}", file.display());
    Ok(())
}

/// Prints the table of a bench, and keeps its figures in a folder.
fn keep(kind: &str, out: &Path, table: &str, report: &impl Serialize) -> Result<()> {
    println!("\n{table}");
    let file = file(kind, out)?;
    std::fs::write(&file, serde_json::to_string_pretty(report)?)?;
    println!("the figures are in {}", file.display());
    Ok(())
}

/// A new file for the figures of a bench.
fn file(kind: &str, out: &Path) -> Result<PathBuf> {
    std::fs::create_dir_all(out)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    Ok(out.join(format!("{kind}-{now}.json")))
}
