//! The command line: thin, one function per subcommand.

mod change;
mod connection;
mod diff;
mod failures;
mod freeze;
mod get;
mod images;
mod options;
mod page;
mod render;
mod request;
mod rollback;
mod table;
mod why;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use syncline_cluster::kinds::{Kind, crd_yaml};
use syncline_core::reason::{Reason, TABLE};

use crate::settings::{AgentSettings, arguments_with_file};

/// Syncline keeps a Kubernetes cluster as Git says, and Git at the newest image that policy allows.
#[derive(Debug, Parser)]
#[command(name = "syncline", version, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent until it is told to stop.
    Agent(Box<AgentSettings>),
    /// Print the custom resource definitions as YAML.
    Crds {
        /// Only this one, by its plural name, for example `applications`.
        plural: Option<String>,
    },
    /// Print the table of reasons as Markdown.
    Reasons,
    /// Say what a reason means and what to do about it.
    Explain {
        /// The reason, for example `PruneHeld`, or a code such as `yaml.syntax`.
        reason: String,
    },
    /// Print all settings of the agent as Markdown.
    Settings,
    /// Print what the files of a path become. Needs no cluster.
    Render(Box<render::RenderArguments>),
    /// Print what a sync of a folder would change in a cluster. Writes nothing.
    ///
    /// Ends with 0 where nothing differs, 1 where something does, 2 where it cannot be said.
    Diff(Box<diff::DiffArguments>),
    /// Stop all syncs, image updates and deletions until `syncline unfreeze`.
    Freeze(Box<freeze::FreezeArguments>),
    /// Let an agent that is frozen go on.
    Unfreeze(Box<freeze::UnfreezeArguments>),
    /// Print the Applications: what is the case with each, and what it waits for.
    Get(Box<get::GetArguments>),
    /// Say why an Application is as it is, what it waits for, and what to do.
    Why(Box<why::WhyArguments>),
    /// Stop the syncs of an Application until `syncline resume`.
    Suspend(Box<change::SuspendArguments>),
    /// Let the syncs of a suspended Application go on.
    Resume(Box<change::ResumeArguments>),
    /// Keep an Application at one commit, whatever is pushed, until `syncline unpin`.
    Pin(Box<change::PinArguments>),
    /// Let a pinned Application go to the newest commit again.
    Unpin(Box<change::UnpinArguments>),
    /// End the sync or rollout of an Application that runs, between two objects.
    ///
    /// Nothing more is applied until a newer commit changes what it reads, or `syncline sync`.
    Abort(Box<change::AbortArguments>),
    /// Have the agent look at the Repository of an Application now.
    Refresh(Box<change::RefreshArguments>),
    /// Approve the plan of an Application that waits for a person.
    Approve(Box<change::ApproveArguments>),
    /// Revert what changed an Application last, by a commit in Git, and print that commit.
    ///
    /// It says first what is reverted, and asks. Ends with 0 where the commit was made, 1 where not.
    Rollback(Box<rollback::RollbackArguments>),
    /// Ask for a sync of an Application now.
    ///
    /// With `--wait` it ends with 0 where the sync ended well, 1 where it did not or waits for a
    /// person.
    Sync(Box<request::SyncArguments>),
    /// Print the ImagePolicies, and why an image was chosen.
    Images(Box<images::ImagesArguments>),
    /// Print a one-time link to the web UI of the agent that runs on this machine or in this pod.
    Link {
        /// Data folder of the agent.
        #[arg(long, env = "SYNCLINE_DATA_DIR", default_value = "/var/lib/syncline")]
        data_dir: PathBuf,
    },
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            report(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let arguments = arguments_with_file(std::env::args_os())?;
    match Cli::parse_from(arguments).command {
        Command::Agent(settings) => {
            crate::failpoint::configure()?;
            crate::agent::run(*settings)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Crds { plural } => print_crds(plural.as_deref()),
        Command::Reasons => print(&reasons_markdown()),
        Command::Explain { reason } => explain(&reason),
        Command::Settings => print(&settings_markdown()),
        Command::Render(arguments) => wait(render::run(&arguments)),
        Command::Diff(arguments) => wait(diff::run(&arguments)),
        Command::Freeze(arguments) => wait(freeze::freeze(&arguments)),
        Command::Unfreeze(arguments) => wait(freeze::unfreeze(&arguments)),
        Command::Get(arguments) => wait(get::run(&arguments)),
        Command::Why(arguments) => wait(why::run(&arguments)),
        Command::Suspend(arguments) => wait(change::suspend(&arguments)),
        Command::Resume(arguments) => wait(change::resume(&arguments)),
        Command::Pin(arguments) => wait(change::pin(&arguments)),
        Command::Unpin(arguments) => wait(change::unpin(&arguments)),
        Command::Abort(arguments) => wait(change::abort(&arguments)),
        Command::Refresh(arguments) => wait(change::refresh(&arguments)),
        Command::Approve(arguments) => wait(change::approve(&arguments)),
        Command::Rollback(arguments) => wait(rollback::run(&arguments)),
        Command::Sync(arguments) => wait(request::run(&arguments)),
        Command::Images(arguments) => images::run(&arguments),
        Command::Link { data_dir } => link(&data_dir),
    }
}

/// Runs what asks a renderer or a cluster.
fn wait(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    // Installed already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    ended
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader went away (`syncline reasons | head`).
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        other => Ok(other.map(|()| ExitCode::SUCCESS)?),
    }
}

