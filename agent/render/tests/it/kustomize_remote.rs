//! Bases in other repositories.

use std::collections::BTreeMap;
use std::sync::Mutex;

use syncline_core::reason::Reason;
use syncline_render::{Answer, Ask, AskError, Error, Job, Location, Pool, Rendered};

use crate::support::{Tree, kustomize, settings};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn tree(entry: &str) -> Tree {
    Tree::default().with(
        "apps/a/kustomization.yaml",
        &format!("namePrefix: own-\nresources:\n- '{entry}'\n"),
    )
}

/// Answers from the repository and, by name, from other sources.
async fn render(
    own: &Tree,
    others: &BTreeMap<String, Tree>,
    job: &Job,
) -> (Result<Rendered, Error>, Vec<Ask>) {
    let asked = Mutex::new(Vec::new());
    let outcome = Pool::new(settings())
        .render(job, &|ask| {
            asked.lock().expect("nothing panics").push(ask.clone());
            match ask {
                Ask::Read(Location { source, .. }) | Ask::List(Location { source, .. })
                    if !source.is_empty() =>
                {
                    others
                        .get(source)
                        .map_or(Ok(Answer::Later), |it| it.answer(ask))
                }
                _ => own.answer(ask),
            }
        })
        .await;
    (outcome, asked.into_inner().expect("nothing panics"))
}

fn source(url: &str) -> String {
    format!("git:{url}@{COMMIT}")
}

fn remote() -> Tree {
    Tree::default()
        .with(
            "deploy/over/kustomization.yaml",
            "resources: [../base]\nnameSuffix: -far\n",
        )
        .with("deploy/base/kustomization.yaml", "resources: [web.yaml]\n")
        .with(
            "deploy/base/web.yaml",
            "# far\napiVersion: v1\nkind: Service\nmetadata: {name: web}\n",
        )
}

#[tokio::test]
async fn a_base_that_is_pinned_to_a_commit_is_asked_for_and_named_as_the_origin() {
    for written in [
        format!("https://git.example.com/acme/config//deploy/over?ref={COMMIT}"),
        format!("https://git.example.com/acme/config//deploy/over?submodules=false&ref={COMMIT}"),
        format!("git::https://git.example.com/acme/config//deploy/over?ref={COMMIT}"),
        format!("https://git.example.com/acme/config/deploy/over?version={COMMIT}"),
    ] {
        let name = source("https://git.example.com/acme/config");
        let others = BTreeMap::from([(name.clone(), remote())]);
        let (outcome, asked) = render(&tree(&written), &others, &kustomize("apps/a")).await;
        let rendered = outcome.unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(rendered.objects[0].value["metadata"]["name"], "own-web-far");
        assert_eq!(
            rendered.objects[0].origin.to_string(),
            format!("{name}//deploy/base/web.yaml:2")
        );
        assert!(asked.contains(&Ask::Read(Location {
            source: name,
            path: "deploy/base/web.yaml".into(),
        })));
    }
}

#[tokio::test]
async fn a_base_at_the_root_of_its_repository_and_one_of_github_are_understood() {
    let others = BTreeMap::from([(
        source("https://github.com/acme/config"),
        Tree::default()
            .with("kustomization.yaml", "resources: [pod.yaml]\n")
            .with(
                "pod.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n",
            ),
    )]);
    let written = format!("github.com/acme/config?ref={COMMIT}");
    let (outcome, _) = render(&tree(&written), &others, &kustomize("apps/a")).await;
    assert_eq!(
        outcome.unwrap().objects[0].value["metadata"]["name"],
        "own-p"
    );
}

