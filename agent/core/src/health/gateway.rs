//! The kinds of the Gateway API.

use serde_json::Value;

use super::conditions::{Condition, in_list};
use super::{Health, ObjectHealth, quoted};

/// Reasons that the arrival of another object ends.
const WAITS: [&str; 10] = [
    "AddressNotAssigned",
    "BackendNotFound",
    "InvalidCertificateRef",
    "ListenersNotReady",
    "NoMatchingParent",
    "NoResources",
    "Pending",
    "RefNotPermitted",
    "TargetNotFound",
    "Waiting",
];

pub(super) fn class(object: &Value) -> ObjectHealth {
    judge(object, &object["status"]["conditions"], &["Accepted"])
        .unwrap_or_else(|| ObjectHealth::healthy("a controller has accepted the class"))
}

pub(super) fn gateway(object: &Value) -> ObjectHealth {
    let status = &object["status"];
    let own = judge(object, &status["conditions"], &["Accepted", "Programmed"]);
    let listeners = list(&status["listeners"]).filter_map(|listener| {
        let name = quoted(listener["name"].as_str().unwrap_or_default());
        let found = faults(object, &listener["conditions"])?;
        Some(ObjectHealth::new(
            found.health,
            format!("the listener `{name}`: {}", found.message),
        ))
    });
    if let Some(worst) = worst(own.into_iter().chain(listeners)) {
        return worst;
    }
    let address = list(&status["addresses"]).find_map(|address| address["value"].as_str());
    ObjectHealth::healthy(match address {
        Some(address) => format!("the gateway is at {}", quoted(address)),
        None => "the gateway is programmed".to_owned(),
    })
}

/// HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute: each parent answers by itself.
pub(super) fn route(object: &Value) -> ObjectHealth {
    let wanted = list(&object["spec"]["parentRefs"]).count();
    let answers: Vec<&Value> = list(&object["status"]["parents"]).collect();
    let found = answers.iter().filter_map(|parent| {
        let health = judge(object, &parent["conditions"], &["Accepted"])
            .or_else(|| faults(object, &parent["conditions"]))?;
        let name = quoted(parent["parentRef"]["name"].as_str().unwrap_or_default());
        let message = format!("the parent `{name}`: {}", health.message);
        Some(ObjectHealth::new(health.health, message))
    });
    if let Some(worst) = worst(found) {
        return worst;
    }
    let all_answered = list(&object["spec"]["parentRefs"]).all(|wanted| {
        answers
            .iter()
            .any(|parent| parent["parentRef"]["name"] == wanted["name"])
    });
    if all_answered && answers.len() >= wanted.min(1) {
        ObjectHealth::healthy(if wanted == 0 {
            "it has no parent"
        } else {
            "its parents have accepted it"
        })
    } else {
        ObjectHealth::progressing("no controller of its parents has answered yet")
    }
}

/// Policies (BackendTLSPolicy): as routes, but one that nobody uses is no fault.
pub(super) fn policy(object: &Value) -> ObjectHealth {
    let found = list(&object["status"]["ancestors"])
        .filter_map(|ancestor| judge(object, &ancestor["conditions"], &["Accepted"]));
    worst(found).unwrap_or_else(|| ObjectHealth::healthy(""))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn worst(all: impl Iterator<Item = ObjectHealth>) -> Option<ObjectHealth> {
    // The first of the worst: `max_by_key` would take the last.
    all.reduce(|worst, next| {
        if next.health.badness() > worst.health.badness() {
            next
        } else {
            worst
        }
    })
}

/// `None` where all wanted conditions are true for the newest generation.
fn judge(object: &Value, conditions: &Value, wanted: &[&str]) -> Option<ObjectHealth> {
    for kind in wanted {
        let Some(found) = in_list(conditions, kind) else {
            let sentence = format!("no controller has said `{kind}` yet");
            return Some(ObjectHealth::progressing(sentence));
        };
        if found.is_outdated(object) {
            return Some(super::not_observed());
        }
        if !found.is_true() {
            return Some(unmet(&found, kind));
        }
    }
    None
}

/// What is wrong beside acceptance.
fn faults(object: &Value, conditions: &Value) -> Option<ObjectHealth> {
    let at = |kind: &str| in_list(conditions, kind).filter(|c| !c.is_outdated(object));
    for kind in ["Accepted", "ResolvedRefs", "Programmed"] {
        if let Some(found) = at(kind).filter(Condition::is_false) {
            return Some(unmet(&found, kind));
        }
    }
    for kind in ["Conflicted", "PartiallyInvalid"] {
        if let Some(found) = at(kind).filter(Condition::is_true) {
            return Some(ObjectHealth::degraded(found.message_or(kind)));
        }
    }
    None
}

fn unmet(found: &Condition<'_>, kind: &str) -> ObjectHealth {
    let waits = !found.is_false() || found.reason().is_empty() || WAITS.contains(&found.reason());
    let health = if waits {
        Health::Progressing
    } else {
        Health::Degraded
    };
    ObjectHealth::new(health, found.message_or(&format!("it is not {kind}")))
}
