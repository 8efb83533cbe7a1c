//! What a sync would do, without doing it: the planner of the agent with what one look at the
//! cluster shows. Nothing is written.
//!
//! What only the memory of a running agent knows is taken the careful way: an object of another
//! application that exists stays with it, and nothing counts as known to stand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use syncline_cluster::{Account, ApplyOptions, Cluster, DryRun, Resource};
use syncline_core::application::{Application, Referent};
use syncline_core::diff::{self, Change};
use syncline_core::digest::Digest;
use syncline_core::handover::{Holder, Other, Right};
use syncline_core::manifest::{Body, Manifest, ManifestSet, Raw, yaml};
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::owner::{Owner, applied_hash};
use syncline_core::ownership;
use syncline_core::plan::{Approval, Facts, Inputs, Live, Plan, plan};
use syncline_core::projection::project;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::secret_inputs::SecretInputs;

use crate::live::reduced;
use crate::rendering::{Kind, Sources};
use crate::sync::{self, Completion, Extent, Known};

/// Whose view it is, and of what.
pub(crate) struct Subject<'a> {
    pub(crate) cluster: &'a Cluster,
    /// Who reads.
    pub(crate) account: &'a Account,
    pub(crate) application: &'a Application,
    /// How it was rendered, and from what.
    pub(crate) kind: Kind,
    pub(crate) sources: &'a Sources,
    /// Which application of which installation it is.
    pub(crate) identity: Identity,
    /// Which objects may have left Git.
    pub(crate) left: Left,
    pub(crate) approval: Approval,
    pub(crate) rehearsal: Rehearsal,
    pub(crate) commit: CommitId,
    pub(crate) settings: Settings,
}

/// Which installation the objects belong to.
pub(crate) struct Identity {
    /// Its id; `None` where it could not be read: then what is live says it.
    pub(crate) instance: Option<String>,
    /// The key of its hashes; without it objects are compared field by field.
    pub(crate) key: Option<Vec<u8>>,
    /// Whether the name of the application is known or only likely.
    pub(crate) name: Certainty,
}

/// Whether the name of the application is that of an Application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// It is.
    Known,
    /// It was made up: the application that has the live objects takes its place.
    Guessed,
}

/// Which objects may have left Git.
pub(crate) enum Left {
    /// Those of these kinds and namespaces, and of all that Git names.
    In(Extent),
    /// None: nothing is looked for.
    None,
}

/// Whether the API server is asked to try each write without effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rehearsal {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// Settings of the agent that a plan depends on.
pub(crate) struct Settings {
    /// Namespace of the agent.
    pub(crate) agent_namespace: String,
    /// Field managers that are tools of people.
    pub(crate) manual_tools: Vec<String>,
    /// For how long another tool counts as at work after its last write.
    pub(crate) tool_quiet_period: Duration,
    /// Requests at the same time.
    pub(crate) concurrency: usize,
    /// Limits of manifests.
    pub(crate) limits: yaml::Limits,
}

/// What a sync would do. Holds no value of a Secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    /// Every object with what happens to it.
    #[serde(flatten)]
    pub(crate) plan: Plan,
    /// What could not be read: about that nothing is known.
    pub(crate) unread: Vec<Failure>,
    /// What is said of the comparison itself.
    pub(crate) remarks: Vec<String>,
}

