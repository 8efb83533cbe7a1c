//! Each kind of mistake on schemas like the published ones, and schemas and objects at random.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A document like that of a built-in group.
fn built_in() -> Schema {
    let meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
    let document = json!({"openapi": "3.0.0", "paths": {"/apis/apps/v1/": {"get": {}}}, "components": {"schemas": {
        "io.k8s.api.apps.v1.Deployment": {"type": "object", "description": "x", "properties": {
            "apiVersion": {"type": "string"}, "kind": {"type": "string"},
            "metadata": {"allOf": [{"$ref": format!("#/components/schemas/{meta}")}], "default": {}},
            "spec": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}]},
            "status": {"type": "object", "properties": {}}},
            "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}]},
        "io.k8s.api.apps.v1.DeploymentList": {"type": "object", "properties": {
            "items": {"type": "array"}, "metadata": {"type": "object"}},
            "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "DeploymentList", "version": "v1"}]},
        meta: {"type": "object", "properties": {
            "name": {"type": "string"},
            "labels": {"type": "object", "additionalProperties": {"type": "string", "default": ""}},
            "creationTimestamp": {"type": "string", "format": "date-time"}}},
        "io.k8s.api.apps.v1.DeploymentSpec": {"type": "object", "required": ["selector", "template", "paused"],
            "properties": {
                "replicas": {"type": "integer", "format": "int32"}, "paused": {"type": "boolean"},
                "selector": {"type": "object", "additionalProperties": {"type": "string"}},
                "template": {"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"},
                "policy": {"type": "string", "enum": ["Always", "Never"]},
                "self": {"$ref": "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"},
                "ring": {"$ref": "#/components/schemas/ring"},
                "lost": {"$ref": "#/components/schemas/not.there"},
                "far": {"$ref": "https://example.com/schema"},
                "port": {"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}]},
                "limits": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}},
                "ratio": {"type": "number", "format": "double"},
                "any": {"x-kubernetes-preserve-unknown-fields": true},
                "odd": {"type": ["string", "null"]}, "odder": {"allOf": [{"type": "string"}, {"type": "integer"}]},
                "either": {"anyOf": [{"type": "boolean"}, {"type": "string"}]},
                "neither": {"oneOf": [{"type": "object"}, {"type": "string"}]}}},
        "io.k8s.api.core.v1.PodSpec": {"type": "object", "required": ["containers"], "properties": {
            "containers": {"type": "array", "items": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}], "default": {}}}}},
        "io.k8s.api.core.v1.Container": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string", "default": ""}, "image": {"type": "string"},
            "args": {"type": "array", "items": {"type": "string"}}, "data": {"type": "string", "format": "byte"}}},
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": "string", "format": "int-or-string"},
        "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": "string"},
        "ring": {"$ref": "#/components/schemas/ring"},
    }}});
    Schema::parse(document.to_string().as_bytes()).unwrap()
}

fn good() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"a": "b"}, "creationTimestamp": null},
        "spec": {"replicas": 2, "selector": {"app": "web"}, "policy": "Always", "paused": false,
            "template": {"containers": [{"name": "web", "image": "a:1", "args": ["x"]}]},
            "self": {"selector": {}, "template": {"containers": []}, "self": {"selector": {}, "template": {"containers": []}}},
            "ring": {"anything": 1}, "lost": [1], "far": "x", "port": 80, "limits": {"cpu": 1, "memory": "1Gi", "x": 0.5},
            "ratio": 1, "any": {"deep": [1]}, "odd": 1, "odder": {}, "either": true, "neither": 5},
        "status": {"nonsense": true}})
}

/// The pointers of the findings with their reason, and all that is said.
fn found(schema: &Schema, change: impl FnOnce(&mut Value)) -> (Vec<(String, Reason)>, String) {
    let mut object = good();
    change(&mut object);
    let findings = schema.check("apps", "v1", "Deployment", &object);
    let texts: Vec<&str> = findings.iter().map(|f| f.what.as_str()).collect();
    let text = texts.join("; ");
    (
        findings
            .into_iter()
            .map(|f| (f.pointer, f.reason))
            .collect(),
        text,
    )
}