fn report(text: &str) {
    // Nothing can be done when even this cannot be written.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn print_crds(plural: Option<&str>) -> anyhow::Result<ExitCode> {
    let documents: Vec<String> = Kind::ALL
        .into_iter()
        .filter(|kind| {
            plural.is_none_or(|plural| kind.file_name().ends_with(&format!("_{plural}.yaml")))
        })
        .map(crd_yaml)
        .collect();
    anyhow::ensure!(
        !documents.is_empty(),
        "there is no such kind; the kinds are: repositories, applications, imagepolicies"
    );
    print(&documents.join("---\n"))
}

/// Prints the link that the agent wrote. A link works once; the agent writes a new one when it was
/// used.
fn link(data_dir: &Path) -> anyhow::Result<ExitCode> {
    let path = data_dir.join(crate::server::ADDRESSES);
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "read `{}`; does an agent run with this data folder?",
            path.display()
        )
    })?;
    let addresses: serde_json::Value = serde_json::from_str(&text)?;
    let link = addresses["uiLink"]
        .as_str()
        .context("the file has no link")?;
    print(&format!("{link}\n"))
}

fn explain(text: &str) -> anyhow::Result<ExitCode> {
    let found = Reason::from_name(text).or_else(|| {
        TABLE
            .iter()
            .find(|row| row.code == text && !text.is_empty())
            .map(|r| r.reason)
    });
    let Some(reason) = found else {
        let close: Vec<_> = TABLE
            .iter()
            .filter(|row| row.name.to_lowercase().contains(&text.to_lowercase()))
            .map(|row| row.name)
            .collect();
        let hint = if close.is_empty() {
            "`syncline reasons` prints all of them".to_owned()
        } else {
            format!("did you mean {}?", close.join(", "))
        };
        report(&format!("error: there is no reason `{text}`\nhint: {hint}"));
        return Ok(ExitCode::from(4));
    };
    let row = reason.row();
    let mut out = format!("{}\n  {}.\n", row.name, row.sentence);
    if !row.remedy.is_empty() {
        let _ = writeln!(out, "  What to do: {}.", row.remedy);
    }
    print(&out)
}

fn reasons_markdown() -> String {
    let mut out = String::from(
        "# Reasons\n\nEvery state of a Repository, Application, ImagePolicy and object has a reason. \
         Status conditions, events, the web UI and the command line use these words. \
         `syncline explain REASON` prints one row.\n\n\
         | Reason | Code | Meaning | What to do |\n|---|---|---|---|\n",
    );
    for row in TABLE {
        let code = if row.code.is_empty() {
            String::new()
        } else {
            format!("`{}`", row.code)
        };
        let _ = writeln!(
            out,
            "| `{}` | {code} | {} | {} |",
            row.name, row.sentence, row.remedy
        );
    }
    out
}

fn settings_markdown() -> String {
    let mut out = String::from(
        "# Settings of the agent\n\nA flag is stronger than its environment variable, that is \
         stronger than the settings file (`--config`), and that is stronger than the default. The \
         key in the file is the name of the flag with underscores.\n",
    );
    let command = Cli::command();
    let mut heading = None;
    for argument in command
        .find_subcommand("agent")
        .into_iter()
        .flat_map(|c| c.get_arguments())
    {
        let Some(long) = argument
            .get_long()
            .filter(|long| !["help", "version"].contains(long))
        else {
            continue;
        };
        let group = argument.get_help_heading().unwrap_or("File");
        if heading.replace(group) != Some(group) {
            let _ = writeln!(
                out,
                "\n## {group}\n\n| Flag | Environment | Default | Meaning |\n|---|---|---|---|"
            );
        }
        let variable = argument
            .get_env()
            .map(|v| v.to_string_lossy())
            .unwrap_or_default();
        let default: Vec<_> = argument
            .get_default_values()
            .iter()
            .map(|v| format!("`{}`", v.to_string_lossy()))
            .collect();
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "| `--{long}` | `{variable}` | {} | {help} |",
            default.join(" ")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_setting_is_documented_with_its_variable() {
        let markdown = settings_markdown();
        for name in crate::settings::known_settings() {
            let flag = format!("| `--{}` |", name.replace('_', "-"));
            let line = markdown.lines().find(|line| line.starts_with(&flag));
            let line = line.unwrap_or_else(|| panic!("{flag} is missing"));
            assert!(
                line.contains(&format!("SYNCLINE_{}", name.to_uppercase())),
                "{line}"
            );
            assert!(!line.ends_with("|  |"), "{line} says nothing");
        }
    }

    #[test]
    fn the_table_of_reasons_has_a_row_each() {
        let markdown = reasons_markdown();
        assert!(
            TABLE
                .iter()
                .all(|row| markdown.contains(&format!("| `{}` |", row.name)))
        );
    }
}