/// Compares rendered objects with the cluster. `secrets` is what was secret in the render.
///
/// Fails with everything that is wrong with the objects, or where the API server does not answer.
pub(crate) async fn preview(
    subject: &Subject<'_>,
    mut objects: Vec<Raw>,
    secrets: &SecretInputs,
) -> Result<Preview, Vec<Failure>> {
    let application = subject.application;
    let discovery = subject.cluster.discovery();
    let namespace = &application.namespace;
    let mut warnings = Vec::new();
    let mut remarks = Vec::new();
    let kept = sync::settle(discovery, namespace, subject.account, &mut objects)
        .await
        .map_err(|failure| vec![failure])?;
    let mut owner = Owner {
        instance: subject.identity.instance.clone().unwrap_or_default(),
        application: application.name.clone(),
    };
    let one_time = ulid::Ulid::new().to_bytes();
    let key = subject.identity.key.as_deref().unwrap_or(&one_time);
    let completed = async |owner: &Owner, objects, warnings: &mut Vec<String>| {
        let with = Completion {
            discovery,
            application,
            owner,
            key,
            commit: &subject.commit,
            limits: subject.settings.limits,
        };
        sync::complete(&with, objects, warnings).await
    };
    let (mut set, mut hashes) = completed(&owner, objects.clone(), &mut warnings).await?;
    let policy = application.rendering.validate;
    let refused = sync::validate(
        subject.cluster,
        policy,
        subject.kind,
        subject.sources,
        &set,
        &mut warnings,
    )
    .await;
    let mut extent = match &subject.left {
        Left::In(extent) => extent.clone(),
        Left::None => Extent::default(),
    };
    set.iter().for_each(|manifest| extent.add(&manifest.key));
    extent.namespaces.insert(namespace.clone());
    let mut known = Known::of(discovery, &extent).await;
    let mut seen = read(subject, &known, &set).await?;
    if let Some(found) = likely_owner(subject, &owner, &seen.live) {
        remarks.push(format!(
            "compared as application {} of installation {}, which has these objects",
            found.application, found.instance
        ));
        owner = found;
        (set, hashes) = completed(&owner, objects, &mut Vec::new()).await?;
    }
    if let Left::In(_) = subject.left
        && !owner.instance.is_empty()
    {
        left(subject, &owner, &extent, &mut known, &set, &mut seen).await?;
    }
    let mut compared = BTreeMap::new();
    if subject.identity.key.is_none() {
        remarks.push(
            "the key of the agent's hashes cannot be read: objects are compared field by field"
                .to_owned(),
        );
        hashes_by_fields(
            subject,
            &owner,
            &set,
            &seen,
            &mut hashes,
            &mut compared,
            secrets,
        )
        .await;
    }
    let facts = facts(subject, &owner, &set, &known, &seen).await;
    let before = before(&owner, &seen.live);
    let mut plan = plan(&Inputs {
        desired: &set,
        hashes: &hashes,
        before: &before,
        standing: &BTreeSet::new(),
        live: &seen.live,
        owner: &owner,
        policy: &application.sync,
        ignore: &application.ignore,
        manual_tools: &subject.settings.manual_tools,
        approval: &subject.approval,
        facts: &facts,
        agent_namespace: &subject.settings.agent_namespace,
    });
    plan.warnings.extend(warnings);
    not_served(&mut plan, &known, &set);
    sync::leave_out(&refused, &mut plan);
    let mut unstable = sync::notes(&kept, &set);
    for action in &mut plan.actions {
        let Some(manifest) = set.get(&action.key) else {
            continue;
        };
        action.notes.extend(unstable.remove(&action.key));
        if action.kind == ActionKind::Update {
            let (changes, note) = match compared.remove(&action.key) {
                Some(compared) => compared,
                None => compare(subject, &owner, manifest, &seen.live, secrets).await,
            };
            action.changes = changes;
            action.notes.extend(note);
        }
        if subject.rehearsal == Rehearsal::Yes
            && matches!(action.kind, ActionKind::Create | ActionKind::Update)
            && let Err(because) = rehearse(subject, &owner, manifest).await
        {
            action.kind = ActionKind::Skip;
            action.because = Some(because);
        }
    }
    mask(&mut plan, secrets);
    Ok(Preview {
        plan,
        unread: known.unread,
        remarks,
    })
}

/// What was read of single objects.
#[derive(Default)]
struct Seen {
    live: BTreeMap<ObjectKey, Live>,
    unreadable: BTreeMap<ObjectKey, Failure>,
}

async fn read(
    subject: &Subject<'_>,
    known: &Known,
    set: &ManifestSet,
) -> Result<Seen, Vec<Failure>> {
    let keys = set.iter().filter_map(|manifest| {
        let resource = known.resources.get(&manifest.key.group_kind())?;
        let readable = resource.supports("get");
        readable.then(|| (resource.clone(), manifest.key.clone()))
    });
    let discovery = subject.cluster.discovery();
    let concurrency = subject.settings.concurrency;
    let answers = sync::read(discovery, subject.account, keys.collect(), concurrency).await;
    let mut seen = Seen::default();
    for answer in answers {
        let key = answer.key;
        match answer.found {
            Ok(Some(live)) => {
                seen.live.insert(key, reduced(&live));
            }
            Ok(None) => {}
            Err(error) => {
                let place = set.get(&key).map(|manifest| manifest.origin.to_string());
                let failure = Failure {
                    reason: error.reason(),
                    detail: format!("{}: {key}: {error}", place.unwrap_or_default()),
                };
                if failure.reason == Reason::ApiUnavailable && !answer.down {
                    return Err(vec![failure]);
                }
                seen.unreadable.insert(key, failure);
            }
        }
    }
    Ok(seen)
}

/// The owner that most of the live objects name, where ours is not known for sure.
fn likely_owner(
    subject: &Subject<'_>,
    owner: &Owner,
    live: &BTreeMap<ObjectKey, Live>,
) -> Option<Owner> {
    let known = subject.identity.instance.is_some();
    if known && subject.identity.name == Certainty::Known {
        return None;
    }
    let mut counts: BTreeMap<Owner, usize> = BTreeMap::new();
    for (key, object) in live {
        let Some(found) = object.owner(key) else {
            continue;
        };
        let same_instance = !known || found.instance == owner.instance;
        let same_name =
            subject.identity.name == Certainty::Guessed || found.application == owner.application;
        if same_instance && same_name {
            *counts.entry(found).or_default() += 1;
        }
    }
    let found = counts.into_iter().max_by_key(|(_, count)| *count);
    found.map(|(found, _)| found).filter(|found| found != owner)
}

