//! ImagePolicies before they are at work: what the API server refuses of them, and `syncline images
//! try`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::agent::install_rights;
use syncline_tests::{ControlPlane, programs};

use crate::install::{dry_run, make_namespaces};

const POLICY: &str = "\
apiVersion: syncline.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: web
spec:
  image: registry.example.com/shop/web
  tags:
    match: ^v(?P<version>.*)$
    extract: $version
  select:
    semver: ^1
  update:
    repository: config
";

fn policy(more: Value) -> Value {
    let mut spec = json!({
        "image": "registry.example.com/shop/web",
        "select": { "semver": "^1" },
        "update": { "repository": "config" },
    });
    if let (Some(spec), Value::Object(more)) = (spec.as_object_mut(), more) {
        spec.extend(more);
    }
    json!({
        "apiVersion": "syncline.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": { "name": "web" },
        "spec": spec,
    })
}

#[tokio::test]
async fn the_api_server_takes_every_order_and_refuses_what_contradicts_itself() -> Result<()> {
    let control_plane = ControlPlane::shared().await?;
    install_rights(control_plane).await?;
    make_namespaces(control_plane, &["image-policies"]).await?;
    let judge = |more: Value| dry_run(control_plane, "image-policies", &[policy(more)]);
    for more in [
        json!({}),
        json!({"select": {"numerical": {}}}),
        json!({"select": {"numerical": {"take": "Lowest"}}}),
        json!({"select": {"alphabetical": {"take": "First"}}}),
        json!({"select": {"newest": {}}, "tags": {"minAge": "24h", "platforms": ["linux/arm64/v8"]}}),
        json!({"select": {"digestOf": "stable"}, "tags": {"platforms": ["linux/amd64"]}}),
        json!({"select": {"commits": {}}}),
        json!({"select": {"commits": {"repository": "web"}}}),
        json!({
            "tags": {"match": "^v(.*)$", "extract": "$1", "exclude": ["rc"], "suffix": "-alpine"},
            "allowDowngrade": true, "pin": {"digest": true},
        }),
    ] {
        judge(more.clone()).with_context(|| more.to_string())?;
    }
    for (more, says) in [
        (json!({"select": {}}), "exactly one"),
        (
            json!({"select": {"semver": "^1", "newest": {}}}),
            "exactly one",
        ),
        (
            json!({"select": {"numerical": {"take": "Newest"}}}),
            "Unsupported value",
        ),
        (json!({"tags": {"extract": "$1"}}), "name `match` too"),
        (json!({"tags": {"minAge": "0s"}}), "between 1s and 8760h"),
        (json!({"tags": {"platforms": ["linux"]}}), "should match"),
        (json!({"tags": {"suffix": "a b"}}), "should match"),
        (
            json!({"select": {"digestOf": "stable"}, "tags": {"suffix": "-alpine"}}),
            "names its tag itself",
        ),
        (
            json!({"select": {"digestOf": "stable"}, "pin": {"digest": false}}),
            "cannot be false",
        ),
        (
            json!({"select": {"digestOf": "stable"}, "allowDowngrade": true}),
            "leave `allowDowngrade` away",
        ),
    ] {
        let refused = judge(more.clone()).err();
        let said = refused
            .map(|error| format!("{error:#}"))
            .unwrap_or_default();
        ensure!(said.contains(says), "{more}: {said}");
    }
    Ok(())
}

/// Runs `syncline images try` in a folder, with tags on the standard input.
fn run(folder: &Path, tags: &str, more: &[&str]) -> Result<Output> {
    let mut child = Command::new(programs::agent()?)
        .args(["images", "try", "--policy", "web.yaml", "--tags", "-"])
        .args(more)
        .env("KUBECONFIG", "/nowhere")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("it has an input")?;
    input.write_all(tags.as_bytes())?;
    drop(input);
    Ok(child.wait_with_output()?)
}

#[test]
fn a_policy_is_tried_on_a_list_of_tags_without_a_cluster() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("web.yaml"), POLICY)?;
    let tags = "v1.0.0\nv1.1.0\nv2.0.0\n1.2.0\nlatest\n1.2.3+b\n";
    let out = run(folder.path(), tags, &[])?;
    let (text, said) = (
        String::from_utf8(out.stdout)?,
        String::from_utf8(out.stderr)?,
    );
    ensure!(out.status.code() == Some(0), "{said}");
    ensure!(text.starts_with("v1.1.0\n\nTAG "), "{text}");
    ensure!(
        text.contains("1.2.0   no-match       does not match `^v(?P<version>.*)$`"),
        "{text}"
    );
    ensure!(
        said.contains("standard input:6: `1.2.3+b` is not a tag"),
        "{said}"
    );

    let out = run(
        folder.path(),
        tags,
        &["--output", "json", "--current", "v1.5.0"],
    )?;
    ensure!(out.status.code() == Some(1), "{}", out.status);
    let answer: Value = serde_json::from_slice(&out.stdout)?;
    ensure!(answer["chosen"].is_null() && answer["refusal"]["reason"] == "NoDowngrade");
    ensure!(
        answer["verdicts"]
            .as_array()
            .is_some_and(|all| all.len() == 5),
        "{answer:#}"
    );

    let broken = POLICY.replace("^1", "'>='");
    std::fs::write(folder.path().join("web.yaml"), broken)?;
    let out = run(folder.path(), tags, &[])?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(
        out.status.code() == Some(2) && out.stdout.is_empty(),
        "{}",
        out.status
    );
    ensure!(
        said.contains("web.yaml:11: `spec.select.semver`: "),
        "{said}"
    );
    Ok(())
}
