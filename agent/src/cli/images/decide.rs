//! `syncline images skip`, `release`, `pin`, `unpin` and `refresh`: what a person decides of the tags
//! of an image.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use syncline_cluster::kinds::Kind;
use syncline_core::decision::{self, TagDecision};
use syncline_core::image::hold;
use syncline_core::names;
use syncline_core::record::Name;

use crate::cli::connection::{Connection, Place};
use crate::cli::print;

/// Which ImagePolicy.
#[derive(Args, Clone, Debug)]
pub(super) struct PolicyArguments {
    /// The ImagePolicy, also as `NAMESPACE/NAME`.
    #[arg(value_name = "POLICY")]
    name: String,
    #[command(flatten)]
    connection: Connection,
}

/// Which tag of which ImagePolicy.
#[derive(Args, Clone, Debug)]
pub(super) struct TagArguments {
    #[command(flatten)]
    policy: PolicyArguments,
    /// The tag.
    #[arg(value_name = "TAG")]
    tag: String,
}

/// Which tag of which ImagePolicy, and why.
#[derive(Args, Clone, Debug)]
pub(super) struct TagBecauseArguments {
    #[command(flatten)]
    tag: TagArguments,
    /// Why, for the next person who looks.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Writes a decision on the ImagePolicy as it is now.
async fn write(arguments: &PolicyArguments, decision: &TagDecision) -> anyhow::Result<Name> {
    let place = arguments.connection.open().await?;
    let name = place.name(&arguments.name);
    let Some(policy) = place.image_policy(&name).await? else {
        bail!("there is no ImagePolicy `{name}`; `syncline images -A` prints all");
    };
    let annotations = policy.metadata.annotations.unwrap_or_default();
    // Only the agent knows what the branch took back: what no person skips is believed to be that.
    let skip = annotations.get(names::ANNOTATION_SKIP).map(String::as_str);
    let mut held = Vec::new();
    if let TagDecision::Release(value) = decision
        && !hold::skips(skip).iter().any(|said| said.holds(value))
    {
        held.push(value.clone());
    }
    let mut patch = decision.patch(&annotations, &held)?;
    patch["metadata"]["resourceVersion"] = policy.metadata.resource_version.into();
    place.change_own(Kind::ImagePolicy, &name, &patch).await?;
    Ok(name)
}

/// Skips.
pub(super) async fn skip(arguments: &TagBecauseArguments) -> anyhow::Result<ExitCode> {
    let tag = &arguments.tag;
    let decision = TagDecision::skip(&tag.tag, &arguments.reason, Timestamp::now())?;
    let name = write(&tag.policy, &decision).await?;
    print(&format!("{name} does not choose {}\n", tag.tag))
}

/// Releases.
pub(super) async fn release(arguments: &TagArguments) -> anyhow::Result<ExitCode> {
    let decision = TagDecision::Release(arguments.tag.clone());
    let name = write(&arguments.policy, &decision).await?;
    print(&format!("{name} may choose {}\n", arguments.tag))
}

/// Pins.
pub(super) async fn pin(arguments: &TagBecauseArguments) -> anyhow::Result<ExitCode> {
    let tag = &arguments.tag;
    let decision = TagDecision::pin(&tag.tag, &arguments.reason, Timestamp::now())?;
    let name = write(&tag.policy, &decision).await?;
    print(&format!("{name} chooses {} and no other\n", tag.tag))
}

/// Ends a pin.
pub(super) async fn unpin(arguments: &PolicyArguments) -> anyhow::Result<ExitCode> {
    let name = write(arguments, &TagDecision::Unpin).await?;
    print(&format!("{name} chooses the newest tag\n"))
}

/// Has the registry read.
pub(super) async fn refresh(arguments: &PolicyArguments) -> anyhow::Result<ExitCode> {
    let place: Place = arguments.connection.open().await?;
    let name = place.name(&arguments.name);
    let patch = decision::look(Timestamp::now());
    place.change_own(Kind::ImagePolicy, &name, &patch).await?;
    print(&format!("the agent reads the registry of {name}\n"))
}
