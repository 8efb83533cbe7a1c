//! The writes of a plan: applies stage by stage, prunes with proof, one outcome per object.
//!
//! Between two objects the sync gives way to a newer commit, and looks at its deadline.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use syncline_cluster::objects::{ApplyOptions, DeleteOptions, DryRun};
use syncline_cluster::{Account, Deleted, Resource};
use syncline_core::application::Conflicts;
use syncline_core::directives::{Propagation, Replace};
use syncline_core::kept::FieldDigests;
use syncline_core::manifest::Manifest;
use syncline_core::names;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure, ObjectOutcome};
use syncline_core::owner::Owner;
use syncline_core::ownership;
use syncline_core::plan::{Action, Live, Plan};
use syncline_core::reason::Reason;

use super::Start;
use super::inventory::Known;
use crate::agent::Agent;
use crate::live::reduced;
use crate::state::Rendered;
use crate::{failpoint, health};

/// How often an object that keeps changing is read again before its deletion is left to the next
/// sync.
const DELETE_TRIES: u32 = 5;

/// Carries a plan out.
pub(super) struct Writer<'a> {
    pub(super) agent: &'a Agent,
    pub(super) start: &'a Start,
    pub(super) account: &'a Account,
    pub(super) rendered: &'a Rendered,
    pub(super) live: &'a BTreeMap<ObjectKey, Live>,
    /// Group and kind of what the CRDs among the objects define.
    defined: BTreeSet<(&'a str, &'a str)>,
    /// Namespaces among the objects.
    namespaces: BTreeSet<&'a str>,
}

impl<'a> Writer<'a> {
    /// For a plan of these objects.
    pub(super) fn new(
        agent: &'a Agent,
        start: &'a Start,
        account: &'a Account,
        rendered: &'a Rendered,
        live: &'a BTreeMap<ObjectKey, Live>,
    ) -> Self {
        let of_kind = |kind: &'static str| {
            let all = rendered.set.iter();
            all.filter(move |manifest| manifest.key.kind == kind)
        };
        let defined = of_kind("CustomResourceDefinition").filter_map(|manifest| {
            let spec = &manifest.body.visible()["spec"];
            Some((spec["group"].as_str()?, spec["names"]["kind"].as_str()?))
        });
        Self {
            agent,
            start,
            account,
            rendered,
            live,
            defined: defined.collect(),
            namespaces: of_kind("Namespace").map(|m| m.key.name.as_str()).collect(),
        }
    }
}

