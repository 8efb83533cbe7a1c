//! The image pipeline of one policy, once: scan -> choose -> edit -> commit -> push.
//!
//! It never applies anything: the commit comes back through the look at the Repository.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use syncline_core::application::{Repository, Write};
use syncline_core::gate::{closed, suspended};
use syncline_core::image::{ImageName, Site, Tag, choose, edit_all, find};
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::reason::{Class, Reason};
use syncline_core::record::{Name, UpdateRecord};
use syncline_core::revision::CommitId;
use syncline_core::trigger::Cause;
use syncline_registry::Auth;
use syncline_source::{Access, Mirror, NewCommit, Push, SourceFile};

use crate::agent::{Agent, blocking};
use crate::conversion::ImageUpdate;
use crate::jitter::later;
use crate::metrics::PollLabels;
use crate::poller::Target;
use crate::report;
use crate::repositories::access;

/// How many verdicts are kept for people.
const VERDICTS: usize = 50;

/// What a look at an image found.
struct Scanned {
    reason: Reason,
    detail: String,
    update: Option<UpdateRecord>,
}

/// Looks at the image of a policy once. Answers after how long to look again where that is not
/// the interval.
#[tracing::instrument(name = "scan", skip_all, fields(policy = %name))]
pub(crate) async fn look(agent: &Arc<Agent>, name: &Name, cause: Cause) -> Option<Duration> {
    let spec = agent.state.lock().policies.get(name)?.spec.clone();
    let scanned = match &spec {
        Err(failure) => Err((failure.clone(), None)),
        Ok(policy) => {
            let now = agent.clock.now();
            match policy.suspend.as_ref().filter(|s| s.holds(now)) {
                Some(suspend) => Err((suspended(suspend), left(suspend.until, now))),
                None => scan(agent, policy, cause).await,
            }
        }
    };
    let now = agent.clock.now();
    let (reason, delay) = {
        let mut state = agent.state.lock();
        let entry = state.policies.get_mut(name)?;
        match scanned {
            Ok(scanned) => {
                entry.failures = 0;
                entry.statement.say(scanned.reason, scanned.detail, now);
                if let Some(update) = scanned.update {
                    entry.current = Some(update.new.clone());
                    entry.last_update = Some(update);
                }
                (scanned.reason, None)
            }
            Err((failure, after)) => {
                let class = failure.reason.class();
                entry.failures += u32::from(class != Class::Hold);
                let doublings = entry.failures.saturating_sub(1).min(16);
                let changed = entry.statement.reason != failure.reason;
                if changed && class != Class::Hold {
                    tracing::warn!(reason = %failure.reason, detail = failure.detail, "image look did not succeed");
                }
                let reason = failure.reason;
                entry.statement.say(failure.reason, failure.detail, now);
                let settings = &agent.settings;
                let back_off = settings.retry_first.saturating_mul(1 << doublings);
                let back_off = back_off.min(settings.retry_most);
                let interval = spec.as_ref().ok().map(|policy| policy.interval);
                let delay = match (class, after) {
                    // The other side, or a failure of it, says when.
                    (Class::Transient, Some(after)) => Some(after),
                    (Class::Transient, None) => {
                        Some(later(back_off, settings.retry_jitter, (name, doublings)))
                    }
                    // The end of what holds it; looks at the image go on until then.
                    (Class::Hold, Some(after)) if reason == Reason::Suspended => Some(after),
                    (Class::Hold, Some(after)) => interval.map(|interval| interval.min(after)),
                    _ => None,
                };
                (reason, delay)
            }
        }
    };
    if reason.class() == Class::Denied {
        agent.references.forget(&name.namespace);
    }
    agent
        .metrics
        .polls
        .get_or_create(&PollLabels {
            target: "image",
            reason: reason.name().to_owned(),
        })
        .inc();
    report::policy(agent, name).await;
    delay
}

/// How long it is until then.
fn left(until: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    until.and_then(|until| until.duration_since(now).try_into().ok())
}

/// Whether an update may be committed now. The tags are read and chosen from in any case.
fn may_commit(agent: &Agent, policy: &ImageUpdate, cause: Cause, update: &str) -> Attempt<()> {
    let now = agent.clock.now();
    if let Some(freeze) = agent.freeze.current() {
        let mut failure = freeze.failure();
        failure.detail = format!("{update} waits; {}", failure.detail);
        return Err((failure, left(freeze.until, now)));
    }
    match closed(&policy.windows, now) {
        Some((closed, _)) if cause == Cause::User => {
            let detail = closed.detail;
            tracing::info!(detail, "a person asked for the update all the same");
            Ok(())
        }
        Some((mut closed, until)) => {
            closed.detail = format!("{update} waits; {}", closed.detail);
            Err((closed, left(until, now)))
        }
        None => Ok(()),
    }
}

