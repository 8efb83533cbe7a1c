//! What the agent knows at the moment: one entry per Repository, Application and ImagePolicy.
//!
//! All of it can be lost: the cluster and Git give it back.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use syncline_cluster::kinds::{
    ApplicationStatus, Condition, ImagePolicyStatus, RepositoryStatus, RollbackStatus,
};
use syncline_cluster::watch::WatchKey;
use syncline_core::application::{Application, Repository};
use syncline_core::dependencies::Dependencies;
use syncline_core::digest::Digest;
use syncline_core::health::Health;
use syncline_core::hooks::{Hook, Moment};
use syncline_core::kept::{Kept, KeptChange, KeptObject, OtherReads, Written};
use syncline_core::manifest::ManifestSet;
use syncline_core::object::ObjectKey;
use syncline_core::outcome::{ActionKind, Failure};
use syncline_core::read_index::ReadIndex;
use syncline_core::read_set::ReadSet;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::{Name, SyncRecord, SyncResult, UpdateRecord};
use syncline_core::revision::{CommitId, CommitInfo, Revision};
use syncline_core::rollout::{Awaits, Ledger};
use syncline_core::secret_inputs::SecretInputs;
use syncline_core::trigger::Cause;
use syncline_registry::chart::ResolvedChart;
use syncline_store::KeptApplication;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::approval::{Granted, Proposal};
use crate::conversion::{self, ImageUpdate};
use crate::dependencies::Blocked;
use crate::health::changes::Changes;
use crate::images::Memory;
use crate::live::{Seen, Sight, Table};

/// What is the case with one of our objects, why, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The row of the table.
    pub(crate) reason: Reason,
    /// What exactly; may be empty.
    pub(crate) detail: String,
    /// Since when this reason holds.
    pub(crate) since: Timestamp,
}

impl Statement {
    /// A new one.
    pub(crate) fn new(reason: Reason, now: Timestamp) -> Self {
        Self {
            reason,
            detail: String::new(),
            since: now,
        }
    }

    /// What the conditions of an earlier run say, so that a restart neither forgets a state nor its
    /// beginning; `fallback` where there is none.
    pub(crate) fn told(conditions: &[Condition], fallback: Reason, now: Timestamp) -> Self {
        let ready = conditions
            .iter()
            .find(|condition| condition.type_ == "Ready");
        let known = ready.and_then(|ready| Some((ready, Reason::from_name(&ready.reason)?)));
        let Some((ready, reason)) = known else {
            return Self::new(fallback, now);
        };
        // The reverse of `advice`.
        let row = reason.row();
        let said = ready
            .message
            .strip_suffix(row.remedy)
            .unwrap_or(&ready.message);
        let said = if row.remedy.is_empty() {
            said
        } else {
            said.trim_end_matches(". ")
        };
        let detail = said
            .strip_prefix(row.sentence)
            .map_or(said, |rest| rest.trim_start_matches(": "));
        Self {
            reason,
            detail: detail.to_owned(),
            since: ready.last_transition_time,
        }
    }

    /// Replaces what is said; the time stays while the reason does.
    pub(crate) fn say(&mut self, reason: Reason, detail: impl Into<String>, now: Timestamp) {
        if self.reason != reason {
            self.since = now;
        }
        self.reason = reason;
        self.detail = detail.into();
    }

    /// What is the case and what to do about it, for a status.
    pub(crate) fn advice(&self) -> String {
        match self.reason.row().remedy {
            "" => self.message(),
            remedy => format!("{}. {remedy}", self.message()),
        }
    }

    /// The sentence of the reason and the detail.
    pub(crate) fn message(&self) -> String {
        match self.detail.as_str() {
            "" => self.reason.row().sentence.to_owned(),
            detail => format!("{}: {detail}", self.reason.row().sentence),
        }
    }
}

/// A commit at the tip of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Branch and commit.
    pub(crate) revision: Revision,
    /// What people want to read of it.
    pub(crate) info: CommitInfo,
}

