//! Job and CronJob.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, count, of, plural};

pub(super) fn job(object: &Value) -> ObjectHealth {
    let (spec, status) = (&object["spec"], &object["status"]);
    if let Some(failed) = condition(object, "Failed").filter(|c| c.is_true()) {
        return ObjectHealth::degraded(failed.message_or("the job failed"));
    }
    if condition(object, "Complete").is_some_and(|c| c.is_true()) {
        return ObjectHealth::healthy("the job is complete");
    }
    if condition(object, "FailureTarget").is_some_and(|c| c.is_true()) {
        return ObjectHealth::progressing("the job has failed and its pods are ending");
    }
    if spec["suspend"] == true {
        return ObjectHealth::suspended("`spec.suspend` is true");
    }
    // Without `completions` and with `parallelism` it is a work queue: no number is known.
    let wanted = spec["completions"].as_i64().unwrap_or(1);
    let sentence = of(count(&status["succeeded"]), wanted, "pod", "finished");
    match count(&status["failed"]) {
        0 => ObjectHealth::progressing(sentence),
        failed => ObjectHealth::progressing(format!(
            "{sentence}, {} failed and were tried again",
            plural(failed, "pod")
        )),
    }
}

pub(super) fn cron_job(object: &Value) -> ObjectHealth {
    if object["spec"]["suspend"] == true {
        ObjectHealth::suspended("`spec.suspend` is true")
    } else {
        ObjectHealth::healthy("")
    }
}
