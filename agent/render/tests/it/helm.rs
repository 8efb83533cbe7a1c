//! Charts.

use serde_json::json;
use syncline_core::reason::Reason;

use crate::support::{Tree, helm, of_kind};

const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "roar.name" . }}
  namespace: {{ .Release.Namespace }}
  labels:
    version: {{ .Chart.AppVersion | quote }}
    install: {{ .Release.IsInstall | quote }}
    kube: {{ .Capabilities.KubeVersion.Version }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
"#;

pub(crate) fn chart() -> Tree {
    Tree::default()
        .with(
            "charts/roar/Chart.yaml",
            "apiVersion: v2\nname: roar\nversion: 0.1.0\nappVersion: v1.4.0\n",
        )
        .with(
            "charts/roar/values.yaml",
            "replicas: 1\nimage:\n  repository: registry.example.com/roar\n  tag: ''\n",
        )
        .with(
            "charts/roar/templates/_names.tpl",
            "{{- define \"roar.name\" -}}\n{{ .Release.Name }}-web\n{{- end }}\n",
        )
        .with("charts/roar/templates/deployment.yaml", DEPLOYMENT)
        .with(
            "charts/roar/templates/config.yaml",
            "{{- range $i := until 2 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: \
             config-{{ $i }}\n{{- end }}\n",
        )
        .with(
            "charts/roar/templates/NOTES.txt",
            "Roar at {{ .Release.Name }}\n",
        )
        .with(
            "charts/roar/templates/tests/test.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: test\n  annotations: {helm.sh/hook: \
             test}\n",
        )
        .with(
            "charts/roar/crds/lion.yaml",
            "# A lion.\napiVersion: apiextensions.k8s.io/v1\nkind: \
             CustomResourceDefinition\nmetadata: {name: lions.example.com}\n",
        )
        .with("charts/roar/.helmignore", "*.bak\n")
        .with("charts/roar/templates/old.yaml.bak", "{{ nonsense")
        .with("values/prod.yaml", "replicas: 3\nimage:\n  tag: v2.0.0\n")
}

const ROAR: &str = "charts/roar";

#[tokio::test]
async fn a_chart_renders_with_values_from_files_and_inline_ones_over_them() {
    let job = helm(
        ROAR,
        &["../../values/prod.yaml"],
        json!({"image": {"tag": "v3.0.0"}}),
    );
    let rendered = chart().render(&job).await.unwrap();

    let (deployment, origin) = of_kind(&rendered, "Deployment");
    assert_eq!(origin, "charts/roar/templates/deployment.yaml");
    assert_eq!(deployment["metadata"]["name"], "roar-web");
    assert_eq!(deployment["metadata"]["namespace"], "zoo");
    assert_eq!(deployment["spec"]["replicas"], 3);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/roar:v3.0.0");
    let labels = &deployment["metadata"]["labels"];
    assert_eq!(
        labels,
        &json!({"version": "v1.4.0", "install": "true", "kube": "v1.36.3"})
    );

    let places: Vec<String> = rendered
        .objects
        .iter()
        .map(|object| object.origin.to_string())
        .collect();
    assert_eq!(
        places,
        [
            "charts/roar/crds/lion.yaml:2",
            "charts/roar/templates/config.yaml",
            "charts/roar/templates/config.yaml, document 2",
            "charts/roar/templates/deployment.yaml",
        ]
    );
    assert!(rendered.hooks.is_empty(), "a test is no hook to report");
    let asked = Tree::asked(&rendered);
    assert!(asked.contains("values/prod.yaml"));
    assert!(asked.contains("charts/roar/templates/"));
    assert!(!asked.contains("charts/roar/templates/old.yaml.bak"));
}

#[tokio::test]
async fn hooks_are_reported_apart() {
    let tree = chart().with(
        "charts/roar/templates/migrate.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations:\n    \
         helm.sh/hook: pre-install, pre-upgrade\n",
    );
    let rendered = tree.render(&helm(ROAR, &[], json!({}))).await.unwrap();
    assert_eq!(rendered.hooks.len(), 1);
    assert_eq!(rendered.hooks[0].events, "pre-install,pre-upgrade");
    assert_eq!(
        rendered.hooks[0].object.origin.file,
        "charts/roar/templates/migrate.yaml"
    );
    assert!(
        rendered
            .objects
            .iter()
            .all(|object| object.value["kind"] != "Job")
    );
}

#[tokio::test]
async fn a_chart_within_the_chart_keeps_its_own_files_as_origin() {
    let tree = chart()
        .with(
            "charts/roar/Chart.yaml",
            "apiVersion: v2\nname: roar\nversion: 0.1.0\nappVersion: v1\ndependencies:\n- \
             {name: database, version: 1.0.0, alias: db}\n",
        )
        .with(
            "charts/roar/charts/mysql/Chart.yaml",
            "apiVersion: v2\nname: database\nversion: 1.0.0\n",
        )
        .with("charts/roar/charts/mysql/values.yaml", "size: 1Gi\n")
        .with(
            "charts/roar/charts/mysql/templates/claim.yaml",
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {size: \
             {{ .Values.size }}}\n",
        );
    let rendered = tree
        .render(&helm(ROAR, &[], json!({"db": {"size": "9Gi"}})))
        .await
        .unwrap();
    let (claim, origin) = of_kind(&rendered, "PersistentVolumeClaim");
    assert_eq!(origin, "charts/roar/charts/mysql/templates/claim.yaml");
    assert_eq!(claim["spec"]["size"], "9Gi");
}

#[tokio::test]
async fn an_error_in_a_template_is_told_with_file_and_line() {
    let tree = chart().with(
        "charts/roar/templates/broken.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.nothing.name }}\n",
    );
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.template");
    assert_eq!(refusal.reason(), Reason::HelmFailed);
    assert_eq!(
        refusal.file.as_deref(),
        Some("charts/roar/templates/broken.yaml")
    );
    assert_eq!(refusal.line, Some(4), "{refusal}");
    assert!(refusal.message.contains("nil pointer"), "{refusal}");

    let tree = chart().with("charts/roar/templates/broken.yaml", "a: 1\nb: {{ if }}\n");
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(
        refusal.file.as_deref(),
        Some("charts/roar/templates/broken.yaml")
    );
    assert_eq!(refusal.line, Some(2), "{refusal}");
}

#[tokio::test]
async fn bad_b33_a_chart_needs_a_chart_yaml_that_is_supported() {
    let tree = Tree::default().with("charts/roar/values.yaml", "a: 1\n");
    assert_eq!(
        tree.refusal(&helm(ROAR, &[], json!({}))).await.code,
        "helm.chart"
    );
    let tree = chart().with(
        "charts/roar/Chart.yaml",
        "apiVersion: v3\nname: roar\nversion: 1.0.0\n",
    );
    assert_eq!(
        tree.refusal(&helm(ROAR, &[], json!({}))).await.code,
        "helm.chart"
    );
    let refusal = Tree::default()
        .refusal(&helm("nowhere", &[], json!({})))
        .await;
    assert_eq!(refusal.reason(), Reason::PathNotFound);
}

#[tokio::test]
async fn bad_b34_the_name_of_a_chart_is_no_path() {
    for name in ["..", "a/b"] {
        let chart_yaml = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
        let tree = chart().with("charts/roar/Chart.yaml", &chart_yaml);
        assert_eq!(
            tree.refusal(&helm(ROAR, &[], json!({}))).await.code,
            "helm.chart_name"
        );
    }
}

#[tokio::test]
async fn bad_b39_a_values_file_outside_the_repository_is_an_escape() {
    for file in ["../../../secret.yaml", "/etc/passwd"] {
        let refusal = chart().refusal(&helm(ROAR, &[file], json!({}))).await;
        assert_eq!(refusal.code, "path.escape", "{refusal}");
    }
    let refusal = chart()
        .refusal(&helm(ROAR, &["gone.yaml"], json!({})))
        .await;
    assert_eq!(
        refusal.file.as_deref(),
        Some("charts/roar/gone.yaml"),
        "{refusal}"
    );
}

#[tokio::test]
async fn bad_b41_a_schema_is_checked_without_values_in_the_message_and_fetches_nothing() {
    let schema = r#"{"properties": {"replicas": {"type": "integer", "maximum": 5},
        "password": {"pattern": "^[a-z]+$"}}}"#;
    let tree = chart().with("charts/roar/values.schema.json", schema);
    tree.render(&helm(ROAR, &[], json!({"replicas": 5})))
        .await
        .map(drop)
        .unwrap();
    let refusal = tree
        .refusal(&helm(
            ROAR,
            &[],
            json!({"replicas": "many", "password": "hunter2"}),
        ))
        .await;
    assert_eq!(refusal.code, "helm.schema");
    assert!(
        refusal
            .message
            .contains("`.replicas` is of type string, not integer"),
        "{refusal}"
    );
    assert!(
        refusal.message.contains("`.password` violates `pattern`"),
        "{refusal}"
    );
    assert!(!refusal.message.contains("hunter2"), "{refusal}");

    for reference in [
        "https://example.com/schema.json",
        "file:///etc/passwd",
        "other.json",
    ] {
        let schema = format!(r#"{{"$ref": "{reference}"}}"#);
        let tree = chart().with("charts/roar/values.schema.json", &schema);
        let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
        assert_eq!(refusal.code, "helm.schema");
        assert!(refusal.message.contains("disabled"), "{refusal}");
    }
}