#[test]
fn a_good_object_and_all_that_is_not_understood_pass() {
    let schema = built_in();
    assert_eq!(found(&schema, |_| {}), (vec![], String::new()));
    assert!(schema.knows("apps", "v1", "Deployment"));
    for (group, version, kind) in [
        ("apps", "v1", "DeploymentList"),
        ("apps", "v1", "Other"),
        ("", "v1", "Deployment"),
    ] {
        assert!(!schema.knows(group, version, kind));
        assert!(
            schema
                .check(group, version, kind, &json!({"x": 1}))
                .is_empty()
        );
    }
}

#[test]
fn each_mistake_is_found_at_its_place_and_no_value_is_told() {
    let schema = built_in();
    type Change = fn(&mut Value);
    let rows: [(Change, &str, Reason, &str); 16] = [
        (
            |o| o["spec"]["replicsa"] = json!(3),
            "/spec/replicsa",
            Reason::UnknownField,
            "is not a known field; did you mean `replicas`?",
        ),
        (
            |o| o["sepc"] = json!({"secret": "canary"}),
            "/sepc",
            Reason::UnknownField,
            "is not a known field; did you mean `spec`?",
        ),
        (
            |o| o["spec"]["x/y~z"] = json!("canary"),
            "/spec/x~1y~0z",
            Reason::UnknownField,
            "is not a known field",
        ),
        (
            |o| o["spec"]["replicas"] = json!("canary"),
            "/spec/replicas",
            Reason::FieldType,
            "is text, a whole number is wanted",
        ),
        (
            |o| o["spec"]["replicas"] = json!(1.5),
            "/spec/replicas",
            Reason::FieldType,
            "is a number with a fraction, a whole number is wanted",
        ),
        (
            |o| o["spec"]["paused"] = json!("canary"),
            "/spec/paused",
            Reason::FieldType,
            "is text, true or false is wanted",
        ),
        (
            |o| o["metadata"]["labels"]["a"] = json!(true),
            "/metadata/labels/a",
            Reason::FieldType,
            "is a boolean, text is wanted; quote it",
        ),
        (
            |o| o["spec"]["policy"] = json!("canary"),
            "/spec/policy",
            Reason::FieldType,
            "is not one of `Always`, `Never`",
        ),
        (
            |o| o["spec"]["template"]["containers"] = json!({"name": "canary"}),
            "/spec/template/containers",
            Reason::FieldType,
            "is a map, a list is wanted",
        ),
        (
            |o| o["spec"]["template"]["containers"][0] = json!("canary"),
            "/spec/template/containers/0",
            Reason::FieldType,
            "is text, a map is wanted",
        ),
        (
            |o| o["spec"]["template"]["containers"][0]["args"] = json!([1]),
            "/spec/template/containers/0/args/0",
            Reason::FieldType,
            "is a number, text is wanted; quote it",
        ),
        (
            |o| o["spec"]["selector"] = json!(["canary"]),
            "/spec/selector",
            Reason::FieldType,
            "is a list, a map is wanted",
        ),
        (
            |o| o["spec"]["port"] = json!(true),
            "/spec/port",
            Reason::FieldType,
            "is a boolean, text or a whole number is wanted",
        ),
        (
            |o| o["spec"]["limits"]["cpu"] = json!({}),
            "/spec/limits/cpu",
            Reason::FieldType,
            "is a map, text or a number is wanted",
        ),
        (
            |o| {
                o["spec"]["template"]["containers"][0]
                    .as_object_mut()
                    .unwrap()
                    .remove("name");
            },
            "/spec/template/containers/0/name",
            Reason::RequiredField,
            "is missing, and it must be there",
        ),
        (
            |o| o["spec"]["self"]["self"]["selector"] = json!(null),
            "/spec/self/self/selector",
            Reason::RequiredField,
            "is missing, and it must be there",
        ),
    ];
    for (change, pointer, reason, what) in rows {
        let (places, text) = found(&schema, change);
        assert_eq!(places, [(pointer.to_owned(), reason)], "{text}");
        assert_eq!(text, what);
    }
}

