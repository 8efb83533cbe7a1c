//! Each verb on sets as the API server writes them.

use serde_json::{Value, json};

use super::*;
use crate::application::{ForeignFields, Ignore};
use crate::field_path::FieldPath;
use crate::ownership::{ADOPTED_MANAGERS, MANUAL_TOOLS, without_ignored};

mod adoption;
mod left_alone;

const OURS: &str = "syncline-x";

/// Rules that own what they are made of; the defaults are those of the agent.
struct Case {
    foreign: ForeignFields,
    manual: Vec<String>,
    adopt: Vec<String>,
    ignore: Vec<Ignore>,
    autoscaled: Autoscaled,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            foreign: ForeignFields::RemoveManual,
            manual: MANUAL_TOOLS.iter().map(ToString::to_string).collect(),
            adopt: Vec::new(),
            ignore: Vec::new(),
            autoscaled: Autoscaled::No,
        }
    }
}

impl Case {
    fn foreign(foreign: ForeignFields) -> Self {
        Self {
            foreign,
            ..Self::default()
        }
    }

    fn adopting() -> Self {
        Self {
            adopt: ADOPTED_MANAGERS.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    fn ignoring(fields: &[&str]) -> Self {
        let fields = fields.iter().map(|path| FieldPath::parse(path).unwrap());
        let rule = Ignore {
            fields: fields.collect(),
            ..Ignore::default()
        };
        Self {
            ignore: vec![rule],
            ..Self::default()
        }
    }

    fn ignoring_manager(manager: &str) -> Self {
        let rule = Ignore {
            manager: Some(manager.to_owned()),
            ..Ignore::default()
        };
        Self {
            ignore: vec![rule],
            ..Self::default()
        }
    }

    fn examine(&self, desired: &Value, managed_fields: &[Value]) -> Examination {
        let ignore: Vec<&Ignore> = self.ignore.iter().collect();
        let rules = Rules {
            ours: OURS,
            foreign: self.foreign,
            manual: &self.manual,
            ignore: &ignore,
            adopt: &self.adopt,
            autoscaled: self.autoscaled,
        };
        let mut desired = desired.clone();
        without_ignored(&mut desired, &ignore);
        examine(&desired, managed_fields, &rules)
    }
}

fn entry(manager: &str, operation: &str, fields: Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1",
           "time": "2026-11-21T10:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields})
}

/// Wraps the set of a container list into that of a Deployment.
fn in_containers(containers: Value) -> Value {
    json!({"f:spec": {"f:template": {"f:spec": {"f:containers": containers}}}})
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [
                    {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
                ]}
            }
        }
    })
}

fn applied() -> Value {
    let ours = json!({
        "f:metadata": {
            "f:annotations": {"f:syncline.dev/applied": {}, "f:syncline.dev/owner": {}},
            "f:labels": {"f:app": {}, "f:syncline.dev/managed": {}}
        },
        "f:spec": {
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {
                    ".": {}, "f:name": {}, "f:image": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}
                }}}
            }
        }
    });
    entry(OURS, "Apply", ours)
}

/// The controllers' entry that every Deployment has.
fn status() -> Value {
    let mut entry = entry(
        "kube-controller-manager",
        "Update",
        json!({"f:metadata": {"f:annotations": {".": {}, "f:deployment.kubernetes.io/revision": {}}},
               "f:status": {"f:observedGeneration": {}}}),
    );
    entry["subresource"] = json!("status");
    entry
}

/// The set of one manager after the rewrite; `None` where it has no entry.
fn rewritten(found: &Examination, manager: &str, operation: &str) -> Option<Value> {
    let entries = found.rewrite.as_ref().expect("a rewrite");
    let mut own = entries
        .iter()
        .filter(|entry| entry["manager"] == manager && entry["operation"] == operation);
    own.next().map(|entry| entry["fieldsV1"].clone())
}

#[test]
fn an_object_as_we_applied_it_needs_nothing() {
    let found = Case::default().examine(&deployment(), &[applied(), status()]);
    assert_eq!(found, Examination::default());
    let all = Case::foreign(ForeignFields::RemoveAll);
    assert_eq!(
        all.examine(&deployment(), &[applied(), status()]),
        Examination::default()
    );
}

