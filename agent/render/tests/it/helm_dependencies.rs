//! Charts that are not in the repository, and charts that depend on others.

use std::collections::BTreeMap;

use serde_json::json;
use syncline_render::{Answer, Ask, AskError, ChartRef, Error, Helm, Job, Pool, Refusal, Rendered};

use crate::support::{Tree, helm, settings};

const REPOSITORY: &str = "https://charts.example.com";
const WEB: &str = "apps/web";
const MIDDLE: &[u8] = include_bytes!("fixtures/charts/packed/charts/middle-1.0.0.tgz");

/// A repository, with what a chart repository and the cluster would answer.
#[derive(Default)]
struct World {
    tree: Tree,
    archives: BTreeMap<String, Vec<u8>>,
    /// Chart repositories are slow: everything comes later.
    later: bool,
}

impl World {
    fn answer(&self, ask: &Ask) -> Result<Answer, AskError> {
        match ask {
            Ask::Chart(_) if self.later => Ok(Answer::Later),
            Ask::Chart(chart) => Ok(self
                .archives
                .get(&format!("{} {}", chart.name, chart.version))
                .map_or(Answer::Missing, |archive| Answer::File(archive.clone()))),
            ask => self.tree.answer(ask),
        }
    }

    async fn render(&self, job: &Job) -> Result<Rendered, Error> {
        Pool::new(settings())
            .render(job, &|ask| self.answer(ask))
            .await
    }

    async fn refusal(&self, job: &Job) -> Refusal {
        match self.render(job).await {
            Err(Error::Refused(refusal)) => *refusal,
            other => unreachable!("{:?}", other.map(drop)),
        }
    }
}

fn names(rendered: &Rendered) -> Vec<&str> {
    rendered
        .objects
        .iter()
        .filter_map(|object| object.value["metadata"]["name"].as_str())
        .collect()
}

fn web(dependencies: &str) -> Tree {
    let chart = format!("apiVersion: v2\nname: web\nversion: 1.0.0\n{dependencies}");
    Tree::default()
        .with("apps/web/Chart.yaml", &chart)
        .with("apps/web/values.yaml", "global: {zone: a}\n")
}

const DECLARED: &str = "dependencies:\n- name: middle\n  version: ^1.0.0\n  repository: \
                        https://charts.example.com\n";

/// The lock that `helm dependency update` writes for [`DECLARED`].
const LOCK: &str = "dependencies:\n- name: middle\n  repository: https://charts.example.com\n  \
                    version: 1.0.0\ndigest: \
                    sha256:56ae6e8d3788f5d1e15a532f0896534c9dcd2dc4d9749502f9be3aeb37ed3c29\ngenerated: \
                    \"2026-01-01T00:00:00Z\"\n";

fn request(version: &str) -> Job {
    Job::Helm(Helm {
        chart: Some(ChartRef {
            repository: REPOSITORY.into(),
            name: "middle".into(),
            version: version.into(),
            digest: String::new(),
        }),
        path: "values".into(),
        values_files: vec!["prod.yaml".into()],
        release_name: "roar".into(),
        ..Helm::default()
    })
}

#[tokio::test]
async fn a_chart_of_a_chart_repository_renders_with_values_of_the_repository() {
    let mut world = World {
        tree: Tree::default().with("values/prod.yaml", "size: 9\nglobal: {zone: z}\n"),
        later: true,
        ..World::default()
    };
    let needs = match world.render(&request("^1")).await {
        Err(Error::Needs(needs)) => needs,
        other => unreachable!("{:?}", other.map(drop)),
    };
    assert!(matches!(&needs[..], [Ask::Chart(chart)] if chart.version == "^1"));

    world.later = false;
    world.archives.insert("middle ^1".into(), MIDDLE.into());
    let rendered = world.render(&request("^1")).await.unwrap();
    assert_eq!(
        names(&rendered),
        ["packed.example.com", "deepest-z", "middle"]
    );
    let places: Vec<String> = rendered
        .objects
        .iter()
        .map(|object| object.origin.to_string())
        .collect();
    assert_eq!(
        places,
        [
            "https://charts.example.com/middle-1.0.0.tgz/crds/c.yaml:1",
            "https://charts.example.com/middle-1.0.0.tgz/charts/deepest-1.0.0.tgz/templates/c.yaml",
            "https://charts.example.com/middle-1.0.0.tgz/templates/c.yaml",
        ]
    );
    assert_eq!(rendered.objects[2].value["data"]["size"], "9");
}

