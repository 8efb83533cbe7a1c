//! Our own objects as they come and go: from a watch event to state, poller and queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_cluster::kinds::{self, Kind};
use syncline_cluster::own::{Change, OwnEvent};
use syncline_core::application::Application;
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::read_index::ReadIndex;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_core::revision::CommitId;
use syncline_core::trigger::Cause;
use syncline_web_ui::Topic;
use tokio::time::Instant;

use crate::agent::Agent;
use crate::conversion;
use crate::health::rules::judge_anew;
use crate::images::{Memory, rollback};
use crate::named::{self, Owner};
use crate::poller::Target;
use crate::repositories::wake_waiting;
use crate::state::{ApplicationState, PolicyState, RepositoryState, State, Statement};
use crate::sync::end_idle_watches;
use crate::{dependencies, report, repositories};

/// Takes one event in.
pub(crate) async fn take(agent: &Arc<Agent>, event: OwnEvent) {
    match event {
        OwnEvent::Repository(Change::Applied(object)) => repository(agent, &object).await,
        OwnEvent::Application(Change::Applied(object)) => application(agent, &object).await,
        OwnEvent::ImagePolicy(Change::Applied(object)) => policy(agent, &object).await,
        OwnEvent::Repository(other) => rest(agent, Kind::Repository, other).await,
        OwnEvent::Application(other) => rest(agent, Kind::Application, other).await,
        OwnEvent::ImagePolicy(other) => rest(agent, Kind::ImagePolicy, other).await,
    }
}

async fn rest<K>(agent: &Arc<Agent>, kind: Kind, change: Change<K>) {
    match change {
        Change::Deleted(name) => {
            deleted(agent, kind, &name);
            match kind {
                Kind::Repository => named::follow_repository(agent, &name, None),
                Kind::Application => {
                    named::follow_application(agent, &name, None);
                    dependencies::tell(agent, &name);
                }
                Kind::ImagePolicy => named::follow_policy(agent, &name, None),
            }
            match kind {
                Kind::Repository => agent.webhooks_changed.notify_one(),
                Kind::Application => end_idle_watches(agent),
                Kind::ImagePolicy => {}
            }
        }
        Change::Invalid {
            name,
            generation,
            message,
        } => {
            invalid(agent, kind, &name, generation, message).await;
        }
        Change::InitDone => agent.listed(kind),
        Change::Applied(_) => {}
    }
}

fn annotation(annotations: Option<&BTreeMap<String, String>>, name: &str) -> Option<String> {
    annotations.and_then(|all| all.get(name)).cloned()
}

