//! Options of charts, and what comes with their objects.

use serde_json::json;
use syncline_core::reason::Reason;
use syncline_render::{
    Answer, Ask, AskError, Error, Helm, Job, Location, Overlay, Pool, Refusal, Rendered,
};

use crate::helm::chart;
use crate::support::{Tree, helm, of_kind, settings};

const ROAR: &str = "charts/roar";

fn with(change: impl FnOnce(&mut Helm)) -> Job {
    let Job::Helm(mut options) = helm(ROAR, &[], json!({})) else {
        unreachable!("it is a chart")
    };
    change(&mut options);
    Job::Helm(options)
}

/// A template that shows all values.
fn showing() -> Tree {
    chart().with(
        "charts/roar/templates/values.yaml",
        "apiVersion: v1\nkind: Values\nmetadata: {name: values}\nall: {{ .Values | toJson }}\n",
    )
}

async fn shown(tree: &Tree, job: &Job) -> serde_json::Value {
    let rendered = tree.render(job).await.expect("the chart renders");
    of_kind(&rendered, "Values").0["all"].clone()
}

async fn render_with(
    tree: &Tree,
    job: &Job,
    answer: &(dyn Fn(&Ask) -> Option<Answer> + Send + Sync),
) -> Result<Rendered, Error> {
    let answers = |ask: &Ask| -> Result<Answer, AskError> {
        answer(ask).map_or_else(|| tree.answer(ask), Ok)
    };
    Pool::new(settings()).render(job, &answers).await
}

fn refused(result: Result<Rendered, Error>) -> Refusal {
    match result {
        Err(Error::Refused(refusal)) => *refusal,
        other => unreachable!("{:?}", other.map(drop)),
    }
}

#[tokio::test]
async fn values_come_from_files_and_globs_then_inline_then_overlays() {
    let tree = showing()
        .with("charts/roar/values.yaml", "a: 0\nimage: {}\n")
        .with("values/10-base.yaml", "a: 1\nb: 1\nc: 1\nd: {x: 1, k: 1}\n")
        .with("values/20-more.yaml", "b: 2\nd: {x: 2}\n")
        .with("values/deep/er/x.yaml", "deep: true\n")
        .with("values/.hidden.yaml", "hidden: true\n")
        .with("values/readme.md", "no values\n");
    let job = with(|options| {
        options.values_files = ["../../values/*-*.yaml", "../../values/**/x.y?ml"]
            .map(Into::into)
            .into();
        options.values = json!({"c": 3, "d": {"k": null}});
        options.overlays = vec![
            Overlay {
                name: "ConfigMap zoo".into(),
                text: "e: 4\nd: {z: {deep: [1]}}\n".into(),
                target_path: String::new(),
                ..Overlay::default()
            },
            Overlay {
                name: "Secret zoo".into(),
                text: "0755, {a}=b\n".into(),
                target_path: "d.z.deep[1].key\\.dotted".into(),
                ..Overlay::default()
            },
        ];
    });
    let all = shown(&tree, &job).await;
    let deep = json!([1, {"key.dotted": "0755, {a}=b\n"}]);
    let expected = json!({"a": 1, "b": 2, "c": 3, "d": {"x": 2, "k": null, "z": {"deep": deep}},
        "deep": true, "e": 4, "image": {}});
    assert_eq!(all, expected);
}

