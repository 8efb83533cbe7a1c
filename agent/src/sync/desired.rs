//! Read, render and normalise: from a commit to the complete desired set.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use syncline_cluster::discovery;
use syncline_core::application::{Application, Renderer};
use syncline_core::diff;
use syncline_core::digest::Digest;
use syncline_core::kept::{Kept, KeptObject};
use syncline_core::manifest::{Manifest, ManifestSet, Scope, normalise, to_manifests, yaml};
use syncline_core::names;
use syncline_core::object::{ObjectKey, Origin};
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::owner::applied_hash;
use syncline_core::ownership;
use syncline_core::plan::Plan;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_core::revision::CommitId;
use syncline_core::trigger::Cause;
use syncline_render::{Answer, Ask, AskError, Job, Release};
use syncline_source::{EntryKind, Snapshot};

use super::{Start, Stopped, Stopwatch};
use crate::agent::{Agent, blocking};
use crate::state::Rendered;
use crate::{report, repositories};

/// Objects with their place in Git.
type Objects = Vec<(Value, Origin)>;

/// Hashes of what goes into a render beside the repository; a change of any of it asks for a new
/// render.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inputs {
    /// Of the spec and the agent.
    alone: Digest,
    /// Of those and what the cluster serves, which a Helm chart may ask for.
    with_cluster: Digest,
}

impl Inputs {
    /// Those of an application.
    pub(super) fn of(agent: &Agent, application: &Application) -> Self {
        let spec = (
            &application.path,
            application.renderer,
            &application.helm,
            &application.namespace,
            &application.ignore,
        );
        let text = format!("{} {spec:?}", env!("CARGO_PKG_VERSION"));
        let cluster = agent.cluster.discovery().fingerprint();
        let hash = |text: String| applied_hash(agent.instance.key(), &Value::from(text));
        Self {
            alone: hash(text.clone()),
            with_cluster: hash(format!("{text} {cluster}")),
        }
    }

    /// Whether a render with these inputs is as good as a new one.
    pub(super) fn fit(&self, inputs: Digest) -> bool {
        inputs == self.alone || inputs == self.with_cluster
    }
}

/// Whether no commit between the two has changed what was read.
pub(super) async fn still_holds(start: &Start, commit: &CommitId, reads: &ReadSet) -> bool {
    let target = start.target.info.id.clone();
    if *commit == target {
        return true;
    }
    let (mirror, commit) = (start.mirror.clone(), commit.clone());
    let changed = blocking(move || mirror.changed_paths(&commit, &target)).await;
    changed.is_ok_and(|changed| !reads.is_touched_by(&changed))
}

/// The desired set of the target commit; the one that is in memory already where nothing that it
/// was made of has changed. The second is the set of before, if it is at hand and another one.
pub(super) async fn desired(
    agent: &Arc<Agent>,
    start: &Start,
    watch: &mut Stopwatch,
) -> Result<Made, Stopped> {
    let previous = {
        let state = agent.state.lock();
        let entry = state.applications.get(&start.application.name);
        entry.and_then(|entry| Some((entry.kept.clone()?, entry.rendered.clone()?)))
    };
    if let Some((kept, rendered)) = &previous
        && start.inputs.fit(rendered.inputs)
        && still_holds(start, &kept.commit, &rendered.reads).await
    {
        watch.step("render");
        return Ok(Made {
            rendered: Arc::clone(rendered),
            previous: None,
        });
    }
    agent.metrics.renders.inc();
    let mut reads = ReadSet::default();
    let made = make(agent, start, &mut reads, watch).await;
    let rendered = made.map_err(|failures| {
        // Whatever is pushed below the path is worth another try.
        reads.add_tree(start.application.path.as_str());
        Stopped {
            failures,
            reads: Some(reads),
        }
    })?;
    Ok(Made {
        rendered,
        previous: previous.map(|(_, rendered)| rendered),
    })
}

/// A complete desired set.
pub(super) struct Made {
    pub(super) rendered: Arc<Rendered>,
    pub(super) previous: Option<Arc<Rendered>>,
}

impl Made {
    /// Says what Git changes in each object, where the set of before is at hand.
    pub(super) fn show_changes(&self, agent: &Agent, plan: &mut Plan) {
        let Some(previous) = &self.previous else {
            return;
        };
        let key = agent.instance.key();
        let updates = plan.actions.iter_mut();
        for action in updates.filter(|action| action.kind == ActionKind::Update) {
            let before = previous.set.get(&action.key);
            let after = self.rendered.set.get(&action.key);
            if let (Some(before), Some(after)) = (before, after) {
                let before = diff::masked(&before.body, key);
                action.changes = diff::changes(&before, &diff::masked(&after.body, key));
            }
        }
    }
}

