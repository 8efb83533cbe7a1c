//! The folders of a mirror on disk.
//!
//! A mirror is cloned anew when it is damaged or has too many packs. The new clone is a new
//! generation, a folder beside the old one; readers of the old one keep it until they are done.
//!
//! ```text
//! <dir>/<hash of the URL>/1.git      in use, or kept by readers
//!                         2.new      being cloned
//!                         1.corrupt  set aside, for a person to look at
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use git2::{Repository, RepositoryInitOptions};

use crate::error::Error;
use crate::settings::Settings;

/// One folder with a bare repository.
pub(crate) struct Generation {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    retired: AtomicBool,
}

impl Generation {
    fn new(root: &Path, number: u64) -> Self {
        Self {
            number,
            path: root.join(format!("{number}.git")),
            retired: AtomicBool::new(false),
        }
    }

    /// The repository of a clone, which is nobody's to remove.
    pub(super) fn of_clone(path: PathBuf) -> Self {
        Self {
            number: 0,
            path,
            retired: AtomicBool::new(false),
        }
    }

    /// A handle of its own; handles are not shared between threads.
    pub(crate) fn open(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(&self.path)
    }

    /// Lets the folder go when its last reader is done.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Whether it has so many packs, or so much beside its first one, that a clone is better.
    pub(super) fn is_overgrown(&self, settings: &Settings) -> Result<bool, Error> {
        let folder = self.path.join("objects/pack");
        let entries = fs::read_dir(&folder).map_err(|error| disk(&folder, &error))?;
        let is_pack = |entry: &fs::DirEntry| {
            let path = entry.path();
            path.extension()
                .is_some_and(|extension| extension == "pack")
        };
        let packs = entries.flatten().filter(is_pack);
        // One that is gone meanwhile counts for nothing.
        let sizes: Vec<u64> = packs
            .map(|entry| entry.metadata().map_or(0, |metadata| metadata.len()))
            .collect();
        let largest = sizes.iter().copied().max().unwrap_or_default();
        let growth = sizes.iter().sum::<u64>() - largest;
        Ok(sizes.len() > settings.max_pack_files
            || growth > settings.max_mirror_growth_bytes.max(largest))
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if *self.retired.get_mut() {
            // What cannot be removed now is swept when the mirror is opened next.
            drop(fs::remove_dir_all(&self.path));
        }
    }
}

/// A generation that is being filled: thrown away unless it is finished.
pub(super) struct Unfinished {
    root: PathBuf,
    number: u64,
    path: PathBuf,
}

impl Unfinished {
    /// Makes an empty bare repository.
    pub(super) fn create(root: &Path, number: u64) -> Result<(Self, Repository), Error> {
        let path = root.join(format!("{number}.new"));
        remove(&path)?;
        let mut options = RepositoryInitOptions::new();
        options
            .bare(true)
            .external_template(false)
            .initial_head("syncline-none");
        let repository = Repository::init_opts(&path, &options).map_err(|error| Error::Disk {
            path: path.clone(),
            detail: crate::error::printable(error.message()),
        })?;
        Ok((
            Self {
                root: root.to_owned(),
                number,
                path,
            },
            repository,
        ))
    }

    /// Gives the folder its final name. All handles on it must be closed.
    pub(super) fn finish(self) -> Result<Generation, Error> {
        let generation = Generation::new(&self.root, self.number);
        fs::rename(&self.path, &generation.path).map_err(|error| disk(&self.path, &error))?;
        Ok(generation)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After `finish` the folder has another name and nothing is there to remove.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// The newest usable generation under a root; everything else there is swept or set aside.
pub(super) fn open_newest(root: &Path) -> Result<Generation, Error> {
    // Only the agent may read what is in a private repository.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
        .map_err(|error| disk(root, &error))?;
    let mut numbers = Vec::new();
    let mut set_aside = Vec::new();
    for entry in fs::read_dir(root).map_err(|error| disk(root, &error))? {
        let path = entry.map_err(|error| disk(root, &error))?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        let extension = path.extension().and_then(|extension| extension.to_str());
        match (number, extension) {
            (Some(number), Some("git")) => numbers.push(number),
            (Some(number), Some("corrupt")) => set_aside.push(number),
            _ => remove(&path)?,
        }
    }
    numbers.sort_unstable();
    let next = numbers
        .iter()
        .chain(&set_aside)
        .max()
        .map_or(1, |newest| newest + 1);
    let mut found = None;
    while let Some(number) = numbers.pop() {
        let generation = Generation::new(root, number);
        if found.is_some() {
            remove(&generation.path)?;
            continue;
        }
        sweep(&generation.path)?;
        match check(&generation) {
            Ok(()) => found = Some(generation),
            Err(error) => {
                let aside = root.join(format!("{number}.corrupt"));
                tracing::warn!(
                    mirror = %generation.path.display(),
                    error = error.message(),
                    "a damaged mirror is set aside as `{}` and cloned anew", aside.display()
                );
                for older in set_aside.drain(..) {
                    remove(&root.join(format!("{older}.corrupt")))?;
                }
                fs::rename(&generation.path, &aside)
                    .map_err(|error| disk(&generation.path, &error))?;
                set_aside.push(number);
            }
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    let (unfinished, repository) = Unfinished::create(root, next)?;
    drop(repository);
    unfinished.finish()
}

/// Whether every branch of the mirror leads to a commit and its tree.
fn check(generation: &Generation) -> Result<(), git2::Error> {
    let repository = generation.open()?;
    for reference in repository.references()? {
        reference?.peel_to_commit()?.tree()?;
    }
    Ok(())
}

/// Removes what a process that was killed leaves: half packs, half objects and locks. Without it
/// packs stay for ever and a stale lock makes every fetch fail.
fn sweep(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(|error| disk(folder, &error))? {
        let entry = entry.map_err(|error| disk(folder, &error))?;
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type().map_err(|error| disk(&path, &error))?;
        if kind.is_dir() {
            sweep(&path)?;
        } else if name.starts_with("pack_git2_")
            || name.starts_with("tmp_object_git2_")
            || name.ends_with(".lock")
        {
            fs::remove_file(&path).map_err(|error| disk(&path, &error))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), Error> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(path, &error)),
        _ => Ok(()),
    }
}

/// An error of the operating system about a path of ours.
pub(super) fn disk(path: &Path, error: &io::Error) -> Error {
    Error::Disk {
        path: path.to_owned(),
        detail: error.to_string(),
    }
}
