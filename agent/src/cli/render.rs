//! `syncline render`: what the files of a path become, without a cluster.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use futures::FutureExt as _;
use serde_json::Value;
use syncline_core::application::Referent;
use syncline_core::manifest::{ManifestSet, Naming, Raw, normalise, text, to_manifests, yaml};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_core::secret_inputs::{MASK, SecretInputs};
use syncline_registry::chart::{Access, Charts};
use syncline_render::{Answer, Ask, ClusterFacts};

use super::options::RenderOptions;
use super::{failures, print, report};
use crate::rendering::{self, Kind, Output, Request, Supplied};

/// Arguments of `syncline render`.
#[derive(Args, Clone, Debug)]
pub struct RenderArguments {
    /// Directory or file to render; that of the Application where it is left out.
    path: Option<PathBuf>,
    /// File with the Application whose options are used; its `spec.path` is below the root.
    #[arg(long, value_name = "FILE")]
    application: Option<PathBuf>,
    /// Write before each object where it comes from.
    #[arg(long)]
    origin: bool,
    /// Leave out the objects that are hooks; without this they stand behind the others.
    #[arg(long)]
    skip_hooks: bool,
    /// Say on the error output what the chart says to its user.
    #[arg(long)]
    notes: bool,
    /// Print `***` in place of the values of Secrets and of all that was decrypted.
    #[arg(long)]
    mask: bool,
    #[command(flatten)]
    options: RenderOptions,
}

/// Renders and prints.
pub(super) async fn run(arguments: &RenderArguments) -> anyhow::Result<ExitCode> {
    let options = &arguments.options;
    let wire = match &arguments.application {
        Some(file) => Some(options.application_of(file)?),
        None => None,
    };
    let prepared = options.prepare(arguments.path.as_deref(), wire)?;
    match rendered(options, prepared).await {
        Ok((output, secrets)) => {
            for warning in &output.warnings {
                report(&format!("warning: {}", secrets.mask_text(warning)));
            }
            if arguments.notes && !output.notes.is_empty() {
                report(&secrets.mask_text(&output.notes));
            }
            print(&stream(arguments, &output, &secrets))
        }
        Err(failures) => {
            report(failures::table(&failures).trim_end());
            Ok(ExitCode::from(2))
        }
    }
}

async fn rendered(
    options: &RenderOptions,
    prepared: super::options::Prepared,
) -> Result<(Output, SecretInputs), Vec<Failure>> {
    let nothing = |referent: Referent, name: String| {
        let kind = referent.kind();
        let failure = Failure {
            reason: Reason::SecretMissing,
            detail: format!(
                "{kind} `{name}`: no cluster is asked; `--from {kind}/{name}=FILE` stands in for it"
            ),
        };
        std::future::ready(Err(failure)).boxed()
    };
    let material = prepared.material(options, &nothing).await?;
    let (application, mut sources) = prepared.into_sources(&material);
    check_values(options, &application, &sources)?;
    let mut request = Request {
        application: &application,
        sources: &mut sources,
        material: &material,
        cluster: ClusterFacts {
            more_api_versions: options.api_versions().to_vec(),
            ..ClusterFacts::default()
        },
        chart: chart_of(&application),
        upgrade: options.upgrade(),
        limits: yaml::Limits::default(),
    };
    let charts = options.charts().map_err(|failure| vec![failure])?;
    let charts = charts.as_ref();
    let supply = |ask: Ask| async move { elsewhere(charts, &ask).await }.boxed();
    let output = rendering::render(&options.pool(), &mut request, &supply).await?;
    let mut secrets = sources.into_seen().secrets;
    secrets.extend(&material.secrets);
    let checked = check(&output, &application.namespace);
    checked.map_err(|found| masked(found, &secrets))?;
    Ok((output, secrets))
}

/// Values are for a chart: with anything else they would have no effect.
pub(super) fn check_values(
    options: &RenderOptions,
    application: &syncline_core::application::Application,
    sources: &rendering::Sources,
) -> Result<Kind, Vec<Failure>> {
    let kind = rendering::kind(application, sources).map_err(|failure| vec![failure])?;
    if kind == Kind::Helm || !options.has_values() {
        return Ok(kind);
    }
    Err(vec![Failure {
        reason: Reason::InvalidSpec,
        detail: format!(
            "`{}` is no Helm chart: `--values`, `--set` and `--set-string` have no effect there",
            application.path
        ),
    }])
}

