//! Pod.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, quoted};

/// A container that waits for one of these does not start by itself.
const FAILED_WAITS: [&str; 6] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];

pub(super) fn assess(object: &Value) -> ObjectHealth {
    let status = &object["status"];
    match status["phase"].as_str().unwrap_or_default() {
        "Succeeded" => return ObjectHealth::healthy("all containers have finished"),
        "Failed" => {
            let why = [&status["message"], &status["reason"]]
                .into_iter()
                .filter_map(Value::as_str)
                .find(|text| !text.is_empty())
                .map_or_else(|| failed_container(status), quoted);
            return ObjectHealth::degraded(format!("the pod failed: {why}"));
        }
        _ => {}
    }
    if let Some(sentence) = stuck_container(status) {
        return ObjectHealth::degraded(sentence);
    }
    if let Some(ready) = condition(object, "Ready") {
        if ready.is_true() {
            return ObjectHealth::healthy("the pod is ready");
        }
        if let Some(scheduled) = condition(object, "PodScheduled").filter(|c| c.is_false()) {
            let why = scheduled.message_or("no node takes it");
            return ObjectHealth::progressing(format!("the pod is not scheduled: {why}"));
        }
        return ObjectHealth::progressing(ready.message_or("the pod is not ready yet"));
    }
    if let Some(scheduled) = condition(object, "PodScheduled").filter(|c| c.is_false()) {
        let why = scheduled.message_or("no node takes it");
        return ObjectHealth::progressing(format!("the pod is not scheduled: {why}"));
    }
    ObjectHealth::progressing("the pod has not started yet")
}

fn containers(status: &Value) -> impl Iterator<Item = &Value> {
    ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| status[list].as_array().into_iter().flatten())
}

fn stuck_container(status: &Value) -> Option<String> {
    containers(status).find_map(|container| {
        let waiting = &container["state"]["waiting"];
        let reason = waiting["reason"]
            .as_str()
            .filter(|reason| FAILED_WAITS.contains(reason))?;
        let name = container["name"].as_str().unwrap_or_default();
        let message = quoted(waiting["message"].as_str().unwrap_or_default());
        Some(if message.is_empty() {
            format!("the container `{name}` does not start: {reason}")
        } else {
            format!("the container `{name}` does not start: {reason}: {message}")
        })
    })
}

fn failed_container(status: &Value) -> String {
    containers(status)
        .find_map(|container| {
            let code = container["state"]["terminated"]["exitCode"]
                .as_i64()
                .filter(|c| *c != 0)?;
            let name = container["name"].as_str().unwrap_or_default();
            Some(format!(
                "the container `{name}` ended with exit code {code}"
            ))
        })
        .unwrap_or_else(|| "it does not say why".to_owned())
}