#[tokio::test]
async fn values_of_another_source_are_asked_for_by_its_name() {
    let job = with(|options| options.values_files = vec!["$config/env/prod/*.yaml".into()]);
    let answer = |ask: &Ask| {
        let (Ask::Read(location) | Ask::List(location)) = ask else {
            return None;
        };
        (location.source == "$config").then(|| match (ask, location.path.as_str()) {
            (Ask::List(_), "env/prod") => Answer::Directory(vec![syncline_render::Entry {
                name: "a.yaml".into(),
                is_directory: false,
            }]),
            (Ask::Read(_), "env/prod/a.yaml") => Answer::File(b"replicas: 7\n".to_vec()),
            _ => Answer::Missing,
        })
    };
    let rendered = render_with(&chart(), &job, &answer).await.unwrap();
    assert_eq!(of_kind(&rendered, "Deployment").0["spec"]["replicas"], 7);
    let other = Ask::Read(Location {
        source: "$config".into(),
        path: "env/prod/a.yaml".into(),
    });
    assert!(rendered.asked.contains(&other), "{:?}", rendered.asked);

    let gone = with(|options| options.values_files = vec!["$config/gone.yaml".into()]);
    let refusal = refused(render_with(&chart(), &gone, &answer).await);
    assert_eq!(refusal.file.as_deref(), Some("$config/gone.yaml"));
    for written in ["$config", "$/a.yaml"] {
        let wrong = with(|options| options.values_files = vec![written.into()]);
        assert_eq!(
            chart().refusal(&wrong).await.code,
            "helm.values",
            "{written}"
        );
    }
    let escape = with(|options| options.values_files = vec!["$config/../../a.yaml".into()]);
    assert_eq!(chart().refusal(&escape).await.reason(), Reason::PathEscape);
}

#[tokio::test]
async fn the_directory_of_the_chart_is_no_part_of_a_glob() {
    let tree = Tree::default()
        .with(
            "apps/[a]/web/Chart.yaml",
            "apiVersion: v2\nname: web\nversion: 1.0.0\n",
        )
        .with(
            "apps/[a]/web/templates/a.yaml",
            "kind: A\nb: {{ .Values.b }}\n",
        )
        .with("apps/[a]/x-1.yaml", "b: 1\n")
        .with("apps/a/x-2.yaml", "b: 2\n");
    let job = helm("apps/[a]/web", &["../x-?.yaml"], json!({}));
    let rendered = tree.render(&job).await.unwrap();
    assert_eq!(rendered.objects[0].value["b"], 1);
}

#[tokio::test]
async fn a_values_file_that_is_missing_is_passed_over_where_that_is_asked_for() {
    for file in ["gone.yaml", "gone/*.yaml", "**/gone.yaml"] {
        let refusal = chart().refusal(&helm(ROAR, &[file], json!({}))).await;
        assert_eq!(refusal.code, "helm.values", "{refusal}");
        let job = with(|options| {
            options.values_files = vec![file.into()];
            options.ignore_missing_values_files = true;
        });
        chart().render(&job).await.map(drop).unwrap();
    }
}

#[tokio::test]
async fn bad_b40_values_that_are_no_map_are_told_with_their_place_but_not_quoted() {
    let tree = chart()
        .with(
            "charts/roar/charts/db/Chart.yaml",
            "apiVersion: v2\nname: db\nversion: 1.0.0\n",
        )
        .with("values/list.yaml", "- hunter2\n")
        .with("values/broken.yaml", "a: 1\nb: c: hunter2\n");
    for (job, told) in [
        (
            helm(ROAR, &[], json!({"db": "hunter2"})),
            "the chart db are not a map",
        ),
        (
            helm(ROAR, &["../../values/list.yaml"], json!({})),
            "not a map",
        ),
        (
            helm(ROAR, &["../../values/broken.yaml"], json!({})),
            "mapping values",
        ),
        (
            with(|options| {
                options.overlays = vec![Overlay {
                    name: "Secret db, key values".into(),
                    text: "hunter2".into(),
                    target_path: String::new(),
                    ..Overlay::default()
                }];
            }),
            "Secret db, key values: the text is not YAML of a map",
        ),
        (
            with(|options| {
                options.values = json!({"a": [1]});
                options.overlays = vec![Overlay {
                    name: "Secret db, key password".into(),
                    text: "hunter2".into(),
                    target_path: "a.b".into(),
                    ..Overlay::default()
                }];
            }),
            "Secret db, key password: nothing can be set at `a.b`",
        ),
    ] {
        let refusal = tree.refusal(&job).await;
        assert_eq!(refusal.code, "helm.values", "{refusal}");
        assert!(refusal.message.contains(told), "{refusal}");
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
    }
    let refusal = tree
        .refusal(&helm(ROAR, &["../../values/broken.yaml"], json!({})))
        .await;
    assert_eq!(refusal.line, Some(2), "{refusal}");
}