type Attempt<T> = Result<T, (Failure, Option<Duration>)>;

fn fail<T>(reason: Reason, detail: impl Into<String>) -> Attempt<T> {
    Err((
        Failure {
            reason,
            detail: detail.into(),
        },
        None,
    ))
}

async fn scan(agent: &Arc<Agent>, policy: &ImageUpdate, cause: Cause) -> Attempt<Scanned> {
    let auth = registry_auth(agent, policy)
        .await
        .map_err(|failure| (failure, None))?;
    let listing = agent
        .registry
        .tags(&policy.image, &auth)
        .await
        .map_err(|error| (error.failure(), error.retry_after()))?;
    let (repository, write) = destination(agent, policy)?;
    let readable = access(agent, &repository, repository.secret.as_deref())
        .await
        .map_err(|failure| (failure, None))?;
    let mut attempts = 0;
    loop {
        attempts += 1;
        let attempt = once(
            agent,
            policy,
            cause,
            &repository,
            write.as_ref(),
            &readable,
            &listing.tags,
        )
        .await?;
        match attempt {
            Once::Settled(scanned) => return Ok(*scanned),
            Once::Lost(message) if attempts >= agent.settings.push_attempts => {
                return fail(
                    Reason::PushFailed,
                    format!("somebody else pushed first {attempts} times: {message}"),
                );
            }
            // The edit is made anew on the new tip.
            Once::Lost(message) => {
                tracing::info!(attempts, message, "lost the race for the branch");
            }
        }
    }
}

/// Credentials of the registry, from the Secret that the policy names.
async fn registry_auth(agent: &Agent, policy: &ImageUpdate) -> Result<Auth, Failure> {
    let Some(secret) = &policy.secret else {
        return Ok(Auth::Anonymous);
    };
    let namespace = &policy.name.namespace;
    let data = agent
        .references
        .secret(agent, namespace, &policy.account, secret)
        .await?;
    if let Some(config) = data.text(".dockerconfigjson") {
        let auth = Auth::from_docker_config(&config, &policy.image).map_err(|error| Failure {
            reason: Reason::RegistryAuthFailed,
            detail: format!("secret `{namespace}/{secret}`: {error}"),
        })?;
        return Ok(auth.unwrap_or_default());
    }
    match (data.text("username"), data.text("password")) {
        (Some(username), Some(password)) => Ok(Auth::Basic {
            username: username.expose().trim().to_owned(),
            password,
        }),
        _ => Err(Failure {
            reason: Reason::SecretMissing,
            detail: format!(
                "secret `{namespace}/{secret}` needs `.dockerconfigjson`, or `username` and `password`"
            ),
        }),
    }
}

/// The Repository that is edited.
fn destination(agent: &Agent, policy: &ImageUpdate) -> Attempt<(Repository, Option<Write>)> {
    let name = Name::new(&policy.name.namespace, &policy.repository);
    let state = agent.state.lock();
    let Some(entry) = state.repositories.get(&name) else {
        return fail(
            Reason::RepositoryMissing,
            format!("`{}`", policy.repository),
        );
    };
    match &entry.spec {
        Ok(repository) if is_suspended(repository, agent) => fail(
            Reason::RepositoryNotReady,
            format!("`{}` is suspended", policy.repository),
        ),
        Ok(repository) => Ok((repository.clone(), repository.write.clone())),
        Err(failure) => fail(Reason::RepositoryNotReady, failure.detail.clone()),
    }
}

fn is_suspended(repository: &Repository, agent: &Agent) -> bool {
    let now = agent.clock.now();
    repository.suspend.as_ref().is_some_and(|s| s.holds(now))
}

/// How one attempt on one tip ended.
enum Once {
    Settled(Box<Scanned>),
    Lost(String),
}

/// What the files of the tip say, and what is to be pushed.
struct Prepared {
    tip: CommitId,
    edits: Vec<(String, Vec<u8>)>,
    places: Vec<String>,
    old: Tag,
    new: Tag,
}

