//! Trees of what a cluster makes, read from what the API server says.

use serde_json::{Value, json};

use super::*;
use crate::health::{Health, ObjectHealth};
use crate::object::ObjectKey;

fn key(group: &str, kind: &str, name: &str) -> ObjectKey {
    ObjectKey {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        namespace: Some("shop".into()),
        name: name.into(),
    }
}

fn managed(group: &str, kind: &str, name: &str, health: Health) -> Managed {
    Managed {
        key: key(group, kind, name),
        uid: Some(format!("{kind}-{name}")),
        health: ObjectHealth::new(health, ""),
        sync: SyncState::Synced,
        origin: None,
        created: None,
        deleting: false,
        ready: None,
        containers: Vec::new(),
    }
}

fn object(api_version: &str, kind: &str, name: &str, owner: &str, rest: Value) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": { "name": name, "namespace": "shop", "uid": format!("{kind}-{name}") },
    });
    if !owner.is_empty() {
        object["metadata"]["ownerReferences"] =
            json!([{ "uid": "somebody" }, { "uid": owner, "controller": true }]);
    }
    for (field, value) in rest.as_object().into_iter().flatten() {
        object[field] = value.clone();
    }
    object
}

fn made(objects: &[Value]) -> Vec<Made> {
    objects.iter().filter_map(Made::read).collect()
}

fn running(name: &str, owner: &str) -> Value {
    object(
        "v1",
        "Pod",
        name,
        owner,
        json!({
            "spec": {
                "containers": [{ "name": "web", "image": "web:1" }],
                "volumes": [{ "persistentVolumeClaim": { "claimName": format!("data-{name}") } }],
            },
            "status": {
                "phase": "Running",
                "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": [{ "name": "web", "ready": true, "restartCount": 2,
                    "state": { "running": { "startedAt": "2026-11-21T10:00:00Z" } },
                    "lastState": { "terminated": { "exitCode": 1 } } }],
            },
        }),
    )
}

fn lines(nodes: &[Node]) -> Vec<String> {
    let lines = nodes.iter().map(|node| {
        let indent = "  ".repeat(node.depth as usize);
        format!("{indent}{} {}", node.key.kind, node.key.name)
    });
    lines.collect()
}

#[test]
fn what_controllers_made_is_below_the_object_that_they_made_it_for() {
    let roots = vec![
        managed("", "Service", "web", Health::Healthy),
        managed("apps", "Deployment", "web", Health::Healthy),
        managed("batch", "CronJob", "nightly", Health::Healthy),
    ];
    let set = |name: &str, replicas: u32| {
        let rest = json!({ "spec": { "replicas": replicas }, "status": { "replicas": replicas, "readyReplicas": replicas } });
        object("apps/v1", "ReplicaSet", name, "Deployment-web", rest)
    };
    let made = made(&[
        running("web-2-b", "ReplicaSet-web-2"),
        running("web-2-a", "ReplicaSet-web-2"),
        running("web-2-a", "ReplicaSet-web-2"),
        set("web-1", 0),
        set("web-2", 2),
        object("batch/v1", "Job", "nightly-1", "CronJob-nightly", json!({})),
        running("nightly-1-x", "Job-nightly-1"),
        running("of-nobody", ""),
        running("of-another", "ReplicaSet-other"),
    ]);
    let tree = tree(roots, made);
    let mut sorted = lines(&tree);
    // The Job has no status, so it is on its way: it comes first.
    assert_eq!(sorted.remove(0), "CronJob nightly");
    assert_eq!(
        sorted,
        [
            "  Job nightly-1",
            "    Pod nightly-1-x",
            "Deployment web",
            "  ReplicaSet web-2",
            "    Pod web-2-a",
            "    Pod web-2-b",
            "Service web",
        ]
    );
    for (index, node) in tree.iter().enumerate() {
        match node.parent {
            None => assert_eq!(node.depth, 0),
            Some(parent) => {
                assert!(parent < index);
                assert_eq!(tree[parent].depth + 1, node.depth);
            }
        }
    }
}

#[test]
fn what_is_not_well_comes_first_wherever_in_the_tree_it_is() {
    let roots = vec![
        managed("", "ConfigMap", "a", Health::Healthy),
        managed("apps", "ReplicaSet", "web", Health::Healthy),
        managed("", "Service", "b", Health::Progressing),
        managed("", "Secret", "c", Health::Missing),
    ];
    let mut failing = running("web-x", "ReplicaSet-web");
    failing["status"] = json!({ "phase": "Failed", "reason": "Evicted" });
    let tree = tree(roots, made(&[failing]));
    assert_eq!(
        lines(&tree),
        [
            "ReplicaSet web",
            "  Pod web-x",
            "Secret c",
            "Service b",
            "ConfigMap a"
        ]
    );
}

#[test]
fn a_claim_of_a_stateful_set_is_below_it_without_an_owner_reference() {
    let roots = || vec![managed("apps", "StatefulSet", "db", Health::Healthy)];
    let claim = |name: &str| object("v1", "PersistentVolumeClaim", name, "", json!({}));
    let objects = [
        running("db-0", "StatefulSet-db"),
        claim("data-db-0"),
        claim("data-db-9"),
        claim("other"),
    ];
    let found = tree(roots(), made(&objects));
    assert_eq!(
        lines(&found),
        [
            "StatefulSet db",
            "  PersistentVolumeClaim data-db-0",
            "  Pod db-0"
        ]
    );
    // One that Git names is an object of the application.
    let mut with_claim = roots();
    with_claim.push(managed(
        "",
        "PersistentVolumeClaim",
        "data-db-0",
        Health::Healthy,
    ));
    let found = tree(with_claim, made(&objects));
    let claims = found.iter().filter(|node| node.key.name == "data-db-0");
    assert_eq!(claims.map(|node| node.depth).collect::<Vec<_>>(), [0]);
}

