//! Kustomizations.

use syncline_core::reason::Reason;
use syncline_render::{Ask, AskError, Error, Location, Pool};

use crate::support::{Tree, kustomize, of_kind, settings};

pub(crate) const OBJECTS: &str = "\
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
    assert_eq!(origin, "overlays/prod/kustomization.yaml:8");
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
    let asked = Tree::asked(&rendered);
    for path in [
        "base/web.yaml",
        "base/kustomization.yaml",
        "base/kustomization.yml",
        "base/Kustomization",
        "overlays/prod/replicas.yaml",
        "overlays/prod/settings.env",
    ] {
        assert!(asked.contains(path), "{path} in {asked:?}");
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
        assert!(first.objects == next.objects);
        assert_eq!(first.asked, next.asked);
    }
}

#[tokio::test]
async fn a_target_that_selects_nothing_is_a_warning_with_its_place() {
    let tree = Tree::default()
        .with(
            "a/kustomization.yaml",
            "resources: [web.yaml]\npatches:\n- target: {kind: Job}\n  patch: '- {op: remove, path: \
             /spec}'\n",
        )
        .with("a/web.yaml", OBJECTS);
    let rendered = tree.render(&kustomize("a")).await.unwrap();
    assert_eq!(
        rendered.warnings,
        ["a/kustomization.yaml:3: the target of the patch selects no object"]
    );
}

#[tokio::test]
async fn origins_are_right_in_bases_components_lists_and_generators() {
    let tree = overlay()
        .with(
            "top/kustomization.yaml",
            "resources: [../overlays/prod, ../twin]\ncomponents: [extra]\n",
        )
        .with("twin/kustomization.yaml", "namePrefix: twin-\nresources: [web.yaml]\n")
        .with("twin/web.yaml", "\n---\n# a twin\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n")
        .with(
            "top/extra/kustomization.yaml",
            "kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nresources: [list.yaml]\n\
             secretGenerator:\n- {name: one, literals: [a=b]}\n- {name: two, literals: [a=b]}\n",
        )
        .with(
            "top/extra/list.yaml",
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: \
             first}}\n- {apiVersion: v1, kind: Pod, metadata: {name: second}}\n",
        );
    let rendered = tree.render(&kustomize("top")).await.unwrap();
    let origins: Vec<String> = rendered
        .objects
        .iter()
        .map(|object| {
            let name = object.value["metadata"]["name"].as_str().unwrap();
            let name = name.rsplit_once('-').map_or(name, |(front, _)| front);
            format!("{name} {}", object.origin)
        })
        .collect();
    assert_eq!(
        origins,
        [
            "prod-settings overlays/prod/kustomization.yaml:8",
            "one top/extra/kustomization.yaml:5",
            "two top/extra/kustomization.yaml:6",
            "prod base/web.yaml:2",
            "twin twin/web.yaml:4",
            "prod base/web.yaml:9",
            "first top/extra/list.yaml:4",
            "second top/extra/list.yaml:5",
        ]
    );
}

#[tokio::test]
async fn a_variable_that_was_written_plain_is_told_also_after_patches() {
    let tree = Tree::default()
        .with(
            "a/kustomization.yaml",
            "resources: [a.yaml]\nnamePrefix: x-\npatches:\n\
             - target: {kind: Json}\n  patch: '- {op: add, path: /spec/more, value: 1}'\n\
             - patch: |-\n    apiVersion: v1\n    kind: Merged\n    metadata: {name: a}\n    spec:\n      \
             added: ${C}\n      other: '${D}'\n",
        )
        .with(
            "a/a.yaml",
            "apiVersion: v1\nkind: Merged\nmetadata: {name: a}\nspec:\n  plain: ${A}\n  quoted: \
             \"${A}\"\n  part: a${A}\n  list:\n  - ${B:-x}\n---\napiVersion: v1\nkind: Json\nmetadata: \
             {name: a}\nspec:\n  plain: ${A}\n  quoted: \"${A}\"\n",
        );
    let rendered = tree.render(&kustomize("a")).await.unwrap();
    let plain = |kind: &str| {
        let found = rendered.objects.iter().find(|it| it.value["kind"] == kind);
        let mut plain = found.unwrap().plain.clone();
        plain.sort();
        plain
    };
    assert_eq!(
        plain("Merged"),
        ["/spec/added", "/spec/list/0", "/spec/plain"]
    );
    assert_eq!(plain("Json"), ["/spec/plain"]);
}

#[tokio::test]
async fn a_file_that_the_agent_refuses_fails_the_render_with_the_reason_of_the_agent() {
    let pool = Pool::new(settings());
    let tree = overlay();
    let outcome = pool
        .render(&kustomize("overlays/prod"), &|ask| {
            if *ask == Ask::Read(Location::own("base/web.yaml")) {
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

#[tokio::test]
async fn an_object_of_a_generator_file_has_the_line_of_the_generator() {
    let tree = Tree::default()
        .with("a/kustomization.yaml", "generators: [one.yaml, two.yaml]\n")
        .with(
            "a/one.yaml",
            "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: one}\nliterals: [a=b]\n",
        )
        .with(
            "a/two.yaml",
            "# two\napiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: two}\nliterals: \
             [a=b]\n---\napiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: three}\nliterals: \
             [a=b]\n",
        );
    let rendered = tree.render(&kustomize("a")).await.unwrap();
    let origins: Vec<String> = rendered
        .objects
        .iter()
        .map(|object| object.origin.to_string())
        .collect();
    assert_eq!(origins, ["a/one.yaml:1", "a/two.yaml:7", "a/two.yaml:2"]);
}
