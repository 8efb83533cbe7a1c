//! Read, render and normalise: from a commit to the complete desired set.

mod complete;
mod unstable;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt as _;
use syncline_cluster::Account;
use syncline_core::diff;
use syncline_core::kept::{Kept, KeptObject, OtherReads};
use syncline_core::masking::Masking;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::plan::Plan;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::trigger::Cause;
use syncline_render::{ChartRef, ClusterFacts};
use syncline_source::Mirror;

pub(crate) use complete::{Complete, Completion, complete};
pub(crate) use unstable::{notes, settle};
pub(crate) use validate::{leave_out, validate};

use super::given::Given;
use super::{Other, Start, Stopped, Stopwatch, supply};
use crate::agent::{Agent, blocking};
use crate::rendering::{self, Kind, Request, Seen, Sources, Tree};
use crate::state::Rendered;
use crate::{report, repositories};

/// Whether no commit since the render has changed what it read, in any of its sources.
pub(super) async fn still_holds(start: &Start, kept: &Kept) -> bool {
    still_holds_at(start, kept, &start.target.info.id, &start.others).await
}

/// As [`still_holds`], of other commits than those of the sync.
pub(super) async fn still_holds_at(
    start: &Start,
    kept: &Kept,
    target: &CommitId,
    others: &BTreeMap<String, Other>,
) -> bool {
    if !unchanged(&start.mirror, &kept.commit, target, &kept.reads).await {
        return false;
    }
    for (source, other) in others {
        let Some(read) = kept.others.get(source) else {
            return false;
        };
        let same = read.repository == other.repository;
        if !same || !unchanged(&other.mirror, &read.commit, &other.commit, &read.reads).await {
            return false;
        }
    }
    true
}

/// Whether the commits between the two change nothing that was read.
async fn unchanged(mirror: &Mirror, old: &CommitId, new: &CommitId, reads: &ReadSet) -> bool {
    if old == new {
        return true;
    }
    let (mirror, old, new) = (mirror.clone(), old.clone(), new.clone());
    let changed = blocking(move || mirror.changed_paths(&old, &new)).await;
    changed.is_ok_and(|changed| !reads.is_touched_by(&changed))
}