impl Writer<'_> {
    /// Tries every apply without effect; answers with those that would fail.
    ///
    /// What needs a namespace or a kind that this very sync makes cannot be tried before it is
    /// there, and is left out.
    pub(super) async fn rehearse(&self, plan: &Plan) -> Vec<ObjectOutcome> {
        let applies = plan.actions.iter().filter(|a| is_apply(a));
        let tries: Vec<_> = applies
            .filter(|action| !self.is_made_here(&action.key))
            .map(|action| async move {
                let tried = self.send(action, DryRun::Yes).await;
                tried.err().map(|failure| outcome(action, Some(failure)))
            })
            .collect();
        let mut refused: Vec<_> = stream::iter(tries)
            .buffered(self.agent.settings.apply_concurrency)
            .filter_map(|refused| async { refused })
            .collect()
            .await;
        if !refused.is_empty() {
            let rest = plan.actions.iter().filter(|action| action.is_write());
            let rest = rest.filter(|a| !refused.iter().any(|outcome| outcome.key == a.key));
            let kept: Vec<_> = rest
                .map(|action| {
                    let because = Failure {
                        reason: Reason::NotAtomic,
                        detail: action.key.to_string(),
                    };
                    outcome(action, Some(because))
                })
                .collect();
            refused.extend(kept);
        }
        refused
    }

    /// Whether the namespace or the kind of an object comes with this sync.
    fn is_made_here(&self, key: &ObjectKey) -> bool {
        let application = &self.start.application;
        let own = key.namespace.as_deref() == Some(application.namespace.as_str());
        let namespace = key.namespace.as_deref();
        let comes = namespace.is_some_and(|namespace| self.namespaces.contains(namespace));
        (own && application.create_namespace) || comes || self.is_defined_here(key)
    }

    fn is_defined_here(&self, key: &ObjectKey) -> bool {
        self.defined.contains(&(&*key.group, &*key.kind))
    }

    /// Applies what is to be created and updated, in order: a wave after the other and in it a stage
    /// after the other; all errors are collected.
    pub(super) async fn apply(&self, writes: &[&Action]) -> Vec<ObjectOutcome> {
        let application = &self.start.application;
        if application.create_namespace && !writes.is_empty() {
            // A namespace that is missing and cannot be made shows in every object of it.
            let made = self.account.ensure_namespace(&application.namespace).await;
            if let Err(error) = made {
                tracing::warn!(%error, "the namespace could not be created");
            }
            let _ = failpoint::reached("ns.created").await;
        }
        let mut outcomes = Vec::with_capacity(writes.len());
        for stage in writes.chunk_by(|a, b| (a.wave, a.stage) == (b.wave, b.stage)) {
            let applies: Vec<_> = stage.iter().map(|action| self.apply_one(action)).collect();
            let done: Vec<ObjectOutcome> = stream::iter(applies)
                .buffered(self.agent.settings.apply_concurrency)
                .collect()
                .await;
            let defined = done.iter().any(|outcome| {
                outcome.error.is_none() && outcome.key.kind == "CustomResourceDefinition"
            });
            if defined {
                let _ = failpoint::reached("crd.applied").await;
                self.agent.cluster.discovery().invalidate().await;
            }
            let _ = failpoint::reached("stage.done").await;
            outcomes.extend(done);
        }
        outcomes
    }

    async fn apply_one(&self, action: &Action) -> ObjectOutcome {
        let done = async {
            self.start.checkpoint()?;
            failpoint::reached("apply.before").await?;
            let live = match self.send(action, DryRun::No).await {
                Err(failure)
                    if failure.reason == Reason::ImmutableField
                        && action.replace == Replace::Allowed =>
                {
                    self.replace(action).await
                }
                other => other,
            }?;
            failpoint::reached("apply.after").await?;
            self.wrote(&action.key, &live);
            Ok(())
        };
        let done: Result<(), Failure> = done.await;
        outcome(action, done.err())
    }

    /// Takes the answer of a write in. What somebody added between our read and our write shows in
    /// it; such an object does not stand, and is looked at again.
    fn wrote(&self, key: &ObjectKey, live: &syncline_cluster::Live) {
        let seen = health::seen(self.agent, live);
        let mut written = seen.written();
        if self.live.contains_key(key) && self.is_unclean(key, live) {
            written.fields = FieldDigests::default();
        }
        let mut state = self.agent.state.lock();
        let name = &self.start.application.name;
        if let Some(entry) = state.applications.get_mut(name) {
            entry.wrote(key, written);
        }
        // The watch shows nothing new when the answer was here first.
        let former = state.see(key, seen).and_then(|sight| sight.former_owner);
        if let Some(former) = former {
            health::passed(self.agent, &state, key, &former);
        }
    }

    /// Whether a field of the answer would be removed or put back.
    fn is_unclean(&self, key: &ObjectKey, live: &syncline_cluster::Live) -> bool {
        let application = &self.start.application;
        let Some(manifest) = self.rendered.set.get(key) else {
            return false;
        };
        let ignore = application.ignore.iter();
        let ignore: Vec<_> = ignore.filter(|rule| rule.selects(key)).collect();
        let found = ownership::examine(
            &manifest.body.to_wire(),
            &live.managed_fields,
            &ownership::Rules {
                ours: &names::field_manager(&self.start.owner.instance),
                foreign: application.sync.foreign,
                manual: &self.agent.settings.manual_tools,
                ignore: &ignore,
                adopt: &[],
                autoscaled: ownership::Autoscaled::No,
            },
        );
        let removes = |foreign: &ownership::Foreign| foreign.verdict == ownership::Verdict::Remove;
        application.sync.self_heal && (!found.lost.is_empty() || found.foreign.iter().any(removes))
    }

    /// One apply, after what has to be done to the object's managed fields.
    pub(super) async fn send(
        &self,
        action: &Action,
        dry_run: DryRun,
    ) -> Result<syncline_cluster::Live, Failure> {
        let key = &action.key;
        let manifest = self.manifest(key)?;
        let failure = |error: &syncline_cluster::Error| {
            let mut failure = failed(manifest, error);
            if failure.reason == Reason::NamespaceMissing && self.is_made_here(key) {
                // It was on its way out when it was looked for: the next try makes it anew.
                failure.reason = Reason::NamespaceTerminating;
            }
            failure
        };
        let resource = self.resource(key).await.map_err(|error| failure(&error))?;
        let wire = self.wire(manifest);
        let manager = names::field_manager(&self.start.owner.instance);
        let mut conflicts = self.start.application.sync.conflicts;
        if action.rewrite.is_some() && conflicts == Conflicts::Fail {
            // The rewrite is a write as well: what is refused must not have it either. What is
            // taken over with it is no conflict.
            let tried = ApplyOptions {
                conflicts,
                dry_run: DryRun::Yes,
                resource_version: None,
            };
            let tried = self.account.apply(&resource, key, &wire, &manager, tried);
            match tried.await {
                Err(error) if !error.is_conflict_only_with(&action.adopted) => {
                    return Err(failure(&error));
                }
                Ok(live) if dry_run == DryRun::Yes => return Ok(live),
                Err(_) if dry_run == DryRun::Yes => conflicts = Conflicts::Take,
                _ => {}
            }
        }
        let mut version = None;
        if let (Some(fields), Some((_, planned)), DryRun::No) =
            (&action.rewrite, &action.proof, dry_run)
        {
            let live = self
                .account
                .set_managed_fields(&resource, key, planned, fields.clone())
                .await
                .map_err(|error| failure(&error))?;
            failpoint::reached("apply.rewritten").await?;
            version = Some(live.resource_version);
        } else if self.changes_owner(key) {
            version = action.proof.as_ref().map(|(_, version)| version.clone());
        }
        let options = ApplyOptions {
            conflicts,
            dry_run,
            resource_version: version.as_deref(),
        };
        self.account
            .apply(&resource, key, &wire, &manager, options)
            .await
            .map_err(|error| failure(&error))
    }

    /// The manifest of an object that the plan applies.
    pub(super) fn manifest(&self, key: &ObjectKey) -> Result<&Manifest, Failure> {
        self.rendered.set.get(key).ok_or_else(|| Failure {
            reason: Reason::Internal,
            detail: key.to_string(),
        })
    }

    /// Whether the object passes to us with this write: then it must be just as it was read.
    fn changes_owner(&self, key: &ObjectKey) -> bool {
        let live = self.live.get(key);
        live.is_some_and(|live| live.owner(key).as_ref() != Some(&self.start.owner))
    }

    /// The object as it is sent.
    pub(super) fn wire(&self, manifest: &Manifest) -> serde_json::Value {
        let mut wire = manifest.body.to_wire();
        if let Some(live) = self.live.get(&manifest.key) {
            let ignore = self.start.application.ignore.iter();
            let ignore: Vec<_> = ignore.filter(|rule| rule.selects(&manifest.key)).collect();
            ownership::without_held(&mut wire, &live.managed_fields, &ignore);
        }
        if let Some(hash) = self.rendered.hashes.get(&manifest.key) {
            let annotations = &mut wire["metadata"]["annotations"];
            annotations[names::ANNOTATION_APPLIED] = hash.to_string().into();
        }
        wire
    }

    /// The kind of an object. One whose CRD is applied in the same sync is waited for, until a
    /// newer commit comes.
    pub(super) async fn resource(
        &self,
        key: &ObjectKey,
    ) -> Result<Resource, syncline_cluster::Error> {
        let discovery = self.agent.cluster.discovery();
        if !self.is_defined_here(key) {
            return discovery.resolve(&key.group, &key.version, &key.kind).await;
        }
        let patience = self.agent.settings.crd_timeout.min(self.start.remaining());
        let served = discovery.wait_for(&key.group, &key.version, &key.kind, patience);
        let served = tokio::select! {
            served = served => served,
            () = self.start.give_way.cancelled() => {
                discovery.resolve(&key.group, &key.version, &key.kind).await
            }
        };
        let _ = failpoint::reached("crd.established").await;
        served
    }

    /// Deletes what left Git, each with a live proof, one after the other in the plan's order. What
    /// could not be read in whole is not pruned.
    pub(super) async fn prune(&self, known: &Known, prunes: &[&Action]) -> Vec<ObjectOutcome> {
        let mut outcomes = Vec::new();
        for action in prunes {
            let done = async {
                self.start.checkpoint()?;
                let Some(resource) = known.resources.get(&action.key.group_kind()) else {
                    return Err(Failure {
                        reason: Reason::PruneFailed,
                        detail: format!("{}: its kind is not served at the moment", action.key),
                    });
                };
                failpoint::reached("prune.before").await?;
                let done = delete_with_proof(
                    self.account,
                    resource,
                    &action.key,
                    &self.start.owner,
                    action.proof.as_ref(),
                    action.propagation,
                )
                .await?;
                failpoint::reached("prune.after").await?;
                Ok(done)
            };
            let mut outcome = match done.await {
                Ok(Deleted::Gone) => {
                    self.agent.state.lock().gone(&action.key);
                    outcome(action, None)
                }
                Ok(Deleted::Started) => ObjectOutcome {
                    note: "being deleted".to_owned(),
                    ..outcome(action, None)
                },
                Err(failure) => outcome(action, Some(failure)),
            };
            outcome.origin = None;
            outcomes.push(outcome);
        }
        outcomes
    }
}

