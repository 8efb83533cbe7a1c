//! Deployment.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, count, is_unobserved_by_controller, not_observed, of, plural};

pub(super) fn assess(object: &Value) -> ObjectHealth {
    let (spec, status) = (&object["spec"], &object["status"]);
    if is_unobserved_by_controller(object) {
        return not_observed();
    }
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let updated = count(&status["updatedReplicas"]);
    let available = count(&status["availableReplicas"]);
    let old = count(&status["replicas"]) - updated;
    let progress = condition(object, "Progressing");
    if let Some(progress) = progress.filter(|c| c.reason() == "ProgressDeadlineExceeded") {
        let why = progress.message_or("the rollout exceeded its progress deadline");
        return ObjectHealth::degraded(format!(
            "{}; {why}",
            of(available, wanted, "replica", "available")
        ));
    }
    let settled = updated >= wanted && old <= 0 && available >= updated;
    if spec["paused"] == true && !settled {
        return ObjectHealth::suspended("the rollout is paused");
    }
    if updated < wanted {
        if let Some(failure) = condition(object, "ReplicaFailure").filter(|c| c.is_true()) {
            let why = failure.message_or("pods cannot be created");
            return ObjectHealth::progressing(format!(
                "{}; {why}",
                of(updated, wanted, "replica", "updated")
            ));
        }
        return ObjectHealth::progressing(of(updated, wanted, "replica", "updated"));
    }
    if old > 0 {
        let verb = if old == 1 { "waits" } else { "wait" };
        return ObjectHealth::progressing(format!("{} {verb} to end", plural(old, "old replica")));
    }
    let sentence = of(available, wanted, "replica", "available");
    if available < updated {
        ObjectHealth::progressing(sentence)
    } else {
        ObjectHealth::healthy(sentence)
    }
}
