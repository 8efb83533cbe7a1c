//! The command line: what it prints, and how it says that it cannot start.

use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use syncline_tests::process::{free_port, state_folder};
use syncline_tests::programs::{self, repository_root};
use syncline_tests::{World, objects};

/// Runs the program without the settings of the person who runs the tests.
fn syncline(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(programs::agent()?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SYNCLINE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).output().context("run the program")
}

fn printed(arguments: &[&str]) -> Result<String> {
    let out = syncline(arguments)?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{arguments:?}: {errors}");
    Ok(String::from_utf8(out.stdout)?)
}

/// What it says on its way out; fails where it ends well or prints to its output.
fn complaint(arguments: &[&str]) -> Result<String> {
    let out = syncline(arguments)?;
    ensure!(!out.status.success(), "{arguments:?} ended well");
    ensure!(
        out.stdout.is_empty(),
        "{arguments:?} printed {}",
        String::from_utf8_lossy(&out.stdout)
    );
    Ok(String::from_utf8(out.stderr)?)
}

#[test]
fn an_agent_that_cannot_start_says_which_setting_is_wrong() -> Result<()> {
    let folder = state_folder("settings")?;
    let file = |name: &str, text: &str| -> Result<String> {
        let file = folder.path().join(name);
        std::fs::write(&file, text)?;
        Ok(file.display().to_string())
    };
    let unknown = file("unknown.yaml", "sync_workers: 2\nsync_wrokers: 3\n")?;
    let list = file("list.yaml", "- sync_workers\n")?;
    let nested = file("nested.yaml", "log: {level: debug}\n")?;
    let wrong = file("wrong.yaml", "registry_timeout: soon\n")?;
    let garbage = file("kubeconfig", "this is: [not\n")?;
    let none = folder.path().join("none").display().to_string();
    // Nothing is bound or read for these: they end before.
    let begin = ["agent", "--ui-listen", "127.0.0.1:0"];
    let others = [
        "--webhook-listen",
        "127.0.0.1:0",
        "--metrics-listen",
        "127.0.0.1:0",
    ];
    let cases: [(&[&str], &[&str]); 12] = [
        (&["--sync-wrokers", "3"], &["--sync-wrokers"]),
        (&["--config", &unknown], &["unknown.yaml", "`sync_wrokers`"]),
        (&["--config", &list], &["list.yaml", "map"]),
        (&["--config", &nested], &["nested.yaml", "`log`"]),
        (&["--config", &wrong], &["--registry-timeout", "soon"]),
        (&["--config", &none], &["settings file", &none]),
        (&["--kubeconfig", &none], &["kubeconfig", &none]),
        (&["--kubeconfig", &garbage], &["kubeconfig", &garbage]),
        (&["--sync-workers", "0"], &["--sync-workers", "1"]),
        (&["--sync-workers", "many"], &["--sync-workers", "many"]),
        (&["--lease-retry", "1h"], &["--lease-retry"]),
        (&["--log", "syncline=loud"], &["--log", "syncline=loud"]),
    ];
    for (arguments, words) in cases {
        let all: Vec<&str> = [&begin[..], &others[..], arguments].concat();
        let said = complaint(&all)?;
        for word in words {
            ensure!(
                said.contains(word),
                "{arguments:?}: {word:?} is not in {said:?}"
            );
        }
        ensure!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
    Ok(())
}

#[test]
fn the_web_ui_listens_on_loopback_only() -> Result<()> {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let said = complaint(&["agent", "--ui-listen", address])?;
        ensure!(
            said.contains("--ui-listen") && said.contains(address) && said.contains("loopback"),
            "it said {said:?}"
        );
    }
    Ok(())
}

#[test]
fn an_address_in_use_is_named_with_its_flag() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let free = format!("127.0.0.1:{}", free_port()?);
    let said = complaint(&[
        "agent",
        "--ui-listen",
        &free,
        "--webhook-listen",
        &address,
        "--metrics-listen",
        "127.0.0.1:0",
    ])?;
    ensure!(
        said.contains("--webhook-listen") && said.contains(&address),
        "it said {said:?}"
    );
    Ok(())
}

