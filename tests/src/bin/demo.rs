//! Starts everything on loopback, loads the sample and says what to try; or plays its story.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it speaks to a terminal"
)]

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use syncline_tests::demo::{Demo, Measure, play};

/// What is asked for.
struct Arguments {
    /// How often the story is played; not at all when a person plays.
    rounds: Option<u32>,
    /// Whether the browser tests run as well.
    browser: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments = read(std::env::args().skip(1))?;
    let demo = Demo::start(|line| println!("  {line}")).await?;
    let result = tokio::select! {
        result = with(&demo, &arguments) => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    if result.is_err() {
        let log = demo.agent().log();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("the end of the agent's log:");
        lines[lines.len().saturating_sub(60)..]
            .iter()
            .for_each(|line| eprintln!("  {line}"));
    }
    result
}

async fn with(demo: &Demo, arguments: &Arguments) -> Result<()> {
    let Some(rounds) = arguments.rounds else {
        println!("{}", demo.guide());
        return std::future::pending().await;
    };
    let mut passed = 0;
    for round in 1..=rounds {
        let measures = play(demo, round, |step| println!("  ok: {step}")).await?;
        passed += 7;
        measures.iter().for_each(print_measure);
    }
    if arguments.browser {
        demo.check_browser().await?;
        passed += 1;
    }
    println!("test result: ok. {passed} passed; 0 failed; 0 ignored");
    Ok(())
}

fn print_measure(measure: &Measure) {
    let Measure { what, took, goal } = measure;
    let verdict = if took <= goal { "within" } else { "OVER" };
    println!(
        "  time: {what}: {} ms ({verdict} the goal of {} ms)",
        took.as_millis(),
        goal.as_millis()
    );
}

fn read(words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments {
        rounds: None,
        browser: false,
    };
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--check" => arguments.rounds = arguments.rounds.or(Some(1)),
            "--browser" => arguments.browser = true,
            "--rounds" => {
                let count = words.next().context("`--rounds` needs a number")?;
                arguments.rounds = Some(count.parse().context("`--rounds` needs a number")?);
            }
            other => bail!("`{other}` is not an argument: --check, --browser, --rounds N"),
        }
    }
    Ok(arguments)
}