#[tokio::test]
async fn bad_b43_a_template_reaches_no_cluster_network_or_environment() {
    for (call, allowed_by) in [
        (
            "lookup \"v1\" \"Secret\" \"a\" \"b\"",
            "`helm.lookup: true`",
        ),
        ("getHostByName \"localhost\"", "hosts"),
        ("env \"HOME\"", "environment"),
        ("expandenv \"$HOME\"", "environment"),
    ] {
        let template = format!("apiVersion: v1\nkind: Secret\na: {{{{ {call} }}}}\n");
        let tree = chart().with("charts/roar/templates/reach.yaml", &template);
        let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
        assert_eq!(refusal.code, "helm.func_denied", "{refusal}");
        assert!(refusal.message.contains(allowed_by), "{refusal}");
        let file = refusal.file.as_deref();
        assert_eq!(file, Some("charts/roar/templates/reach.yaml"));
        assert_eq!(refusal.line, Some(3), "{refusal}");
    }
}

#[tokio::test]
async fn bad_b44_broken_yaml_out_of_a_template_names_template_and_line() {
    let tree = chart().with(
        "charts/roar/templates/broken.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a: b\n",
    );
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.output");
    assert_eq!(
        refusal.file.as_deref(),
        Some("charts/roar/templates/broken.yaml")
    );
    assert!(
        refusal.message.contains("line 4 of document 1"),
        "{refusal}"
    );
}

