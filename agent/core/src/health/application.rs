//! Our own Application, when one application brings another.

use serde_json::Value;

use super::{Health, ObjectHealth, generic, is_unobserved, not_observed, quoted};

pub(super) fn assess(object: &Value) -> ObjectHealth {
    let suspend = &object["spec"]["suspend"];
    if !suspend.is_null() {
        let reason = quoted(suspend["reason"].as_str().unwrap_or_default());
        return ObjectHealth::suspended(if reason.is_empty() {
            "it is suspended".to_owned()
        } else {
            format!("it is suspended: {reason}")
        });
    }
    if object["status"]["conditions"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        return ObjectHealth::progressing("it has not been synced yet");
    }
    if is_unobserved(object) {
        return not_observed();
    }
    let generic = generic::assess(object);
    // Its own status knows more than its conditions: a workload may be degraded after a good sync.
    match object["status"]["health"]
        .as_str()
        .and_then(Health::from_word)
    {
        Some(own) if generic.health == Health::Healthy && own != Health::Healthy => {
            ObjectHealth::new(own, format!("its objects are {own}"))
        }
        _ => generic,
    }
}
