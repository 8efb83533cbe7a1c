//! `syncline diff`: what a sync of a folder, or of a commit, would change in a cluster.

mod answer;
mod commit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use futures::FutureExt as _;
use serde::Deserialize as _;
use syncline_cluster::{Account, Cluster, kinds};
use syncline_core::application::{Application, Referent};
use syncline_core::manifest::yaml;
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::plan::Approval;
use syncline_core::reason::Class;
use syncline_core::record::Name;
use syncline_core::revision::{CommitId, CommitInfo};
use syncline_core::secret_inputs::SecretInputs;
use syncline_render::{Ask, ClusterFacts};

use super::options::{Prepared, RenderOptions};
use super::render::{chart_of, check_values, elsewhere, masked};
use super::{failures, report};
use crate::conversion;
use crate::preview::{
    Certainty, Detail, Identity, Last, Left, Preview, Rehearsal, Settings, Subject, own_kind,
    preview,
};
use crate::rendering::{self, Request, Supplied, Tree};
use crate::settings;
use crate::sync::{Extent, look_up};
use answer::answer;
use commit::{CommitOptions, Found};

/// Arguments of `syncline diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffArguments {
    /// The same as `--application`.
    #[arg(value_name = "APPLICATION", conflicts_with = "application")]
    named: Option<String>,
    /// Directory or file to compare; that of the Application where it is left out.
    #[arg(long, value_name = "PATH")]
    path: Option<PathBuf>,
    /// The Application whose options are used: a file, or the name of one in the cluster (in the
    /// namespace of `--namespace`), also as `NAMESPACE/NAME`.
    #[arg(long, value_name = "FILE|NAME")]
    application: Option<String>,
    /// List the objects that stay as they are as well.
    #[arg(long)]
    show_unchanged: bool,
    /// Delete what left Git also where the Application says `prune: false`.
    #[arg(long)]
    prune: bool,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    output: Format,
    /// Kubeconfig file; as with `kubectl` where it is left out.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; its current one where it is left out.
    #[arg(long, value_name = "CONTEXT", help_heading = "Cluster")]
    context: Option<String>,
    /// Read as the service account of the Application, as the agent does; needs the right to
    /// impersonate it.
    #[arg(long, help_heading = "Cluster")]
    as_account: bool,
    /// Have the API server try each write without effect.
    #[arg(long, help_heading = "Cluster")]
    server_dry_run: bool,
    /// Namespace of the agent, where the identity of the installation is.
    #[arg(long, default_value = settings::DEFAULT_NAMESPACE, value_name = "NAMESPACE", help_heading = "Cluster")]
    agent_namespace: String,
    /// Deadline of one request to the API server.
    #[arg(long, default_value = "30s", value_parser = settings::duration, value_name = "DURATION", help_heading = "Cluster")]
    request_timeout: Duration,
    /// Deadline of a connection to the API server.
    #[arg(long, default_value = "10s", value_parser = settings::duration, value_name = "DURATION", help_heading = "Cluster")]
    connect_timeout: Duration,
    /// Field managers that are tools of people, as the agent is set.
    #[arg(
        long,
        value_delimiter = ',',
        default_values = syncline_core::ownership::MANUAL_TOOLS.iter().copied(),
        value_name = "MANAGER",
        help_heading = "Cluster"
    )]
    manual_tools: Vec<String>,
    /// For how long another GitOps tool counts as at work after its last write, as the agent is set.
    #[arg(long, default_value = "1h", value_parser = settings::duration, value_name = "DURATION", help_heading = "Cluster")]
    tool_quiet_period: Duration,
    #[command(flatten)]
    commit: CommitOptions,
    #[command(flatten)]
    options: RenderOptions,
}

/// How the answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Compares and prints. Ends with 0 where nothing differs and 1 where something does.
pub(super) async fn run(arguments: &DiffArguments) -> anyhow::Result<ExitCode> {
    let cluster = Cluster::connect(syncline_cluster::connect::Settings {
        kubeconfig: arguments.kubeconfig.clone(),
        context: arguments.context.clone(),
        connect_timeout: arguments.connect_timeout,
        request_timeout: arguments.request_timeout,
        ..Default::default()
    })
    .await?;
    let (wire, options) = application(arguments, &cluster).await?;
    let certainty = if wire.is_some() {
        Certainty::Known
    } else {
        Certainty::Guessed
    };
    let (prepared, commit) = match wire {
        Some(wire) if arguments.commit.is_some() => {
            let own = wire.metadata.namespace.as_deref();
            let namespace = own.or(options.namespace());
            let namespace = namespace.unwrap_or(cluster.default_namespace());
            match arguments.commit.find(&cluster, &wire, namespace).await {
                Ok(Some(found)) => {
                    report(&format!("note: {}", shown(&found)));
                    let tree = Tree::of(found.snapshot);
                    (options.prepare_from(tree, wire)?, Some(found.commit))
                }
                Ok(None) => (options.prepare(None, Some(wire))?, None),
                Err(failure) => return refused(&[failure]),
            }
        }
        None if arguments.commit.is_some() => {
            bail!("name the Application: `syncline diff APPLICATION --ref REFERENCE`");
        }
        wire => (options.prepare(arguments.path.as_deref(), wire)?, None),
    };
    let of = (certainty, commit);
    let compared = Box::pin(compared(arguments, &options, &cluster, prepared, of)).await;
    match compared {
        Ok(preview) => answer(arguments, &preview),
        Err(failures) => refused(&failures),
    }
}

