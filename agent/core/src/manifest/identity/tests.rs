//! What makes a document an object, and what does not.

use super::*;
use crate::manifest::yaml;

fn scope(group: &str, _: &str, kind: &str) -> Option<Scope> {
    match (group, kind) {
        ("", "Namespace") | ("rbac.authorization.k8s.io", "ClusterRole") => Some(Scope::Cluster),
        ("" | "apps", _) => Some(Scope::Namespaced),
        _ => None,
    }
}

fn take(text: &str) -> Result<Vec<Manifest>, Vec<Failure>> {
    let limits = Limits::default();
    let objects = yaml::parse("web.yaml", text.as_bytes(), &limits).expect("it is valid YAML");
    to_manifests(objects, "shop", &scope, Naming::Given, &limits)
}

fn refused(text: &str) -> Vec<(Reason, String)> {
    take(text)
        .expect_err("refused")
        .into_iter()
        .map(|f| (f.reason, f.detail))
        .collect()
}

#[test]
fn a_namespaced_object_without_namespace_gets_that_of_the_destination() {
    let all = take(
        "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}\n---\n\
         {apiVersion: v1, kind: Service, metadata: {name: web, namespace: other}}\n---\n\
         {apiVersion: v1, kind: Namespace, metadata: {name: shop, namespace: nonsense}}\n---\n\
         {apiVersion: example.com/v1, kind: Thing, metadata: {name: web}}\n",
    )
    .expect("all are valid");
    let keys: Vec<_> = all
        .iter()
        .map(|manifest| manifest.key.to_string())
        .collect();
    assert_eq!(
        keys,
        [
            "Deployment.apps shop/web",
            "Service other/web",
            "Namespace shop",
            "Thing.example.com web"
        ]
    );
    assert_eq!(all[0].body.visible()["metadata"]["namespace"], "shop");
    assert!(all[2].body.visible()["metadata"].get("namespace").is_none());
    assert_eq!(all[3].origin.line, Some(7));
}

#[test]
fn bad_b08_a_document_that_is_no_map_is_not_an_object() {
    let all = refused("- a\n---\njust text\n---\napiVersion: v1\nkind: Service\nmetadata: web\n");
    assert!(
        all.iter().all(|(reason, _)| *reason == Reason::NotAnObject),
        "{all:?}"
    );
    assert_eq!(
        all[0].1,
        "web.yaml:1: the document is a list, not a Kubernetes object"
    );
    assert_eq!(
        all[1].1,
        "web.yaml:3: the document is text, not a Kubernetes object"
    );
    assert_eq!(all[2].1, "web.yaml:5: `metadata` is text, not a map");
}

#[test]
fn bad_b09_every_missing_part_of_an_identity_is_named() {
    let all = refused(
        "kind: Service\n---\napiVersion: v1\n---\napiVersion: v1\nkind: Service\n---\n\
         {apiVersion: v1, kind: Service, metadata: {name: 8080}}\n---\n\
         {apiVersion: a/b/c, kind: Service, metadata: {name: web}}\n",
    );
    assert!(
        all.iter().all(|(reason, _)| *reason == Reason::NoIdentity),
        "{all:?}"
    );
    let details: Vec<_> = all.iter().map(|(_, detail)| detail.as_str()).collect();
    assert_eq!(
        details,
        [
            "web.yaml:1: `apiVersion` is missing",
            "web.yaml:3: `kind` is missing",
            "web.yaml:5: Service has no `metadata.name`",
            "web.yaml:8: `metadata.name` is a number, not text; quote it",
            "web.yaml:10: `apiVersion` is not `group/version`",
        ]
    );
}

#[test]
fn bad_b10_a_generated_name_is_refused() {
    let all = refused("{apiVersion: batch/v1, kind: Job, metadata: {generateName: run-}}\n");
    assert_eq!(all[0].0, Reason::GenerateName);
}