#[test]
fn required_fields_of_built_in_kinds_count_only_where_the_server_insists() {
    let schema = built_in();
    let (places, _) = found(&schema, |o| {
        o["spec"].as_object_mut().unwrap().remove("paused");
        o["spec"]["policy"] = json!("");
        o["spec"]["replicas"] = json!(2.0);
    });
    assert_eq!(places, []);
}

#[test]
fn a_failure_names_file_object_and_field() {
    let finding = Finding {
        reason: Reason::UnknownField,
        pointer: "/spec/x".into(),
        what: "is not a known field".into(),
    };
    let origin = Origin {
        file: "a.yaml".into(),
        document: 1,
        line: Some(3),
    };
    let key = ObjectKey {
        group: "apps".into(),
        version: "v1".into(),
        kind: "Deployment".into(),
        namespace: Some("shop".into()),
        name: "web".into(),
    };
    let failure = finding.failure(&origin, &key);
    assert_eq!(
        failure.detail,
        "a.yaml:3: Deployment.apps shop/web: /spec/x: is not a known field"
    );
}

/// A definition as a user writes it, and the document that a cluster publishes for it.
fn definition(schema: &Value) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "spec": {"group": "example.com", "names": {"kind": "Thing", "plural": "things"}, "scope": "Namespaced",
            "versions": [{"name": "v1alpha1"}, {"name": "v1", "schema": {"openAPIV3Schema": schema}}]}})
}

fn thing() -> Value {
    json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object",
        "required": ["size", "mode"], "properties": {
            "size": {"type": "integer"}, "mode": {"type": "string", "default": "", "enum": ["", "a"]},
            "exact": {"type": "string", "enum": ["a", "b"]}, "level": {"type": "integer", "enum": [1, 2]},
            "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
            "nested": {"type": "object", "nullable": true, "x-kubernetes-embedded-resource": true,
                "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"known": {"type": "string"}}},
            "map": {"type": "object", "additionalProperties": {"type": "object", "properties": {"n": {"type": "number"}}}},
            "flags": {"type": "object", "additionalProperties": true}, "empty": {"type": "object"},
            "one": {"type": "object", "oneOf": [{"required": ["a"]}], "properties": {"a": {"type": "string"}}}}}}})
}

#[test]
fn a_definition_of_the_same_commit_is_the_schema_of_its_objects() {
    let schema = Schema::from_definition(&definition(&thing()), "v1").unwrap();
    let check = |spec: Value| {
        let object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": spec});
        let findings = schema.check("example.com", "v1", "Thing", &object);
        findings.into_iter().map(|f| f.pointer).collect::<Vec<_>>()
    };
    let good = json!({"size": 1, "exact": "a", "level": 7, "port": "http", "flags": {"x": [1]}, "empty": {"y": 1},
        "nested": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "b"}, "spec": {"z": 1}},
        "free": {"known": "a", "more": 1}, "map": {"k": {"n": 1.5}}, "one": {"a": "b"}});
    assert_eq!(check(good), Vec::<String>::new());
    assert_eq!(
        check(json!({"size": 1, "nested": null})),
        Vec::<String>::new()
    );
    assert_eq!(check(json!({})), ["/spec/size"], "`mode` has a default");
    assert_eq!(check(json!(null)), ["/spec"]);
    let bad = json!({"size": "1", "exact": "", "port": [], "nested": {"apiVersion": "v1", "kin": 1}, "free": {"known": 1},
        "map": {"k": {"n": "1", "m": 1}}, "one": {"b": 1}, "empty": "text"});
    let mut pointers = check(bad);
    pointers.sort();
    assert_eq!(
        pointers,
        [
            "/spec/empty",
            "/spec/exact",
            "/spec/free/known",
            "/spec/map/k/m",
            "/spec/map/k/n",
            "/spec/nested/kin",
            "/spec/nested/kind",
            "/spec/one/b",
            "/spec/port",
            "/spec/size"
        ]
    );
    for (definition, version) in [
        (definition(&thing()), "v2"),
        (definition(&thing()), "v1alpha1"),
        (json!({}), "v1"),
        (definition(&json!({"properties": 1})), "v1"),
    ] {
        assert!(Schema::from_definition(&definition, version).is_none());
    }
    let mut old = definition(&thing());
    old["spec"]["preserveUnknownFields"] = json!(true);
    let schema = Schema::from_definition(&old, "v1").unwrap();
    assert!(
        schema
            .check(
                "example.com",
                "v1",
                "Thing",
                &json!({"apiVersion": "example.com/v1", "kind": "Thing", "more": 1, "spec": {"size": 1}})
            )
            .is_empty()
    );
}

