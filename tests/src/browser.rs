//! The web UI in a real browser: scripts of `web-ui/app/e2e` that `node` runs and that drive Chromium.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::programs;

/// A script that signs in with a one-time link, not yet run.
pub fn script(name: &str, link: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(format!("e2e/{name}.mjs"))
        .current_dir(programs::repository_root().join("web-ui/app"))
        .env("SYNCLINE_UI_URL", link);
    node
}

/// Runs a script to its end and answers with what it printed; fails with that where it found a fault.
pub async fn run(script: Command) -> Result<String> {
    let mut node = tokio::process::Command::from(script);
    let out = node.kill_on_drop(true).output().await;
    let out = out.context("run node, which the browser tests need")?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(
        out.status.success(),
        "the browser is not content:\n{said}{errors}"
    );
    Ok(said)
}
