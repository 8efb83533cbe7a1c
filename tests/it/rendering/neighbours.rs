//! Bad input of one application holds up nothing else of its repository.

use anyhow::{Result, ensure};
use serde_json::json;
use syncline_tests::World;

use super::{CHART, map};
use crate::deploy::{config_map, deploy, ensure_says, message, push, value_of};

/// Name of the application, what is added to its path, the reason and what is said.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
    &'static [&'static str],
);

const ROWS: [Row; 6] = [
    (
        "cycle",
        &[
            ("kustomization.yaml", "resources: [map.yaml, round]\n"),
            ("round/kustomization.yaml", "resources: [..]\n"),
        ],
        "KustomizeFailed",
        &["kz.cycle", "cycle/round"],
    ),
    (
        "remote",
        &[(
            "kustomization.yaml",
            "resources: [map.yaml, \"https://example.com/base.git//app?ref=v1\"]\n",
        )],
        "KustomizeFailed",
        &["remote/kustomization.yaml:1", "kz.remote_unpinned"],
    ),
    (
        "escape",
        &[("kustomization.yaml", "resources: [map.yaml, ../../up]\n")],
        "PathEscape",
        &["escape/kustomization.yaml"],
    ),
    (
        "fail",
        &[
            ("Chart.yaml", CHART),
            ("templates/fail.yaml", "{{ fail \"no luck\" }}\n"),
        ],
        "HelmFailed",
        &["templates/fail.yaml:1", "no luck"],
    ),
    (
        "syntax",
        &[("broken.yaml", "kind: \"ConfigMap\n")],
        "YamlSyntax",
        &["syntax/broken.yaml:"],
    ),
    (
        "tabs",
        &[("broken.yaml", "kind: ConfigMap\nmetadata:\n\tname: a\n")],
        "YamlSyntax",
        &["tabs/broken.yaml:3"],
    ),
];

#[tokio::test]
async fn bad_applications_are_named_and_their_neighbour_goes_on() -> Result<()> {
    let world = World::new("neighbours").await?;
    let first: Vec<_> = ROWS
        .iter()
        .map(|row| (format!("{}/map.yaml", row.0), config_map(row.0, "1")))
        .collect();
    let link = map("link", &["key: \"1\""]);
    let good = config_map("good", "1");
    let mut files: Vec<_> = first
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    files.extend([("link/map.yaml", link.as_str()), ("good/map.yaml", &good)]);
    let names = ROWS.iter().map(|row| row.0).chain(["link", "good"]);
    let applications: Vec<_> = names.map(|name| (name, name, json!({}))).collect();
    deploy(&world, &files, &applications).await?;

    // All go wrong in one commit, in which the neighbour changes as well.
    let second = ROWS.iter().flat_map(|row| {
        row.1
            .iter()
            .map(|(path, text)| (format!("{}/{path}", row.0), *text))
    });
    let second: Vec<_> = second.collect();
    let good = config_map("good", "2");
    let mut files: Vec<_> = second
        .iter()
        .map(|(path, text)| (path.as_str(), *text))
        .collect();
    files.push(("good/map.yaml", &good));
    let work = world.repo.git(&["rev-parse", "--show-toplevel"])?;
    std::os::unix::fs::symlink(
        "../../../etc/passwd",
        std::path::Path::new(work.trim()).join("link/out.yaml"),
    )?;
    let commit = push(&world, &files, "Break them").await?;
    world.wait_until_synced("good", &commit).await?;
    ensure!(value_of(&world, "good").await?.as_deref() == Some("2"));
    for (name, _, reason, says) in ROWS {
        let live = world.wait_for_reason("Application", name, reason).await?;
        ensure_says(&message(&live), says)?;
        ensure!(
            value_of(&world, name).await?.as_deref() == Some("1"),
            "{name} was changed"
        );
    }
    let live = world
        .wait_for_reason("Application", "link", "LinkRefused")
        .await?;
    ensure_says(&message(&live), &["link/out.yaml"])?;
    ensure!(!world.agent().log().contains("panicked"));
    Ok(())
}
