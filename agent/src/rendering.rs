//! From the files of an application to its objects: what Git says, before anybody has looked at
//! the cluster.
//!
//! ```text
//! read -> plain YAML, Kustomize or Helm -> substitute -> labels, annotations, patches
//! ```
//!
//! The agent, `syncline render` and `syncline diff` all come through here. What a render needs and
//! has not got at hand (a chart of a chart repository, a remote base, an object of the cluster) is
//! fetched between two attempts.

mod folder;
mod kept;
mod material;
mod plain;
mod sources;
mod tree;

use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;
use syncline_core::application::{Application, Renderer};
use syncline_core::hooks::{self, Found};
use syncline_core::manifest::{Raw, yaml};
use syncline_core::outcome::Failure;
use syncline_core::post_render::labels_and_annotations;
use syncline_core::reason::Reason;
use syncline_core::substitute::substitute;
use syncline_render::{
    Answer, Ask, ChartRef, ClusterFacts, Error, Helm, Job, Kustomize, Pool, Rendered, Transform,
};

pub(crate) use folder::{Folder, Limits};
pub(crate) use kept::{Renders, find, keep, weigh};
pub(crate) use material::{Find, Material};
pub(crate) use sources::{Seen, Sources};
pub(crate) use tree::Tree;

/// How often a render is begun anew with what it asked for: charts name charts, and each round
/// brings all objects that one looks up.
const MOST_ROUNDS: usize = 64;

/// What is to be rendered.
pub(crate) struct Request<'a> {
    pub(crate) application: &'a Application,
    pub(crate) sources: &'a mut Sources,
    pub(crate) material: &'a Material,
    /// What a chart sees of the cluster.
    pub(crate) cluster: ClusterFacts,
    /// The chart that a range of versions stands for at the moment.
    pub(crate) chart: Option<ChartRef>,
    /// Whether the application was synced before.
    pub(crate) upgrade: bool,
    pub(crate) limits: yaml::Limits,
}

/// What comes out.
#[derive(Clone, Default)]
pub(crate) struct Output {
    /// The objects, without namespace and owner.
    pub(crate) objects: Vec<Raw>,
    /// Objects that run at a point of a rollout instead of staying, in the order of the renderer.
    pub(crate) hooks: Vec<Found>,
    /// What the libraries warn of.
    pub(crate) warnings: Vec<String>,
    /// What the chart says to its user.
    pub(crate) notes: String,
    /// Whether a chart could see what the cluster serves.
    pub(crate) sees_cluster: bool,
    /// Whether the same files and inputs give the same again: it asked neither the cluster nor a
    /// chart repository.
    pub(crate) is_reproducible: bool,
}

/// What a render asked for.
pub(crate) enum Supplied {
    /// The answer to the question.
    Answer(Answer),
    /// The source that the question is about.
    Source(Box<Tree>),
}

/// Gets what a render asks for and the sources do not have.
pub(crate) type Supply<'s> =
    dyn Fn(Ask) -> BoxFuture<'s, Result<Supplied, Failure>> + Send + Sync + 's;

/// How a path is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Plain YAML and JSON.
    Plain,
    /// Kustomize.
    Kustomize,
    /// Helm.
    Helm,
}

/// Renders. `supply` is asked for what is not in the sources.
///
/// Fails with everything that is wrong at once as far as the kind of source allows; no message
/// holds a value of a Secret.
pub(crate) async fn render(
    pool: &Pool,
    request: &mut Request<'_>,
    supply: &Supply<'_>,
) -> Result<Output, Vec<Failure>> {
    let outcome = attempt(pool, request, supply).await;
    outcome.map_err(|failures| {
        let secrets = &request.material.secrets;
        let masked = failures.into_iter().map(|failure| Failure {
            reason: failure.reason,
            detail: request.sources.mask(&secrets.mask_text(&failure.detail)),
        });
        masked.collect()
    })
}