#[test]
fn a_sidecar_a_command_and_an_env_added_by_hand_are_taken_over() {
    let by_hand = in_containers(json!({
        "k:{\"name\":\"side\"}": {".": {}, "f:name": {}, "f:image": {}, "f:resources": {}},
        "k:{\"name\":\"web\"}": {
            "f:command": {},
            "f:env": {".": {}, "k:{\"name\":\"DEBUG\"}": {".": {}, "f:name": {}, "f:value": {}}}
        }
    }));
    let fields = [
        applied(),
        status(),
        entry("kubectl-edit", "Update", by_hand.clone()),
    ];
    let found = Case::default().examine(&deployment(), &fields);
    assert!(found.lost.is_empty() && found.surplus.is_empty());
    let [foreign] = found.foreign.as_slice() else {
        panic!("{:?}", found.foreign)
    };
    assert_eq!(
        foreign.fields,
        [
            "spec.template.spec.containers[side]",
            "spec.template.spec.containers[web].command",
            "spec.template.spec.containers[web].env",
        ]
    );
    assert_eq!(
        (foreign.manager.as_str(), foreign.verdict),
        ("kubectl-edit", Verdict::Remove)
    );
    assert_eq!(foreign.time, Some("2026-11-21T10:00:00Z".parse().unwrap()));
    assert_eq!(rewritten(&found, "kubectl-edit", "Update"), None);
    let mut expected = FieldSet::parse(&applied()["fieldsV1"]);
    expected.add(&FieldSet::parse(&by_hand));
    assert_eq!(rewritten(&found, OURS, "Apply"), Some(expected.to_value()));
    assert_eq!(found.rewrite.as_ref().unwrap().len(), 2);
}

#[test]
fn what_a_controller_added_stays_and_is_shown_unless_all_is_removed() {
    let added = json!({"f:spec": {"f:paused": {}}});
    let fields = [applied(), entry("rollout-operator", "Update", added)];
    for (policy, verdict) in [
        (ForeignFields::RemoveManual, Verdict::Keep),
        (ForeignFields::Keep, Verdict::Keep),
        (ForeignFields::RemoveAll, Verdict::Remove),
    ] {
        let found = Case::foreign(policy).examine(&deployment(), &fields);
        assert_eq!(found.foreign[0].fields, ["spec.paused"]);
        assert_eq!(found.foreign[0].verdict, verdict);
        assert_eq!(found.rewrite.is_some(), verdict == Verdict::Remove);
    }
    let by_hand = [
        applied(),
        entry("k9s", "Update", json!({"f:spec": {"f:paused": {}}})),
    ];
    let kept = Case::foreign(ForeignFields::Keep).examine(&deployment(), &by_hand);
    assert_eq!(
        (kept.foreign[0].verdict, kept.rewrite),
        (Verdict::Keep, None)
    );
}

#[test]
fn keys_added_to_a_config_map_and_to_a_custom_resource_are_foreign() {
    for (desired, ours, theirs, path) in [
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}),
            json!({"f:data": {"f:a": {}}}),
            json!({"f:data": {"f:b": {}}}),
            "data.b",
        ),
        (
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "c"}, "spec": {"size": 1}}),
            json!({"f:spec": {"f:size": {}}}),
            json!({"f:spec": {"f:colour": {".": {}, "f:red": {}}}, "f:status": {"f:phase": {}}}),
            "spec.colour",
        ),
    ] {
        let fields = [
            entry(OURS, "Apply", ours),
            entry("kubectl-patch", "Update", theirs),
        ];
        let found = Case::default().examine(&desired, &fields);
        assert_eq!(found.foreign[0].fields, [path]);
        let ours = rewritten(&found, OURS, "Apply").unwrap();
        assert!(ours.get("f:status").is_none(), "{ours}");
    }
}

#[test]
fn a_status_that_a_controller_writes_without_a_subresource_is_never_foreign() {
    let theirs =
        json!({"f:status": {"f:phase": {}}, "f:metadata": {"f:finalizers": {"v:\"x\"": {}}}});
    let fields = [applied(), entry("operator", "Update", theirs)];
    let all = Case::foreign(ForeignFields::RemoveAll);
    assert_eq!(all.examine(&deployment(), &fields), Examination::default());
}

