//! Each verb on sets as the API server writes them.

use serde_json::json;

use super::*;

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "template": {"spec": {"containers": [{
                "name": "web", "image": "web:1",
                "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "value": "1"}],
                "command": ["serve"]
            }]}}
        }
    })
}

fn entry() -> Value {
    json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                ".": {}, "f:name": {}, "f:image": {}, "f:command": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}
            }}}}
        }
    })
}

#[test]
fn nothing_is_lost_while_the_entry_has_every_field() {
    assert_eq!(lost(&deployment(), &entry()), Vec::<String>::new());
}

#[test]
fn a_scaled_deployment_lost_its_replicas_and_the_manager_is_named() {
    let mut ours = entry();
    ours["f:spec"].as_object_mut().unwrap().remove("f:replicas");
    let paths = lost(&deployment(), &ours);
    assert_eq!(paths, ["spec.replicas"]);
    let managed = vec![
        json!({"manager": "syncline-x", "operation": "Apply", "fieldsV1": ours}),
        json!({"manager": "kubectl", "operation": "Update", "subresource": "scale",
               "time": "2026-11-21T10:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
        json!({"manager": "kube-controller-manager", "operation": "Update", "subresource": "status",
               "time": "2026-11-21T11:00:00Z", "fieldsV1": {"f:status": {"f:replicas": {}}}}),
    ];
    let who = holders(&deployment(), &managed, "syncline-x", &paths);
    assert_eq!(who.len(), 1);
    assert_eq!(who[0].manager, "kubectl");
    assert_eq!(who[0].time, Some("2026-11-21T10:00:00Z".parse().unwrap()));
}

#[test]
fn a_removed_item_and_a_changed_field_of_an_item_are_lost() {
    let mut ours = entry();
    let container =
        &mut ours["f:spec"]["f:template"]["f:spec"]["f:containers"]["k:{\"name\":\"web\"}"];
    container.as_object_mut().unwrap().remove("f:image");
    container["f:env"] = json!({"k:{\"name\":\"B\"}": {".": {}}});
    assert_eq!(
        lost(&deployment(), &ours),
        [
            "spec.template.spec.containers[web].env[A]",
            "spec.template.spec.containers[web].image"
        ]
    );
    assert_eq!(
        holders(&deployment(), &[], "syncline-x", &["x".to_owned()])[0].manager,
        "unknown client"
    );
}

#[test]
fn without_an_entry_every_field_is_lost() {
    assert_eq!(lost(&deployment(), &json!({})), ["metadata.labels", "spec"]);
}

#[test]
fn sets_and_empty_values_are_understood() {
    let desired = json!({"metadata": {"finalizers": ["a", "b"], "annotations": {}}, "spec": {}});
    let entry = json!({"f:metadata": {"f:finalizers": {"v:\"a\"": {}}}});
    assert_eq!(lost(&desired, &entry), ["metadata.finalizers[1]"]);
}

#[test]
fn only_our_own_apply_entry_counts() {
    let fields = vec![
        json!({"manager": "syncline-x", "operation": "Update", "fieldsV1": {"f:a": {}}}),
        json!({"manager": "syncline-x", "operation": "Apply", "subresource": "status", "fieldsV1": {"f:b": {}}}),
        json!({"manager": "syncline-x", "operation": "Apply", "fieldsV1": {"f:c": {}}}),
    ];
    assert_eq!(
        applied_entry(&fields, "syncline-x"),
        Some(&json!({"f:c": {}}))
    );
    assert_eq!(applied_entry(&fields, "other"), None);
}

#[test]
fn patterns_fit_a_name_or_its_begin() {
    assert!(matches("kubectl*", "kubectl-edit") && matches("kubectl*", "kubectl"));
    assert!(matches("helm", "helm") && !matches("helm", "helm-controller"));
}

fn changed(entries: &[Value], change: impl FnOnce(&mut Vec<Value>)) -> (bool, bool) {
    let mut after = entries.to_vec();
    change(&mut after);
    let (a, b) = (digests(entries, "us"), digests(&after, "us"));
    (a.ours != b.ours, a.others != b.others)
}

#[test]
fn digests_change_with_what_concerns_us_and_with_nothing_else() {
    let entries = vec![
        json!({"manager": "us", "operation": "Apply", "time": "2026-11-21T10:00:00Z",
               "fieldsV1": {"f:spec": {"f:a": {}}}}),
        json!({"manager": "kubectl", "operation": "Update", "time": "2026-11-21T10:00:00Z",
               "fieldsV1": {"f:spec": {"f:b": {".": {}, "f:c": {}}}, "f:metadata": {"f:labels": {}}}}),
        json!({"manager": "hpa", "operation": "Update", "subresource": "scale",
               "fieldsV1": {"f:spec": {"f:replicas": {}}}}),
    ];
    assert_eq!(changed(&entries, |e| e.reverse()), (false, false));
    assert_eq!(
        changed(&entries, |e| e[0]["time"] = json!("2026-11-21T10:00:01Z")),
        (true, false)
    );
    assert_eq!(
        changed(&entries, |e| e[0]["fieldsV1"]["f:spec"]["f:z"] = json!({})),
        (true, false)
    );
    assert_eq!(
        changed(&entries, |e| e[1]["time"] = json!("2026-11-21T10:00:01Z")),
        (false, false)
    );
    assert_eq!(
        changed(&entries, |e| e[1]["manager"] = json!("k9s")),
        (false, true)
    );
    assert_eq!(
        changed(&entries, |e| e[1]["fieldsV1"]["f:metadata"]["f:labels"] =
            json!({"f:x": {}})),
        (false, false)
    );
    assert_eq!(
        changed(&entries, |e| e[1]["fieldsV1"]["f:status"] =
            json!({"f:x": {}})),
        (false, false)
    );
    assert_eq!(
        changed(&entries, |e| e[1]["fieldsV1"]["f:spec"]["f:b"] =
            json!({"f:c": {}})),
        (false, true)
    );
    assert_eq!(
        changed(&entries, |e| e[2]["fieldsV1"]["f:spec"]["f:x"] = json!({})),
        (false, false)
    );
    assert_eq!(
        changed(&entries, |e| e.push(
            json!({"manager": "labeller", "fieldsV1": {"f:metadata": {"f:labels": {}}}})
        )),
        (false, false)
    );
    assert_eq!(
        changed(&entries, |e| e.push(
            json!({"manager": "us", "operation": "Update", "fieldsV1": {"f:data": {}}})
        )),
        (true, false)
    );
}

#[test]
fn ignored_fields_are_named_as_the_object_has_them() {
    let paths = [
        "/spec/template/spec/containers/web/image",
        "/spec/template/spec/containers/0/ports",
        "/spec/replicas",
        "/spec/nothing",
    ];
    let paths = paths.map(|path| crate::field_path::FieldPath::parse(path).unwrap());
    let rule = crate::application::Ignore {
        fields: paths.to_vec(),
        ..crate::application::Ignore::default()
    };
    let [found] = ignored_fields(&deployment(), &deployment(), &[], &[&rule])
        .try_into()
        .unwrap();
    let IgnoredFields { fields, manager } = found;
    assert_eq!(
        fields,
        [
            "spec.template.spec.containers[web].image",
            "spec.template.spec.containers[0].ports",
            "spec.replicas",
        ]
    );
    assert_eq!(manager, None);
}

#[test]
fn ignored_fields_are_taken_out_with_the_parents_they_leave_empty() {
    let rule = |fields: &[&str]| crate::application::Ignore {
        fields: fields
            .iter()
            .map(|path| crate::field_path::FieldPath::parse(path).unwrap())
            .collect(),
        ..crate::application::Ignore::default()
    };
    let desired = json!({
        "metadata": {"name": "web", "annotations": {"a/b": "1"}},
        "spec": {
            "replicas": 2, "empty": {},
            "containers": [
                {"name": "web", "resources": {"limits": {"cpu": 1}}, "args": ["a", "b"]},
                {"name": "side", "resources": {"limits": {"cpu": 1, "memory": 2}}}
            ]
        }
    });
    for (fields, pointer, left) in [
        (
            &["/metadata/annotations/a~1b"][..],
            "/metadata",
            json!({"name": "web"}),
        ),
        (&["/spec/replicas"], "/spec/replicas", Value::Null),
        (&["/spec/empty/x"], "/spec/empty", json!({})),
        (
            &["/spec/containers/web"],
            "/spec/containers/0/name",
            json!("side"),
        ),
        (
            &["/spec/containers/web/resources/limits/cpu"],
            "/spec/containers/0",
            json!({"name": "web", "args": ["a", "b"]}),
        ),
        (
            &["/spec/containers/1/resources/limits/cpu"],
            "/spec/containers/1/resources",
            json!({"limits": {"memory": 2}}),
        ),
        (
            &["/spec/containers/*/resources"],
            "/spec/containers/1",
            json!({"name": "side"}),
        ),
        (
            &[
                "/spec/containers/0",
                "/spec/containers/web/args/0",
                "/nothing/here",
            ],
            "",
            desired.clone(),
        ),
    ] {
        let rule = rule(fields);
        let mut stripped = desired.clone();
        without_ignored(&mut stripped, &[&rule]);
        assert_eq!(
            stripped.pointer(pointer).cloned().unwrap_or_default(),
            left,
            "{fields:?}"
        );
        let again = stripped.clone();
        without_ignored(&mut stripped, &[&rule]);
        assert_eq!(stripped, again, "{fields:?} once more");
    }
}
