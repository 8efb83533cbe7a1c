//! Options that an Application lays over a kustomization, and patches over objects.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syncline_core::application::{Overrides, Patch};
use syncline_core::reason::Reason;
use syncline_render::{Error, Job, Kustomize, Pool, Refusal, Rendered, Transform};

use crate::support::{Tree, of_kind, settings};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs
        .iter()
        .map(|(key, value)| ((*key).into(), (*value).into()));
    pairs.collect()
}

fn patch(patch: &str, target: &[(&str, &str)]) -> Patch {
    Patch {
        patch: patch.into(),
        target: map(target),
    }
}

/// Every option, for the overlay `stack/prod` of the fixtures.
pub(crate) fn all() -> Overrides {
    Overrides {
        images: vec![
            "registry.example.com/web:v3".into(),
            "registry.example.com/postgres=mirror.example.com:5000/postgres:17".into(),
            "mirror.example.com/migrate@sha256:abc".into(),
        ],
        patches: vec![
            patch(
                "- {op: add, path: /spec/type, value: NodePort}",
                &[("kind", "Service"), ("name", "prod-web-blue")],
            ),
            patch(
                "apiVersion: apps/v1\nkind: Deployment\n\
                 metadata: {name: prod-web-blue, namespace: zoo}\nspec: {paused: true}\n",
                &[],
            ),
        ],
        components: vec!["../components/metrics/more".into()],
        name_prefix: "a-".into(),
        name_suffix: "-z".into(),
        labels: map(&[("l", "1"), ("m", "two")]),
        annotations: map(&[("owner", "2")]),
        replicas: BTreeMap::from([("prod-web-blue".into(), 7)]),
        namespace: "over".into(),
    }
}

fn overridden(overrides: Overrides) -> Job {
    Job::Kustomize(Kustomize {
        path: "overlays/prod".into(),
        overrides,
        ..Kustomize::default()
    })
}

async fn refused(overrides: Overrides) -> Refusal {
    crate::kustomize::overlay()
        .refusal(&overridden(overrides))
        .await
}

#[tokio::test]
async fn an_override_keeps_the_origin_of_every_object() {
    let overrides = Overrides {
        name_prefix: "x-".into(),
        ..Overrides::default()
    };
    let job = overridden(overrides);
    let rendered = crate::kustomize::overlay().render(&job).await.unwrap();
    assert_eq!(of_kind(&rendered, "Deployment").1, "base/web.yaml:9");
    let (settings, origin) = of_kind(&rendered, "ConfigMap");
    assert_eq!(origin, "overlays/prod/kustomization.yaml:8");
    let name = settings["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("x-prod-settings-"), "{name}");
}

#[tokio::test]
async fn bad_b26_a_patch_of_the_application_that_fits_nothing_is_named_by_its_number() {
    let fits = patch(
        "- {op: add, path: /spec/type, value: NodePort}",
        &[("kind", "Service")],
    );
    for nothing in [
        patch("- {op: remove, path: /spec}", &[("kind", "Job")]),
        patch(
            "kind: Service\napiVersion: v1\nmetadata: {name: gone}\n",
            &[],
        ),
    ] {
        let overrides = Overrides {
            patches: vec![fits.clone(), nothing],
            ..Overrides::default()
        };
        let refusal = refused(overrides).await;
        assert_eq!(refusal.code, "kz.patch_no_match", "{refusal}");
        assert!(refusal.message.contains("patches[1]"), "{refusal}");
    }
}

#[tokio::test]
async fn bad_b24_a_component_of_the_application_stays_inside_the_repository() {
    let overrides = Overrides {
        components: vec!["../../../outside".into()],
        ..Overrides::default()
    };
    let refusal = refused(overrides).await;
    assert_eq!(refusal.reason(), Reason::PathEscape, "{refusal}");
}

#[tokio::test]
async fn a_component_of_the_application_that_is_missing_is_named_from_the_root() {
    let overrides = Overrides {
        components: vec!["../gone".into()],
        ..Overrides::default()
    };
    let refusal = refused(overrides).await;
    assert_eq!(
        refusal.to_string(),
        "`overlays/gone` does not exist (kz.file_missing)"
    );
}

#[tokio::test]
async fn an_image_of_the_application_that_changes_nothing_is_refused_by_its_number() {
    let overrides = Overrides {
        images: vec!["registry.example.com/web:v3".into(), "web".into()],
        ..Overrides::default()
    };
    let refusal = refused(overrides).await;
    assert_eq!(refusal.code, "kz.image");
    assert!(refusal.message.contains("images[1]"), "{refusal}");
}

fn objects() -> Vec<Value> {
    vec![
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "same"},
            "data": {"yes": "yes", "octal": "0755", "null": "null", "number": "1e3"}}),
        json!({"apiVersion": "example.com/v1", "kind": "Thing",
            "metadata": {"name": "same", "annotations": {}},
            "spec": {"big": 12_345_678_901_234_567_890_u64, "float": 1.5, "whole": 100_000_000,
                "nothing": null, "empty": {}, "none": [], "holes": [1, null, {"a": null}],
                "text": "a\nb\n", "html": "<&>", "list": [{"name": "a"}, {"name": "b", "x": null}]}}),
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "job-"}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "annotations": {}},
            "spec": {"ports": [{"port": 80}]}}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "local",
            "annotations": {"config.kubernetes.io/local-config": "true"}}}),
    ]
}

