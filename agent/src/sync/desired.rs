//! Read, render and normalise: from a commit to the complete desired set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use syncline_cluster::discovery;
use syncline_core::application::{Application, Renderer};
use syncline_core::manifest::{Manifest, ManifestSet, Scope, normalise, to_manifests, yaml};
use syncline_core::names;
use syncline_core::object::Origin;
use syncline_core::outcome::Failure;
use syncline_core::owner::applied_hash;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_render::{Answer, Ask, AskError, Job, Release};
use syncline_source::{EntryKind, Snapshot};

use super::{Start, Stopped, Stopwatch};
use crate::agent::{Agent, blocking};
use crate::report;
use crate::state::Rendered;

/// Objects with their place in Git.
type Objects = Vec<(Value, Origin)>;

/// The desired set of the target commit; the one that is there already where nothing that it was
/// made of has changed.
pub(super) async fn desired(
    agent: &Arc<Agent>,
    start: &Start,
    watch: &mut Stopwatch,
) -> Result<Arc<Rendered>, Stopped> {
    if let Some(rendered) = unchanged(start).await {
        watch.step("render");
        return Ok(rendered);
    }
    agent.metrics.renders.inc();
    let mut reads = ReadSet::default();
    let made = make(agent, start, &mut reads, watch).await;
    made.map_err(|failures| {
        // Whatever is pushed below the path is worth another try.
        reads.add_tree(start.application.path.as_str());
        Stopped {
            failures,
            reads: Some(reads),
        }
    })
}

/// The set of an earlier commit, if no commit since has changed what it was made of.
async fn unchanged(start: &Start) -> Option<Arc<Rendered>> {
    let (commit, rendered) = start.rendered.clone()?;
    if rendered.application != start.application {
        return None;
    }
    let target = start.target.info.id.clone();
    if commit == target {
        return Some(rendered);
    }
    let mirror = start.mirror.clone();
    let changed = blocking(move || mirror.changed_paths(&commit, &target))
        .await
        .ok()?;
    (!rendered.reads.is_touched_by(&changed)).then_some(rendered)
}

async fn make(
    agent: &Arc<Agent>,
    start: &Start,
    reads: &mut ReadSet,
    watch: &mut Stopwatch,
) -> Result<Arc<Rendered>, Vec<Failure>> {
    let application = &start.application;
    let (mirror, commit) = (start.mirror.clone(), start.target.info.id.clone());
    let path = application.path.as_str().to_owned();
    let wanted = application.renderer;
    let (snapshot, renderer) = blocking(move || {
        let snapshot = mirror.snapshot(&commit)?;
        let renderer = detect(&snapshot, &path, wanted)?;
        Ok((snapshot, renderer))
    })
    .await
    .map_err(|error: syncline_source::Error| vec![source_failure(&error)])?;
    let Some(renderer) = renderer else {
        let path = &application.path;
        let detail = format!(
            "`{path}` does not exist at commit {}",
            start.target.info.id.short()
        );
        return Err(vec![Failure {
            reason: Reason::PathNotFound,
            detail,
        }]);
    };
    watch.step("fetch");
    let (objects, mut warnings) = match renderer {
        Renderer::Plain | Renderer::Auto => (
            plain(agent, application, snapshot, reads).await?,
            Vec::new(),
        ),
        Renderer::Kustomize | Renderer::Helm => {
            rendered(agent, start, renderer, snapshot, reads).await?
        }
    };
    let set = complete(agent, start, objects, &mut warnings).await?;
    let applied = set
        .iter()
        .map(|m| {
            (
                m.key.clone(),
                applied_hash(agent.instance.key(), &m.body.to_wire()),
            )
        })
        .collect();
    let images = images(&set);
    if !warnings.is_empty() {
        let name = &application.name;
        report::event(agent, name, Reason::Ignored, &warnings.join("; ")).await;
        tracing::warn!(detail = warnings.join("; "), "something in Git is ignored");
    }
    watch.step("render");
    Ok(Arc::new(Rendered {
        application: application.clone(),
        reads: std::mem::take(reads),
        set,
        applied,
        images,
    }))
}

/// How a path is rendered; `None` where it does not exist.
fn detect(
    snapshot: &Snapshot,
    path: &str,
    wanted: Renderer,
) -> Result<Option<Renderer>, syncline_source::Error> {
    let Some(entries) = snapshot.list(path)? else {
        // A path may name one file.
        return Ok(snapshot.read_file(path)?.map(|_| Renderer::Plain));
    };
    let has = |name: &str| {
        entries
            .iter()
            .any(|e| e.name == name && e.kind == EntryKind::File)
    };
    Ok(Some(match wanted {
        Renderer::Auto if has("Chart.yaml") => Renderer::Helm,
        Renderer::Auto
            if ["kustomization.yaml", "kustomization.yml", "Kustomization"]
                .iter()
                .any(|n| has(n)) =>
        {
            Renderer::Kustomize
        }
        Renderer::Auto => Renderer::Plain,
        chosen => chosen,
    }))
}

