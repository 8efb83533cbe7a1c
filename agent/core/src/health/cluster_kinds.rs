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

/// Why the deletion of a namespace does not end; `None` where it does not say.
pub(super) fn what_remains(object: &Value) -> Option<String> {
    [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionGroupVersionParsingFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceFinalizersRemaining",
        "NamespaceContentRemaining",
    ]
    .into_iter()
    .find_map(|kind| condition(object, kind).filter(|c| c.is_true()))
    .map(|found| found.message_or("it has content"))
}

pub(super) fn definition(object: &Value) -> ObjectHealth {
    if let Some(names) = condition(object, "NamesAccepted").filter(|c| c.is_false()) {
        return ObjectHealth::degraded(names.message_or("its names are taken by another CRD"));
    }
    if let Some(schema) = condition(object, "NonStructuralSchema").filter(|c| c.is_true()) {
        return ObjectHealth::degraded(schema.message_or("its schema is not structural"));
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
