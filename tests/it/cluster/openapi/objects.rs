//! Objects that every API server takes, and some that none takes.

use serde_json::{Value, json};
use syncline_core::reason::Reason;

fn object(api_version: &str, kind: &str, rest: &Value) -> Value {
    let mut object = json!({ "apiVersion": api_version, "kind": kind,
        "metadata": { "name": "schema-test", "labels": { "app": "web" }, "annotations": { "a": "b" } } });
    for (name, value) in rest.as_object().unwrap() {
        object[name] = value.clone();
    }
    object
}

fn pod() -> Value {
    json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": {
            "serviceAccountName": "default",
            "terminationGracePeriodSeconds": 5,
            "dnsPolicy": "ClusterFirst",
            "securityContext": { "runAsNonRoot": true, "fsGroup": 1000 },
            "tolerations": [{ "key": "a", "operator": "Exists", "effect": "NoSchedule" }],
            "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "zone",
                "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": { "matchLabels": { "app": "web" } } }],
            "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
                { "weight": 1, "podAffinityTerm": { "topologyKey": "host",
                    "labelSelector": { "matchExpressions": [{ "key": "app", "operator": "In", "values": ["web"] }] } } }] } },
            "initContainers": [{ "name": "init", "image": "registry.example/init:1" }],
            "containers": [{
                "name": "web", "image": "registry.example/web:1", "imagePullPolicy": "IfNotPresent",
                "command": ["web"], "args": ["--a"], "tty": false,
                "ports": [{ "name": "http", "containerPort": 8080, "protocol": "TCP" }],
                "env": [{ "name": "A", "value": "1" },
                    { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } },
                    { "name": "C", "valueFrom": { "configMapKeyRef": { "name": "c", "key": "k", "optional": true } } }],
                "envFrom": [{ "configMapRef": { "name": "c" } }],
                "resources": { "requests": { "cpu": "100m", "memory": "1Mi" }, "limits": { "cpu": 1 } },
                "readinessProbe": { "httpGet": { "path": "/", "port": "http", "scheme": "HTTP" }, "periodSeconds": 5 },
                "livenessProbe": { "tcpSocket": { "port": 8080 } },
                "securityContext": { "capabilities": { "drop": ["ALL"] }, "readOnlyRootFilesystem": true },
                "volumeMounts": [{ "name": "c", "mountPath": "/c", "readOnly": true }],
            }],
            "volumes": [
                { "name": "c", "configMap": { "name": "c", "items": [{ "key": "k", "path": "p", "mode": 420 }] } },
                { "name": "s", "secret": { "secretName": "s" } }, { "name": "e", "emptyDir": { "sizeLimit": "1Gi" } },
                { "name": "h", "hostPath": { "path": "/x" } }, { "name": "p", "persistentVolumeClaim": { "claimName": "p" } }],
        },
    })
}

/// A pod as the kinds after the first two have it, to save time.
fn small_pod() -> Value {
    json!({ "metadata": { "labels": { "app": "web" } }, "spec": {
        "containers": [{ "name": "web", "image": "registry.example/web:1" }] } })
}

fn selector() -> Value {
    json!({ "matchLabels": { "app": "web" } })
}

