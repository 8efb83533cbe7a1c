//! `syncline images`: the ImagePolicies, and why an image was chosen.
//!
//! What the status says is read from the cluster with the rights of the person. Every tag, the
//! places and the commits are known to the agent alone: `--explain` asks it where it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::json;
use syncline_cluster::kinds::ImagePolicy;
use syncline_core::record::Name;

use super::agent::AgentApi;
use super::told::{judged, list, told, whole};
use crate::cli::connection::{Connection, Place};
use crate::cli::print;

/// Arguments of `syncline images` without a subcommand.
#[derive(Args, Clone, Debug)]
pub(super) struct ShowArguments {
    /// Only this ImagePolicy, also as `NAMESPACE/NAME`.
    #[arg(value_name = "POLICY")]
    name: Option<String>,
    /// Those of all namespaces.
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    all_namespaces: bool,
    /// Every tag with its verdict, the places in Git and the next scan, from the agent itself. Works
    /// where the agent runs: on its machine or in its pod.
    #[arg(long, requires = "name")]
    explain: bool,
    /// Only tags that this rule decided, for example `outside-range`.
    #[arg(long, requires = "explain", value_name = "RULE")]
    rule: Option<String>,
    /// What the policy says of this tag, or would say if the registry listed it.
    #[arg(long, requires = "explain", value_name = "TAG")]
    tag: Option<String>,
    /// Data folder of the agent.
    #[arg(
        long,
        env = "SYNCLINE_DATA_DIR",
        default_value = "/var/lib/syncline",
        value_name = "FOLDER"
    )]
    data_dir: PathBuf,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    output: Format,
    #[command(flatten)]
    connection: Connection,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// Reads and prints.
pub(super) async fn run(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    match &arguments.name {
        Some(name) if arguments.explain => explain(arguments, name).await,
        Some(name) => {
            let place = arguments.connection.open().await?;
            let name = place.name(name);
            let policy = find(&place, &name).await?;
            match arguments.output {
                Format::Json => print_json(&serde_json::to_value(policy)?),
                Format::Table => print(&told(&name, &policy, Timestamp::now())),
            }
        }
        None => {
            let place = arguments.connection.open().await?;
            let namespace = Some(place.namespace.as_str());
            let namespace = namespace.filter(|_| !arguments.all_namespaces);
            let all = place.image_policies(namespace).await?;
            match arguments.output {
                Format::Json => print_json(&json!({ "items": all })),
                Format::Table if all.is_empty() => print("no ImagePolicy\n"),
                Format::Table => print(&list(&all, Timestamp::now())),
            }
        }
    }
}

fn print_json(value: &serde_json::Value) -> anyhow::Result<ExitCode> {
    print(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

async fn find(place: &Place, name: &Name) -> anyhow::Result<ImagePolicy> {
    match place.image_policy(name).await? {
        Some(policy) => Ok(policy),
        None => bail!("there is no ImagePolicy `{name}`; `syncline images -A` prints all"),
    }
}

async fn explain(arguments: &ShowArguments, name: &str) -> anyhow::Result<ExitCode> {
    let namespace = arguments.connection.namespace();
    let name = match (name.split_once('/'), namespace) {
        (Some((namespace, name)), _) => Name::new(namespace, name),
        (None, Some(namespace)) => Name::new(namespace, name),
        (None, None) => bail!("name it as `NAMESPACE/NAME`, or give `--namespace`"),
    };
    let api = AgentApi::open(&arguments.data_dir, &arguments.connection)?;
    if let Some(tag) = &arguments.tag {
        let answer = api.judge(&name, tag).await?;
        return match arguments.output {
            Format::Json => print_json(&serde_json::to_value(answer)?),
            Format::Table => print(&judged(&answer)),
        };
    }
    let explained = api.explain(&name, arguments.rule.as_deref()).await?;
    match arguments.output {
        Format::Json => print_json(&serde_json::to_value(explained)?),
        Format::Table => print(&whole(&name, &explained, Timestamp::now())),
    }
}