/// Every YAML and JSON file below the path. All errors of all files at once.
async fn plain(
    agent: &Agent,
    application: &Application,
    snapshot: Snapshot,
    reads: &mut ReadSet,
) -> Result<Objects, Vec<Failure>> {
    let path = application.path.as_str().to_owned();
    reads.add_tree(&path);
    let limits = agent.yaml_limits();
    let (objects, links) = blocking(move || {
        let found = snapshot
            .files_below(&path)
            .map_err(|error| vec![source_failure(&error)])?;
        let files = match found {
            Some(files) => files,
            None => {
                let bytes = snapshot
                    .read_file(&path)
                    .map_err(|e| vec![source_failure(&e)])?;
                let bytes = bytes.unwrap_or_default();
                vec![syncline_source::SourceFile {
                    path: path.clone(),
                    bytes,
                    links: Vec::new(),
                }]
            }
        };
        let mut objects = Vec::new();
        let mut links = Vec::new();
        let mut failures = Vec::new();
        for file in files {
            links.extend(file.links);
            let extension = file.path.rsplit_once('.').map(|(_, extension)| extension);
            if !matches!(extension, Some("yaml" | "yml" | "json")) {
                continue;
            }
            match yaml::parse(&file.path, &file.bytes, &limits) {
                Ok(found) => objects.extend(found),
                Err(found) => failures.extend(found),
            }
        }
        if failures.is_empty() {
            Ok((objects, links))
        } else {
            Err(failures)
        }
    })
    .await?;
    for path in &links {
        reads.add_tree(path);
    }
    Ok(objects)
}

/// Kustomize or Helm, by the renderer process, which asks for files by path.
async fn rendered(
    agent: &Agent,
    start: &Start,
    renderer: Renderer,
    snapshot: Snapshot,
    reads: &mut ReadSet,
) -> Result<(Objects, Vec<String>), Vec<Failure>> {
    let application = &start.application;
    let path = application.path.as_str().to_owned();
    let cluster_failure = |error: syncline_cluster::Error| {
        vec![Failure {
            reason: error.reason(),
            detail: format!("discovery: {error}"),
        }]
    };
    let job = if renderer == Renderer::Kustomize {
        Job::Kustomize { path }
    } else {
        let discovery = agent.cluster.discovery();
        let release = &application.helm.release_name;
        let name = &application.name.name;
        Job::Helm {
            path,
            release_name: if release.is_empty() {
                name.clone()
            } else {
                release.clone()
            },
            namespace: application.namespace.clone(),
            values_files: application.helm.values_files.clone(),
            values: application.helm.values.clone(),
            kube_version: discovery.server_version().await.map_err(cluster_failure)?,
            api_versions: discovery.api_versions().await.map_err(cluster_failure)?,
            upgrade: if start.applied.is_some() {
                Release::Upgrade
            } else {
                Release::Install
            },
        }
    };
    let snapshot = Mutex::new(snapshot);
    let resolved = Mutex::new(ReadSet::default());
    let ask = |ask: &Ask| -> Result<Answer, AskError> {
        let snapshot = snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let mut resolved = resolved.lock().unwrap_or_else(PoisonError::into_inner);
        answer(&snapshot, ask, &mut resolved)
    };
    let rendered = agent.renderer.render(&job, &ask).await;
    let asked = resolved
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    *reads = asked;
    let rendered = rendered.map_err(|error| {
        vec![Failure {
            reason: error.reason(),
            detail: error.to_string(),
        }]
    })?;
    let mut warnings = rendered.warnings;
    for hook in &rendered.hooks {
        let origin = &hook.origin;
        warnings.push(format!(
            "{origin}: hooks are not run yet, so this object is left out"
        ));
    }
    Ok((rendered.objects, warnings))
}

/// Answers one question of the renderer from the tree, and notes what was read.
fn answer(snapshot: &Snapshot, ask: &Ask, reads: &mut ReadSet) -> Result<Answer, AskError> {
    let failed = |error: syncline_source::Error| AskError {
        reason: error.reason(),
        detail: error.to_string(),
    };
    let path = ask.path();
    for read in snapshot.trail(path).map_err(failed)? {
        match ask {
            Ask::Read(_) => reads.add_file(&read),
            Ask::List(_) => reads.add_listing(&read),
        }
    }
    match ask {
        Ask::Read(_) => {
            reads.add_file(path);
            if let Some(file) = snapshot.read_file(path).map_err(failed)? {
                return Ok(Answer::File(file));
            }
            // The renderer asks for a path before it knows what it is.
            let directory = snapshot.list(path).map_err(failed)?;
            Ok(directory.map_or(Answer::Missing, |_| Answer::Directory(Vec::new())))
        }
        Ask::List(_) => {
            reads.add_listing(path);
            if let Some(entries) = snapshot.list(path).map_err(failed)? {
                let entries = entries.into_iter().map(|entry| syncline_render::Entry {
                    name: entry.name,
                    is_directory: entry.kind == EntryKind::Directory,
                });
                return Ok(Answer::Directory(entries.collect()));
            }
            let file = snapshot.read_file(path).map_err(failed)?;
            Ok(file.map_or(Answer::Missing, |_| Answer::File(Vec::new())))
        }
    }
}

