//! `syncline sync`: asks for a sync, and follows it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{bail, ensure};
use clap::Args;
use jiff::Timestamp;
use syncline_cluster::kinds::ApplicationStatus;
use syncline_core::decision::Decision;
use syncline_core::reason::{Class, Reason};
use tokio::time::Instant;

use super::connection::{Connection, Found, Place, plain};
use super::{print, report};
use crate::settings;

/// Arguments of `syncline sync`.
#[derive(Args, Clone, Debug)]
pub struct SyncArguments {
    /// The Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: String,
    /// Follow the sync, and the rollout that it begins, until it ended.
    #[arg(long)]
    wait: bool,
    /// How long it is followed at most.
    #[arg(long, default_value = "10m", value_parser = settings::duration, value_name = "DURATION")]
    timeout: Duration,
    /// Time between two looks at the status.
    #[arg(long, default_value = "1s", value_parser = settings::duration, value_name = "DURATION")]
    every: Duration,
    #[command(flatten)]
    connection: Connection,
}

/// Asks, and waits where that is wanted.
pub(super) async fn run(arguments: &SyncArguments) -> anyhow::Result<ExitCode> {
    let place = arguments.connection.open().await?;
    let found = place.find(&place.name(&arguments.name)).await?;
    let name = &found.name;
    let now = Timestamp::now();
    let suspend = found.application.spec.suspend.as_ref();
    let suspend = suspend.filter(|suspend| suspend.until.is_none_or(|until| now < until));
    if let Some(suspend) = suspend {
        bail!(
            "`{name}` is suspended ({}); `syncline resume {name}` ends that",
            plain(&suspend.reason)
        );
    }
    ensure!(!arguments.every.is_zero(), "`--every` is zero");
    let asked = place.change(&found, Decision::Sync.patch(now)).await?;
    if !arguments.wait {
        return print(&format!("a sync of {name} was asked for\n"));
    }
    let before = last_sync(&asked);
    follow(&place, arguments, &asked, before).await
}

fn last_sync(found: &Found) -> Option<String> {
    let status = found.application.status.as_ref()?;
    status.last_sync_id.clone()
}

/// Looks until the sync ended; a line for each thing that is new.
async fn follow(
    place: &Place,
    arguments: &SyncArguments,
    asked: &Found,
    before: Option<String>,
) -> anyhow::Result<ExitCode> {
    let name = &asked.name;
    let deadline = Instant::now() + arguments.timeout;
    let mut said = String::new();
    loop {
        let found = place.find(name).await?;
        let status = found.application.status.unwrap_or_default();
        let line = progress(&status);
        if line != said {
            report(&line);
            said = line;
        }
        match judged(&status, before.as_deref()) {
            Judged::Runs => {}
            Judged::Well => {
                print(&format!("{name} is synced\n"))?;
                return Ok(ExitCode::SUCCESS);
            }
            Judged::Not => {
                let message = plain(status.message.as_deref().unwrap_or_default());
                report(&format!("{name} is not synced: {message}"));
                return Ok(ExitCode::from(1));
            }
        }
        if Instant::now() + arguments.every > deadline {
            let waited = humantime::format_duration(arguments.timeout);
            report(&format!(
                "{name} is not done after {waited}; `syncline why {name}` says why"
            ));
            return Ok(ExitCode::from(1));
        }
        tokio::time::sleep(arguments.every).await;
    }
}

/// How a sync that is followed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// It has not ended.
    Runs,
    /// It ended well, and everything is healthy.
    Well,
    /// It failed, or waits for a person.
    Not,
}

/// Whether the sync after the one of `before` ended, and how.
fn judged(status: &ApplicationStatus, before: Option<&str>) -> Judged {
    let is_new = status.last_sync_id.as_deref() != before;
    let reason = status.sync.as_deref().and_then(Reason::from_name);
    let Some(reason) = reason.filter(|_| is_new) else {
        return Judged::Runs;
    };
    match reason.class() {
        Class::Good => Judged::Well,
        Class::Progress => Judged::Runs,
        Class::Hold | Class::Transient | Class::Input | Class::Denied => Judged::Not,
    }
}

fn progress(status: &ApplicationStatus) -> String {
    let mut line = status.sync.clone().unwrap_or_else(|| "Pending".to_owned());
    if let Some(rollout) = &status.rollout
        && !matches!(rollout.phase.as_str(), "Done" | "Failed")
    {
        let wave = rollout
            .wave
            .map(|wave| format!(" {wave}"))
            .unwrap_or_default();
        line = format!("{line}, {}{wave}", rollout.phase);
    }
    if let Some(first) = status.waiting_for.first() {
        line = format!("{line}, waits for {first}");
    }
    plain(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(sync: &str, id: &str) -> ApplicationStatus {
        ApplicationStatus {
            sync: Some(sync.to_owned()),
            last_sync_id: Some(id.to_owned()),
            ..Default::default()
        }
    }

    #[test]
    fn a_sync_is_followed_until_one_after_the_last_ended() {
        let before = Some("1");
        assert_eq!(
            judged(&status("Synced", "1"), before),
            Judged::Runs,
            "the one before"
        );
        assert_eq!(judged(&status("WaitsForWave", "2"), before), Judged::Runs);
        assert_eq!(judged(&status("Synced", "2"), before), Judged::Well);
        for held in [
            "PruneHeld",
            "HookFailed",
            "YamlSyntax",
            "Denied",
            "Degraded",
        ] {
            assert_eq!(judged(&status(held, "2"), before), Judged::Not, "{held}");
        }
    }

    #[test]
    fn progress_names_the_wave_and_what_is_waited_for() {
        let mut status = status("WaitsForWave", "2");
        status.waiting_for = vec!["Deployment shop/web".to_owned()];
        assert_eq!(
            progress(&status),
            "WaitsForWave, waits for Deployment shop/web"
        );
    }
}