async fn transformed(objects: Vec<Value>, patches: Vec<Patch>) -> Result<Rendered, Error> {
    let job = Job::Transform(Transform { objects, patches });
    Tree::default()
        .render_in(&Pool::new(settings()), &job)
        .await
}

fn bodies(rendered: &Rendered) -> Vec<Value> {
    rendered
        .objects
        .iter()
        .map(|object| object.value.clone())
        .collect()
}

fn numbers(rendered: &Rendered) -> Vec<usize> {
    rendered
        .objects
        .iter()
        .map(|object| object.origin.document)
        .collect()
}

#[tokio::test]
async fn a_patch_changes_what_it_fits_and_nothing_else() {
    let add = patch(
        "- {op: add, path: /spec/added, value: true}\n- {op: replace, path: /spec/list/0/name, value: c}",
        &[("kind", "Thing")],
    );
    let rendered = transformed(objects(), vec![add]).await.unwrap();
    let mut expected = objects();
    expected[1]["spec"]["added"] = json!(true);
    expected[1]["spec"]["list"][0]["name"] = json!("c");
    assert_eq!(bodies(&rendered), expected);
    assert_eq!(numbers(&rendered), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn an_object_keeps_its_number_when_it_is_renamed_and_one_that_is_deleted_is_gone() {
    let rename = patch(
        "- {op: replace, path: /metadata/name, value: other}",
        &[("kind", "Service")],
    );
    let delete = patch(
        "$patch: delete\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: same}\n",
        &[],
    );
    let rendered = transformed(objects(), vec![rename, delete]).await.unwrap();
    assert_eq!(numbers(&rendered), [2, 3, 4, 5]);
    assert_eq!(rendered.objects[2].value["metadata"]["name"], "other");
    assert_eq!(
        rendered.objects[2].value["spec"],
        json!({"ports": [{"port": 80}]})
    );
}

#[tokio::test]
async fn without_a_patch_every_object_comes_out_as_it_went_in() {
    let rendered = transformed(objects(), Vec::new()).await.unwrap();
    assert_eq!(bodies(&rendered), objects());
}

#[tokio::test]
async fn bad_b26_a_patch_of_objects_that_fits_nothing_is_named_by_its_number() {
    let fits = patch(
        "- {op: add, path: /spec/type, value: NodePort}",
        &[("name", "web")],
    );
    let gone = patch("- {op: remove, path: /spec}", &[("name", "gone")]);
    let outcome = transformed(objects(), vec![fits.clone(), fits, gone]).await;
    let Err(Error::Refused(refusal)) = outcome else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, "kz.patch_no_match");
    assert!(refusal.message.contains("patches[2]"), "{refusal}");
}

#[tokio::test]
async fn a_patch_that_cannot_be_read_is_refused_without_its_content() {
    for broken in [
        "password: hunter2",
        "[{op: hunter2, path: /x}]",
        "'hunter2",
        "- hunter2",
    ] {
        let broken = patch(broken, &[("kind", "Service")]);
        let outcome = transformed(objects(), vec![broken]).await;
        let Err(Error::Refused(refusal)) = outcome else {
            panic!("not refused")
        };
        assert_eq!(refusal.code, "kz.patch", "{refusal}");
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
    }
}
