//! The causes of pods in the sentence of their workload.

use serde_json::{Value, json};

use super::super::*;

fn pod(name: &str, revision: &str, minute: u8, status: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"pod-template-hash": revision},
            "creationTimestamp": format!("2026-01-02T03:{minute:02}:05Z"),
        },
        "spec": {"restartPolicy": "Always"},
        "status": status,
    })
}

fn image(message: &str) -> Value {
    json!({
        "phase": "Pending",
        "containerStatuses": [{
            "name": "web", "image": "example.com/shop/web:1.9.0", "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": message}},
        }],
    })
}

fn crash(restarts: u8) -> Value {
    json!({
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{
            "name": "web", "ready": false, "restartCount": restarts,
            "state": {"waiting": {
                "reason": "CrashLoopBackOff",
                "message": format!("back-off {restarts}m restarting failed container=web"),
            }},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
        }],
    })
}

fn ready() -> Value {
    json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})
}

fn waiting() -> ObjectHealth {
    ObjectHealth::new(Health::Progressing, "0 of 3 replicas are available")
}

const NOT_FOUND: &str = "failed to resolve reference: example.com/shop/web:1.9.0: not found";

#[test]
fn the_cause_of_one_pod_is_named_with_the_pod() {
    let found = cause(&waiting(), &[pod("web-7f-x", "7f", 4, image(NOT_FOUND))]);
    assert_eq!(found.health, Health::Progressing);
    assert_eq!(
        found.message,
        "0 of 3 replicas are available: pod web-7f-x: the container `web` does not start: \
         ImagePullBackOff: tag 1.9.0 not found (example.com/shop/web:1.9.0)"
    );
}

#[test]
fn pods_with_the_same_cause_are_counted() {
    let pods = [
        pod("web-7f-a", "7f", 4, crash(3)),
        pod("web-7f-b", "7f", 4, crash(9)),
        pod("web-7f-c", "7f", 4, ready()),
    ];
    assert_eq!(
        cause(&waiting(), &pods).message,
        "0 of 3 replicas are available: 2 pods: the container `web` does not start: \
         CrashLoopBackOff: it ended with exit code 1"
    );
}

#[test]
fn the_most_telling_cause_comes_first_and_two_are_named() {
    let unscheduled = json!({
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}],
    });
    let pods = [
        pod("web-7f-a", "7f", 4, unscheduled),
        pod("web-7f-b", "7f", 4, crash(1)),
        pod("web-7f-c", "7f", 4, image(NOT_FOUND)),
        pod("web-7f-d", "7f", 4, json!({"phase": "Pending"})),
    ];
    let message = cause(&waiting(), &pods).message;
    let at = |part: &str| message.find(part);
    assert!(at("ImagePullBackOff").expect("named") < at("CrashLoopBackOff").expect("named"));
    assert_eq!(at("not scheduled"), None, "{message}");
}

#[test]
fn the_newest_revision_comes_before_older_ones() {
    let old = pod("web-6b-a", "6b", 1, image(NOT_FOUND));
    let new = pod("web-7f-a", "7f", 9, crash(1));
    let message = cause(&waiting(), &[old.clone(), new]).message;
    assert!(message.contains("CrashLoopBackOff"), "{message}");
    assert!(!message.contains("ImagePullBackOff"), "{message}");
    // Where the newest has no trouble, the old one is what holds.
    let fine = pod("web-7f-a", "7f", 9, ready());
    let message = cause(&waiting(), &[old, fine]).message;
    assert!(message.contains("web-6b-a"), "{message}");
}

#[test]
fn the_sentence_does_not_depend_on_the_order_of_the_pods() {
    let mut pods = vec![
        pod("web-7f-a", "7f", 4, crash(3)),
        pod("web-7f-b", "7f", 4, image(NOT_FOUND)),
        pod("web-7f-c", "7f", 4, image("pull access denied")),
        pod("web-6b-a", "6b", 1, ready()),
    ];
    let first = cause(&waiting(), &pods);
    pods.reverse();
    assert_eq!(cause(&waiting(), &pods), first);
}

#[test]
fn what_is_healthy_or_suspended_or_has_no_pods_stays_as_it_is() {
    let troubled = [pod("web-7f-a", "7f", 4, crash(3))];
    for health in [Health::Healthy, Health::Suspended] {
        let workload = ObjectHealth::new(health, "as it is");
        assert_eq!(cause(&workload, &troubled), workload);
    }
    assert_eq!(cause(&waiting(), &[]), waiting());
    assert_eq!(
        cause(&waiting(), &[pod("web-7f-a", "7f", 4, ready())]),
        waiting()
    );
}

#[test]
fn a_degraded_job_names_the_container_that_failed() {
    let failed = ObjectHealth::new(Health::Degraded, "the job failed");
    let mut pod = pod(
        "migrate-1",
        "x",
        4,
        json!({
            "phase": "Failed",
            "containerStatuses": [{
                "name": "migrate",
                "state": {"terminated": {"exitCode": 2, "message": "connecting\ntable is locked\n"}},
            }],
        }),
    );
    pod["spec"]["restartPolicy"] = json!("Never");
    assert_eq!(
        cause(&failed, &[pod]).message,
        "the job failed: pod migrate-1: the pod failed: the container `migrate` ended with exit \
         code 2: table is locked"
    );
}

#[test]
fn a_pod_that_was_evicted_and_replaced_does_not_hide_the_new_one() {
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"});
    let pods = [
        pod("web-7f-a", "7f", 4, evicted),
        pod("web-7f-b", "7f", 5, crash(1)),
    ];
    let message = cause(&waiting(), &pods).message;
    assert!(message.contains("CrashLoopBackOff"), "{message}");
    assert!(!message.contains("Evicted"), "{message}");
}

#[test]
fn the_sentence_is_one_bounded_line() {
    let long = "word ".repeat(500) + "\nnext";
    let pods: Vec<Value> = (0..500)
        .map(|n| {
            let mut status = crash(1);
            status["containerStatuses"][0]["name"] = json!(format!("container-{n}-{long}"));
            pod(&format!("web-{n}"), "7f", 4, status)
        })
        .collect();
    let message = cause(&waiting(), &pods).message;
    assert!(message.chars().count() < 500, "{}", message.len());
    assert!(!message.contains('\n'), "{message}");
}

#[test]
fn what_registries_say_becomes_a_short_sentence() {
    for (said, told) in [
        (NOT_FOUND, "tag 1.9.0 not found"),
        ("manifest unknown", "tag 1.9.0 not found"),
        ("401 Unauthorized", "refuses"),
        ("pull access denied, repository does not exist", "refuses"),
        (
            "dial tcp: lookup example.com: no such host",
            "cannot be reached",
        ),
        (
            "toomanyrequests: you have reached your limit",
            "no more requests",
        ),
        (
            "x509: certificate signed by unknown authority",
            "is not trusted",
        ),
        ("no match for platform in manifest: not found", "platform"),
        ("Something else.", "Something else"),
    ] {
        let message = cause(&waiting(), &[pod("web-1", "7f", 4, image(said))]).message;
        assert!(message.contains(told), "{said}: {message}");
    }
}
