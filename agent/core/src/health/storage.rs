//! PersistentVolumeClaim and PersistentVolume.

use serde_json::Value;

use super::{ObjectHealth, quoted};

pub(super) fn claim(object: &Value) -> ObjectHealth {
    match object["status"]["phase"].as_str().unwrap_or_default() {
        "Bound" => ObjectHealth::healthy("the claim is bound"),
        "Lost" => ObjectHealth::degraded("the claim lost its volume"),
        _ => ObjectHealth::progressing("the claim waits for a volume"),
    }
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