async fn repository(agent: &Arc<Agent>, object: &kinds::Repository) {
    let name = kinds::name_of(object);
    let spec = conversion::repository(object, &agent.settings.default_account);
    let now = agent.clock.now();
    let (interval, asked) = {
        let mut state = agent.state.lock();
        let status = object.status.clone().unwrap_or_default();
        let recorded = status
            .revision
            .as_deref()
            .and_then(|revision| revision.rsplit_once('@'))
            .and_then(|(branch, commit)| {
                // Another branch has another history.
                let same = spec.as_ref().is_ok_and(|spec| spec.branch == branch);
                CommitId::parse(commit).ok().filter(|_| same)
            });
        let entry = state
            .repositories
            .entry(name.clone())
            .or_insert_with(|| RepositoryState {
                spec: spec.clone(),
                generation: None,
                approve: None,
                requested_at: annotation(
                    object.metadata.annotations.as_ref(),
                    names::ANNOTATION_REQUESTED_AT,
                ),
                head: None,
                recorded,
                statement: Statement::told(&status.conditions, Reason::Fetching, now),
                status,
                checked_at: None,
                failures: 0,
                heads: 0,
                index: ReadIndex::default(),
                unrendered: BTreeMap::new(),
                renders: 0,
            });
        if let (Ok(old), Ok(new)) = (&entry.spec, &spec)
            && (old.url != new.url || old.branch != new.branch)
        {
            // Another source: neither its head nor its ancestry says anything of this one.
            entry.head = None;
            entry.recorded = None;
        }
        let approve = annotation(
            object.metadata.annotations.as_ref(),
            names::ANNOTATION_APPROVE,
        );
        let requested_at = annotation(
            object.metadata.annotations.as_ref(),
            names::ANNOTATION_REQUESTED_AT,
        );
        let user = entry.requested_at != requested_at || entry.approve != approve;
        let changed = entry.generation != object.metadata.generation;
        entry.generation = object.metadata.generation;
        entry.approve = approve;
        entry.requested_at = requested_at;
        entry.spec = spec;
        let spec = entry.spec.as_ref().ok();
        named::follow_repository(agent, &name, spec);
        let interval = spec.map(|spec| spec.interval);
        let asked = if user {
            Some(Cause::User)
        } else if changed {
            Some(Cause::Reference)
        } else {
            None
        };
        (interval, asked)
    };
    let target = Target::Repository(name.clone());
    let instant = agent.clock.monotonic();
    match interval {
        Some(interval) => {
            agent
                .poller
                .watch(target.clone(), interval, Cause::StartUp, instant);
            if let Some(cause) = asked {
                agent.named.look_again(&Owner::Repository(name.clone()));
                agent.references.forget(&name.namespace);
                agent.poller.look_now(&target, cause, instant);
                agent.webhooks_changed.notify_one();
            }
        }
        None => {
            agent.poller.forget(&target);
            say_invalid_repository(agent, &name);
            repositories::wake_applications(agent, &name);
            agent.webhooks_changed.notify_one();
            report::repository(agent, &name).await;
        }
    }
}

fn say_invalid_repository(agent: &Agent, name: &Name) {
    let now = agent.clock.now();
    let mut state = agent.state.lock();
    if let Some(entry) = state.repositories.get_mut(name)
        && let Err(failure) = &entry.spec
    {
        let failure = failure.clone();
        entry.statement.say(failure.reason, failure.detail, now);
    }
}

