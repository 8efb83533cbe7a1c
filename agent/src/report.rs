//! From state to the status of our kinds, and to the live feed of the web UI.
//!
//! A status is written only where it differs from what was written last.

use std::sync::Arc;

use serde_json::{Value, json};
use syncline_cluster::kinds::{
    self, ApplicationStatus, ImagePolicyStatus, Kind, RepositoryStatus, conditions,
};
use syncline_core::image::hold::{self, Said};
use syncline_core::outcome::Failure;
use syncline_core::reason::Reason;
use syncline_core::record::Name;
use syncline_web_ui::Topic;

use crate::agent::Agent;
use crate::conversion;
use crate::dependencies;
use crate::health::{self, changes};
use crate::named::Owner;
use crate::state::Statement;

/// How many verdicts a status shows.
const VERDICTS: usize = kinds::MAX_VERDICTS;

/// Writes the status of a Repository, if it changed.
pub(crate) async fn repository(agent: &Arc<Agent>, name: &Name) {
    let status = {
        let mut state = agent.state.lock();
        let Some(entry) = state.repositories.get_mut(name) else {
            return;
        };
        let head = entry.head.as_ref();
        let revision = head
            .map(|head| head.revision.to_string())
            .or(entry.status.revision.clone());
        let moved = revision != entry.status.revision;
        let status = RepositoryStatus {
            conditions: told(
                agent,
                &entry.status.conditions,
                entry.generation,
                &entry.statement,
            ),
            observed_generation: entry.generation,
            last_fetch_time: if moved {
                entry.checked_at
            } else {
                entry.status.last_fetch_time
            },
            revision,
        };
        if status == entry.status {
            None
        } else {
            entry.status = status.clone();
            Some(status)
        }
    };
    agent.feed.publish(Topic::Repository, name.to_string());
    if let Some(status) = status {
        write(agent, Kind::Repository, name, &status).await;
    }
}

/// Writes the status of an Application, if it changed, and tells those that wait for it.
pub(crate) async fn application(agent: &Arc<Agent>, name: &Name) {
    let Some(writing) = writing(agent, name) else {
        return;
    };
    let writing = writing.lock().await;
    let (changed, news) = application_status(agent, name);
    agent.feed.publish(Topic::Application, name.to_string());
    if let Some((_, status)) = changed {
        write(agent, Kind::Application, name, &status).await;
    }
    drop(writing);
    // Nobody waits for an event.
    dependencies::tell(agent, name);
    tell(agent, name, news).await;
}

/// As [`application`], for what has to be there before something else is done.
///
/// # Errors
/// It could not be written; the next report writes it again.
pub(crate) async fn ledger(agent: &Agent, name: &Name) -> Result<(), Failure> {
    let Some(writing) = writing(agent, name) else {
        return Ok(());
    };
    let writing = writing.lock().await;
    let (changed, news) = application_status(agent, name);
    let mut written = Ok(());
    if let Some((before, status)) = changed {
        agent.feed.publish(Topic::Application, name.to_string());
        let (api, status) = (agent.cluster.agent(), json!(status));
        written = api.patch_status(Kind::Application, name, &status).await;
        if written.is_err()
            && let Some(entry) = agent.state.lock().applications.get_mut(name)
        {
            entry.status = before;
        }
    }
    drop(writing);
    tell(agent, name, news).await;
    written.map_err(|error| Failure {
        reason: error.reason(),
        detail: format!("the rollout could not be noted on the Application: {error}"),
    })
}

/// What is held while the status of an Application is written: an older one never comes after a
/// newer one.
fn writing(agent: &Agent, name: &Name) -> Option<Arc<tokio::sync::Mutex<()>>> {
    let state = agent.state.lock();
    let entry = state.applications.get(name)?;
    Some(Arc::clone(&entry.writing))
}

/// Records a change of health, and says it where it is worth saying.
async fn tell(agent: &Agent, name: &Name, news: Option<changes::News>) {
    let Some(changes::News { change, note }) = news else {
        return;
    };
    agent.history.record_health(&change);
    if let Some(note) = note {
        event(agent, name, Reason::HealthChanged, &note).await;
    }
}