async fn attempt(
    pool: &Pool,
    request: &mut Request<'_>,
    supply: &Supply<'_>,
) -> Result<Output, Vec<Failure>> {
    let application = request.application;
    let mut output = match kind(application, request.sources).map_err(|failure| vec![failure])? {
        Kind::Plain => plain::read(application, request.sources, &request.limits)?,
        Kind::Kustomize => ask(pool, &kustomize(request), request.sources, supply).await?,
        Kind::Helm => ask(pool, &helm(request), request.sources, supply).await?,
    };
    substituted(request, &mut output)?;
    decorated(pool, request, &mut output).await?;
    // A variable or a patch may have made a hook of an object.
    let split = hooks::split(std::mem::take(&mut output.objects))?;
    output.objects = split.objects;
    output.hooks = split.hooks;
    output.warnings.extend(split.notes);
    Ok(output)
}

/// How the path is rendered; fails where it does not exist.
pub(crate) fn kind(application: &Application, sources: &Sources) -> Result<Kind, Failure> {
    let rendering = &application.rendering;
    let path = application.path.as_str();
    // A chart of a repository needs nothing of the path but its values files.
    if rendering.renderer == Renderer::Helm && rendering.helm.chart.is_some() {
        return Ok(Kind::Helm);
    }
    let entries = match sources.entries(path)? {
        Some(entries) => entries,
        // A path may name one file.
        None if sources.file(path)?.is_some() => return Ok(Kind::Plain),
        None => {
            return Err(Failure {
                reason: Reason::PathNotFound,
                detail: format!("`{}` does not exist", application.path),
            });
        }
    };
    let has = |names: &[&str]| {
        entries
            .iter()
            .any(|entry| !entry.is_directory && names.contains(&entry.name.as_str()))
    };
    if rendering.renderer == Renderer::Auto && !has(&["Chart.yaml"]) {
        // A commit that adds it makes the path a chart.
        sources.file(&below(path, "Chart.yaml"))?;
    }
    Ok(match rendering.renderer {
        Renderer::Auto if has(&["Chart.yaml"]) => Kind::Helm,
        Renderer::Auto if has(&["kustomization.yaml", "kustomization.yml", "Kustomization"]) => {
            Kind::Kustomize
        }
        Renderer::Auto | Renderer::Plain => Kind::Plain,
        Renderer::Kustomize => Kind::Kustomize,
        Renderer::Helm => Kind::Helm,
    })
}

fn below(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}/{name}"),
    }
}

fn kustomize(request: &Request<'_>) -> Job {
    Job::Kustomize(Kustomize {
        path: request.application.path.as_str().to_owned(),
        overrides: request.application.rendering.kustomize.clone(),
        cluster: request.cluster.clone(),
    })
}

fn helm(request: &Request<'_>) -> Job {
    let application = request.application;
    let options = &application.rendering.helm;
    let release_name = match options.release_name.as_str() {
        "" => application.name.name.clone(),
        name => name.to_owned(),
    };
    let mut cluster = request.cluster.clone();
    if !options.kube_version.is_empty() {
        cluster.kube_version.clone_from(&options.kube_version);
    }
    Job::Helm(Helm {
        path: application.path.as_str().to_owned(),
        chart: request.chart.clone(),
        release_name,
        namespace: application.namespace.clone(),
        upgrade: request.upgrade,
        values_files: options.values_files.clone(),
        ignore_missing_values_files: options.ignore_missing_values_files,
        values: options.values.clone(),
        overlays: request.material.overlays.clone(),
        cluster,
        skip_crds: options.skip_crds,
        skip_schema: options.skip_schema,
        lookup: options.lookup,
    })
}

