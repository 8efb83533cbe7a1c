//! The kinds as the API server sees them: schema, rules, printer columns.

use serde_json::{Value, json};

use super::*;

fn schema(kind: Kind) -> Value {
    let crd = serde_json::to_value(kind.crd()).unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

#[test]
fn the_definitions_in_config_are_the_generated_ones() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/crd");
    for kind in Kind::ALL {
        let path = folder.join(kind.file_name());
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == crd_yaml(kind),
            "{} is not what `cargo xtask gen` writes",
            kind.file_name()
        );
    }
}

#[test]
fn the_written_definition_reads_back_as_the_same_object() {
    for kind in Kind::ALL {
        let read: Value = serde_saphyr::from_str(&crd_yaml(kind)).unwrap();
        assert_eq!(read, serde_json::to_value(kind.crd()).unwrap(), "{kind:?}");
    }
}

#[test]
fn every_kind_has_columns_short_name_categories_and_a_status() {
    for kind in Kind::ALL {
        let crd = serde_json::to_value(kind.crd()).unwrap();
        let names = &crd["spec"]["names"];
        assert_eq!(names["kind"], kind.as_str());
        assert_eq!(names["categories"], json!(["syncline", "gitops"]));
        assert!(names["shortNames"][0].as_str().unwrap().starts_with("sl"));
        let version = &crd["spec"]["versions"][0];
        assert!(version["subresources"]["status"].is_object());
        let columns = version["additionalPrinterColumns"].as_array().unwrap();
        let shown: Vec<_> = columns
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        assert!(
            shown.contains(&"Ready") && shown.contains(&"Age"),
            "{shown:?}"
        );
    }
}

#[test]
fn rules_and_limits_reach_the_schema() {
    let repository = schema(Kind::Repository);
    let spec = &repository["properties"]["spec"];
    assert_eq!(spec["properties"]["url"]["maxLength"], 1024);
    assert_eq!(spec["properties"]["interval"]["default"], "1m");
    assert!(spec["properties"]["interval"]["x-kubernetes-validations"].is_array());
    assert_eq!(
        spec["properties"]["ref"]["properties"]["branch"]["default"],
        "main"
    );
    assert_eq!(spec["required"], json!(["url"]));

    let application = schema(Kind::Application);
    let spec = &application["properties"]["spec"];
    assert_eq!(
        spec["properties"]["renderer"]["enum"],
        json!(["Auto", "Plain", "Kustomize", "Helm"])
    );
    assert_eq!(spec["properties"]["renderer"]["default"], "Auto");
    assert_eq!(
        spec["properties"]["deletionPolicy"]["enum"],
        json!(["Prune", "Orphan"])
    );
    // Options of a renderer are for that renderer only.
    let rules = spec["x-kubernetes-validations"].as_array().unwrap();
    for field in ["helm", "kustomize", "source"] {
        let of_field = |rule: &&serde_json::Value| {
            let rule = rule["rule"].as_str().unwrap();
            rule.starts_with(&format!("!has(self.{field})"))
        };
        assert_eq!(rules.iter().filter(of_field).count(), 1, "{field}");
    }
    // Only the root sees the object's own name.
    let own_name = application["x-kubernetes-validations"][0]["rule"].as_str();
    assert!(
        own_name.is_some_and(|rule| rule.contains("self.spec.adoptFrom != self.metadata.name")),
        "{own_name:?}"
    );
    let sync = &spec["properties"]["sync"]["properties"];
    assert_eq!(sync["foreign"]["default"], "RemoveManual");
    assert_eq!(
        sync["foreign"]["enum"],
        json!(["RemoveManual", "Keep", "RemoveAll"])
    );
    assert_eq!(sync["conflicts"]["enum"], json!(["Take", "Fail"]));
    assert_eq!(
        sync["pruneApproval"]["enum"],
        json!(["WhenRisky", "Always", "Never"])
    );
    assert_eq!(sync["atomic"]["default"], false);
    let ignore = &spec["properties"]["ignore"];
    assert_eq!(ignore["maxItems"], 64);
    assert!(ignore["items"]["x-kubernetes-validations"].is_array());
    let fields = &ignore["items"]["properties"]["fields"];
    assert_eq!(
        (&fields["maxItems"], &fields["items"]["maxLength"]),
        (&json!(32), &json!(512))
    );
    assert!(fields["items"]["pattern"].is_string());
    let slow = &application["properties"]["status"]["properties"]["checkedSlowly"];
    assert_eq!(slow["maxItems"], MAX_CHECKED_SLOWLY);
    let values = &spec["properties"]["helm"]["properties"]["values"];
    assert_eq!(values["x-kubernetes-preserve-unknown-fields"], true);
    let conditions = &application["properties"]["status"]["properties"]["conditions"];
    assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
}

#[test]
fn a_spec_with_only_what_is_required_gets_the_documented_defaults() {
    let application: Application = serde_json::from_value(json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "shop", "namespace": "team"},
        "spec": {"repository": "config", "path": "apps/shop"},
    }))
    .unwrap();
    let spec = application.spec;
    assert!(spec.sync.automatic && spec.sync.prune && spec.sync.self_heal);
    assert_eq!(spec.sync.timeout, Period::seconds(300));
    assert_eq!(spec.sync.foreign, ForeignFields::RemoveManual);
    assert_eq!(spec.sync.conflicts, Conflicts::Take);
    assert_eq!(spec.sync.prune_approval, PruneApproval::WhenRisky);
    assert!(!spec.sync.atomic && spec.ignore.is_empty() && spec.adopt_from.is_none());
    assert_eq!(spec.deletion_policy, DeletionPolicy::Prune);
    assert_eq!(spec.renderer, Renderer::Auto);
}

#[test]
fn inv_i15_a_bad_field_spoils_only_its_own_object() {
    use kube::core::DeserializeGuard;
    let list: Vec<DeserializeGuard<Repository>> = serde_json::from_value(json!([
        {"metadata": {"name": "bad", "generation": 4}, "spec": {"url": "https://h/r", "interval": "soon"}},
        {"metadata": {"name": "good"}, "spec": {"url": "https://h/r"}},
    ]))
    .unwrap();
    let error = list[0].0.as_ref().unwrap_err();
    assert_eq!(error.metadata.generation, Some(4));
    assert!(error.error.contains("soon"), "{}", error.error);
    assert!(list[1].0.is_ok());
}

#[test]
fn the_rules_of_an_image_policy_reach_the_schema() {
    let policy = schema(Kind::ImagePolicy);
    let spec = &policy["properties"]["spec"];
    let rules = |at: &Value| {
        at["x-kubernetes-validations"]
            .as_array()
            .map_or(0, Vec::len)
    };
    assert_eq!(rules(spec), 3);
    assert_eq!(rules(&spec["properties"]["select"]), 1);
    assert_eq!(rules(&spec["properties"]["tags"]), 1);
    let tags = &spec["properties"]["tags"]["properties"];
    assert_eq!(tags["match"]["maxLength"], 512);
    assert_eq!(tags["platforms"]["x-kubernetes-list-type"], "set");
    let select = &spec["properties"]["select"]["properties"];
    assert_eq!(
        select["numerical"]["properties"]["take"]["default"],
        "Highest"
    );
    assert_eq!(
        select["alphabetical"]["properties"]["take"]["enum"],
        json!(["Last", "First"])
    );
    assert_eq!(spec["properties"]["allowDowngrade"]["default"], false);
    assert_eq!(spec["required"], json!(["image", "select", "update"]));
}
