//! Where the real programs are: named by the environment that `cargo xtask` sets.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};

/// A program of the control plane or one of its files (`kwok-stages.yaml`).
pub fn control_plane(name: &str) -> Result<PathBuf> {
    existing(folder("SYNCLINE_BIN_DIR", "control-plane")?.join(name))
}

/// The renderer that the agent starts.
pub fn renderer() -> Result<PathBuf> {
    match std::env::var_os("SYNCLINE_RENDERER") {
        Some(path) => existing(path.into()),
        None => existing(newest("renderer")?.join("syncline-renderer")),
    }
}

/// Helm's program.
pub fn helm() -> Result<PathBuf> {
    match std::env::var_os("SYNCLINE_HELM") {
        Some(path) => existing(path.into()),
        None => existing(newest("helm")?.join("helm")),
    }
}

/// Kustomize's program.
pub fn kustomize() -> Result<PathBuf> {
    match std::env::var_os("SYNCLINE_KUSTOMIZE") {
        Some(path) => existing(path.into()),
        None => existing(newest("kustomize")?.join("kustomize")),
    }
}

/// The folder of Gitea's program `gitea` and of the files that it reads.
pub fn gitea() -> Result<PathBuf> {
    match std::env::var_os("SYNCLINE_GITEA_DIR") {
        Some(path) => existing(path.into()),
        None => newest("gitea"),
    }
}

/// The registry program.
pub fn registry() -> Result<PathBuf> {
    match std::env::var_os("SYNCLINE_REGISTRY_BIN") {
        Some(path) => existing(path.into()),
        None => control_plane("registry"),
    }
}

/// The SSH server, which the system keeps off the path of a person.
pub fn sshd() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SYNCLINE_SSHD") {
        return existing(path.into());
    }
    let usual = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].map(PathBuf::from);
    let found = usual.into_iter().find(|path| path.is_file());
    found.context(
        "no `sshd`: run `apt-get update && apt-get install -y --no-install-recommends \
         openssh-server`, or name one in SYNCLINE_SSHD",
    )
}

/// The agent's program: `SYNCLINE_AGENT`, or built here by `cargo build`.
pub fn agent() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(path) = std::env::var_os("SYNCLINE_AGENT") {
        return existing(path.into());
    }
    BUILT
        .get_or_init(|| build_agent().map_err(|e| format!("{e:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

/// The root of the repository.
pub fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package has a parent folder")
}

fn build_agent() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo)
        .args([
            "build",
            "--package",
            "syncline",
            "--bin",
            "syncline",
            "--features=failpoints",
            "--message-format=json",
        ])
        .current_dir(repository_root())
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("run cargo build")?;
    for line in out.stdout.split(|byte| *byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(line) else {
            continue;
        };
        if message["target"]["name"] == "syncline"
            && let Some(path) = message["executable"].as_str()
        {
            return existing(path.into());
        }
    }
    bail!("cargo build --package syncline made no program")
}

fn folder(variable: &str, kind: &str) -> Result<PathBuf> {
    match std::env::var_os(variable) {
        Some(path) => Ok(path.into()),
        None => Ok(newest(kind)?.join("bin")),
    }
}

/// The build of a kind that was made last, for tests that are run without `cargo xtask`.
fn newest(kind: &str) -> Result<PathBuf> {
    let cache = match std::env::var_os("SYNCLINE_CACHE") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?)
            .join(".cache/syncline"),
    };
    let folder = cache.join(kind);
    let builds = std::fs::read_dir(&folder)
        .ok()
        .into_iter()
        .flatten()
        .flatten();
    builds
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .filter(|(_, path)| path.is_dir())
        .max()
        .map(|(_, path)| path)
        .with_context(|| format!("nothing in {}; run `cargo xtask tools`", folder.display()))
}

fn existing(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path);
    }
    bail!("{} does not exist; run `cargo xtask tools`", path.display())
}
