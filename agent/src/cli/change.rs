//! `syncline suspend`, `resume`, `pin`, `unpin` and `approve`: what a person decides of one
//! Application.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use syncline_core::names;

use super::connection::{Connection, Found, Place, end, shown};
use super::{print, report};
use crate::settings;

/// Longest reason that the schema takes.
const MAX_REASON: usize = 512;

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
    fn checked(&self, now: Timestamp) -> anyhow::Result<(String, Option<Timestamp>)> {
        let reason = self.reason.trim();
        ensure!(!reason.is_empty(), "`--reason` is empty: say why");
        let length = reason.chars().count();
        ensure!(
            length <= MAX_REASON,
            "`--reason` has {length} characters; {MAX_REASON} are allowed"
        );
        Ok((reason.to_owned(), end(self.until, self.length, now)?))
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
    async fn change(&self, place: &Place, found: &Found, spec: Value) -> anyhow::Result<()> {
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
        place.change(found, json!({ "spec": spec })).await?;
        Ok(())
    }
}

fn until_text(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| format!(" until {}", shown(until)))
}

/// Suspends.
pub(super) async fn suspend(arguments: &SuspendArguments) -> anyhow::Result<ExitCode> {
    let (reason, until) = arguments.because.checked(Timestamp::now())?;
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    let spec = json!({"suspend": {"reason": reason, "until": until}});
    target.change(&place, &found, spec).await?;
    print(&format!(
        "{} is suspended{}\n",
        found.name,
        until_text(until)
    ))
}

/// Ends a suspension.
pub(super) async fn resume(arguments: &ResumeArguments) -> anyhow::Result<ExitCode> {
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    if found.application.spec.suspend.is_none() {
        return print(&format!("{} was not suspended\n", found.name));
    }
    target
        .change(&place, &found, json!({"suspend": null}))
        .await?;
    print(&format!("{} goes on\n", found.name))
}

/// Checks what was given as a commit.
pub(super) fn commit(text: &str) -> anyhow::Result<String> {
    let text = text.to_ascii_lowercase();
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(
        digits && (7..=64).contains(&text.len()),
        "`{text}` is no commit: name its first seven hexadecimal digits, or more"
    );
    Ok(text)
}

/// Pins.
pub(super) async fn pin(arguments: &PinArguments) -> anyhow::Result<ExitCode> {
    let commit = commit(&arguments.commit)?;
    let (reason, until) = arguments.because.checked(Timestamp::now())?;
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    let spec = json!({"pin": {"commit": commit, "reason": reason, "until": until}});
    target.change(&place, &found, spec).await?;
    let until = until_text(until);
    print(&format!("{} is pinned to {commit}{until}\n", found.name))
}

/// Ends a pin.
pub(super) async fn unpin(arguments: &UnpinArguments) -> anyhow::Result<ExitCode> {
    let target = &arguments.target;
    let (place, found) = target.open().await?;
    if found.application.spec.pin.is_none() {
        return print(&format!("{} was not pinned\n", found.name));
    }
    target.change(&place, &found, json!({"pin": null})).await?;
    print(&format!("{} follows its branch\n", found.name))
}

/// Approves.
pub(super) async fn approve(arguments: &ApproveArguments) -> anyhow::Result<ExitCode> {
    let place = arguments.connection.open().await?;
    let found = place.find(&place.name(&arguments.name)).await?;
    let approved = approved(&found, arguments.hash.as_deref())?;
    let annotations = json!({(names::ANNOTATION_APPROVE): approved});
    let patch = json!({"metadata": {"annotations": annotations}});
    let changed = place.change(&found, patch).await;
    changed.context("the plan was not approved")?;
    print(&format!("plan {approved} of {} is approved\n", found.name))
}

/// The hash of the plan that waits, where it is the one that was named.
fn approved<'a>(found: &'a Found, named: Option<&str>) -> anyhow::Result<&'a str> {
    let name = &found.name;
    let status = found.application.status.as_ref();
    let Some(waits) = status.and_then(|status| status.plan_hash.as_deref()) else {
        bail!("no plan of `{name}` waits for approval");
    };
    match named {
        Some(named) if named == waits => Ok(waits),
        Some(named) => {
            bail!("plan `{named}` of `{name}` does not wait: `{waits}` does; look at it first")
        }
        None => {
            let message = status.and_then(|status| status.message.as_deref());
            let message = super::connection::plain(message.unwrap_or_default());
            bail!(
                "name the plan: `syncline approve {name} {waits}` approves what waits ({message})"
            )
        }
    }
}

#[cfg(test)]
mod tests {
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
        let (reason, until) = because(" the move ").checked(now).unwrap();
        assert_eq!(
            (&*reason, until),
            ("the move", "2026-12-01T12:01:00Z".parse().ok())
        );
        assert!(because("  ").checked(now).is_err());
        assert!(because(&"x".repeat(513)).checked(now).is_err());
    }

    #[test]
    fn a_commit_is_seven_digits_or_more() {
        assert_eq!(commit("4C1D9AB").unwrap(), "4c1d9ab");
        for wrong in ["4c1d9a", "main", "4c1d9ag", ""] {
            assert!(commit(wrong).is_err(), "{wrong}");
        }
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
