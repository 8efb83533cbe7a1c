//! Job and CronJob.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, count, of, plural, quoted};

pub(super) fn job(object: &Value) -> ObjectHealth {
    let (spec, status) = (&object["spec"], &object["status"]);
    let at = |kind: &str| condition(object, kind).filter(|c| c.is_true());
    if let Some(failed) = at("Failed") {
        return ObjectHealth::degraded(failed.message_or("the job failed"));
    }
    if at("Complete").is_some() {
        return ObjectHealth::healthy("the job is complete");
    }
    if let Some(target) = at("FailureTarget") {
        let why = target.message_or("");
        return ObjectHealth::progressing(if why.is_empty() {
            "the job has failed and its pods are ending".to_owned()
        } else {
            format!("the job has failed and its pods are ending: {why}")
        });
    }
    if at("SuccessCriteriaMet").is_some() {
        return ObjectHealth::progressing("the job has done enough and its pods are ending");
    }
    if spec["suspend"] == true {
        return ObjectHealth::suspended("`spec.suspend` is true");
    }
    let succeeded = count(&status["succeeded"]);
    let word = if spec["completionMode"] == "Indexed" {
        "part"
    } else {
        "pod"
    };
    let mut sentence = match spec["completions"].as_i64() {
        Some(wanted) => of(succeeded, wanted, word, "finished"),
        // A work queue: nobody knows how many pods will have to finish.
        None if count(&spec["parallelism"]) > 1 => {
            format!("{} finished", plural(succeeded, "pod"))
        }
        None => of(succeeded, 1, word, "finished"),
    };
    let failed = count(&status["failed"]);
    if failed > 0 {
        sentence = format!(
            "{sentence}, {} failed and were tried again",
            plural(failed, "pod")
        );
    }
    if let Some(indexes) = status["failedIndexes"]
        .as_str()
        .filter(|all| !all.is_empty())
    {
        sentence = format!("{sentence}, the parts {} failed", quoted(indexes));
    }
    ObjectHealth::progressing(sentence)
}

/// It does its work when it starts jobs: how the last one ended is in the sentence, because the next
/// one may end otherwise.
pub(super) fn cron_job(object: &Value) -> ObjectHealth {
    if object["spec"]["suspend"] == true {
        return ObjectHealth::suspended("`spec.suspend` is true");
    }
    let status = &object["status"];
    let running = status["active"].as_array().map_or(0, Vec::len);
    if running > 0 {
        let verb = if running == 1 { "runs" } else { "run" };
        return ObjectHealth::healthy(format!("{} {verb}", plural(running as i64, "job")));
    }
    let at = |field: &str| {
        let time = status[field].as_str()?;
        time.parse::<jiff::Timestamp>().ok()
    };
    ObjectHealth::healthy(match (at("lastScheduleTime"), at("lastSuccessfulTime")) {
        (Some(started), Some(succeeded)) if succeeded >= started => "the last job succeeded",
        (Some(_), _) => "the last job did not succeed",
        (None, _) => "",
    })
}
