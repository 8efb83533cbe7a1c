//! PersistentVolumeClaim and PersistentVolume.

use serde_json::Value;

use super::conditions::condition;
use super::{ObjectHealth, quoted};

/// Set by the controllers once somebody makes a volume for the claim.
const PROVISIONING: [&str; 3] = [
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
];

pub(super) fn claim(object: &Value) -> ObjectHealth {
    match object["status"]["phase"].as_str().unwrap_or_default() {
        "Bound" => bound(object),
        "Lost" => ObjectHealth::degraded("the claim lost its volume"),
        "Pending" if waits_for_consumer(object) => {
            ObjectHealth::healthy("the claim waits for its first pod, or for a volume that fits")
        }
        _ => ObjectHealth::progressing("the claim waits for a volume"),
    }
}

/// With `WaitForFirstConsumer` a claim is bound when a pod wants it, so that a wave that waited for it
/// would wait for ever for the pods of a later wave. The claim does not say how its class binds, but
/// that nobody has begun to make a volume. Where that is a fault (no volume fits), the workload that
/// needs the claim says so.
fn waits_for_consumer(object: &Value) -> bool {
    let spec = &object["spec"];
    let annotations = &object["metadata"]["annotations"];
    spec["storageClassName"]
        .as_str()
        .is_some_and(|class| !class.is_empty())
        && spec["volumeName"].as_str().is_none_or(str::is_empty)
        && PROVISIONING.iter().all(|name| annotations[*name].is_null())
}

fn bound(object: &Value) -> ObjectHealth {
    let infeasible = object["status"]["allocatedResourceStatuses"]["storage"]
        .as_str()
        .is_some_and(|status| status.ends_with("ResizeInfeasible"));
    if infeasible {
        return ObjectHealth::degraded("the volume cannot be made as large as the claim asks");
    }
    let at = |kind: &str| condition(object, kind).filter(|c| c.is_true());
    if at("FileSystemResizePending").is_some() {
        return ObjectHealth::healthy(
            "the claim is bound; its file system grows when a pod next mounts it",
        );
    }
    if at("Resizing").is_some() {
        return ObjectHealth::progressing("the volume is being resized");
    }
    ObjectHealth::healthy("the claim is bound")
}

pub(super) fn volume(object: &Value) -> ObjectHealth {
    let status = &object["status"];
    match status["phase"].as_str().unwrap_or_default() {
        "Available" | "Bound" => ObjectHealth::healthy(""),
        "Released" => ObjectHealth::healthy("the volume is released and holds old data"),
        "Failed" => {
            let message = quoted(status["message"].as_str().unwrap_or_default());
            let message = if message.is_empty() {
                "it does not say why".into()
            } else {
                message
            };
            ObjectHealth::degraded(format!("the volume failed: {message}"))
        }
        _ => ObjectHealth::progressing("the volume is not available yet"),
    }
}