/// Objects of the built-in kinds that people write.
pub(super) fn good() -> Vec<Value> {
    let mut job = small_pod();
    job["spec"]["restartPolicy"] = json!("Never");
    let mut set = json!({ "serviceName": "web", "replicas": 1, "selector": selector(), "template": small_pod() });
    set["volumeClaimTemplates"] = json!([{ "metadata": { "name": "data" }, "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }]);
    let role =
        json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" });
    let subjects = json!([{ "kind": "ServiceAccount", "name": "default", "namespace": "default" }]);
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    vec![
        object(
            "v1",
            "ConfigMap",
            &json!({ "data": { "a": "b" }, "binaryData": { "c": "ZA==" }, "immutable": false }),
        ),
        object(
            "v1",
            "Secret",
            &json!({ "type": "Opaque", "data": { "a": "Yg==" } }),
        ),
        object(
            "v1",
            "ServiceAccount",
            &json!({ "automountServiceAccountToken": false, "imagePullSecrets": [{ "name": "a" }] }),
        ),
        object(
            "v1",
            "Service",
            &json!({ "spec": { "type": "ClusterIP", "selector": { "app": "web" }, "sessionAffinity": "None",
            "ports": [{ "name": "http", "port": 80, "targetPort": "http", "protocol": "TCP" }] } }),
        ),
        object(
            "v1",
            "PersistentVolumeClaim",
            &json!({ "spec": { "accessModes": ["ReadWriteOnce"], "storageClassName": "a",
            "resources": { "requests": { "storage": "1Gi" } } } }),
        ),
        object(
            "v1",
            "ResourceQuota",
            &json!({ "spec": { "hard": { "pods": 10, "requests.cpu": "4" } } }),
        ),
        object(
            "v1",
            "LimitRange",
            &json!({ "spec": { "limits": [{ "type": "Container", "default": { "cpu": "1" } }] } }),
        ),
        object(
            "v1",
            "PersistentVolume",
            &json!({ "spec": { "capacity": { "storage": "1Gi" },
            "accessModes": ["ReadWriteOnce"], "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem",
            "csi": { "driver": "example.com", "volumeHandle": "a" },
            "nodeAffinity": { "required": { "nodeSelectorTerms": [{ "matchExpressions": [{ "key": "a", "operator": "Exists" }] }] } } } }),
        ),
        object(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            &json!({ "addressType": "IPv4", "ports": [{ "port": 80 }],
            "endpoints": [{ "addresses": ["10.1.2.3"], "conditions": { "ready": true } }] }),
        ),
        object("v1", "Namespace", &json!({})),
        object("v1", "Pod", &json!({ "spec": pod()["spec"] })),
        object(
            "apps/v1",
            "Deployment",
            &json!({ "spec": { "replicas": 2, "paused": false, "revisionHistoryLimit": 3,
            "selector": selector(), "template": pod(),
            "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": 1 } } } }),
        ),
        object("apps/v1", "StatefulSet", &json!({ "spec": set })),
        object(
            "apps/v1",
            "DaemonSet",
            &json!({ "spec": { "selector": selector(), "template": small_pod() } }),
        ),
        object(
            "apps/v1",
            "ReplicaSet",
            &json!({ "spec": { "selector": selector(), "template": small_pod() } }),
        ),
        object(
            "batch/v1",
            "Job",
            &json!({ "spec": { "backoffLimit": 2, "template": job } }),
        ),
        object(
            "batch/v1",
            "CronJob",
            &json!({ "spec": { "schedule": "* * * * *", "concurrencyPolicy": "Forbid",
            "jobTemplate": { "spec": { "template": job } } } }),
        ),
        object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            &json!({ "spec": { "minReplicas": 1, "maxReplicas": 3,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "web" },
            "metrics": [{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }] } }),
        ),
        object(
            "policy/v1",
            "PodDisruptionBudget",
            &json!({ "spec": { "maxUnavailable": "50%", "selector": selector() } }),
        ),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            &json!({ "spec": { "ingressClassName": "a", "tls": [{ "hosts": ["a.example.com"], "secretName": "a" }],
            "rules": [{ "host": "a.example.com", "http": { "paths": [{ "path": "/", "pathType": "Prefix",
                "backend": { "service": { "name": "web", "port": { "number": 80 } } } }] } }] } }),
        ),
        object(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            &json!({ "spec": { "podSelector": selector(), "policyTypes": ["Ingress"],
            "ingress": [{ "from": [{ "namespaceSelector": {} }, { "ipBlock": { "cidr": "10.0.0.0/8" } }], "ports": [{ "port": 80, "protocol": "TCP" }] }] } }),
        ),
        object(
            "networking.k8s.io/v1",
            "IngressClass",
            &json!({ "spec": { "controller": "example.com/a" } }),
        ),
        object(
            "rbac.authorization.k8s.io/v1",
            "Role",
            &json!({ "rules": rules }),
        ),
        object(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            &json!({ "rules": rules }),
        ),
        object(
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            &json!({ "roleRef": role, "subjects": subjects }),
        ),
        object(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            &json!({ "roleRef": role, "subjects": subjects }),
        ),
        object(
            "storage.k8s.io/v1",
            "StorageClass",
            &json!({ "provisioner": "example.com/a", "reclaimPolicy": "Retain",
            "volumeBindingMode": "Immediate", "parameters": { "a": "b" } }),
        ),
        object(
            "scheduling.k8s.io/v1",
            "PriorityClass",
            &json!({ "value": 5, "globalDefault": false }),
        ),
        object(
            "coordination.k8s.io/v1",
            "Lease",
            &json!({ "spec": { "holderIdentity": "a", "leaseDurationSeconds": 5 } }),
        ),
        object(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            &json!({ "webhooks": [{
            "name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
            "clientConfig": { "service": { "name": "a", "namespace": "b", "path": "/" }, "caBundle": "" },
            "rules": [{ "apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"] }] }] }),
        ),
    ]
}

