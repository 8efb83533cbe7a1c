//! `syncline images`: what image policies choose, and why.

mod agent;
mod decide;
mod policy_file;
mod set;
mod show;
mod tag_file;
mod told;
mod try_policy;

use std::process::ExitCode;

use clap::{Args, Subcommand};

/// Arguments of `syncline images`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ImagesArguments {
    #[command(subcommand)]
    command: Option<ImagesCommand>,
    #[command(flatten)]
    show: show::ShowArguments,
}

/// The subcommands of `syncline images`.
#[derive(Clone, Debug, Subcommand)]
enum ImagesCommand {
    /// Print what an ImagePolicy chooses among tags of a file. Needs neither cluster nor registry.
    ///
    /// Ends with 0 where a tag is chosen, 1 where none is, 2 where a file cannot be used.
    Try(Box<try_policy::TryArguments>),
    /// Write versions of images into the files of a folder, as the agent does. Needs neither cluster
    /// nor registry; prints a unified diff.
    ///
    /// Ends with 0 where all places have the version now, 1 where a place is refused or none is
    /// found, 2 where nothing could be done.
    Set(Box<set::SetArguments>),
    /// Have the agent read the registry of an ImagePolicy now.
    Refresh(Box<decide::PolicyArguments>),
    /// Keep an ImagePolicy from choosing a tag, until `syncline images release`.
    Skip(Box<decide::TagBecauseArguments>),
    /// Let a held tag be chosen again.
    Release(Box<decide::TagArguments>),
    /// Have an ImagePolicy choose one tag and no other, until `syncline images unpin`.
    Pin(Box<decide::TagBecauseArguments>),
    /// Have an ImagePolicy choose the newest tag again.
    Unpin(Box<decide::PolicyArguments>),
}

/// Does what was asked for; without a subcommand it shows the policies of a cluster.
pub(super) fn run(arguments: &ImagesArguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        None => super::wait(show::run(&arguments.show)),
        Some(ImagesCommand::Try(arguments)) => try_policy::run(arguments),
        Some(ImagesCommand::Set(arguments)) => set::run(arguments),
        Some(ImagesCommand::Refresh(arguments)) => super::wait(decide::refresh(arguments)),
        Some(ImagesCommand::Skip(arguments)) => super::wait(decide::skip(arguments)),
        Some(ImagesCommand::Release(arguments)) => super::wait(decide::release(arguments)),
        Some(ImagesCommand::Pin(arguments)) => super::wait(decide::pin(arguments)),
        Some(ImagesCommand::Unpin(arguments)) => super::wait(decide::unpin(arguments)),
    }
}
