//! Programs of the machine that only some checks need: found, or installed by apt-get as root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::run::Step;
use crate::tools::works;

/// A program, where it may be, and the package of Debian that has it.
pub(crate) struct Program {
    /// What it is and what for.
    what: &'static str,
    /// Variable of the environment that names it.
    variable: &'static str,
    /// What it may be called.
    names: &'static [&'static str],
    /// Folders beside those of `PATH`.
    folders: &'static [&'static str],
    package: &'static str,
}

/// A browser for the tests of the web UI.
pub(crate) const CHROMIUM: Program = Program {
    what: "Chromium for the browser tests",
    variable: "SYNCLINE_CHROMIUM",
    names: &[
        "chromium",
        "chromium-browser",
        "google-chrome",
        "chromium-headless-shell",
    ],
    folders: &[],
    package: "chromium",
};

/// A server for the tests of Git over SSH.
pub(crate) const SSHD: Program = Program {
    what: "`sshd` for the tests of SSH",
    variable: "SYNCLINE_SSHD",
    names: &["sshd"],
    // Who is not root has them rarely in the `PATH`.
    folders: &["/usr/sbin", "/usr/local/sbin"],
    package: "openssh-server",
};

/// A server for the tests and the bench of the history.
pub(crate) const POSTGRES: Program = Program {
    what: "`postgres` for the tests of the history",
    variable: "SYNCLINE_POSTGRES",
    names: &["postgres"],
    // Debian keeps it off the `PATH`, each version in a folder of its own.
    folders: &[
        "/usr/lib/postgresql/18/bin",
        "/usr/lib/postgresql/17/bin",
        "/usr/lib/postgresql/16/bin",
        "/usr/lib/postgresql/15/bin",
    ],
    package: "postgresql",
};

impl Program {
    /// Where it is; installed by apt-get where that is possible.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        if let Some(found) = self.find() {
            return Ok(found);
        }
        let (what, package) = (self.what, self.package);
        let root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|out| out.stdout == b"0\n");
        if root && works("apt-get", &["--version"]) {
            let steps: [&[&str]; 2] = [
                &["update", "-q"],
                &["install", "-q", "-y", "--no-install-recommends", package],
            ];
            for arguments in steps {
                let step = Step::new("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive");
                step.build(&format!("{what} (apt-get)"))?;
            }
        }
        match self.find() {
            Some(found) => Ok(found),
            None => bail!(
                "no {what}: run `apt-get update && apt-get install -y --no-install-recommends \
                 {package}`, or name one in {}",
                self.variable
            ),
        }
    }

    fn find(&self) -> Option<PathBuf> {
        if let Some(named) = std::env::var_os(self.variable) {
            return Some(named.into());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = std::env::split_paths(&path)
            .chain(
                self.folders
                    .iter()
                    .map(|folder| Path::new(folder).to_owned()),
            )
            .collect();
        self.names.iter().find_map(|name| {
            folders
                .iter()
                .map(|folder| folder.join(name))
                .find(|program| program.is_file())
        })
    }
}