#[test]
fn bad_b11_names_are_checked_as_the_api_server_does() {
    let object = |api_version: &str, kind: &str, name: &str| {
        take(&format!(
            "{{apiVersion: {api_version}, kind: {kind}, metadata: {{name: \"{name}\"}}}}\n"
        ))
        .map(|_| ())
        .map_err(|failures| failures[0].reason)
    };
    let long = "a".repeat(254);
    for name in [
        "Web",
        "web_1",
        "-web",
        "web-",
        "a/b",
        "a%2f",
        "..",
        "web\\n",
        "a b",
        long.as_str(),
    ] {
        assert_eq!(
            object("apps/v1", "Deployment", name),
            Err(Reason::InvalidName),
            "{name}"
        );
    }
    assert_eq!(object("v1", "Namespace", "a.b"), Err(Reason::InvalidName));
    assert_eq!(object("apps/v1", "Deployment", "web.v1"), Ok(()));
    assert_eq!(
        object("rbac.authorization.k8s.io/v1", "ClusterRole", "system:Node"),
        Ok(())
    );
    assert_eq!(
        object(
            "certificates.k8s.io/v1beta1",
            "ClusterTrustBundle",
            "a.b/c:d"
        ),
        Err(Reason::InvalidName)
    );
    assert_eq!(
        object(
            "certificates.k8s.io/v1beta1",
            "ClusterTrustBundle",
            "a.b:c:d"
        ),
        Ok(())
    );
}

#[test]
fn bad_b12_an_object_over_the_limit_is_refused_before_it_is_sent() {
    let text = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: big}}, data: {{x: {}}}}}\n",
        "y".repeat(1_600_000)
    );
    let all = refused(&text);
    assert_eq!(all[0].0, Reason::ObjectTooLarge);
    assert!(
        all[0]
            .1
            .starts_with("web.yaml:1: ConfigMap shop/big has 16"),
        "{}",
        all[0].1
    );
}

#[test]
fn bad_b18_b19_an_invalid_secret_is_refused_without_its_values() {
    let canary = "hunter2";
    for data in [
        format!("data: {{password: \"{canary}!\"}}"),
        format!("data: {{password: aGk=}}, stringData: {{password: {canary}}}"),
        "stringData: {password: 20302030}".to_owned(),
        format!("data: {canary}"),
        format!("stringData: [{canary}]"),
    ] {
        let all = refused(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: s}}, {data}}}\n"
        ));
        assert_eq!(all[0].0, Reason::InvalidSecret, "{data}");
        assert!(
            !all[0].1.contains(canary) && !all[0].1.contains("20302030"),
            "{}",
            all[0].1
        );
        assert!(
            all[0].1.starts_with("web.yaml:1: Secret shop/s: "),
            "{}",
            all[0].1
        );
    }
}

#[test]
fn bad_b71_string_data_of_a_secret_becomes_data() {
    let all = take(
        "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: hi, b: null}, data: {c: aG8=}}\n",
    )
    .expect("valid");
    let wire = all[0].body.to_wire();
    assert_eq!(wire["data"], serde_json::json!({"a": "aGk=", "c": "aG8="}));
    assert!(wire.get("stringData").is_none());
    assert!(!format!("{:?}", all[0]).contains("aGk="));
}

#[test]
fn a_copy_of_a_secrets_values_in_an_annotation_is_not_kept() {
    let all = take(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  annotations:\n    \
         kubectl.kubernetes.io/last-applied-configuration: '{\"data\":{\"p\":\"aHVudGVyMg==\"}}'\n\
         data: {p: aHVudGVyMg==}\n",
    )
    .expect("valid");
    assert!(!format!("{:?}", all[0]).contains("aHVudGVyMg"));
}

#[test]
fn all_failures_of_a_render_are_reported_at_once() {
    let all = refused("kind: A\n---\n- x\n---\n{apiVersion: v1, kind: Pod, metadata: {name: A}}\n");
    assert_eq!(all.len(), 3);
}

/// What we hand to people is read by our own parser: every file of the samples and of `deploy`.
#[test]
fn the_samples_and_the_installation_are_valid_manifests() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = vec![root.join("config/samples"), root.join("deploy")];
    let mut manifests = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder exists") {
            let path = entry.expect("it can be listed").path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                // Templates of a chart are no YAML before they are rendered.
                if !name.ends_with("/templates") && !name.ends_with("/roar/repository/chart") {
                    folders.push(path);
                }
                continue;
            }
            let is_other = ["kustomization.yaml", "base/agent.yaml"]
                .iter()
                .any(|end| name.ends_with(end));
            if is_other || path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let bytes = std::fs::read(&path).expect("it can be read");
            let limits = Limits::default();
            let objects = yaml::parse(&name, &bytes, &limits).unwrap_or_else(|f| panic!("{f:?}"));
            let all = to_manifests(objects, "shop", &scope, Naming::Given, &limits)
                .unwrap_or_else(|failures| panic!("{failures:?}"));
            for manifest in all {
                let done = crate::manifest::normalise(manifest).unwrap_or_else(|f| panic!("{f:?}"));
                assert!(done.warnings.is_empty(), "{:?}", done.warnings);
                manifests += 1;
            }
        }
    }
    assert!(manifests > 40, "{manifests}");
}
