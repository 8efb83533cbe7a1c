//! Why a workload is not healthy, carried up from its pods into its own sentence.

use serde_json::Value;

use super::{Health, ObjectHealth, pod};

/// The health of a workload with the most telling reason of its pods in the sentence.
///
/// `pods` are the pods of the workload as the API server gave them, in any order. A healthy or
/// suspended workload is returned as it is. The word never changes: what waits for an image may
/// still get it, so that only the workload's own progress deadline makes it Degraded.
pub fn cause(workload: &ObjectHealth, pods: &[Value]) -> ObjectHealth {
    if matches!(workload.health, Health::Healthy | Health::Suspended) {
        return workload.clone();
    }
    let worst = pods
        .iter()
        .map(|pod| (pod, pod::assess(pod)))
        .filter(|(_, health)| health.health != Health::Healthy)
        .max_by_key(|(_, health)| health.health.badness());
    match worst {
        Some((pod, found)) => {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let message = format!("{}: pod {name}: {}", workload.message, found.message);
            ObjectHealth::new(workload.health, message)
        }
        None => workload.clone(),
    }
}
