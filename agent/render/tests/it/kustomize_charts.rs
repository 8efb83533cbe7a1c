//! Charts in kustomizations. That they come out as Kustomize and Helm print them is compared with
//! the programs; here is what those cannot be asked.

use syncline_render::{Ask, ChartRef};

use crate::support::{Tree, kustomize, of_kind};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n\
                      data:\n  colour: {{ .Values.colour }}\n  later: ${LATER}\n";

fn tree(entry: &str) -> Tree {
    Tree::default()
        .with(
            "a/kustomization.yaml",
            &format!("namePrefix: my-\nhelmCharts:\n{entry}"),
        )
        .with("a/charts/zoo/Chart.yaml", "apiVersion: v2\nname: zoo\nversion: 1.0.0\n")
        .with("a/charts/zoo/values.yaml", "colour: green\n")
        .with("a/charts/zoo/templates/config.yaml", CONFIG)
        .with(
            "a/charts/zoo/templates/job.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\n  annotations: \
             {helm.sh/hook: post-install}\n",
        )
        .with(
            "a/charts/zoo/templates/test.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: test\n  annotations: {helm.sh/hook: test}\n",
        )
}

#[tokio::test]
async fn an_object_of_a_chart_has_its_template_as_origin_and_hooks_stay_hooks() {
    let rendered = tree("- {name: zoo, releaseName: park}\n")
        .render(&kustomize("a"))
        .await
        .unwrap();
    assert_eq!(rendered.objects.len(), 1, "the test is left out");
    let (config, origin) = of_kind(&rendered, "ConfigMap");
    assert_eq!(origin, "a/charts/zoo/templates/config.yaml");
    assert_eq!(config["metadata"]["name"], "my-park");
    assert_eq!(rendered.objects[0].plain, ["/data/later"]);
    assert_eq!(rendered.hooks.len(), 1);
    assert_eq!(rendered.hooks[0].events, "post-install");
    assert_eq!(
        rendered.hooks[0].object.value["metadata"]["name"],
        "my-migrate"
    );
    let rendered = tree("- {name: zoo, skipHooks: true}\n")
        .render(&kustomize("a"))
        .await
        .unwrap();
    assert_eq!(rendered.hooks.len(), 0);
}

#[tokio::test]
async fn a_chart_that_is_in_no_directory_is_asked_for_by_repository_and_version() {
    let tree = tree("- {name: lake, repo: 'https://charts.example.com/', version: 2.x}\n");
    let asked = std::sync::Mutex::new(Vec::new());
    let pool = syncline_render::Pool::new(crate::support::settings());
    let outcome = pool
        .render(&kustomize("a"), &|ask| {
            asked.lock().unwrap().push(ask.clone());
            tree.answer(ask)
        })
        .await;
    assert!(outcome.is_err());
    assert!(asked.into_inner().unwrap().contains(&Ask::Chart(ChartRef {
        repository: "https://charts.example.com".into(),
        name: "lake".into(),
        version: "2.x".into(),
        digest: String::new(),
    })));
}

#[tokio::test]
async fn what_is_wrong_with_a_chart_is_told_with_the_file_and_line() {
    for (entry, told) in [
        (
            "- {name: gone}\n",
            "a/kustomization.yaml:3: there is no chart at `a/charts/gone`",
        ),
        (
            "- {name: zoo, valuesMerge: x}\n",
            "a/kustomization.yaml:3: `valuesMerge` is none of",
        ),
        (
            "- {releaseName: x}\n",
            "a/kustomization.yaml:3: a chart has no name",
        ),
        (
            "- {name: zoo, nameTemplate: '{{ env \"HOME\" }}'}\n",
            "a/kustomization.yaml:3: `nameTemplate`",
        ),
        (
            "- {name: zoo, valuesFile: gone.yaml}\n",
            "a/kustomization.yaml:3: `a/gone.yaml` does not exist",
        ),
        (
            "- {name: zoo, valuesFile: ../up.yaml}\n",
            "a/kustomization.yaml:3: `up.yaml` is outside",
        ),
        (
            "- {name: zoo, valuesFile: ../../up.yaml}\n",
            "a/kustomization.yaml:3: the kustomization names",
        ),
        ("- {name: broken}\n", "a/charts/broken/templates/a.yaml:1:"),
    ] {
        let tree = tree(entry)
            .with("up.yaml", "a: b\n")
            .with(
                "a/charts/broken/Chart.yaml",
                "apiVersion: v2\nname: broken\nversion: 1.0.0\n",
            )
            .with("a/charts/broken/values.yaml", "{}\n")
            .with("a/charts/broken/templates/a.yaml", "{{ fail \"no\" }}\n");
        let refusal = tree.refusal(&kustomize("a")).await;
        assert!(refusal.to_string().starts_with(told), "{entry}: {refusal}");
    }
}
