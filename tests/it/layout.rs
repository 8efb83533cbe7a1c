//! The image of the agent, laid out as the last stage of its Dockerfile does it, and run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use syncline_tests::process::state_folder;
use syncline_tests::programs::{self, repository_root};
use syncline_tests::world::DEADLINE;
use syncline_tests::{AgentSettings, World};

use crate::lifecycle_setup::turn;

/// The shared libraries of the base image `gcr.io/distroless/cc-debian12`: glibc and what the
/// compiler's runtime needs. There is no zlib, no OpenSSL and no SQLite among them.
const LIBRARIES: [&str; 9] = [
    "linux-vdso.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "libc.so.6",
    "libm.so.6",
    "libgcc_s.so.1",
    "libpthread.so.0",
    "libdl.so.2",
    "librt.so.1",
];

/// The last stage of the Dockerfile.
struct Stage {
    base: String,
    /// Stage, path there, path in the image.
    copies: Vec<(String, String, String)>,
    entrypoint: Vec<String>,
    command: Vec<String>,
    user: String,
}

fn dockerfile() -> Result<String> {
    let file = repository_root().join("deploy/Dockerfile");
    let text = std::fs::read_to_string(file)?;
    Ok(text.replace("\\\n", " "))
}

/// Reads the last stage; an instruction that this test does not know fails it.
fn last_stage(text: &str) -> Result<Stage> {
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let begin = lines
        .iter()
        .rposition(|line| line.starts_with("FROM "))
        .context("no FROM")?;
    let mut stage = Stage {
        base: lines[begin]["FROM ".len()..].to_owned(),
        copies: Vec::new(),
        entrypoint: Vec::new(),
        command: Vec::new(),
        user: String::new(),
    };
    for line in &lines[begin + 1..] {
        let (instruction, rest) = line
            .split_once(' ')
            .context("an instruction without more")?;
        match instruction {
            "COPY" => {
                let words: Vec<&str> = rest.split_whitespace().collect();
                let [from, source, target] = words[..] else {
                    bail!("{line:?} is not of the form `COPY --from=STAGE SOURCE TARGET`");
                };
                let from = from
                    .strip_prefix("--from=")
                    .context("COPY of the checkout")?;
                let copy = (from.to_owned(), source.to_owned(), target.to_owned());
                stage.copies.push(copy);
            }
            "ENTRYPOINT" => stage.entrypoint = serde_json::from_str(rest)?,
            "CMD" => stage.command = serde_json::from_str(rest)?,
            "USER" => rest.clone_into(&mut stage.user),
            _ => bail!("the last stage has {line:?}, which this test does not lay out"),
        }
    }
    Ok(stage)
}

/// Copies what the last stage copies below `root`, each program from where it is built here.
fn lay_out(stage: &Stage, text: &str, root: &Path) -> Result<()> {
    let built: BTreeMap<(&str, &str), PathBuf> = BTreeMap::from([
        (("agent", "/out/syncline"), programs::agent()?),
        (
            ("renderer", "/out/syncline-renderer"),
            programs::renderer()?,
        ),
    ]);
    for (from, source, target) in &stage.copies {
        let program = built
            .get(&(from.as_str(), source.as_str()))
            .with_context(|| format!("{source} of the stage {from} is not built here"))?;
        let stages: Vec<&str> = text.split("\nFROM ").collect();
        let made = stages
            .iter()
            .find(|stage| {
                let first = stage.lines().next().unwrap_or_default();
                first.ends_with(&format!(" AS {from}"))
            })
            .with_context(|| format!("there is no stage {from}"))?;
        ensure!(made.contains(source), "the stage {from} makes no {source}");
        let target = root.join(target.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().context("a path without a folder")?)?;
        std::fs::copy(program, &target)?;
    }
    Ok(())
}

#[test]
fn the_programs_of_the_image_need_no_library_that_its_base_does_not_have() -> Result<()> {
    let text = dockerfile()?;
    let stage = last_stage(&text)?;
    ensure!(
        stage.base.starts_with("gcr.io/distroless/cc-debian12"),
        "the base is {}: correct the list of its libraries here",
        stage.base
    );
    ensure!(
        stage
            .user
            .split(':')
            .all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)),
        "the user {:?} is not a number: Kubernetes could not see that it is not root",
        stage.user
    );
    let folder = state_folder("libraries")?;
    lay_out(&stage, &text, folder.path())?;
    for (_, _, target) in &stage.copies {
        let program = folder.path().join(target.trim_start_matches('/'));
        let out = Command::new("ldd").arg(&program).output().context("ldd")?;
        let listed = String::from_utf8(out.stdout)? + &String::from_utf8(out.stderr)?;
        if listed.contains("not a dynamic executable") || listed.contains("statically linked") {
            continue;
        }
        ensure!(out.status.success(), "ldd {target}: {listed}");
        for line in listed.lines() {
            let library = line.split_whitespace().next().unwrap_or_default();
            let name = library.rsplit('/').next().unwrap_or_default();
            ensure!(
                LIBRARIES.contains(&name),
                "{target} needs {name}, which {} does not have",
                stage.base
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_laid_out_image_deploys_a_kustomization() -> Result<()> {
    let text = dockerfile()?;
    let stage = last_stage(&text)?;
    let folder = state_folder("image")?;
    let root = folder.path();
    lay_out(&stage, &text, root)?;
    ensure!(stage.command == ["agent"], "CMD is {:?}", stage.command);
    let [program] = &stage.entrypoint[..] else {
        bail!("ENTRYPOINT is {:?}", stage.entrypoint);
    };
    let program = root.join(program.trim_start_matches('/'));
    ensure!(program.exists(), "ENTRYPOINT names no file of the image");

    let turn = turn().await?;
    // The settings of the installation; only its addresses and its folder are this test's own.
    let settings = repository_root().join("deploy/base/agent.yaml");
    let world = World::with_agent("image-layout", turn.control_plane, |agent| {
        AgentSettings {
            program: Some(program),
            ..agent
        }
        .flag(&format!("--config={}", settings.display()))
    })
    .await?;
    let files = [
        (
            "app/kustomization.yaml",
            "namePrefix: big-\nresources: [a.yaml]\nconfigMapGenerator:\n- name: made\n  literals: [a=b]\n",
        ),
        (
            "app/a.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        ),
    ];
    let commit = world.repo.commit(&files, "Start")?;
    world.repository(json!({})).await?;
    world.application("app", "app", json!({})).await?;
    world.wait_until_synced("app", &commit).await?;
    ensure!(world.exists("v1", "ConfigMap", "big-a").await?);
    ensure!(world.agent().terminate(DEADLINE)?.success());
    Ok(())
}