#[test]
fn a_published_definition_is_checked_like_the_definition_itself() {
    let mut root = thing();
    root["properties"]["metadata"] = json!({"type": "object"});
    root["x-kubernetes-group-version-kind"] =
        json!([{"group": "example.com", "kind": "Thing", "version": "v1"}]);
    let document = json!({"components": {"schemas": {"com.example.v1.Thing": root}}});
    let schema = Schema::parse(document.to_string().as_bytes()).unwrap();
    let findings = schema.check(
        "example.com",
        "v1",
        "Thing",
        &json!({"spec": {"mode": "b"}}),
    );
    let reasons: Vec<_> = findings.iter().map(|f| f.reason).collect();
    assert_eq!(reasons, [Reason::FieldType, Reason::RequiredField]);
}

#[test]
fn what_is_no_document_is_an_error_and_findings_are_bounded() {
    for text in ["", "{", "[1]", "{\"components\": 1}"] {
        let error = Schema::parse(text.as_bytes()).unwrap_err();
        assert!(
            error.to_string().starts_with("the schema cannot be read"),
            "{error}"
        );
    }
    assert!(Schema::parse(b"{}").is_ok());
    let schema = built_in();
    let (places, _) = found(&schema, |object| {
        for index in 0..100 {
            object["spec"][format!("unknown{index}")] = json!(1);
        }
    });
    assert_eq!(places.len(), MOST_FINDINGS);
    let mut deep = json!({"selector": {}, "template": {"containers": []}, "nonsense": 1});
    for _ in 0..110 {
        deep = json!({"selector": {}, "template": {"containers": []}, "self": deep});
    }
    let (places, _) = found(&schema, |object| object["spec"] = deep);
    assert_eq!(places, [], "what lies too deep passes");
    assert!(schema.bytes() < 10_000, "{}", schema.bytes());
}

/// Any JSON value, often with the names that the schemas here know.
fn any_value() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("spec".to_owned()),
        Just("template".to_owned()),
        Just("containers".to_owned()),
        Just("self".to_owned()),
        Just("limits".to_owned()),
        Just("type".to_owned()),
        Just("properties".to_owned()),
        Just("items".to_owned()),
        Just("required".to_owned()),
        Just("$ref".to_owned()),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(json!("object")),
        Just(json!("#/components/schemas/a")),
        Just(json!("canary-value")),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_object_makes_it_panic_and_no_finding_holds_a_value(object in any_value()) {
        let schema = built_in();
        let findings = schema.check("apps", "v1", "Deployment", &object);
        prop_assert!(findings.len() <= MOST_FINDINGS);
        for finding in findings {
            prop_assert!(!finding.what.contains("canary"));
        }
    }

    #[test]
    fn no_schema_makes_it_panic(root in any_value(), other in any_value(), object in any_value()) {
        let definition = definition(&root);
        if let Some(schema) = Schema::from_definition(&definition, "v1") {
            schema.check("example.com", "v1", "Thing", &object);
        }
        let document = json!({"components": {"schemas": {"a": root, "b": other}}}).to_string();
        let _ = Schema::parse(document.as_bytes());
    }
}
