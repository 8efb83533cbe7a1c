//! Fields that are never removed although Git does not name them: what other parts of Kubernetes
//! own by custom, and what the server allocated.

use serde_json::Value;

use crate::names::ANNOTATION_RESTARTED_AT;

use super::ignored::{Within, select};
use super::set::FieldSet;

/// `spec.replicas`: whoever set it, it is left alone where Git does not name it.
pub(super) const REPLICAS: [&str; 2] = ["spec", "replicas"];

/// What a rollout restart wrote, and the number of replicas.
pub(super) fn by_custom(unnamed: &FieldSet, desired: &Value) -> FieldSet {
    let mut kept = restarts(unnamed);
    kept.add(&select(unnamed, &REPLICAS, desired, Within::Maps));
    kept
}

fn restarts(set: &FieldSet) -> FieldSet {
    let restarted_at = format!("f:{ANNOTATION_RESTARTED_AT}");
    let children = set.children.iter().map(|(key, child)| {
        let found = match child.children.get(&restarted_at) {
            Some(time) if key == "f:annotations" => {
                FieldSet::of(false, [(restarted_at.clone(), time.clone())].into_iter())
            }
            _ => restarts(child),
        };
        (key.clone(), found)
    });
    FieldSet::of(false, children)
}

/// The part of a set that the server allocates or lets nobody change once it is there.
///
/// Such fields stand under the name of a person's tool where an object was created or replaced
/// from a copy of itself (`kubectl replace --force`, a restored backup), and all of them after
/// a reset of managed fields. An apply that drops them would give up an address or be refused.
/// Only fields of parts that Git names are meant: with the port goes its node port.
pub(super) fn allocated(unnamed: &FieldSet, desired: &Value) -> FieldSet {
    let mut kept = FieldSet::default();
    let api_version = desired["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    for path in allocated_paths(group, desired["kind"].as_str().unwrap_or_default()) {
        kept.add(&select(unnamed, path, desired, Within::Named));
    }
    kept.intersection(unnamed)
}

fn allocated_paths(group: &str, kind: &str) -> &'static [&'static [&'static str]] {
    match (group, kind) {
        ("", "Service") => &[
            &["spec", "clusterIP"],
            &["spec", "clusterIPs"],
            &["spec", "ipFamilies"],
            &["spec", "ipFamilyPolicy"],
            &["spec", "healthCheckNodePort"],
            &["spec", "loadBalancerClass"],
            &["spec", "ports", "*", "nodePort"],
        ],
        // All but the size is fixed once the claim is bound.
        ("", "PersistentVolumeClaim") => &[
            &["spec", "accessModes"],
            &["spec", "dataSource"],
            &["spec", "dataSourceRef"],
            &["spec", "selector"],
            &["spec", "storageClassName"],
            &["spec", "volumeMode"],
            &["spec", "volumeName"],
        ],
        ("", "PersistentVolume") => &[
            &["spec", "claimRef"],
            &["spec", "nodeAffinity"],
            &["spec", "volumeMode"],
        ],
        ("", "Pod") => &[&["spec"]],
        ("", "ServiceAccount") => &[&["secrets"]],
        ("", "Secret") => &[&["type"], &["immutable"]],
        ("", "ConfigMap") => &[&["immutable"]],
        ("", "Namespace") => &[
            &["spec"],
            &["metadata", "labels", "kubernetes.io/metadata.name"],
        ],
        ("batch", "Job") => &[
            &["spec", "completionMode"],
            &["spec", "completions"],
            &["spec", "manualSelector"],
            &["spec", "podReplacementPolicy"],
            &["spec", "selector"],
            &["spec", "template"],
        ],
        ("networking.k8s.io", "Ingress") => &[&["spec", "ingressClassName"]],
        ("certificates.k8s.io", "CertificateSigningRequest") => &[&["spec"]],
        _ => &[],
    }
}