/// Objects with one mistake: pointer, reason, our words and the server's.
pub(super) fn bad() -> Vec<(Value, &'static str, Reason, &'static str, &'static str)> {
    let kind = |name: &str| {
        let mut all = good().into_iter();
        all.find(|object| object["kind"] == name).unwrap()
    };
    let changed = |name: &str, pointer: &str, value: Value| {
        let mut object = kind(name);
        *object.pointer_mut(pointer).unwrap() = value;
        object
    };
    let container = "/spec/template/spec/containers/0";
    let mut misspelt = kind("Deployment");
    misspelt["spec"]["replicsa"] = json!(2);
    let mut twice = kind("Ingress");
    twice["spec"]["rules"][0]["http"]["paths"][0]["pathtype"] = json!("Prefix");
    let mut unnamed = kind("Deployment");
    let fields = unnamed.pointer_mut(container).unwrap();
    fields.as_object_mut().unwrap().remove("name");
    let mut no_role = kind("RoleBinding");
    no_role.as_object_mut().unwrap().remove("roleRef");
    vec![
        (
            misspelt,
            "/spec/replicsa",
            Reason::UnknownField,
            "did you mean `replicas`?",
            "replicsa",
        ),
        (
            twice,
            "/spec/rules/0/http/paths/0/pathtype",
            Reason::UnknownField,
            "did you mean `pathType`?",
            "pathtype",
        ),
        (
            changed("Deployment", "/spec/replicas", json!("2")),
            "/spec/replicas",
            Reason::FieldType,
            "is text, a whole number is wanted",
            "replicas",
        ),
        (
            changed("Deployment", "/spec/template/spec/containers", json!({})),
            "/spec/template/spec/containers",
            Reason::FieldType,
            "is a map, a list is wanted",
            "containers",
        ),
        (
            changed(
                "Deployment",
                "/spec/template/spec/containers/0/env/0/value",
                json!(1),
            ),
            "/spec/template/spec/containers/0/env/0/value",
            Reason::FieldType,
            "quote it",
            "value",
        ),
        (
            changed(
                "Deployment",
                "/spec/template/spec/containers/0/imagePullPolicy",
                json!("Sometimes"),
            ),
            "/spec/template/spec/containers/0/imagePullPolicy",
            Reason::FieldType,
            "is not one of `Always`, `IfNotPresent`, `Never`",
            "imagePullPolicy",
        ),
        (
            changed("ConfigMap", "/data/a", json!(true)),
            "/data/a",
            Reason::FieldType,
            "is a boolean, text is wanted",
            "data",
        ),
        (
            changed("Service", "/spec/ports/0/port", json!("http")),
            "/spec/ports/0/port",
            Reason::FieldType,
            "is text, a whole number is wanted",
            "port",
        ),
        (
            changed("Service", "/metadata/labels/app", json!(1)),
            "/metadata/labels/app",
            Reason::FieldType,
            "quote it",
            "labels",
        ),
        (
            unnamed,
            "/spec/template/spec/containers/0/name",
            Reason::RequiredField,
            "must be there",
            "name",
        ),
        (
            no_role,
            "/roleRef",
            Reason::RequiredField,
            "must be there",
            "roleRef",
        ),
    ]
}

/// A definition with the parts that definitions of the field have, in a group of its own.
pub(super) fn definition(suffix: &str) -> Value {
    let group = format!("s{suffix}.example.com");
    let resources = json!({ "type": "object", "properties": {
        "limits": { "type": "object", "additionalProperties": { "x-kubernetes-int-or-string": true,
            "anyOf": [{ "type": "integer" }, { "type": "string" }] } } } });
    let spec = json!({ "type": "object", "required": ["size", "mode", "items"], "properties": {
        "size": { "type": "integer", "format": "int32", "minimum": 1 },
        "mode": { "type": "string", "enum": ["Fast", "Safe"], "default": "Safe" },
        "policy": { "type": "string", "enum": ["A", "B"] },
        "ratio": { "type": "number" }, "on": { "type": "boolean" },
        "port": { "x-kubernetes-int-or-string": true },
        "resources": resources,
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "template": { "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
        "labels": { "type": "object", "additionalProperties": { "type": "string" } },
        "maybe": { "type": "string", "nullable": true },
        "choice": { "type": "object", "oneOf": [{ "required": ["a"] }, { "required": ["b"] }],
            "properties": { "a": { "type": "string" }, "b": { "type": "integer" } } },
        "items": { "type": "array", "items": { "type": "object", "required": ["name"],
            "properties": { "name": { "type": "string" }, "value": { "type": "string" } } },
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"] },
    } });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("things.{group}") },
        "spec": { "group": group, "names": { "kind": "Thing", "plural": "things" }, "scope": "Namespaced",
            "versions": [{ "name": "v1", "served": true, "storage": true, "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": { "type": "object", "required": ["spec"], "properties": {
                    "spec": spec, "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } } } }] },
    })
}

/// A good object of that definition.
pub(super) fn thing(definition: &Value) -> Value {
    let api_version = format!("{}/v1", definition["spec"]["group"].as_str().unwrap());
    object(
        &api_version,
        "Thing",
        &json!({ "spec": {
        "size": 1, "mode": "Fast", "policy": "A", "ratio": 0.5, "on": true, "port": "http",
        "resources": { "limits": { "cpu": 1, "memory": "1Gi" } }, "free": { "x": [1, { "y": true }] },
        "template": { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "a": "b" } },
        "labels": { "a": "b" }, "maybe": "x", "choice": { "a": "b" },
        "items": [{ "name": "one", "value": "1" }, { "name": "two" }] } }),
    )
}