/// What went wrong with an object, with its place in Git.
pub(super) fn failed(manifest: &Manifest, error: &syncline_cluster::Error) -> Failure {
    Failure {
        reason: error.reason(),
        detail: format!("{}: {}: {error}", manifest.origin, manifest.key),
    }
}

/// What a plan creates and updates, in order.
pub(super) fn applies(plan: &Plan) -> Vec<&Action> {
    let actions = plan.actions.iter();
    actions.filter(|action| is_apply(action)).collect()
}

/// What a plan prunes, in order.
pub(super) fn prunes(plan: &Plan) -> Vec<&Action> {
    let actions = plan.actions.iter();
    let prunes = actions.filter(|action| action.kind == ActionKind::Prune);
    prunes.collect()
}

fn is_apply(action: &Action) -> bool {
    matches!(action.kind, ActionKind::Create | ActionKind::Update)
}

fn outcome(action: &Action, error: Option<Failure>) -> ObjectOutcome {
    let note = match &error {
        None => action.notes.join("; "),
        Some(_) => String::new(),
    };
    ObjectOutcome {
        key: action.key.clone(),
        origin: action.origin.clone(),
        action: action.kind,
        error,
        note,
        changes: action.changes.clone(),
        manifest: action.manifest.clone(),
    }
}

