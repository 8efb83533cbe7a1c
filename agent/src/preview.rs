//! What a sync would do, without doing it: the planner of the agent with what one look at the
//! cluster shows. Nothing is written.
//!
//! What only the memory of a running agent knows is taken the careful way: an object of another
//! application that exists stays with it, and nothing counts as known to stand.

mod answer;
mod compare;
mod facts;
mod look;
mod reference;
mod texts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use syncline_cluster::{Account, Cluster};
use syncline_core::application::Application;
use syncline_core::digest::Digest;
use syncline_core::hooks::{self, Found, Hook};
use syncline_core::manifest::{Raw, yaml};
use syncline_core::masking::Rules;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::owner::Owner;
use syncline_core::plan::{Approval, Consent, Inputs, Plan, plan};
use syncline_core::revision::{CommitId, CommitInfo};
use syncline_core::rollout::{self, Ledger, Past};
use syncline_core::secret_inputs::SecretInputs;

use crate::agent::Agent;
use crate::approval;
use crate::rendering::{Kind, Sources};
use crate::sync::{self, Complete, Completion, Extent, Known};

pub(crate) use answer::{PlannedHook, Preview, counted};
use compare::{compare, hashes_by_fields, rehearse};
pub(crate) use facts::own_kind;
use facts::{before, facts, not_served};
use look::{left, likely_owner, read};
pub(crate) use reference::{Unpreviewed, differences, of_draft, waiting_or_at};
pub(crate) use texts::Texts;

/// Whose view it is, and of what.
pub(crate) struct Subject<'a> {
    /// What a running agent knows; without it everything is taken the careful way.
    pub(crate) memory: Option<&'a Agent>,
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
    pub(crate) detail: Detail,
    /// What was rendered; none for a folder.
    pub(crate) commit: Option<CommitInfo>,
    /// What came before.
    pub(crate) last: Last,
    pub(crate) settings: Settings,
}

/// What is remembered of the syncs before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Last {
    /// The last rollout that had an order.
    pub(crate) rollout: Option<Ledger>,
    /// The commit that was applied last.
    pub(crate) applied: Option<CommitId>,
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

/// How closely objects are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The fields of Git that an update changes.
    Fields,
    /// Every object that does not stand as two whole texts, as the API server would make it.
    Texts,
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
    /// What is masked beside the values of Secrets.
    pub(crate) masking: Arc<Rules>,
}

/// Compares rendered objects with the cluster. `secrets` is what was secret in the render.
///
/// Fails with everything that is wrong with the objects, or where the API server does not answer.
pub(crate) async fn preview(
    subject: &Subject<'_>,
    mut objects: Vec<Raw>,
    hooks: Vec<Found>,
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
    let none = CommitId::parse(&"0".repeat(40)).expect("forty digits");
    let one_time = ulid::Ulid::new().to_bytes();
    let key = subject.identity.key.as_deref().unwrap_or(&one_time);
    let completed = async |owner: &Owner, objects, hooks, warnings: &mut Vec<String>| {
        let with = Completion {
            discovery,
            application,
            owner,
            key,
            commit: subject.commit.as_ref().map_or(&none, |commit| &commit.id),
            limits: subject.settings.limits,
        };
        sync::complete(&with, objects, hooks, warnings).await
    };
    let complete = completed(&owner, objects.clone(), hooks, &mut warnings).await?;
    let policy = application.rendering.validate;
    let refused = sync::validate(
        subject.cluster,
        policy,
        subject.kind,
        subject.sources,
        &complete,
        &mut warnings,
    )
    .await;
    let Complete {
        mut set,
        mut hashes,
        hooks,
    } = complete;
    let mut extent = match &subject.left {
        Left::In(extent) => extent.clone(),
        Left::None => Extent::default(),
    };
    set.iter().for_each(|manifest| extent.add(&manifest.key));
    extent.namespaces.insert(namespace.clone());
    let mut known = Known::of(discovery, &extent).await;
    let standing = subject
        .memory
        .map(|agent| sync::standing_as(agent, &application.name, &hashes));
    let standing = standing.unwrap_or_default();
    let mut seen = read(subject, &known, &set, &standing).await?;
    if let Some(found) = likely_owner(subject, &owner, &seen.live) {
        remarks.push(format!(
            "compared as application {} of installation {}, which has these objects",
            found.application, found.instance
        ));
        owner = found;
        let complete = completed(&owner, objects, Vec::new(), &mut Vec::new()).await?;
        (set, hashes) = (complete.set, complete.hashes);
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
    let facts = facts(subject, &owner, (&set, &hashes), &known, &seen).await;
    let before = match subject.memory {
        Some(agent) => sync::before_of(agent, &application.name),
        None => before(&owner, &seen.live),
    };
    let mut plan = plan(&Inputs {
        desired: &set,
        hashes: &hashes,
        before: &before,
        standing: &standing,
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
        if action.kind == ActionKind::Update && subject.detail == Detail::Fields {
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
    let texts = match subject.detail {
        Detail::Fields => BTreeMap::new(),
        Detail::Texts => texts::texts(subject, &owner, &set, &seen.live, &plan, secrets).await,
    };
    mask(&mut plan, secrets);
    let hooks = that_run(subject, &hashes, &hooks, &before, &plan);
    let consent = Consent::of(&plan, &hashes, hooks.iter().copied());
    if !application.sync.automatic {
        // All of it waits for a person; without the key of the hashes its name is not known.
        let known = subject.identity.key.is_some();
        plan.hash = if known { consent.hash() } else { String::new() };
    }
    Ok(Preview {
        application: application.name.clone(),
        commit: subject.commit.clone(),
        asks: !application.sync.automatic,
        counts: consent.count(),
        consent,
        plan,
        texts,
        hooks: hooks.into_iter().map(PlannedHook::of).collect(),
        touched: Vec::new(),
        unread: known.unread,
        remarks,
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

/// The hooks of the rollout that would begin, if one would.
fn that_run<'h>(
    subject: &Subject<'_>,
    hashes: &BTreeMap<ObjectKey, Digest>,
    hooks: &'h [Hook],
    before: &BTreeMap<ObjectKey, Digest>,
    plan: &Plan,
) -> Vec<&'h Hook> {
    let last = &subject.last;
    let past = match &subject.commit {
        Some(commit) => approval::past(last.applied.as_ref(), &commit.id, before.len()),
        // What a folder is the next of is not known.
        None if last.applied.is_some() || !before.is_empty() => Past::Unknown,
        None => Past::Nothing,
    };
    // Without the key of the hashes a rollout is not known again.
    let known = last.rollout.as_ref();
    let known = known.filter(|_| subject.identity.key.is_some());
    let identity = hooks::identity(hashes, hooks);
    rollout::planned_hooks(known, &identity, past, plan, hooks)
}
