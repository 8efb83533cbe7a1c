//! `syncline images`: what image policies choose, and why.

mod agent;
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
}

/// Does what was asked for; without a subcommand it shows the policies of a cluster.
pub(super) fn run(arguments: &ImagesArguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        None => super::wait(show::run(&arguments.show)),
        Some(ImagesCommand::Try(arguments)) => try_policy::run(arguments),
        Some(ImagesCommand::Set(arguments)) => set::run(arguments),
    }
}
