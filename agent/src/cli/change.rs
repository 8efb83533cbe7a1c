//! `syncline suspend`, `resume`, `pin`, `unpin`, `abort`, `refresh` and `approve`: what a person
//! decides of one Application.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use jiff::Timestamp;
use syncline_cluster::kinds::Kind;
use syncline_core::decision::{self, Decision, Stop};
use syncline_core::record::Name;

use super::connection::{Connection, Found, Place, end, shown};
use super::{print, report};
use crate::settings;

/// Which Application, and what is done about one that Git names.
#[derive(Args, Clone, Debug)]
struct Target {
    /// The Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: String,
    /// Change it also where another Application keeps it as Git says, and may put it back.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Why, and for how long.
#[derive(Args, Clone, Debug)]
struct Because {
    /// Why, for the next person who looks.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// When it ends by itself, for example `2026-12-01T18:00:00Z`; never where it is left out.
    #[arg(long, value_name = "TIME", conflicts_with = "length")]
    until: Option<Timestamp>,
    /// After how long it ends by itself, for example `2h`.
    #[arg(long = "for", value_name = "DURATION", value_parser = settings::duration)]
    length: Option<Duration>,
}

/// Arguments of `syncline suspend`.
#[derive(Args, Clone, Debug)]
pub struct SuspendArguments {
    #[command(flatten)]
    because: Because,
    #[command(flatten)]
    target: Target,
}

/// Arguments of `syncline resume`.
#[derive(Args, Clone, Debug)]
pub struct ResumeArguments {
    #[command(flatten)]
    target: Target,
}

/// Arguments of `syncline pin`.
#[derive(Args, Clone, Debug)]
pub struct PinArguments {
    #[command(flatten)]
    target: Target,
    /// The commit: all of its hexadecimal digits, or the first seven and more.
    #[arg(value_name = "COMMIT")]
    commit: String,
    #[command(flatten)]
    because: Because,
}

/// Arguments of `syncline unpin`.
#[derive(Args, Clone, Debug)]
pub struct UnpinArguments {
    #[command(flatten)]
    target: Target,
}

/// Arguments of `syncline abort`.
#[derive(Args, Clone, Debug)]
pub struct AbortArguments {
    /// The Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: String,
    /// Why, for the next person who looks.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `syncline refresh`.
#[derive(Args, Clone, Debug)]
pub struct RefreshArguments {
    /// The Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// Arguments of `syncline approve`.
#[derive(Args, Clone, Debug)]
pub struct ApproveArguments {
    /// The Application, also as `NAMESPACE/NAME`.
    #[arg(value_name = "APPLICATION")]
    name: String,
    /// The hash of the plan that is approved; without it the one that waits is printed.
    #[arg(value_name = "HASH")]
    hash: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Because {
    /// The reason and the end, checked.
    fn checked(&self, now: Timestamp) -> anyhow::Result<decision::Because> {
        let until = end(self.until, self.length, now)?;
        Ok(decision::Because::checked(&self.reason, until, now)?)
    }
}

impl Target {
    /// Reads the Application that is to be changed.
    async fn open(&self) -> anyhow::Result<(Place, Found)> {
        let place = self.connection.open().await?;
        let found = place.find(&place.name(&self.name)).await?;
        Ok((place, found))
    }

