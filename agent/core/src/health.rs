//! Whether a live object does its work: one word and one sentence, from the object alone.
//!
//! The rules are those of `kubectl rollout status` and of the kstatus conventions (`Ready`,
//! `Reconciling`, `Stalled`, `observedGeneration`). Nothing here waits or reads a clock.

mod application;
mod autoscaler;
mod batch;
mod cause;
mod cluster_kinds;
mod conditions;
mod deployment;
mod gateway;
mod generic;
mod pod;
mod replicas;
mod rules;
mod storage;
mod traffic;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use cause::cause;
pub use rules::assess_with;

/// How an object or an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Health {
    /// It does its work, or has none.
    Healthy,
    /// Somebody stopped it on purpose.
    Suspended,
    /// It is on its way.
    Progressing,
    /// Git names it and the cluster does not have it.
    Missing,
    /// It failed, and will not become healthy by waiting.
    Degraded,
    /// It cannot be read.
    Unknown,
}

impl Health {
    /// The word for people, status and database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }

    /// The health of a word.
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Healthy,
            Self::Suspended,
            Self::Progressing,
            Self::Missing,
            Self::Degraded,
            Self::Unknown,
        ]
        .into_iter()
        .find(|health| health.as_str() == word)
    }

    /// The worst of many: Healthy, Suspended, Progressing, Missing, Degraded; Healthy for none.
    ///
    /// What cannot be read never hides what is known to be wrong and never reads as absent, but
    /// with it in the set nothing is called Healthy: then the answer is Unknown.
    pub fn worst(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter()
            .max_by_key(|health| health.badness())
            .unwrap_or(Self::Healthy)
    }

    fn badness(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Suspended => 1,
            Self::Unknown => 2,
            Self::Progressing => 3,
            Self::Missing => 4,
            Self::Degraded => 5,
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The health of one object and why, in a sentence without a full stop; empty where there is
/// nothing to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHealth {
    /// The word.
    pub health: Health,
    /// The sentence.
    pub message: String,
}

impl ObjectHealth {
    /// Health with a sentence.
    pub fn new(health: Health, message: impl Into<String>) -> Self {
        Self {
            health,
            message: message.into(),
        }
    }

    fn healthy(message: impl Into<String>) -> Self {
        Self::new(Health::Healthy, message)
    }

    fn progressing(message: impl Into<String>) -> Self {
        Self::new(Health::Progressing, message)
    }

    fn degraded(message: impl Into<String>) -> Self {
        Self::new(Health::Degraded, message)
    }

    fn unknown(message: impl Into<String>) -> Self {
        Self::new(Health::Unknown, message)
    }

    fn suspended(message: impl Into<String>) -> Self {
        Self::new(Health::Suspended, message)
    }
}

/// Assesses a live object. It must carry `metadata`, `spec` and `status` as the API server gave
/// them; a kind without `status` is healthy.
pub fn assess(object: &Value) -> ObjectHealth {
    if is_deleted(object) {
        return ObjectHealth::progressing(being_deleted(object));
    }
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (group, object["kind"].as_str().unwrap_or_default()) {
        ("apps", "Deployment") => deployment::assess(object),
        ("apps", "StatefulSet") => replicas::stateful_set(object),
        ("apps", "DaemonSet") => replicas::daemon_set(object),
        ("apps", "ReplicaSet") => replicas::replica_set(object),
        ("", "ReplicationController") => replicas::replica_set(object),
        ("", "Pod") => pod::assess(object),
        ("batch", "Job") => batch::job(object),
        ("batch", "CronJob") => batch::cron_job(object),
        ("", "PersistentVolumeClaim") => storage::claim(object),
        ("", "PersistentVolume") => storage::volume(object),
        ("", "Service") => traffic::service(object),
        ("networking.k8s.io", "Ingress") => traffic::ingress(object),
        ("gateway.networking.k8s.io", "GatewayClass") => gateway::class(object),
        ("gateway.networking.k8s.io", "Gateway") => gateway::gateway(object),
        ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => gateway::route(object),
        ("gateway.networking.k8s.io", "BackendTLSPolicy") => gateway::policy(object),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler::assess(object),
        ("policy", "PodDisruptionBudget") => replicas::disruption_budget(object),
        ("", "Namespace") => cluster_kinds::namespace(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => cluster_kinds::definition(object),
        ("apiregistration.k8s.io", "APIService") => cluster_kinds::api_service(object),
        (crate::names::GROUP, "Application") => application::assess(object),
        _ => generic::assess(object),
    }
}

fn is_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

fn being_deleted(object: &Value) -> String {
    if object["kind"] == "Namespace"
        && let Some(why) = cluster_kinds::what_remains(object)
    {
        return format!("it is being deleted: {why}");
    }
    let finalizers: Vec<&str> = object["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if finalizers.is_empty() {
        "it is being deleted".to_owned()
    } else {
        format!(
            "it is being deleted and waits for the finalizer `{}`",
            finalizers.join("`, `")
        )
    }
}

/// Whether the controller of the object has not yet seen the newest `spec`.
fn is_unobserved(object: &Value) -> bool {
    let generation = object["metadata"]["generation"].as_i64();
    let observed = object["status"]["observedGeneration"].as_i64();
    matches!((generation, observed), (Some(generation), Some(observed)) if observed < generation)
}

/// The same for the built-in controllers, which always write `observedGeneration`.
fn is_unobserved_by_controller(object: &Value) -> bool {
    let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
    object["status"]["observedGeneration"].as_i64().unwrap_or(0) < generation
}

fn not_observed() -> ObjectHealth {
    ObjectHealth::progressing("its controller has not seen the newest change yet")
}

/// A number of the status; absent means zero.
fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

/// `1 replica`, `3 replicas`.
fn plural(number: i64, word: &str) -> String {
    if number == 1 {
        format!("1 {word}")
    } else {
        format!("{number} {word}s")
    }
}

/// `1 of 3 replicas are available`.
fn of(some: i64, all: i64, word: &str, state: &str) -> String {
    let verb = if all == 1 { "is" } else { "are" };
    format!("{some} of {} {verb} {state}", plural(all, word))
}

/// Text of the cluster as it may stand in a sentence: one line, bounded, no full stop at its end.
fn quoted(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(300)
        .collect();
    line.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