/// Which commit it is, and where it was found.
fn shown(found: &Found) -> String {
    let CommitInfo {
        id, subject, time, ..
    } = &found.commit;
    let time = time.strftime("%Y-%m-%dT%H:%M:%SZ");
    let text = format!(
        "commit {} of {time} \"{subject}\", from {}",
        id.short(),
        found.place
    );
    super::connection::plain(&text)
}

fn refused(failures: &[Failure]) -> anyhow::Result<ExitCode> {
    report(failures::table(failures).trim_end());
    Ok(ExitCode::from(2))
}

/// The Application of the option, and the options without what said where it is.
async fn application(
    arguments: &DiffArguments,
    cluster: &Cluster,
) -> anyhow::Result<(Option<kinds::Application>, RenderOptions)> {
    let options = arguments.options.clone();
    let named = arguments.application.as_ref().or(arguments.named.as_ref());
    let Some(named) = named else {
        return Ok((None, options));
    };
    let file = Path::new(named);
    if file.is_file() {
        return Ok((Some(options.application_of(file)?), options));
    }
    let name = match named.split_once('/') {
        Some((namespace, name)) => Name::new(namespace, name),
        None => {
            let namespace = options.namespace();
            Name::new(namespace.unwrap_or(cluster.default_namespace()), named)
        }
    };
    let resource = own_kind(cluster).await?;
    let key = resource.key(Some(name.namespace.clone()), name.name.as_str());
    let found = cluster.person().get_full(&resource, &key).await;
    let Some(found) = found.with_context(|| format!("read the Application `{name}`"))? else {
        bail!("there is no file `{named}` and no Application `{name}` in the cluster");
    };
    let wire =
        serde_json::from_value(found).with_context(|| format!("the Application `{name}`"))?;
    Ok((Some(wire), options.without_namespace()))
}

async fn compared(
    arguments: &DiffArguments,
    options: &RenderOptions,
    cluster: &Cluster,
    mut prepared: Prepared,
    (certainty, commit): (Certainty, Option<CommitInfo>),
) -> Result<Preview, Vec<Failure>> {
    let one = |failure: Failure| vec![failure];
    let person = cluster.person();
    prepared.application.sync.prune |= arguments.prune;
    let account = if arguments.as_account {
        let (namespace, name) = (
            &prepared.application.name.namespace,
            &prepared.application.account,
        );
        let account = cluster.account(namespace, name).await;
        account.map_err(|error| one(failed("service account", &error)))?
    } else {
        person.clone()
    };
    let namespace = prepared.application.name.namespace.clone();
    let find = |referent: Referent, name: String| {
        let (account, namespace) = (&account, &namespace);
        let found = async move {
            let found = account.data(referent, namespace, &name).await;
            found.map_err(|error| Failure {
                reason: error.reason(),
                detail: error.to_string(),
            })
        };
        found.boxed()
    };
    let material = prepared.material(options, &find).await?;
    let (application, mut sources) = prepared.into_sources(&material);
    let kind = check_values(options, &application, &sources)?;
    let live = live_application(cluster, &person, &application).await;
    let mut request = Request {
        application: &application,
        sources: &mut sources,
        material: &material,
        cluster: facts(cluster, options).await.map_err(one)?,
        chart: chart_of(&application),
        upgrade: options.upgrade() || live.is_synced,
        limits: yaml::Limits::default(),
    };
    let charts = options.charts().map_err(one)?;
    let charts = charts.as_ref();
    let supply = |ask: Ask| {
        let account = &account;
        let supplied = async move {
            match &ask {
                Ask::Lookup(lookup) => {
                    let answer = look_up(cluster.discovery(), account, lookup).await;
                    answer.map(Supplied::Answer)
                }
                other => elsewhere(charts, other).await,
            }
        };
        supplied.boxed()
    };
    let output = rendering::render(&options.pool(), &mut request, &supply).await?;
    let mut secrets = sources.secrets();
    secrets.extend(&material.secrets);
    let (identity, remarks) = identity(arguments, &person, certainty).await.map_err(one)?;
    let subject = Subject {
        memory: None,
        cluster,
        account: &account,
        application: &application,
        kind,
        sources: &sources,
        identity,
        left: match certainty {
            Certainty::Known => Left::In(live.extent),
            Certainty::Guessed => Left::None,
        },
        approval: live.approval,
        detail: Detail::Fields,
        rehearsal: if arguments.server_dry_run {
            Rehearsal::Yes
        } else {
            Rehearsal::No
        },
        commit,
        last: live.last,
        settings: Settings {
            agent_namespace: arguments.agent_namespace.clone(),
            manual_tools: arguments.manual_tools.clone(),
            tool_quiet_period: arguments.tool_quiet_period,
            concurrency: CONCURRENCY,
            limits: yaml::Limits::default(),
            masking: Arc::default(),
        },
    };
    let compared = preview(&subject, output.objects, output.hooks, &secrets).await;
    let mut compared = compared.map_err(|found| masked(found, &secrets))?;
    compared
        .plan
        .warnings
        .extend(hidden(output.warnings, &secrets));
    compared.remarks.extend(remarks);
    Ok(compared)
}