/// The desired set of the target commit; the one that is in memory already where nothing that it
/// was made of has changed. The second is the set of before, if it is at hand and another one.
pub(super) async fn desired(
    agent: &Arc<Agent>,
    start: &Start,
    account: &Account,
    given: &Given,
    watch: &mut Stopwatch,
) -> Result<Made, Stopped> {
    let previous = {
        let state = agent.state.lock();
        let entry = state.applications.get(&start.application.name);
        entry.and_then(|entry| Some((entry.kept.clone()?, entry.rendered.clone()?)))
    };
    if let Some((kept, rendered)) = &previous
        && given.inputs.fit(rendered.inputs)
        && still_holds(start, kept).await
    {
        watch.step("render");
        return Ok(Made {
            rendered: Arc::clone(rendered),
            previous: None,
        });
    }
    agent.metrics.renders.inc();
    let made = make(agent, start, account, given, watch).await;
    let rendered = made.map_err(|(failures, mut reads)| {
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
    /// Says what is written, what Git changes in each object, where the set of before is at hand, and
    /// what of it keeps its live value.
    pub(super) fn show_changes(&self, agent: &Agent, application: &Name, plan: &mut Plan) {
        for action in &mut plan.actions {
            action
                .notes
                .extend(self.rendered.unstable.get(&action.key).cloned());
        }
        if !plan.has_writes() {
            return;
        }
        let previous = self.previous.as_deref();
        let mut secrets = self.rendered.secrets.clone();
        if let Some(previous) = previous {
            secrets.extend(&previous.secrets);
        }
        let key = agent.instance.key();
        let masking = Masking::of_application(&agent.masking, &secrets, key, application);
        for action in &mut plan.actions {
            let writes = matches!(action.kind, ActionKind::Create | ActionKind::Update);
            let after = self.rendered.set.get(&action.key).filter(|_| writes);
            let before = previous.and_then(|previous| previous.set.get(&action.key));
            let after = match (before, after) {
                (Some(before), Some(after)) if action.kind == ActionKind::Update => {
                    let (before, after) = masking.pair(&before.body, &after.body);
                    action.changes = diff::changes(&before, &after);
                    Some(after)
                }
                (_, after) => after.map(|after| masking.object(&after.body)),
            };
            action.manifest = after.map(|after| after.manifest());
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
        others: rendered.others.clone(),
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
        if entry.blocked.is_none() {
            entry.ahead = None;
        }
    }
    state.index(name);
    for heir in heirs.iter().filter(|heir| *heir != name) {
        let (now, due) = (agent.clock.now(), agent.clock.monotonic());
        agent.queue.push(heir, Cause::Dependency, now, due);
    }
    drop(state);
    repositories::rendered(agent, name, start.heads);
}

pub(super) async fn make(
    agent: &Arc<Agent>,
    start: &Start,
    account: &Account,
    given: &Given,
    watch: &mut Stopwatch,
) -> Result<Arc<Rendered>, (Vec<Failure>, ReadSet)> {
    let untouched = |failure| (vec![failure], ReadSet::default());
    let (mut sources, target) = sources(start, given).await.map_err(untouched)?;
    watch.step("fetch");
    let mut made = Parts::default();
    let outcome = parts(agent, start, account, given, &mut sources, &mut made).await;
    let Seen {
        mut reads,
        mut secrets,
    } = sources.into_seen();
    secrets.extend(&given.material.secrets);
    let own = reads.remove("").unwrap_or_default();
    let Complete { set, hashes, hooks } = match outcome {
        Ok(complete) => complete,
        Err(failures) => return Err((masked(failures, &secrets), own)),
    };
    let warnings = made.warnings;
    let objects = || set.iter().chain(hooks.iter().map(|hook| &hook.manifest));
    let images = complete::images(objects());
    if !warnings.is_empty() {
        let name = &start.application.name;
        let warnings = secrets.mask_text(&warnings.join("; ")).into_owned();
        report::event(agent, name, Reason::Ignored, &warnings).await;
        tracing::warn!(detail = warnings, "something in Git is ignored");
    }
    watch.step("render");
    let weight = objects()
        .map(|manifest| rendering::weigh(manifest.body.visible()))
        .sum();
    let others = target.into_iter().map(|(source, (repository, commit))| {
        let reads = reads.remove(&source).unwrap_or_default();
        let other = OtherReads {
            repository,
            commit,
            reads,
        };
        (source, other)
    });
    let others = others.collect();
    Ok(Arc::new(Rendered {
        inputs: given.inputs.of(made.sees_cluster),
        reads: own,
        others,
        set,
        hashes,
        hooks,
        images,
        secrets,
        notes: made.notes,
        unstable: made.unstable,
        refused: made.refused,
        weight,
    }))
}

pub(super) fn masked(failures: Vec<Failure>, secrets: &SecretInputs) -> Vec<Failure> {
    let masked = failures.into_iter().map(|failure| Failure {
        reason: failure.reason,
        detail: secrets.mask_text(&failure.detail).into_owned(),
    });
    masked.collect()
}

/// The commit of each other source, by its name: Repository and commit.
type Commits = BTreeMap<String, (String, CommitId)>;

/// The trees that the application is rendered from.
pub(super) async fn sources(start: &Start, given: &Given) -> Result<(Sources, Commits), Failure> {
    let opened = |mirror: &Mirror, commit: &CommitId| {
        let (mirror, commit) = (mirror.clone(), commit.clone());
        blocking(move || mirror.snapshot(&commit))
    };
    let failed = |error: syncline_source::Error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    };
    let own = opened(&start.mirror, &start.target.info.id).await;
    let own = Tree::of(own.map_err(failed)?);
    let mut sources = Sources::new(own, given.material.keys.clone());
    let mut commits = Commits::new();
    for (source, other) in &start.others {
        let tree = opened(&other.mirror, &other.commit).await.map_err(failed)?;
        sources.add(source.clone(), Tree::of(tree));
        let commit = (other.repository.clone(), other.commit.clone());
        commits.insert(source.clone(), commit);
    }
    Ok((sources, commits))
}

/// What comes out beside the objects.
#[derive(Default)]
struct Parts {
    sees_cluster: bool,
    warnings: Vec<String>,
    notes: String,
    unstable: BTreeMap<ObjectKey, String>,
    refused: BTreeMap<ObjectKey, Failure>,
}

/// The steps from the sources to the complete set.
async fn parts(
    agent: &Arc<Agent>,
    start: &Start,
    account: &Account,
    given: &Given,
    sources: &mut Sources,
    made: &mut Parts,
) -> Result<Complete, Vec<Failure>> {
    let application = &start.application;
    let (kind, output) = output(agent, start, account, given, sources).await?;
    made.sees_cluster = output.sees_cluster;
    let warnings = &mut made.warnings;
    *warnings = output.warnings;
    made.notes = output.notes;
    let mut objects = output.objects;
    let discovery = agent.cluster.discovery();
    let kept = settle(discovery, &application.namespace, account, &mut objects)
        .await
        .map_err(|failure| vec![failure])?;
    let with = Completion {
        discovery,
        application,
        owner: &start.owner,
        key: agent.instance.key(),
        commit: &start.target.info.id,
        limits: agent.yaml_limits(),
    };
    let complete = complete(&with, objects, output.hooks, warnings).await?;
    let policy = application.rendering.validate;
    let refused = validate(&agent.cluster, policy, kind, sources, &complete, warnings).await;
    // Nothing goes on without a hook, so one that is refused is as good as none at all.
    let mut hooks = complete.hooks.iter();
    let hook_is_refused = hooks.any(|hook| refused.contains_key(&hook.manifest.key));
    if hook_is_refused || (application.sync.atomic && !refused.is_empty()) {
        return Err(refused.into_values().collect());
    }
    made.refused = refused;
    made.unstable = notes(&kept, &complete.set);
    Ok(complete)
}

/// What the sources are rendered to; from memory where the same was rendered before.
pub(super) async fn output(
    agent: &Arc<Agent>,
    start: &Start,
    account: &Account,
    given: &Given,
    sources: &mut Sources,
) -> Result<(Kind, rendering::Output), Vec<Failure>> {
    let one = |failure| vec![failure];
    let kind = rendering::kind(&start.application, sources).map_err(one)?;
    // Only a chart can tell a first sync from a later one.
    let upgrade = kind == Kind::Helm && start.applied.is_some();
    let key = given.key(kind != Kind::Plain, upgrade);
    if let Some(output) = rendering::find(&agent.renders, key, sources).map_err(one)? {
        return Ok((kind, output));
    }
    let output = objects(agent, start, account, given, kind, sources).await?;
    rendering::keep(&agent.renders, key, sources, &output).map_err(one)?;
    Ok((kind, output))
}

async fn objects(
    agent: &Arc<Agent>,
    start: &Start,
    account: &Account,
    given: &Given,
    kind: Kind,
    sources: &mut Sources,
) -> Result<rendering::Output, Vec<Failure>> {
    let application = &start.application;
    let cluster = match kind {
        Kind::Plain => ClusterFacts::default(),
        Kind::Kustomize | Kind::Helm => facts(agent).await.map_err(|failure| vec![failure])?,
    };
    let chart = application.rendering.helm.chart.as_ref();
    let chart = chart
        .zip(given.chart.as_ref())
        .map(|(source, resolved)| ChartRef {
            repository: source.repository.clone(),
            name: source.name.clone(),
            version: resolved.version.clone(),
            digest: String::new(),
        });
    let mut request = Request {
        application,
        sources,
        material: &given.material,
        cluster,
        chart,
        upgrade: start.applied.is_some(),
        limits: agent.yaml_limits(),
    };
    let chart = given.chart.as_ref();
    let supply = |ask| {
        let supplied = async move { supply::supply(agent, start, account, chart, &ask).await };
        supplied.boxed()
    };
    rendering::render(&agent.renderer, &mut request, &supply).await
}

/// What a chart sees of the cluster.
async fn facts(agent: &Agent) -> Result<ClusterFacts, Failure> {
    let discovery = agent.cluster.discovery();
    let failed = |error: syncline_cluster::Error| Failure {
        reason: error.reason(),
        detail: format!("discovery: {error}"),
    };
    Ok(ClusterFacts {
        kube_version: discovery.server_version().await.map_err(failed)?,
        api_versions: discovery.api_versions().await.map_err(failed)?,
        ..ClusterFacts::default()
    })
}
