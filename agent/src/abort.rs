//! A sync that a person stopped: the annotation `syncline.dev/abort` of the Application.
//!
//! What runs ends between two objects, and the gate lets nothing through until a newer commit changes
//! what the application reads, or a person asks for a sync. Then the annotation is spent, and goes.

use std::sync::Arc;

use serde_json::json;
use syncline_cluster::kinds::Kind;
use syncline_core::decision::Stop;
use syncline_core::names;
use syncline_core::outcome::Failure;
use syncline_core::record::{Name, SyncResult};
use syncline_core::trigger::Cause;
use syncline_web_ui::Topic;

use crate::agent::{Agent, blocking};
use crate::images::rollback;
use crate::state::{ApplicationState, LastSync};

impl ApplicationState {
    /// What a person stopped, unless that is over.
    pub(crate) fn stop(&self) -> Option<Stop> {
        let text = self.annotations.get(names::ANNOTATION_ABORT)?;
        let is_spent = self.spent_stop.as_ref() == Some(text);
        (!is_spent).then(|| Stop::read(text))
    }

    /// Tells what runs to end; what does not run begins no more.
    pub(crate) fn stop_running(&self) {
        if let Some(running) = &self.running {
            running.cancel();
        }
    }
}

/// Why a sync that was told to end did so; `None` where no person said so.
pub(crate) fn why(agent: &Agent, name: &Name) -> Option<Failure> {
    let state = agent.state.lock();
    let stop = state.applications.get(name)?.stop()?;
    Some(stop.failure())
}

/// Ends a stop that is over, before the gate looks at it: a person asks for a sync, or a newer commit
/// changes what the application reads.
pub(crate) async fn look(agent: &Arc<Agent>, name: &Name, cause: Cause) {
    let (stop, head, mirror) = {
        let state = agent.state.lock();
        let Some(entry) = state.applications.get(name) else {
            return;
        };
        let Some(stop) = entry.stop() else { return };
        let now = agent.clock.now();
        let spec = entry.spec.as_ref().ok();
        let suspended = spec.and_then(|spec| spec.suspend.as_ref());
        if agent.freeze.current().is_some() || suspended.is_some_and(|s| s.holds(now)) {
            // No sync runs in any case.
            return;
        }
        let source = state.source_of(name);
        let url = source.and_then(|source| Some(&source.spec.as_ref().ok()?.url));
        let head = source.and_then(|source| source.head.as_ref());
        (
            stop,
            head.map(|head| head.info.id.clone()),
            url.and_then(|url| agent.mirrors.get(url).ok()),
        )
    };
    let is_over = match (cause, &stop.commit, head, mirror) {
        (Cause::User, ..) => true,
        (_, Some(commit), Some(head), Some(mirror)) if *commit != head => {
            let reads = rollback::reads(agent, name);
            let commit = commit.clone();
            blocking(move || {
                let changed = mirror.changed_paths(&commit, &head);
                changed.is_ok_and(|paths| reads.is_touched_by(&paths))
            })
            .await
        }
        _ => false,
    };
    if is_over {
        spend(agent, name).await;
    }
}

/// The stop is over: in memory at once, on the Application as soon as that can be written.
async fn spend(agent: &Agent, name: &Name) {
    let text = {
        let mut state = agent.state.lock();
        let Some(entry) = state.applications.get_mut(name) else {
            return;
        };
        let text = entry.annotations.get(names::ANNOTATION_ABORT).cloned();
        entry.spent_stop.clone_from(&text);
        text
    };
    let Some(text) = text else { return };
    let cluster = agent.cluster.agent();
    let Ok(Some(object)) = cluster.read_own(Kind::Application, name).await else {
        return;
    };
    let metadata = &object["metadata"];
    if metadata["annotations"][names::ANNOTATION_ABORT] != text.as_str() {
        return;
    }
    let version = metadata["resourceVersion"].as_str().unwrap_or_default();
    let gone = json!({"annotations": {(names::ANNOTATION_ABORT): null}});
    let kind = Kind::Application;
    if let Err(error) = cluster.patch_metadata(kind, name, version, gone).await {
        // It is spent for this run of the agent all the same.
        tracing::info!(%error, app.name = %name, "an annotation that is over could not be removed");
    }
}

/// The rollout that a person stopped is over for history: another row begins where it goes on.
pub(crate) fn close(agent: &Agent, name: &Name, entry: &mut ApplicationState, failure: &Failure) {
    let Some(mut record) = entry.record.take() else {
        return;
    };
    record.result = SyncResult::Interrupted;
    record.finished_at = Some(agent.clock.now());
    record.failure = Some(failure.clone());
    entry.last_sync = Some(LastSync::of(&record));
    agent.history.record_sync(&record);
    agent.feed.publish(Topic::Sync, name.to_string());
}