#[test]
fn owners_that_own_each_other_end_nowhere() {
    let roots = vec![managed("", "Service", "a", Health::Healthy)];
    let circle = made(&[
        object("v1", "Pod", "x", "Pod-y", json!({})),
        object("v1", "Pod", "y", "Pod-x", json!({})),
        object("v1", "Pod", "z", "Pod-z", json!({})),
    ]);
    assert_eq!(lines(&tree(roots, circle)), ["Service a"]);
}

#[test]
fn a_pod_tells_what_each_of_its_containers_does() {
    let mut pod = running("web-x", "");
    pod["spec"]["initContainers"] = json!([
        { "name": "prepare", "image": "prepare:1" },
        { "name": "proxy", "image": "proxy:1", "restartPolicy": "Always" },
    ]);
    pod["status"]["initContainerStatuses"] = json!([{ "name": "prepare", "ready": false,
        "state": { "waiting": { "reason": "CrashLoopBackOff" } } }]);
    let pod = Made::read(&pod).unwrap();
    assert_eq!(
        pod.ready,
        Some(Ready {
            ready: 1,
            wanted: 1
        })
    );
    let told: Vec<_> = pod
        .containers
        .iter()
        .map(|c| {
            (
                c.name.as_str(),
                c.init,
                c.state,
                c.reason.as_str(),
                c.restarts,
            )
        })
        .collect();
    use ContainerState::{Running, Unknown, Waiting};
    assert_eq!(
        told,
        [
            ("prepare", true, Waiting, "CrashLoopBackOff", 0),
            ("proxy", false, Unknown, "", 0),
            ("web", false, Running, "", 2),
        ]
    );
    assert!(pod.containers[2].ran_before && !pod.containers[0].ran_before);
}

#[test]
fn nothing_is_listed_for_kinds_that_have_nothing_below_them() {
    let keys = [
        key("", "ConfigMap", "a"),
        key("networking.k8s.io", "Ingress", "b"),
    ];
    let roots = keys.iter().map(|key| Root {
        key,
        selector: None,
    });
    assert_eq!(lists(roots), []);
}

#[test]
fn a_few_workloads_are_listed_by_their_selectors_and_many_by_their_namespace() {
    let keys: Vec<ObjectKey> = (0..9)
        .map(|n| key("apps", "DaemonSet", &n.to_string()))
        .collect();
    let selectors: Vec<String> = (0..9).map(|n| format!("app={n}")).collect();
    let roots = |count: usize| {
        let roots = keys.iter().zip(&selectors).take(count);
        let roots = roots.map(|(key, selector)| Root {
            key,
            selector: Some(selector),
        });
        lists(roots)
            .into_iter()
            .map(|list| list.selector)
            .collect::<Vec<_>>()
    };
    assert_eq!(roots(2), ["app=0", "app=1"]);
    assert_eq!(roots(9), [""]);
}

#[test]
fn what_an_operator_makes_for_a_custom_resource_is_looked_for() {
    let custom = key("example.com", "Database", "main");
    let kinds: Vec<_> = lists([Root {
        key: &custom,
        selector: None,
    }])
    .into_iter()
    .map(|list| list.kind)
    .collect();
    assert!(
        kinds.contains(&"StatefulSet") && kinds.contains(&"Pod"),
        "{kinds:?}"
    );
    assert!(!kinds.contains(&"EndpointSlice"));
}

#[test]
fn both_forms_of_events_are_read_and_the_newest_comes_first() {
    let about = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "web", "uid": "u" });
    let old = json!({
        "involvedObject": about, "type": "Normal", "reason": "ScalingReplicaSet", "message": "up",
        "count": 3, "firstTimestamp": "2026-11-21T09:00:00Z", "lastTimestamp": "2026-11-21T10:00:00Z",
        "source": { "component": "deployment-controller" },
    });
    let new = json!({
        "involvedObject": about, "type": "Warning", "reason": "Failed", "message": "no",
        "eventTime": "2026-11-21T10:30:00.5Z", "firstTimestamp": null, "lastTimestamp": null,
        "series": { "count": 7, "lastObservedTime": "2026-11-21T11:00:00Z" },
        "reportingComponent": "kubelet", "source": {},
    });
    let events: Vec<Event> = [&old, &new].into_iter().filter_map(Event::read).collect();
    let [first, second] = newest_first(events.clone(), 10).try_into().unwrap();
    assert_eq!((first.count, first.source.as_str()), (7, "kubelet"));
    assert_eq!(first.last, "2026-11-21T11:00:00Z".parse().ok());
    assert_eq!(first.first, "2026-11-21T10:30:00.5Z".parse().ok());
    assert_eq!(
        (second.count, second.source.as_str()),
        (3, "deployment-controller")
    );
    assert_eq!(second.object.to_string(), "Deployment.apps shop/web");
    assert_eq!(newest_first(events, 1).len(), 1);
}

#[test]
fn conditions_are_read_of_any_kind_and_what_is_none_is_left_out() {
    let object = json!({ "status": { "conditions": [
        { "type": "Ready", "status": "False", "reason": "NotYet", "message": "waits",
          "lastTransitionTime": "2026-11-21T10:00:00Z" },
        { "type": "Odd" },
        "text",
    ] } });
    let found = conditions(&object);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].kind.as_str(), found[0].reason.as_str()),
        ("Ready", "NotYet")
    );
    assert!(found[0].since.is_some());
    assert!(conditions(&json!({ "status": "fine" })).is_empty());
}
