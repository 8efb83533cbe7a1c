//! `syncline diff` against a real API server: what it finds, what it never shows, how it ends.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use syncline_tests::git_server::git;
use syncline_tests::{World, objects, programs};

use crate::deploy::{config_map, deploy};
use crate::render_cli::syncline;

const CANARIES: [&str; 2] = ["canary-first-value", "canary-second-value"];

fn secret(password: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: login\nstringData:\n  password: {password}\n"
    )
}

/// The folder of a person who works on the repository of a world.
struct Desk {
    folder: tempfile::TempDir,
    kubeconfig: String,
    application: String,
}

impl Desk {
    fn of(world: &World, files: &[(&str, &str)]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join(".git"))?;
        let desk = Self {
            folder,
            kubeconfig: world
                .control_plane()
                .admin_kubeconfig()
                .display()
                .to_string(),
            application: format!("{}/app", world.namespace),
        };
        files
            .iter()
            .try_for_each(|(path, text)| desk.write(path, text))?;
        Ok(desk)
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        Ok(std::fs::write(path, text)?)
    }

    fn run(&self, more: &[&str]) -> Result<Output> {
        let all = ["diff", "--kubeconfig", &self.kubeconfig];
        syncline(self.folder.path(), &[&all[..], more].concat())
    }

    /// What it prints where it ends with a code.
    fn diff(&self, code: i32, more: &[&str]) -> Result<String> {
        let with = ["--path", "app", "--application", &self.application];
        let out = self.run(&[&with[..], more].concat())?;
        let text = String::from_utf8(out.stdout)?;
        let said = String::from_utf8(out.stderr)?;
        ensure!(
            out.status.code() == Some(code),
            "{}: {text}{said}",
            out.status
        );
        for canary in CANARIES {
            for shown in [canary.to_owned(), STANDARD.encode(canary)] {
                ensure!(
                    !text.contains(&shown) && !said.contains(&shown),
                    "{text}{said}"
                );
            }
        }
        Ok(text + &said)
    }
}

