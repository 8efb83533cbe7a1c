//! Manifests, good ones and bad ones.

use super::*;
use serde_json::{Value, json};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

fn sha(fill: char) -> String {
    format!("sha256:{}", fill.to_string().repeat(64))
}

fn read(sent_as: Option<&str>, document: &Value) -> Result<Document, String> {
    Document::read(sent_as, document.to_string().as_bytes())
}

fn image() -> Value {
    json!({ "schemaVersion": 2, "mediaType": OCI, "layers": [],
            "config": { "mediaType": CONFIG, "digest": sha('a'), "size": 2 } })
}

#[test]
fn an_image_names_its_configuration_and_what_is_no_image_has_none() {
    let Ok(Document::Image(found)) = read(Some(OCI), &image()) else {
        panic!()
    };
    assert_eq!(found.configuration.unwrap().as_str(), sha('a'));
    let mut chart = image();
    chart["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
    let Ok(Document::Image(found)) = read(None, &chart) else {
        panic!()
    };
    assert_eq!(found.configuration, None);
}

#[test]
fn attestations_are_no_images_of_an_index() {
    let platform = |os: &str, architecture: &str| json!({"os": os, "architecture": architecture});
    let child = |fill: char, more: Value| {
        let mut child = json!({ "mediaType": OCI, "digest": sha(fill), "size": 1 });
        child
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        child
    };
    let index = json!({ "schemaVersion": 2, "manifests": [
        child('a', json!({ "platform": platform("linux", "amd64") })),
        child('b', json!({ "platform": platform("unknown", "unknown") })),
        child('c', json!({ "platform": platform("linux", "arm64"),
                           "annotations": { ATTESTATION: "attestation-manifest" } })),
        child('d', json!({ "platform": { "os": "linux", "architecture": "arm", "variant": "v7" } })),
        child('e', json!({ "mediaType": OCI_INDEX })),
        child('f', json!({})),
    ]});
    let Ok(Document::Index(found)) = read(Some(OCI_INDEX), &index) else {
        panic!()
    };
    let platforms: Vec<String> = found
        .children
        .iter()
        .map(|child| {
            child
                .platform
                .as_ref()
                .map_or(String::new(), ToString::to_string)
        })
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm/v7", ""]);
}

#[test]
fn bad_b58_what_is_no_manifest_is_refused() {
    let mut both = image();
    both["manifests"] = json!([]);
    let mut old = image();
    old["mediaType"] = json!("application/vnd.docker.distribution.manifest.v1+prettyjws");
    let mut bad_digest = image();
    bad_digest["config"]["digest"] = json!("sha256:abc");
    for (sent_as, document) in [
        (Some(OCI_INDEX), image()),
        (None, json!({ "schemaVersion": 2 })),
        (None, json!([])),
        (
            None,
            json!({ "mediaType": OCI_INDEX, "config": image()["config"] }),
        ),
        (None, json!({ "mediaType": OCI, "manifests": [] })),
        (
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            image(),
        ),
        (None, both),
        (None, old),
        (Some(OCI), bad_digest),
    ] {
        let error = read(sent_as, &document).expect_err(&document.to_string());
        assert!(!error.ends_with('.') && error.len() < 300, "{error}");
    }
    assert!(Document::read(Some(OCI), b"<html>").is_err());
    assert!(read(Some("application/json"), &image()).is_ok());
}

#[test]
fn a_time_that_stands_for_none_is_none() {
    let at = |text: &str| moment(text).map(|moment| moment.to_string());
    assert_eq!(at("0001-01-01T00:00:00Z"), None);
    assert_eq!(at("yesterday"), None);
    assert_eq!(
        at("1970-01-01T00:00:00Z").as_deref(),
        Some("1970-01-01T00:00:00Z")
    );
    assert_eq!(
        at("2026-11-21T13:00:00.5+01:00").as_deref(),
        Some("2026-11-21T12:00:00.5Z")
    );
}

#[test]
fn the_configuration_gives_time_platform_and_labels() {
    let text = json!({ "created": "2026-01-02T03:04:05Z", "os": "linux", "architecture": "arm64",
        "variant": "v8", "config": { "Labels": { "a": "b" } }, "rootfs": {} });
    let found = Configuration::read(text.to_string().as_bytes()).unwrap();
    assert_eq!(found.platform.unwrap().to_string(), "linux/arm64/v8");
    assert_eq!(found.labels["a"], "b");
    assert!(found.created.is_some());
    let empty = Configuration::read(br#"{"config":{"Labels":null}}"#).unwrap();
    assert!(empty.platform.is_none() && empty.labels.is_empty());
    assert!(Configuration::read(b"[]").is_err());
}

#[test]
fn only_labels_that_say_where_an_image_comes_from_are_kept_and_not_too_many() {
    let mut labels: Annotations = (0..100)
        .map(|n| (format!("org.opencontainers.image.x{n:03}"), "v".to_owned()))
        .collect();
    labels.insert("maintainer".into(), "x".into());
    assert_eq!(told(labels.clone()).len(), MAX_LABELS);
    labels.retain(|key, _| key == "maintainer");
    labels.insert("org.opencontainers.image.revision".into(), "r".repeat(2000));
    labels.insert("org.label-schema.vcs-ref".into(), "abc".into());
    assert_eq!(
        told(labels).into_keys().collect::<Vec<_>>(),
        ["org.label-schema.vcs-ref"]
    );
}