/// Identity, namespace, normal form and owner record of every object; refuses duplicates.
async fn complete(
    agent: &Agent,
    start: &Start,
    objects: Objects,
    warnings: &mut Vec<String>,
) -> Result<ManifestSet, Vec<Failure>> {
    let scopes = scopes(agent, &objects).await?;
    let scope_of = |group: &str, version: &str, kind: &str| {
        scopes
            .get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
            .copied()
    };
    let limits = agent.yaml_limits();
    let manifests = to_manifests(objects, &start.application.namespace, &scope_of, &limits)?;
    let mut complete: Vec<Manifest> = Vec::with_capacity(manifests.len());
    let mut failures = Vec::new();
    for manifest in manifests {
        match normalise(manifest) {
            Ok(normalised) => {
                warnings.extend(normalised.warnings);
                let mut manifest = normalised.manifest;
                decorate(&mut manifest, start);
                complete.push(manifest);
            }
            Err(found) => failures.extend(found),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    ManifestSet::new(start.target.info.id.clone(), complete)
}

/// What is known of each kind among the objects: from discovery, or from a CRD beside them.
async fn scopes(
    agent: &Agent,
    objects: &Objects,
) -> Result<BTreeMap<(String, String, String), Scope>, Vec<Failure>> {
    let mut kinds = BTreeSet::new();
    let mut scopes = BTreeMap::new();
    for (object, _) in objects {
        collect_kinds(object, &mut kinds, &mut scopes);
    }
    for (group, version, kind) in kinds {
        match agent
            .cluster
            .discovery()
            .resolve(&group, &version, &kind)
            .await
        {
            Ok(resource) => {
                let scope = match resource.scope {
                    discovery::Scope::Cluster => Scope::Cluster,
                    discovery::Scope::Namespaced => Scope::Namespaced,
                };
                scopes.insert((group, version, kind), scope);
            }
            Err(syncline_cluster::Error::UnknownKind { .. }) => {}
            Err(error) => {
                let detail = format!("discovery of {kind} in {group}/{version}: {error}");
                return Err(vec![Failure {
                    reason: error.reason(),
                    detail,
                }]);
            }
        }
    }
    Ok(scopes)
}

fn collect_kinds(
    object: &Value,
    kinds: &mut BTreeSet<(String, String, String)>,
    scopes: &mut BTreeMap<(String, String, String), Scope>,
) {
    let (Some(api_version), Some(kind)) = (object["apiVersion"].as_str(), object["kind"].as_str())
    else {
        return;
    };
    if let Some(items) = object["items"]
        .as_array()
        .filter(|_| kind.ends_with("List"))
    {
        for item in items {
            collect_kinds(item, kinds, scopes);
        }
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    kinds.insert((group.to_owned(), version.to_owned(), kind.to_owned()));
    if kind != "CustomResourceDefinition" {
        return;
    }
    let spec = &object["spec"];
    let scope = if spec["scope"] == "Cluster" {
        Scope::Cluster
    } else {
        Scope::Namespaced
    };
    let names = (spec["group"].as_str(), spec["names"]["kind"].as_str());
    if let (Some(group), Some(kind)) = names {
        for version in spec["versions"].as_array().into_iter().flatten() {
            if let Some(version) = version["name"].as_str() {
                scopes.insert(
                    (group.to_owned(), version.to_owned(), kind.to_owned()),
                    scope,
                );
            }
        }
    }
}

/// Puts the label and the owner record on an object.
fn decorate(manifest: &mut Manifest, start: &Start) {
    let record = start.owner.record_for(&manifest.key);
    let metadata = &mut manifest.body.visible_mut()["metadata"];
    metadata["labels"][names::LABEL_MANAGED] = start.owner.instance.as_str().into();
    metadata["annotations"][names::ANNOTATION_OWNER] = record.into();
}

/// The images of all containers, sorted, each once.
fn images(set: &ManifestSet) -> Vec<String> {
    let mut images = BTreeSet::new();
    for manifest in set {
        let spec = &manifest.body.visible()["spec"];
        let pods = [
            spec,
            &spec["template"]["spec"],
            &spec["jobTemplate"]["spec"]["template"]["spec"],
        ];
        for pod in pods {
            for list in ["initContainers", "containers"] {
                for container in pod[list].as_array().into_iter().flatten() {
                    images.extend(container["image"].as_str().map(str::to_owned));
                }
            }
        }
    }
    images.into_iter().collect()
}

fn source_failure(error: &syncline_source::Error) -> Failure {
    Failure {
        reason: error.reason(),
        detail: error.to_string(),
    }
}