/// Tells everybody what the application wants from now on, and wakes those who waited for it.
pub(super) fn claim(agent: &Agent, start: &Start, rendered: &Arc<Rendered>) {
    let name = &start.application.name;
    let kept = Kept {
        application: name.clone(),
        commit: start.target.info.id.clone(),
        inputs: rendered.inputs,
        reads: rendered.reads.clone(),
        images: rendered.images.clone(),
    };
    let objects = rendered.set.iter().filter_map(|manifest| {
        let object = KeptObject {
            origin: manifest.origin.clone(),
            applied: *rendered.hashes.get(&manifest.key)?,
            written: None,
        };
        Some((manifest.key.clone(), object))
    });
    let objects: BTreeMap<ObjectKey, KeptObject> = objects.collect();
    let mut state = agent.state.lock();
    let heirs = state.wants(name, kept, objects);
    let budget = agent.settings.render_cache_mib as usize * 1024 * 1024;
    state.keep_in_memory(name, Arc::clone(rendered), budget);
    if let Some(entry) = state.applications.get_mut(name) {
        entry.failed_reads = None;
    }
    if let Some(repository) = state.repository_of(name)
        && let Some(repository) = state.repositories.get_mut(&repository)
    {
        repository.index.insert(name, rendered.reads.clone());
    }
    for heir in heirs.iter().filter(|heir| *heir != name) {
        let (now, due) = (agent.clock.now(), agent.clock.monotonic());
        agent.queue.push(heir, Cause::Dependency, now, due);
    }
    drop(state);
    repositories::rendered(agent, name, start.heads);
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
    let (set, hashes) = complete(agent, start, objects, &mut warnings).await?;
    let images = images(&set);
    if !warnings.is_empty() {
        let name = &application.name;
        report::event(agent, name, Reason::Ignored, &warnings.join("; ")).await;
        tracing::warn!(detail = warnings.join("; "), "something in Git is ignored");
    }
    watch.step("render");
    let weight = set
        .iter()
        .map(|manifest| weigh(manifest.body.visible()))
        .sum();
    Ok(Arc::new(Rendered {
        inputs: match renderer {
            Renderer::Helm => start.inputs.with_cluster,
            Renderer::Plain | Renderer::Auto | Renderer::Kustomize => start.inputs.alone,
        },
        reads: std::mem::take(reads),
        set,
        hashes,
        images,
        weight,
    }))
}

/// Roughly how many bytes of memory a value takes.
fn weigh(value: &Value) -> usize {
    let own = size_of::<Value>();
    own + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weigh).sum(),
        Value::Object(fields) => fields.iter().map(|(k, v)| 80 + k.len() + weigh(v)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
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
) -> Result<(ManifestSet, BTreeMap<ObjectKey, Digest>), Vec<Failure>> {
    let scopes = scopes(agent, &objects).await?;
    let scope_of = |group: &str, version: &str, kind: &str| {
        scopes
            .get(&(group.to_owned(), version.to_owned(), kind.to_owned()))
            .copied()
    };
    let limits = agent.yaml_limits();
    let manifests = to_manifests(objects, &start.application.namespace, &scope_of, &limits)?;
    let mut complete: Vec<Manifest> = Vec::with_capacity(manifests.len());
    let mut hashes = BTreeMap::new();
    let mut failures = Vec::new();
    for manifest in manifests {
        match normalise(manifest) {
            Ok(normalised) => {
                warnings.extend(normalised.warnings);
                let mut manifest = normalised.manifest;
                let ignore = start.application.ignore.iter();
                let ignore: Vec<_> = ignore.filter(|rule| rule.selects(&manifest.key)).collect();
                ownership::without_ignored(manifest.body.visible_mut(), &ignore);
                // Before the owner record: another application's like object has the same hash.
                let hash = applied_hash(agent.instance.key(), &manifest.body.to_wire());
                hashes.insert(manifest.key.clone(), hash);
                decorate(&mut manifest, start);
                complete.push(manifest);
            }
            Err(found) => failures.extend(found),
        }
    }
    if !failures.is_empty() {
        return Err(failures);
    }
    let set = ManifestSet::new(start.target.info.id.clone(), complete)?;
    Ok((set, hashes))
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