async fn application(agent: &Arc<Agent>, object: &kinds::Application) {
    let name = kinds::name_of(object);
    let spec = conversion::application(object, &agent.settings.default_account);
    let now = agent.clock.now();
    let annotations = object.metadata.annotations.clone().unwrap_or_default();
    let labels = object.metadata.labels.clone().unwrap_or_default();
    let has_finalizer = object
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == names::FINALIZER);
    let deleting = object
        .metadata
        .deletion_timestamp
        .as_ref()
        .map(|time| time.0);
    let (cause, others, went) = {
        let mut state = agent.state.lock();
        let status = object.status.clone().unwrap_or_default();
        let recorded = status
            .last_applied_revision
            .as_deref()
            .and_then(|revision| revision.rsplit_once('@'))
            .and_then(|(_, commit)| CommitId::parse(commit).ok());
        let new = !state.applications.contains_key(&name);
        let checked = first_check(
            &name,
            agent.clock.monotonic(),
            agent.settings.full_check_interval,
        );
        let entry = state.applications.entry(name.clone()).or_insert_with(|| {
            let told = Statement::told(&status.conditions, Reason::Pending, now);
            let mut entry = ApplicationState::new(spec.clone(), told, status, checked);
            entry.generation = object.metadata.generation;
            entry.uid = object.metadata.uid.clone().unwrap_or_default();
            entry.annotations.clone_from(&annotations);
            entry.deleting = deleting;
            entry.recorded = recorded;
            entry
        });
        let differs =
            |annotation: &str| entry.annotations.get(annotation) != annotations.get(annotation);
        // Who approves a plan means that plan and no other commit.
        let manual = spec.as_ref().is_ok_and(|spec| !spec.sync.automatic);
        let approved = differs(names::ANNOTATION_APPROVE);
        let user = differs(names::ANNOTATION_REQUESTED_AT) || (approved && !manual);
        let approved = approved && !user;
        let opened = differs(names::ANNOTATION_ADOPT);
        let stopped = !new && differs(names::ANNOTATION_ABORT);
        let changed = entry.generation != object.metadata.generation;
        let went = entry.deleting != deleting;
        let moved = entry.spec.as_ref().map(|spec| &spec.repository).ok()
            != spec.as_ref().map(|spec| &spec.repository).ok();
        entry.generation = object.metadata.generation;
        entry.annotations = annotations;
        if entry.labels != labels {
            entry.labels = labels;
            agent.feed.publish(Topic::Application, name.to_string());
        }
        if stopped && entry.stop().is_some() {
            entry.stop_running();
        }
        entry.has_finalizer = has_finalizer;
        entry.deleting = deleting;
        let judged = |spec: &Result<Application, Failure>| match spec {
            Ok(spec) => spec.health.clone(),
            Err(_) => Vec::new(),
        };
        let (before, after) = (judged(&entry.spec), judged(&spec));
        entry.spec = spec;
        if !new && before != after {
            let rules = before.into_iter().chain(after).collect();
            // It reads only, and ends by itself.
            tokio::spawn(judge_anew(Arc::clone(agent), name.clone(), rules));
        }
        follow_chart(agent, &name, entry);
        let spec = entry.spec.as_ref().ok();
        let spec = spec.filter(|_| deleting.is_none());
        named::follow_application(agent, &name, spec);
        let others = dependencies::index(&mut state, &name);
        if new && let Some((kept, objects)) = agent.restored.take(&name) {
            state.restore(&name, kept, objects);
        }
        if new {
            state.find_left(&name);
        }
        if new || changed || moved {
            enlist(&mut state, &name, moved);
        }
        if went || opened {
            heirs_of(agent, &state, &name);
        }
        let count = state.applications.len();
        agent.metrics.applications.set(count as i64);
        let cause = match (new, user, changed || went || approved || stopped) {
            (true, _, _) => Some(Cause::StartUp),
            (_, true, _) => Some(Cause::User),
            (_, _, true) => Some(Cause::Reference),
            _ => None,
        };
        (cause, new || others, went)
    };
    if cause.is_some() {
        agent.named.look_again(&Owner::Application(name.clone()));
    }
    if went {
        dependencies::say_deleted(agent, &name).await;
    } else if others {
        dependencies::tell(agent, &name);
    }
    match cause {
        Some(Cause::User) => ask_for_sync(agent, &name),
        Some(cause) => agent.queue.push(&name, cause, now, agent.clock.monotonic()),
        None => {}
    }
    rollback::asked(agent, &name).await;
}

/// Looks for newer versions of the chart from a chart repository, where there is one.
pub(crate) fn follow_chart(agent: &Agent, name: &Name, entry: &ApplicationState) {
    let target = Target::Chart(name.clone());
    let spec = entry.spec.as_ref().ok();
    let today = agent.clock.now();
    let suspended = spec.is_some_and(|spec| spec.suspend.as_ref().is_some_and(|s| s.holds(today)));
    let spec = spec.filter(|_| !suspended && entry.deleting.is_none());
    match spec.and_then(|spec| spec.rendering.helm.chart.as_ref()) {
        Some(chart) => {
            // The first sync looks for itself.
            let now = agent.clock.monotonic() + chart.interval;
            let interval = chart.interval;
            agent.poller.watch(target, interval, Cause::Poll, now);
        }
        None => agent.poller.forget(&target),
    }
}

/// When an application counts as checked first: the checks of many are spread over the interval.
fn first_check(name: &Name, now: Instant, interval: Duration) -> Instant {
    use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
    let part = (hash % 1024) as f64 / 1024.0;
    now.checked_sub(interval.mul_f64(part)).unwrap_or(now)
}

