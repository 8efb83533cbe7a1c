//! Measures the sync against a bare client, see `cargo xtask bench sync`; with `render` as the first
//! argument renders against the real programs, see `cargo xtask bench render`; with `health` how
//! soon a change of health is told, see `cargo xtask bench health`; with `chain` how long a chain of
//! dependencies takes, see `cargo xtask bench chain`; with `images` what image policies cost, see
//! `cargo xtask bench images`; with `git` what Git costs beside the program, see `cargo xtask bench
//! git`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it speaks to a terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use syncline_tests::bench::report::Report;
use syncline_tests::bench::scene::Accounts;
use syncline_tests::bench::{Effort, Wish, chain, git, health, images, render, run};

/// What is asked for.
struct Arguments {
    wish: Wish,
    /// Where the figures are kept.
    out: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn bench() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "render") {
        return bench_render(&words[1..]).await;
    }
    if words.first().is_some_and(|word| word == "health") {
        return bench_health(&words[1..]).await;
    }
    if words.first().is_some_and(|word| word == "chain") {
        return bench_chain(&words[1..]).await;
    }
    if words.first().is_some_and(|word| word == "images") {
        return bench_images(&words[1..]).await;
    }
    if words.first().is_some_and(|word| word == "git") {
        return bench_git(&words[1..]).await;
    }
    let Arguments { wish, out } = read(words.into_iter())?;
    std::fs::create_dir_all(&out)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    let file = out.join(format!("sync-{now}.json"));
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
    uninterrupted(run(&wish, |line| println!("  {line}"), keep)).await?;
    println!("the figures are in {}", file.display());
    Ok(())
}

/// Prints the table of a bench, and keeps its figures in a folder.
fn keep(kind: &str, out: &Path, table: &str, report: &impl Serialize) -> Result<()> {
    println!("\n{table}");
    std::fs::create_dir_all(out)?;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    let file = out.join(format!("{kind}-{now}.json"));
    std::fs::write(&file, serde_json::to_string_pretty(report)?)?;
    println!("the figures are in {}", file.display());
    Ok(())
}

/// What is measured, unless somebody ends it before.
async fn uninterrupted<T>(measured: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        report = measured => report,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn bench_render(words: &[String]) -> Result<()> {
    let mut effort = Effort::Thorough;
    let mut out = PathBuf::from("target/bench");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => effort = Effort::Quick,
            "--out" => out = words.next().context("`--out` needs a folder")?.into(),
            other => bail!("`{other}` is not an argument: --quick --out FOLDER"),
        }
    }
    let report = render::run(effort, |line| println!("  {line}")).await?;
    keep("render", &out, &report.table(), &report)
}

async fn bench_health(words: &[String]) -> Result<()> {
    let (mut deployments, mut applications) = (1_000, 20);
    let mut out = PathBuf::from("target/bench");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("`{word}` needs a value"))
        };
        match word.as_str() {
            "--quick" => (deployments, applications) = (100, 10),
            "--deployments" => deployments = value()?.parse().context("`--deployments`")?,
            "--applications" => applications = value()?.parse().context("`--applications`")?,
            "--out" => out = value()?.into(),
            other => bail!(
                "`{other}` is not an argument: --deployments N --applications N --quick --out FOLDER"
            ),
        }
    }
    ensure!(
        applications > 0 && deployments >= applications,
        "each of {applications} applications needs a Deployment"
    );
    let measured = health::run(deployments, applications, |line| println!("  {line}"));
    let report = uninterrupted(measured).await?;
    keep("health", &out, &report.table(), &report)
}

async fn bench_chain(words: &[String]) -> Result<()> {
    let (mut links, mut effort) = (10, Effort::Thorough);
    let mut out = PathBuf::from("target/bench");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("`{word}` needs a value"))
        };
        match word.as_str() {
            "--quick" => effort = Effort::Quick,
            "--links" => links = value()?.parse().context("`--links`")?,
            "--out" => out = value()?.into(),
            other => bail!("`{other}` is not an argument: --links N --quick --out FOLDER"),
        }
    }
    ensure!(links > 0, "a chain has at least one link");
    let measured = chain::run(links, effort, |line| println!("  {line}"));
    let report = uninterrupted(measured).await?;
    keep("chain", &out, &report.table(), &report)
}

async fn bench_images(words: &[String]) -> Result<()> {
    let mut wish = images::Wish {
        images: 1_000,
        tags: 1_000,
        effort: Effort::Thorough,
    };
    let mut out = PathBuf::from("target/bench");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("`{word}` needs a value"))
        };
        match word.as_str() {
            "--quick" => {
                wish = images::Wish {
                    images: 50,
                    tags: 200,
                    effort: Effort::Quick,
                }
            }
            "--images" => wish.images = value()?.parse().context("`--images`")?,
            "--tags" => wish.tags = value()?.parse().context("`--tags`")?,
            "--out" => out = value()?.into(),
            other => {
                bail!("`{other}` is not an argument: --images N --tags N --quick --out FOLDER")
            }
        }
    }
    ensure!(
        wish.images > 0 && wish.tags > 0,
        "there is at least one image, with one tag"
    );
    let measured = images::run(wish, |line| println!("  {line}"));
    let report = uninterrupted(measured).await?;
    keep("images", &out, &report.table(), &report)
}

async fn bench_git(words: &[String]) -> Result<()> {
    let mut effort = Effort::Thorough;
    let mut out = PathBuf::from("target/bench");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => effort = Effort::Quick,
            "--out" => out = words.next().context("`--out` needs a folder")?.into(),
            other => bail!("`{other}` is not an argument: --quick --out FOLDER"),
        }
    }
    let report = git::run(effort, |line| println!("  {line}")).await?;
    keep("git", &out, &report.table(), &report)
}

fn read(words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments {
        wish: Wish {
            applications: vec![100],
            objects: 6,
            one_large: None,
            accounts: vec![Accounts::One],
            latency: None,
            effort: Effort::Thorough,
        },
        out: PathBuf::from("target/bench"),
    };
    let wish = &mut arguments.wish;
    let mut words = words;
    while let Some(word) = words.next() {
        if word == "--quick" {
            wish.effort = Effort::Quick;
            continue;
        }
        let value = words
            .next()
            .with_context(|| format!("`{word}` needs a value, or is not an argument"))?;
        let number = || {
            let parsed = value.parse::<usize>().ok().filter(|number| *number > 0);
            parsed.with_context(|| format!("`{word} {value}` is not a number above 0"))
        };
        match word.as_str() {
            "--applications" => {
                let numbers = value.split(',').map(str::parse::<usize>);
                wish.applications = numbers
                    .collect::<Result<_, _>>()
                    .with_context(|| format!("`{word} {value}`"))?;
                ensure!(!wish.applications.contains(&0), "`{word} {value}` has a 0");
            }
            "--objects" => wish.objects = number()?,
            "--one-large" => wish.one_large = Some(number()?),
            "--latency-ms" => wish.latency = Some(number()? as u64),
            "--out" => arguments.out = PathBuf::from(value),
            "--profile" => {
                wish.accounts = match value.as_str() {
                    "a" => vec![Accounts::One],
                    "b" => vec![Accounts::Each],
                    "both" => vec![Accounts::One, Accounts::Each],
                    other => bail!("`--profile {other}` is not one of a, b, both"),
                }
            }
            other => bail!(
                "`{other}` is not an argument: --applications N,N --objects M --one-large M \
                 --profile a|b|both --latency-ms D --quick --out FOLDER"
            ),
        }
    }
    Ok(arguments)
}