/// A Repository.
#[derive(Debug)]
pub(crate) struct RepositoryState {
    /// What was asked for, or what is wrong with it.
    pub(crate) spec: Result<Repository, Failure>,
    /// `metadata.generation`.
    pub(crate) generation: Option<i64>,
    /// The commit that a person approved after a rewrite of history.
    pub(crate) approve: Option<String>,
    /// The last value of `syncline.dev/requested-at` that was seen.
    pub(crate) requested_at: Option<String>,
    /// The newest commit that may be applied.
    pub(crate) head: Option<Head>,
    /// The head of an earlier run, from the status.
    pub(crate) recorded: Option<CommitId>,
    /// What is the case.
    pub(crate) statement: Statement,
    /// The status as it was written last.
    pub(crate) status: RepositoryStatus,
    /// When it was looked at last.
    pub(crate) checked_at: Option<Timestamp>,
    /// Failed looks in a row.
    pub(crate) failures: u32,
    /// How many heads there have been.
    pub(crate) heads: u64,
    /// Which application reads which path.
    pub(crate) index: ReadIndex,
    /// Applications that a commit touched and that are not rendered since: which head it was.
    pub(crate) unrendered: BTreeMap<Name, u64>,
    /// How often those that wait for a render were to go on.
    pub(crate) renders: u64,
}

/// What an application will want when it may go to a commit that waits now.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    /// Which head of the repository it was rendered at, counted.
    pub(crate) heads: u64,
    /// The objects, with the hashes of what they will be.
    pub(crate) objects: BTreeMap<ObjectKey, Digest>,
}

/// What a commit wants of an application: complete, normalised, with owner records.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// Hash of what it was rendered for; another one needs another render.
    pub(crate) inputs: Digest,
    /// What was read of the repository.
    pub(crate) reads: ReadSet,
    /// The objects.
    pub(crate) set: ManifestSet,
    /// The keyed hash of each, as in the annotation `syncline.dev/applied`.
    pub(crate) hashes: BTreeMap<ObjectKey, Digest>,
    /// Images that the workloads run, sorted.
    pub(crate) images: Vec<String>,
    /// What was read of the other sources.
    pub(crate) others: BTreeMap<String, OtherReads>,
    /// Secrets that went into it.
    pub(crate) secrets: SecretInputs,
    /// What the chart says to its user.
    pub(crate) notes: String,
    /// What is said of objects with fields that keep what is live.
    pub(crate) unstable: BTreeMap<ObjectKey, String>,
    /// Objects that the schema of the server refuses.
    pub(crate) refused: BTreeMap<ObjectKey, Failure>,
    /// What runs once at a point of the rollout. Not part of `set`.
    pub(crate) hooks: Vec<Hook>,
    /// Roughly how many bytes of memory it takes.
    pub(crate) weight: usize,
}

impl Rendered {
    /// What it wants, and what the hooks of its rollouts are.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        let hooks = self.hooks.iter().map(|hook| &hook.manifest.key);
        self.set.iter().map(|manifest| &manifest.key).chain(hooks)
    }

    /// Whether anything runs when the application is deleted.
    pub(crate) fn has_deletion_hooks(&self) -> bool {
        let mut hooks = self.hooks.iter();
        hooks.any(|hook| matches!(hook.moment, Moment::BeforeDelete | Moment::AfterDelete))
    }
}

/// Repairs of one object in a row.
#[derive(Clone, Debug)]
pub(crate) struct Fight {
    /// How many.
    pub(crate) rounds: u32,
    /// When the last one was.
    pub(crate) last: Instant,
    /// Who changed the object, where that is known.
    pub(crate) manager: String,
}

/// The last sync of an application.
#[derive(Clone, Debug)]
pub(crate) struct LastSync {
    /// Its id in history.
    pub(crate) id: String,
    /// How it ended.
    pub(crate) result: SyncResult,
    /// When.
    pub(crate) finished_at: Option<Timestamp>,
    /// What asked for it.
    pub(crate) cause: Cause,
}