#[test]
fn a_rollout_restart_and_replicas_that_git_does_not_name_are_left_alone() {
    let restart = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {
        ".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}});
    let mut scale = entry("kubectl", "Update", json!({"f:spec": {"f:replicas": {}}}));
    scale["subresource"] = json!("scale");
    let fields = [
        applied(),
        entry("kubectl-rollout", "Update", restart),
        entry(
            "kubectl-patch",
            "Update",
            json!({"f:spec": {"f:replicas": {}}}),
        ),
        scale,
    ];
    for policy in [ForeignFields::RemoveManual, ForeignFields::RemoveAll] {
        let found = Case::foreign(policy).examine(&deployment(), &fields);
        assert_eq!(found, Examination::default());
    }
}

#[test]
fn another_annotation_of_the_template_goes_and_the_restart_stays() {
    let set = json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": {
        ".": {}, "f:kubectl.kubernetes.io/restartedAt": {}, "f:x": {}}}}}});
    let found = Case::default().examine(
        &deployment(),
        &[applied(), entry("kubectl-edit", "Update", set)],
    );
    assert_eq!(
        found.foreign[0].fields,
        ["spec.template.metadata.annotations.x"]
    );
    let rest = rewritten(&found, "kubectl-edit", "Update").unwrap();
    let annotations = &rest["f:spec"]["f:template"]["f:metadata"]["f:annotations"];
    assert_eq!(
        annotations,
        &json!({".": {}, "f:kubectl.kubernetes.io/restartedAt": {}})
    );
}

#[test]
fn two_writers_with_equal_values_and_defaulted_keys_are_not_foreign() {
    let same = in_containers(json!({"k:{\"name\":\"web\"}": {
        ".": {}, "f:name": {}, "f:image": {},
        "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {
            ".": {}, "f:containerPort": {}, "f:protocol": {}}}
    }}));
    let all = Case::foreign(ForeignFields::RemoveAll);
    let found = all.examine(&deployment(), &[applied(), entry("kubectl", "Apply", same)]);
    assert_eq!(found, Examination::default());
}

#[test]
fn a_port_of_another_protocol_is_another_item() {
    let added = in_containers(json!({"k:{\"name\":\"web\"}": {"f:ports": {
        "k:{\"containerPort\":80,\"protocol\":\"UDP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}}}));
    let found = Case::default().examine(
        &deployment(),
        &[applied(), entry("kubectl-edit", "Update", added)],
    );
    assert_eq!(
        found.foreign[0].fields,
        ["spec.template.spec.containers[web].ports[80/UDP]"]
    );
}

#[test]
fn a_write_under_our_name_is_seen_whatever_its_operation() {
    let mut ours = applied();
    ours["fieldsV1"]["f:spec"]["f:paused"] = json!({});
    let found = Case::default().examine(&deployment(), &[ours]);
    assert_eq!(found.surplus, ["spec.paused"]);
    let fields = [
        applied(),
        entry(OURS, "Update", json!({"f:spec": {"f:paused": {}}})),
    ];
    let found = Case::default().examine(&deployment(), &fields);
    assert_eq!(
        (found.foreign[0].manager.as_str(), found.foreign[0].verdict),
        (OURS, Verdict::Remove)
    );
    assert_eq!(rewritten(&found, OURS, "Update"), None);
}

#[test]
fn after_a_reset_of_managed_fields_everything_is_lost_to_nobody_known() {
    for reset in [vec![], vec![json!({})]] {
        let found = Case::default().examine(&deployment(), &reset);
        assert_eq!(found.lost, ["metadata.labels", "spec"]);
        assert_eq!(found.holders[0].manager, "unknown client");
        assert_eq!(found.rewrite, None);
    }
}

#[test]
fn lost_fields_are_named_with_their_holder() {
    let mut ours = applied();
    let containers = &mut ours["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"];
    containers["k:{\"name\":\"web\"}"]
        .as_object_mut()
        .unwrap()
        .remove("f:image");
    let image = in_containers(json!({"k:{\"name\":\"web\"}": {"f:image": {}}}));
    let found = Case::default().examine(
        &deployment(),
        &[ours, entry("kubectl-set", "Update", image)],
    );
    assert_eq!(found.lost, ["spec.template.spec.containers[web].image"]);
    assert_eq!(found.holders[0].manager, "kubectl-set");
    assert!(found.foreign.is_empty() && found.rewrite.is_none());
}
