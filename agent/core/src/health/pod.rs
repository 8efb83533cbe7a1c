//! Pod.

mod container;

use serde_json::Value;

use super::conditions::condition;
use super::{Health, ObjectHealth, is_deleted, quoted};
use container::Trouble;

/// What is wrong with a pod.
pub(super) struct Finding {
    /// How much it tells: more is more telling.
    pub(super) weight: u8,
    /// The health of the pod by itself.
    pub(super) health: Health,
    /// What is wrong, the same for all pods with the same trouble.
    pub(super) sentence: String,
    /// What only this pod has: how often it was restarted.
    pub(super) detail: String,
}

impl Finding {
    fn new(weight: u8, health: Health, sentence: impl Into<String>) -> Self {
        Self {
            weight,
            health,
            sentence: sentence.into(),
            detail: String::new(),
        }
    }
}

pub(super) fn assess(object: &Value) -> ObjectHealth {
    match finding(object) {
        Some(finding) => {
            let sentence = format!("{}{}", finding.sentence, finding.detail);
            ObjectHealth::new(finding.health, sentence)
        }
        None if object["status"]["phase"] == "Succeeded" => {
            ObjectHealth::healthy("all containers have finished")
        }
        None => ObjectHealth::healthy("the pod is ready"),
    }
}

/// What is wrong with a pod; `None` where it is ready or has finished.
pub(super) fn finding(object: &Value) -> Option<Finding> {
    use Health::{Degraded, Progressing};
    let status = &object["status"];
    if is_deleted(object) {
        return Some(Finding::new(1, Progressing, super::being_deleted(object)));
    }
    match status["phase"].as_str().unwrap_or_default() {
        "Succeeded" => return None,
        "Failed" => {
            // Its controller made another one in its place, unless it runs to its end.
            let weight = if object["spec"]["restartPolicy"] == "Always" {
                2
            } else {
                7
            };
            let sentence = format!("the pod failed: {}", why_failed(status));
            return Some(Finding::new(weight, Degraded, sentence));
        }
        "Unknown" => return Some(lost_node()),
        _ => {}
    }
    let trouble = container::worst(status);
    if let Some(Trouble::Stuck(found)) = trouble {
        return Some(found);
    }
    let ready = condition(object, "Ready");
    if ready.as_ref().is_some_and(|ready| ready.is_true()) {
        return None;
    }
    if let Some(scheduled) = condition(object, "PodScheduled").filter(|c| c.is_false()) {
        if scheduled.reason() == "SchedulingGated" {
            let sentence = "the pod waits for its scheduling gates";
            return Some(Finding::new(6, Progressing, sentence));
        }
        let why = scheduled.message_or("no node takes it");
        let sentence = format!("the pod is not scheduled: {why}");
        return Some(Finding::new(6, Progressing, sentence));
    }
    if status["reason"] == "NodeLost"
        || ready.as_ref().is_some_and(|ready| {
            matches!(ready.reason(), "NodeStatusUnknown" | "NodeNotReady") || ready.is_unknown()
        })
    {
        return Some(lost_node());
    }
    if let Some(Trouble::Passing(found)) = trouble {
        return Some(found);
    }
    Some(match ready {
        Some(ready) => Finding::new(3, Progressing, ready.message_or("the pod is not ready yet")),
        None => Finding::new(3, Progressing, "the pod has not started yet"),
    })
}

fn lost_node() -> Finding {
    Finding::new(
        6,
        Health::Progressing,
        "the node of the pod does not answer",
    )
}

/// `Evicted: the node was low on memory`; else the container that failed.
fn why_failed(status: &Value) -> String {
    let text = |field: &str| quoted(status[field].as_str().unwrap_or_default());
    match (text("reason"), text("message")) {
        (reason, message) if reason.is_empty() && message.is_empty() => {
            container::failed(status).unwrap_or_else(|| "it does not say why".to_owned())
        }
        (reason, message) if message.is_empty() => reason,
        (reason, message) if reason.is_empty() => message,
        (reason, message) => format!("{reason}: {message}"),
    }
}