impl LastSync {
    /// What is remembered of a record.
    pub(crate) fn of(record: &SyncRecord) -> Self {
        Self {
            id: record.id.clone(),
            result: record.result,
            finished_at: record.finished_at,
            cause: record.cause,
        }
    }
}

/// What the database does not know yet of what is kept.
#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    /// The render is another.
    pub(crate) render: bool,
    /// Objects that are new or different.
    pub(crate) changed: BTreeSet<ObjectKey>,
    /// Objects that are kept no more.
    pub(crate) removed: BTreeSet<ObjectKey>,
}

/// An Application.
#[derive(Debug)]
pub(crate) struct ApplicationState {
    /// What was asked for, or what is wrong with it.
    pub(crate) spec: Result<Application, Failure>,
    /// `metadata.generation`.
    pub(crate) generation: Option<i64>,
    /// `metadata.uid`.
    pub(crate) uid: String,
    /// `metadata.annotations`.
    pub(crate) annotations: BTreeMap<String, String>,
    /// `metadata.labels`.
    pub(crate) labels: BTreeMap<String, String>,
    /// Whether our finalizer is on it.
    pub(crate) has_finalizer: bool,
    /// When it was asked to be deleted.
    pub(crate) deleting: Option<Timestamp>,
    /// What is the case.
    pub(crate) statement: Statement,
    /// The status as it was written last.
    pub(crate) status: ApplicationStatus,
    /// The commit whose objects were all applied.
    pub(crate) applied: Option<Head>,
    /// The commit of an earlier run that was applied, from the status.
    pub(crate) recorded: Option<CommitId>,
    /// The applied commit at which nothing waited for other applications: what a commit since then
    /// approves is not used up.
    pub(crate) decided: Option<CommitId>,
    /// The commit that was tried last.
    pub(crate) attempted: Option<Revision>,
    /// What the last complete render was made of.
    pub(crate) kept: Option<Kept>,
    /// The objects of that render.
    pub(crate) objects: BTreeMap<ObjectKey, KeptObject>,
    /// Its chart from a chart repository as the last sync found it.
    pub(crate) chart: Option<ResolvedChart>,
    /// Its content, while there is room for it.
    pub(crate) rendered: Option<Arc<Rendered>>,
    /// Live objects of this application that Git no longer names.
    pub(crate) left: BTreeSet<ObjectKey>,
    /// Live objects of runs of its hooks, and those that are about to be made. No prune of a sync
    /// touches them.
    pub(crate) hooks: BTreeSet<ObjectKey>,
    /// What the database does not know yet.
    pub(crate) unsaved: Unsaved,
    /// What a failed render had read; any change of it is worth another try.
    pub(crate) failed_reads: Option<ReadSet>,
    /// While a sync runs: how it is told to give way to a newer commit.
    pub(crate) running: Option<CancellationToken>,
    /// The value of `syncline.dev/abort` that is over.
    pub(crate) spent_stop: Option<String>,
    /// How often in a row a sync gave way.
    pub(crate) take_overs: u32,
    /// What the last sync did with each object that did not simply stand.
    pub(crate) actions: BTreeMap<ObjectKey, ActionKind>,
    /// What the last sync could not write: it waits for the retry.
    pub(crate) failed: BTreeSet<ObjectKey>,
    /// The last sync that history has.
    pub(crate) last_sync: Option<LastSync>,
    /// Repairs in a row, by object.
    pub(crate) fights: BTreeMap<ObjectKey, Fight>,
    /// Failed syncs in a row.
    pub(crate) failures: u32,
    /// Since when the workloads are not healthy.
    pub(crate) unhealthy_since: Option<Timestamp>,
    /// Hash of the plan that waits for approval.
    pub(crate) plan_hash: Option<String>,
    /// The plan of a newer commit that waits for a person, see [`crate::approval`].
    pub(crate) proposal: Option<Arc<Proposal>>,
    /// The commit that a person lets it go to.
    pub(crate) granted: Option<Granted>,
    /// What the last plan held; `None` before the first one of this run.
    pub(crate) held: Option<BTreeMap<ObjectKey, Reason>>,
    /// Something waits until other applications are rendered, or have taken over or left objects.
    pub(crate) waits: bool,
    /// The repository's head, counted, up to which nothing of this application waits.
    pub(crate) settled: u64,
    /// What it will want at a commit that waits for what it depends on.
    pub(crate) ahead: Option<Ahead>,
    /// The repository's head, counted, at which a sync failed before it had a plan.
    pub(crate) failed_head: u64,
    /// The rollout of the last change, while it runs and after it.
    pub(crate) rollout: Option<Ledger>,
    /// The last rollback that was asked for, or made after a failure.
    pub(crate) rollback: Option<RollbackStatus>,
    /// Which events let it go on.
    pub(crate) awaits: Awaits,
    /// Objects that it has not written yet: that they differ from Git is no drift.
    pub(crate) unwritten: BTreeSet<ObjectKey>,
    /// How others left what the last sync found changed and did not put back; `None` where it is gone.
    pub(crate) drift_left: BTreeMap<ObjectKey, Option<Written>>,
    /// What history has of it while it is on its way.
    pub(crate) record: Option<SyncRecord>,
    /// What is waited for, for people.
    pub(crate) waiting_for: Vec<String>,
    /// Why a newer commit is not applied that would change something.
    pub(crate) withheld: Option<Failure>,
    /// When it is tried or looked at again by itself.
    pub(crate) next_try: Option<Timestamp>,
    /// The health that was told last, and since when it is so.
    pub(crate) health: Option<(Health, Timestamp)>,
    /// The changes of it that were recorded last.
    pub(crate) changes: Changes,
    /// One status of it is written at a time, so that the newest is written last.
    pub(crate) writing: Arc<tokio::sync::Mutex<()>>,
    /// The repository's head, counted, that touched it and is not applied yet.
    pub(crate) pending: Option<u64>,
    /// What a newer commit waits for.
    pub(crate) blocked: Option<Blocked>,
    /// Kinds of it that are not watched.
    pub(crate) unwatched: BTreeSet<String>,
    /// When everything was last compared with the cluster.
    pub(crate) checked: Instant,
}