/// A new or changed application may want what others have: they wait until it is rendered.
fn enlist(state: &mut State, name: &Name, moved: bool) {
    if moved {
        for repository in state.repositories.values_mut() {
            repository.unrendered.remove(name);
            repository.index.remove(name);
        }
    }
    let Some(repository) = state.repository_of(name) else {
        return;
    };
    if let Some(repository) = state.repositories.get_mut(&repository) {
        repository.unrendered.insert(name.clone(), repository.heads);
        let heads = repository.heads;
        if !repository.index.contains(name) {
            state.index(name);
        }
        if let Some(entry) = state.applications.get_mut(name) {
            entry.pending = Some(heads);
            entry.ahead = None;
        }
    }
}

/// An application that is being deleted leaves its objects to those who want them.
fn heirs_of(agent: &Agent, state: &State, name: &Name) {
    let Some(entry) = state.applications.get(name) else {
        return;
    };
    let heirs: BTreeSet<&Name> = entry
        .objects
        .keys()
        .chain(&entry.left)
        .flat_map(|key| state.live.claims(key))
        .filter(|heir| *heir != name)
        .collect();
    for heir in heirs {
        let (now, due) = (agent.clock.now(), agent.clock.monotonic());
        agent.queue.push(heir, Cause::Dependency, now, due);
    }
}

/// A person asks for a sync of the newest state.
pub(crate) fn ask_for_sync(agent: &Agent, name: &Name) {
    look_at_sources(agent, name);
    let (now, due) = (agent.clock.now(), agent.clock.monotonic());
    agent.queue.push(name, Cause::User, now, due);
}

/// Looks for a newer commit of each source at once, and believes no Secret that was read before: who
/// asks for a sync means the newest state.
pub(crate) fn look_at_sources(agent: &Agent, application: &Name) {
    let repositories: BTreeSet<String> = {
        let state = agent.state.lock();
        let entry = state.applications.get(application);
        let spec = entry.and_then(|entry| entry.spec.as_ref().ok());
        let named = spec.into_iter().flat_map(|spec| {
            let others = spec.rendering.sources.values();
            others.chain([&spec.repository]).cloned()
        });
        named.collect()
    };
    agent.references.forget(&application.namespace);
    for repository in repositories {
        let target = Target::Repository(Name::new(&application.namespace, repository));
        agent
            .poller
            .look_now(&target, Cause::Poll, agent.clock.monotonic());
    }
}

async fn policy(agent: &Arc<Agent>, object: &kinds::ImagePolicy) {
    let name = kinds::name_of(object);
    let spec = conversion::image_policy(object, &agent.settings.default_account);
    let now = agent.clock.now();
    let (wrong, interval, asked) = {
        let mut state = agent.state.lock();
        let requested_at = annotation(
            object.metadata.annotations.as_ref(),
            names::ANNOTATION_REQUESTED_AT,
        );
        let told = |name| annotation(object.metadata.annotations.as_ref(), name);
        let release = told(names::ANNOTATION_RELEASE);
        let (skip, pin) = (
            told(names::ANNOTATION_SKIP),
            told(names::ANNOTATION_PIN_TAG),
        );
        let status = object.status.clone().unwrap_or_default();
        let entry = state
            .policies
            .entry(name.clone())
            .or_insert_with(|| PolicyState {
                spec: spec.clone(),
                generation: object.metadata.generation,
                requested_at: requested_at.clone(),
                release: release.clone(),
                skip: skip.clone(),
                pin: pin.clone(),
                statement: Statement::told(&status.conditions, Reason::Pending, now),
                current: status.current_tag.clone(),
                memory: Memory::told(&status),
                status,
                last_update: None,
                failures: 0,
            });
        let decided = (&entry.release, &entry.skip, &entry.pin) != (&release, &skip, &pin);
        if decided {
            entry.memory.decide_anew();
        }
        let asked = if entry.requested_at != requested_at || decided {
            Some(Cause::User)
        } else if entry.generation != object.metadata.generation {
            Some(Cause::Reference)
        } else {
            None
        };
        entry.generation = object.metadata.generation;
        entry.requested_at = requested_at;
        entry.release = release;
        entry.skip = skip;
        entry.pin = pin;
        entry.spec = spec;
        named::follow_policy(agent, &name, entry.spec.as_ref().ok());
        let wrong = entry.spec.as_ref().err().cloned();
        if let Some(failure) = &wrong {
            entry
                .statement
                .say(failure.reason, failure.detail.clone(), now);
        }
        (
            wrong,
            entry.spec.as_ref().map(|spec| spec.interval).ok(),
            asked,
        )
    };
    let target = Target::ImagePolicy(name.clone());
    let instant = agent.clock.monotonic();
    match interval {
        Some(interval) => {
            agent
                .poller
                .watch(target.clone(), interval, Cause::StartUp, instant);
            if let Some(cause) = asked {
                agent.named.look_again(&Owner::ImagePolicy(name.clone()));
                agent.references.forget(&name.namespace);
                agent.poller.look_now(&target, cause, instant);
            }
        }
        None => agent.poller.forget(&target),
    }
    if wrong.is_some() {
        report::policy(agent, &name).await;
    }
}