enum Looked {
    Settled(Box<Scanned>),
    Write(Prepared),
}

async fn once(
    agent: &Arc<Agent>,
    policy: &ImageUpdate,
    cause: Cause,
    repository: &Repository,
    write: Option<&Write>,
    readable: &Access,
    tags: &Arc<[Tag]>,
) -> Attempt<Once> {
    let git = |error: syncline_source::Error| {
        (
            Failure {
                reason: error.reason(),
                detail: error.to_string(),
            },
            None,
        )
    };
    let mirrors = Arc::clone(&agent.mirrors);
    let (url, branch, access_read) = (
        repository.url.clone(),
        repository.branch.clone(),
        readable.clone(),
    );
    let paths: Vec<String> = policy
        .paths
        .iter()
        .map(|path| path.as_str().to_owned())
        .collect();
    let (mirror, tip, files) = blocking(move || {
        let mirror = mirrors.get(&url)?;
        let fetched = mirror.fetch(&access_read, &branch)?;
        let files = read_files(&mirror, &fetched.commit, &paths)?;
        Ok((mirror, fetched.commit, files))
    })
    .await
    .map_err(git)?;
    let prepared = match examine(agent, policy, tip, files, tags)? {
        Looked::Settled(scanned) => return Ok(Once::Settled(scanned)),
        Looked::Write(prepared) => prepared,
    };
    let Some(write) = write else {
        return fail(
            Reason::WriteNotConfigured,
            format!("{} should become {}", prepared.old, prepared.new),
        );
    };
    let writable = access(agent, repository, write.secret.as_deref())
        .await
        .map_err(|failure| (failure, None))?;
    let update = format!("{} -> {}", prepared.old, prepared.new);
    may_commit(agent, policy, cause, &update)?;
    let id = ulid::Ulid::new().to_string();
    let commit = NewCommit {
        message: message(policy, write, &prepared, &id),
        author_name: write.author_name.clone(),
        author_email: write.author_email.clone(),
        time: agent.clock.now(),
    };
    let branch = repository.branch.clone();
    let (tip, edits) = (prepared.tip.clone(), prepared.edits);
    let pushed = blocking(move || {
        let commit = mirror.commit(&tip, &edits, &commit)?;
        mirror
            .push(&writable, &branch, &commit)
            .map(|push| (commit, push))
    })
    .await;
    let (commit, push) = pushed.map_err(git)?;
    if let Push::Lost { message } = push {
        return Ok(Once::Lost(message));
    }
    let record = UpdateRecord {
        id,
        policy: policy.name.clone(),
        repository: repository.name.name.clone(),
        image: policy.image.to_string(),
        old: prepared.old.to_string(),
        new: prepared.new.to_string(),
        files: prepared.places,
        commit: commit.clone(),
        time: agent.clock.now(),
    };
    agent.history.record_update(&record);
    agent.metrics.commits.inc();
    tracing::info!(git.commit = %commit, old = record.old, new = record.new, "committed a newer image");
    let target = Target::Repository(repository.name.clone());
    agent
        .poller
        .look_now(&target, Cause::Image, agent.clock.monotonic());
    Ok(Once::Settled(Box::new(Scanned {
        reason: Reason::UpdateCommitted,
        detail: format!(
            "{} -> {} in commit {}",
            record.old,
            record.new,
            commit.short()
        ),
        update: Some(record),
    })))
}

/// The YAML files of the tip below the paths; all of the repository where there are none.
fn read_files(
    mirror: &Mirror,
    commit: &CommitId,
    paths: &[String],
) -> Result<BTreeMap<String, Vec<u8>>, syncline_source::Error> {
    let snapshot = mirror.snapshot(commit)?;
    let everywhere = [String::new()];
    let mut files = BTreeMap::new();
    for path in if paths.is_empty() {
        &everywhere[..]
    } else {
        paths
    } {
        let found: Vec<SourceFile> = match snapshot.files_below(path)? {
            Some(found) => found,
            None => match snapshot.read_file(path)? {
                Some(bytes) => vec![SourceFile {
                    path: path.clone(),
                    bytes,
                    links: Vec::new(),
                }],
                None => Vec::new(),
            },
        };
        files.extend(found.into_iter().map(|file| (file.path, file.bytes)));
    }
    files.retain(|path, _| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        matches!(extension, Some("yaml" | "yml")) || name == "Kustomization"
    });
    Ok(files)
}

