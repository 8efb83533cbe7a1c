//! The folder of what was built, outside the checkout: one folder for each kind and key.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::run::repository_root;

/// The cache. While it is open no other run builds into it.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
    lock: File,
}

/// A hash over everything that a build depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Key(Sha256);

impl Cache {
    /// Opens the cache at `SYNCLINE_CACHE`, or else below the user's cache folder.
    pub(crate) fn open() -> Result<Self> {
        let named = std::env::var_os("SYNCLINE_CACHE").map(PathBuf::from);
        let root = match (
            named,
            std::env::var_os("XDG_CACHE_HOME"),
            std::env::var_os("HOME"),
        ) {
            (Some(named), _, _) => std::path::absolute(named)?,
            (None, Some(cache), _) => PathBuf::from(cache).join("syncline"),
            (None, None, Some(home)) => PathBuf::from(home).join(".cache/syncline"),
            (None, None, None) => anyhow::bail!("neither SYNCLINE_CACHE nor HOME is set"),
        };
        std::fs::create_dir_all(&root).with_context(|| format!("make {}", root.display()))?;
        let lock = File::create(root.join("lock")).context("open the lock of the cache")?;
        let cache = Self { root, lock };
        cache.hand_over_target(repository_root())?;
        Ok(cache)
    }

    /// Its folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub(crate) fn cargo_target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), |named| run_relative(&named))
    }

    /// Makes cargo build the crates of this repository anew where another checkout has built last:
    /// cargo tells two checkouts apart only by the times of their files. Dependencies stay.
    fn hand_over_target(&self, checkout: &Path) -> Result<()> {
        let target = self.cargo_target();
        let marker = target.join("checkout");
        let this = checkout.display().to_string();
        let last = std::fs::read_to_string(&marker).unwrap_or_default();
        if last == this {
            return Ok(());
        }
        let _guard = self.lock()?;
        let fingerprints =
            ["debug", "release"].map(|profile| target.join(profile).join(".fingerprint"));
        let entries = fingerprints.iter().flat_map(std::fs::read_dir).flatten();
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if name.starts_with("syncline") || name.starts_with("xtask") {
                remove_all(&path)?;
            }
        }
        std::fs::create_dir_all(&target)?;
        std::fs::write(&marker, this).with_context(|| format!("write {}", marker.display()))
    }

    /// The folder of a kind and key; `build` fills it if it is not there. A build that fails or is
    /// interrupted leaves nothing behind that looks complete.
    pub(crate) fn get_or_build(
        &self,
        kind: &str,
        key: Key,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.root.join(kind).join(key.finish());
        if folder.exists() {
            return Ok(folder);
        }
        let _guard = self.lock()?;
        if folder.exists() {
            return Ok(folder);
        }
        let unfinished = self.root.join(kind).join("unfinished");
        remove_all(&unfinished)?;
        std::fs::create_dir_all(&unfinished)?;
        build(&unfinished)?;
        std::fs::rename(&unfinished, &folder)
            .with_context(|| format!("finish {}", folder.display()))?;
        Ok(folder)
    }

    /// Waits until no other run builds into the cache.
    pub(crate) fn lock(&self) -> Result<Guard<'_>> {
        if self.lock.try_lock().is_err() {
            println!(
                "waiting for another run that builds into {}",
                self.root.display()
            );
            self.lock.lock().context("lock the cache")?;
        }
        Ok(Guard(&self.lock))
    }
}

/// Holds the lock of the cache.
#[derive(Debug)]
pub(crate) struct Guard<'a>(&'a File);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // The end of the process releases it as well.
        let _ = self.0.unlock();
    }
}

impl Key {
    /// Adds a piece of text, with its length so that pieces cannot run together.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// Adds a file: its name below `root` and its content.
    pub(crate) fn file(self, root: &Path, file: &Path) -> Result<Self> {
        let content = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy();
        let mut this = self.text(&name);
        this.0.update((content.len() as u64).to_le_bytes());
        this.0.update(content);
        Ok(this)
    }

    /// Adds all files of a folder that `wanted` names by their path below it, in order.
    pub(crate) fn folder(self, root: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let files: Vec<PathBuf> = files_of(root)?
            .into_iter()
            .filter(|file| wanted(&file.strip_prefix(root).unwrap_or(file).to_string_lossy()))
            .collect();
        ensure!(!files.is_empty(), "{} has no files", root.display());
        files
            .iter()
            .try_fold(self, |key, file| key.file(root, file))
    }

    fn finish(self) -> String {
        use std::fmt::Write as _;
        self.0
            .finalize()
            .iter()
            .take(8)
            .fold(String::new(), |mut text, byte| {
                // Writing to a string does not fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// All files below a folder but those in `node_modules` and `.git`, ordered.
pub(crate) fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != "node_modules" && name != ".git" {
                files.extend(files_of(&entry.path())?);
            }
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Whether two folders hold the same files.
pub(crate) fn same_files(one: &Path, other: &Path) -> Result<bool> {
    if !one.is_dir() || !other.is_dir() {
        return Ok(false);
    }
    let contents = |root: &Path| -> Result<Vec<(PathBuf, Vec<u8>)>> {
        files_of(root)?
            .into_iter()
            .map(|file| Ok((file.strip_prefix(root)?.to_owned(), std::fs::read(&file)?)))
            .collect()
    };
    Ok(contents(one)? == contents(other)?)
}

/// Copies the files of a folder into an empty one.
pub(crate) fn copy_files(from: &Path, to: &Path) -> Result<()> {
    remove_all(to)?;
    for file in files_of(from)? {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::copy(&file, &target).with_context(|| format!("write {}", target.display()))?;
    }
    Ok(())
}

/// Removes a folder, if it is there.
pub(crate) fn remove_all(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Cargo takes a relative folder from where it is called: that is here, whatever a step's folder.
fn run_relative(named: &std::ffi::OsStr) -> PathBuf {
    std::path::absolute(named).unwrap_or_else(|_| PathBuf::from(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_depends_on_names_and_content() {
        let folder = std::env::temp_dir().join(format!("xtask-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let key = || Key::default().folder(&folder, |_| true).unwrap().finish();
        std::fs::write(folder.join("a"), "1").unwrap();
        let first = key();
        assert_eq!(first, key());
        std::fs::write(folder.join("a"), "2").unwrap();
        let second = key();
        assert_ne!(first, second);
        std::fs::rename(folder.join("a"), folder.join("b")).unwrap();
        assert_ne!(second, key());
        remove_all(&folder).unwrap();
    }

    #[test]
    fn pieces_of_text_do_not_run_together() {
        let one = Key::default().text("ab").text("c").finish();
        assert_ne!(one, Key::default().text("a").text("bc").finish());
    }
}