#[tokio::test]
async fn a_dependency_that_is_not_in_the_chart_is_asked_for_in_the_locked_version() {
    let world = World {
        tree: web(DECLARED).with("apps/web/Chart.lock", LOCK),
        archives: BTreeMap::from([("middle 1.0.0".into(), MIDDLE.into())]),
        later: false,
    };
    let rendered = world.render(&helm(WEB, &[], json!({}))).await.unwrap();
    assert_eq!(
        names(&rendered),
        ["packed.example.com", "deepest-a", "middle"]
    );
    let asked = rendered.asked.iter().any(|ask| {
        matches!(ask, Ask::Chart(chart) if chart.repository == REPOSITORY && chart.version == "1.0.0")
    });
    assert!(asked, "{:?}", rendered.asked);
}

#[tokio::test]
async fn what_comes_later_is_asked_for_in_one_round() {
    let chart = "dependencies:\n- {name: a, version: 1.0.0, repository: 'https://a.example.com'}\n- \
                 {name: b, version: 1.0.0, repository: 'oci://b.example.com/charts'}\n";
    let lock = "dependencies:\n- {name: a, version: 1.0.0, repository: 'https://a.example.com'}\n- \
                {name: b, version: 1.0.0, repository: 'oci://b.example.com/charts'}\ndigest: \
                sha256:d636f4c32a92ea154a0aaaeae201e84ff86128815e317d776b1f9802fb76c521\n";
    let world = World {
        tree: web(chart).with("apps/web/Chart.lock", lock),
        later: true,
        ..World::default()
    };
    match world.render(&helm(WEB, &[], json!({}))).await {
        Err(Error::Needs(needs)) => assert_eq!(needs.len(), 2, "{needs:?}"),
        other => unreachable!("{:?}", other.map(drop)),
    }
}

#[tokio::test]
async fn bad_b46_a_dependency_without_lock_or_in_a_circle_is_told() {
    let job = helm(WEB, &[], json!({}));
    let of = |declared: &str| World {
        tree: web(declared),
        ..World::default()
    };
    let refusal = of(DECLARED).refusal(&job).await;
    assert_eq!(refusal.code, "helm.dep");
    assert!(
        refusal.message.contains("helm dependency update"),
        "{refusal}"
    );
    assert_eq!(refusal.file.as_deref(), Some("apps/web/Chart.yaml"));

    let other = DECLARED.replace("^1.0.0", "^1.1.0");
    let mut old = of(&other);
    old.tree = old.tree.with("apps/web/Chart.lock", LOCK);
    let refusal = old.refusal(&job).await;
    assert_eq!(refusal.code, "helm.dep");
    assert!(refusal.message.contains("lock out of date"), "{refusal}");

    for repository in ["@stable", "alias:stable"] {
        let named = DECLARED.replace("https://charts.example.com", &format!("'{repository}'"));
        let refusal = of(&named).refusal(&job).await;
        assert_eq!(refusal.code, "helm.dep");
        assert!(refusal.message.contains("one computer only"), "{refusal}");
    }

    let near = "dependencies:\n- {name: near, version: 1.0.0, repository: 'file://../near'}\n";
    let back = "apiVersion: v2\nname: near\nversion: 1.0.0\ndependencies:\n- {name: web, version: \
                1.0.0, repository: 'file://../web'}\n";
    let mut circle = of(near);
    circle.tree = circle.tree.with("apps/near/Chart.yaml", back);
    let refusal = circle.refusal(&job).await;
    assert_eq!(refusal.code, "helm.dep");
    assert!(
        refusal
            .message
            .contains("apps/web -> apps/near -> apps/web"),
        "{refusal}"
    );

    let out = "dependencies:\n- {name: near, version: 1.0.0, repository: 'file://../../../near'}\n";
    assert_eq!(of(out).refusal(&job).await.code, "path.escape");
}

#[tokio::test]
async fn a_dependency_in_another_directory_is_read_from_there() {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/fixtures/charts/local"
    );
    let mut tree = Tree::default();
    for file in [
        "web/Chart.yaml",
        "web/templates/c.yaml",
        "shared/Chart.yaml",
        "shared/templates/_l.tpl",
    ] {
        tree = tree.with(
            file,
            &std::fs::read_to_string(format!("{root}/{file}")).unwrap(),
        );
    }
    let rendered = tree.render(&helm("web", &[], json!({}))).await.unwrap();
    assert_eq!(rendered.objects[0].value["data"]["label"], "shared-roar");
    let asked = Tree::asked(&rendered);
    assert!(asked.contains("shared/templates/_l.tpl"), "{asked:?}");

    let broken = tree.with("shared/templates/_l.tpl", "a\n{{ if }}\n");
    let refusal = broken.refusal(&helm("web", &[], json!({}))).await;
    assert_eq!(refusal.file.as_deref(), Some("shared/templates/_l.tpl"));
    assert_eq!(refusal.line, Some(2));
}
