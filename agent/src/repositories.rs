//! Repositories: a look at the branch, and which applications a new commit concerns.

mod access;
mod verification;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use syncline_core::application::Repository;
use syncline_core::gate::suspended;
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::Name;
use syncline_core::revision::{CommitId, Revision};
use syncline_core::trigger::Cause;
use syncline_core::url::RepoUrl;
use syncline_source::{Mirror, Settings};

use crate::agent::{Agent, blocking};
use crate::failpoint;
use crate::images;
use crate::jitter::later;
use crate::metrics::PollLabels;
use crate::report;
use crate::state::{ApplicationState, Head, State};
use crate::sync::unrendered;

pub(crate) use access::access;
pub(crate) use verification::verified;

use verification::policy;

/// One mirror per URL, opened when it is first needed.
pub(crate) struct Mirrors {
    settings: Settings,
    open: Mutex<HashMap<RepoUrl, Mirror>>,
}

impl Mirrors {
    /// Mirrors below the folder of the settings.
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            open: Mutex::default(),
        }
    }

    /// The mirror of a URL.
    pub(crate) fn get(&self, url: &RepoUrl) -> Result<Mirror, syncline_source::Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mirror) = open.get(url) {
            return Ok(mirror.clone());
        }
        let mirror = Mirror::open(&self.settings, url)?;
        open.insert(url.clone(), mirror.clone());
        Ok(mirror)
    }
}

/// Looks at the branch of a Repository once. Answers after how long to look again where that is
/// not the interval.
#[tracing::instrument(name = "look", skip_all, fields(repository = %name, %cause))]
pub(crate) async fn look(agent: &Arc<Agent>, name: &Name, cause: Cause) -> Option<Duration> {
    let repository = {
        let mut state = agent.state.lock();
        let entry = state.repositories.get_mut(name)?;
        let now = agent.clock.now();
        let held = entry.spec.as_ref().ok().and_then(|spec| {
            let suspend = spec.suspend.as_ref()?;
            suspend
                .holds(now)
                .then(|| (suspended(suspend), suspend.until))
        });
        let (failure, until) = match (&entry.spec, held) {
            (_, Some((failure, until))) => (Some(failure), until),
            (Ok(_), None) => (None, None),
            (Err(failure), None) => (Some(failure.clone()), None),
        };
        match (failure, &entry.spec) {
            (None, Ok(spec)) => Ok(spec.clone()),
            (failure, _) => {
                if let Some(failure) = failure {
                    entry.statement.say(failure.reason, failure.detail, now);
                }
                Err(until.map(|until| until.duration_since(now)))
            }
        }
    };
    let repository = match repository {
        Ok(repository) => repository,
        Err(left) => {
            wake_applications(agent, name);
            report::repository(agent, name).await;
            // Its end is an event that nobody sends.
            return left.and_then(|left| left.try_into().ok());
        }
    };
    let found = fetch(agent, &repository).await;
    let (reason, delay) = match found {
        Ok(head) => (
            Reason::Fetched,
            arrived(agent, &repository, head, cause).await,
        ),
        Err(failure) => {
            resume(agent, &repository).await;
            (failure.reason, failed(agent, &repository, failure))
        }
    };
    agent
        .metrics
        .polls
        .get_or_create(&PollLabels {
            target: "repository",
            reason: reason.name().to_owned(),
        })
        .inc();
    report::repository(agent, name).await;
    delay
}

async fn fetch(agent: &Arc<Agent>, repository: &Repository) -> Result<Head, Failure> {
    failpoint::reached("fetch.start").await?;
    let access = access(agent, repository, repository.secret.as_deref()).await?;
    let policy = policy(agent, repository).await?;
    let now = agent.clock.now();
    let failure = |error: syncline_source::Error| Failure {
        reason: error.reason(),
        detail: error.to_string(),
    };
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, branch) = (repository.url.clone(), repository.branch.clone());
    let with_tags = repository.wants_tags();
    blocking(move || {
        let mirror = mirrors.get(&url).map_err(failure)?;
        let fetched = if with_tags {
            mirror.fetch_tagged(&access, &branch)
        } else {
            mirror.fetch(&access, &branch)
        };
        let fetched = fetched.map_err(failure)?;
        failpoint::check("fetch.done")?;
        // Before anything of the commit is used.
        if let Some(policy) = &policy {
            policy
                .judge(&mirror, &fetched.commit, now)
                .map_err(failure)?;
        }
        let info = mirror.commit_info(&fetched.commit).map_err(failure)?;
        Ok(Head {
            revision: Revision {
                branch,
                commit: fetched.commit,
            },
            info,
        })
    })
    .await
}