/// Deletes one object after a live read says that it is still ours and still the same one
/// (inv_i03): the delete carries that uid and version. An object that changes in between, as its
/// status does, is read and proved again.
pub(crate) async fn delete_with_proof(
    account: &Account,
    resource: &Resource,
    key: &ObjectKey,
    owner: &Owner,
    planned: Option<&(String, String)>,
    propagation: Propagation,
) -> Result<Deleted, Failure> {
    let failed = |reason: Reason, why: String| Failure {
        reason,
        detail: format!("{key}: {why}"),
    };
    let mut uid = planned.map(|(uid, _)| uid.clone());
    let mut tries_left = DELETE_TRIES;
    loop {
        tries_left -= 1;
        let live = match account.get_metadata(resource, key).await {
            Ok(Some(live)) => live,
            Ok(None) => return Ok(Deleted::Gone),
            Err(error) => return Err(failed(error.reason(), error.to_string())),
        };
        if *uid.get_or_insert_with(|| live.uid.clone()) != live.uid {
            return Err(failed(
                Reason::Conflict,
                "another object has taken its name".to_owned(),
            ));
        }
        let now = reduced(&live);
        if now.owner(key).as_ref() != Some(owner) || now.controller.is_some() {
            return Err(failed(
                Reason::OwnedBy,
                "it no longer belongs to this application".to_owned(),
            ));
        }
        if now.deleting {
            return Ok(Deleted::Started);
        }
        // Between the read and the delete somebody may put another object in its place.
        failpoint::reached("prune.proven").await?;
        let options = DeleteOptions {
            uid: &live.uid,
            resource_version: &live.resource_version,
            propagation,
        };
        match account.delete(resource, key, options).await {
            Err(error) if error.reason() == Reason::Conflict && tries_left > 0 => {}
            answer => {
                return answer.map_err(|error| {
                    let reason = match error.reason() {
                        Reason::ApiUnavailable | Reason::Conflict => Reason::PruneFailed,
                        other => other,
                    };
                    failed(reason, error.to_string())
                });
            }
        }
    }
}

/// The outcomes of what the plan leaves alone for a reason.
pub(super) fn skipped(plan: &Plan) -> Vec<ObjectOutcome> {
    plan.actions
        .iter()
        .filter(|action| action.kind == ActionKind::Skip)
        .map(|action| outcome(action, action.because.clone()))
        .collect()
}
