//! What is wrong with a kustomization, told with its place.

use syncline_core::reason::Reason;

use crate::kustomize::{OBJECTS, overlay};
use crate::support::{Tree, kustomize};

#[tokio::test]
async fn bad_b23_a_cycle_of_kustomizations_is_named() {
    let tree = Tree::default()
        .with("a/kustomization.yaml", "resources: [../b]\n")
        .with("b/kustomization.yaml", "resources: [../a]\n");
    let refusal = tree.refusal(&kustomize("a")).await;
    assert_eq!(refusal.code, "kz.cycle");
    assert_eq!(refusal.reason(), Reason::KustomizeFailed);
    assert_eq!(
        refusal.to_string(),
        "b/kustomization.yaml:1: the kustomizations name each other in a circle: a -> b -> a \
         (kz.cycle)"
    );
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
        assert_eq!(refusal.file.as_deref(), Some("apps/a/kustomization.yaml"));
        assert_eq!(refusal.line, Some(1));
        if written == "../../outside" {
            assert_eq!(refusal.code, "kz.file_missing", "it is inside and missing");
            continue;
        }
        assert_eq!(refusal.code, "path.escape", "{written}: {refusal}");
        assert_eq!(refusal.reason(), Reason::PathEscape);
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
    assert_eq!(
        refusal.to_string(),
        "a/p.yaml: the patch fits no object: there is no Service `other` (kz.patch_no_match)"
    );
}

#[tokio::test]
async fn bad_b26_an_inline_patch_is_named_by_its_line() {
    for list in ["patches:\n- patch:", "patchesStrategicMerge:\n-"] {
        let tree = Tree::default()
            .with(
                "a/kustomization.yaml",
                &format!(
                    "resources: [web.yaml]\n{list} |-\n    kind: Service\n    apiVersion: v1\n    \
                     metadata: {{name: other}}\n"
                ),
            )
            .with("a/web.yaml", OBJECTS);
        let refusal = tree.refusal(&kustomize("a")).await;
        assert_eq!(refusal.code, "kz.patch_no_match", "{refusal}");
        assert_eq!(refusal.file.as_deref(), Some("a/kustomization.yaml"));
        assert_eq!(refusal.line, Some(3), "{refusal}");
    }
}

#[tokio::test]
async fn bad_b27_a_plugin_that_is_a_program_is_refused_where_it_is_configured() {
    let exec = "apiVersion: example.com/v1\nkind: Exec\nmetadata: {name: x}\n";
    let function = "apiVersion: example.com/v1\nkind: Function\nmetadata:\n  name: x\n  \
                    annotations:\n    config.kubernetes.io/function: |-\n      container: {image: \
                    example.com/f:v1}\n";
    for (plugin, kind) in [(exec, "Exec"), (function, "Function")] {
        for list in ["generators", "transformers", "validators"] {
            let tree = Tree::default()
                .with(
                    "a/kustomization.yaml",
                    &format!("resources: [web.yaml]\n{list}: [plugin.yaml]\n"),
                )
                .with("a/web.yaml", OBJECTS)
                .with("a/plugin.yaml", plugin);
            let refusal = tree.refusal(&kustomize("a")).await;
            assert_eq!(refusal.code, "kz.plugin_disabled", "{refusal}");
            assert_eq!(refusal.file.as_deref(), Some("a/plugin.yaml"));
            assert_eq!(refusal.line, Some(1));
            assert!(refusal.message.contains(kind), "{refusal}");
        }
    }
}

#[tokio::test]
async fn bad_b28_two_kustomization_files_are_ambiguous() {
    let tree = Tree::default()
        .with("a/kustomization.yaml", "resources: []\n")
        .with("a/kustomization.yml", "resources: []\n");
    assert_eq!(
        tree.refusal(&kustomize("a")).await.to_string(),
        "a: the directory has both kustomization.yaml and kustomization.yml; keep one of them \
         (kz.ambiguous)"
    );
}

#[tokio::test]
async fn bad_b32_a_missing_file_of_a_generator_is_named() {
    let tree = Tree::default().with(
        "a/kustomization.yaml",
        "configMapGenerator:\n- name: settings\n  envs: [gone.env]\n",
    );
    let refusal = tree.refusal(&kustomize("a")).await;
    assert_eq!(
        refusal.to_string(),
        "a/kustomization.yaml:3: `a/gone.env` does not exist (kz.file_missing)"
    );
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
    assert_eq!(
        refusal.to_string(),
        "base/kustomization.yaml:1: a kustomization has no field `resource` (kz.field)"
    );
    let tree = overlay().with("base/kustomization.yaml", "\nresources: web.yaml\n");
    let refusal = tree.refusal(&kustomize("overlays/prod")).await;
    assert_eq!(
        refusal.to_string(),
        "base/kustomization.yaml:2: the field `resources` cannot be a string (kz.field)"
    );
}

