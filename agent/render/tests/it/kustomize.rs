//! Kustomizations.

use syncline_core::reason::Reason;
use syncline_render::{AskError, Error, Pool};

use crate::support::{Tree, kustomize, of_kind, settings};

const OBJECTS: &str = "\
# The zoo's web server.
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  template:
    spec:
      containers:
      - name: web
        image: registry.example.com/web:v1
        envFrom:
        - configMapRef: {name: settings}
";

pub(crate) fn overlay() -> Tree {
    Tree::default()
        .with("base/kustomization.yaml", "resources: [web.yaml]\n")
        .with("base/web.yaml", OBJECTS)
        .with(
            "overlays/prod/kustomization.yaml",
            "resources: [../../base]\n\
             namePrefix: prod-\n\
             images:\n- {name: registry.example.com/web, newTag: v2}\n\
             patches:\n- path: replicas.yaml\n\
             configMapGenerator:\n- name: settings\n  envs: [settings.env]\n",
        )
        .with("overlays/prod/settings.env", "COLOUR=green\n")
        .with(
            "overlays/prod/replicas.yaml",
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3}\n",
        )
}

#[tokio::test]
async fn an_overlay_changes_a_base_above_its_path_and_each_object_keeps_its_origin() {
    let rendered = overlay().render(&kustomize("overlays/prod")).await.unwrap();

    let (deployment, origin) = of_kind(&rendered, "Deployment");
    assert_eq!(origin, "base/web.yaml:9");
    assert_eq!(deployment["metadata"]["name"], "prod-web");
    assert_eq!(
        deployment["metadata"]["annotations"],
        serde_json::Value::Null
    );
    assert_eq!(deployment["spec"]["replicas"], 3);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/web:v2");

    let (service, origin) = of_kind(&rendered, "Service");
    assert_eq!(origin, "base/web.yaml:2");
    assert_eq!(service["spec"]["ports"][0]["port"], 80);

    let (settings, origin) = of_kind(&rendered, "ConfigMap");
    assert_eq!(origin, "overlays/prod/kustomization.yaml");
    assert_eq!(settings["data"]["COLOUR"], "green");
    assert_eq!(
        container["envFrom"][0]["configMapRef"]["name"],
        settings["metadata"]["name"]
    );
    assert_eq!(rendered.objects.len(), 3);
}

#[tokio::test]
async fn the_read_set_has_what_was_read_and_what_was_looked_for_in_vain() {
    let rendered = overlay().render(&kustomize("overlays/prod")).await.unwrap();
    for path in [
        "base/web.yaml",
        "base/kustomization.yaml",
        "base/kustomization.yml",
        "base/Kustomization",
        "overlays/prod/replicas.yaml",
        "overlays/prod/settings.env",
    ] {
        assert!(
            rendered.read_set.contains(path),
            "{path} in {:?}",
            rendered.read_set
        );
    }
}

#[tokio::test]
async fn origin_annotations_stay_where_the_user_asks_for_them() {
    let tree = Tree::default()
        .with(
            "a/kustomization.yaml",
            "resources: [web.yaml]\nbuildMetadata: [originAnnotations]\n",
        )
        .with("a/web.yaml", OBJECTS);
    let rendered = tree.render(&kustomize("a")).await.unwrap();
    let (service, _) = of_kind(&rendered, "Service");
    assert_eq!(
        service["metadata"]["annotations"]["config.kubernetes.io/origin"],
        "path: web.yaml\n"
    );
}

#[tokio::test]
async fn two_renders_of_the_same_files_give_the_same_objects_in_the_same_order() {
    let pool = Pool::new(settings());
    let first = overlay()
        .render_in(&pool, &kustomize("overlays/prod"))
        .await
        .unwrap();
    for _ in 0..5 {
        let next = overlay()
            .render_in(&pool, &kustomize("overlays/prod"))
            .await
            .unwrap();
        assert_eq!(first.objects, next.objects);
        assert_eq!(first.read_set, next.read_set);
    }
}

#[tokio::test]
async fn bad_b23_a_cycle_of_kustomizations_is_named() {
    let tree = Tree::default()
        .with("a/kustomization.yaml", "resources: [../b]\n")
        .with("b/kustomization.yaml", "resources: [../a]\n");
    let refusal = tree.refusal(&kustomize("a")).await;
    assert_eq!(refusal.code, "kz.cycle");
    assert_eq!(refusal.reason(), Reason::KustomizeFailed);
}

