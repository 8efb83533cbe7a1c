//! `syncline freeze` and `syncline unfreeze`: the switch of the agent, from the command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use jiff::Timestamp;
use syncline_cluster::Cluster;
use syncline_core::decision;
use syncline_core::gate::Freeze;
use syncline_core::names;

use super::print;
use crate::settings;

/// Which agent is meant.
#[derive(Args, Clone, Debug)]
pub(super) struct ClusterOptions {
    /// Kubeconfig file; as with `kubectl` where it is left out.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one where it is left out.
    #[arg(long, value_name = "CONTEXT", help_heading = "Cluster")]
    context: Option<String>,
    /// Namespace of the agent.
    #[arg(short, long, default_value = settings::DEFAULT_NAMESPACE, value_name = "NAMESPACE", help_heading = "Cluster")]
    namespace: String,
    /// Deadline of one request to the API server.
    #[arg(long, default_value = "30s", value_parser = settings::duration, value_name = "DURATION", help_heading = "Cluster")]
    request_timeout: Duration,
    /// Deadline of a connection to the API server.
    #[arg(long, default_value = "10s", value_parser = settings::duration, value_name = "DURATION", help_heading = "Cluster")]
    connect_timeout: Duration,
}

/// Arguments of `syncline freeze`.
#[derive(Args, Clone, Debug)]
pub struct FreezeArguments {
    /// Why, for everybody who looks at an Application.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// When it ends by itself, for example `2026-12-01T18:00:00Z`; never where it is left out.
    #[arg(long, value_name = "TIME", conflicts_with = "for_")]
    until: Option<Timestamp>,
    /// After how long it ends by itself, for example `2h`.
    #[arg(long = "for", value_name = "DURATION", value_parser = settings::duration)]
    for_: Option<Duration>,
    #[command(flatten)]
    cluster: ClusterOptions,
}

/// Arguments of `syncline unfreeze`.
#[derive(Args, Clone, Debug)]
pub struct UnfreezeArguments {
    #[command(flatten)]
    cluster: ClusterOptions,
}

impl ClusterOptions {
    async fn connect(&self) -> anyhow::Result<Cluster> {
        let cluster = Cluster::connect(syncline_cluster::connect::Settings {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            connect_timeout: self.connect_timeout,
            request_timeout: self.request_timeout,
            ..Default::default()
        })
        .await?;
        Ok(cluster)
    }

    fn place(&self) -> String {
        format!("the ConfigMap `{}/{}`", self.namespace, names::FREEZE)
    }
}

/// When a freeze ends.
fn end(arguments: &FreezeArguments, now: Timestamp) -> anyhow::Result<Option<Timestamp>> {
    let until = match arguments.for_ {
        Some(length) => Some(now.checked_add(length).context("`--for` is too long")?),
        None => arguments.until,
    };
    ensure!(
        until.is_none_or(|until| until > now),
        "`--until` is in the past: it is {} now",
        now.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    Ok(until)
}

/// Stops the agent.
pub(super) async fn freeze(arguments: &FreezeArguments) -> anyhow::Result<ExitCode> {
    let reason = decision::reason(&arguments.reason)?;
    let until = end(arguments, Timestamp::now())?;
    let person = arguments.cluster.connect().await?.person();
    // Only for people: an API server that does not tell is no reason not to stop.
    let by = person.user().await.ok().flatten().unwrap_or_default();
    let freeze = Freeze { reason, by, until };
    person
        .freeze(&arguments.cluster.namespace, &freeze)
        .await
        .with_context(|| format!("write {}", arguments.cluster.place()))?;
    print(&format!("frozen: {}\n", freeze.failure().detail))
}

/// Lets the agent go on.
pub(super) async fn unfreeze(arguments: &UnfreezeArguments) -> anyhow::Result<ExitCode> {
    let person = arguments.cluster.connect().await?.person();
    let was_on = person
        .unfreeze(&arguments.cluster.namespace)
        .await
        .with_context(|| format!("delete {}", arguments.cluster.place()))?;
    print(if was_on {
        "not frozen any more\n"
    } else {
        "it was not frozen\n"
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: FreezeArguments,
    }

    fn line(arguments: &[&str]) -> FreezeArguments {
        let program = std::iter::once(&"syncline");
        Line::parse_from(program.chain(arguments)).arguments
    }

    #[test]
    fn a_freeze_ends_at_a_time_after_a_time_or_never() {
        let now: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
        let at = |arguments| end(&line(arguments), now);
        assert_eq!(at(&["--reason", "x"]).unwrap(), None);
        let later = "2026-11-21T14:00:00Z".parse().unwrap();
        assert_eq!(at(&["--reason", "x", "--for", "2h"]).unwrap(), Some(later));
        let until = ["--reason", "x", "--until", "2026-11-21T14:00:00Z"];
        assert_eq!(at(&until).unwrap(), Some(later));
        let past = at(&["--reason", "x", "--until", "2026-11-20T14:00:00Z"]);
        let past = past.unwrap_err().to_string();
        assert!(past.starts_with("`--until` is in the past"), "{past}");
    }
}