#[tokio::test]
async fn every_file_that_is_missing_or_out_of_reach_is_told_with_the_line_that_names_it() {
    for (entry, code) in [
        ("components: [gone]", "kz.file_missing"),
        ("patches: [{path: gone.yaml}]", "kz.file_missing"),
        ("patches: [{path: ../web.yaml}]", "kz.outside_root"),
        ("patches: [{path: ../../web.yaml}]", "path.escape"),
        ("patchesStrategicMerge: [gone.yaml]", "kz.file_missing"),
        ("replacements: [{path: gone.yaml}]", "kz.file_missing"),
        ("configurations: [gone.yaml]", "kz.file_missing"),
        ("crds: [gone.yaml]", "kz.file_missing"),
        ("openapi: {path: gone.json}", "kz.file_missing"),
        ("openapi: {path: /etc/passwd}", "path.escape"),
        ("transformers: [gone.yaml]", "kz.file_missing"),
        ("generators: [../gone]", "kz.file_missing"),
        ("validators: [../../gone]", "path.escape"),
        (
            "configMapGenerator: [{name: c, files: [key=gone.txt]}]",
            "kz.file_missing",
        ),
        (
            "secretGenerator: [{name: s, files: [../web.yaml]}]",
            "kz.outside_root",
        ),
        (
            "secretGenerator: [{name: s, envs: [../../../x.env]}]",
            "path.escape",
        ),
    ] {
        let tree = Tree::default()
            .with(
                "a/kustomization.yaml",
                &format!("resources: [web.yaml]\n{entry}\n"),
            )
            .with("a/web.yaml", OBJECTS)
            .with("web.yaml", OBJECTS);
        let refusal = tree.refusal(&kustomize("a")).await;
        assert_eq!(refusal.code, code, "{entry}: {refusal}");
        assert_eq!(refusal.file.as_deref(), Some("a/kustomization.yaml"));
        assert_eq!(refusal.line, Some(2), "{entry}: {refusal}");
    }
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
async fn a_broken_generator_is_told_by_its_line_and_without_its_content() {
    for (entry, told) in [
        ("literals: [hunter2]", "a literal is not `key=value`"),
        ("literals: [a=hunter2, a=hunter2]", "a key is there twice"),
        ("envs: [bad.env]", "a line of an env file is not UTF-8"),
        ("files: [a=b=hunter2]", "a key or a path has a `=`"),
    ] {
        let tree = Tree::default()
            .with(
                "a/kustomization.yaml",
                &format!("secretGenerator:\n- name: fine\n- name: s\n  {entry}\n"),
            )
            .with_bytes("a/bad.env", b"a=hunter2\xff\n");
        let refusal = tree.refusal(&kustomize("a")).await;
        assert_eq!(
            refusal.to_string(),
            format!("a/kustomization.yaml:3: {told} (kz.generator)")
        );
    }
}

#[tokio::test]
async fn a_schema_that_is_none_is_refused_and_does_not_harm_the_next_render() {
    let pool = syncline_render::Pool::new(crate::support::settings());
    let patched = "resources: [web.yaml]\npatches: [{path: p.yaml}]\n";
    let tree = Tree::default()
        .with("a/web.yaml", OBJECTS)
        .with(
            "a/p.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: NodePort}\n",
        )
        .with("a/kustomization.yaml", patched);
    for schema in [
        "not a schema",
        "{\"definitions\": {\"a\": {\"x-kubernetes-group-version-kind\": [{\"kind\": 5}]}}}",
    ] {
        let broken = tree
            .clone()
            .with(
                "a/kustomization.yaml",
                &format!("{patched}openapi: {{path: schema.json}}\n"),
            )
            .with("a/schema.json", schema);
        let outcome = broken.render_in(&pool, &kustomize("a")).await;
        let Err(syncline_render::Error::Refused(refusal)) = outcome else {
            panic!("not refused")
        };
        assert_eq!(
            refusal.to_string(),
            "a/kustomization.yaml:3: the OpenAPI schema `schema.json` cannot be used (kz.openapi)"
        );
        tree.render_in(&pool, &kustomize("a")).await.unwrap();
    }
    assert_eq!(pool.idle(), 1);
}

#[tokio::test]
async fn no_refusal_has_a_value_of_a_secret() {
    let list = |name: &str, text: &str| format!("resources: [s.yaml]\n{name}:\n- {text}\n");
    let plugin = |kind: &str, fields: &str| {
        format!("|-\n  apiVersion: builtin\n  kind: {kind}\n  metadata: {{name: x}}\n  {fields}")
    };
    for kustomization in [
        list(
            "patches",
            "patch: |-\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: s}\n    \
             stringData: {password: {a: b}}",
        ),
        list(
            "patches",
            "{target: {kind: Secret}, patch: '- {op: test, path: /stringData/password, value: x}'}",
        ),
        list(
            "replacements",
            "source: {kind: Secret, name: s, fieldPath: stringData.password.x}\n  targets: [{select: \
             {kind: Secret}, fieldPaths: [stringData.b]}]",
        ),
        list(
            "replacements",
            "source: {kind: Secret, name: s, fieldPath: metadata.name}\n  targets: [{select: {kind: \
             Secret}, fieldPaths: [stringData.password.x]}]",
        ),
        list(
            "transformers",
            &plugin(
                "LabelTransformer",
                "labels: {a: b}\n  fieldSpecs: [{path: stringData/password/x, create: true}]",
            ),
        ),
        list(
            "validators",
            &plugin(
                "PrefixTransformer",
                "prefix: p-\n  fieldSpecs: [{path: metadata/name}]",
            ),
        ),
        "resources: [s.yaml, s.yaml]\n".to_owned(),
    ] {
        let tree = Tree::default()
            .with("a/kustomization.yaml", &kustomization)
            .with(
                "a/s.yaml",
                "apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {a: \
             hunter2}}\nstringData: {password: hunter2}\n",
            );
        let refusal = tree.refusal(&kustomize("a")).await;
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
    }
}

#[tokio::test]
async fn a_json_patch_without_a_target_is_refused_by_its_line() {
    let tree = Tree::default()
        .with(
            "a/kustomization.yaml",
            "resources: [web.yaml]\npatchesJson6902:\n- patch: '- {op: remove, path: /spec}'\n",
        )
        .with("a/web.yaml", OBJECTS);
    assert_eq!(
        tree.refusal(&kustomize("a")).await.to_string(),
        "a/kustomization.yaml:3: the patch has no target (kz.patch)"
    );
}
