//! Whole entries taken over, and what the server allocated.

use super::*;

#[test]
fn what_nobody_was_known_for_goes_and_what_the_server_allocated_stays() {
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    let ours = json!({"f:spec": {"f:selector": {}, "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}}});
    let before = json!({"f:spec": {
        "f:clusterIP": {}, "f:clusterIPs": {}, "f:externalIPs": {}, "f:selector": {},
        "f:ports": {".": {},
            "k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:nodePort": {}, "f:port": {}, "f:protocol": {}},
            "k:{\"port\":81,\"protocol\":\"TCP\"}": {".": {}, "f:nodePort": {}, "f:port": {}, "f:protocol": {}}}
    }});
    let fields = [
        entry(OURS, "Apply", ours),
        entry("before-first-apply", "Update", before),
    ];
    let found = Case::default().examine(&service, &fields);
    assert_eq!(
        found.foreign[0].fields,
        ["spec.externalIPs", "spec.ports[81/TCP]"]
    );
    let ours = rewritten(&found, OURS, "Apply").unwrap();
    assert!(ours["f:spec"].get("f:clusterIP").is_none());
    assert_eq!(
        ours["f:spec"]["f:ports"]["k:{\"port\":80,\"protocol\":\"TCP\"}"],
        json!({".": {}, "f:port": {}})
    );
}

#[test]
fn on_adoption_whole_entries_become_ours_and_what_the_server_allocated_nobodys() {
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let theirs = json!({
        "f:metadata": {
            "f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}},
            "f:finalizers": {"v:\"x\"": {}},
            "f:labels": {"f:helm.sh/chart": {}}
        },
        "f:spec": {
            "f:accessModes": {}, "f:resources": {"f:requests": {".": {}, "f:storage": {}}},
            "f:volumeName": {}, "f:storageClassName": {}, "f:volumeMode": {}
        }
    });
    for manager in [
        "kubectl-client-side-apply",
        "helm",
        "kustomize-controller",
        "argocd-controller",
    ] {
        let fields = [entry(manager, "Update", theirs.clone()), status()];
        let found = Case::adopting().examine(&claim, &fields);
        assert_eq!(found.adopted[0].manager, manager);
        assert!(found.foreign.is_empty());
        let entries = found.rewrite.clone().unwrap();
        assert_eq!(
            entries[0]["fieldsV1"],
            json!({"f:metadata": {"f:finalizers": {"v:\"x\"": {}}}})
        );
        assert_eq!(entries[1], status());
        let ours = json!({
            "f:metadata": {
                "f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}},
                "f:labels": {"f:helm.sh/chart": {}}
            },
            "f:spec": {"f:accessModes": {}, "f:resources": {"f:requests": {".": {}, "f:storage": {}}}}
        });
        assert_eq!(entries[2], entry(OURS, "Apply", ours));
    }
}

#[test]
fn adoption_keeps_replicas_restarts_and_what_is_ignored() {
    let theirs = json!({"f:spec": {
        "f:replicas": {}, "f:paused": {}, "f:selector": {},
        "f:template": {"f:metadata": {
            "f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}},
            "f:labels": {".": {}, "f:app": {}}}}
    }});
    let mut case = Case::ignoring(&["/spec/paused"]);
    case.adopt = Case::adopting().adopt;
    let found = case.examine(&deployment(), &[entry("kubectl-create", "Update", theirs)]);
    let rest = json!({"f:spec": {"f:replicas": {}, "f:paused": {}, "f:template": {"f:metadata": {
        "f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}}}});
    assert_eq!(rewritten(&found, "kubectl-create", "Update"), Some(rest));
}

#[test]
fn the_template_of_a_job_is_not_taken_from_it() {
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}}});
    let theirs = json!({"f:spec": {
        "f:selector": {}, "f:backoffLimit": {},
        "f:template": {
            "f:metadata": {"f:labels": {".": {}, "f:controller-uid": {}}},
            "f:spec": {"f:restartPolicy": {}, "f:nodeSelector": {}}}
    }});
    let found = Case::adopting().examine(&job, &[entry("kubectl-replace", "Update", theirs)]);
    assert_eq!(
        rewritten(&found, OURS, "Apply"),
        Some(
            json!({"f:spec": {"f:backoffLimit": {}, "f:template": {"f:spec": {"f:restartPolicy": {}}}}})
        )
    );
    assert_eq!(rewritten(&found, "kubectl-replace", "Update"), None);
}
