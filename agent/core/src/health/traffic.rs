//! Service and Ingress.

use serde_json::Value;

use super::{ObjectHealth, quoted};

/// Only a load balancer has something to wait for.
pub(super) fn service(object: &Value) -> ObjectHealth {
    if object["spec"]["type"] != "LoadBalancer" {
        return ObjectHealth::healthy("");
    }
    match address(object) {
        Some(address) => ObjectHealth::healthy(format!("the load balancer is at {address}")),
        None if entries(object).next().is_some() => {
            ObjectHealth::healthy("the load balancer has an address")
        }
        None => ObjectHealth::progressing("the load balancer has no address yet"),
    }
}

/// Many controllers never write an address (those behind a `NodePort` or a Service of their own), so
/// that one without it is not known to be wrong.
pub(super) fn ingress(object: &Value) -> ObjectHealth {
    ObjectHealth::healthy(match address(object) {
        Some(address) => format!("it is served at {address}"),
        None => String::new(),
    })
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["loadBalancer"]["ingress"]
        .as_array()
        .into_iter()
        .flatten()
}

fn address(object: &Value) -> Option<String> {
    entries(object)
        .find_map(|entry| entry["ip"].as_str().or_else(|| entry["hostname"].as_str()))
        .map(quoted)
}