fn deleted(agent: &Agent, kind: Kind, name: &Name) {
    let mut guard = agent.state.lock();
    let state = &mut *guard;
    match kind {
        Kind::Repository => {
            agent.poller.forget(&Target::Repository(name.clone()));
            let applications = state.readers_of(name);
            state.repositories.remove(name);
            let now = agent.clock.now();
            for application in applications {
                agent
                    .queue
                    .push(&application, Cause::Reference, now, agent.clock.monotonic());
            }
        }
        Kind::Application => {
            agent.queue.forget(name);
            agent.poller.forget(&Target::Chart(name.clone()));
            agent.history.forget(name);
            let repository = state.repository_of(name);
            heirs_of(agent, state, name);
            state.forget(name);
            if let Some(repository) = repository {
                wake_waiting(agent, state, &repository);
            }
            agent
                .metrics
                .applications
                .set(state.applications.len() as i64);
        }
        Kind::ImagePolicy => {
            agent.poller.forget(&Target::ImagePolicy(name.clone()));
            state.policies.remove(name);
        }
    }
}

/// An object that does not even parse: its own status says so, the others go on (inv_i15).
async fn invalid(
    agent: &Arc<Agent>,
    kind: Kind,
    name: &Name,
    generation: Option<i64>,
    message: String,
) {
    let failure = Failure {
        reason: Reason::InvalidSpec,
        detail: message,
    };
    let now = agent.clock.now();
    tracing::warn!(kind = kind.as_str(), object.name = %name, detail = failure.detail, "an object cannot be read");
    {
        let mut state = agent.state.lock();
        match kind {
            Kind::Repository => {
                if let Some(entry) = state.repositories.get_mut(name) {
                    refuse(&mut entry.spec, &mut entry.statement, &failure, now);
                    entry.generation = generation;
                }
            }
            Kind::Application => {
                if let Some(entry) = state.applications.get_mut(name) {
                    refuse(&mut entry.spec, &mut entry.statement, &failure, now);
                    entry.generation = generation;
                }
            }
            Kind::ImagePolicy => {
                if let Some(entry) = state.policies.get_mut(name) {
                    refuse(&mut entry.spec, &mut entry.statement, &failure, now);
                    entry.generation = generation;
                }
            }
        }
    }
    report::invalid(agent, kind, name, generation, &failure).await;
}

fn refuse<T>(
    spec: &mut Result<T, Failure>,
    statement: &mut Statement,
    failure: &Failure,
    now: Timestamp,
) {
    *spec = Err(failure.clone());
    statement.say(failure.reason, failure.detail.clone(), now);
}