/// Finds the places that name the image, chooses for what they name, and edits them.
fn examine(
    agent: &Agent,
    policy: &ImageUpdate,
    tip: CommitId,
    files: BTreeMap<String, Vec<u8>>,
    tags: &[Tag],
) -> Attempt<Looked> {
    let mut sites: BTreeMap<String, Vec<Site>> = BTreeMap::new();
    let mut refused = None;
    for (path, bytes) in &files {
        let found = find(path, bytes, &policy.image);
        refused = refused.or_else(|| found.blocking().next().map(|refusal| refusal.failure()));
        if !found.sites.is_empty() {
            sites.insert(path.clone(), found.sites);
        }
    }
    let choice = choose(tags, &policy.policy, None);
    let current = sites
        .values()
        .flatten()
        .map(|site| &site.current)
        .min()
        .cloned();
    remember(agent, policy, &choice, current.as_ref());
    if let Some(refusal) = choice.refusal {
        return Err((refusal, None));
    }
    let Some(chosen) = choice.chosen else {
        return fail(Reason::NoCandidate, "the registry lists no tag");
    };
    let Some(current) = current else {
        return match refused {
            Some(failure) => Err((failure, None)),
            None => fail(
                Reason::NothingToEdit,
                format!("no file names a tag of `{}`", policy.image),
            ),
        };
    };
    let mut edits = Vec::new();
    let mut places = Vec::new();
    let mut old = None;
    let mut newer = None;
    for (path, found) in sites {
        // Each place is decided for what it names: none goes back to an older version.
        let behind: Vec<Site> = found
            .into_iter()
            .filter(|site| {
                let choice = choose(tags, &policy.policy, Some(&site.current));
                if choice.chosen.is_none() {
                    newer = Some(format!(
                        "{}:{} names {}",
                        site.file, site.line, site.current
                    ));
                }
                choice.chosen.is_some_and(|chosen| chosen != site.current)
            })
            .collect();
        let Some(first) = behind.first() else {
            continue;
        };
        old.get_or_insert_with(|| first.current.clone());
        let bytes = files.get(&path).map(Vec::as_slice).unwrap_or_default();
        let edit =
            edit_all(bytes, &behind, &chosen).map_err(|refusal| (refusal.failure(), None))?;
        places.extend(
            edit.changes
                .iter()
                .map(|change| format!("{path}:{}", change.line)),
        );
        edits.push((path, edit.bytes));
    }
    match old {
        Some(old) => Ok(Looked::Write(Prepared {
            tip,
            edits,
            places,
            old,
            new: chosen,
        })),
        None => match newer {
            Some(newer) => fail(
                Reason::NoDowngrade,
                format!("{newer}; the policy chooses {chosen}"),
            ),
            None => Ok(Looked::Settled(Box::new(Scanned {
                reason: Reason::UpToDate,
                detail: current.to_string(),
                update: None,
            }))),
        },
    }
}

/// Keeps what people want to see of a look.
fn remember(
    agent: &Agent,
    policy: &ImageUpdate,
    choice: &syncline_core::image::Choice,
    current: Option<&Tag>,
) {
    let mut state = agent.state.lock();
    if let Some(entry) = state.policies.get_mut(&policy.name) {
        entry.latest = choice.chosen.as_ref().map(ToString::to_string);
        entry.current = current.map(ToString::to_string);
        entry.verdicts = choice.verdicts.iter().take(VERDICTS).cloned().collect();
        entry.scanned_at = Some(agent.clock.now());
    }
}

/// The message of a commit: the template of the Repository, or one line that says what changed;
/// then the trailer with the id of the update.
fn message(policy: &ImageUpdate, write: &Write, prepared: &Prepared, id: &str) -> String {
    let image: &ImageName = &policy.image;
    let subject = if write.message.is_empty() {
        format!("Update {image} from {} to {}", prepared.old, prepared.new)
    } else {
        write
            .message
            .replace("{image}", &image.to_string())
            .replace("{old}", prepared.old.as_str())
            .replace("{new}", prepared.new.as_str())
            .replace("{policy}", &policy.name.to_string())
    };
    let places = prepared.places.join("\n- ");
    format!(
        "{}\n\nPolicy {} ({}) chose {}.\n- {places}\n\n{}: {id}\n",
        subject.trim_end(),
        policy.name,
        policy.range,
        prepared.new,
        names::TRAILER_UPDATE,
    )
}
