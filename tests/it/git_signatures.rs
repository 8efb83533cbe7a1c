//! Commits that have to be signed before anything of them is used.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use syncline_tests::ssh_server::make_key;
use syncline_tests::{Access, World, world};

use crate::deploy::{config_map, wait_for_value};

fn message(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition["type"] == "Ready");
    ready
        .and_then(|condition| condition["message"].as_str())
        .unwrap_or_default()
        .to_owned()
}

/// Writes the ConfigMap, commits and pushes; `sign` are the arguments that decide on a signature.
fn commit(world: &World, value: &str, sign: &[&str]) -> Result<String> {
    let file = config_map("web", value);
    let folder = world.repo.git(&["rev-parse", "--show-toplevel"])?;
    let path = Path::new(folder.trim()).join("apps/web/web.yaml");
    std::fs::create_dir_all(path.parent().context("a folder")?)?;
    std::fs::write(path, file)?;
    world.repo.git(&["add", "--all"])?;
    let mut arguments = sign.to_vec();
    arguments.extend(["commit", "--quiet", "--message", "Change"]);
    if !sign.is_empty() {
        arguments.push("--gpg-sign");
    }
    world.repo.git(&arguments)?;
    world
        .repo
        .git(&["push", "--quiet", "origin", "HEAD:main"])?;
    world.repo.head()
}

fn with_ssh(key: &Path) -> [String; 4] {
    let key = format!("user.signingKey={}", key.display());
    ["-c".into(), "gpg.format=ssh".into(), "-c".into(), key]
}

fn gpg(home: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("gpg")
        .args([
            "--batch",
            "--no-tty",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ])
        .arg("--homedir")
        .arg(home)
        .args(arguments)
        .output()
        .context("run gpg")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "gpg {arguments:?}: {errors}");
    Ok(output.stdout)
}

#[tokio::test]
async fn bad_b54_only_commits_that_a_named_key_signed_are_used_and_the_last_good_one_stays()
-> Result<()> {
    let world = World::with_access("signed", Access::Open).await?;
    let keys = tempfile::tempdir()?;
    let (ann, stranger) = (keys.path().join("ann"), keys.path().join("stranger"));
    make_key(&ann, "")?;
    make_key(&stranger, "")?;
    let public = std::fs::read_to_string(keys.path().join("ann.pub"))?;
    world.secret("signers", &[("ann.pub", &public)]).await?;
    let own = with_ssh(&ann);
    let by_ann: Vec<&str> = own.iter().map(String::as_str).collect();
    let first = commit(&world, "1", &by_ann)?;
    let source = json!({
        "interval": "1s",
        "serviceAccount": world::READER,
        "verify": { "mode": "Commit", "secretRef": { "name": "signers" } },
    });
    world.repository(source).await?;
    world.application("web", "apps/web", json!({})).await?;
    world.wait_until_synced("web", &first).await?;

    let unsigned = commit(&world, "2", &[])?;
    world.request("Repository", "config").await?;
    let refused = async |commit: &str, words: &[&str]| {
        world
            .wait_for_ours("Repository", "config", "to refuse it", |live| {
                let said = message(live);
                let reason = live.to_string().contains("SignatureRefused");
                reason && said.contains(commit) && words.iter().all(|word| said.contains(word))
            })
            .await
            .map(drop)
    };
    refused(&unsigned, &["not signed"]).await?;
    let foreign = with_ssh(&stranger);
    let by_stranger: Vec<&str> = foreign.iter().map(String::as_str).collect();
    let other = commit(&world, "3", &by_stranger)?;
    world.request("Repository", "config").await?;
    refused(&other, &["SHA256:"]).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let web = world.ours("Application", "web").await?;
    ensure!(web.to_string().contains(&first), "{web}");

    // A signed commit on top vouches for what is below it.
    let good = commit(&world, "4", &by_ann)?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &good).await?;
    Ok(())
}