#[tokio::test]
async fn everything_that_is_not_at_hand_is_asked_for_in_one_round() {
    let tree = Tree::default().with(
        "apps/a/kustomization.yaml",
        &format!(
            "resources:\n- https://a.example.com/x/y?ref={COMMIT}\n- \
             https://b.example.com/x/y?ref={COMMIT}\nhelmCharts:\n- {{name: zoo, repo: \
             'https://charts.example.com', version: 1.0.0}}\n"
        ),
    );
    let own = tree.clone();
    let outcome = Pool::new(settings())
        .render(&kustomize("apps/a"), &|ask| match ask {
            Ask::Chart(_) => Ok(Answer::Later),
            Ask::Read(location) if !location.source.is_empty() => Ok(Answer::Later),
            _ => own.answer(ask),
        })
        .await;
    let Err(Error::Needs(needs)) = outcome else {
        panic!("not in need")
    };
    let sources: Vec<&str> = needs
        .iter()
        .map(|ask| match ask {
            Ask::Read(location) => location.source.as_str(),
            Ask::Chart(chart) => chart.name.as_str(),
            _ => "",
        })
        .collect();
    for wanted in [
        &source("https://a.example.com/x/y"),
        &source("https://b.example.com/x/y"),
        "zoo",
    ] {
        assert!(sources.contains(&wanted), "{wanted} in {sources:?}");
    }
}

#[tokio::test]
async fn bad_b25_a_base_that_is_not_pinned_or_not_read_over_https_is_refused_by_name() {
    for (written, code) in [
        (
            "https://github.com/acme/config//base?ref=v1",
            "kz.remote_unpinned",
        ),
        ("https://github.com/acme/config//base", "kz.remote_unpinned"),
        ("github.com/acme/config//base", "kz.remote_unpinned"),
        (
            "https://github.com/acme/config//base?ref=0123abc",
            "kz.remote_unpinned",
        ),
        ("https://example.com/web.yaml", "kz.remote_disabled"),
        (
            "https://example.com/acme/config/main/web.yaml",
            "kz.remote_disabled",
        ),
        ("http://example.com/acme/config//base", "kz.remote_disabled"),
        (
            "http://127.0.0.1.example.com/acme/config//base",
            "kz.remote_disabled",
        ),
        ("git@github.com:acme/config.git", "kz.remote_disabled"),
        (
            "ssh://git@example.com/acme/config.git",
            "kz.remote_disabled",
        ),
        ("file:///etc//base", "kz.remote_disabled"),
    ] {
        let refusal = tree(written).refusal(&kustomize("apps/a")).await;
        assert_eq!(refusal.code, code, "{written}: {refusal}");
        assert!(refusal.message.contains(written), "{refusal}");
        assert_eq!(refusal.file.as_deref(), Some("apps/a/kustomization.yaml"));
        assert_eq!(refusal.line, Some(3), "{written}");
        assert_eq!(refusal.reason(), Reason::KustomizeFailed);
    }
}

#[tokio::test]
async fn bad_b25_a_remote_base_that_the_agent_refuses_fails_with_its_reason() {
    let own = tree(&format!("https://git.example.com/acme/config?ref={COMMIT}"));
    let outcome = Pool::new(settings())
        .render(&kustomize("apps/a"), &|ask| match ask {
            Ask::Read(location) if !location.source.is_empty() => Err(AskError {
                reason: Reason::KustomizeFailed,
                detail: "remote bases are off".into(),
            }),
            _ => own.answer(ask),
        })
        .await;
    let Err(Error::Ask(error)) = outcome else {
        panic!("not refused")
    };
    assert_eq!(error.detail, "remote bases are off");
}

#[tokio::test]
async fn bad_b25_files_of_other_hosts_are_refused_wherever_they_are_named() {
    for entry in [
        "patches: [{path: 'https://example.com/p.yaml'}]",
        "configMapGenerator: [{name: a, files: ['a=https://example.com/a.txt']}]",
        "openapi: {path: 'https://example.com/schema.json'}",
        "crds: ['https://example.com/crd.json']",
        "components: ['https://example.com/c.yaml']",
        "transformers: ['https://example.com/t.yaml']",
    ] {
        let tree = Tree::default()
            .with(
                "apps/a/kustomization.yaml",
                &format!("resources: [p.yaml]\n{entry}\n"),
            )
            .with(
                "apps/a/p.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n",
            );
        let refusal = tree.refusal(&kustomize("apps/a")).await;
        assert_eq!(refusal.code, "kz.remote_disabled", "{entry}: {refusal}");
        assert_eq!(refusal.line, Some(2), "{entry}: {refusal}");
    }
}