/// The agent has started and the Git server does not answer: where the mirror has it, the last
/// commit of the run before is the head, so that drift is found and put back all the same.
async fn resume(agent: &Arc<Agent>, repository: &Repository) {
    let (mut commits, applications) = {
        let state = agent.state.lock();
        let Some(entry) = state.repositories.get(&repository.name) else {
            return;
        };
        let Some(recorded) = entry.recorded.clone().filter(|_| entry.head.is_none()) else {
            return;
        };
        let applications = state.applications_of(&repository.name);
        // One that was applied and not yet recorded is newer: nothing goes back to an older one.
        let applied = applications
            .iter()
            .filter_map(|name| state.applications.get(name));
        let applied = applied.filter_map(|entry| entry.recorded.clone());
        let commits: Vec<CommitId> = std::iter::once(recorded).chain(applied).collect();
        (commits.into_iter(), applications)
    };
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, branch) = (repository.url.clone(), repository.branch.clone());
    let found = blocking(move || {
        let mirror = mirrors.get(&url).ok()?;
        let recorded = commits.next()?;
        let newest = commits.fold(recorded, |newest, commit| {
            match mirror.is_ancestor(&newest, &commit) {
                Ok(true) => commit,
                _ => newest,
            }
        });
        let info = mirror.commit_info(&newest).ok()?;
        let revision = Revision {
            branch,
            commit: newest,
        };
        Some(Head { revision, info })
    })
    .await;
    let Some(head) = found else { return };
    // It may be older than the wish that commits are signed.
    if let Err(failure) = verified(agent, repository, &head.info.id).await {
        tracing::warn!(reason = %failure.reason, detail = failure.detail, "the last commit is not used");
        return;
    }
    let now = agent.clock.now();
    {
        let mut state = agent.state.lock();
        let Some(entry) = state.repositories.get_mut(&repository.name) else {
            return;
        };
        entry.checked_at = Some(now);
        entry.heads += 1;
        entry.head = Some(head);
        let heads = entry.heads;
        for application in &applications {
            entry.unrendered.insert(application.clone(), heads);
        }
        for application in &applications {
            if let Some(entry) = state.applications.get_mut(application) {
                entry.pending = Some(heads);
            }
        }
    }
    for application in applications {
        let due = agent.clock.monotonic();
        agent.queue.push(&application, Cause::StartUp, now, due);
    }
}

/// A look that went well: the head moves forward, and what it touches is asked to sync.
async fn arrived(
    agent: &Arc<Agent>,
    repository: &Repository,
    head: Head,
    cause: Cause,
) -> Option<Duration> {
    let now = agent.clock.now();
    let name = &repository.name;
    let (previous, known, approved) = {
        let mut state = agent.state.lock();
        let entry = state.repositories.get_mut(name)?;
        entry.checked_at = Some(now);
        entry.failures = 0;
        let previous = entry.head.as_ref().map(|head| head.info.id.clone());
        let known = previous.clone().or(entry.recorded.clone());
        (previous, known, entry.approve.clone())
    };
    if let Some(known) = known.filter(|known| *known != head.info.id)
        && !follows(agent, repository, &known, &head.info.id).await
        && approved.as_deref() != Some(head.info.id.as_str())
    {
        let detail = format!(
            "`{}` points to {} now, which does not contain {known}",
            repository.branch, head.info.id
        );
        let mut state = agent.state.lock();
        let entry = state.repositories.get_mut(name)?;
        entry.statement.say(Reason::HistoryRewritten, detail, now);
        return None;
    }
    let touched = touched(agent, repository, previous.as_ref(), &head).await;
    if let Some(previous) = previous.as_ref().filter(|_| cause != Cause::Image) {
        images::moved(agent, repository, previous, &head.info.id).await;
    }
    {
        let mut state = agent.state.lock();
        let entry = state.repositories.get_mut(name)?;
        entry.statement.say(Reason::Fetched, String::new(), now);
        if entry.head.as_ref().map(|head| &head.info.id) != Some(&head.info.id) {
            entry.heads += 1;
        }
        let heads = entry.heads;
        entry.head = Some(head);
        // Who only reads files of it takes nothing over by its commits.
        let own = state.applications_of(name);
        let own = || touched.iter().filter(|touched| own.contains(touched));
        let entry = state.repositories.get_mut(name)?;
        for application in own() {
            entry.unrendered.insert(application.clone(), heads);
        }
        for application in own() {
            if let Some(entry) = state.applications.get_mut(application) {
                entry.pending = Some(heads);
                give_way(entry, agent.settings.most_take_overs);
            }
        }
    }
    // Who asks for a look at the repository has not asked to sync what syncs by hand only.
    let cause = match cause {
        Cause::User => Cause::Poll,
        other => other,
    };
    for application in touched {
        agent
            .queue
            .push(&application, cause, now, agent.clock.monotonic());
    }
    None
}

/// A running sync of an older commit gives way between two objects; not for ever, so that a branch
/// with many commits does not keep an application from being synced at all.
fn give_way(entry: &mut ApplicationState, most: u32) {
    if let Some(running) = &entry.running
        && entry.take_overs < most
        && !running.is_cancelled()
    {
        entry.take_overs += 1;
        running.cancel();
    }
}