    /// Changes the spec, unless Git has it.
    async fn change(
        &self,
        place: &Place,
        found: &Found,
        decision: &Decision,
    ) -> anyhow::Result<()> {
        if let Some(owner) = found.owner(place) {
            let files = match place.find(&owner).await {
                Ok(owner) => {
                    let spec = &owner.application.spec;
                    format!("below `{}` of Repository `{}`", spec.path, spec.repository)
                }
                Err(_) => "in its repository".to_owned(),
            };
            let name = &found.name;
            ensure!(
                self.force,
                "Git has `{name}`: Application `{owner}` applies it; change it {files}, or use \
                 `--force`"
            );
            report(&format!(
                "warning: Git has `{name}`: Application `{owner}` may put it back; change it {files} \
                 as well"
            ));
        }
        place
            .change(found, decision.patch(Timestamp::now()))
            .await?;
        Ok(())
    }
}

fn until_text(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| format!(" until {}", shown(until)))
}

/// Suspends.
pub(super) async fn suspend(arguments: &SuspendArguments) -> anyhow::Result<ExitCode> {
    let because = arguments.because.checked(Timestamp::now())?;
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    let until = until_text(because.until);
    let decision = Decision::Suspend(because);
    target.change(&place, &found, &decision).await?;
    print(&format!("{} is suspended{until}\n", found.name))
}

/// Ends a suspension.
pub(super) async fn resume(arguments: &ResumeArguments) -> anyhow::Result<ExitCode> {
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    if found.application.spec.suspend.is_none() {
        return print(&format!("{} was not suspended\n", found.name));
    }
    target.change(&place, &found, &Decision::Resume).await?;
    print(&format!("{} goes on\n", found.name))
}

/// Pins.
pub(super) async fn pin(arguments: &PinArguments) -> anyhow::Result<ExitCode> {
    let commit = decision::commit(&arguments.commit)?;
    let because = arguments.because.checked(Timestamp::now())?;
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    let until = until_text(because.until);
    let said = format!("{} is pinned to {commit}{until}\n", found.name);
    let decision = Decision::Pin { commit, because };
    target.change(&place, &found, &decision).await?;
    print(&said)
}

/// Ends a pin.
pub(super) async fn unpin(arguments: &UnpinArguments) -> anyhow::Result<ExitCode> {
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    if found.application.spec.pin.is_none() {
        return print(&format!("{} was not pinned\n", found.name));
    }
    target.change(&place, &found, &Decision::Unpin).await?;
    print(&format!("{} follows its branch\n", found.name))
}

/// Stops what runs.
pub(super) async fn abort(arguments: &AbortArguments) -> anyhow::Result<ExitCode> {
    let reason = decision::reason(&arguments.reason)?;
    let place = arguments.connection.open().await?;
    let found = place.find(&place.name(&arguments.name)).await?;
    let name = &found.name;
    let stop = Stop {
        reason,
        commit: place.head_of(&found).await?,
        by: None,
        at: Some(Timestamp::now()),
    };
    let patch = Decision::Abort(stop).patch(Timestamp::now());
    place.change(&found, patch).await?;
    print(&format!(
        "{name} stops between two objects; `syncline sync {name}` goes on\n"
    ))
}

/// Has the agent look at the Repository of an Application.
pub(super) async fn refresh(arguments: &RefreshArguments) -> anyhow::Result<ExitCode> {
    let place = arguments.connection.open().await?;
    let found = place.find(&place.name(&arguments.name)).await?;
    let repository = &found.application.spec.repository;
    let name = Name::new(&found.name.namespace, repository);
    let kind = Kind::Repository;
    place
        .change_own(kind, &name, &decision::look(Timestamp::now()))
        .await?;
    print(&format!("the agent looks at Repository {name}\n"))
}

/// Approves.
pub(super) async fn approve(arguments: &ApproveArguments) -> anyhow::Result<ExitCode> {
    let place = arguments.connection.open().await?;
    let found = place.find(&place.name(&arguments.name)).await?;
    let approved = approved(&found, arguments.hash.as_deref())?;
    let patch = Decision::Approve(approved.to_owned()).patch(Timestamp::now());
    let changed = place.change(&found, patch).await;
    changed.context("the plan was not approved")?;
    print(&format!("plan {approved} of {} is approved\n", found.name))
}

/// The hash of the plan that waits, where it is the one that was named.
fn approved<'a>(found: &'a Found, named: Option<&str>) -> anyhow::Result<&'a str> {
    let name = &found.name;
    let status = found.application.status.as_ref();
    let waits = status.and_then(|status| status.plan_hash.as_deref());
    decision::approves(name, named.or(waits).unwrap_or_default(), waits)?;
    let waits = waits.unwrap_or_default();
    if named.is_none() {
        let message = status.and_then(|status| status.message.as_deref());
        let message = super::connection::plain(message.unwrap_or_default());
        bail!("name the plan: `syncline approve {name} {waits}` approves what waits ({message})")
    }
    Ok(waits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::get::tests::application;

    fn because(reason: &str) -> Because {
        Because {
            reason: reason.to_owned(),
            until: None,
            length: Some(Duration::from_secs(60)),
        }
    }

    #[test]
    fn a_reason_is_said_and_not_too_long() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let checked = because(" the move ").checked(now).unwrap();
        assert_eq!(checked.reason, "the move");
        assert_eq!(checked.until, "2026-12-01T12:01:00Z".parse().ok());
        assert!(because("  ").checked(now).is_err());
        assert!(because(&"x".repeat(513)).checked(now).is_err());
    }

    #[test]
    fn only_the_plan_that_waits_is_approved_and_only_by_its_hash() {
        let waits = application("web", json!({}), json!({"planHash": "abc123"}));
        assert_eq!(approved(&waits, Some("abc123")).unwrap(), "abc123");
        let other = approved(&waits, Some("abc124")).unwrap_err().to_string();
        assert!(other.contains("`abc123` does"), "{other}");
        let none = approved(&waits, None).unwrap_err().to_string();
        assert!(none.contains("syncline approve shop/web abc123"), "{none}");
        let idle = application("web", json!({}), json!({}));
        let idle = approved(&idle, Some("abc123")).unwrap_err().to_string();
        assert_eq!(idle, "no plan of `shop/web` waits for approval");
    }
}