#[tokio::test]
async fn bad_b41_a_deep_schema_is_refused_and_one_of_a_chart_in_the_chart_is_checked() {
    let deep =
        format!("{}{}", r#"{"items": "#.repeat(300), "}".repeat(300)).replace(": }", ": {}}");
    let tree = chart().with("charts/roar/values.schema.json", &deep);
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.schema");
    assert!(
        refusal.message.contains("nested deeper than 256"),
        "{refusal}"
    );

    let inner = chart()
        .with(
            "charts/roar/charts/db/Chart.yaml",
            "apiVersion: v2\nname: db\nversion: 1.0.0\n",
        )
        .with(
            "charts/roar/charts/db/values.schema.json",
            r#"{"properties": {"size": {"type": "string"}, "any": {"$ref": "urn:example:any"}}}"#,
        );
    let wrong = json!({"db": {"size": 5, "any": 1}});
    let refusal = inner.refusal(&helm(ROAR, &[], wrong.clone())).await;
    assert_eq!(
        refusal.file.as_deref(),
        Some("charts/roar/charts/db/values.schema.json")
    );
    let skipped = with(|options| {
        options.values = wrong;
        options.skip_schema = true;
    });
    inner.render(&skipped).await.map(drop).unwrap();
}

#[tokio::test]
async fn lookup_is_answered_by_the_agent_where_it_is_allowed() {
    let tree = chart().with(
        "charts/roar/templates/found.yaml",
        "{{- $old := lookup \"v1\" \"Secret\" .Release.Namespace \"old\" }}\n{{- $all := lookup \
         \"v1\" \"Pod\" \"\" \"\" }}\napiVersion: v1\nkind: Found\nmetadata: {name: found}\nold: {{ \
         dig \"data\" \"a\" \"none\" $old }}\nempty: {{ empty $old }}\npods: {{ len (dig \"items\" \
         list $all) }}\n",
    );
    let job = with(|options| options.lookup = true);
    let rendered = render_with(&tree, &job, &|ask| {
        let Ask::Lookup(lookup) = ask else {
            return None;
        };
        Some(match (lookup.object_kind.as_str(), lookup.name.as_str()) {
            ("Secret", "old") if lookup.namespace == "zoo" => {
                Answer::Object(json!({"data": {"a": "YQ=="}}))
            }
            ("Pod", "") => Answer::Object(json!({"kind": "PodList", "items": [{}, {}]})),
            _ => Answer::Missing,
        })
    })
    .await
    .unwrap();
    let (found, _) = of_kind(&rendered, "Found");
    assert_eq!((&found["old"], &found["pods"]), (&json!("YQ=="), &json!(2)));

    let rendered = tree.render(&job).await.unwrap();
    assert_eq!(of_kind(&rendered, "Found").0["empty"], true);

    let later = render_with(&tree, &job, &|ask| {
        matches!(ask, Ask::Lookup(_)).then_some(Answer::Later)
    });
    match later.await {
        Err(Error::Needs(needs)) => assert_eq!(needs.len(), 2, "{needs:?}"),
        other => unreachable!("{:?}", other.map(drop)),
    }
}

#[tokio::test]
async fn what_is_another_one_each_time_is_told_by_its_pointers() {
    let tree = chart().with(
        "charts/roar/templates/secret.yaml",
        "{{- if not .Values.password }}{{ $_ := set .Values \"password\" (randAlphaNum 8) }}{{ end \
         }}\napiVersion: v1\nkind: Secret\nmetadata: {name: secret, annotations: {at: {{ now | \
         unixEpoch | quote }}}}\nstringData:\n  stable: a\n  password: {{ .Values.password \
         }}\n---\napiVersion: v1\nkind: Job\nmetadata: {name: job-{{ uuidv4 }}}\n",
    );
    let rendered = tree.render(&helm(ROAR, &[], json!({}))).await.unwrap();
    for object in &rendered.objects {
        let expected: &[&str] = if object.value["kind"] == "Secret" {
            &["/metadata/annotations/at", "/stringData/password"]
        } else {
            &[]
        };
        assert_eq!(object.unstable, expected, "{}", object.origin);
    }
    assert_eq!(rendered.warnings.len(), 1, "{:?}", rendered.warnings);
    let warning = &rendered.warnings[0];
    assert!(warning.contains("now, randAlphaNum, uuidv4"), "{warning}");
    let which = "a Job of charts/roar/templates/secret.yaml has another name each time";
    assert!(warning.contains(which), "{warning}");
}

#[tokio::test]
async fn scalars_that_are_one_variable_are_told_by_their_pointers() {
    let tree = chart().with(
        "charts/roar/templates/list.yaml",
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: One, metadata: {name: a}}\n- \
         apiVersion: v1\n  kind: Two\n  metadata: {name: b}\n  spec:\n    replicas: ${N}\n    text: \
         \"${N}\"\n",
    );
    let rendered = tree.render(&helm(ROAR, &[], json!({}))).await.unwrap();
    for object in &rendered.objects {
        let expected: &[&str] = if object.value["kind"] == "Two" {
            &["/spec/replicas"]
        } else {
            &[]
        };
        assert_eq!(object.plain, expected);
    }
}

