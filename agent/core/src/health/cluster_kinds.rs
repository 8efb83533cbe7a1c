//! Namespace, CustomResourceDefinition and APIService.

use serde_json::Value;

use super::ObjectHealth;
use super::conditions::condition;

pub(super) fn namespace(object: &Value) -> ObjectHealth {
    if object["status"]["phase"] == "Terminating" {
        ObjectHealth::progressing("the namespace is being deleted")
    } else {
        ObjectHealth::healthy("")
    }
}

pub(super) fn definition(object: &Value) -> ObjectHealth {
    if let Some(names) = condition(object, "NamesAccepted").filter(|c| c.is_false()) {
        return ObjectHealth::degraded(names.message_or("its names are taken by another CRD"));
    }
    match condition(object, "Established") {
        Some(established) if established.is_true() => ObjectHealth::healthy("it is established"),
        _ => ObjectHealth::progressing("it is not established yet"),
    }
}

pub(super) fn api_service(object: &Value) -> ObjectHealth {
    match condition(object, "Available") {
        Some(available) if available.is_true() => ObjectHealth::healthy("the API is available"),
        Some(available) => {
            ObjectHealth::progressing(available.message_or("the API is not available"))
        }
        None => ObjectHealth::progressing("the API is not available yet"),
    }
}