#[tokio::test]
async fn bad_b24_a_base_above_the_root_of_the_repository_is_an_escape() {
    for written in ["../../outside", "../../../../../etc", "/etc", "../.."] {
        let tree = Tree::default().with(
            "apps/a/kustomization.yaml",
            &format!("resources: ['{written}']\n"),
        );
        let refusal = tree.refusal(&kustomize("apps/a")).await;
        if written == "../.." {
            assert_eq!(refusal.code, "kz.cycle", "the root itself is inside");
            continue;
        }
        if written == "../../outside" {
            assert_eq!(refusal.code, "kz.file_missing", "it is inside and missing");
            continue;
        }
        assert_eq!(refusal.code, "path.escape", "{written}: {refusal}");
        assert_eq!(refusal.reason(), Reason::PathEscape);
    }
}

#[tokio::test]
async fn bad_b25_remote_bases_and_files_are_refused_by_name() {
    for remote in [
        "https://github.com/example/config//base?ref=v1",
        "https://example.com/web.yaml",
        "git@github.com:example/config.git",
        "ssh://git@example.com/config.git",
        "github.com/example/config//base",
    ] {
        let tree = Tree::default().with(
            "a/kustomization.yaml",
            &format!("resources: ['{remote}']\n"),
        );
        let refusal = tree.refusal(&kustomize("a")).await;
        assert_eq!(refusal.code, "kz.remote_disabled", "{remote}: {refusal}");
        assert!(refusal.message.contains(remote), "{refusal}");
    }
}

#[tokio::test]
async fn bad_b26_a_patch_for_an_object_that_is_not_there_is_refused() {
    let tree = Tree::default()
        .with(
            "a/kustomization.yaml",
            "resources: [web.yaml]\npatches: [{path: p.yaml}]\n",
        )
        .with("a/web.yaml", OBJECTS)
        .with(
            "a/p.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: other}\n",
        );
    let refusal = tree.refusal(&kustomize("a")).await;
    assert_eq!(refusal.code, "kz.patch_no_match", "{refusal}");
}

#[tokio::test]
async fn bad_b28_two_kustomization_files_are_ambiguous() {
    let tree = Tree::default()
        .with("a/kustomization.yaml", "resources: []\n")
        .with("a/kustomization.yml", "resources: []\n");
    assert_eq!(tree.refusal(&kustomize("a")).await.code, "kz.ambiguous");
}

#[tokio::test]
async fn bad_b32_a_missing_file_of_a_generator_is_named() {
    let tree = Tree::default().with(
        "a/kustomization.yaml",
        "configMapGenerator:\n- name: settings\n  envs: [gone.env]\n",
    );
    let refusal = tree.refusal(&kustomize("a")).await;
    assert_eq!(refusal.code, "kz.file_missing", "{refusal}");
    assert!(refusal.message.contains("gone.env"), "{refusal}");
}

#[tokio::test]
async fn a_syntax_error_in_a_resource_is_told_with_its_file_and_line() {
    let tree = overlay().with(
        "base/web.yaml",
        &format!("{OBJECTS}---\nkind: A\nx: y: z\n"),
    );
    let refusal = tree.refusal(&kustomize("overlays/prod")).await;
    assert_eq!(refusal.code, "yaml.syntax");
    assert_eq!(refusal.file.as_deref(), Some("base/web.yaml"));
    assert_eq!(refusal.line, Some(24), "{refusal}");
}

#[tokio::test]
async fn an_unknown_field_of_a_kustomization_is_told_with_its_file() {
    let tree = overlay().with("base/kustomization.yaml", "resource: [web.yaml]\n");
    let refusal = tree.refusal(&kustomize("overlays/prod")).await;
    assert_eq!(refusal.code, "kz.failed");
    assert_eq!(refusal.file.as_deref(), Some("base/kustomization.yaml"));
    assert!(refusal.message.contains("resource"), "{refusal}");
}

#[tokio::test]
async fn the_content_of_a_broken_patch_is_not_in_the_error() {
    let tree = Tree::default()
        .with(
            "a/kustomization.yaml",
            "resources: [web.yaml]\npatches:\n- patch: |-\n    password: hunter2\n",
        )
        .with("a/web.yaml", OBJECTS);
    let refusal = tree.refusal(&kustomize("a")).await;
    assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
}

#[tokio::test]
async fn a_file_that_the_agent_refuses_fails_the_render_with_the_reason_of_the_agent() {
    let pool = Pool::new(settings());
    let tree = overlay();
    let outcome = pool
        .render(&kustomize("overlays/prod"), &|ask| {
            if ask.path() == "base/web.yaml" {
                let detail = "base/web.yaml is a link out of the repository".into();
                return Err(AskError {
                    reason: Reason::PathEscape,
                    detail,
                });
            }
            tree.answer(ask)
        })
        .await;
    let Err(Error::Ask(error)) = outcome else {
        panic!("not refused")
    };
    assert_eq!(error.reason, Reason::PathEscape);
    tree.render_in(&pool, &kustomize("overlays/prod"))
        .await
        .unwrap();
}
