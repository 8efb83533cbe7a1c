//! `syncline rollback`: has the agent revert what changed an Application last, by a commit in Git.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::Args;
use jiff::Timestamp;
use syncline_cluster::kinds::RollbackStatus;
use syncline_core::decision::{self, Decision};
use syncline_core::reason::Reason;
use syncline_core::rollback::Request;
use tokio::time::Instant;

use super::connection::{Connection, Found, Place, plain};
use super::{print, report};
use crate::settings;

/// How often the annotation is written where the Application changes at the same moment.
const MOST_TRIES: u32 = 3;

/// Arguments of `syncline rollback`.
#[derive(Args, Clone, Debug)]
pub struct RollbackArguments {
    /// The Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: String,
    /// The commit to go back to: what changed the Application after it is reverted. Without it the
    /// last change is.
    #[arg(long, value_name = "COMMIT")]
    to: Option<String>,
    /// Why, for the message of the commit.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Do not ask before the commit is made.
    #[arg(long, short)]
    yes: bool,
    /// How long the agent is waited for, each time.
    #[arg(long, default_value = "2m", value_parser = settings::duration, value_name = "DURATION")]
    timeout: Duration,
    /// Time between two looks at the status.
    #[arg(long, default_value = "500ms", value_parser = settings::duration, value_name = "DURATION")]
    every: Duration,
    #[command(flatten)]
    connection: Connection,
}

/// Asks for the plan, shows it, and has it carried out.
pub(super) async fn run(arguments: &RollbackArguments) -> anyhow::Result<ExitCode> {
    ensure!(!arguments.every.is_zero(), "`--every` is zero");
    let mut request = Request {
        id: ulid::Ulid::new().to_string(),
        to: arguments.to.as_deref().map(decision::commit).transpose()?,
        reason: arguments.reason.trim().to_owned(),
        plan: None,
    };
    if let Err(failure) = Request::parse(&serde_json::to_string(&request)?) {
        bail!("{}", failure.detail);
    }
    let place = arguments.connection.open().await?;
    let found = place.find(&place.name(&arguments.name)).await?;
    let planned = answer(&place, arguments, &found, &request).await?;
    let name = &found.name;
    if Reason::from_name(&planned.reason) != Some(Reason::RollbackPlanned) {
        return refused(&found, &planned);
    }
    report(shown(&planned).trim_end());
    if !arguments.yes && !confirmed(&format!("revert this for {name}? [y/N] "))? {
        report("nothing was changed");
        return Ok(ExitCode::from(1));
    }
    request.plan = planned.plan;
    let done = answer(&place, arguments, &found, &request).await?;
    match done.commit {
        Some(commit) => print(&format!("{commit}\n")),
        None => refused(&found, &done),
    }
}

/// Asks the agent, and waits for its answer.
async fn answer(
    place: &Place,
    arguments: &RollbackArguments,
    found: &Found,
    request: &Request,
) -> anyhow::Result<RollbackStatus> {
    let name = &found.name;
    let patch = Decision::Rollback(request.clone()).patch(Timestamp::now());
    // What the agent writes meanwhile is no reason to give up.
    let mut tries = 1;
    loop {
        let newest = place.find(name).await?;
        match place.change(&newest, patch.clone()).await {
            Ok(_) => break,
            Err(_) if tries < MOST_TRIES => tries += 1,
            Err(error) => return Err(error),
        }
    }
    let deadline = Instant::now() + arguments.timeout;
    loop {
        tokio::time::sleep(arguments.every).await;
        let status = place.find(name).await?.application.status;
        let told = status.and_then(|status| status.rollback);
        if let Some(told) = told.filter(|told| told.request == request.key()) {
            return Ok(told);
        }
        if Instant::now() > deadline {
            let waited = humantime::format_duration(arguments.timeout);
            bail!("the agent did not answer within {waited}; `syncline why {name}` may say why");
        }
    }
}

fn refused(found: &Found, told: &RollbackStatus) -> anyhow::Result<ExitCode> {
    let message = plain(told.message.as_deref().unwrap_or(&told.reason));
    report(&format!("{} is not rolled back: {message}", found.name));
    Ok(ExitCode::from(1))
}

/// What would be reverted, for people.
fn shown(planned: &RollbackStatus) -> String {
    let mut text = String::new();
    let mut part = |title: &str, lines: &[String]| {
        if lines.is_empty() {
            return;
        }
        let _ = writeln!(text, "{title}:");
        for line in lines {
            let _ = writeln!(text, "  {}", plain(line));
        }
    };
    part("commits to revert", &planned.commits);
    part("files that come back", &planned.files);
    part("other applications that read one of them", &planned.others);
    if let Some(target) = &planned.target {
        part("to their state at", std::slice::from_ref(target));
    }
    text
}

/// Asks the person at the terminal.
fn confirmed(question: &str) -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    ensure!(
        stdin.is_terminal(),
        "there is no terminal to ask at; `--yes` makes the commit without asking"
    );
    report(question);
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_plan_names_commits_files_and_who_else_is_concerned() {
        let planned: RollbackStatus = serde_json::from_value(json!({
            "request": "1", "reason": "RollbackPlanned", "time": "2026-12-01T12:00:00Z",
            "target": "4c1d9ab", "commits": ["5e2d9ab Update\u{1b}[31m web"],
            "files": ["apps/web.yaml"], "others": ["shop/api"],
        }))
        .unwrap();
        let text = shown(&planned);
        for part in [
            "commits to revert:\n  5e2d9ab Update [31m web\n",
            "files that come back:\n  apps/web.yaml\n",
            "other applications that read one of them:\n  shop/api\n",
            "to their state at:\n  4c1d9ab\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
