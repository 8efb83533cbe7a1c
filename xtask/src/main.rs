//! The menu of this repository: `cargo xtask --help`.
//!
//! It builds what the tests and the demo need, once, into a cache outside the checkout, and runs
//! the checks. It knows no crate of the workspace: it must build in seconds.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it speaks to a terminal"
)]

mod cache;
mod disk;
mod generated;
mod links;
mod packages;
mod proof;
mod run;
mod stages;
mod tools;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::generated::Mode;
use crate::run::Step;
use crate::tools::Tools;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  demo [--check]       start a cluster, a Git server, a registry and the agent on this machine, load
                       the sample and say what to try; --check plays its story and ends
  test [--only STAGE]  run all checks, or those that are named; --list names them
  it [FILTER...]       run the integration tests, or those whose name contains FILTER
  ui                   check, test and build the front end
  screenshots [PAGE...]
                       every page of the web UI in every state, laid on one sheet for each page in
                       `screenshots` of the target folder; fails where a page is not accessible
  lint                 format, clippy and the check of dependencies
  gen [--check]        write the generated files (CRDs, OpenAPI, reference pages), or compare them
  bench                play the demo's story five times and print the measured times
  bench sync [FLAG...] measure the sync of a release build against a bare client; the figures are
                       kept as JSON. --applications 100,500,1000 --objects 6 --one-large 10000
                       --profile a|b|both (one namespace, a namespace each) --latency-ms 50 --quick
  bench health [FLAG...]
                       measure how soon a change of health is told, and what it costs.
                       --deployments 1000 --applications 20 --quick
  bench chain [FLAG...]
                       measure how long a chain of dependencies takes, the first time and for a
                       commit that changes all of it. --links 10 --quick
  bench images [FLAG...]
                       measure what image policies cost at rest, and how soon a new tag is pushed as
                       a commit. --images 1000 --tags 1000 --quick
  bench ui [FLAG...]   measure the list of the web UI: answer, bytes, paint in a browser.
                       --applications 1000,5000 --quick
  bench git [--quick]  measure looks, fetches and pushes beside the program git
  bench store [FLAG...]
                       measure pages of a long history, and what a sync costs the database, on SQLite
                       and on PostgreSQL. --syncs 100000 --quick
  bench render [--quick]
                       measure renders, cold, warm and cached, beside the real helm and kustomize
  tools                build or find what all of these need, where it is missing

What is built is kept in ~/.cache/syncline; SYNCLINE_CACHE names another folder.
CARGO_TARGET_DIR is honoured; without it cargo builds into `target` of that folder.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match command(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(words: &[&str]) -> Result<ExitCode> {
    match words {
        [] | ["help" | "--help" | "-h", ..] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        ["tools"] => {
            let cache = Cache::open()?;
            Tools::all(&cache)?;
            println!("everything is in {}", cache.root().display());
            Ok(ExitCode::SUCCESS)
        }
        ["demo"] => demo(&[]),
        ["demo", "--check"] => demo(&["--check"]),
        [
            "bench",
            kind @ ("sync" | "health" | "chain" | "images" | "ui"),
            rest @ ..,
        ] => {
            let cache = Cache::open()?;
            let tools = Tools::for_demo(&cache)?;
            let flags = [&[*kind], rest].concat();
            stages::bench_sync(&cache, &tools, &flags)?.run()?;
            Ok(ExitCode::SUCCESS)
        }
        ["bench", "render", rest @ ..] => {
            let cache = Cache::open()?;
            stages::bench_render(&cache, rest)?.run()?;
            Ok(ExitCode::SUCCESS)
        }
        ["bench", "git", rest @ ..] => {
            let cache = Cache::open()?;
            stages::bench_git(&cache, rest)?.run()?;
            Ok(ExitCode::SUCCESS)
        }
        ["bench", "store", rest @ ..] => {
            let cache = Cache::open()?;
            stages::bench_store(&cache, rest)?.run()?;
            Ok(ExitCode::SUCCESS)
        }
        ["bench"] => demo(&["--check", "--rounds", "5"]),
        ["test", "--list"] => {
            stages::list();
            Ok(ExitCode::SUCCESS)
        }
        ["test"] => stages::run(&[]),
        ["test", rest @ ..]
            if rest.len() % 2 == 0 && rest.iter().step_by(2).all(|w| *w == "--only") =>
        {
            let only: Vec<&str> = rest.iter().skip(1).step_by(2).copied().collect();
            stages::run(&only)
        }
        ["lint"] => stages::run(&["fmt", "clippy", "deny"]),
        ["ui"] => stages::run(&["ui"]),
        ["screenshots", pages @ ..] => {
            let cache = Cache::open()?;
            stages::screenshots(&cache, pages)?.run()?;
            Ok(ExitCode::SUCCESS)
        }
        ["it", filters @ ..] => {
            let cache = Cache::open()?;
            let tools = Tools::for_tests(&cache)?;
            stages::integration_tests(&cache, &tools, filters)?.run()?;
            Ok(ExitCode::SUCCESS)
        }
        ["gen"] => generate(Mode::Write),
        ["gen", "--check"] => generate(Mode::Compare),
        other => bail!(
            "`{}` is not a command; see `cargo xtask --help`",
            other.join(" ")
        ),
    }
}

fn demo(arguments: &[&str]) -> Result<ExitCode> {
    let cache = Cache::open()?;
    let tools = Tools::for_demo(&cache)?;
    stages::demo(&cache, &tools, arguments)?.run()?;
    Ok(ExitCode::SUCCESS)
}

fn generate(mode: Mode) -> Result<ExitCode> {
    generated::all(&Cache::open()?, mode)?;
    Ok(ExitCode::SUCCESS)
}

/// A step that runs a program of the workspace's own toolchain.
fn cargo(cache: &Cache, arguments: &[&str]) -> Step {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let target = cache.cargo_target();
    Step::new(&cargo, arguments).env("CARGO_TARGET_DIR", target.as_os_str())
}