/// Looks for objects of ours that Git no longer names.
async fn left(
    subject: &Subject<'_>,
    owner: &Owner,
    extent: &Extent,
    known: &mut Known,
    set: &ManifestSet,
    seen: &mut Seen,
) -> Result<(), Vec<Failure>> {
    let selector = format!("{}={}", names::LABEL_MANAGED, owner.instance);
    let parts = known.parts(extent);
    let discovery = subject.cluster.discovery();
    let concurrency = subject.settings.concurrency;
    let lists = sync::list_parts(
        discovery,
        subject.account,
        parts,
        &selector,
        concurrency,
        known,
    )
    .await;
    for (_, list) in lists.map_err(sync::Stopped::into_failures)? {
        for object in list {
            let live = reduced(&object);
            if set.get(&object.key).is_none() && live.owner(&object.key).as_ref() == Some(owner) {
                seen.live.insert(object.key, live);
            }
        }
    }
    Ok(())
}

/// What differs in an object, and what is to be said of that.
type Comparison = (Vec<Change>, Option<String>);

/// Without the key of the hashes an object of ours counts as applied before where every field that
/// Git names is as Git says.
async fn hashes_by_fields(
    subject: &Subject<'_>,
    owner: &Owner,
    set: &ManifestSet,
    seen: &Seen,
    hashes: &mut BTreeMap<ObjectKey, Digest>,
    compared: &mut BTreeMap<ObjectKey, Comparison>,
    secrets: &SecretInputs,
) {
    for manifest in set {
        let Some(live) = seen.live.get(&manifest.key) else {
            continue;
        };
        if live.owner(&manifest.key).as_ref() != Some(owner) {
            continue;
        }
        let comparison = compare(subject, owner, manifest, &seen.live, secrets).await;
        if comparison.0.is_empty()
            && comparison.1.is_none()
            && let Some(applied) = live.applied()
        {
            hashes.insert(manifest.key.clone(), applied);
        }
        compared.insert(manifest.key.clone(), comparison);
    }
}

async fn facts(
    subject: &Subject<'_>,
    owner: &Owner,
    set: &ManifestSet,
    known: &Known,
    seen: &Seen,
) -> Facts {
    let live = &seen.live;
    let (discovery, account) = (subject.cluster.discovery(), subject.account);
    let quiet = subject.settings.tool_quiet_period;
    let mut others = BTreeMap::new();
    for (key, object) in live {
        let other = object
            .owner(key)
            .filter(|other| other.instance == owner.instance && other != owner);
        if let (Some(other), Some(_)) = (other, set.get(key)) {
            let name = other.application;
            others.insert(key.clone(), holder(subject, name).await);
        }
    }
    Facts {
        others,
        tools: sync::tools(discovery, account, set, live, Timestamp::now(), quiet).await,
        autoscaled: sync::autoscaled(&owner.instance, account, set, live).await,
        unread: known.unread.clone(),
        unreadable: seen.unreadable.clone(),
        ..Facts::default()
    }
}

/// What is known of the application that has an object: what it wants, a running agent alone knows.
async fn holder(subject: &Subject<'_>, application: Name) -> Other {
    let namespace = Some(application.namespace.clone());
    let exists = match own_kind(subject.cluster).await {
        Ok(resource) => {
            let key = resource.key(namespace, application.name.as_str());
            let found = subject.account.get_metadata(&resource, &key).await;
            // What cannot be read may be there.
            found.map_or(true, |found| found.is_some_and(|it| it.deleted.is_none()))
        }
        Err(_) => true,
    };
    let near = application.namespace == subject.application.name.namespace;
    Other {
        application,
        holder: if exists {
            Holder::WantsAnother
        } else {
            Holder::LeftIt
        },
        right: if near { Right::Granted } else { Right::Missing },
    }
}

/// The kind `Application` as the cluster serves it.
pub(crate) async fn own_kind(cluster: &Cluster) -> Result<Resource, syncline_cluster::Error> {
    let kind = syncline_cluster::Kind::Application.as_str();
    cluster.discovery().preferred(names::GROUP, kind).await
}

/// What was applied to the live objects of ours before.
fn before(owner: &Owner, live: &BTreeMap<ObjectKey, Live>) -> BTreeMap<ObjectKey, Digest> {
    let ours = live.iter().filter(|(key, object)| {
        let found = object.owner(key);
        found.as_ref() == Some(owner)
    });
    ours.filter_map(|(key, object)| Some((key.clone(), object.applied()?)))
        .collect()
}

