//! What is hidden of an object, what stays to be seen, and masks that can be compared.

use serde_json::json;

use super::*;
use crate::diff::changes;
use crate::redacted::Redacted;

fn secrets(values: &[&str]) -> SecretInputs {
    let mut secrets = SecretInputs::default();
    for value in values {
        secrets.add(&Redacted::new(*value));
    }
    secrets
}

fn masked(object: Value, secrets: &SecretInputs) -> Masked<Value> {
    let rules = Rules::default();
    let application = Name::new("team", "shop");
    let masking = Masking::of_application(&rules, secrets, b"key", &application);
    masking.object(&Body::take(object).unwrap())
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

#[test]
fn inv_i30_a_change_of_a_secret_shows_that_it_changed_and_not_to_what() {
    let secret = |value: &str| {
        let object = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "db", "annotations": {"note": value}},
            "stringData": {"password": value, "user": "app"}});
        masked(object, &SecretInputs::default())
    };
    let found = changes(&secret("hunter22"), &secret("swordfish"));
    let paths: Vec<_> = found.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(paths, ["data.password", "metadata.annotations.note"]);
    let text = format!("{found:?}{}", secret("hunter22").manifest().text);
    for value in ["hunter22", "swordfish", "aHVudGVyMjI", "c3dvcmRmaXNo"] {
        assert!(!text.contains(value), "{text}");
    }
}

#[test]
fn inv_i30_a_secret_that_went_into_a_render_is_hidden_in_every_object_and_its_change_is_seen() {
    let secrets = secrets(&["hunter22", "swordfish"]);
    let deployment = |value: &str| {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "annotations": {"url": format!("a:{value}@b")}},
            "spec": {"args": [format!("--password={value}"), format!("-p={value}")],
                value: 1, "same": "hunter22", "replicas": 2}});
        masked(object, &secrets)
    };
    let (before, after) = (deployment("hunter22"), deployment("swordfish"));
    let found = changes(&before, &after);
    let text = format!("{before} {after} {found:?}");
    for value in ["hunter22", "swordfish"] {
        assert!(!text.contains(value), "{text}");
    }
    let paths: Vec<_> = found.iter().map(|c| c.path.as_str()).collect();
    assert!(paths.contains(&"spec.args[0]") && paths.contains(&"metadata.annotations.url"));
    assert!(!paths.contains(&"spec.same") && !paths.contains(&"spec.replicas"));
    assert_eq!(before, deployment("hunter22"), "equal values look equal");
}

