//! What the files of a Helm chart say together.

use super::tests::{digest, files, search, version, web};
use super::*;

fn places(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let found = find_in(files, &Wanted::named(&web()));
    let sites = found.sites.iter();
    sites
        .map(|site| format!("{}:{} {}", site.file, site.line, site.path))
        .collect()
}

#[test]
fn the_registry_of_global_belongs_to_every_repository_of_the_file() {
    let text = "global:\n  imageRegistry: registry.example.com\nweb:\n  image: {repository: roar-web, tag: 1.0.0}\n\
                other:\n  image: {registry: docker.io, repository: roar, tag: 1.0.0}\n";
    let found = search(text);
    assert_eq!(found.sites.len(), 1);
    assert_eq!(found.sites[0].path, "web.image.tag");
}

#[test]
fn a_tag_is_found_whose_repository_stands_in_another_file_of_values() {
    let repository = "image:\n  repository: registry.example.com/roar-web\n  tag: latest\n";
    let found = places(&files(&[
        ("chart/values.yaml", repository),
        (
            "chart/values-production.yaml",
            "image:\n  tag: 1.0.0\nother:\n  tag: 1.0.0\n",
        ),
        ("chart/templates/values.txt", "image:\n  tag: 1.0.0\n"),
        ("else/values.yaml", "image:\n  tag: 1.0.0\n"),
    ]));
    assert_eq!(
        found,
        [
            "chart/values-production.yaml:2 image.tag",
            "chart/values.yaml:3 image.tag"
        ]
    );
}

#[test]
fn a_subchart_is_found_under_its_name_its_alias_and_a_local_path() {
    let chart = "dependencies:\n- {name: web, alias: front}\n- name: web\n  alias: back\n\
                 - name: shared\n  repository: file://../shared\n";
    let child = "image:\n  repository: roar-web\n  tag: 0.9.0\n";
    let found = places(&files(&[
        ("app/Chart.yaml", chart),
        (
            "app/values.yaml",
            "global: {imageRegistry: registry.example.com}\nfront:\n  image: {tag: 1.0.0}\nback: {image: {tag: 1.0.0}}\n\
             web:\n  image: {tag: 1.0.0}\nshared:\n  image: {tag: 1.0.0}\n",
        ),
        ("app/charts/web/values.yaml", child),
        ("app/charts/web/Chart.yaml", "name: web\n"),
        ("shared/values.yaml", child),
        ("shared/Chart.yaml", "name: shared\n"),
    ]));
    assert_eq!(
        found,
        [
            "app/charts/web/values.yaml:3 image.tag",
            "app/values.yaml:3 front.image.tag",
            "app/values.yaml:4 back.image.tag",
            "app/values.yaml:8 shared.image.tag",
            "shared/values.yaml:3 image.tag",
        ]
    );
}

#[test]
fn what_only_the_chart_names_comes_with_the_lines_to_add() {
    let site = |text: &str| search(text).sites[0].clone();
    let values = site("image:\n  repository: registry.example.com/roar-web\n  tag: 1.0.0\n");
    assert_eq!(
        lines_to_add(&values, &["web", "a b"], &version("1.10")).unwrap(),
        "web:\n  \"a b\":\n    image:\n      tag: \"1.10\"\n"
    );
    let whole = site("web:\n  image: registry.example.com/roar-web:1.0.0\n");
    assert_eq!(
        lines_to_add(&whole, &[], &version("1.10")).unwrap(),
        "web:\n  image: registry.example.com/roar-web:1.10\n"
    );
    let old = digest('a');
    let pinned = site(&format!(
        "i:\n  repository: registry.example.com/roar-web\n  tag: v1\n  digest: {old}\n"
    ));
    let new = digest('b');
    assert_eq!(
        lines_to_add(&pinned, &[], &version(&format!("2@{new}"))).unwrap(),
        format!("i:\n  tag: \"2\"\n  digest: \"{new}\"\n")
    );
    let list = site("l:\n- image: registry.example.com/roar-web:1.0.0\n");
    assert_eq!(lines_to_add(&list, &[], &version("2")), None);
}
