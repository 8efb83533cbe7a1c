//! StatefulSet, DaemonSet, ReplicaSet and PodDisruptionBudget: numbers of pods.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, count, is_unobserved_by_controller, not_observed, of, plural};

pub(super) fn stateful_set(object: &Value) -> ObjectHealth {
    let (spec, status) = (&object["spec"], &object["status"]);
    if is_unobserved_by_controller(object) {
        return not_observed();
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let ready = count(&status["readyReplicas"]);
    let sentence = of(ready, wanted, "replica", "ready");
    let is_rolled_out = status["updateRevision"] == status["currentRevision"];
    if ready < wanted {
        // The controller replaces no further pod until the one it replaced last is ready.
        let updated = count(&status["updatedReplicas"]);
        let is_held = !is_rolled_out && (1..wanted).contains(&updated);
        return ObjectHealth::progressing(if is_held {
            format!("{sentence}, {updated} of them updated: the update waits for each pod")
        } else {
            sentence
        });
    }
    let surplus = count(&status["replicas"]) - wanted;
    if surplus > 0 {
        let verb = if surplus == 1 { "waits" } else { "wait" };
        let surplus = plural(surplus, "surplus replica");
        return ObjectHealth::progressing(format!("{surplus} {verb} to end"));
    }
    if count(&spec["minReadySeconds"]) > 0 && count(&status["availableReplicas"]) < wanted {
        let available = count(&status["availableReplicas"]);
        return ObjectHealth::progressing(of(available, wanted, "replica", "available"));
    }
    // With `OnDelete` a person decides when a pod is replaced, so that an old one is no fault.
    if spec["updateStrategy"]["type"] != "OnDelete" {
        let partition = count(&spec["updateStrategy"]["rollingUpdate"]["partition"]);
        let to_update = (wanted - partition).max(0);
        let updated = count(&status["updatedReplicas"]);
        if updated < to_update && !(partition == 0 && is_rolled_out) {
            return ObjectHealth::progressing(of(updated, to_update, "replica", "updated"));
        }
    }
    ObjectHealth::healthy(sentence)
}

pub(super) fn daemon_set(object: &Value) -> ObjectHealth {
    let (spec, status) = (&object["spec"], &object["status"]);
    if is_unobserved_by_controller(object) {
        return not_observed();
    }
    let wanted = count(&status["desiredNumberScheduled"]);
    let updated = count(&status["updatedNumberScheduled"]);
    let available = count(&status["numberAvailable"]);
    if spec["updateStrategy"]["type"] != "OnDelete" && updated < wanted {
        return ObjectHealth::progressing(of(updated, wanted, "pod", "updated"));
    }
    let sentence = of(available, wanted, "pod", "available");
    if available < wanted {
        ObjectHealth::progressing(sentence)
    } else {
        ObjectHealth::healthy(sentence)
    }
}

pub(super) fn replica_set(object: &Value) -> ObjectHealth {
    if is_unobserved_by_controller(object) {
        return not_observed();
    }
    let wanted = object["spec"]["replicas"].as_i64().unwrap_or(1);
    let available = count(&object["status"]["availableReplicas"]);
    let surplus = count(&object["status"]["replicas"]) - wanted;
    let sentence = of(available, wanted, "replica", "available");
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|c| c.is_true()) {
        let why = failure.message_or("pods cannot be created");
        return ObjectHealth::progressing(format!("{sentence}; {why}"));
    }
    if surplus > 0 {
        let verb = if surplus == 1 { "waits" } else { "wait" };
        let surplus = plural(surplus, "surplus replica");
        ObjectHealth::progressing(format!("{surplus} {verb} to end"))
    } else if available < wanted {
        ObjectHealth::progressing(sentence)
    } else {
        ObjectHealth::healthy(sentence)
    }
}

pub(super) fn disruption_budget(object: &Value) -> ObjectHealth {
    if is_unobserved_by_controller(object) {
        return not_observed();
    }
    if let Some(allowed) = condition(object, "DisruptionAllowed")
        && allowed.reason() == "SyncFailed"
    {
        return ObjectHealth::degraded(allowed.message_or("the budget cannot be computed"));
    }
    let wanted = count(&object["status"]["desiredHealthy"]);
    let healthy = count(&object["status"]["currentHealthy"]);
    let sentence = of(healthy, wanted, "required pod", "healthy");
    if healthy < wanted {
        ObjectHealth::progressing(sentence)
    } else {
        ObjectHealth::healthy(sentence)
    }
}