#[test]
fn inv_i30_variables_whose_names_look_like_secrets_are_masked_in_every_kind() {
    let env = json!([
        {"name": "DB_PASSWORD", "value": "hunter22"},
        {"name": "apiToken", "value": 4711},
        {"name": "DB_HOST", "value": "db"},
        {"name": "OTHER_KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]);
    let pod = json!({"containers": [{"name": "web", "env": env}]});
    for object in [
        json!({"kind": "Deployment", "spec": {"template": {"spec": pod}}}),
        json!({"kind": "CronJob", "spec": {"jobTemplate": {"spec": {"template": {"spec": pod}}}}}),
        json!({"kind": "Thing", "spec": {"env": {"DB_PASSWORD": "hunter22", "DB_HOST": "db"}}}),
        config_map(json!({"DB_PASSWORD": "hunter22", "DB_HOST": "db"})),
    ] {
        let text = masked(object, &SecretInputs::default()).to_string();
        assert!(
            !text.contains("hunter22") && !text.contains("4711"),
            "{text}"
        );
        assert!(text.contains(r#""db""#), "{text}");
    }
    let named = config_map(json!({"keyboard": "qwertz"}));
    let text = masked(named, &SecretInputs::default()).to_string();
    assert!(
        text.contains("qwertz"),
        "a name that no variable has: {text}"
    );
}

#[test]
fn inv_i30_credentials_of_urls_and_private_keys_are_masked_wherever_they_stand() {
    let object = config_map(json!({
        "settings": "db: postgres://app:hunter22@db:5432/shop\nother: http://db:80/\n",
        "key": "-----BEGIN RSA PRIVATE KEY-----\nMIIhunter22\n-----END RSA PRIVATE KEY-----",
        "git": "ssh://git@example.com/a.git",
    }));
    let masked = masked(object, &SecretInputs::default());
    let text = masked.to_string();
    assert!(
        !text.contains("hunter22") && !text.contains("app:"),
        "{text}"
    );
    let settings = masked["data"]["settings"].as_str().unwrap();
    assert!(
        settings.contains("@db:5432/shop\nother: http://db:80/\n"),
        "{settings}"
    );
    assert_eq!(masked["data"]["git"], "ssh://git@example.com/a.git");
}

#[test]
fn inv_i30_configured_paths_are_masked_with_all_that_is_below_them() {
    let paths = ["Thing:/spec/users/*/login", "/spec/deep"].map(str::to_owned);
    let rules = Rules::with(&[], &paths).unwrap();
    let none = SecretInputs::default();
    let masking = Masking::of_answer(&rules, &none, b"once");
    let object = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "a"},
        "spec": {"deep": {"a": ["hunter22", 4711, true, null]},
            "users": [{"name": "robin", "login": "hunter22"}]}});
    let masked = masking.object(&Body::take(object).unwrap());
    let text = masked.to_string();
    for value in ["hunter22", "4711", "true"] {
        assert!(!text.contains(value), "{text}");
    }
    assert!(text.contains("robin"), "{text}");
    assert_eq!(
        masked["spec"]["deep"]["a"][0],
        masked["spec"]["users"][0]["login"]
    );

    let route = json!({"apiVersion": "route.openshift.io/v1", "kind": "Route",
        "metadata": {"name": "a"}, "spec": {"tls": {"key": "hunter22", "certificate": "public"}}});
    let text = masking.object(&Body::take(route).unwrap()).to_string();
    assert!(
        !text.contains("hunter22") && text.contains("public"),
        "{text}"
    );
}

#[test]
fn equal_values_have_equal_masks_in_an_application_and_other_ones_in_another() {
    let rules = Rules::default();
    let none = SecretInputs::default();
    let mask = |application: &str, value: &str| {
        let application = Name::new("team", application);
        let masking = Masking::of_application(&rules, &none, b"key", &application);
        let map = config_map(json!({"PASSWORD": value, "TOKEN": value}));
        let map = masking.object(&Body::take(map).unwrap());
        assert_eq!(map["data"]["PASSWORD"], map["data"]["TOKEN"]);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "stringData": {"a": value}});
        let secret = masking.object(&Body::take(secret).unwrap());
        assert_eq!(
            map["data"]["PASSWORD"], secret["data"]["a"],
            "encoded or not"
        );
        map["data"]["PASSWORD"].clone()
    };
    assert_eq!(mask("shop", "hunter22"), mask("shop", "hunter22"));
    assert_ne!(mask("shop", "hunter22"), mask("shop", "swordfish"));
    assert_ne!(mask("shop", "hunter22"), mask("cart", "hunter22"));
}

#[test]
fn what_is_masked_on_one_side_is_masked_on_the_other() {
    // The render knows the new secret only; the cluster still has the old one.
    let secrets = secrets(&["new-secret"]);
    let rules = Rules::default();
    let masking = Masking::of_answer(&rules, &secrets, b"once");
    let object = |value: &str, args: Value| {
        let object = json!({"kind": "Thing", "spec": {"plain": "same",
            "word": format!("p:{value}"), "args": args,
            "list": [{"name": "a", "v": value}, {"name": "b", "v": "open"}]}});
        Body::take(object).unwrap()
    };
    let before = object("old-secret", json!(["-v", "-p=old-secret", "--more"]));
    let after = object("new-secret", json!(["-p=new-secret", "-v"]));
    let (before, after) = masking.pair(&before, &after);
    let text = format!("{before}{after}");
    assert!(
        !text.contains("old-secret") && !text.contains("new-secret"),
        "{text}"
    );
    assert_ne!(before["spec"]["word"], after["spec"]["word"]);
    assert_eq!(before["spec"]["list"][1]["v"], "open");
    assert_eq!(before["spec"]["plain"], "same");
    assert_eq!(before["spec"]["args"][0], "-v");
}

#[test]
fn a_manifest_is_yaml_without_our_marks_and_its_digest_follows_its_text() {
    let object = |image: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a",
            "labels": {names::LABEL_MANAGED: "x"},
            "annotations": {names::ANNOTATION_OWNER: "o", LAST_APPLIED: "{\"a\":1}", "b": "c"}},
            "spec": {"image": image}})
    };
    let none = SecretInputs::default();
    let manifest = masked(object("web:1"), &none).manifest();
    assert_eq!(
        &*manifest.text,
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    b: c\nspec:\n  \
         image: web:1\n"
    );
    assert_eq!(manifest, masked(object("web:1"), &none).manifest());
    assert_ne!(
        manifest.digest,
        masked(object("web:2"), &none).manifest().digest
    );
}

#[test]
fn masking_twice_changes_nothing() {
    let once = masked(
        config_map(json!({"A_TOKEN": "hunter22"})),
        &SecretInputs::default(),
    );
    let twice = masked((*once).clone(), &SecretInputs::default());
    assert_eq!(once, twice);
}
