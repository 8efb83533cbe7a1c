//! Answers of the API server, and the reasons that they become.

use serde_json::{Value, json};

use super::*;

fn status(value: Value) -> Status {
    serde_json::from_value(value).unwrap()
}

fn refusal(code: u16, reason: &str, message: &str, details: Value) -> Refusal {
    classify(&status(json!({
        "status": "Failure", "code": code, "reason": reason, "message": message, "details": details,
    })))
}

#[test]
fn answers_of_the_api_server_are_sorted_into_the_table() {
    let named = json!({"name": "web", "kind": "deployments"});
    let rows: Vec<(u16, &str, &str, Value, Reason)> = vec![
        (
            401,
            "Unauthorized",
            "Unauthorized",
            json!({}),
            Reason::Denied,
        ),
        (
            403,
            "Forbidden",
            r#"deployments.apps "web" is forbidden: User "system:serviceaccount:shop:deployer" cannot patch resource "deployments" in API group "apps" in the namespace "shop""#,
            named.clone(),
            Reason::Denied,
        ),
        (
            403,
            "Forbidden",
            r#"rolebindings.rbac.authorization.k8s.io "x" is forbidden: user "system:serviceaccount:shop:deployer" (groups=["system:serviceaccounts"]) is attempting to grant RBAC permissions not currently held:"#,
            named.clone(),
            Reason::Denied,
        ),
        (
            403,
            "Forbidden",
            r#"pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation"#,
            named.clone(),
            Reason::AdmissionDenied,
        ),
        (
            403,
            "Forbidden",
            r#"deployments.apps "web" is forbidden: unable to create new content in namespace shop because it is being terminated"#,
            named.clone(),
            Reason::NamespaceTerminating,
        ),
        (
            422,
            "Invalid",
            r#"deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"#,
            named.clone(),
            Reason::AdmissionDenied,
        ),
        (
            400,
            "BadRequest",
            r#"admission webhook "policy.example.com" denied the request: no"#,
            json!({}),
            Reason::AdmissionDenied,
        ),
        (
            404,
            "NotFound",
            r#"namespaces "shop" not found"#,
            json!({"name": "shop", "kind": "namespaces"}),
            Reason::NamespaceMissing,
        ),
        (
            404,
            "NotFound",
            "the server could not find the requested resource",
            json!({}),
            Reason::UnknownKind,
        ),
        (
            404,
            "NotFound",
            r#"deployments.apps "web" not found"#,
            named.clone(),
            Reason::Missing,
        ),
        (
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
            json!({}),
            Reason::NoApply,
        ),
        (
            409,
            "Conflict",
            "Operation cannot be fulfilled",
            named.clone(),
            Reason::Conflict,
        ),
        (
            413,
            "RequestEntityTooLarge",
            "",
            json!({}),
            Reason::ObjectTooLarge,
        ),
        (
            422,
            "Invalid",
            r#"ConfigMap "big" is invalid: []: Too long: may not be more than 1048576 bytes"#,
            json!({"name": "big", "kind": "ConfigMap"}),
            Reason::ObjectTooLarge,
        ),
        (
            500,
            "",
            "etcdserver: request is too large",
            json!({}),
            Reason::ObjectTooLarge,
        ),
        (
            422,
            "Invalid",
            r#"Deployment.apps "web" is invalid: spec.selector: Invalid value: {}: field is immutable"#,
            named.clone(),
            Reason::ImmutableField,
        ),
        (
            422,
            "Invalid",
            r#"StatefulSet.apps "db" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden"#,
            named.clone(),
            Reason::ImmutableField,
        ),
        (
            422,
            "Invalid",
            r#"Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1"#,
            named.clone(),
            Reason::InvalidObject,
        ),
        (
            500,
            "InternalError",
            "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema",
            json!({}),
            Reason::InvalidObject,
        ),
        (
            500,
            "InternalError",
            r#"Internal error occurred: failed calling webhook "x": connect refused"#,
            json!({}),
            Reason::ApiUnavailable,
        ),
        (
            500,
            "InternalError",
            r#"Internal error occurred: failed calling webhook "x.example.com": failed to call webhook: Post "https://10.0.0.1:443/?timeout=1s": context deadline exceeded"#,
            json!({}),
            Reason::ApiUnavailable,
        ),
        (
            403,
            "Forbidden",
            r#"admission webhook "x.example.com" denied the request: you cannot do this, the field is immutable"#,
            json!({}),
            Reason::AdmissionDenied,
        ),
        (
            500,
            "",
            r#"admission webhook "x.example.com" denied the request: broken"#,
            json!({}),
            Reason::AdmissionDenied,
        ),
        (
            403,
            "Forbidden",
            r#"pods "x" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#,
            named.clone(),
            Reason::AdmissionDenied,
        ),
        (
            500,
            "",
            "etcdserver: mvcc: database space exceeded",
            json!({}),
            Reason::ApiUnavailable,
        ),
        (
            409,
            "Conflict",
            r#"Apply failed with 1 conflict: conflict with "kubectl" using v1: .data.a"#,
            json!({"causes": [{"reason": "FieldManagerConflict", "field": ".data.a",
                   "message": r#"conflict with "kubectl" using v1"#}]}),
            Reason::FieldConflict,
        ),
        (
            429,
            "TooManyRequests",
            "slow down",
            json!({"retryAfterSeconds": 3}),
            Reason::ApiUnavailable,
        ),
        (
            503,
            "ServiceUnavailable",
            "",
            json!({}),
            Reason::ApiUnavailable,
        ),
    ];
    for (code, word, message, details, reason) in rows {
        assert_eq!(
            refusal(code, word, message, details).reason,
            reason,
            "{code} {message}"
        );
    }
}

#[test]
fn the_fields_and_the_time_that_the_answer_names_are_kept() {
    let found = refusal(
        409,
        "Conflict",
        "Apply failed with 1 conflict: conflict with \"kubectl\": .data.a",
        json!({"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\"", "field": ".data.a"}],
               "retryAfterSeconds": 2}),
    );
    assert_eq!(found.fields[0].field, ".data.a");
    assert_eq!(found.fields[0].manager(), Some("kubectl"));
    assert_eq!(found.retry_after, Some(Duration::from_secs(2)));
}

#[test]
fn inv_i30_an_answer_about_a_secret_keeps_its_class_and_loses_its_values() {
    let mut found = status(json!({
        "status": "Failure", "code": 500, "reason": "InternalError",
        "message": "failed to create typed patch object (shop/db; /v1, Kind=Secret): .stringData.pw: expected string, got &value.valueUnstructured{Value:987654321}",
        "details": {"causes": [{"reason": "x", "message": "got 987654321", "field": "stringData.pw"}]},
    }));
    redact(&mut found);
    let refusal = classify(&found);
    assert_eq!(refusal.reason, Reason::InvalidObject);
    assert_eq!(refusal.fields[0].field, "stringData.pw");
    assert!(!format!("{refusal} {refusal:?}").contains("987654321"));

    let mut unknown = status(
        json!({"code": 422, "reason": "Invalid", "message": "data.pw: Invalid value: \"hunter2\"",
        "details": {"causes": [{"field": "data.pw", "message": "Invalid value: \"hunter2\""}]}}),
    );
    redact(&mut unknown);
    let text = classify(&unknown).to_string();
    assert!(
        !text.contains("hunter2") && text.contains("data.pw"),
        "{text}"
    );
}

#[test]
fn a_conflict_or_a_missing_right_on_a_secret_is_still_explained() {
    for (code, message) in [
        (
            409,
            "Apply failed with 1 conflict: conflict with \"kubectl\": .data.pw",
        ),
        (
            403,
            r#"secrets "db" is forbidden: User "system:serviceaccount:shop:deployer" cannot patch resource "secrets""#,
        ),
    ] {
        let mut found = status(json!({"code": code, "message": message}));
        redact(&mut found);
        assert_eq!(found.message, message);
    }
}

#[test]
fn fault_f22_a_full_database_is_said_in_words_that_name_it() {
    let mut found =
        status(json!({"code": 500, "message": "etcdserver: mvcc: database space exceeded"}));
    let text = classify(&found).to_string();
    assert!(
        text.starts_with("the database of the API server (etcd) is full"),
        "{text}"
    );
    redact(&mut found);
    assert!(
        classify(&found).to_string().contains("is full"),
        "also for a Secret"
    );
}

#[test]
fn a_deadline_is_told_from_a_lost_connection() {
    let seconds = Duration::from_secs(3);
    let late = || kube::Error::Service(Box::new(TimedOut(seconds)));
    assert!(matches!(Error::from(late()), Error::Timeout(time) if time == seconds));
    // A body that comes too late is wrapped once more.
    let wrapped = kube::Error::Service(Box::new(late()));
    assert!(matches!(Error::from(wrapped), Error::Timeout(time) if time == seconds));
    let lost = kube::Error::Service("connection refused".into());
    assert!(matches!(Error::from(lost), Error::Unreachable(_)));
}