fn ensure_says(text: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        ensure!(text.contains(part), "{part:?} is not in\n{text}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_sync_would_change_is_what_is_shown() -> Result<()> {
    let world = World::new("diff-changes").await?;
    let (map, old, login) = (
        config_map("map", "1"),
        config_map("old", "1"),
        secret(CANARIES[0]),
    );
    let files = [
        ("app/map.yaml", map.as_str()),
        ("app/old.yaml", &old),
        ("app/login.yaml", &login),
    ];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    let desk = Desk::of(&world, &files)?;
    let same = desk.diff(0, &[])?;
    ensure_says(&same, &["0 create, 0 update, 0 prune, 0 skip, 3 unchanged"])?;
    ensure_says(
        &desk.diff(0, &["--show-unchanged"])?,
        &["unchanged ConfigMap"],
    )?;

    desk.write("app/map.yaml", &config_map("map", "2"))?;
    desk.write("app/login.yaml", &secret(CANARIES[1]))?;
    desk.write("app/new.yaml", &config_map("new", "1"))?;
    std::fs::remove_file(desk.folder.path().join("app/old.yaml"))?;
    let text = desk.diff(1, &[])?;
    ensure_says(
        &text,
        &[
            "data.key: \"1\" -> \"2\"",
            "data.password: \"(hidden, ",
            "# app/map.yaml:1",
            "/new  # app/new.yaml:1",
            "prune     ConfigMap",
            "1 create, 2 update, 1 prune, 0 skip, 0 unchanged",
        ],
    )?;
    let out = desk.diff(1, &["-o", "json", "--server-dry-run", "--as-account"])?;
    let json: Value = serde_json::from_str(&out)?;
    ensure!(
        json["summary"] == json!({"create": 1, "update": 2, "prune": 1, "skip": 0, "unchanged": 0}),
        "{json:#}"
    );
    // Nothing was written.
    ensure!(
        !world.exists("v1", "ConfigMap", "new").await?,
        "it was made"
    );
    ensure!(
        world.get("v1", "ConfigMap", "map").await?["data"]["key"] == "1",
        "it was changed"
    );
    Ok(())
}

#[tokio::test]
async fn drift_shows_and_without_an_application_the_objects_say_whose_they_are() -> Result<()> {
    let world = World::new("diff-drift").await?;
    let files = [("app/map.yaml", config_map("map", "1"))];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    deploy(
        &world,
        &files,
        &[("app", "app", json!({"sync": {"selfHeal": false}}))],
    )
    .await?;
    let desk = Desk::of(&world, &files)?;
    let bare = ["--path", "app", "-n", &world.namespace, "--name", "guess"];
    let out = desk.run(&bare)?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(
        out.status.code() == Some(0),
        "{}{said}",
        String::from_utf8_lossy(&out.stdout)
    );
    ensure_says(
        &said,
        &[&format!("compared as application {}/app", world.namespace)],
    )?;
    world
        .edit(
            "v1",
            "ConfigMap",
            "map",
            &json!({"data": {"key": "by hand"}}),
        )
        .await?;
    ensure_says(&desk.diff(1, &[])?, &["DriftFound"])?;
    let out = desk.run(&bare)?;
    ensure!(
        out.status.code() == Some(1),
        "{}",
        String::from_utf8_lossy(&out.stdout)
    );
    ensure_says(
        &String::from_utf8(out.stdout)?,
        &["data.key: \"by hand\" -> \"1\""],
    )?;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_applied_is_named_with_its_reason() -> Result<()> {
    let world = World::new("diff-refused").await?;
    let map = config_map("map", "1");
    let files = [("other/map.yaml", map.as_str())];
    deploy(&world, &files, &[("other", "other", json!({}))]).await?;
    world
        .application("app", "app", json!({"suspend": {"reason": "later"}}))
        .await?;
    let unknown = "apiVersion: example.com/v1\nkind: Nothing\nmetadata:\n  name: x\n";
    let desk = Desk::of(
        &world,
        &[
            ("app/map.yaml", &config_map("map", "2")),
            ("app/x.yaml", unknown),
        ],
    )?;
    let text = desk.diff(1, &[])?;
    ensure_says(
        &text,
        &[
            "OwnedBy",
            "belongs to application",
            "UnknownKind",
            "0 create, 0 update",
        ],
    )?;
    desk.write("app/map.yaml", "a: [\n")?;
    ensure_says(&desk.diff(2, &[])?, &["WHERE", "app/map.yaml:"])?;
    Ok(())
}

#[tokio::test]
async fn without_rights_or_without_a_server_it_ends_with_2_and_says_which() -> Result<()> {
    let world = World::new("diff-rights").await?;
    let map = config_map("map", "1");
    let files = [("app/map.yaml", map.as_str())];
    deploy(&world, &files, &[("app", "app", json!({}))]).await?;
    let mut desk = Desk::of(&world, &files)?;
    let nobody = world
        .control_plane()
        .kubeconfig(&format!("nobody-{}", world.namespace))?;
    desk.kubeconfig = nobody.display().to_string();
    let out = desk.run(&["--path", "app", "-n", &world.namespace])?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(out.status.code() == Some(2), "{said}");
    ensure_says(&said, &["WHERE", "configmaps", "cannot get"])?;

    // Who may only read the namespace sees the same, judged field by field.
    let reader = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "view"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io",
                      "name": format!("nobody-{}", world.namespace)}],
    });
    world.apply(&reader).await?;
    let out = desk.run(&["--path", "app", "-n", &world.namespace])?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(
        out.status.code() == Some(0),
        "{}{said}",
        String::from_utf8_lossy(&out.stdout)
    );
    ensure_says(&said, &["field by field"])?;
    desk.write("app/map.yaml", &config_map("map", "2"))?;
    let out = desk.run(&["--path", "app", "-n", &world.namespace])?;
    let text = String::from_utf8(out.stdout)?;
    ensure!(out.status.code() == Some(1), "{text}");
    ensure_says(&text, &["data.key: \"1\" -> \"2\""])?;

    let text = std::fs::read_to_string(world.control_plane().admin_kubeconfig())?;
    let mut config = objects::documents(&text)?.remove(0);
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1".into();
    desk.write("kubeconfig", &config.to_string())?;
    desk.kubeconfig = "kubeconfig".to_owned();
    let out = desk.run(&["--path", "app"])?;
    let said = String::from_utf8(out.stderr)?;
    ensure!(
        out.status.code() == Some(2) && !said.contains("panicked"),
        "{said}"
    );
    ensure_says(&said, &["ApiUnavailable"])?;
    Ok(())
}

