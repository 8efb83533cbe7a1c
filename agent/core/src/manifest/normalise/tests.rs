//! Manifests that say the same in other words.

use serde_json::json;

use super::*;
use crate::manifest::{Naming, Scope, to_manifests, yaml};
use crate::reason::Reason;

fn manifest(text: &str) -> Manifest {
    let limits = yaml::Limits::default();
    let objects = yaml::parse("web.yaml", text.as_bytes(), &limits).expect("valid YAML");
    to_manifests(
        objects,
        "shop",
        &|_, _, _| Some(Scope::Namespaced),
        Naming::Given,
        &limits,
    )
    .expect("valid objects")
    .remove(0)
}

fn normalised(text: &str) -> Normalised {
    normalise(manifest(text)).expect("nothing is wrong")
}

fn refused(text: &str) -> Vec<(Reason, String)> {
    normalise(manifest(text))
        .expect_err("something is wrong")
        .into_iter()
        .map(|failure| (failure.reason, failure.detail))
        .collect()
}

#[test]
fn bad_b20_what_the_cluster_writes_is_dropped_with_a_warning() {
    let done = normalised(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  uid: x\n  \
         resourceVersion: \"1\"\n  generation: 3\n  creationTimestamp: 2020-01-01T00:00:00Z\n  \
         selfLink: /x\n  managedFields: []\nspec: {replicas: 2}\nstatus: {replicas: 2}\n",
    );
    assert_eq!(
        done.manifest.body.visible(),
        &json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"replicas": 2},
        })
    );
    assert_eq!(done.warnings.len(), 7, "{:?}", done.warnings);
    assert_eq!(
        done.warnings[0],
        "web.yaml:1: Deployment.apps shop/web: `status` is ignored: the cluster writes it"
    );
}

#[test]
fn bad_b21_an_owner_of_another_cluster_is_dropped_with_a_warning_and_a_finalizer_stays() {
    let done = normalised(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  finalizers: [example.com/f]\n  \
         ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: a, uid: x}]\n",
    );
    let metadata = &done.manifest.body.visible()["metadata"];
    assert_eq!(metadata["ownerReferences"], json!(null));
    assert_eq!(metadata["finalizers"], json!(["example.com/f"]));
    assert_eq!(done.warnings.len(), 1, "{:?}", done.warnings);
    assert!(done.warnings[0].contains("`metadata.ownerReferences`"));
}

#[test]
fn bad_b74_nulls_are_dropped_at_every_depth_and_silently() {
    let done = normalised(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations: null\n  \
         labels: {a: null}\n  creationTimestamp: null\nspec:\n  template:\n    metadata: \
         {creationTimestamp: null}\n    spec:\n      containers:\n      - {name: a, image: x, command: null}\n",
    );
    assert!(done.warnings.is_empty(), "{:?}", done.warnings);
    let visible = done.manifest.body.visible();
    assert_eq!(
        visible["metadata"],
        json!({"name": "web", "namespace": "shop", "labels": {}})
    );
    assert_eq!(
        visible["spec"]["template"],
        json!({"metadata": {}, "spec": {"containers": [{"name": "a", "image": "x"}]}})
    );
}

#[test]
fn whole_floats_of_a_renderer_become_integers() {
    let mut value = json!({"a": 1.0, "b": [2.0, 0.5], "c": -0.0, "d": 1e300, "e": 3});
    whole_floats_to_integers(&mut value);
    assert_eq!(
        value,
        json!({"a": 1, "b": [2, 0.5], "c": 0, "d": 1e300, "e": 3})
    );
}

#[test]
fn our_own_record_written_by_a_person_is_dropped_with_a_warning() {
    let done = normalised(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  annotations:\n    \
         syncline.dev/owner: x\n    syncline.dev/applied: y\n    syncline.dev/prune: never\n    \
         kubectl.kubernetes.io/last-applied-configuration: '{}'\n  labels: {syncline.dev/managed: z}\n",
    );
    assert_eq!(
        done.manifest.body.visible()["metadata"],
        json!({
            "name": "web",
            "namespace": "shop",
            "annotations": {"syncline.dev/prune": "never"},
        })
    );
    assert_eq!(done.warnings.len(), 4, "{:?}", done.warnings);
}

#[test]
fn normalising_twice_changes_nothing_more() {
    let once = normalised(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, uid: x}, status: {}}\n",
    );
    let twice = normalise(once.manifest.clone()).expect("nothing is wrong");
    assert_eq!(once.manifest, twice.manifest);
    assert!(twice.warnings.is_empty());
}

#[test]
fn bad_b07_text_fields_that_are_numbers_or_booleans_say_quote_it() {
    let all = refused(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {on-call: no, version: 1e3}\n\
         spec:\n  template:\n    metadata: {annotations: {mode: 0755}}\n    spec:\n      containers:\n      \
         - {name: a, env: [{name: PORT, value: 8080}]}\n",
    );
    assert!(all.iter().all(|(reason, _)| *reason == Reason::NotText));
    let details: Vec<_> = all.iter().map(|(_, detail)| detail.as_str()).collect();
    let place = "web.yaml:1: Deployment.apps shop/web: ";
    assert_eq!(
        details,
        [
            format!("{place}`metadata.labels.on-call` is a boolean, not text; quote it"),
            format!("{place}`metadata.labels.version` is a number, not text; quote it"),
            format!(
                "{place}`spec.template.metadata.annotations.mode` is a number, not text; quote it"
            ),
            format!(
                "{place}`spec.template.spec.containers[0].env[0].value` is a number, not text; quote it"
            ),
        ]
    );
    let all = refused("{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {on: true}}\n");
    assert_eq!(all[0].0, Reason::NotText);
}

#[test]
fn bad_b72_lists_that_hold_one_key_twice_are_refused_with_their_path() {
    let all = refused(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: run}\nspec:\n  jobTemplate:\n    spec:\n      \
         template:\n        spec:\n          containers:\n          - name: a\n            env: \
         [{name: A, value: x}, {name: B}, {name: A}]\n            ports: [{containerPort: 80}, \
         {containerPort: 80, protocol: TCP}, {containerPort: 80, protocol: UDP}]\n          - name: a\n",
    );
    assert!(
        all.iter()
            .all(|(reason, _)| *reason == Reason::DuplicateListKey)
    );
    let path =
        "web.yaml:1: CronJob.batch shop/run: `spec.jobTemplate.spec.template.spec.containers";
    let details: Vec<_> = all.iter().map(|(_, detail)| detail.as_str()).collect();
    assert_eq!(
        details,
        [
            format!("{path}[1]` and `[0]` have the same name `a`"),
            format!("{path}[0].env[2]` and `[0]` have the same name `A`"),
            format!("{path}[0].ports[1]` and `[0]` have the same containerPort/protocol `80/TCP`"),
        ]
    );
    let all = refused(
        "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{name: a, port: 80}, {name: b, port: 80}]}}\n",
    );
    assert_eq!(all[0].0, Reason::DuplicateListKey);
}