/// The status of before and the one to be written, where they differ; and whether its health is
/// another.
fn application_status(
    agent: &Agent,
    name: &Name,
) -> (
    Option<(ApplicationStatus, ApplicationStatus)>,
    Option<changes::News>,
) {
    let over = agent.named.over_budget(&Owner::Application(name.clone()));
    let mut state = agent.state.lock();
    let (health, worst) = health::told(&state, name);
    let Some(entry) = state.applications.get_mut(name) else {
        return (None, None);
    };
    let (window, now) = (agent.settings.health_flap_window, agent.clock.now());
    let news = changes::observe(name, entry, health, worst.as_ref(), window, now);
    let applied = entry.applied.as_ref().map(|head| head.revision.to_string());
    let attempted = entry.attempted.as_ref().map(ToString::to_string);
    let objects = entry.kept.as_ref().map(|_| entry.objects.len() as i64);
    let last = entry.last_sync.as_ref().map(|sync| sync.id.clone());
    let status = ApplicationStatus {
        conditions: conditions(
            &entry.status.conditions,
            entry.generation,
            agent.clock.now(),
            entry.statement.reason,
            &entry.advice(),
        ),
        observed_generation: entry.generation,
        sync: Some(entry.statement.reason.name().to_owned()),
        health: Some(health.as_str().to_owned()),
        message: Some(entry.advice()),
        last_applied_revision: applied.or(entry.status.last_applied_revision.clone()),
        last_attempted_revision: attempted.or(entry.status.last_attempted_revision.clone()),
        last_sync_id: last.or(entry.status.last_sync_id.clone()),
        plan_hash: entry.waiting_hash(),
        objects: objects.or(entry.status.objects),
        rollout: entry.rollout.as_ref().map(conversion::rollout),
        rollback: entry.rollback.clone(),
        waiting_for: entry.waiting_for.clone(),
        next_try: entry.next_try,
        health_since: entry.health.map(|(_, since)| since),
        checked_slowly: entry
            .unwatched
            .iter()
            .cloned()
            .chain(over)
            .take(kinds::MAX_CHECKED_SLOWLY)
            .collect(),
    };
    let changed = (status != entry.status).then(|| {
        let before = std::mem::replace(&mut entry.status, status.clone());
        (before, status)
    });
    (changed, news)
}

/// Writes the status of an ImagePolicy, if it changed.
pub(crate) async fn policy(agent: &Arc<Agent>, name: &Name) {
    let status = {
        let mut state = agent.state.lock();
        let Some(entry) = state.policies.get_mut(name) else {
            return;
        };
        let memory = &entry.memory;
        let verdicts = memory
            .verdicts
            .iter()
            .take(VERDICTS)
            .map(|verdict| kinds::Verdict {
                tag: verdict.tag.to_string(),
                verdict: format!("{}: {}", verdict.rule.as_str(), verdict.sentence),
            });
        let skips = hold::skips(entry.skip.as_deref());
        let skipped = skips.iter().map(Said::skipped);
        let held = skipped.chain(memory.holds.iter().map(ToString::to_string));
        let held = held.take(VERDICTS);
        let held = held.map(|held| held.chars().take(1000).collect());
        let conditions = told(
            agent,
            &entry.status.conditions,
            entry.generation,
            &entry.statement,
        );
        let status = ImagePolicyStatus {
            latest_tag: memory.latest.clone(),
            current_tag: entry.current.clone(),
            last_update_commit: entry
                .last_update
                .as_ref()
                .map(|update| update.commit.to_string())
                .or(entry.status.last_update_commit.clone()),
            held: held.collect(),
            verdicts: verdicts.collect(),
            observed_generation: entry.generation,
            // The time alone is no news: at rest nothing is written.
            last_scan_time: entry.status.last_scan_time,
            conditions,
        };
        if status == entry.status {
            None
        } else {
            let status = ImagePolicyStatus {
                last_scan_time: memory.scanned_at,
                ..status
            };
            entry.status = status.clone();
            Some(status)
        }
    };
    agent.feed.publish(Topic::ImagePolicy, name.to_string());
    if let Some(status) = status {
        write(agent, Kind::ImagePolicy, name, &status).await;
    }
}

fn told(
    agent: &Agent,
    previous: &[kinds::Condition],
    generation: Option<i64>,
    statement: &Statement,
) -> Vec<kinds::Condition> {
    conditions(
        previous,
        generation,
        agent.clock.now(),
        statement.reason,
        &statement.advice(),
    )
}

async fn write(agent: &Agent, kind: Kind, name: &Name, status: &impl serde::Serialize) {
    let status: Value = match serde_json::to_value(status) {
        Ok(status) => status,
        Err(error) => return tracing::error!(%error, "a status cannot be written as JSON"),
    };
    if let Err(error) = agent
        .cluster
        .agent()
        .patch_status(kind, name, &json!(status))
        .await
    {
        tracing::warn!(kind = kind.as_str(), object.name = %name, %error, "the status could not be written");
    }
}

/// Writes the status of an object that cannot be read: nothing of its last status is known.
pub(crate) async fn invalid(
    agent: &Arc<Agent>,
    kind: Kind,
    name: &Name,
    generation: Option<i64>,
    failure: &Failure,
) {
    let mut statement = Statement::new(failure.reason, agent.clock.now());
    statement.detail.clone_from(&failure.detail);
    let status = json!({
        "conditions": told(agent, &[], generation, &statement),
        "observedGeneration": generation,
    });
    write(agent, kind, name, &status).await;
}

/// Publishes a Kubernetes event on an Application. That it could not be published is logged only.
pub(crate) async fn event(agent: &Agent, name: &Name, reason: Reason, note: &str) {
    let uid = agent
        .state
        .lock()
        .applications
        .get(name)
        .map(|entry| entry.uid.clone());
    let uid = uid.unwrap_or_default();
    let published = agent
        .events
        .publish(Kind::Application, name, &uid, reason, note)
        .await;
    if let Err(error) = published {
        tracing::warn!(%error, "an event could not be published");
    }
}
