//! Service.

use serde_json::Value;

use super::ObjectHealth;

/// Only a load balancer has something to wait for.
pub(super) fn service(object: &Value) -> ObjectHealth {
    if object["spec"]["type"] != "LoadBalancer" {
        return ObjectHealth::healthy("");
    }
    let addresses = object["status"]["loadBalancer"]["ingress"].as_array();
    let first = addresses.and_then(|all| all.first());
    match first.and_then(|first| first["ip"].as_str().or_else(|| first["hostname"].as_str())) {
        Some(address) => ObjectHealth::healthy(format!("the load balancer is at {address}")),
        None if first.is_some() => ObjectHealth::healthy("the load balancer has an address"),
        None => ObjectHealth::progressing("the load balancer has no address yet"),
    }
}
