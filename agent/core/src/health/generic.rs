//! Every other kind: the kstatus conventions, and where an object does not follow them the conditions
//! whose meaning is written down elsewhere.

use serde_json::Value;

use super::conditions::condition;
use super::{Health, ObjectHealth, is_unobserved, not_observed, quoted};

pub(super) fn assess(object: &Value) -> ObjectHealth {
    if is_unobserved(object) {
        return not_observed();
    }
    let at = |kind: &str| condition(object, kind).filter(|c| !c.is_outdated(object));
    let holds = |kind: &str| at(kind).filter(|c| c.is_true());
    if let Some(stalled) = holds("Stalled") {
        return ObjectHealth::degraded(stalled.message_or("it is stalled"));
    }
    if let Some(reconciling) = holds("Reconciling") {
        return ObjectHealth::progressing(reconciling.message_or("it is being reconciled"));
    }
    if let Some(ready) = condition(object, "Ready") {
        if ready.is_outdated(object) {
            return not_observed();
        }
        if ready.is_true() {
            return ObjectHealth::healthy("it is ready");
        }
        let message = ready.message_or("it is not ready yet");
        // Knative defines `False` as an end and `Unknown` as being on its way.
        let is_an_end = ready.is_false() && group(object).ends_with("knative.dev");
        let health = if is_an_end {
            Health::Degraded
        } else {
            Health::Progressing
        };
        return ObjectHealth::new(health, message);
    }
    // What runs to an end (Knative, Tekton, JobSet).
    if let Some(succeeded) = at("Succeeded") {
        let message = succeeded.message_or("");
        return if succeeded.is_true() {
            ObjectHealth::healthy(message)
        } else if succeeded.is_false() {
            ObjectHealth::degraded(message)
        } else {
            ObjectHealth::progressing(message)
        };
    }
    for kind in ["Failed", "Degraded"] {
        if let Some(found) = holds(kind) {
            return ObjectHealth::degraded(found.message_or("it failed"));
        }
    }
    if holds("Complete").or_else(|| holds("Completed")).is_some() {
        return ObjectHealth::healthy("it is complete");
    }
    // The conditions of OpenShift's operators, as those of a Deployment.
    if let Some(available) = at("Available").filter(|c| !c.is_true()) {
        return ObjectHealth::progressing(available.message_or("it is not available yet"));
    }
    if let (Some(_), Some(progress)) = (at("Available"), holds("Progressing"))
        && progress.reason() != "NewReplicaSetAvailable"
    {
        return ObjectHealth::progressing(progress.message_or("it is on its way"));
    }
    phase(object).unwrap_or_else(|| ObjectHealth::healthy(""))
}

fn group(object: &Value) -> &str {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    version.split_once('/').map_or("", |(group, _)| group)
}

/// `status.phase` means what each kind says; these say it in their documentation.
fn phase(object: &Value) -> Option<ObjectHealth> {
    let status = &object["status"];
    let message = || quoted(status["message"].as_str().unwrap_or_default());
    match (
        group(object),
        object["kind"].as_str()?,
        status["phase"].as_str()?,
    ) {
        ("argoproj.io", "Rollout", phase) => Some(match phase {
            "Healthy" => ObjectHealth::healthy(message()),
            "Paused" => ObjectHealth::suspended(message()),
            "Degraded" => ObjectHealth::degraded(message()),
            _ => ObjectHealth::progressing(message()),
        }),
        ("argoproj.io", "Workflow", phase) => Some(match phase {
            "Succeeded" => ObjectHealth::healthy(message()),
            "Failed" | "Error" => ObjectHealth::degraded(message()),
            _ => ObjectHealth::progressing(message()),
        }),
        _ => None,
    }
}