#[tokio::test]
async fn a_commit_signed_with_gpg_is_used_and_one_of_an_unknown_key_begins_to_count_with_its_key()
-> Result<()> {
    let world = World::with_access("gpg", Access::Open).await?;
    let home = tempfile::tempdir()?;
    let user = "Ann <ann@example.com>";
    gpg(
        home.path(),
        &["--quick-generate-key", user, "ed25519", "sign", "never"],
    )?;
    let public = gpg(home.path(), &["--armor", "--export", "ann@example.com"])?;
    let wrapper = home.path().join("sign");
    let script = format!(
        "#!/bin/sh\nexec gpg --batch --homedir {} --pinentry-mode loopback --passphrase '' \"$@\"\n",
        home.path().display()
    );
    std::fs::write(&wrapper, script)?;
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&wrapper, executable)?;
    let program = format!("gpg.program={}", wrapper.display());
    let sign = ["-c", &program, "-c", "user.signingKey=ann@example.com"];
    let keys = tempfile::tempdir()?;
    make_key(&keys.path().join("other"), "")?;
    let other = std::fs::read_to_string(keys.path().join("other.pub"))?;
    world.secret("signers", &[("other.pub", &other)]).await?;
    let first = commit(&world, "1", &sign)?;
    let source = json!({
        "interval": "1s",
        "serviceAccount": world::READER,
        "verify": { "secretRef": { "name": "signers" } },
    });
    world.repository(source).await?;
    world.application("web", "apps/web", json!({})).await?;
    world
        .wait_for_reason("Repository", "config", "SignatureRefused")
        .await?;
    world
        .wait_for_reason("Application", "web", "RepositoryNotReady")
        .await?;
    let public = String::from_utf8(public)?;
    world
        .secret("signers", &[("other.pub", &other), ("ann.asc", &public)])
        .await?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &first).await?;
    Ok(())
}

/// Tags the last commit and pushes the tag; `how` are the arguments that decide on its kind.
fn tag(world: &World, name: &str, sign: &[&str], how: &[&str]) -> Result<()> {
    let arguments = [sign, &["tag"], how, &[name]].concat();
    world.repo.git(&arguments)?;
    let name = format!("refs/tags/{name}");
    world.repo.git(&["push", "--quiet", "origin", &name])?;
    Ok(())
}

#[tokio::test]
async fn bad_b54_a_commit_waits_for_a_tag_that_a_named_key_signed_and_the_last_good_one_stays()
-> Result<()> {
    let world = World::with_access("tagged", Access::Open).await?;
    let keys = tempfile::tempdir()?;
    let (ann, stranger) = (keys.path().join("ann"), keys.path().join("stranger"));
    make_key(&ann, "")?;
    make_key(&stranger, "")?;
    let public = std::fs::read_to_string(keys.path().join("ann.pub"))?;
    world.secret("signers", &[("ann.pub", &public)]).await?;
    let (own, foreign) = (with_ssh(&ann), with_ssh(&stranger));
    let by_ann: Vec<&str> = own.iter().map(String::as_str).collect();
    let by_stranger: Vec<&str> = foreign.iter().map(String::as_str).collect();
    let signed = ["--sign", "--message", "Good"];

    let first = commit(&world, "1", &[])?;
    tag(&world, "v1", &by_ann, &signed)?;
    let source = json!({
        "interval": "1s",
        "serviceAccount": world::READER,
        "verify": { "mode": "Tag", "secretRef": { "name": "signers" } },
    });
    // A commit of the agent could never be used.
    let mut written = source.clone();
    written["write"] = json!({ "secretRef": { "name": "push" } });
    let refused = world.repository(written).await;
    let said = format!("{:#}", refused.err().context("it is taken")?);
    ensure!(said.contains("carries no signed tag"), "{said}");

    world.repository(source).await?;
    world.application("web", "apps/web", json!({})).await?;
    world.wait_until_synced("web", &first).await?;

    let second = commit(&world, "2", &[])?;
    let refused = async |words: &[&str]| {
        world.request("Repository", "config").await?;
        world
            .wait_for_ours("Repository", "config", "to refuse it", |live| {
                let said = message(live);
                let reason = live.to_string().contains("SignatureRefused");
                reason && said.contains(&second) && words.iter().all(|word| said.contains(word))
            })
            .await
            .map(drop)
    };
    refused(&["no tag points to it"]).await?;
    tag(&world, "light", &[], &[])?;
    refused(&["`light`", "lightweight"]).await?;
    tag(&world, "odd", &by_stranger, &signed)?;
    refused(&["`odd`", "SHA256:"]).await?;
    wait_for_value(&world, "web", Some("1")).await?;
    let web = world.ours("Application", "web").await?;
    ensure!(web.to_string().contains(&first), "{web}");

    tag(&world, "v2", &by_ann, &signed)?;
    world.request("Repository", "config").await?;
    world.wait_until_synced("web", &second).await?;
    wait_for_value(&world, "web", Some("2")).await?;
    Ok(())
}