/// The chart that an Application names, by the range that it gives.
pub(super) fn chart_of(
    application: &syncline_core::application::Application,
) -> Option<syncline_render::ChartRef> {
    let chart = application.rendering.helm.chart.as_ref()?;
    Some(syncline_render::ChartRef {
        repository: chart.repository.clone(),
        name: chart.name.clone(),
        version: chart.version.clone(),
        digest: String::new(),
    })
}

/// Gets what is not among the files, where that may be asked for.
pub(super) async fn elsewhere(charts: Option<&Charts>, ask: &Ask) -> Result<Supplied, Failure> {
    let refuse = |detail: String| {
        Err(Failure {
            reason: Reason::RenderFailed,
            detail,
        })
    };
    match (ask, charts) {
        // As `helm template` answers it.
        (Ask::Lookup(_), _) => Ok(Supplied::Answer(Answer::Missing)),
        (Ask::Chart(wanted), Some(charts)) => {
            let archive = crate::charts::archive(charts, wanted, &Access::default()).await;
            archive.map(Supplied::Answer)
        }
        (Ask::Chart(chart), None) => refuse(format!(
            "the chart `{}` of `{}` is not here; `--fetch-charts` fetches it",
            chart.name, chart.repository
        )),
        (Ask::Read(location) | Ask::List(location), _) => match location.source.strip_prefix('$') {
            Some(name) => refuse(format!(
                "`{}/{}`: `--source {name}=FOLDER` names the folder of that source",
                location.source, location.path
            )),
            None => refuse(format!("`{}` is not fetched from here", location.source)),
        },
    }
}

/// Holds the objects against what the agent refuses without asking a cluster.
fn check(output: &Output, namespace: &str) -> Result<(), Vec<Failure>> {
    let limits = yaml::Limits::default();
    let scope_of = |_: &str, _: &str, _: &str| None;
    let manifests =
        |objects: Vec<Raw>, naming| to_manifests(objects, namespace, &scope_of, naming, &limits);
    let hooks = output.hooks.iter().map(|hook| hook.object.clone());
    let hooks = manifests(hooks.collect(), Naming::Generated)?;
    let manifests = manifests(output.objects.clone(), Naming::Given)?;
    let of_hooks = hooks.into_iter().filter_map(|hook| normalise(hook).err());
    let mut whole = Vec::with_capacity(manifests.len());
    let mut failures: Vec<Failure> = of_hooks.flatten().collect();
    for manifest in manifests {
        match normalise(manifest) {
            Ok(normalised) => whole.push(normalised.manifest),
            Err(found) => failures.extend(found),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let commit = CommitId::parse(&"0".repeat(40)).expect("forty digits");
    ManifestSet::new(commit, whole).map(|_| ())
}

/// The failures without anything that is secret.
pub(super) fn masked(failures: Vec<Failure>, secrets: &SecretInputs) -> Vec<Failure> {
    let masked = failures.into_iter().map(|failure| Failure {
        reason: failure.reason,
        detail: secrets.mask_text(&failure.detail).into_owned(),
    });
    masked.collect()
}

/// One stream of YAML in the order of the renderer.
fn stream(arguments: &RenderArguments, output: &Output, secrets: &SecretInputs) -> String {
    let hooks = output.hooks.iter().filter(|_| !arguments.skip_hooks);
    let hooks = hooks.map(|hook| &hook.object);
    let mut out = String::new();
    for object in output.objects.iter().chain(hooks) {
        out.push_str("---\n");
        if arguments.origin {
            let _ = writeln!(out, "# {}", object.origin.to_string().escape_debug());
        }
        if arguments.mask {
            let hidden = secrets.mask_value(&without_values(&object.value));
            out.push_str(&text::document(&hidden));
        } else {
            out.push_str(&text::document(&object.value));
        }
    }
    out
}

/// A Secret with `***` in place of each value.
fn without_values(object: &Value) -> Value {
    let mut object = object.clone();
    if object["kind"] == "Secret" && object["apiVersion"] == "v1" {
        for field in ["data", "stringData"] {
            let values = object.get_mut(field).and_then(Value::as_object_mut);
            for value in values.into_iter().flat_map(|map| map.values_mut()) {
                *value = MASK.into();
            }
        }
    }
    object
}