/// The health that an earlier run told, and since when.
fn told_health(status: &ApplicationStatus) -> Option<(Health, Timestamp)> {
    let health = Health::from_word(status.health.as_deref()?)?;
    Some((health, status.health_since?))
}

/// Since when it is not healthy, by what an earlier run told: what was late then is not on its way
/// again because the agent was restarted.
fn unhealthy_since(
    spec: Option<&Application>,
    told: Option<(Health, Timestamp)>,
) -> Option<Timestamp> {
    let (health, since) = told?;
    match health {
        Health::Healthy | Health::Suspended => None,
        Health::Degraded => since.checked_sub(spec?.sync.timeout).ok(),
        _ => Some(since),
    }
}

impl ApplicationState {
    /// One that was just seen for the first time.
    pub(crate) fn new(
        spec: Result<Application, Failure>,
        statement: Statement,
        status: ApplicationStatus,
        checked: Instant,
    ) -> Self {
        let unhealthy_since = unhealthy_since(spec.as_ref().ok(), told_health(&status));
        Self {
            changes: Changes::default(),
            unhealthy_since,
            spec,
            generation: None,
            uid: String::new(),
            annotations: BTreeMap::new(),
            labels: BTreeMap::new(),
            has_finalizer: false,
            deleting: None,
            statement,
            plan_hash: status.plan_hash.clone(),
            proposal: None,
            granted: None,
            held: None,
            health: told_health(&status),
            rollout: status.rollout.as_ref().and_then(conversion::ledger),
            rollback: status.rollback.clone(),
            awaits: Awaits::default(),
            unwritten: BTreeSet::new(),
            drift_left: BTreeMap::new(),
            record: None,
            status,
            applied: None,
            recorded: None,
            decided: None,
            attempted: None,
            kept: None,
            objects: BTreeMap::new(),
            chart: None,
            rendered: None,
            left: BTreeSet::new(),
            hooks: BTreeSet::new(),
            unsaved: Unsaved::default(),
            failed_reads: None,
            running: None,
            spent_stop: None,
            take_overs: 0,
            actions: BTreeMap::new(),
            failed: BTreeSet::new(),
            last_sync: None,
            fights: BTreeMap::new(),
            failures: 0,
            waits: false,
            settled: 0,
            ahead: None,
            failed_head: 0,
            waiting_for: Vec::new(),
            withheld: None,
            next_try: None,
            writing: Arc::default(),
            pending: None,
            blocked: None,
            unwatched: BTreeSet::new(),
            checked,
        }
    }

