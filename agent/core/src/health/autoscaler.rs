//! HorizontalPodAutoscaler.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, is_unobserved, not_observed, plural};

pub(super) fn assess(object: &Value) -> ObjectHealth {
    let status = &object["status"];
    if is_unobserved(object) {
        return not_observed();
    }
    for (kind, otherwise) in [
        (
            "AbleToScale",
            "the scale of its target cannot be read or written",
        ),
        ("ScalingActive", "the metrics cannot be read"),
    ] {
        let Some(found) = condition(object, kind).filter(|c| c.is_false()) else {
            continue;
        };
        return match found.reason() {
            // The target was scaled to zero, by which a person turns it off.
            "ScalingDisabled" => ObjectHealth::suspended("the target has no replicas"),
            reason if reason.starts_with("Invalid") || reason == "AmbiguousSelector" => {
                ObjectHealth::degraded(found.message_or(otherwise))
            }
            // A target and metrics that are not there may still come.
            _ => ObjectHealth::progressing(found.message_or(otherwise)),
        };
    }
    // `autoscaling/v1` has no conditions.
    let is_old = object["apiVersion"] == "autoscaling/v1" && status["currentReplicas"].is_i64();
    if condition(object, "ScalingActive").is_none() && !is_old {
        return ObjectHealth::progressing("it has not been computed yet");
    }
    let replicas = status["desiredReplicas"].as_i64().unwrap_or_default();
    let limited = condition(object, "ScalingLimited")
        .filter(|c| c.is_true())
        .map_or("", |limited| match limited.reason() {
            "TooManyReplicas" => ", which is its upper limit",
            "TooFewReplicas" => ", which is its lower limit",
            _ => "",
        });
    ObjectHealth::healthy(format!("it wants {}{limited}", plural(replicas, "replica")))
}