#[tokio::test]
async fn credentials_in_the_address_of_a_base_are_refused_and_not_told() {
    for written in [
        "https://user:hunter2@git.example.com/acme/config//base?ref=v1",
        "https://hunter2@git.example.com/acme/config//base",
        "ssh://user:hunter2@git.example.com/acme/config",
    ] {
        let refusal = tree(written).refusal(&kustomize("apps/a")).await;
        assert!(refusal.code.starts_with("kz."), "{refusal}");
        assert!(!refusal.to_string().contains("hunter2"), "{refusal}");
    }
}

#[tokio::test]
async fn bad_b24_a_remote_base_cannot_reach_the_repository_nor_another_one() {
    for escape in [
        "../../own/x",
        "../../../syncline-repository/secret",
        "../../syncline-repository/secret",
    ] {
        let others = BTreeMap::from([(
            source("https://git.example.com/acme/config"),
            Tree::default().with(
                "base/kustomization.yaml",
                &format!("resources: ['{escape}']\n"),
            ),
        )]);
        let own = tree(&format!(
            "https://git.example.com/acme/config//base?ref={COMMIT}"
        ))
        .with(
            "secret/kustomization.yaml",
            "configMapGenerator: [{name: a, literals: [a=b]}]\n",
        );
        let (outcome, _) = render(&own, &others, &kustomize("apps/a")).await;
        let Err(Error::Refused(refusal)) = outcome else {
            panic!("{escape} is not refused")
        };
        assert_eq!(refusal.code, "path.escape", "{escape}: {refusal}");
    }
}

#[tokio::test]
async fn a_remote_base_may_name_a_third_repository_and_a_circle_of_them_is_found() {
    let url = |name: &str| format!("https://git.example.com/acme/{name}?ref={COMMIT}");
    let names = |other: &str| format!("resources: ['{}']\n", url(other));
    let mut others = BTreeMap::from([
        (
            source("https://git.example.com/acme/one"),
            Tree::default().with("kustomization.yaml", &names("two")),
        ),
        (
            source("https://git.example.com/acme/two"),
            Tree::default()
                .with("kustomization.yaml", "resources: [p.yaml]\n")
                .with("p.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"),
        ),
    ]);
    let own = tree(&url("one"));
    let (outcome, _) = render(&own, &others, &kustomize("apps/a")).await;
    assert_eq!(outcome.unwrap().objects.len(), 1);
    others.insert(
        source("https://git.example.com/acme/two"),
        Tree::default().with("kustomization.yaml", &names("one")),
    );
    let (outcome, _) = render(&own, &others, &kustomize("apps/a")).await;
    let Err(Error::Refused(refusal)) = outcome else {
        panic!("not refused")
    };
    assert_eq!(refusal.code, "kz.cycle", "{refusal}");
}

#[tokio::test]
async fn an_annotation_of_origin_names_a_remote_base_as_kustomize_names_it() {
    let url = "https://git.example.com/acme/config";
    let own = Tree::default().with(
        "apps/a/kustomization.yaml",
        &format!(
            "buildMetadata: [originAnnotations]\nresources:\n- '{url}//deploy/over?ref={COMMIT}'\n"
        ),
    );
    let others = BTreeMap::from([(source(url), remote())]);
    let (outcome, _) = render(&own, &others, &kustomize("apps/a")).await;
    let annotations = outcome.unwrap().objects[0].value["metadata"]["annotations"].clone();
    assert_eq!(
        annotations["config.kubernetes.io/origin"],
        format!("path: deploy/base/web.yaml\nrepo: {url}\nref: {COMMIT}\n")
    );
}
