//! What is wrong in Git is named with its place, and hurts only itself.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use syncline_tests::World;

use super::{config_map, deploy, deployment, ensure_says, message, push, value_of};

/// Two applications of one repository that work: `broken`, which a test will break, and `sibling`.
async fn pair(name: &str, more: Value) -> Result<World> {
    let world = World::new(name).await?;
    let files = [
        ("apps/broken/first.yaml", config_map("first", "1")),
        ("apps/sibling/sibling.yaml", config_map("sibling", "1")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let applications = [
        ("broken", "apps/broken", more),
        ("sibling", "apps/sibling", json!({})),
    ];
    deploy(&world, &files, &applications).await?;
    Ok(world)
}

/// Pushes something wrong together with a change of the sibling. Answers with what the Application
/// says, after a look that the sibling went on and that nothing was pruned.
async fn what_is_said(world: &World, files: &[(&str, &str)], reason: &str) -> Result<String> {
    let sibling = config_map("sibling", "2");
    let mut all = vec![("apps/sibling/sibling.yaml", sibling.as_str())];
    all.extend(files);
    let commit = push(world, &all, "Break it").await?;
    let live = world
        .wait_for_reason("Application", "broken", reason)
        .await?;
    world.wait_until_synced("sibling", &commit).await?;
    ensure!(value_of(world, "sibling").await?.as_deref() == Some("2"));
    ensure!(
        value_of(world, "first").await?.as_deref() == Some("1"),
        "an object was pruned or changed"
    );
    Ok(message(&live))
}

#[tokio::test]
async fn a_yaml_error_is_named_with_file_and_line() -> Result<()> {
    let world = pair("yaml", json!({})).await?;
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: second\n bad: [\n";
    let said = what_is_said(&world, &[("apps/broken/bad.yaml", text)], "YamlSyntax").await?;
    ensure_says(&said, &["apps/broken/bad.yaml:5"])?;
    ensure!(value_of(&world, "second").await?.is_none());

    // And it is over with the commit that corrects it.
    let good = config_map("second", "2");
    let commit = push(&world, &[("apps/broken/bad.yaml", &good)], "Correct it").await?;
    world.wait_until_synced("broken", &commit).await?;
    ensure!(value_of(&world, "second").await?.as_deref() == Some("2"));
    Ok(())
}

#[tokio::test]
async fn all_wrong_files_are_named_at_once() -> Result<()> {
    let world = pair("both", json!({})).await?;
    let files = [
        ("apps/broken/a.yaml", "kind: [\n"),
        ("apps/broken/b.yaml", "x: 1\nx: 2\n"),
    ];
    let said = what_is_said(&world, &files, "YamlSyntax").await?;
    ensure_says(&said, &["apps/broken/a.yaml:", "apps/broken/b.yaml:2"])
}

#[tokio::test]
async fn an_unknown_kind_is_named_and_its_siblings_are_applied() -> Result<()> {
    let world = pair("kind", json!({})).await?;
    let unknown = "apiVersion: example.com/v1\nkind: Wodget\nmetadata:\n  name: w\nspec: {}\n";
    let second = config_map("second", "2");
    let files = [
        ("apps/broken/unknown.yaml", unknown),
        ("apps/broken/z-second.yaml", &second),
    ];
    let said = what_is_said(&world, &files, "UnknownKind").await?;
    ensure_says(
        &said,
        &["apps/broken/unknown.yaml:1", "Wodget", "example.com/v1"],
    )?;
    ensure!(
        value_of(&world, "second").await?.as_deref() == Some("2"),
        "an object beside the unknown kind was not applied"
    );
    Ok(())
}

#[tokio::test]
async fn an_object_that_is_declared_twice_is_named_with_both_places() -> Result<()> {
    let world = pair("twice", json!({})).await?;
    let one = config_map("twice", "1");
    let other = format!("# The other one.\n{}", config_map("twice", "2"));
    let files = [
        ("apps/broken/one.yaml", one.as_str()),
        ("apps/broken/other.yaml", other.as_str()),
    ];
    let said = what_is_said(&world, &files, "DuplicateObject").await?;
    ensure_says(
        &said,
        &["apps/broken/one.yaml:1", "apps/broken/other.yaml:2"],
    )?;
    ensure!(value_of(&world, "twice").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn an_invalid_secret_is_named_without_its_value() -> Result<()> {
    let world = pair("secret", json!({})).await?;
    let text =
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\ndata:\n  token: canary!not-base64\n";
    let said = what_is_said(&world, &[("apps/broken/s.yaml", text)], "InvalidSecret").await?;
    ensure_says(&said, &["apps/broken/s.yaml:1", "data.token"])?;
    ensure!(
        !said.contains("canary"),
        "the message has the value: {said}"
    );
    ensure!(
        !world.agent().log().contains("canary!not-base64"),
        "the log has the value"
    );
    Ok(())
}

#[tokio::test]
async fn a_change_of_an_immutable_field_is_named() -> Result<()> {
    let world = pair("immutable", json!({})).await?;
    let before = deployment("web");
    let commit = push(&world, &[("apps/broken/web.yaml", &before)], "Add web").await?;
    world.wait_until_synced("broken", &commit).await?;
    let uid = world.get("apps/v1", "Deployment", "web").await?["metadata"]["uid"].clone();
    let after = before.replace("app: web", "app: other");
    let said = what_is_said(
        &world,
        &[("apps/broken/web.yaml", &after)],
        "ImmutableField",
    )
    .await?;
    ensure_says(&said, &["apps/broken/web.yaml:1", "spec.selector"])?;
    let live = world.get("apps/v1", "Deployment", "web").await?;
    ensure!(
        live["metadata"]["uid"] == uid,
        "it was deleted and made anew"
    );
    Ok(())
}

#[tokio::test]
async fn an_object_that_the_api_server_refuses_is_named_with_field_and_place() -> Result<()> {
    let world = pair("refused", json!({})).await?;
    let bad = deployment("web").replace("replicas: 2", "replicas: -1");
    let second = config_map("second", "2");
    let files = [
        ("apps/broken/web.yaml", bad.as_str()),
        ("apps/broken/z-second.yaml", second.as_str()),
    ];
    let said = what_is_said(&world, &files, "InvalidObject").await?;
    ensure_says(&said, &["apps/broken/web.yaml:1", "spec.replicas"])?;
    ensure!(value_of(&world, "second").await?.as_deref() == Some("2"));
    Ok(())
}

#[tokio::test]
async fn a_chart_error_is_named_with_template_and_line() -> Result<()> {
    let world = pair("chart", json!({})).await?;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: second\ndata:\n  key: {{ required \"a value is needed\" .Values.missing }}\n";
    let files = [
        (
            "apps/broken/Chart.yaml",
            "apiVersion: v2\nname: broken\nversion: 1.0.0\n",
        ),
        ("apps/broken/templates/second.yaml", template),
    ];
    let said = what_is_said(&world, &files, "HelmFailed").await?;
    ensure_says(&said, &["templates/second.yaml:6", "a value is needed"])
}

#[tokio::test]
async fn a_kustomize_error_is_named_with_the_file() -> Result<()> {
    let world = pair("kustomize", json!({})).await?;
    let files = [(
        "apps/broken/kustomization.yaml",
        "resources:\n- first.yaml\n- absent.yaml\n",
    )];
    let said = what_is_said(&world, &files, "KustomizeFailed").await?;
    ensure_says(&said, &["absent.yaml"])?;

    // The file that was missing is a reason to try again.
    let commit = push(
        &world,
        &[("apps/broken/absent.yaml", &config_map("second", "2"))],
        "Add it",
    )
    .await?;
    world.wait_until_synced("broken", &commit).await?;
    Ok(())
}