#[tokio::test]
async fn the_notes_of_the_chart_come_with_its_objects() {
    let tree = chart().with("charts/roar/templates/config.yaml", "");
    let rendered = tree.render(&helm(ROAR, &[], json!({}))).await.unwrap();
    assert_eq!(rendered.notes, "Roar at roar\n");
    let long = tree.with(
        "charts/roar/templates/NOTES.txt",
        "{{ repeat 40000 \"ü\" }}",
    );
    let rendered = long.render(&helm(ROAR, &[], json!({}))).await.unwrap();
    assert_eq!(rendered.notes.len(), 64 << 10);
}

#[tokio::test]
async fn a_deprecated_chart_and_one_for_another_kubernetes_say_so() {
    let chart_yaml = "apiVersion: v2\nname: roar\nversion: 0.1.0\nappVersion: v1\n";
    let old = chart().with(
        "charts/roar/Chart.yaml",
        &format!("{chart_yaml}deprecated: true\n"),
    );
    let rendered = old.render(&helm(ROAR, &[], json!({}))).await.unwrap();
    assert_eq!(rendered.warnings, ["this chart is deprecated"]);

    let other = format!("{chart_yaml}kubeVersion: '>=9.0.0'\n");
    let other = chart().with("charts/roar/Chart.yaml", &other);
    let refusal = other.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.kube_version", "{refusal}");

    let name = with(|options| options.release_name = "Not_A_Name".into());
    assert_eq!(chart().refusal(&name).await.code, "helm.release_name");
}

#[tokio::test]
async fn bad_b44_the_line_of_the_template_is_told_where_its_text_stands_once() {
    let tree = chart().with(
        "charts/roar/templates/broken.yaml",
        "{{- if true }}\napiVersion: v1\nkind: A\n{{- end }}\nmetadata:\n  name: a: b\n",
    );
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.line),
        ("helm.output", Some(6))
    );

    let text = chart().with("charts/roar/templates/text.yaml", "only text\n");
    let refusal = text.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.output");
    assert!(refusal.message.contains("it is a string"), "{refusal}");
}

#[tokio::test]
async fn bad_b47_a_hook_that_nobody_would_run_is_refused() {
    let tree = chart().with(
        "charts/roar/templates/hook.yaml",
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: a\n  annotations: {helm.sh/hook: \
         pre-installl}\n",
    );
    let refusal = tree.refusal(&helm(ROAR, &[], json!({}))).await;
    assert_eq!(refusal.code, "helm.hook");
    assert!(refusal.message.contains("`pre-installl`"), "{refusal}");
    assert_eq!(
        refusal.file.as_deref(),
        Some("charts/roar/templates/hook.yaml")
    );
}