    /// What is the case, what to do about it, and when it is tried again where that is for a failure.
    pub(crate) fn advice(&self) -> String {
        let advice = self.statement.advice();
        let class = self.statement.reason.class();
        let failed = matches!(class, Class::Transient | Class::Input | Class::Denied);
        match self.next_try.filter(|_| failed) {
            Some(next) => format!(
                "{advice}; next try at {}",
                next.strftime("%Y-%m-%dT%H:%M:%SZ")
            ),
            None => advice,
        }
    }

    /// The items of an annotation that holds a list: the kinds or namespaces of the inventory.
    pub(crate) fn listed(&self, annotation: &str) -> BTreeSet<String> {
        let text = self
            .annotations
            .get(annotation)
            .map(String::as_str)
            .unwrap_or_default();
        let items = text
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    /// The live state of an object was found or made good.
    pub(crate) fn wrote(&mut self, key: &ObjectKey, written: Written) {
        if let Some(kept) = self.objects.get_mut(key)
            && kept.written.as_ref() != Some(&written)
        {
            kept.written = Some(written);
            self.unsaved.changed.insert(key.clone());
        }
    }

    /// What the database has to be told, if anything.
    pub(crate) fn take_unsaved(&mut self) -> Option<KeptChange> {
        let kept = self.kept.clone()?;
        let unsaved = std::mem::take(&mut self.unsaved);
        if !unsaved.render && unsaved.changed.is_empty() && unsaved.removed.is_empty() {
            return None;
        }
        let changed = unsaved.changed.into_iter();
        let changed = changed.filter_map(|key| {
            let object = self.objects.get(&key)?.clone();
            Some((key, object))
        });
        Some(KeptChange {
            kept,
            changed: changed.collect(),
            removed: unsaved.removed.into_iter().collect(),
        })
    }
}

/// An ImagePolicy.
#[derive(Debug)]
pub(crate) struct PolicyState {
    /// What was asked for, or what is wrong with it.
    pub(crate) spec: Result<ImageUpdate, Failure>,
    /// `metadata.generation`.
    pub(crate) generation: Option<i64>,
    /// The last value of `syncline.dev/requested-at` that was seen.
    pub(crate) requested_at: Option<String>,
    /// The tags that `syncline.dev/release` lets go.
    pub(crate) release: Option<String>,
    /// The tags that `syncline.dev/skip` names.
    pub(crate) skip: Option<String>,
    /// The tag that `syncline.dev/pin-tag` names.
    pub(crate) pin: Option<String>,
    /// What is the case.
    pub(crate) statement: Statement,
    /// The status as it was written last.
    pub(crate) status: ImagePolicyStatus,
    /// The tag that Git names.
    pub(crate) current: Option<String>,
    /// What the last look found.
    pub(crate) memory: Memory,
    /// The last commit of this policy.
    pub(crate) last_update: Option<UpdateRecord>,
    /// Failed looks in a row.
    pub(crate) failures: u32,
}

/// All entries.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Repositories.
    pub(crate) repositories: BTreeMap<Name, RepositoryState>,
    /// Applications.
    pub(crate) applications: BTreeMap<Name, ApplicationState>,
    /// Image policies.
    pub(crate) policies: BTreeMap<Name, PolicyState>,
    /// Which application waits for which.
    pub(crate) dependencies: Dependencies,
    /// Live objects.
    pub(crate) live: Table,
    /// Watches of which all events so far were taken in.
    pub(crate) current: HashSet<WatchKey>,
    /// Which renders are in memory, the oldest first, and how many bytes each takes.
    pub(crate) in_memory: VecDeque<(Name, usize)>,
}

