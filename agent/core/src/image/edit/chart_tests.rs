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

fn added(chart: &[(&str, &str)], below: &[&str], version: &Version) -> Option<String> {
    let below: Vec<String> = below.iter().map(ToString::to_string).collect();
    let chart = Chart {
        files: &files(chart),
        below: &below,
    };
    lines_to_add(&chart, &Wanted::named(&web()), version)
}

#[test]
fn what_only_the_chart_names_comes_with_the_lines_to_add() {
    let of = |text: &str, below: &[&str], new: &str| {
        added(&[("values.yaml", text)], below, &version(new))
    };
    let values = "image:\n  repository: registry.example.com/roar-web\n  tag: 1.0.0\n";
    assert_eq!(
        of(values, &["web", "a b"], "1.10").unwrap(),
        "web:\n  \"a b\":\n    image:\n      tag: \"1.10\"\n"
    );
    let whole = "web:\n  image: registry.example.com/roar-web:1.0.0\n";
    assert_eq!(
        of(whole, &[], "1.10").unwrap(),
        "web:\n  image: registry.example.com/roar-web:1.10\n"
    );
    let old = digest('a');
    let pinned =
        format!("i:\n  repository: registry.example.com/roar-web\n  tag: v1\n  digest: {old}\n");
    let new = digest('b');
    assert_eq!(
        of(&pinned, &[], &format!("2@{new}")).unwrap(),
        format!("i:\n  tag: \"2\"\n  digest: \"{new}\"\n")
    );
    // A tag beside the digest of another would say nothing.
    assert_eq!(of(&pinned, &[], "2"), None);
    let list = "l:\n- image: registry.example.com/roar-web:1.0.0\n";
    assert_eq!(of(list, &[], "2"), None);
    assert_eq!(
        of("image: {repository: else, tag: \"1\"}\n", &[], "2"),
        None
    );
}

#[test]
fn a_chart_that_takes_its_own_version_as_the_tag_gets_one_in_the_lines_to_add() {
    for tag in ["  tag: \"\"\n", "  tag:\n", ""] {
        let values = format!(
            "first:\n  image: {{repository: other, tag: \"1\"}}\n\
             image:\n  repository: registry.example.com/roar-web\n{tag}  pullPolicy: Always\n"
        );
        let lines = added(&[("values.yaml", &values)], &[], &version("1.2.0"));
        assert_eq!(lines.unwrap(), "image:\n  tag: \"1.2.0\"\n", "{values}");
    }
}

#[test]
fn the_lines_to_add_for_charts_in_a_chart_stand_below_their_names_in_one_map() {
    let child = "image: {registry: registry.example.com, repository: roar-web, tag: 0.9.0}\n";
    let chart = [
        (
            "Chart.yaml",
            "dependencies:\n- {name: web, alias: front}\n- {name: web, alias: back}\n",
        ),
        (
            "values.yaml",
            "front:\n  image:\n    registry: registry.example.com\n    repository: roar-web\n    tag: 1.0.0\n",
        ),
        ("charts/web/Chart.yaml", "name: web\n"),
        ("charts/web/values.yaml", child),
    ];
    let (front, back) = (
        "  front:\n    image:\n      tag: \"2\"\n",
        "  back:\n    image:\n      tag: \"2\"\n",
    );
    assert_eq!(
        added(&chart, &["shop"], &version("2")).unwrap(),
        format!("shop:\n{front}{back}")
    );
}

#[test]
fn the_lines_to_add_have_the_marker_by_which_they_are_found_again() {
    let (image, policy) = (web(), Name::new("shop", "web"));
    let chart = files(&[(
        "values.yaml",
        "web:\n  image: {repository: registry.example.com/roar-web, tag: 1.0.0}\n\
         job:\n  image: registry.example.com/roar-web:1.0.0\n",
    )]);
    let wanted = Wanted {
        image: &image,
        policy: Some(&policy),
        policies: None,
    };
    let chart = Chart {
        files: &chart,
        below: &[],
    };
    let lines = lines_to_add(&chart, &wanted, &version("1.1.0")).unwrap();
    assert_eq!(
        lines,
        "web:\n  image:\n    tag: \"1.1.0\" # {\"$imagepolicy\": \"shop:web:tag\"}\n\
         job:\n  image: registry.example.com/roar-web:1.1.0 # {\"$imagepolicy\": \"shop:web\"}\n"
    );
    // As soon as they are in Git they are places of the policy.
    let found = find_in(&files(&[("app/values.yaml", &lines)]), &wanted);
    assert_eq!(found.refusals, []);
    let values: Vec<String> = found.sites.iter().map(Site::value).collect();
    assert_eq!(values, ["1.1.0", "1.1.0"]);
}