/// Has the renderer do a job, as often as it needs something that is not at hand.
async fn ask(
    pool: &Pool,
    job: &Job,
    sources: &mut Sources,
    supply: &Supply<'_>,
) -> Result<Output, Vec<Failure>> {
    let mut known: BTreeMap<Ask, Answer> = BTreeMap::new();
    for _ in 0..MOST_ROUNDS {
        let answer = |ask: &Ask| match known.get(ask) {
            Some(answer) => Ok(answer.clone()),
            None => sources.answer(ask),
        };
        let needs = match pool.render(job, &answer).await {
            Ok(rendered) => return Ok(output(rendered)),
            Err(Error::Needs(needs)) => needs,
            Err(error) => {
                return Err(vec![Failure {
                    reason: error.reason(),
                    detail: error.to_string(),
                }]);
            }
        };
        for need in needs {
            let supplied = supply(need.clone())
                .await
                .map_err(|failure| vec![failure])?;
            match (supplied, &need) {
                (Supplied::Answer(answer), _) => {
                    if let Answer::Object(object) = &answer {
                        sources.hide_secrets(object);
                    }
                    known.insert(need, answer);
                }
                (Supplied::Source(tree), Ask::Read(location) | Ask::List(location)) => {
                    sources.add(location.source.clone(), *tree);
                }
                (Supplied::Source(_), Ask::Chart(_) | Ask::Lookup(_)) => {}
            }
        }
    }
    Err(vec![Failure {
        reason: Reason::RenderFailed,
        detail: format!("it asks for more and more: ended after {MOST_ROUNDS} rounds"),
    }])
}

fn output(rendered: Rendered) -> Output {
    let sees_cluster = rendered.asked.iter().any(|ask| match ask {
        Ask::Read(location) => location.path.ends_with("Chart.yaml"),
        Ask::Chart(_) | Ask::Lookup(_) => true,
        Ask::List(_) => false,
    });
    let asks = |ask: &Ask| matches!(ask, Ask::Chart(_) | Ask::Lookup(_));
    Output {
        is_reproducible: !rendered.asked.iter().any(asks),
        sees_cluster,
        objects: rendered
            .objects
            .into_iter()
            .chain(rendered.hooks.into_iter().map(|hook| hook.object))
            .collect(),
        hooks: Vec::new(),
        warnings: rendered.warnings,
        notes: rendered.notes,
    }
}

/// Puts the variables in; all that is wrong with any object at once.
fn substituted(request: &Request<'_>, output: &mut Output) -> Result<(), Vec<Failure>> {
    let Some(options) = &request.application.rendering.substitute else {
        return Ok(());
    };
    let mut failures = Vec::new();
    for object in &mut output.objects {
        let (variables, undeclared) = (&request.material.variables, options.undeclared);
        let done = substitute(
            &mut object.value,
            &object.plain,
            &object.origin,
            variables,
            undeclared,
        );
        if let Err(found) = done {
            failures.extend(found);
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

/// Lays labels, annotations and patches over the objects.
async fn decorated(
    pool: &Pool,
    request: &mut Request<'_>,
    output: &mut Output,
) -> Result<(), Vec<Failure>> {
    let options = &request.application.rendering.post_render;
    if !options.patches.is_empty() && !output.objects.is_empty() {
        let objects = std::mem::take(&mut output.objects);
        let (mut values, places): (Vec<Value>, Vec<Raw>) = objects
            .into_iter()
            .map(|mut object| (object.value.take(), object))
            .unzip();
        let job = Job::Transform(Transform {
            objects: std::mem::take(&mut values),
            patches: options.patches.clone(),
        });
        let nothing = |_| std::future::ready(Ok(Supplied::Answer(Answer::Missing))).boxed();
        let patched = ask(pool, &job, request.sources, &nothing).await?;
        output.warnings.extend(patched.warnings);
        let placed = patched.objects.into_iter().map(|object| {
            let place = places.get(object.origin.document.wrapping_sub(1));
            match place {
                Some(place) => Raw {
                    value: object.value,
                    ..place.clone()
                },
                None => object,
            }
        });
        output.objects = placed.collect();
    }
    for object in &mut output.objects {
        labels_and_annotations(&mut object.value, &options.marks);
    }
    Ok(())
}