impl State {
    /// The applications of a repository.
    pub(crate) fn applications_of(&self, repository: &Name) -> Vec<Name> {
        self.applications
            .iter()
            .filter(|(name, state)| {
                name.namespace == repository.namespace
                    && state
                        .spec
                        .as_ref()
                        .is_ok_and(|spec| spec.repository == repository.name)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The applications that read files of a repository: those of it, and those that name it as
    /// another source.
    pub(crate) fn readers_of(&self, repository: &Name) -> Vec<Name> {
        let reads = |name: &Name, state: &ApplicationState| {
            let Ok(spec) = &state.spec else { return false };
            let mut sources = spec.rendering.sources.values();
            name.namespace == repository.namespace
                && (spec.repository == repository.name
                    || sources.any(|source| *source == repository.name))
        };
        let readers = self.applications.iter();
        let readers = readers.filter(|(name, state)| reads(name, state));
        readers.map(|(name, _)| name.clone()).collect()
    }

    /// Tells the repositories of an application what it reads of them, so that a commit wakes it.
    pub(crate) fn index(&mut self, name: &Name) {
        let own = self.repository_of(name);
        let (Some(own), Some(entry)) = (own, self.applications.get(name)) else {
            return;
        };
        let others = entry.spec.iter().flat_map(|spec| {
            let sources = spec.rendering.sources.values();
            sources.map(|repository| Name::new(&name.namespace, repository))
        });
        let others: Vec<Name> = others.collect();
        // One Repository may be several sources.
        let mut reads: BTreeMap<Name, ReadSet> = BTreeMap::new();
        match (&entry.failed_reads, &entry.kept) {
            // What is pushed to another source is worth another try, whatever it is.
            (Some(failed), _) if !others.contains(&own) => {
                reads.insert(own, failed.clone());
            }
            (None, Some(kept)) => {
                reads.insert(own, kept.reads.clone());
                for other in kept.others.values() {
                    let other_name = Name::new(&name.namespace, &other.repository);
                    reads.entry(other_name).or_default().extend(&other.reads);
                }
            }
            _ => {}
        }
        for repository in others {
            if let Some(repository) = self.repositories.get_mut(&repository) {
                repository.index.remove(name);
            }
        }
        for (repository, reads) in reads {
            if let Some(repository) = self.repositories.get_mut(&repository) {
                repository.index.insert(name, reads);
            }
        }
    }

    /// The repository of an application.
    pub(crate) fn repository_of(&self, application: &Name) -> Option<Name> {
        let spec = self.applications.get(application)?.spec.as_ref().ok()?;
        Some(Name::new(&application.namespace, &spec.repository))
    }

    /// What is known of the repository of an application.
    pub(crate) fn source_of(&self, application: &Name) -> Option<&RepositoryState> {
        self.repositories.get(&self.repository_of(application)?)
    }

    /// Takes the state of a live object in; `None` where a newer one is known.
    pub(crate) fn see(&mut self, key: &ObjectKey, seen: Seen) -> Option<Sight> {
        let owner = seen.owner.clone();
        // The object of a hook is no object of the inventory: it is not pruned.
        let is_hook = seen.run.is_some();
        let sight = self.live.see(key, seen)?;
        let former = sight.former_owner.as_ref();
        if let Some(entry) = former.and_then(|name| self.applications.get_mut(name)) {
            entry.left.remove(key);
            entry.hooks.remove(key);
        }
        if let Some(entry) = owner.and_then(|name| self.applications.get_mut(&name))
            && !entry.objects.contains_key(key)
        {
            // Who takes the mark of its run off does not end it.
            if is_hook || entry.hooks.contains(key) {
                entry.hooks.insert(key.clone());
                entry.left.remove(key);
            } else {
                entry.left.insert(key.clone());
            }
        }
        Some(sight)
    }

    /// A live object is gone; answers with the application that had it.
    pub(crate) fn gone(&mut self, key: &ObjectKey) -> Option<Name> {
        let owner = self.live.gone(key)?.owner?;
        if let Some(entry) = self.applications.get_mut(&owner) {
            entry.left.remove(key);
            entry.hooks.remove(key);
        }
        Some(owner)
    }

    /// Replaces what an application wants. Answers with the other applications that want what this
    /// one has left.
    pub(crate) fn wants(
        &mut self,
        name: &Name,
        kept: Kept,
        objects: BTreeMap<ObjectKey, KeptObject>,
    ) -> BTreeSet<Name> {
        let mut heirs = BTreeSet::new();
        let Some(entry) = self.applications.get_mut(name) else {
            return heirs;
        };
        entry.unsaved.render |= entry.kept.as_ref() != Some(&kept);
        entry.kept = Some(kept);
        let before = std::mem::take(&mut entry.objects);
        for key in before.keys().filter(|key| !objects.contains_key(*key)) {
            entry.unsaved.changed.remove(key);
            entry.unsaved.removed.insert(key.clone());
            entry.actions.remove(key);
            entry.fights.remove(key);
            self.live.unclaim(key, name);
            heirs.extend(self.live.claims(key).iter().cloned());
            let ours = self.live.seen(key).and_then(|seen| seen.owner.as_ref()) == Some(name);
            if ours {
                entry.left.insert(key.clone());
            }
        }
        for (key, mut object) in objects {
            let known = before.get(&key);
            // What is gone and is wanted otherwise than it was never stood as it is wanted now.
            let stood = known
                .filter(|known| known.applied == object.applied || self.live.seen(&key).is_some());
            object.written = stood.and_then(|known| known.written.clone());
            if known != Some(&object) {
                entry.unsaved.removed.remove(&key);
                entry.unsaved.changed.insert(key.clone());
            }
            entry.left.remove(&key);
            self.live.claim(&key, name);
            entry.objects.insert(key, object);
        }
        heirs
    }

    /// An application leaves an object alone that it names: it neither judges nor repairs it.
    pub(crate) fn leave_alone(&mut self, name: &Name, key: &ObjectKey) {
        if let Some(entry) = self.applications.get_mut(name)
            && entry.objects.remove(key).is_some()
        {
            entry.unsaved.changed.remove(key);
            entry.unsaved.removed.insert(key.clone());
            entry.fights.remove(key);
            self.live.unclaim(key, name);
        }
    }

    /// What was seen of an application's objects before the application itself.
    pub(crate) fn find_left(&mut self, name: &Name) {
        let Some(entry) = self.applications.get_mut(name) else {
            return;
        };
        for key in self.live.owned_by(name) {
            if entry.objects.contains_key(key) {
                continue;
            }
            let seen = self.live.seen(key);
            if seen.is_some_and(|seen| seen.run.is_some()) {
                entry.hooks.insert(key.clone());
            } else {
                entry.left.insert(key.clone());
            }
        }
    }

    /// Takes in what the database kept of an application.
    pub(crate) fn restore(
        &mut self,
        name: &Name,
        kept: Kept,
        objects: BTreeMap<ObjectKey, KeptObject>,
    ) {
        if let Some(entry) = self.applications.get_mut(name) {
            for key in objects.keys() {
                self.live.claim(key, name);
            }
            entry.kept = Some(kept);
            entry.objects = objects;
        }
    }

    /// Forgets an application.
    pub(crate) fn forget(&mut self, name: &Name) -> Option<ApplicationState> {
        let entry = self.applications.remove(name)?;
        for key in entry.objects.keys() {
            self.live.unclaim(key, name);
        }
        self.in_memory.retain(|(other, _)| other != name);
        self.dependencies.set(name, BTreeSet::new());
        for repository in self.repositories.values_mut() {
            repository.unrendered.remove(name);
            repository.index.remove(name);
        }
        Some(entry)
    }

    /// Keeps the content of a render in memory; the oldest ones go while there are more bytes than
    /// `budget`.
    pub(crate) fn keep_in_memory(&mut self, name: &Name, rendered: Arc<Rendered>, budget: usize) {
        let Some(entry) = self.applications.get_mut(name) else {
            return;
        };
        let weight = rendered.weight;
        entry.rendered = Some(rendered);
        self.in_memory.retain(|(other, _)| other != name);
        self.in_memory.push_back((name.clone(), weight));
        let mut bytes: usize = self.in_memory.iter().map(|(_, weight)| weight).sum();
        while bytes > budget {
            let Some((oldest, weight)) = self.in_memory.pop_front() else {
                return;
            };
            bytes -= weight;
            if let Some(entry) = self.applications.get_mut(&oldest) {
                entry.rendered = None;
            }
        }
    }

    /// The worst health of the objects that Git names.
    pub(crate) fn health(&self, name: &Name) -> (Health, Option<(ObjectKey, String)>) {
        let Some(entry) = self.applications.get(name).filter(|e| e.kept.is_some()) else {
            return (Health::Unknown, None);
        };
        let mut worst: (Health, Option<(ObjectKey, String)>) = (Health::Healthy, None);
        for key in entry.objects.keys() {
            let (health, message) = match self.live.health(key) {
                Some(found) => (found.health, found.message.as_str()),
                None => (Health::Missing, "it is not in the cluster"),
            };
            let combined = Health::worst([worst.0, health]);
            if combined != worst.0 {
                worst = (combined, Some((key.clone(), message.to_owned())));
            }
        }
        worst
    }
}

/// What the database kept, until each application is seen.
#[derive(Debug, Default)]
pub(crate) struct Restored(Mutex<BTreeMap<Name, KeptApplication>>);

impl Restored {
    /// All of it.
    pub(crate) fn new(all: Vec<KeptApplication>) -> Self {
        let by_name = all.into_iter();
        Self(Mutex::new(
            by_name
                .map(|(kept, objects)| (kept.application.clone(), (kept, objects)))
                .collect(),
        ))
    }

    /// What was kept of one application; it is handed out once.
    pub(crate) fn take(&self, name: &Name) -> Option<KeptApplication> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(name)
    }
}

/// The state behind a lock that is never held across an await.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<State>);

impl Shared {
    /// Locks it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in one sync leaves the entries of the others whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use syncline_cluster::kinds::conditions;

    use super::*;

    /// A complete render of nothing.
    pub(crate) fn kept(commit: &CommitId) -> Kept {
        Kept {
            application: Name::new("shop", "web"),
            commit: commit.clone(),
            inputs: Digest::default(),
            reads: ReadSet::default(),
            others: BTreeMap::new(),
            images: Vec::new(),
        }
    }

    #[test]
    fn a_restart_reads_back_what_the_conditions_say() {
        let at = Timestamp::from_second(1000).unwrap();
        for (reason, detail) in [
            (Reason::Synced, ""),
            (Reason::YamlSyntax, "apps/web.yaml:3: a tab"),
            (Reason::PruneHeld, ""),
        ] {
            let mut statement = Statement::new(Reason::Pending, at);
            statement.say(reason, detail, at);
            let told = conditions(&[], None, at, reason, &statement.advice());
            let later = Timestamp::from_second(2000).unwrap();
            assert_eq!(Statement::told(&told, Reason::Pending, later), statement);
        }
    }
}