#[tokio::test]
async fn bad_b45_required_says_its_message_and_no_error_quotes_a_value() {
    let tree = chart().with(
        "charts/roar/templates/needs.yaml",
        "apiVersion: v1\nkind: A\nb: {{ required \"set .Values.host\" .Values.host }}\n",
    );
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.message.as_str()),
        ("helm.fail", "set .Values.host")
    );
    assert_eq!(refusal.line, Some(3), "{refusal}");

    for template in [
        "{{ range .Values.password }}{{ end }}",
        "{{ mustToDate \"2006\" .Values.password }}",
        "{{ semverCompare .Values.password \"1\" }}",
        "{{ tpl (printf \"{{ %s\" .Values.password) . }}",
        "{{ mustRegexMatch (printf \"(%s\" .Values.password) \"a\" }}",
        "a: &x {{ .Values.password }}\n b: *y",
    ] {
        let tree = chart().with("charts/roar/templates/leak.yaml", template);
        let job = helm(ROAR, &[], json!({"password": "hunter2"}));
        let refusal = tree.refusal(&job).await;
        assert!(
            !refusal.to_string().contains("hunter2"),
            "{template}: {refusal}"
        );
    }
}

#[tokio::test]
async fn bad_b46_a_dependency_that_is_not_there_is_named() {
    let tree = chart().with(
        "charts/roar/Chart.yaml",
        "apiVersion: v2\nname: roar\nversion: 0.1.0\ndependencies:\n- {name: mysql, version: \
         ^9.0.0, repository: 'https://charts.example.com'}\n",
    );
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.dep");
    assert!(refusal.message.contains("mysql ^9.0.0"), "{refusal}");
}

#[tokio::test]
async fn bad_b40_a_map_that_is_given_a_scalar_is_warned_of_without_the_value() {
    let tree = chart()
        .with("charts/roar/templates/deployment.yaml", "")
        .with(
            "charts/roar/values.yaml",
            "image: {pull: {policy: Always}, tag: v1}\n",
        );
    let values = json!({"image": {"pull": "hunter2\nhunter2", "tag": {"hunter2": "hunter2"}}});
    let rendered = tree.render(&helm(ROAR, &[], values)).await.unwrap();
    let warnings = rendered.warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("roar.image.pull"), "{warnings:?}");
    assert!(warnings[1].contains("roar.image.tag"), "{warnings:?}");
    assert!(!warnings.concat().contains("hunter2"), "{warnings:?}");
}
