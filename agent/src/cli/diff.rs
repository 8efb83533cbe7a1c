//! `syncline diff`: what a sync of a folder would change in a cluster.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use futures::FutureExt as _;
use serde_json::{Value, json};
use syncline_cluster::{Account, Cluster, kinds};
use syncline_core::application::{Application, Referent};
use syncline_core::manifest::yaml;
use syncline_core::names;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::plan::{Action, Approval};
use syncline_core::reason::Class;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::secret_inputs::SecretInputs;
use syncline_render::{Ask, ClusterFacts};

use super::options::{Prepared, RenderOptions};
use super::render::{chart_of, check_values, elsewhere, masked};
use super::{failures, print, report};
use crate::preview::{
    Certainty, Identity, Left, Preview, Rehearsal, Settings, Subject, own_kind, preview,
};
use crate::rendering::{self, Request, Supplied};
use crate::settings;
use crate::sync::{Extent, look_up};

/// Arguments of `syncline diff`.
#[derive(Args, Clone, Debug)]
pub struct DiffArguments {
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
    let prepared = options.prepare(arguments.path.as_deref(), wire)?;
    let compared = Box::pin(compared(arguments, &options, &cluster, prepared, certainty)).await;
    match compared {
        Ok(preview) => answer(arguments, &preview),
        Err(failures) => refused(&failures),
    }
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
    let Some(named) = &arguments.application else {
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
    certainty: Certainty,
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
        rehearsal: if arguments.server_dry_run {
            Rehearsal::Yes
        } else {
            Rehearsal::No
        },
        commit: CommitId::parse(&"0".repeat(40)).expect("forty digits"),
        settings: Settings {
            agent_namespace: arguments.agent_namespace.clone(),
            manual_tools: arguments.manual_tools.clone(),
            tool_quiet_period: arguments.tool_quiet_period,
            concurrency: CONCURRENCY,
            limits: yaml::Limits::default(),
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

/// Prints what was found.
fn answer(arguments: &DiffArguments, preview: &Preview) -> anyhow::Result<ExitCode> {
    let unread: Vec<Failure> = preview
        .unread
        .iter()
        .cloned()
        .chain(preview.plan.actions.iter().filter_map(not_known))
        .collect();
    let differs = preview.plan.hold.is_some() || preview.plan.actions.iter().any(differs);
    match arguments.output {
        Format::Text => {
            for line in preview.remarks.iter().chain(&preview.plan.warnings) {
                report(&format!("note: {line}"));
            }
            print(&text(arguments, preview))?;
        }
        Format::Json => {
            let mut value = serde_json::to_value(preview)?;
            value["summary"] = summary(preview);
            print(&format!("{value:#}\n"))?;
        }
    }
    if !unread.is_empty() {
        return refused(&unread);
    }
    Ok(if differs {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

/// Why nothing is known of an object.
fn not_known(action: &Action) -> Option<Failure> {
    let because = action.because.as_ref()?;
    let closed = matches!(because.reason.class(), Class::Denied | Class::Transient);
    (action.kind == ActionKind::Skip && closed).then(|| because.clone())
}

/// Whether an object is not as Git says it.
fn differs(action: &Action) -> bool {
    let good = |because: &Failure| because.reason.class() == Class::Good;
    match action.kind {
        ActionKind::Create | ActionKind::Update | ActionKind::Prune => true,
        ActionKind::Unchanged => action.because.is_some(),
        ActionKind::Skip => !action.because.as_ref().is_some_and(good),
    }
}

const KINDS: [ActionKind; 5] = [
    ActionKind::Create,
    ActionKind::Update,
    ActionKind::Prune,
    ActionKind::Skip,
    ActionKind::Unchanged,
];

fn summary(preview: &Preview) -> Value {
    let counts = KINDS.map(|kind| (kind.as_str().to_owned(), json!(preview.plan.count(kind))));
    Value::Object(counts.into_iter().collect())
}

fn text(arguments: &DiffArguments, preview: &Preview) -> String {
    let mut out = String::new();
    for action in &preview.plan.actions {
        let quiet = action.kind == ActionKind::Unchanged && action.because.is_none();
        if quiet && !arguments.show_unchanged {
            continue;
        }
        let place = action.origin.as_ref().map(|origin| format!("  # {origin}"));
        let place = place.unwrap_or_default();
        let _ = writeln!(out, "{:9} {}{place}", action.kind.as_str(), action.key);
        for change in &action.changes {
            let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let (before, after) = (side(&change.before), side(&change.after));
            let _ = writeln!(out, "          {}: {before} -> {after}", change.path);
        }
        if let Some(because) = &action.because {
            let _ = writeln!(
                out,
                "          {}: {}",
                because.reason.name(),
                because.detail
            );
        }
        for note in &action.notes {
            let _ = writeln!(out, "          {note}");
        }
    }
    for hook in &preview.hooks {
        let (key, origin) = (&hook.key, &hook.origin);
        let _ = writeln!(out, "hook      {:?} {key}  # {origin}", hook.moment);
    }
    if let Some(hold) = &preview.plan.hold {
        let _ = writeln!(out, "held      {}: {}", hold.reason.name(), hold.detail);
    }
    let counts = KINDS.map(|kind| format!("{} {}", preview.plan.count(kind), kind.as_str()));
    let _ = writeln!(out, "{}", counts.join(", "));
    out
}