#[tokio::test]
async fn the_commit_of_a_reference_is_compared_from_a_clone_or_fetched() -> Result<()> {
    let world = World::new("diff-reference").await?;
    let map = config_map("map", "1");
    deploy(
        &world,
        &[("app/map.yaml", &map)],
        &[("app", "app", json!({}))],
    )
    .await?;
    let desk = Desk::of(&world, &[])?;
    let clone = desk.folder.path().join("clone");
    let path = clone.display().to_string();
    git(
        desk.folder.path(),
        &["clone", "--quiet", &world.repo.clone_url(), &path],
    )?;
    git(&clone, &["switch", "--quiet", "--create", "topic"])?;
    let late = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: late\n  annotations:\n    \
                syncline.dev/wave: \"2\"\n";
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: migrate\n  annotations:\n    \
                syncline.dev/hook: before\n";
    let two = config_map("map", "2");
    for (name, text) in [("map", two.as_str()), ("late", late), ("migrate", hook)] {
        std::fs::write(clone.join(format!("app/{name}.yaml")), text)?;
    }
    git(&clone, &["add", "--all"])?;
    git(&clone, &["commit", "--quiet", "--message", "Topic"])?;
    let topic = git(&clone, &["rev-parse", "HEAD"])?;
    git(&clone, &["push", "--quiet", "origin", "topic"])?;
    git(&clone, &["switch", "--quiet", "main"])?;

    let cache = tempfile::tempdir()?;
    let run = |folder: &Path, more: &[&str], code: i32| -> Result<String> {
        let with = ["diff", &desk.application, "--kubeconfig", &desk.kubeconfig];
        let mut command = std::process::Command::new(programs::agent()?);
        command.args(with).args(more).current_dir(folder);
        command.env("SYNCLINE_RENDERER", programs::renderer()?);
        let out = command.env("XDG_CACHE_HOME", cache.path()).output()?;
        let said = String::from_utf8(out.stdout)? + &String::from_utf8(out.stderr)?;
        ensure!(out.status.code() == Some(code), "{}: {said}", out.status);
        Ok(said)
    };
    let changed = [
        "hook      before ConfigMap",
        "update    ConfigMap",
        "data.key: \"1\" -> \"2\"",
        "/late  (wave 2)  # app/late.yaml:1",
        "1 create, 1 update, 0 prune",
    ];
    let here = desk.folder.path();
    for reference in ["topic", "refs/heads/topic", topic.trim(), &topic[..8]] {
        let found = run(&clone, &["--ref", reference], 1)?;
        ensure_says(&found, &changed)?;
        ensure_says(&found, &[&topic[..7], "\"Topic\"", "from the clone"])?;
        let named = run(here, &["--ref", reference, "--repo", &path], 1)?;
        ensure_says(&named, &changed)?;
        ensure_says(&run(here, &["--ref", reference, "--fetch"], 1)?, &changed)?;
    }
    let same = run(&clone, &["--ref", "main"], 0)?;
    ensure_says(&same, &["0 create, 0 update, 0 prune"])?;
    let json = run(&clone, &["--ref", "topic", "-o", "json"], 1)?;
    ensure_says(&json, &["\"commit\"", topic.trim()])?;

    // What is not there, or not here, is said as such.
    let missing = run(&clone, &["--ref", "nowhere"], 2)?;
    ensure_says(&missing, &["git.ref", "`nowhere`", "`git fetch`"])?;
    let missing = run(here, &["--ref", "nowhere", "--fetch"], 2)?;
    ensure_says(&missing, &["git.ref", "`nowhere`"])?;
    git(&clone, &["tag", "topic", "main"])?;
    let several = run(&clone, &["--ref", "topic"], 2)?;
    ensure_says(&several, &["`refs/heads/topic` and `refs/tags/topic`"])?;
    let elsewhere = run(here, &["--ref", "topic"], 2)?;
    ensure_says(&elsewhere, &["`--repo FOLDER`", "`--fetch`"])?;
    Ok(())
}