#[test]
fn every_reason_is_explained_and_an_unknown_one_is_guessed() -> Result<()> {
    let table = printed(&["reasons"])?;
    ensure!(
        table == std::fs::read_to_string(repository_root().join("docs/reasons.md"))?,
        "docs/reasons.md is not what `syncline reasons` prints"
    );
    let held = printed(&["explain", "PruneHeld"])?;
    ensure!(
        held.starts_with("PruneHeld\n") && held.contains("What to do:"),
        "{held}"
    );
    let syntax = printed(&["explain", "yaml.syntax"])?;
    ensure!(syntax.starts_with("YamlSyntax\n"), "{syntax}");
    let out = syncline(&["explain", "held"])?;
    ensure!(out.status.code() == Some(4), "it ended with {}", out.status);
    let said = String::from_utf8(out.stderr)?;
    ensure!(
        said.contains("`held`") && said.contains("PruneHeld"),
        "{said}"
    );
    Ok(())
}

#[test]
fn the_definitions_of_the_kinds_are_those_of_the_installation() -> Result<()> {
    let all = objects::documents(&printed(&["crds"])?)?;
    let names: Vec<&str> = all
        .iter()
        .filter_map(|definition| definition["spec"]["names"]["plural"].as_str())
        .collect();
    ensure!(names.len() == 3, "{names:?}");
    for plural in names {
        let one = printed(&["crds", plural])?;
        let file = repository_root().join(format!("config/crd/syncline.dev_{plural}.yaml"));
        let kept = objects::read_documents(&file)?;
        ensure!(
            objects::documents(&one)? == kept,
            "{} is not what `syncline crds {plural}` prints",
            file.display()
        );
    }
    let said = complaint(&["crds", "pods"])?;
    ensure!(said.contains("imagepolicies"), "{said}");
    Ok(())
}

#[test]
fn every_setting_is_in_the_help_the_table_and_the_documented_file() -> Result<()> {
    let table = printed(&["settings"])?;
    ensure!(
        table == std::fs::read_to_string(repository_root().join("docs/settings.md"))?,
        "docs/settings.md is not what `syncline settings` prints"
    );
    let help = printed(&["agent", "--help"])?;
    let file = std::fs::read_to_string(repository_root().join("config/agent.yaml"))?;
    let flags: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `--")?.split('`').next())
        .collect();
    ensure!(flags.len() > 30, "only {} flags", flags.len());
    for flag in flags {
        ensure!(help.contains(&format!("--{flag} <")), "--{flag}: no help");
        let key = format!("{}:", flag.replace('-', "_"));
        let there = file
            .lines()
            .any(|line| line.trim_start_matches("# ").starts_with(&key));
        ensure!(there || flag == "config", "config/agent.yaml has no {key}");
    }
    Ok(())
}

#[tokio::test]
async fn syncline_link_prints_the_link_of_the_agent_with_that_data_folder() -> Result<()> {
    let world = World::new("cli-link").await?;
    let data = world.agent().data_folder().display().to_string();
    let link = printed(&["link", "--data-dir", &data])?;
    let start = format!("{}?token=", world.agent().ui_url("/login"));
    ensure!(link.starts_with(&start), "{link:?} is not {start}...");
    ensure!(link.trim().len() >= start.len() + 32, "the token is short");

    let mode = {
        use std::os::unix::fs::PermissionsExt as _;
        let file = world.agent().data_folder().join("addresses.json");
        std::fs::metadata(file)?.permissions().mode() & 0o777
    };
    ensure!(mode == 0o600, "others may read the link: {mode:o}");
    let said = complaint(&["link", "--data-dir", "/nowhere"])?;
    ensure!(said.contains("/nowhere"), "{said}");
    Ok(())
}

#[test]
fn the_version_is_that_of_the_workspace() -> Result<()> {
    let version = printed(&["--version"])?;
    ensure!(
        version.trim() == format!("syncline {}", env!("CARGO_PKG_VERSION")),
        "{version:?}"
    );
    Ok(())
}