/// An application is rendered at the head of that number, or will not be: who waited for that goes
/// on. A newer head may have touched it meanwhile, and then nothing is said of that.
pub(crate) fn rendered(agent: &Agent, application: &Name, head: u64) {
    let mut state = agent.state.lock();
    let entry = state.applications.get(application);
    let blocked = entry.is_some_and(|entry| entry.blocked.is_some());
    let ahead = entry.and_then(|entry| entry.ahead.as_ref());
    let ahead = ahead.map_or(0, |ahead| ahead.heads);
    let Some(name) = state.repository_of(application) else {
        return;
    };
    let Some(repository) = state.repositories.get_mut(&name) else {
        return;
    };
    let touched = repository.unrendered.get(application);
    // What one that is blocked wants at that head shows when it is rendered ahead.
    let head = if blocked { head.min(ahead) } else { head };
    if touched.is_some_and(|touched| *touched <= head) {
        repository.unrendered.remove(application);
        wake_waiting(agent, &mut state, &name);
    }
}

/// Asks for a sync of those applications of a repository that waited for others and wait for none
/// any more.
pub(crate) fn wake_waiting(agent: &Agent, state: &mut State, repository: &Name) {
    if let Some(entry) = state.repositories.get_mut(repository) {
        entry.renders += 1;
    }
    let (now, due) = (agent.clock.now(), agent.clock.monotonic());
    for application in state.applications_of(repository) {
        let Some(entry) = state.applications.get(&application) else {
            continue;
        };
        let waits = entry.waits || entry.deleting.is_some();
        if waits && unrendered(state, &application).is_empty() {
            agent.queue.push(&application, Cause::Dependency, now, due);
        }
    }
}

/// Whether the new commit contains the old one. A commit that the server no longer has cannot be
/// contained.
async fn follows(agent: &Agent, repository: &Repository, old: &CommitId, new: &CommitId) -> bool {
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, old, new) = (repository.url.clone(), old.clone(), new.clone());
    blocking(move || {
        mirrors
            .get(&url)
            .and_then(|mirror| mirror.is_ancestor(&old, &new))
    })
    .await
    .unwrap_or(false)
}

/// The applications whose read set the commits since `previous` change, and those that have none.
async fn touched(
    agent: &Agent,
    repository: &Repository,
    previous: Option<&CommitId>,
    head: &Head,
) -> Vec<Name> {
    let all = agent.state.lock().readers_of(&repository.name);
    let Some(previous) = previous else { return all };
    if *previous == head.info.id {
        return Vec::new();
    }
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, old, new) = (
        repository.url.clone(),
        previous.clone(),
        head.info.id.clone(),
    );
    let changed = blocking(move || {
        mirrors
            .get(&url)
            .and_then(|mirror| mirror.changed_paths(&old, &new))
    })
    .await;
    // Without the difference every application has to look for itself.
    let Ok(changed) = changed else { return all };
    let state = agent.state.lock();
    let Some(entry) = state.repositories.get(&repository.name) else {
        return Vec::new();
    };
    let mut touched = entry.index.touched_by(&changed);
    for name in all {
        let held = state
            .applications
            .get(&name)
            .is_some_and(|entry| entry.plan_hash.is_some());
        // Any commit may carry the approval that a held plan waits for.
        if held || !entry.index.contains(&name) {
            touched.insert(name);
        }
    }
    touched.into_iter().collect()
}

/// Tells applications that wait for a Repository without a head why they wait.
pub(crate) fn wake_applications(agent: &Agent, name: &Name) {
    let now = agent.clock.now();
    let waiting = {
        let mut state = agent.state.lock();
        let Some(entry) = state.repositories.get_mut(name) else {
            return;
        };
        entry.checked_at = Some(now);
        if entry.head.is_some() {
            return;
        }
        state.readers_of(name)
    };
    for application in waiting {
        let due = agent.clock.monotonic();
        agent.queue.push(&application, Cause::Reference, now, due);
    }
}

/// A look that failed: the last good commit is kept, and the next look comes later.
fn failed(agent: &Agent, repository: &Repository, failure: Failure) -> Option<Duration> {
    let class = failure.reason.class();
    if class == Class::Denied {
        agent.references.forget(&repository.name.namespace);
    }
    let now = agent.clock.now();
    let mut state = agent.state.lock();
    let entry = state.repositories.get_mut(&repository.name)?;
    entry.failures += 1;
    if entry.statement.reason != failure.reason {
        tracing::warn!(reason = %failure.reason, detail = failure.detail, "the repository cannot be read");
    }
    let doublings = entry.failures.saturating_sub(1).min(16);
    entry.statement.say(failure.reason, failure.detail, now);
    drop(state);
    wake_applications(agent, &repository.name);
    let settings = &agent.settings;
    match class {
        Class::Transient => {
            let delay = settings.retry_first.saturating_mul(1 << doublings);
            let delay = delay
                .min(settings.retry_most)
                .min(repository.interval.max(settings.retry_first));
            let key = (&repository.name, doublings);
            Some(later(delay, settings.retry_jitter, key))
        }
        _ => None,
    }
}