/// An object of a kind that nobody serves cannot be made, unless its definition comes with it.
fn not_served(plan: &mut Plan, known: &Known, set: &ManifestSet) {
    let defined: BTreeSet<String> = set
        .iter()
        .filter(|manifest| manifest.key.kind == "CustomResourceDefinition")
        .filter_map(|manifest| {
            let spec = &manifest.body.visible()["spec"];
            let (group, kind) = (spec["group"].as_str()?, spec["names"]["kind"].as_str()?);
            Some(format!("{kind}.{group}"))
        })
        .collect();
    for action in &mut plan.actions {
        let kind = action.key.group_kind();
        let unknown = !known.resources.contains_key(&kind) && !defined.contains(&kind);
        let unread = known
            .unread
            .iter()
            .any(|failure| failure.detail.starts_with(&kind));
        if action.kind == ActionKind::Create && unknown && !unread {
            action.kind = ActionKind::Skip;
            action.because = Some(Failure {
                reason: Reason::UnknownKind,
                detail: format!("{}: {}", action.key, action.key.api_version()),
            });
        }
    }
}

/// The fields of a live object that an update changes.
async fn compare(
    subject: &Subject<'_>,
    owner: &Owner,
    manifest: &Manifest,
    live: &BTreeMap<ObjectKey, Live>,
    secrets: &SecretInputs,
) -> Comparison {
    let unclear = |why: String| (Vec::new(), Some(format!("cannot be compared: {why}")));
    let key = &manifest.key;
    let discovery = subject.cluster.discovery();
    let resource = discovery.resolve(&key.group, &key.version, &key.kind).await;
    let found = match resource {
        Ok(resource) => subject.account.get_full(&resource, key).await,
        Err(error) => Err(error),
    };
    let mut object = match found {
        Ok(Some(object)) => object,
        Ok(None) => return unclear("it is gone".to_owned()),
        Err(error) => return unclear(error.to_string()),
    };
    let mut note = None;
    if let (true, Some(namespace)) = (key.is_secret(), &key.namespace) {
        let account = subject.account;
        match account.data(Referent::Secret, namespace, &key.name).await {
            Ok(data) => {
                let data = data.unwrap_or_default();
                let encode = |value| base64::engine::general_purpose::STANDARD.encode(value);
                let values = data.keys().filter_map(|name| {
                    let value = encode(data.get(name)?);
                    Some((name.to_owned(), Value::from(value)))
                });
                object["data"] = values.collect::<Map<_, _>>().into();
            }
            Err(error) => note = Some(format!("its values cannot be compared: {error}")),
        }
    }
    let wire = manifest.body.to_wire();
    let manager = names::field_manager(&owner.instance);
    let fields = live.get(key).map_or(&[][..], |live| &live.managed_fields);
    let owned = ownership::applied_entry(fields, &manager);
    let live = project(&object, &wire, owned.unwrap_or(&Value::Null));
    // The message of the error names a key of the Secret at most.
    let body = match Body::take(live) {
        Ok(body) => body,
        Err(why) => return unclear(why),
    };
    // Equal values look equal in this one answer, and nothing can be learnt from two.
    let key = applied_hash(&ulid::Ulid::new().to_bytes(), &Value::Null).to_string();
    let mut changes = diff::changes(
        &diff::masked(&body, key.as_bytes(), secrets),
        &diff::masked(&manifest.body, key.as_bytes(), secrets),
    );
    if note.is_some() {
        changes.retain(|change| !change.path.starts_with("data"));
    }
    (changes, note)
}

/// Has the API server try a write without effect.
async fn rehearse(
    subject: &Subject<'_>,
    owner: &Owner,
    manifest: &Manifest,
) -> Result<(), Failure> {
    let key = &manifest.key;
    let options = ApplyOptions {
        conflicts: subject.application.sync.conflicts,
        dry_run: DryRun::Yes,
        resource_version: None,
    };
    let manager = names::field_manager(&owner.instance);
    let discovery = subject.cluster.discovery();
    let tried = match discovery.resolve(&key.group, &key.version, &key.kind).await {
        Ok(resource) => {
            let wire = manifest.body.to_wire();
            let account = subject.account;
            account
                .apply(&resource, key, &wire, &manager, options)
                .await
        }
        Err(error) => Err(error),
    };
    tried.map(|_| ()).map_err(|error| Failure {
        reason: error.reason(),
        detail: format!("{}: {key}: {error}", manifest.origin),
    })
}

fn mask(plan: &mut Plan, secrets: &SecretInputs) {
    let mask = |text: &mut String| *text = secrets.mask_text(text).into_owned();
    plan.warnings.iter_mut().for_each(mask);
    for action in &mut plan.actions {
        action.notes.iter_mut().for_each(mask);
        if let Some(because) = &mut action.because {
            mask(&mut because.detail);
        }
    }
}