/// Requests at the same time.
const CONCURRENCY: usize = 8;

fn hidden(texts: Vec<String>, secrets: &SecretInputs) -> Vec<String> {
    let texts = texts.iter();
    texts
        .map(|text| secrets.mask_text(text).into_owned())
        .collect()
}

fn failed(what: &str, error: &syncline_cluster::Error) -> Failure {
    Failure {
        reason: error.reason(),
        detail: format!("{what}: {error}"),
    }
}

/// What a chart sees of the cluster.
async fn facts(cluster: &Cluster, options: &RenderOptions) -> Result<ClusterFacts, Failure> {
    let discovery = cluster.discovery();
    let failed = |error: syncline_cluster::Error| failed("discovery", &error);
    Ok(ClusterFacts {
        kube_version: discovery.server_version().await.map_err(failed)?,
        api_versions: discovery.api_versions().await.map_err(failed)?,
        more_api_versions: options.api_versions().to_vec(),
    })
}

/// What the Application in the cluster says, where it is there and can be read.
#[derive(Default)]
struct LiveApplication {
    extent: Extent,
    approval: Approval,
    is_synced: bool,
    last: Last,
}

async fn live_application(
    cluster: &Cluster,
    person: &Account,
    application: &Application,
) -> LiveApplication {
    let name = &application.name;
    let Ok(resource) = own_kind(cluster).await else {
        return LiveApplication::default();
    };
    let key = resource.key(Some(name.namespace.clone()), name.name.as_str());
    let Ok(Some(found)) = person.get_full(&resource, &key).await else {
        return LiveApplication::default();
    };
    let rollout = kinds::RolloutStatus::deserialize(&found["status"]["rollout"]);
    let applied = found["status"]["lastAppliedRevision"].as_str();
    let applied = applied.and_then(|revision| revision.rsplit_once('@'));
    let annotation = |name: &str| found["metadata"]["annotations"][name].as_str();
    let list = |name: &str| {
        let items = annotation(name).unwrap_or_default().split(',');
        let items = items.map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    };
    LiveApplication {
        extent: Extent {
            kinds: list(names::ANNOTATION_CONTAINS),
            namespaces: list(names::ANNOTATION_NAMESPACES),
        },
        approval: Approval {
            in_git: false,
            plan_hash: annotation(names::ANNOTATION_APPROVE).map(str::to_owned),
            ..Approval::default()
        },
        is_synced: found["status"]["lastAppliedRevision"].is_string(),
        last: Last {
            rollout: rollout.ok().as_ref().and_then(conversion::ledger),
            applied: applied.and_then(|(_, commit)| CommitId::parse(commit).ok()),
        },
    }
}

/// The identity of the installation, as far as the person may read it.
async fn identity(
    arguments: &DiffArguments,
    person: &Account,
    name: Certainty,
) -> Result<(Identity, Vec<String>), Failure> {
    let namespace = &arguments.agent_namespace;
    let mut remarks = Vec::new();
    let instance = match person.instance_id(namespace).await {
        Ok(Some(instance)) => Some(instance),
        Ok(None) => {
            remarks.push(format!(
                "no agent was ever in namespace `{namespace}` (`--agent-namespace`): who owns an \
                 object is judged by its record alone"
            ));
            None
        }
        Err(error) if error.reason().class() == Class::Denied => {
            remarks.push(format!(
                "the identity of the installation cannot be read, so who owns an object is judged \
                 by its record alone: {error}"
            ));
            None
        }
        Err(error) => return Err(failed("the identity of the installation", &error)),
    };
    let key = match person.instance_key(namespace).await {
        Ok(key) => key.map(|key| key.expose().to_vec()),
        Err(error) if error.reason().class() == Class::Denied => None,
        Err(error) => return Err(failed("the key of the installation", &error)),
    };
    // A key without its installation proves nothing.
    let key = key.filter(|_| instance.is_some());
    let identity = Identity {
        instance,
        key,
        name,
    };
    Ok((identity, remarks))
}
